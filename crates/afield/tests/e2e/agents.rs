//! What agents do reaches the screen as what it is: outcomes of the double's scenarios.

use super::*;

#[tokio::test]
async fn outcomes_come_from_what_the_agent_says() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    for (scenario, kind) in [
        ("success", "succeeded"),
        ("multi_tool", "succeeded"),
        ("partial", "succeeded"),
        ("error_result", "failed"),
        ("api_error", "transient"),
        ("max_turns", "limit_reached"),
        ("auth_required", "auth_required"),
        ("exit_nonzero", "failed"),
        ("no_result", "missing_result"),
        ("crash_mid_line", "failed"),
        ("invalid_json", "succeeded"),
        ("invalid_utf8", "succeeded"),
        ("unknown_frames", "succeeded"),
        ("rate_limited", "rate_limited"),
        ("double_result", "succeeded"),
        ("stderr_noise", "succeeded"),
    ] {
        let end = run(&mut client, &project, &format!("[[mock:{scenario}]]")).await;
        assert_eq!(end["outcome"]["kind"], kind, "{scenario}: {end}");
    }
}

#[tokio::test]
async fn the_next_prompt_resumes_and_a_new_session_does_not() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let one = run(&mut client, &project, "[[mock:success]]").await;
    let two = run(&mut client, &project, "[[mock:success]]").await;
    assert_eq!(one["session_id"], two["session_id"]);
    let reset = client.ask("agent_new_session", json!({ "project_id": project })).await.unwrap();
    let three = run(&mut client, &project, "[[mock:success]]").await;
    assert_eq!(three["session_id"], reset["session_id"]);
    assert_ne!(three["session_id"], one["session_id"]);
}

#[tokio::test]
async fn the_demo_agent_shows_the_whole_product_without_any_agent() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    client
        .ask("project_update", json!({ "project_id": project, "settings": { "agent": "demo" } }))
        .await
        .unwrap();
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "please ask me" });
    let command = client.ask("execute", ask).await.unwrap();
    let open = |data: &Value| data["state"] == "open";
    let approval = client.event("approval_state", open).await.unwrap();
    let id = &approval["data"]["data"]["approval_id"];
    client.ask("approval_answer", json!({ "approval_id": id, "behavior": "allow" })).await.unwrap();
    assert_eq!(finished(&mut client, &command).await["state"], "succeeded");
    let end = run(&mut client, &project, "please fail").await;
    assert_eq!(end["state"], "failed");
    let end = run(&mut client, &project, "hello").await;
    assert_eq!(end["state"], "succeeded");
}

#[tokio::test]
async fn a_plain_program_runs_with_its_arguments_as_they_are() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let nasty = "a b; $(id) '\" \u{e9}";
    let ask = json!({
        "project_id": project, "agent": "command", "prompt": "",
        "options": { "argv": ["/bin/sh", "-c", "printf '%s' \"$1\"; echo oops >&2; exit 3", "sh", nasty] },
    });
    let command = client.ask("execute", ask).await.unwrap();
    let end = finished(&mut client, &command).await;
    assert_eq!(
        (&end["state"], &end["outcome"]["exit_code"]),
        (&json!("failed"), &json!(3)),
        "{end}"
    );
    let page = client
        .ask("get_messages", json!({ "project_id": project, "kind": "stdout" }))
        .await
        .unwrap();
    assert_eq!(page["messages"][0]["text"], nasty);
    let page = client
        .ask("get_messages", json!({ "project_id": project, "kind": "stderr" }))
        .await
        .unwrap();
    assert_eq!(page["messages"][0]["text"], "oops");
}

#[tokio::test]
async fn one_id_follows_a_request_through_server_runner_and_agent() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let argv = json!(["/bin/sh", "-c", "echo $AFIELD_REQUEST_ID"]);
    let ask = json!({
        "project_id": project, "agent": "command", "prompt": "", "options": { "argv": argv },
    });
    let command = client.ask("execute", ask).await.unwrap();
    finished(&mut client, &command).await;
    let ask = json!({ "project_id": project, "kind": "stdout" });
    let page = client.ask("get_messages", ask).await.unwrap();
    let request_id = page["messages"][0]["text"].as_str().unwrap();
    assert_eq!(request_id.len(), 36);
    let log = afield.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(request_id)).collect();
    assert!(lines.iter().any(|line| line.contains("accepted")), "the server's log: {log}");
    assert!(lines.iter().any(|line| line.contains("agent started")), "the runner's log: {log}");
}
