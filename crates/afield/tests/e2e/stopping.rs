//! What you stop is dead, with every child it made.

use std::time::Instant;

use testkit::harness::processes_marked;

use super::*;

#[tokio::test]
async fn no_child_survives_the_end_however_it_hides() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let prompt = "[[mock:grandchildren n=3 setsid=1 ignore_term=1 hold_stdout=1]]";
    let ask = json!({ "project_id": project, "prompt": prompt });
    let command = client.ask("execute", ask).await.unwrap();
    let mark = format!("AFIELD_RUN_ID={}", command["id"].as_str().unwrap());
    let end = finished(&mut client, &command).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    assert_eq!(processes_marked(&mark), Vec::<u32>::new(), "nothing is left after the end");
}

#[tokio::test]
async fn a_kill_ends_what_ignores_term_within_two_seconds_and_says_so() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:ignore_term]]" });
    let command = client.ask("execute", ask).await.unwrap();
    client.event("agent_message", |data| data["direction"] == "claude").await.unwrap();
    let mark = format!("AFIELD_RUN_ID={}", command["id"].as_str().unwrap());
    assert!(!processes_marked(&mark).is_empty());
    let start = Instant::now();
    let reply = client.ask("agent_kill", json!({ "project_id": project })).await.unwrap();
    let took = start.elapsed();
    assert_eq!(processes_marked(&mark), Vec::<u32>::new());
    assert!(took.as_millis() < 3000, "{took:?}");
    assert!(!reply["killed"].as_array().unwrap().is_empty(), "{reply}");
    assert_eq!(finished(&mut client, &command).await["state"], "cancelled");
    client.event("process_killed", |_| true).await.unwrap();
    client.event("project_state", |data| data["state"] == "IDLE").await.unwrap();
    assert_eq!(run(&mut client, &project, "[[mock:success]]").await["state"], "succeeded");
}

#[tokio::test]
async fn an_interrupt_ends_the_turn_and_keeps_the_conversation() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:interrupt]]" });
    let command = client.ask("execute", ask).await.unwrap();
    client.event("agent_message", |data| data["direction"] == "claude").await.unwrap();
    client.ask("agent_interrupt", json!({ "project_id": project })).await.unwrap();
    let end = finished(&mut client, &command).await;
    assert_eq!(end["outcome"]["kind"], "cancelled", "{end}");
    let next = run(&mut client, &project, "[[mock:success]]").await;
    assert_eq!(next["session_id"], end["session_id"]);
    assert_eq!(next["state"], "succeeded", "{next}");
}

#[tokio::test]
async fn what_ends_the_running_turn_runs_itself_also_when_nothing_does() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = |payload: Value| json!({ "target": { "project_id": project }, "mode": "interrupt", "payload": payload });
    let hello = || ask(json!({ "prompt": "[[mock:success]]" }));
    for _ in 0..10 {
        let command = client.ask("command_submit", hello()).await.unwrap();
        let end = finished(&mut client, &command).await;
        assert_eq!(end["state"], "succeeded", "{end}");
    }
    let works = json!({ "project_id": project, "prompt": "[[mock:interrupt]]" });
    let before = client.ask("execute", works).await.unwrap();
    let its_own =
        |data: &Value| data["command_id"] == before["id"] && data["direction"] == "claude";
    client.event("agent_message", its_own).await.unwrap();
    let command = client.ask("command_submit", hello()).await.unwrap();
    assert_eq!(finished(&mut client, &before).await["outcome"]["kind"], "cancelled");
    let end = finished(&mut client, &command).await;
    assert_eq!(end["state"], "succeeded", "{end}");
}

#[tokio::test]
async fn a_repetition_does_not_end_what_its_first_began() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({
        "target": { "project_id": project },
        "kind": "shell",
        "mode": "interrupt",
        "key": "once",
        "payload": { "options": { "argv": ["/bin/sleep", "1"] } },
    });
    let command = client.ask("command_submit", ask.clone()).await.unwrap();
    let works = |data: &Value| data["id"] == command["id"] && data["state"] == "running";
    client.event("command_state", works).await.unwrap();
    let again = client.ask("command_submit", ask).await.unwrap();
    assert_eq!(again["id"], command["id"]);
    let end = finished(&mut client, &command).await;
    assert_eq!(end["state"], "succeeded", "{end}");
}

#[tokio::test]
async fn a_time_limit_stops_the_work() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:hang]]", "options": { "timeout_seconds": 1 } });
    let command = client.ask("execute", ask).await.unwrap();
    let end = finished(&mut client, &command).await;
    assert_eq!(end["outcome"]["code"], "EXECUTION_TIMEOUT", "{end}");
    assert_eq!(end["outcome"]["kind"], "timed_out");
}
