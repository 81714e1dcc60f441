//! Crashes and restarts: everything acknowledged is there, nothing starts twice, what was running
//! is shown truthfully.

use std::time::Duration;

use testkit::harness::{processes_marked, until};

use super::*;

#[tokio::test]
async fn a_restart_keeps_projects_sessions_history_and_numbers() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "hello", "agent": "demo", "key": "k1" });
    let command = client.ask("execute", ask.clone()).await.unwrap();
    finished(&mut client, &command).await;
    let before = client.ask("project_get", json!({ "project_id": project })).await.unwrap();
    let history = client.ask("get_messages", json!({ "project_id": project })).await.unwrap();
    let afield = afield.restart().await;
    let mut client = afield.client().await;
    let after = client.ask("project_get", json!({ "project_id": project })).await.unwrap();
    assert_eq!(after, before);
    let again = client.ask("get_messages", json!({ "project_id": project })).await.unwrap();
    assert_eq!(again, history);
    let repeated = client.ask("execute", ask).await.unwrap();
    assert_eq!(repeated["id"], command["id"], "the same key gives the first command back");
    let reply = follow(&mut client, &project, history["seq"].as_u64().unwrap()).await;
    assert_eq!((reply["verdict"].as_str(), &reply["seq"]), (Some("ok"), &history["seq"]));
}

#[tokio::test]
async fn killing_the_server_in_the_middle_loses_nothing() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "work 60", "agent": "demo" });
    let command = client.ask("execute", ask).await.unwrap();
    let first = client.event("agent_message", |data| data["direction"] == "claude").await.unwrap();
    let seen = first["seq"].as_u64().unwrap_or(1);
    afield.kill_child("server").await;
    let mut client = afield.client_again().await;
    follow(&mut client, &project, seen).await;
    let end = finished(&mut client, &command).await;
    assert_eq!(end["state"], "succeeded", "the runner went on without the server: {end}");
    assert_eq!(end["attempt"], 1);
    let mut all = afield.client().await;
    follow(&mut all, &project, 0).await;
    let mut next = 1;
    loop {
        let frame = all.next().await.unwrap();
        let Some(seq) = frame["seq"].as_u64().filter(|_| frame["type"] == "event") else {
            continue;
        };
        assert_eq!(seq, next);
        next += 1;
        let data = &frame["data"]["data"];
        if data["id"] == command["id"] && !data["finished_at"].is_null() {
            break;
        }
    }
}

#[tokio::test]
async fn killing_the_runner_in_the_middle_is_shown_as_interrupted() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:ignore_term]]" });
    let command = client.ask("execute", ask).await.unwrap();
    client.event("project_state", |data| data["state"] == "EXECUTING").await.unwrap();
    let mark = format!("AFIELD_RUN_ID={}", command["id"].as_str().unwrap());
    until("the agent runs", || !processes_marked(&mark).is_empty()).await;
    afield.kill_child("runner").await;
    let end = finished(&mut client, &command).await;
    assert_eq!(end["state"], "interrupted", "{end}");
    assert_eq!(end["attempt"], 1, "it is not started again by itself");
    until("no process is left", || processes_marked(&mark).is_empty()).await;
    let next = run(&mut client, &project, "[[mock:success]]").await;
    assert_eq!(next["state"], "succeeded", "{next}");
}

#[tokio::test]
async fn a_prompt_for_a_runner_that_is_away_waits_and_can_be_cancelled() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let made = client
        .ask("device_create", json!({ "name": "box", "kind": "runner", "scopes": ["runner"] }))
        .await
        .unwrap();
    let token_file = afield.path("box.token");
    std::fs::write(&token_file, made["token"].as_str().unwrap()).unwrap();
    let start = || {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_afield"))
            .args(["runner", "--server", &afield.url, "--name", "box", "--token-file"])
            .arg(&token_file)
            .arg("--data-dir")
            .arg(afield.path("box-data"))
            .env("AFIELD_RUNNER_ROOTS", afield.root())
            .env("AFIELD_DEMO_PACE", "0.02")
            .stdin(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    let runner_id = made["device"]["id"].clone();
    let mut runner = start();
    wait_online(&mut client, &runner_id, true).await;
    let path = afield.make_dir("far");
    let ask = json!({ "path": path, "runner_id": runner_id });
    let project = client.ask("project_create", ask).await.unwrap();
    let project = project["id"].as_str().unwrap().to_owned();
    runner.kill().await.unwrap();
    wait_online(&mut client, &runner_id, false).await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "one", "agent": "demo" });
    let waiting = client.ask("execute", ask.clone()).await.unwrap();
    assert_eq!(waiting["state"], "queued");
    let cancel = json!({ "command_id": waiting["id"] });
    assert_eq!(client.ask("command_cancel", cancel).await.unwrap()["id"], waiting["id"]);
    assert_eq!(finished(&mut client, &waiting).await["state"], "cancelled");
    let second = client.ask("execute", ask).await.unwrap();
    let _runner = start();
    let end = finished(&mut client, &second).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    let first = client.ask("command_get", json!({ "command_id": waiting["id"] })).await.unwrap();
    assert_eq!(first["state"], "cancelled", "an acknowledged cancel never starts");
}

async fn wait_online(client: &mut Client, runner: &Value, online: bool) {
    let start = std::time::Instant::now();
    loop {
        let list = client.ask("runner_list", json!({})).await.unwrap();
        let runners = list["runners"].as_array().unwrap();
        if runners.iter().any(|row| row["runner_id"] == *runner && row["online"] == online) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{list}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
