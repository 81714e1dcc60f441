//! What messages look like in a terminal.

use super::*;
use afield_proto::agent::{Direction, MessageFlags, ToolRef};
use afield_proto::approval::{
    Approval, ApprovalAsk, ApprovalKind, ApprovalState, Danger, DangerLevel,
};
use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::{ApprovalId, CommandId, DeviceId, ProjectId, Timestamp};
use serde_json::value::RawValue;

fn message(kind: MessageKind, text: &str) -> AgentMessage {
    raw(kind, text, "{}")
}

fn raw(kind: MessageKind, text: &str, frame: &str) -> AgentMessage {
    AgentMessage {
        timestamp: Timestamp::from_unix_ms(0),
        direction: Direction::Claude,
        kind,
        command_id: None,
        session_id: None,
        text: (!text.is_empty()).then(|| text.to_owned()),
        tool: None,
        parent: None,
        news: None,
        flags: MessageFlags::default(),
        message: RawValue::from_string(frame.to_owned()).unwrap(),
    }
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn shown(transcript: &mut Transcript, messages: &[AgentMessage]) -> String {
    plain(&messages.iter().map(|message| transcript.message(message)).collect::<String>())
}

#[test]
fn what_was_typed_out_is_not_written_again() {
    let mut transcript = Transcript::default();
    let typed = [
        message(MessageKind::Partial, "Hel"),
        message(MessageKind::Partial, "lo"),
        message(MessageKind::Text, "Hello."),
        message(MessageKind::Result, "Hello."),
    ];
    assert_eq!(shown(&mut transcript, &typed), "Hello.\n");
    let exact = [message(MessageKind::Partial, "Bye."), message(MessageKind::Text, "Bye.")];
    assert_eq!(shown(&mut transcript, &exact), "Bye.\n");
    assert_eq!(shown(&mut transcript, &[message(MessageKind::Text, "Whole.")]), "Whole.\n");
    // Pieces were lost (they are not stored): the whole is written on its own line.
    let lost =
        [message(MessageKind::Partial, "dle of"), message(MessageKind::Text, "Middle of it")];
    assert_eq!(shown(&mut transcript, &lost), "dle of\nMiddle of it\n");
}

#[test]
fn a_turn_reads_like_this() {
    let mut used = raw(
        MessageKind::ToolUse,
        "",
        r#"{"message":{"content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"cargo test --quiet","description":"Run the tests"}}]}}"#,
    );
    used.tool = Some(ToolRef { id: "t1".into(), name: Some("Bash".into()), failed: None });
    let mut result = message(MessageKind::ToolResult, "running 3 tests\n3 passed");
    result.tool = Some(ToolRef { id: "t1".into(), name: None, failed: Some(false) });
    let mut failed = message(MessageKind::ToolResult, "no such file");
    failed.tool = Some(ToolRef { id: "t2".into(), name: None, failed: Some(true) });
    let mut inside = message(MessageKind::Text, "from a helper");
    inside.parent = Some("t9".into());
    let mut transcript = Transcript::new(Look { prompts: true, everything: false });
    let turn = [
        message(MessageKind::Prompt, "test it"),
        message(MessageKind::Init, ""),
        message(MessageKind::Thinking, "Let me see."),
        message(MessageKind::Partial, "Running"),
        used,
        message(MessageKind::Progress, ""),
        result,
        failed,
        inside,
        message(MessageKind::Warning, "a line was cut"),
        message(MessageKind::Text, "All green."),
        message(MessageKind::Result, "All green."),
    ];
    let expected = "\
› test it
Let me see.
Running
● Bash cargo test --quiet
  └ running 3 tests (2 lines)
  └ failed: no such file
  │ from a helper
! a line was cut
All green.
";
    assert_eq!(shown(&mut transcript, &turn), expected);
}

#[test]
fn a_result_without_other_words_is_shown() {
    let mut transcript = Transcript::default();
    let turn = [message(MessageKind::Result, "API Error: overloaded")];
    assert_eq!(shown(&mut transcript, &turn), "API Error: overloaded\n");
}

#[test]
fn agents_can_not_speak_to_the_terminal() {
    let mut transcript = Transcript::default();
    let evil = [message(MessageKind::Text, "a\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31mb\rc")];
    assert_eq!(transcript.message(&evil[0]), "a]0;title[2J31mbc\n");
}

fn approval(kind: ApprovalKind, input: &str) -> Approval {
    Approval {
        ask: ApprovalAsk {
            approval_id: ApprovalId::generate(),
            kind,
            tool: "Bash".into(),
            input: RawValue::from_string(input.into()).unwrap(),
            title: None,
            reason: Some("not in the rules".into()),
            session_rule: true,
            rules: Vec::new(),
            directory: "/home/a/shop".into(),
        },
        project_id: ProjectId::generate(),
        command_id: CommandId::generate(),
        state: ApprovalState::Open,
        requested_at: Timestamp::now(),
        resolved_at: None,
        danger: Some(Danger {
            level: DangerLevel::Destructive,
            reasons: vec!["rm removes whole directories".into()],
        }),
        resolved_by: None,
        answer: None,
    }
}

#[test]
fn a_question_shows_all_that_would_run() {
    let asked = approval(ApprovalKind::Tool, r#"{"command":"rm -r x\nrm -r y","timeout":5}"#);
    let expected = "\
? The agent wants to use Bash
    command: rm -r x
      rm -r y
    timeout: 5
    why: not in the rules
    careful: rm removes whole directories
    in /home/a/shop
";
    assert_eq!(plain(&question(&asked)), expected);
    let long = format!(r#"{{"command":"{}"}}"#, "é".repeat(5000));
    assert!(question(&approval(ApprovalKind::Tool, &long)).contains("cut here; 10"));
}

#[test]
fn a_choice_is_numbered() {
    let asked = approval(
        ApprovalKind::Question,
        r#"{"questions":[{"question":"Which color?","options":[{"label":"Red","description":"warm"},{"label":"Blue"}]}]}"#,
    );
    let text = plain(&question(&asked));
    assert!(text.contains("    Which color?\n      1 Red (warm)\n      2 Blue\n"), "{text}");
}

#[test]
fn an_answered_question_says_how() {
    let mut asked = approval(ApprovalKind::Tool, "{}");
    assert_eq!(answered(&asked), "");
    asked.state = ApprovalState::Denied;
    assert_eq!(plain(&answered(&asked)), "  └ Bash: denied\n");
}

fn command(state: afield_proto::command::CommandState) -> afield_proto::command::Command {
    afield_proto::command::Command {
        id: CommandId::generate(),
        project_id: ProjectId::generate(),
        runner_id: DeviceId::generate(),
        session_id: None,
        kind: afield_proto::command::CommandKind::Prompt,
        agent: afield_proto::agent::AgentKind::Demo,
        state,
        waiting_for: None,
        summary: String::new(),
        priority: afield_proto::queue::Priority::Normal,
        key: None,
        order: None,
        not_before: None,
        expires_at: None,
        held_by: None,
        steer: None,
        into: None,
        kill_requested_by: None,
        attempt: 1,
        submitted_by: DeviceId::generate(),
        created_at: Timestamp::now(),
        leased_at: None,
        started_at: None,
        finished_at: None,
        outcome: None,
    }
}

#[test]
fn endings_have_one_line_and_what_to_do() {
    use afield_proto::command::CommandState;
    let mut done = command(CommandState::Succeeded);
    let mut outcome = Outcome::new(OutcomeKind::Succeeded).with_message("the answer");
    (outcome.duration_ms, outcome.turns, outcome.cost_usd) = (Some(12_000), Some(1), Some(0.0123));
    done.outcome = Some(outcome);
    assert_eq!(plain(&ending(&done)), "done 12 s · 1 turn · $0.0123");
    let mut missing = command(CommandState::Failed);
    let mut outcome = Outcome::new(OutcomeKind::NotStarted).with_message("no claude program");
    outcome.code = Some(afield_proto::ErrorCode::ClaudeNotFound);
    missing.outcome = Some(outcome);
    assert_eq!(
        plain(&ending(&missing)),
        "could not be started\n  no claude program\n  more: afield explain CLAUDE_NOT_FOUND"
    );
    let mut queued = command(CommandState::Queued);
    queued.waiting_for = Some("runner box to come online".into());
    assert_eq!(waiting(&queued).unwrap(), "waiting for runner box to come online");
    queued.waiting_for = Some("runner".into());
    assert!(waiting(&queued).unwrap().starts_with("waiting for its runner"));
    assert_eq!(waiting(&done), None);
}
