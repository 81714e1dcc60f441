//! The queue over REST: every route, what it answers and how it refuses.

use testkit::http::status;

use super::access::http;
use super::*;

/// One request with the owner's credential: the status and the body.
async fn rest(afield: &Afield, line: &str, body: Value) -> (u16, Value) {
    let head = format!("{line}\nAuthorization: Bearer {}", afield.token);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = http(afield, &head, &body).await;
    let text = response.split_once("\r\n\r\n").unwrap().1;
    let json = text.find('{').map(|at| &text[at..]).unwrap_or("null");
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
    (
        status(&response),
        values.next().unwrap().unwrap_or_else(|error| panic!("{error}: {response}")),
    )
}

async fn done(afield: &Afield, line: &str, body: Value) -> Value {
    let (status, reply) = rest(afield, line, body).await;
    assert_eq!(status, 200, "{line}: {reply}");
    reply
}

async fn refused(afield: &Afield, line: &str, body: Value) -> (u16, String) {
    let (status, error) = rest(afield, line, body).await;
    assert!(error["message"].is_string(), "{line}: {error}");
    (status, error["code"].as_str().unwrap().to_owned())
}

fn ids(list: &Value) -> Vec<&str> {
    let commands = list["commands"].as_array().unwrap();
    commands.iter().map(|command| command["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_queue_is_reached_by_rest() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    let held = json!({ "project_id": project });
    assert_eq!(done(&afield, "POST /api/v1/holds", held.clone()).await["changed"], true);
    let holds = done(&afield, "GET /api/v1/holds", Value::Null).await;
    assert_eq!(holds["holds"][0]["project_id"], project.as_str());
    let submit = |prompt: &str, more: Value| {
        let mut ask = json!({ "target": { "project_id": project } });
        ask["payload"] = json!({ "prompt": prompt, "agent": "demo" });
        for (name, value) in more.as_object().unwrap() {
            ask[name] = value.clone();
        }
        done(&afield, "POST /api/v1/commands", ask)
    };
    let one = submit("one", json!({ "key": "k" })).await["id"].as_str().unwrap().to_owned();
    let two = submit("two", json!({})).await["id"].as_str().unwrap().to_owned();
    let list = done(&afield, "GET /api/v1/commands?waiting=true", Value::Null).await;
    assert_eq!(ids(&list), [&one, &two]);
    let shown = done(&afield, &format!("GET /api/v1/commands/{one}"), Value::Null).await;
    assert_eq!((&shown["payload"]["prompt"], &shown["key"]), (&json!("one"), &json!("k")));
    let why = done(&afield, &format!("GET /api/v1/commands/{one}/explain"), Value::Null).await;
    assert_eq!(why["waiting"]["reason"], "hold");
    let edit = json!({ "priority": "high" });
    let edited = done(&afield, &format!("PATCH /api/v1/commands/{one}"), edit).await;
    assert_eq!(edited["priority"], "high");
    let to = json!({ "to": "first" });
    done(&afield, &format!("POST /api/v1/commands/{two}/move"), to).await;
    let list = done(&afield, "GET /api/v1/commands?waiting=true", Value::Null).await;
    assert_eq!(ids(&list), [&two, &one]);
    let cancel = done(&afield, &format!("POST /api/v1/commands/{one}/cancel"), json!({})).await;
    assert_eq!(cancel["state"], "cancelled");
    let back = json!({ "command_ids": [one] });
    let back = done(&afield, "POST /api/v1/commands/retry", back).await;
    assert_eq!((ids(&back), &back["commands"][0]["state"]), (vec![one.as_str()], &json!("queued")));
    let dead = json!({ "all_dead": true });
    let purged = done(&afield, "POST /api/v1/commands/purge", dead).await;
    assert!(ids(&purged).is_empty());
    assert_eq!(done(&afield, "POST /api/v1/holds/release", held).await["changed"], true);
    follow(&mut client, &project, 0).await;
    let end = client
        .event("command_state", |data| data["id"] == one.as_str() && data["state"] == "succeeded")
        .await;
    end.unwrap();
    refusals(&afield, &project, &one).await;
}

async fn refusals(afield: &Afield, project: &str, over: &str) {
    let nobody = "01990000-0000-7000-8000-000000000000";
    let resolve = json!({ "resolution": "failed" });
    let key = json!({
        "target": { "project_id": project }, "key": "k",
        "payload": { "prompt": "another", "agent": "demo" },
    });
    for (line, body, expected) in [
        (format!("GET /api/v1/commands/{nobody}"), Value::Null, (404, "NOT_FOUND")),
        (format!("GET /api/v1/commands/{nobody}/explain"), Value::Null, (404, "NOT_FOUND")),
        (format!("POST /api/v1/commands/{nobody}/cancel"), json!({}), (404, "NOT_FOUND")),
        (format!("PATCH /api/v1/commands/{over}"), json!({ "priority": "low" }), (409, "CONFLICT")),
        (format!("POST /api/v1/commands/{over}/move"), json!({ "to": "last" }), (409, "CONFLICT")),
        (format!("POST /api/v1/commands/{over}/resolve"), resolve, (409, "CONFLICT")),
        ("POST /api/v1/commands".into(), json!({}), (400, "VALIDATION_FAILED")),
        ("POST /api/v1/commands".into(), key, (409, "CONFLICT")),
        ("POST /api/v1/commands/retry".into(), json!({}), (400, "VALIDATION_FAILED")),
        ("POST /api/v1/commands/purge".into(), json!({}), (400, "VALIDATION_FAILED")),
        ("POST /api/v1/holds".into(), json!({ "runner_id": nobody }), (404, "NOT_FOUND")),
        ("POST /api/v1/holds/release".into(), json!({ "command_id": nobody }), (404, "NOT_FOUND")),
        ("GET /api/v1/blobs/none".into(), Value::Null, (404, "NOT_FOUND")),
    ] {
        let (status, code) = refused(afield, &line, body).await;
        assert_eq!((status, code.as_str()), expected, "{line}");
    }
}
