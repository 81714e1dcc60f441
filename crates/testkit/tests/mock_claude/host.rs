//! A host that plays any scenario to its end: answers what it is asked and ends what does not end by itself.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::driver::{FIRST, Home, Outcome, Running, SECOND, is, kind};

/// Plays a scenario from `initialize` to the exit.
pub(crate) fn play(home: &Home, scenario: &str) -> Outcome {
    let mut mock = home.mock(scenario).start();
    let name = scenario.split(',').next().unwrap();
    greet(&mut mock);
    mock.prompt(FIRST, "hello");
    if name == "queue" {
        mock.prompt(SECOND, "and then?");
    }
    let mut results = 0;
    while results < results_of(name) {
        let Some(frame) = mock.frame() else { break };
        results += usize::from(is(&frame, "result"));
        react(&mut mock, name, &frame);
    }
    mock.finish()
}

/// Says `initialize`, with a hook before every tool.
pub(crate) fn greet(mock: &mut Running) {
    let hooks = json!({ "PreToolUse": [{ "matcher": "Bash", "hookCallbackIds": ["hook_0"] }] });
    mock.control("afd-1", &json!({ "subtype": "initialize", "hooks": hooks }));
}

/// How many results to wait for before stdin is closed.
fn results_of(scenario: &str) -> usize {
    match scenario {
        "bg_task" | "double_result" | "queue" => 2,
        _ => 1,
    }
}

fn react(mock: &mut Running, scenario: &str, frame: &Value) {
    let ends_when = match scenario {
        "hang" | "slow_term" => "text",
        "hang_after_tool" => "tool_result toolu_mock_01",
        "hang_after_result" => "result/success",
        "interrupt_lost" => "tool_use toolu_mock_01",
        "ignore_term" => "tool_progress",
        _ => "",
    };
    if kind(frame) == ends_when {
        mock.signal(if scenario == "ignore_term" { Signal::SIGKILL } else { Signal::SIGTERM });
    } else if scenario == "interrupt" && kind(frame) == "tool_use toolu_mock_01" {
        mock.control("afd-2", &json!({ "subtype": "interrupt" }));
    } else if is(frame, "control_request") && scenario != "permission_cancel" {
        mock.answer(frame, &answer(&frame["request"]));
    }
}

/// Allows tools, answers questions, puts hooks off and is an MCP server.
fn answer(request: &Value) -> Value {
    match request["subtype"].as_str() {
        Some("can_use_tool") => allow(request),
        Some("hook_callback") => hook("defer"),
        _ => mcp(&request["message"]),
    }
}

/// A permission with the input as it was, and with an answer if it was a question.
pub(crate) fn allow(request: &Value) -> Value {
    let mut input = request["input"].clone();
    if request["tool_name"] == "AskUserQuestion" {
        input["answers"] = json!({ "Which color do you prefer?": "Blue" });
    }
    json!({ "behavior": "allow", "updatedInput": input })
}

/// The answer of a hook.
pub(crate) fn hook(decision: &str) -> Value {
    let output = json!({ "hookEventName": "PreToolUse", "permissionDecision": decision });
    json!({ "hookSpecificOutput": output })
}

/// The answer of an MCP server.
pub(crate) fn mcp(message: &Value) -> Value {
    let result = match message["method"].as_str() {
        Some("tools/list") => {
            json!({ "tools": [{ "name": "afield_queue_command", "inputSchema": {} }] })
        }
        Some("tools/call") => json!({ "content": [{ "type": "text", "text": "queued as 1" }] }),
        _ => json!({}),
    };
    json!({ "mcp_response": { "jsonrpc": "2.0", "id": message["id"], "result": result } })
}
