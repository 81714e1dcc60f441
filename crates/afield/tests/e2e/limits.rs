//! The agent's usage limit and an overloaded service: waited for when that is allowed, visibly.

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

/// So many seconds from now, in Unix seconds.
fn in_seconds(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

/// A project of the double, followed.
async fn project() -> (Afield, Client, String) {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    (afield, client, project)
}

async fn sent(afield: &Afield, project: &str, options: &[&str], scenario: &str) -> Value {
    let prompt = format!("[[mock:{scenario}]]");
    let output =
        afield.cli(&[&["run", "-p", project, "-d", "--json"], options, &[&prompt]].concat()).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    let reply: Value = serde_json::from_str(&output.stdout).unwrap();
    json!({ "id": reply["command_id"] })
}

/// The command when it waits for its next attempt.
async fn waits(client: &mut Client, command: &Value) -> Value {
    let id = command["id"].clone();
    let again =
        |data: &Value| data["id"] == id && data["state"] == "queued" && !data["outcome"].is_null();
    client.event("command_state", again).await.unwrap()["data"]["data"].clone()
}

async fn explained(client: &mut Client, command: &Value) -> Value {
    let ask = json!({ "command_id": command["id"] });
    client.ask("command_explain", ask).await.unwrap()["waiting"].clone()
}

#[tokio::test]
async fn a_usage_limit_is_waited_for_only_when_that_was_allowed() {
    let (afield, mut client, project) = project().await;
    let scenario = format!("rate_limited at={}", in_seconds(3600));
    let refused = sent(&afield, &project, &["--retry", "2"], &scenario).await;
    let end = finished(&mut client, &refused).await;
    assert_eq!((&end["state"], &end["attempt"]), (&json!("dead"), &json!(1)), "{end}");
    assert!(end["outcome"]["resets_at"].is_string(), "{end}");
    let limited = sent(&afield, &project, &["--wait-for-limit"], &scenario).await;
    let waiting = waits(&mut client, &limited).await;
    assert_eq!(waiting["waiting_for"], "limit", "{waiting}");
    assert!(waiting["not_before"].as_str() > end["outcome"]["resets_at"].as_str(), "{waiting}");
    let why = explained(&mut client, &limited).await;
    assert_eq!((&why["reason"], &why["until"]), (&json!("limit"), &waiting["not_before"]));
    let id = limited["id"].as_str().unwrap();
    let output = afield.cli(&["queue", "cancel", id]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(finished(&mut client, &limited).await["state"], "cancelled");
    assert_eq!(run(&mut client, &project, "[[mock:success]]").await["state"], "succeeded");
}

#[tokio::test]
async fn the_next_attempt_follows_the_end_of_the_limit() {
    let (afield, mut client, project) = project().await;
    let at = in_seconds(2);
    let scenario = format!("rate_limited at={at}");
    let limited = sent(&afield, &project, &["--wait-for-limit"], &scenario).await;
    assert_eq!(waits(&mut client, &limited).await["waiting_for"], "limit");
    let end = finished(&mut client, &limited).await;
    assert_eq!((&end["state"], &end["attempt"]), (&json!("failed"), &json!(2)), "{end}");
    assert!(in_seconds(0) > at, "it was tried again after the limit had ended");
}

#[tokio::test]
async fn an_overloaded_service_is_given_the_time_it_asks_for() {
    let (afield, mut client, project) = project().await;
    let sent = sent(&afield, &project, &["--retry", "2"], "api_error wait=600000").await;
    let waiting = waits(&mut client, &sent).await;
    assert_eq!(waiting["outcome"]["kind"], "transient", "{waiting}");
    assert_eq!(waiting["outcome"]["retry_after_ms"], 600_000, "{waiting}");
    assert_eq!(explained(&mut client, &sent).await["reason"], "time");
    let at = |name: &str| {
        serde_json::from_value::<afield_proto::Timestamp>(waiting[name].clone()).unwrap().unix_ms()
    };
    assert!(at("not_before") - at("created_at") >= 600_000, "{waiting}");
}
