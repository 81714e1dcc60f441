//! Approvals: shown to every follower, the first answer counts, the others are told.

use testkit::harness::code;

use super::*;

async fn asked(client: &mut Client) -> Value {
    let open = |data: &Value| data["state"] == "open";
    client.event("approval_state", open).await.unwrap()["data"]["data"].clone()
}

#[tokio::test]
async fn the_first_answer_wins_and_everybody_sees_it() {
    let afield = with_mock().await;
    let mut one = afield.client().await;
    let mut two = afield.client().await;
    let project = afield.project(&mut one, "p").await;
    follow(&mut one, &project, 0).await;
    follow(&mut two, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:permission tool=Write]]" });
    let command = one.ask("execute", ask).await.unwrap();
    let approval = asked(&mut one).await;
    assert_eq!(asked(&mut two).await, approval);
    assert_eq!(approval["tool"], "Write");
    assert!(approval["input"].is_object() && approval["directory"].is_string());
    assert!(approval["danger"]["level"].is_string(), "{approval}");
    let listed = two.ask("approval_list", json!({ "project_id": project })).await.unwrap();
    assert_eq!(listed["approvals"].as_array().unwrap().len(), 1);
    let answer = json!({ "approval_id": approval["approval_id"], "behavior": "allow" });
    two.ask("approval_answer", answer.clone()).await.unwrap();
    let late = json!({ "approval_id": approval["approval_id"], "behavior": "deny" });
    assert_eq!(code(one.ask("approval_answer", late).await), "CONFLICT");
    let told = one.event("approval_state", |data| data["state"] == "allowed").await.unwrap();
    assert!(told["data"]["data"]["resolved_by"].is_string());
    assert_eq!(finished(&mut one, &command).await["state"], "succeeded");
}

#[tokio::test]
async fn a_no_reaches_the_agent_with_its_reason() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:permission]]" });
    let command = client.ask("execute", ask).await.unwrap();
    let approval = asked(&mut client).await;
    let answer = json!({
        "approval_id": approval["approval_id"], "behavior": "deny", "message": "not on a Friday",
    });
    client.ask("approval_answer", answer).await.unwrap();
    assert_eq!(finished(&mut client, &command).await["state"], "succeeded");
    let page = client
        .ask("get_messages", json!({ "project_id": project, "kind": "tool_result" }))
        .await
        .unwrap();
    assert_eq!(page["messages"][0]["tool"]["failed"], true, "{page}");
}

#[tokio::test]
async fn withdrawn_by_the_agent_or_by_the_end() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:permission_cancel]]" });
    let command = client.ask("execute", ask).await.unwrap();
    asked(&mut client).await;
    client.event("approval_state", |data| data["state"] == "withdrawn").await.unwrap();
    finished(&mut client, &command).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:permission]]" });
    let command = client.ask("execute", ask).await.unwrap();
    let approval = asked(&mut client).await;
    client.ask("agent_kill", json!({ "project_id": project })).await.unwrap();
    finished(&mut client, &command).await;
    let answer = json!({ "approval_id": approval["approval_id"], "behavior": "allow" });
    assert_eq!(code(client.ask("approval_answer", answer).await), "CONFLICT");
    let open = client.ask("approval_list", json!({})).await.unwrap();
    assert_eq!(open["approvals"], json!([]));
}

#[tokio::test]
async fn questions_are_answered_by_their_text() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:ask_user]]" });
    let command = client.ask("execute", ask).await.unwrap();
    let approval = asked(&mut client).await;
    assert_eq!(approval["kind"], "question");
    let question = approval["input"]["questions"][0]["question"].as_str().unwrap();
    let answer = json!({
        "approval_id": approval["approval_id"], "behavior": "allow", "answers": { question: "Blue" },
    });
    client.ask("approval_answer", answer).await.unwrap();
    let end = finished(&mut client, &command).await;
    assert_eq!(end["state"], "succeeded", "{end}");
}

#[tokio::test]
async fn a_persons_rule_reaches_the_agent_as_it_was_written() {
    let (afield, journal) = with_journal().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:permission tool=Bash]]" });
    let command = client.ask("execute", ask.clone()).await.unwrap();
    let approval = asked(&mut client).await;
    let suggested =
        json!([{ "tool": "Bash", "content": "cargo test:*", "destination": "local_settings" }]);
    assert_eq!(approval["rules"], suggested);
    let answer = |tool: &str| {
        let rule = json!({ "tool": tool, "content": "cargo *", "destination": "session" });
        json!({ "approval_id": approval["approval_id"], "behavior": "allow", "rules": [rule] })
    };
    assert_eq!(code(client.ask("approval_answer", answer("Write")).await), "VALIDATION_FAILED");
    client.ask("approval_answer", answer("Bash")).await.unwrap();
    assert_eq!(finished(&mut client, &command).await["state"], "succeeded");
    let command = client.ask("execute", ask).await.unwrap();
    asked(&mut client).await;
    let said = afield.cli(&["approvals", "answer", "--allow", "--always", "cargo test"]).await;
    assert!(said.stdout.contains("allowed, always Bash(cargo test)"), "{said:?}");
    assert_eq!(finished(&mut client, &command).await["state"], "succeeded");
    let frames = journal.frames();
    let told = |frame: &Value| frame["response"]["response"]["updatedPermissions"].clone();
    let told: Vec<Value> = frames.iter().map(told).filter(Value::is_array).collect();
    let rule = |content: &str, destination: &str| {
        json!([{ "type": "addRules", "behavior": "allow", "destination": destination,
            "rules": [{ "toolName": "Bash", "ruleContent": content }] }])
    };
    assert_eq!(told, [rule("cargo *", "session"), rule("cargo test", "localSettings")]);
    let audit = client.ask("audit_list", json!({ "limit": 100 })).await.unwrap().to_string();
    assert!(audit.contains(r#""content":"cargo test""#), "{audit}");
}
