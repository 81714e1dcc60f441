//! What arrives at the server, whatever happens to connection and runner.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use afield_proto::agent::{AgentKind, MessageKind};
use afield_proto::command::OutcomeKind;
use afield_proto::runner::{Attempt, Record, RunnerExecute};

use crate::rig::{Home, Rig, alive, ended, texts};
use crate::server::Server;

/// How often an attempt's program has been started, told by the program itself.
const COUNT: &str = "echo start >> starts; echo hi";

fn starts(home: &Home) -> usize {
    let text = std::fs::read_to_string(home.project().join("starts")).unwrap_or_default();
    text.lines().count()
}

#[tokio::test]
async fn what_happens_while_disconnected_arrives_later_once_and_in_order() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Command, "for i in $(seq 1 3000); do echo $i; done");
    rig.disconnect();
    rig.execute(&order).await;
    let empty = rig.server.records(order.attempt);
    assert!(empty.is_empty());
    for _ in 0..2 {
        rig.server.lose_answers(1);
        rig.connect().await;
        rig.server.until_down().await;
        rig.disconnect();
    }
    rig.connect().await;
    rig.finished(order.attempt).await;
    let lines = texts(&rig.server.records(order.attempt), MessageKind::Stdout);
    let expected: Vec<String> = (1..=3000).map(|number| number.to_string()).collect();
    assert_eq!(lines, expected);
    assert!(rig.server.largest_batch() < 300 * 1024, "{}", rig.server.largest_batch());
    rig.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_made_up_for_without_a_second_record() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    rig.server.lose_answers(1);
    let order = home.order(AgentKind::Command, "echo hi");
    rig.execute(&order).await;
    rig.server.until(order.attempt, |records| !records.is_empty()).await;
    rig.disconnect();
    rig.connect().await;
    rig.finished(order.attempt).await;
    let started = rig.server.records(order.attempt);
    let started = started.iter().filter(|record| matches!(record, Record::Started { .. }));
    assert_eq!(started.count(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_repeated_order_starts_nothing_whenever_it_comes() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Command, COUNT);
    rig.execute(&order).await;
    rig.execute(&order).await;
    rig.finished(order.attempt).await;
    rig.execute(&order).await;
    let mut older = order.clone();
    older.attempt = Attempt { fence: 9, ..order.attempt };
    rig.execute(&older).await;
    let server = rig.stop().await;
    let rig = Rig::start_with(&home, home.policy(), server);
    rig.connect().await;
    rig.execute(&order).await;
    rig.execute(&older).await;
    let other = home.order(AgentKind::Command, "true");
    rig.run(&other).await;
    assert_eq!(starts(&home), 1);
    rig.stop().await;
}

/// A server that was put back to an earlier state gives a command anew with numbers it has given before.
#[tokio::test]
async fn an_order_with_a_fence_of_the_past_is_answered_with_the_one_that_was_seen() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Command, COUNT);
    rig.run(&order).await;
    rig.disconnect();
    let server = rig.stop().await;
    assert!(server.fences_seen().is_empty());
    for fence in [9, 10] {
        let mut past = order.clone();
        past.attempt = Attempt { fence, ..order.attempt };
        let forgotten = Arc::new(Server::new());
        let rig = Rig::start_with(&home, home.policy(), forgotten);
        rig.connect().await;
        rig.execute(&past).await;
        let (outcome, _) = rig.finished(past.attempt).await;
        assert_eq!(outcome.kind, OutcomeKind::Interrupted);
        assert_eq!(rig.server.records(past.attempt).len(), 1, "it has not started");
        assert_eq!(rig.server.fences_seen(), [10]);
        rig.stop().await;
    }
    assert_eq!(starts(&home), 1);
}

#[tokio::test]
async fn a_later_attempt_begins_when_the_earlier_one_is_delivered() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let first = home.order(AgentKind::Command, "echo start >> starts; echo ready; sleep 600");
    rig.execute(&first).await;
    let ready = |records: &[Record]| !texts(records, MessageKind::Stdout).is_empty();
    rig.server.until(first.attempt, ready).await;
    let mut second = first.clone();
    second.prompt = COUNT.into();
    second.attempt = Attempt { attempt: 2, fence: 11, ..first.attempt };
    rig.execute(&second).await;
    let (outcome, _) = rig.finished(second.attempt).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded);
    assert_eq!(rig.finished(first.attempt).await.0.kind, OutcomeKind::Killed);
    assert_eq!(starts(&home), 2);
    rig.stop().await;
}

#[tokio::test]
async fn a_closed_attempt_is_stopped_and_forgotten() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Command, "echo $$; sleep 600");
    rig.execute(&order).await;
    let ready = |records: &[Record]| !texts(records, MessageKind::Stdout).is_empty();
    let records = rig.server.until(order.attempt, ready).await;
    let pid = texts(&records, MessageKind::Stdout).remove(0);
    assert!(alive(&pid));
    rig.disconnect();
    rig.server.close(order.attempt);
    rig.connect().await;
    until_gone(&home.data().join("attempts").join(order.attempt.command_id.to_string())).await;
    assert!(!alive(&pid));
    rig.stop().await;
}

#[tokio::test]
async fn an_ordinary_end_of_the_runner_stops_its_agents_and_says_so() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Command, "echo $$; sleep 600");
    rig.execute(&order).await;
    let ready = |records: &[Record]| !texts(records, MessageKind::Stdout).is_empty();
    let records = rig.server.until(order.attempt, ready).await;
    let server = rig.stop().await;
    let (outcome, _) = ended(&server.records(order.attempt)).expect("the end was delivered");
    assert_eq!(outcome.kind, OutcomeKind::Interrupted);
    assert!(!alive(&texts(&records, MessageKind::Stdout)[0]));
}

#[tokio::test]
async fn what_was_not_delivered_is_delivered_by_the_next_runner() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    rig.disconnect();
    let order = home.order(AgentKind::Command, COUNT);
    rig.execute(&order).await;
    let begin = std::time::Instant::now();
    while starts(&home) == 0 {
        assert!(begin.elapsed().as_secs() < 10, "the program was not started");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let server = rig.stop().await;
    assert!(server.records(order.attempt).is_empty());
    let rig = Rig::start_with(&home, home.policy(), server);
    rig.connect().await;
    let hello = rig.server.hellos().pop().unwrap();
    assert_eq!(hello.attempts[0].attempt, order.attempt);
    rig.execute(&order).await;
    rig.finished(order.attempt).await;
    assert_eq!(starts(&home), 1);
    assert_eq!(rig.server.repeated(), 0);
    rig.stop().await;
}

const STARTED: &str = r#"{"started":{"at":"2026-11-20T12:00:00.000Z"}}"#;
const FINISHED: &str =
    r#"{"finished":{"at":"2026-11-20T12:00:01.000Z","outcome":{"kind":"succeeded"}}}"#;

/// Writes the journal of an attempt as an earlier runner left it.
fn leave(home: &Home, order: &RunnerExecute, records: &[&str], torn_tail: &str) -> PathBuf {
    let attempt = home.data().join("attempts").join(order.attempt.command_id.to_string());
    std::fs::create_dir_all(&attempt).unwrap();
    std::fs::write(attempt.join("order.json"), serde_json::to_vec(order).unwrap()).unwrap();
    let line = |json: &&str| {
        format!("{:08x} {:08x} {json}\n", crc32fast::hash(json.as_bytes()), json.len())
    };
    let lines: String = records.iter().map(line).collect();
    std::fs::write(attempt.join("records-000000000001.log"), lines + torn_tail).unwrap();
    attempt
}

async fn until_gone(path: &Path) {
    let begin = std::time::Instant::now();
    while path.exists() {
        assert!(begin.elapsed().as_secs() < 10, "{} is still there", path.display());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_attempt_the_server_has_in_full_is_forgotten_on_connecting() {
    let home = Home::new();
    let order = home.order(AgentKind::Command, COUNT);
    let attempt = leave(&home, &order, &[STARTED, FINISHED], "");
    let server = Arc::new(crate::server::Server::new());
    let records = [STARTED, FINISHED].map(|json| serde_json::from_str(json).unwrap());
    server.has(order.attempt, records.to_vec());
    let rig = Rig::start_with(&home, home.policy(), server);
    rig.connect().await;
    until_gone(&attempt).await;
    rig.execute(&order).await;
    rig.run(&home.order(AgentKind::Command, "true")).await;
    assert_eq!(starts(&home), 0);
    rig.stop().await;
}

#[tokio::test]
async fn a_number_the_server_has_is_not_given_to_another_record() {
    let home = Home::new();
    let order = home.order(AgentKind::Command, COUNT);
    leave(&home, &order, &[STARTED], "");
    let server = Arc::new(crate::server::Server::new());
    let withdrawn = r#"{"withdrawn":{"at":"2026-11-20T12:00:00.500Z","approval_id":"019a0000-0000-7000-8000-000000000001"}}"#;
    let records = [STARTED, withdrawn, withdrawn].map(|json| serde_json::from_str(json).unwrap());
    server.has(order.attempt, records.to_vec());
    let rig = Rig::start_with(&home, home.policy(), server);
    rig.connect().await;
    let (outcome, _) = rig.finished(order.attempt).await;
    assert_eq!(outcome.kind, OutcomeKind::Interrupted);
    assert_eq!(rig.server.records(order.attempt).len(), 4);
    rig.stop().await;
}

#[tokio::test]
async fn an_attempt_whose_runner_died_is_interrupted_and_its_processes_are_swept() {
    let home = Home::new();
    let order = home.order(AgentKind::Command, "unused");
    let mark = order.attempt.command_id.to_string();
    // What a runner that was killed leaves: a journal without an end, and a process.
    let mut left = std::process::Command::new("setsid")
        .args(["sleep", "600"])
        .env("AFIELD_RUN_ID", &mark)
        .spawn()
        .unwrap();
    leave(&home, &order, &[STARTED], "1c291ca3 0000");

    let rig = Rig::start_with(&home, home.policy(), Arc::new(crate::server::Server::new()));
    rig.connect().await;
    rig.execute(&order).await;
    let (outcome, killed) = rig.finished(order.attempt).await;
    assert_eq!(outcome.kind, OutcomeKind::Interrupted);
    assert_eq!(killed.len(), 1, "{killed:?}");
    assert_eq!(rig.server.records(order.attempt).len(), 2);
    // The sweep may have collected it already: it is a child of this very process.
    let _ = left.wait();
    assert!(!alive(&left.id().to_string()));
    rig.stop().await;
}
