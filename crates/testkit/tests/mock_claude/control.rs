//! What the mock does at any time: prompts, control requests, interrupts, signals, the journal.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    driver::{FIRST, Home, RECIPE, Running, SECOND, is, kind},
    host::{allow, greet, play},
};

/// Asks for something and returns the inner response.
fn ask(mock: &mut Running, request: Value) -> Value {
    mock.control("afd-9", &request);
    mock.until("control_response")["response"].clone()
}

fn idle() -> (Home, Running) {
    let home = Home::new();
    let mock = home.bare(&RECIPE).start();
    (home, mock)
}

#[test]
fn initialize_is_answered_before_any_prompt() {
    let (_home, mut mock) = idle();
    let response = ask(&mut mock, json!({ "subtype": "initialize", "hooks": null }));
    assert_eq!(
        (&response["subtype"], &response["request_id"]),
        (&json!("success"), &json!("afd-9"))
    );
    let payload = &response["response"];
    assert_eq!(payload["models"], json!([{ "value": "mock", "displayName": "Mock" }]));
    assert_eq!(
        (&payload["output_style"], &payload["hooks_applied"]),
        (&json!("default"), &json!(true))
    );
    assert_eq!(mock.finish().code, Some(0));
}

#[test]
fn initialize_again_tells_what_is_pending() {
    let home = Home::new();
    let mut mock = home.mock("permission").start();
    greet(&mut mock);
    mock.prompt(FIRST, "go");
    let request = mock.until("can_use_tool");
    let response = ask(&mut mock, json!({ "subtype": "initialize" }));
    assert_eq!(response["response"]["pending_permission_requests"], json!([request]));
    assert_eq!(mock.until("can_use_tool"), request);
    assert_eq!(mock.until("system/background_tasks_changed")["tasks"], json!([]));
    mock.answer(&request, &allow(&request["request"]));
    assert_eq!(mock.until("result")["result"], "Done as allowed.");
}

#[test]
fn requests_are_answered() {
    let (_home, mut mock) = idle();
    for subtype in
        ["get_context_usage", "mcp_status", "stop_task", "cancel_async_message", "interrupt"]
    {
        assert_eq!(
            ask(&mut mock, json!({ "subtype": subtype }))["subtype"],
            "success",
            "{subtype}"
        );
    }
    let response = ask(&mut mock, json!({ "subtype": "whatever" }));
    assert_eq!(response["error"], "Unsupported control request subtype: whatever");
    let response = ask(&mut mock, json!({ "subtype": "set_model", "model": "nope" }));
    assert_eq!(
        response,
        json!({ "subtype": "error", "request_id": "afd-9", "error": "Unknown model: nope" })
    );
}

#[test]
fn model_and_mode_change_what_follows() {
    let (_home, mut mock) = idle();
    assert_eq!(
        ask(&mut mock, json!({ "subtype": "set_model", "model": "sonnet" }))["subtype"],
        "success"
    );
    assert_eq!(
        ask(&mut mock, json!({ "subtype": "set_permission_mode", "mode": "plan" }))["subtype"],
        "success"
    );
    let bypass = json!({ "subtype": "set_permission_mode", "mode": "bypassPermissions" });
    assert_eq!(ask(&mut mock, bypass)["subtype"], "error");
    mock.prompt(FIRST, "go");
    let init = mock.until("system/init");
    assert_eq!((&init["model"], &init["permissionMode"]), (&json!("sonnet"), &json!("plan")));
    assert_eq!(mock.until("result")["modelUsage"]["sonnet"]["inputTokens"], 3);
}

#[test]
fn what_is_no_request_is_ignored() {
    let (_home, mut mock) = idle();
    mock.write("\n{\"subtype\":\"interrupt\"}\n  \r\n{\"type\":\"keep_alive\"}\n");
    mock.prompt(FIRST, "go");
    mock.until("result");
    assert_eq!(mock.finish().code, Some(0));
}

#[test]
fn broken_input_is_fatal() {
    for line in ["{\"type\":\"user\"", "hello", "\u{0}"] {
        let outcome = Home::new().bare(&RECIPE).run(&format!("{line}\n"));
        assert_eq!(
            (outcome.code, outcome.stderr.as_str()),
            (Some(1), "Error parsing streaming input line\n")
        );
    }
    let outcome =
        Home::new().bare(&RECIPE).run("{\"type\":\"user\",\"message\":{\"role\":\"assistant\"}}\n");
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (Some(1), "Error: Expected message role 'user'\n")
    );
}

fn lifecycle(frames: &[Value]) -> Vec<String> {
    let told = frames.iter().filter(|frame| is(frame, "command_lifecycle"));
    let short = |frame: &Value| {
        let prompt = if frame["command_uuid"] == FIRST { 1 } else { 2 };
        format!("{prompt} {}", frame["state"].as_str().unwrap())
    };
    told.map(short).collect()
}

#[test]
fn prompts_are_queued_while_a_turn_goes_on() {
    let frames = play(&Home::new(), "queue").frames();
    assert_eq!(
        lifecycle(&frames),
        ["1 queued", "1 started", "2 queued", "1 completed", "2 started", "2 completed"]
    );
    let results: Vec<_> = frames.iter().filter(|frame| is(frame, "result")).collect();
    assert_eq!(
        (&results[0]["user_message_uuid"], &results[1]["user_message_uuid"]),
        (&json!(FIRST), &json!(SECOND))
    );
}

#[test]
fn a_queued_prompt_can_be_taken_back() {
    let home = Home::new();
    let mut mock = home.mock("queue,until=cancel").start();
    mock.prompt(FIRST, "one");
    mock.until("text");
    mock.prompt(SECOND, "two");
    let cancel = json!({ "subtype": "cancel_async_message", "message_uuid": SECOND });
    assert_eq!(ask(&mut mock, cancel.clone())["response"]["cancelled"], true);
    mock.until("result");
    assert_eq!(ask(&mut mock, cancel)["response"]["cancelled"], false);
    let frames = mock.finish().frames();
    assert_eq!(
        lifecycle(&frames),
        ["1 queued", "1 started", "2 queued", "2 cancelled", "1 completed"]
    );
}

#[test]
fn a_prompt_counts_once() {
    let (home, mut mock) = idle();
    mock.prompt(FIRST, "one");
    mock.prompt(FIRST, "one");
    let outcome = mock.finish();
    assert_eq!(outcome.all("result").len(), 1);
    assert_eq!(home.journal("dup")[0]["uuid"], FIRST);
    let mut mock = home.bare(&RECIPE).arg("--continue").start();
    mock.prompt(FIRST, "one");
    assert_eq!(mock.finish().all("result").len(), 0);
    assert_eq!(home.journal("dup").len(), 2);
}

#[test]
fn prompts_are_replayed_on_request() {
    let home = Home::new();
    let mut mock = home.bare(&RECIPE).arg("--replay-user-messages").start();
    mock.prompt(FIRST, "say ${sid}");
    let replay = mock.until("user");
    assert_eq!((&replay["isReplay"], &replay["uuid"]), (&json!(true), &json!(FIRST)));
    assert_eq!(replay["message"]["content"], "say ${sid}");
    mock.until("result");
}

#[test]
fn prompts_may_come_without_id_or_turn() {
    let (_home, mut mock) = idle();
    mock.send(&json!({ "type": "user", "message": { "role": "user", "content": "listen" }, "shouldQuery": false }));
    mock.send(&json!({ "type": "user", "message": { "role": "user", "content": [{ "type": "text", "text": "go" }] } }));
    let outcome = mock.finish();
    assert_eq!((outcome.all("result").len(), outcome.all("command_lifecycle").len()), (1, 0));
}

#[test]
fn state_changes_are_told_on_request() {
    let home = Home::new();
    let mut mock = home.bare(&RECIPE).env("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1").start();
    mock.prompt(FIRST, "go");
    let states = mock.finish().all("system/session_state_changed");
    let states: Vec<Value> = states.into_iter().map(|frame| frame["state"].clone()).collect();
    assert_eq!(states, ["running", "idle"]);
}

#[test]
fn an_interrupted_tool_leaves_a_usable_process() {
    let home = Home::new();
    let mut mock = home.mock("interrupt").start();
    mock.prompt(FIRST, "go");
    mock.until("assistant");
    assert_eq!(
        ask(&mut mock, json!({ "subtype": "interrupt" }))["response"],
        json!({ "still_queued": [] })
    );
    assert_eq!(kind(&mock.until("user")), "tool_result toolu_mock_01");
    let result = mock.until("result");
    assert_eq!(
        (&result["terminal_reason"], &result["result"]),
        (&json!("aborted_tools"), &Value::Null)
    );
    mock.prompt(SECOND, "go on");
    assert_eq!(mock.until("result")["is_error"], false);
    assert_eq!(mock.finish().code, Some(0));
}

#[test]
fn an_interrupted_result_need_not_be_an_error() {
    let outcome = play(&Home::new(), "interrupt,is_error=false");
    assert_eq!((outcome.code, &outcome.result()["is_error"]), (Some(0), &json!(false)));
    assert_eq!(play(&Home::new(), "interrupt").code, Some(0));
}

#[test]
fn an_interrupt_before_init_is_lost() {
    let (_home, mut mock) = idle();
    assert_eq!(ask(&mut mock, json!({ "subtype": "interrupt" }))["subtype"], "success");
    mock.prompt(FIRST, "go");
    assert_eq!(mock.until("result")["is_error"], false);
}

#[test]
fn an_interrupt_withdraws_what_was_asked() {
    let home = Home::new();
    let mut mock = home.mock("permission").start();
    mock.prompt(FIRST, "go");
    let request = mock.until("can_use_tool");
    mock.prompt(SECOND, "next");
    let response = ask(&mut mock, json!({ "subtype": "interrupt" }));
    assert_eq!(response["response"]["still_queued"], json!([SECOND]));
    assert_eq!(mock.until("control_cancel_request")["request_id"], request["request_id"]);
    assert_eq!(mock.until("result")["terminal_reason"], "aborted_tools");
    assert_eq!(mock.until("result")["user_message_uuid"], SECOND);
}

#[test]
fn an_interrupt_may_take_the_queue_with_it() {
    let home = Home::new();
    let mut mock = home.mock("permission").start();
    mock.prompt(FIRST, "go");
    mock.until("can_use_tool");
    mock.prompt(SECOND, "next");
    let response = ask(&mut mock, json!({ "subtype": "interrupt", "cancel_queued": true }));
    assert_eq!(response["response"]["still_queued"], json!([]));
    let outcome = mock.finish();
    assert_eq!(lifecycle(&outcome.frames())[2..], ["2 queued", "2 cancelled", "1 completed"]);
}

#[test]
fn an_interrupt_may_be_acknowledged_and_lost() {
    let home = Home::new();
    let mut mock = home.mock("interrupt_lost").start();
    mock.prompt(FIRST, "go");
    mock.until("assistant");
    for _ in 0..2 {
        assert_eq!(ask(&mut mock, json!({ "subtype": "interrupt" }))["subtype"], "success");
    }
    mock.signal(Signal::SIGTERM);
    let outcome = mock.finish();
    assert_eq!((outcome.code, outcome.all("result").len()), (Some(143), 0));
}

#[test]
fn signals_end_an_idle_process() {
    for (scenario, signal, code) in [
        ("success", Signal::SIGTERM, 143),
        ("success", Signal::SIGINT, 130),
        ("hang,int=0", Signal::SIGINT, 0),
    ] {
        let home = Home::new();
        let mut mock = home.mock(scenario).start();
        mock.prompt(FIRST, "go");
        mock.until("text");
        mock.signal(signal);
        assert_eq!(mock.wait().code(), Some(code), "{scenario} {signal}");
        assert_eq!(home.journal("signal")[0]["name"], signal.as_str());
    }
}

/// A mock whose output nobody reads has to die of TERM all the same.
#[test]
fn a_signal_ends_a_process_stuck_in_a_write() {
    let home = Home::new();
    let script = home.file("script.jsonl", r#"{"op":"burst","tmpl":"delta","n":100000000}"#);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mock-claude"));
    command.args(RECIPE).current_dir(home.cwd()).env("CLAUDE_CONFIG_DIR", home.config());
    command
        .env("MOCK_CLAUDE_SCRIPT", script)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn the_journal_tells_all() {
    let home = Home::new();
    let mut mock =
        home.mock("success").env("AFIELD_RUN_ID", "run-1").env("CLAUDE_CODE_ENTRYPOINT", "afield");
    mock = mock.env("SECRET", "hush");
    let mut mock = mock.start();
    let pid = mock.pid().as_raw();
    mock.prompt(FIRST, "go");
    mock.until("result");
    mock.finish();
    let start = &home.journal("start")[0];
    assert_eq!(start["argv"], json!(RECIPE));
    assert_eq!((&start["pid"], &start["ppid"]), (&json!(pid), &json!(std::process::id())));
    assert!(start["pgid"].is_i64() && start["sid"].is_i64());
    assert_eq!(start["cwd"], json!(home.cwd()));
    assert_eq!(
        start["env"],
        json!({ "AFIELD_RUN_ID": "run-1", "CLAUDE_CODE_ENTRYPOINT": "afield" })
    );
    assert!(start["env_keys"].as_array().unwrap().contains(&json!("SECRET")));
    let stdin = &home.journal("stdin")[0];
    assert_eq!(stdin["n"], 1);
    assert!(stdin["line"].as_str().unwrap().contains(FIRST));
    assert_eq!((home.journal("stdin_eof").len(), &home.journal("exit")[0]["code"]), (1, &json!(0)));
}
