//! Every scenario of the double, and what must come of it.

use std::sync::Arc;

use afield_proto::agent::{AgentKind, MessageKind};
use afield_proto::approval::{ApprovalKind, Behavior};
use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::runner::{Record, RunnerAnswer, RunnerInterrupt};

use crate::rig::{Home, Rig, asks, texts};

/// One scenario: its name with parameters, and the outcome it must have.
type Row = (&'static str, OutcomeKind);

/// Time limits of a turn, in seconds.
#[derive(Clone, Copy)]
struct Limits {
    timeout: u32,
    stall: u32,
}

/// Enough for every turn that ends by itself.
const PATIENT: Limits = Limits { timeout: 30, stall: 30 };

/// Plays a scenario to its end and answers every question with a yes.
async fn play(scenario: &str, limits: Limits) -> (Outcome, Vec<Record>, Rig, Home) {
    let home = Home::new();
    home.claude(scenario);
    let policy = afield_runner::Policy { stall_timeout_seconds: limits.stall, ..home.policy() };
    let rig = Rig::start(&home, policy).await;
    let mut order = home.order(AgentKind::Claude, "please do it");
    order.options.timeout_seconds = Some(limits.timeout);
    if scenario == "resume_unknown" {
        order.native_session = Some("dddddddd-dddd-4ddd-8ddd-dddddddddddd".into());
    }
    rig.execute(&order).await;
    let server = Arc::clone(&rig.server);
    let mut answered = 0;
    loop {
        let done = |records: &[Record]| {
            crate::rig::ended(records).is_some() || asks(records).len() > answered
        };
        let records = server.until(order.attempt, done).await;
        if let Some((outcome, _)) = crate::rig::ended(&records) {
            return (outcome, records, rig, home);
        }
        let ask = asks(&records).swap_remove(answered);
        answered += 1;
        let mut answer: afield_proto::approval::Answer =
            serde_json::from_str(r#"{"behavior":"allow"}"#).unwrap();
        if ask.kind == ApprovalKind::Question {
            let color = ("Which color do you prefer?".to_owned(), "Blue".to_owned());
            answer.answers = Some([color].into());
        }
        assert_eq!(answer.behavior, Behavior::Allow);
        let answer = RunnerAnswer { attempt: order.attempt, approval_id: ask.approval_id, answer };
        rig.order("runner_answer", &answer).await;
    }
}

async fn all(rows: &[Row]) {
    for &(scenario, kind) in rows {
        let (outcome, records, rig, _home) = play(scenario, PATIENT).await;
        assert_eq!(outcome.kind, kind, "{scenario}: {outcome:?}\n{records:#?}");
        assert!(matches!(records[0], Record::Started { .. }), "{scenario}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn turns_that_succeed() {
    use OutcomeKind::Succeeded;
    all(&[
        ("success", Succeeded),
        ("multi_tool", Succeeded),
        ("partial", Succeeded),
        ("slow_drip", Succeeded),
        ("unknown_frames", Succeeded),
        ("subagents", Succeeded),
        ("compact", Succeeded),
        ("env_check", Succeeded),
        ("new_session_id", Succeeded),
        ("file_edit", Succeeded),
        ("big_stdin", Succeeded),
        ("bg_task", Succeeded),
        ("double_result", Succeeded),
        ("invalid_json", Succeeded),
        ("invalid_utf8", Succeeded),
        ("stderr_noise,mb=4", Succeeded),
        ("hang_after_result", Succeeded),
        ("queue", Succeeded),
    ])
    .await;
}

#[tokio::test]
async fn turns_that_ask() {
    use OutcomeKind::Succeeded;
    all(&[
        ("permission", Succeeded),
        ("permission_cancel", Succeeded),
        ("permission_double", Succeeded),
        ("ask_user", Succeeded),
    ])
    .await;
}

#[tokio::test]
async fn turns_that_fail() {
    use OutcomeKind::{
        AuthRequired, Failed, LimitReached, MissingResult, RateLimited, SessionLost, Transient,
    };
    all(&[
        ("error_result", Failed),
        ("api_error", Transient),
        ("max_turns", LimitReached),
        ("max_budget", LimitReached),
        ("auth_required", AuthRequired),
        ("exit_nonzero,code=7", Failed),
        ("no_result", MissingResult),
        ("crash_mid_line", Failed),
        ("rate_limited", RateLimited),
        ("resume_unknown", SessionLost),
        // The id is taken: resumed once, and the double knows no such conversation.
        ("session_in_use", SessionLost),
        ("close_stdout_early", MissingResult),
        // Requests this runner does not serve are refused at once, never left open.
        ("mcp_sdk", Failed),
        ("defer", Failed),
    ])
    .await;
}

#[tokio::test]
async fn turns_that_hang() {
    for scenario in ["hang", "hang_after_tool", "interrupt_lost"] {
        let (outcome, _, rig, _home) = play(scenario, Limits { stall: 1, ..PATIENT }).await;
        assert_eq!(outcome.kind, OutcomeKind::TimedOut, "{scenario}: {outcome:?}");
        assert!(outcome.message.unwrap().contains("said nothing"), "{scenario}");
        rig.stop().await;
    }
    for scenario in ["ignore_term", "slow_term"] {
        let (outcome, _, rig, _home) = play(scenario, Limits { timeout: 1, ..PATIENT }).await;
        assert_eq!(outcome.kind, OutcomeKind::TimedOut, "{scenario}: {outcome:?}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn an_interrupt_ends_the_turn() {
    for scenario in ["interrupt", "interrupt_lost"] {
        let home = Home::new();
        home.claude(scenario);
        let rig = Rig::start(&home, home.policy()).await;
        let order = home.order(AgentKind::Claude, "please do it");
        rig.execute(&order).await;
        rig.server.until(order.attempt, |records| !uses(records).is_empty()).await;
        rig.order("runner_interrupt", &RunnerInterrupt { attempt: order.attempt }).await;
        let (outcome, _) = rig.finished(order.attempt).await;
        assert_eq!(outcome.kind, OutcomeKind::Cancelled, "{scenario}: {outcome:?}");
        rig.stop().await;
    }
}

fn uses(records: &[Record]) -> Vec<String> {
    let uses = records.iter().filter_map(|record| match record {
        Record::Message(message) if message.kind == MessageKind::ToolUse => {
            message.tool.as_ref().map(|tool| tool.id.clone())
        }
        _ => None,
    });
    uses.collect()
}

#[tokio::test]
async fn the_answer_is_recorded_with_its_cost_and_its_session() {
    let (outcome, records, rig, _home) = play("success", PATIENT).await;
    assert_eq!(texts(&records, MessageKind::Text), ["Hello from the mock."]);
    assert_eq!(outcome.message.as_deref(), Some("Hello from the mock."));
    assert!((outcome.cost_usd.unwrap() - 0.001).abs() < 1e-9);
    assert!(records.iter().any(|record| matches!(record, Record::NativeSession { .. })));
    assert!(outcome.duration_ms.is_some());
    rig.stop().await;
}

#[tokio::test]
async fn partials_are_relayed_and_add_up_to_the_final_text() {
    let (_, records, rig, _home) = play("partial", PATIENT).await;
    let partials: String =
        rig.server.partials().into_iter().filter_map(|message| message.text).collect();
    assert_eq!(partials, texts(&records, MessageKind::Text).concat());
    rig.stop().await;
}

#[tokio::test]
async fn a_burst_arrives_whole_and_in_order() {
    let (outcome, _, rig, _home) = play("burst,n=10000", PATIENT).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    let partials = rig.server.partials();
    let numbers: Vec<u32> =
        partials.iter().filter_map(|message| message.text.as_ref()?.trim().parse().ok()).collect();
    assert!(numbers.is_sorted(), "out of order");
    assert_eq!(numbers.len(), 10_000);
    rig.stop().await;
}

#[tokio::test]
async fn a_huge_line_is_trimmed_and_kept_whole_on_the_runner() {
    let (outcome, records, rig, home) = play("huge_line,mb=10", PATIENT).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    let huge = records.iter().find_map(|record| match record {
        Record::Message(message) if message.flags.truncated => Some(message),
        _ => None,
    });
    let huge = huge.expect("the huge line is flagged");
    assert_eq!(huge.kind, MessageKind::ToolResult);
    assert!(huge.flags.original_bytes.unwrap() > 20 << 20);
    assert!(huge.message.get().len() < 1 << 20);
    rig.stop().await;
    let kept = std::fs::read_dir(home.data().join("long-lines")).unwrap().next();
    let kept = kept.expect("it is kept").unwrap().path().join("000001.json");
    assert!(kept.metadata().unwrap().len() > 20 << 20);
}

#[tokio::test]
async fn a_line_over_the_limit_is_cut_and_the_turn_goes_on() {
    let (outcome, records, rig, _home) = play("huge_line,mb=40", PATIENT).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    let warnings = texts(&records, MessageKind::Warning);
    assert!(warnings.iter().any(|text| text.contains("was cut")), "{warnings:?}");
    rig.stop().await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_its_turn() {
    let scenario = "grandchildren,n=3,setsid=1,ignore_term=1,hold_stdout=1";
    let home = Home::new();
    home.claude(scenario);
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Claude, "please do it");
    let begin = std::time::Instant::now();
    let (outcome, killed) = rig.run(&order).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    assert!(killed.len() >= 3, "{killed:?}");
    assert!(begin.elapsed().as_secs() < 7, "{:?}", begin.elapsed());
    rig.stop().await;
}

#[tokio::test]
async fn a_torn_tail_and_odd_lines_are_noted() {
    for (scenario, expected) in
        [("crash_mid_line", "the last line is not whole"), ("invalid_json", "a line is no JSON")]
    {
        let (_, records, rig, _home) = play(scenario, PATIENT).await;
        let warnings = texts(&records, MessageKind::Warning);
        assert_eq!(warnings.len(), 1, "{scenario}: {warnings:?}");
        assert!(warnings[0].contains(expected), "{scenario}: {warnings:?}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn the_demonstration_answers_and_asks() {
    let home = Home::new();
    std::fs::write(home.project().join("hello.txt"), "").unwrap();
    let rig = Rig::start(&home, home.policy()).await;
    let order = home.order(AgentKind::Demo, "hello");
    let (outcome, _) = rig.run(&order).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    let listed = texts(&rig.server.records(order.attempt), MessageKind::ToolResult);
    assert_eq!(listed, ["hello.txt"]);
    let order = home.order(AgentKind::Demo, "please ask me");
    rig.execute(&order).await;
    let ask = rig.asked(order.attempt, 0).await;
    let answer = serde_json::from_str(r#"{"behavior":"deny","message":"no"}"#).unwrap();
    let answer = RunnerAnswer { attempt: order.attempt, approval_id: ask.approval_id, answer };
    rig.order("runner_answer", &answer).await;
    let (outcome, _) = rig.finished(order.attempt).await;
    assert!(outcome.message.unwrap().contains("You said no"));
    let order = home.order(AgentKind::Demo, "fail");
    assert_eq!(rig.run(&order).await.0.kind, OutcomeKind::Failed);
    rig.stop().await;
}
