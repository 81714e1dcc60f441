//! Words that go into the running turn, and where they go when they can't.

use super::*;

/// A prompt of the double that runs, and its project.
async fn busy(scenario: &str) -> (Afield, Client, String, Value) {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let prompt = format!("[[mock:{scenario}]]");
    let ask = json!({ "project_id": project, "prompt": prompt });
    let turn = client.ask("execute", ask).await.unwrap();
    client.event("agent_message", |data| data["direction"] == "claude").await.unwrap();
    (afield, client, project, turn)
}

async fn steer(client: &mut Client, project: &str, prompt: &str) -> Value {
    let payload = json!({ "prompt": prompt });
    let target = json!({ "project_id": project });
    let ask = json!({ "target": target, "payload": payload, "mode": "steer" });
    client.ask("command_submit", ask).await.unwrap()
}

async fn texts(client: &mut Client, project: &str) -> Vec<String> {
    let page = client.ask("get_messages", json!({ "project_id": project })).await.unwrap();
    let messages = page["messages"].as_array().unwrap();
    messages.iter().filter_map(|it| it["text"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn words_reach_the_agent_in_its_turn() {
    let (afield, mut client, project, turn) = busy("steer n=1").await;
    let one = steer(&mut client, &project, "use tabs").await;
    assert_eq!((&one["steer"], &one["into"]), (&json!("offered"), &turn["id"]));
    let said =
        client.event("agent_message", |data| data["text"] == "You also said: use tabs").await;
    assert_eq!(said.unwrap()["data"]["data"]["command_id"], turn["id"], "it is the same turn");
    let output = afield.cli(&["run", "-p", &project, "--mode", "steer", "no, spaces"]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stderr.contains("in the turn of command"), "{output:?}");
    assert_eq!(finished(&mut client, &turn).await["state"], "succeeded");
    let id = one["id"].as_str().unwrap();
    let shown = client.ask("command_show", json!({ "command_id": id })).await.unwrap();
    assert_eq!((&shown["state"], &shown["steer"]), (&json!("succeeded"), &json!("taken")));
    let steps: Vec<_> = shown["chain"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
    assert_eq!(steps, ["submitted", "accepted", "leased", "consumed", "finished"]);
    let texts = texts(&mut client, &project).await;
    for words in ["use tabs", "no, spaces"] {
        let answer = format!("You also said: {words}");
        assert_eq!(texts.iter().filter(|text| **text == answer).count(), 1, "{texts:?}");
        assert_eq!(texts.iter().filter(|text| *text == words).count(), 1, "{texts:?}");
    }
}

#[tokio::test]
async fn words_for_a_program_wait_first_and_say_so() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    let settings = json!({ "agent": "demo" });
    let ask = json!({ "project_id": project, "settings": settings });
    client.ask("project_update", ask).await.unwrap();
    follow(&mut client, &project, 0).await;
    let target = json!({ "project_id": project });
    let shell = json!({ "target": target, "kind": "shell", "payload": { "options": { "argv": ["sleep", "600"] } } });
    let shell = client.ask("command_submit", shell).await.unwrap();
    client
        .event("command_state", |data| data["id"] == shell["id"] && data["state"] == "running")
        .await
        .unwrap();
    let behind = json!({ "target": target, "payload": { "prompt": "behind" } });
    let behind = client.ask("command_submit", behind).await.unwrap();
    let words = steer(&mut client, &project, "faster").await;
    assert_eq!(words["steer"], "refused");
    let explained =
        client.ask("command_explain", json!({ "command_id": words["id"] })).await.unwrap();
    let why = explained["waiting"]["message"].as_str().unwrap();
    assert!(why.contains("the agent takes nothing while it works"), "{why}");
    client.ask("command_cancel", json!({ "command_id": shell["id"] })).await.unwrap();
    let first = finished(&mut client, &words).await;
    let second = finished(&mut client, &behind).await;
    assert!(first["started_at"].as_str() < second["started_at"].as_str(), "{first} {second}");
}

#[tokio::test]
async fn words_are_given_once_when_the_server_is_gone_in_between() {
    let (afield, mut client, project, turn) = busy("steer n=0").await;
    let hold = json!({ "project_id": project });
    client.ask("command_hold", hold.clone()).await.unwrap();
    let words = steer(&mut client, &project, "use tabs").await;
    assert_eq!(words["steer"], "offered");
    afield.kill_child("server").await;
    let mut client = afield.client_again().await;
    follow(&mut client, &project, 0).await;
    client.ask("command_release", hold).await.unwrap();
    assert_eq!(finished(&mut client, &words).await["state"], "succeeded");
    assert_eq!(finished(&mut client, &turn).await["state"], "succeeded");
    let texts = texts(&mut client, &project).await;
    let answers = texts.iter().filter(|text| *text == "You also said: use tabs").count();
    assert_eq!(answers, 1, "{texts:?}");
}
