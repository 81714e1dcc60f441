//! The dialogue, without any process: lines in, acts out.

use afield_proto::agent::MessageKind;
use afield_proto::approval::ApprovalAsk;
use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::{CommandId, SessionId};

use super::*;

const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"a1","model":"m"}"#;
const TEXT: &str = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"Hello."}]},"session_id":"a1"}"#;
const OK: &str = r#"{"type":"result","subtype":"success","is_error":false,"result":"Hello.","total_cost_usd":0.001,"num_turns":1,"session_id":"a1","terminal_reason":"completed"}"#;
const ASK: &str = r#"{"type":"control_request","request_id":"r1","request":{"subtype":"can_use_tool","tool_name":"Write","input":{"file_path":"/x"}}}"#;

fn claude() -> Claude {
    let stamp = Stamp { command_id: CommandId::generate(), session_id: SessionId::generate() };
    Claude::new(Setup {
        stamp,
        command: vec!["claude".into()],
        version: None,
        variables: Vec::new(),
        directory: "/project".into(),
        prompt_id: Uuid::now_v7(),
        words: spoken("do it"),
        folder: None,
        options: ExecuteOptions::default(),
        mcp_file: None,
        native_session: None,
        timing: Timing::default(),
    })
}

fn spoken(text: &str) -> Words {
    Words { text: text.to_owned(), files: Vec::new() }
}

fn with(claude: &mut Claude, act: impl FnOnce(&mut Claude, &mut Turn)) -> Vec<Act> {
    let mut turn = Turn::at(Timestamp::from_unix_ms(0));
    act(claude, &mut turn);
    turn.acts
}

fn say(claude: &mut Claude, text: &str) -> Vec<Act> {
    let line = Line { text: text.to_owned(), ..Line::default() };
    with(claude, |claude, turn| claude.stdout(line, turn))
}

fn written(acts: &[Act]) -> Vec<serde_json::Value> {
    let lines = acts.iter().filter_map(|act| match act {
        Act::Write(line) => Some(serde_json::from_str(line).unwrap()),
        _ => None,
    });
    lines.collect()
}

fn closes(acts: &[Act]) -> bool {
    acts.iter().any(|act| matches!(act, Act::CloseInput))
}

fn asked(acts: &[Act]) -> Vec<&ApprovalAsk> {
    let asks = acts.iter().filter_map(|act| match act {
        Act::Record(Record::Asked { ask, .. }) => Some(ask),
        _ => None,
    });
    asks.collect()
}

fn end(claude: &mut Claude, code: i32) -> Outcome {
    let mut turn = Turn::at(Timestamp::from_unix_ms(0));
    match claude.ended(Exit { code: Some(code), signal: None }, &mut turn) {
        Ending::Over(outcome) => outcome,
        Ending::Again => panic!("it wants to begin again"),
    }
}

#[test]
fn the_prompt_follows_the_greeting_and_is_sent_once() {
    let mut claude = claude();
    let hello = with(&mut claude, |claude, turn| claude.begin(turn));
    assert_eq!(written(&hello)[0]["request"]["subtype"], "initialize");
    let ready = r#"{"type":"control_response","response":{"subtype":"success","request_id":"afield-1","response":{}}}"#;
    let prompt = &written(&say(&mut claude, ready))[0];
    assert_eq!(prompt["message"]["content"], "do it");
    assert_eq!(prompt["uuid"], claude.setup.prompt_id.to_string());
    assert!(
        written(&with(&mut claude, |claude, turn| claude.timer(Timer::Ready, turn))).is_empty()
    );
}

#[test]
fn a_program_that_does_not_greet_back_gets_the_prompt_anyway() {
    let mut claude = claude();
    with(&mut claude, |claude, turn| claude.begin(turn));
    let late = with(&mut claude, |claude, turn| claude.timer(Timer::Ready, turn));
    assert_eq!(written(&late)[0]["type"], "user");
}

#[test]
fn the_answer_closes_the_input_and_is_the_outcome() {
    let mut claude = claude();
    let init = say(&mut claude, INIT);
    assert!(init.iter().any(
        |act| matches!(act, Act::Record(Record::NativeSession { native_id }) if native_id == "a1")
    ));
    assert!(!closes(&say(&mut claude, TEXT)));
    assert!(closes(&say(&mut claude, OK)));
    let spurious =
        r#"{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["odd"]}"#;
    assert!(!closes(&say(&mut claude, spurious)));
    let outcome = end(&mut claude, 1);
    assert_eq!(
        (outcome.kind, outcome.cost_usd, outcome.turns),
        (OutcomeKind::Succeeded, Some(0.001), Some(1))
    );
}

#[test]
fn the_result_of_somebody_elses_prompt_is_not_ours() {
    let mut claude = claude();
    let woken =
        r#"{"type":"result","is_error":false,"result":"x","origin":{"kind":"task-notification"}}"#;
    assert!(!closes(&say(&mut claude, woken)));
    let other = r#"{"type":"result","is_error":false,"result":"x","user_message_uuid":"c0"}"#;
    assert!(!closes(&say(&mut claude, other)));
    assert_eq!(end(&mut claude, 0).kind, OutcomeKind::MissingResult);
}

#[test]
fn the_input_stays_open_while_a_background_task_works() {
    let mut claude = claude();
    say(
        &mut claude,
        r#"{"type":"system","subtype":"task_started","task_id":"t1","task_type":"local_agent"}"#,
    );
    say(
        &mut claude,
        r#"{"type":"system","subtype":"task_started","task_id":"b1","task_type":"local_bash"}"#,
    );
    assert!(!closes(&say(&mut claude, OK)));
    let done = say(
        &mut claude,
        r#"{"type":"system","subtype":"task_updated","task_id":"t1","patch":{"status":"completed"}}"#,
    );
    assert!(!closes(&done));
    assert!(done.iter().any(|act| matches!(act, Act::Arm(Timer::Settled, _))));
    let woken = r#"{"type":"result","is_error":false,"result":"late","total_cost_usd":0.003,"origin":{"kind":"task-notification"}}"#;
    assert!(closes(&say(&mut claude, woken)));
    let outcome = end(&mut claude, 0);
    assert_eq!(outcome.message.as_deref(), Some("Hello."));
    assert!((outcome.cost_usd.unwrap() - 0.003).abs() < 1e-9);
}

#[test]
fn a_question_is_asked_once_and_answered_once() {
    let mut claude = claude();
    let acts = say(&mut claude, ASK);
    let id = asked(&acts)[0].approval_id;
    assert_eq!(asked(&acts)[0].directory, "/project");
    assert!(claude.waits_for_person());
    assert!(asked(&say(&mut claude, ASK)).is_empty(), "the same request again");
    let yes: Answer = serde_json::from_str(r#"{"behavior":"allow"}"#).unwrap();
    let mut answer = || with(&mut claude, |claude, turn| claude.answer(id, &yes, turn));
    assert_eq!(written(&answer()).len(), 1);
    assert!(written(&answer()).is_empty());
    assert!(!claude.waits_for_person());
}

#[test]
fn a_withdrawn_question_is_never_answered() {
    let mut claude = claude();
    let id = asked(&say(&mut claude, ASK))[0].approval_id;
    let acts = say(&mut claude, r#"{"type":"control_cancel_request","request_id":"r1"}"#);
    assert!(
        matches!(acts[..], [Act::Record(Record::Withdrawn { approval_id, .. })] if approval_id == id)
    );
    let yes: Answer = serde_json::from_str(r#"{"behavior":"allow"}"#).unwrap();
    assert!(with(&mut claude, |claude, turn| claude.answer(id, &yes, turn)).is_empty());
}

#[test]
fn questions_that_are_open_at_the_end_are_withdrawn() {
    let mut claude = claude();
    say(&mut claude, ASK);
    let acts = with(&mut claude, |claude, turn| {
        claude.ended(Exit::default(), turn);
    });
    assert!(matches!(acts[..], [Act::Record(Record::Withdrawn { .. })]));
}

#[test]
fn requests_we_do_not_know_are_refused_and_never_left_open() {
    let mut claude = claude();
    for subtype in ["hook_callback", "mcp_message", "brand_new"] {
        let request = json!({ "type": "control_request", "request_id": "r9", "request": { "subtype": subtype } });
        let refusal = &written(&say(&mut claude, &request.to_string()))[0]["response"];
        assert_eq!((&refusal["subtype"], &refusal["request_id"]), (&json!("error"), &json!("r9")));
    }
}

#[test]
fn an_interrupt_before_the_turn_is_repeated_when_it_begins_and_then_enforced() {
    let mut claude = claude();
    let interrupts = |acts: &[Act]| {
        written(acts).iter().filter(|frame| frame["request"]["subtype"] == "interrupt").count()
    };
    assert_eq!(interrupts(&with(&mut claude, |claude, turn| claude.interrupt(turn))), 1);
    assert_eq!(interrupts(&say(&mut claude, INIT)), 1);
    assert_eq!(interrupts(&say(&mut claude, INIT)), 0);
    assert_eq!(
        interrupts(&with(&mut claude, |claude, turn| claude.timer(Timer::Interrupt, turn))),
        1
    );
    let enforced = with(&mut claude, |claude, turn| claude.timer(Timer::Interrupt, turn));
    assert!(matches!(enforced[..], [Act::Stop]));
    assert_eq!(end(&mut claude, 143).kind, OutcomeKind::Cancelled);
}

#[test]
fn a_change_of_mode_is_answered_by_the_agent() {
    let mut claude = claude();
    let acts =
        with(&mut claude, |claude, turn| claude.set_mode(PermissionMode::AcceptEdits, 7, turn));
    let frame = &written(&acts)[0];
    assert_eq!(frame["request"]["mode"], "acceptEdits");
    let reply = json!({ "type": "control_response", "response": { "subtype": "error", "request_id": frame["request_id"], "error": "no" } });
    let acts = say(&mut claude, &reply.to_string());
    assert!(matches!(&acts[..], [Act::ModeChanged(7, Err(error))] if error.message.contains("no")));
}

#[test]
fn an_id_in_use_is_resumed_once() {
    let mut claude = claude();
    let id = claude.setup.stamp.session_id.to_string();
    let refuse = |claude: &mut Claude| {
        let line =
            Line { text: format!("Error: Session ID {id} is already in use."), ..Line::default() };
        with(claude, |claude, turn| claude.stderr(line, turn));
        claude
            .ended(Exit { code: Some(1), signal: None }, &mut Turn::at(Timestamp::from_unix_ms(0)))
    };
    assert_eq!(refuse(&mut claude), Ending::Again);
    assert!(
        claude
            .program()
            .arguments
            .contains(&format!("--resume={}", claude.setup.stamp.session_id).into())
    );
    assert!(
        matches!(refuse(&mut claude), Ending::Over(outcome) if outcome.kind == OutcomeKind::Failed)
    );
}

#[test]
fn what_is_no_frame_is_skipped_or_noted() {
    let mut claude = claude();
    for line in ["", "not json at all", "[SandboxDebug] x"] {
        assert!(say(&mut claude, line).is_empty(), "{line}");
    }
    let torn = Line { text: r#"{"type":"assi"#.into(), torn: true, ..Line::default() };
    let cut = Line { text: "{".into(), cut_from: Some(80 << 20), ..Line::default() };
    let broken = Line { text: r#"{"type":"assistant","message":"#.into(), ..Line::default() };
    for (line, code) in
        [(torn, "truncated_tail"), (cut, "oversize_line"), (broken, "protocol_warning")]
    {
        let acts = with(&mut claude, |claude, turn| claude.stdout(line, turn));
        let [Act::Record(Record::Message(message))] = &acts[..] else { panic!("{acts:?}") };
        assert_eq!(message.kind, MessageKind::Warning);
        assert!(message.message.get().contains(code), "{}", message.message.get());
    }
}

#[test]
fn partials_are_relayed_and_final_messages_recorded() {
    let mut claude = claude();
    let partial = r#"{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"text_delta","text":"He"}}}"#;
    assert!(
        matches!(&say(&mut claude, partial)[..], [Act::Partial(message)] if message.text.as_deref() == Some("He"))
    );
    assert!(
        matches!(&say(&mut claude, TEXT)[..], [Act::Record(Record::Message(message))] if message.message.get() == TEXT)
    );
}

#[test]
fn every_attempt_has_a_prompt_of_its_own() {
    let command_id = CommandId::generate();
    let id = |attempt| prompt_id(Attempt { command_id, attempt, fence: 9 });
    assert_eq!(id(1), command_id.uuid());
    assert!(id(1) != id(2) && id(2) != id(3));
    assert_eq!(id(2).get_version_num(), 7);
}

#[test]
fn versions_are_read_from_the_first_word() {
    assert_eq!(version("2.1.329 (Claude Code)\n"), Some((2, 1, 329)));
    assert_eq!(version("unknown"), None);
}

const LIFE: &str = r#"{"type":"command_lifecycle","command_uuid":"ID","state":"STATE"}"#;

fn life(claude: &mut Claude, id: CommandId, state: &str) -> Vec<Act> {
    say(claude, &LIFE.replace("ID", &id.to_string()).replace("STATE", state))
}

/// Words said into the turn; whether they were taken, and what came of it.
fn said(claude: &mut Claude, words: &str) -> (CommandId, bool, Vec<Act>) {
    let (id, mut turn) = (CommandId::generate(), Turn::at(Timestamp::from_unix_ms(0)));
    let taken = claude.steer(id, &spoken(words), &mut turn);
    (id, taken, turn.acts)
}

/// A turn that has begun.
fn begun() -> Claude {
    let mut claude = claude();
    with(&mut claude, |claude, turn| claude.timer(Timer::Ready, turn));
    claude
}

#[test]
fn words_are_recorded_before_they_are_written() {
    let mut claude = claude();
    assert!(!said(&mut claude, "too early").1);
    let mut claude = begun();
    let (id, taken, acts) = said(&mut claude, "use tabs");
    assert!(taken);
    assert!(
        matches!(&acts[..], [Act::Record(Record::Steered { command_id, .. }), Act::Write(_)] if *command_id == id)
    );
    let frame = &written(&acts)[0];
    assert_eq!((&frame["uuid"], &frame["type"]), (&json!(id), &json!("user")));
    assert_eq!(frame["message"]["content"], "use tabs");
    life(&mut claude, id, "started");
    life(&mut claude, id, "completed");
    assert!(closes(&say(&mut claude, OK)), "it was taken into the turn");
    assert!(!said(&mut claude, "too late").1);
}

#[test]
fn the_input_stays_open_for_words_that_run_next() {
    let mut claude = begun();
    let (id, ..) = said(&mut claude, "and then this");
    let first = say(&mut claude, OK);
    assert!(!closes(&first));
    assert!(first.iter().any(|act| matches!(act, Act::Arm(Timer::Settled, _))));
    life(&mut claude, id, "started");
    let silent = with(&mut claude, |claude, turn| claude.timer(Timer::Settled, turn));
    assert!(!closes(&silent), "it has begun");
    let second =
        json!({ "type": "result", "is_error": false, "result": "x", "user_message_uuid": id });
    assert!(closes(&say(&mut claude, &second.to_string())));
    assert_eq!(end(&mut claude, 0).message.as_deref(), Some("Hello."), "the first is the answer");
}

#[test]
fn words_nobody_begins_do_not_keep_the_input_open() {
    let mut claude = begun();
    said(&mut claude, "lost");
    assert!(!closes(&say(&mut claude, OK)));
    assert!(closes(&with(&mut claude, |claude, turn| claude.timer(Timer::Settled, turn))));
    let mut claude = begun();
    with(&mut claude, |claude, turn| claude.interrupt(turn));
    assert!(!said(&mut claude, "it is being stopped").1);
}
