//! Stopping, limits and policy, with plain programs.

use std::time::{Duration, Instant};

use afield_proto::agent::{AgentKind, MessageKind};
use afield_proto::command::OutcomeKind;
use afield_proto::runner::{
    Record, RunnerExecute, RunnerKill, RunnerKilled, RunnerPath, RunnerSetMode, RunnerSteer,
    RunnerSteered,
};
use afield_proto::{CommandId, ErrorCode};
use afield_runner::Policy;

use crate::rig::{Home, Rig, alive, texts};

/// Children that ignore SIGTERM, leave the session and lose their parents; each says its id.
const STUBBORN: &str = "trap '' TERM INT HUP\n\
    sh -c 'trap \"\" TERM; echo $$; while :; do sleep 600; done' &\n\
    setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 600; done' &\n\
    (setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 600; done' &)\n\
    while :; do sleep 600; done";

async fn kill(rig: &Rig, order: &RunnerExecute) -> RunnerKilled {
    let reply = rig.order("runner_kill", &RunnerKill { attempt: order.attempt }).await;
    serde_json::from_str(reply.unwrap().unwrap().get()).unwrap()
}

#[tokio::test]
async fn a_stop_leaves_no_survivor_and_takes_less_than_two_seconds() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    for _ in 0..3 {
        let order = home.order(AgentKind::Command, STUBBORN);
        rig.execute(&order).await;
        let three = |records: &[Record]| texts(records, MessageKind::Stdout).len() == 3;
        let records = rig.server.until(order.attempt, three).await;
        let pids = texts(&records, MessageKind::Stdout);
        assert!(pids.iter().all(|pid| alive(pid)));
        let begin = Instant::now();
        let killed = kill(&rig, &order).await;
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(pids.iter().all(|pid| !alive(pid)), "survivors of {pids:?}");
        let listed =
            |pid: &String| killed.killed.iter().any(|process| process.pid.to_string() == *pid);
        assert!(pids.iter().all(listed), "{killed:?}");
        assert!(killed.killed.iter().any(|process| process.signal == "KILL"));
        let (outcome, told) = rig.finished(order.attempt).await;
        assert_eq!(outcome.kind, OutcomeKind::Killed);
        assert_eq!(told, killed.killed);
    }
    rig.stop().await;
}

/// Whether the runner says, as it connects anew, that its disk takes no writes.
async fn refuses(rig: &Rig) -> bool {
    rig.disconnect();
    rig.connect().await;
    let hello = rig.server.hellos().pop().unwrap();
    hello.facts.load.is_some_and(|load| load.disk_refuses)
}

#[tokio::test]
async fn what_the_disk_does_not_let_begin_is_said_and_stopped_at_once() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let (attempts, aside) = (home.data().join("attempts"), home.data().join("aside"));
    std::fs::rename(&attempts, &aside).unwrap();
    std::fs::write(&attempts, "no directory can be made here").unwrap();
    let touched = home.project().join("touched");
    let touch = format!("touch {}", touched.display());
    let [stopped, unheard] = [(); 2].map(|()| home.order(AgentKind::Command, &touch));
    let waits = home.order(AgentKind::Command, "true");
    for order in [&stopped, &unheard, &waits] {
        rig.execute(order).await;
    }
    let said = async { while !refuses(&rig).await {} };
    tokio::time::timeout(Duration::from_secs(30), said).await.unwrap();
    let began = Instant::now();
    assert!(kill(&rig, &stopped).await.killed.is_empty());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    rig.server.lose_answers(1);
    let lost = async {
        rig.server.until_down().await;
        rig.disconnect();
        rig.connect().await;
    };
    let (killed, ()) = tokio::join!(kill(&rig, &unheard), lost);
    assert!(killed.killed.is_empty());
    for order in [&stopped, &unheard] {
        let records = rig.server.records(order.attempt);
        assert_eq!(records.len(), 1, "it never started: {records:?}");
        assert_eq!(rig.finished(order.attempt).await.0.kind, OutcomeKind::Killed);
        rig.execute(order).await;
    }
    std::fs::remove_file(&attempts).unwrap();
    std::fs::rename(&aside, &attempts).unwrap();
    assert_eq!(rig.finished(waits.attempt).await.0.kind, OutcomeKind::Succeeded);
    assert!(!refuses(&rig).await);
    assert_eq!(rig.server.fences_seen(), [10, 10], "they are not begun again");
    assert!(!touched.exists());
    rig.stop().await;
}

#[tokio::test]
async fn a_stop_of_what_has_ended_stops_nothing() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Command, "true");
    rig.run(&order).await;
    assert!(kill(&rig, &order).await.killed.is_empty());
    assert!(kill(&rig, &home.order(AgentKind::Command, "true")).await.killed.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn lines_of_a_program_are_messages_and_its_exit_code_is_the_outcome() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let mut order = home.order(AgentKind::Command, "");
    order.options.argv = Some(["printf", "%s\\n", "a b;c $HOME", "é"].map(String::from).to_vec());
    let (outcome, _) = rig.run(&order).await;
    assert_eq!((outcome.kind, outcome.exit_code), (OutcomeKind::Succeeded, Some(0)));
    let records = rig.server.records(order.attempt);
    assert_eq!(texts(&records, MessageKind::Stdout), ["a b;c $HOME", "é"]);
    let order = home.order(AgentKind::Command, "echo oops >&2; exit 3");
    let (outcome, _) = rig.run(&order).await;
    assert_eq!((outcome.kind, outcome.exit_code), (OutcomeKind::Failed, Some(3)));
    assert_eq!(outcome.message.as_deref(), Some("oops"));
    rig.stop().await;
}

#[tokio::test]
async fn a_program_gets_a_clean_environment_and_the_project_as_its_directory() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Command, "pwd; env");
    rig.run(&order).await;
    let lines = texts(&rig.server.records(order.attempt), MessageKind::Stdout);
    assert_eq!(lines[0], home.project().display().to_string());
    assert!(lines.contains(&format!("AFIELD_RUN_ID={}", order.attempt.command_id)));
    assert!(lines.contains(&"NO_COLOR=1".to_owned()));
    assert!(!lines.iter().any(|line| line.starts_with("CARGO")), "{lines:?}");
    rig.stop().await;
}

#[tokio::test]
async fn time_limits_stop_what_takes_too_long() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let mut order = home.order(AgentKind::Command, "sleep 600");
    order.options.timeout_seconds = Some(1);
    let (outcome, _) = rig.run(&order).await;
    assert_eq!(outcome.kind, OutcomeKind::TimedOut);
    assert_eq!(outcome.code, Some(ErrorCode::ExecutionTimeout));
    rig.stop().await;
}

#[tokio::test]
async fn the_policy_is_asked_before_anything_starts() {
    let home = Home::new();
    let policy = Policy { shell: false, ..home.policy() };
    let rig = Rig::start(&home, policy).await;
    let touch = format!("touch {}", home.project().join("touched").display());
    let refuse = async |order: RunnerExecute, code| {
        let (outcome, _) = rig.run(&order).await;
        assert_eq!((outcome.kind, outcome.code), (OutcomeKind::NotStarted, Some(code)));
    };
    refuse(home.order(AgentKind::Command, &touch), ErrorCode::PolicyRefused).await;
    let mut order = home.order(AgentKind::Demo, "hello");
    order.options.dangerously_skip_permissions = Some(true);
    refuse(order, ErrorCode::PolicyRefused).await;
    let mut order = home.order(AgentKind::Demo, "hello");
    order.path = "/".into();
    refuse(order, ErrorCode::InvalidPath).await;
    refuse(home.order(AgentKind::Demo, " \n"), ErrorCode::ValidationFailed).await;
    refuse(home.order(AgentKind::Claude, "hello"), ErrorCode::ClaudeNotFound).await;
    let mut order = home.order(AgentKind::Command, "");
    order.options.argv = Some(vec!["/nowhere/at-all".into()]);
    refuse(order, ErrorCode::AgentUnavailable).await;
    assert!(!home.project().join("touched").exists());
    rig.stop().await;
}

#[tokio::test]
async fn a_project_that_became_a_link_is_refused() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Command, "pwd");
    std::fs::remove_dir(home.project()).unwrap();
    std::os::unix::fs::symlink(std::env::temp_dir(), home.project()).unwrap();
    let (outcome, _) = rig.run(&order).await;
    assert_eq!(outcome.code, Some(ErrorCode::InvalidPath));
    rig.stop().await;
}

#[tokio::test]
async fn paths_are_resolved_and_refused_with_the_rule() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let resolve = async |path: &str| {
        rig.order("runner_resolve_path", &serde_json::json!({ "path": path })).await.unwrap()
    };
    let project = home.project().display().to_string();
    let found: RunnerPath =
        serde_json::from_str(resolve(&format!("{project}/")).await.unwrap().get()).unwrap();
    assert_eq!(found.path, project);
    let error = resolve("/").await.unwrap_err();
    assert_eq!(
        (error.code, &error.details.unwrap()["rule"]),
        (ErrorCode::InvalidPath, &"roots".into())
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_change_of_mode_reaches_the_agent_and_never_loosens_the_policy() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Demo, "ask");
    rig.execute(&order).await;
    rig.asked(order.attempt, 0).await;
    let set = async |mode: &str| {
        let permission_mode = serde_json::from_value(mode.into()).unwrap();
        let order = RunnerSetMode { attempt: order.attempt, permission_mode };
        rig.order("runner_set_mode", &order).await.unwrap()
    };
    assert_eq!(set("acceptEdits").await.unwrap().get(), "{}");
    assert_eq!(set("bypassPermissions").await.unwrap_err().code, ErrorCode::PolicyRefused);
    kill(&rig, &order).await;
    assert_eq!(set("plan").await.unwrap_err().code, ErrorCode::ProcessNotFound);
    rig.finished(order.attempt).await;
    let records = rig.server.records(order.attempt);
    assert!(records.iter().any(|record| matches!(record, Record::Withdrawn { .. })));
    rig.stop().await;
}

#[tokio::test]
async fn more_commands_than_allowed_wait_their_turn_and_can_be_stopped_waiting() {
    let home = Home::new();
    let rig = Rig::start(&home, Policy { concurrency: 1, ..home.policy() }).await;
    let first = home.order(AgentKind::Command, "echo ready; sleep 600");
    let second = home.order(AgentKind::Command, "echo second");
    let third = home.order(AgentKind::Command, "echo third");
    rig.execute(&first).await;
    let ready = |records: &[Record]| !texts(records, MessageKind::Stdout).is_empty();
    rig.server.until(first.attempt, ready).await;
    rig.execute(&second).await;
    rig.execute(&third).await;
    assert!(kill(&rig, &second).await.killed.is_empty());
    assert!(rig.server.records(third.attempt).is_empty());
    kill(&rig, &first).await;
    assert_eq!(rig.finished(third.attempt).await.0.kind, OutcomeKind::Succeeded);
    let (outcome, _) = rig.finished(second.attempt).await;
    assert_eq!(outcome.kind, OutcomeKind::Killed);
    assert!(texts(&rig.server.records(second.attempt), MessageKind::Stdout).is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let nonsense = serde_json::json!({ "nonsense": [1, 2] });
    assert!(rig.order("runner_execute", &nonsense).await.is_none());
    assert!(rig.order("runner_answer", &nonsense).await.is_none());
    for name in [
        "runner_kill",
        "runner_set_mode",
        "runner_steer",
        "runner_resolve_path",
        "runner_unheard_of",
    ] {
        let error = rig.order(name, &nonsense).await.unwrap().unwrap_err();
        assert_eq!(error.code, ErrorCode::ValidationFailed, "{name}");
    }
    rig.stop().await;
}

async fn steer(rig: &Rig, order: &RunnerSteer) -> Result<bool, ErrorCode> {
    let reply = rig.order("runner_steer", order).await.unwrap();
    let read = |reply: Box<serde_json::value::RawValue>| -> RunnerSteered {
        serde_json::from_str(reply.get()).unwrap()
    };
    reply.map(|reply| read(reply).taken).map_err(|error| error.code)
}

#[tokio::test]
async fn words_go_into_the_running_turn_once() {
    let home = Home::new();
    home.claude("steer,n=0");
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Claude, "begin");
    rig.execute(&order).await;
    let begun = |records: &[Record]| !texts(records, MessageKind::Text).is_empty();
    rig.server.until(order.attempt, begun).await;
    let command_id = CommandId::generate();
    let prompt = "use tabs".to_owned();
    let words = RunnerSteer { attempt: order.attempt, command_id, prompt, attachments: Vec::new() };
    assert_eq!(steer(&rig, &words).await, Ok(true));
    // A repetition is answered, not given again; after the end the records tell.
    assert!(matches!(steer(&rig, &words).await, Ok(true) | Err(ErrorCode::ProcessNotFound)));
    let (outcome, _) = rig.finished(order.attempt).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded);
    let records = rig.server.records(order.attempt);
    let steered = |record: &&Record| matches!(record, Record::Steered { command_id: id, .. } if *id == command_id);
    assert_eq!(records.iter().filter(steered).count(), 1);
    let said = texts(&records, MessageKind::Text);
    assert_eq!(
        said.iter().filter(|text| *text == "You also said: use tabs").count(),
        1,
        "{said:?}"
    );
    assert_eq!(steer(&rig, &words).await, Err(ErrorCode::ProcessNotFound));
    rig.stop().await;
}

#[tokio::test]
async fn a_plain_program_takes_no_words() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Command, "echo begun; exec sleep 600");
    rig.execute(&order).await;
    let begun = |records: &[Record]| !texts(records, MessageKind::Stdout).is_empty();
    rig.server.until(order.attempt, begun).await;
    let (command_id, prompt) = (CommandId::generate(), "faster".to_owned());
    let words = RunnerSteer { attempt: order.attempt, command_id, prompt, attachments: Vec::new() };
    assert_eq!(steer(&rig, &words).await, Ok(false));
    kill(&rig, &order).await;
    let records = rig.server.records(order.attempt);
    assert!(!records.iter().any(|record| matches!(record, Record::Steered { .. })));
    rig.stop().await;
}
