//! Scenarios in which the mock asks the host: permissions, questions, hooks, MCP messages.

use serde_json::{Value, json};

use super::{
    driver::{FIRST, Home, Mock, Outcome, RECIPE, Running, kind},
    host::{allow, greet, hook, mcp, play},
};

fn asked(scenario: &str, what: &str) -> (Home, Running, Value) {
    let home = Home::new();
    let mut mock = home.mock(scenario).start();
    greet(&mut mock);
    mock.prompt(FIRST, "go");
    let request = mock.until(what);
    (home, mock, request)
}

fn answered(scenario: &str, payload: impl Fn(&Value) -> Value) -> Outcome {
    let (_home, mut mock, request) = asked(scenario, "can_use_tool");
    mock.answer(&request, &payload(&request["request"]));
    mock.until("result");
    mock.finish()
}

#[test]
fn permission_given() {
    let outcome = answered("permission", allow);
    let kinds = [
        "init",
        "tool_use toolu_mock_04",
        "can_use_tool",
        "tool_result toolu_mock_04",
        "text",
        "result/success",
    ];
    assert_eq!(outcome.kinds(), kinds);
    assert_eq!((outcome.code, &outcome.result()["permission_denials"]), (Some(0), &json!([])));
    assert_eq!(answered("permission,tool=Bash", allow).result()["result"], "Done as allowed.");
}

/// What was approved is what runs.
#[test]
fn permission_given_for_a_changed_input() {
    let changed = json!({ "behavior": "allow", "updatedInput": { "file_path": "/elsewhere", "content": "other" } });
    let result =
        answered("permission", |_| changed.clone()).all("user")[0]["tool_use_result"].clone();
    assert_eq!((&result["filePath"], &result["content"]), (&json!("/elsewhere"), &json!("other")));
}

#[test]
fn permission_denied() {
    let outcome =
        answered("permission", |_| json!({ "behavior": "deny", "message": "Not from here." }));
    let user = &outcome.all("user")[0];
    assert_eq!(user["message"]["content"][0]["is_error"], true);
    assert_eq!(user["tool_result_meta"][0]["user_feedback"], "Not from here.");
    let result = outcome.result();
    assert_eq!((outcome.code, &result["is_error"]), (Some(0), &json!(false)));
    assert_eq!(result["permission_denials"][0]["tool_input"]["content"], "mock\n");
}

#[test]
fn permission_denied_and_the_turn_with_it() {
    let outcome = answered(
        "permission",
        |_| json!({ "behavior": "deny", "message": "Stop.", "interrupt": true }),
    );
    assert_eq!(
        outcome.kinds(),
        ["init", "tool_use toolu_mock_04", "can_use_tool", "result/error_during_execution"]
    );
    let result = outcome.result();
    assert_eq!(
        (&result["terminal_reason"], &result["result"]),
        (&json!("aborted_tools"), &Value::Null)
    );
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn an_error_is_no_permission() {
    let (_home, mut mock, request) = asked("permission", "can_use_tool");
    let response =
        json!({ "subtype": "error", "request_id": request["request_id"], "error": "no idea" });
    mock.send(&json!({ "type": "control_response", "response": response }));
    assert_eq!(mock.until("result")["permission_denials"][0]["tool_name"], "Write");
}

#[test]
fn a_second_answer_is_journalled_and_dropped() {
    let (home, mut mock, request) = asked("permission", "can_use_tool");
    mock.answer(&request, &allow(&request["request"]));
    mock.answer(&request, &json!({ "behavior": "deny", "message": "too late" }));
    mock.until("result");
    assert_eq!(mock.finish().result()["permission_denials"], json!([]));
    assert_eq!(home.journal("unmatched_response")[0]["request_id"], request["request_id"]);
}

#[test]
fn nobody_answers_a_closed_stream() {
    let (_home, mock, _request) = asked("permission", "can_use_tool");
    let outcome = mock.finish();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), "Stream closed\n"));
}

fn finished(mock: Mock) -> Outcome {
    let mut mock = mock.start();
    mock.prompt(FIRST, "go");
    mock.until("result");
    mock.finish()
}

#[test]
fn modes_and_rules_decide_without_asking() {
    let home = Home::new();
    let runs = [
        home.mock("permission").arg("--dangerously-skip-permissions"),
        home.mock("permission").arg("--permission-mode=acceptEdits"),
        home.mock("permission,tool=Bash").arg("--allowedTools=Read,Bash"),
    ];
    for mock in runs {
        let outcome = finished(mock);
        assert!(outcome.all("can_use_tool").is_empty());
        assert_eq!(outcome.result()["result"], "Done as allowed.");
    }
}

#[test]
fn without_anybody_to_ask_the_answer_is_no() {
    let home = Home::new();
    let nobody = home.bare(&RECIPE[..4]).env("MOCK_CLAUDE_SCENARIO", "permission");
    let prompts_off = home.mock("permission").arg("--permission-prompts=none");
    let never = home.mock("permission").arg("--permission-mode=dontAsk");
    for mock in [nobody, prompts_off, never] {
        let outcome = finished(mock);
        assert!(outcome.all("can_use_tool").is_empty());
        assert_eq!(outcome.all("system/permission_denied")[0]["tool_use_id"], "toolu_mock_04");
        assert_eq!(outcome.result()["permission_denials"][0]["tool_use_id"], "toolu_mock_04");
    }
}

#[test]
fn an_approved_plan_changes_the_mode() {
    let update = json!([{ "type": "setMode", "mode": "acceptEdits", "destination": "session" }]);
    let (_home, mut mock, request) = asked("permission,tool=ExitPlanMode", "can_use_tool");
    mock.answer(&request, &json!({ "behavior": "allow", "updatedPermissions": update }));
    mock.until("result");
    mock.prompt(super::driver::SECOND, "go on");
    assert_eq!(mock.until("system/init")["permissionMode"], "acceptEdits");
}

#[test]
fn permission_withdrawn() {
    let (home, mut mock, request) = asked("permission_cancel", "can_use_tool");
    let cancel = mock.until("control_cancel_request");
    assert_eq!(cancel["request_id"], request["request_id"]);
    mock.answer(&request, &json!({ "behavior": "deny", "message": "too late" }));
    mock.until("result");
    let outcome = mock.finish();
    assert_eq!((outcome.code, &outcome.result()["permission_denials"]), (Some(0), &json!([])));
    assert_eq!(home.journal("unmatched_response").len(), 1);
}

#[test]
fn permission_answered_before_it_is_withdrawn() {
    let (_home, mut mock, request) = asked("permission_cancel,ms=1000000", "can_use_tool");
    mock.answer(&request, &allow(&request["request"]));
    mock.until("result");
    let kinds = mock.finish().kinds();
    assert!(!kinds.contains(&"control_cancel_request".to_owned()), "{kinds:?}");
}

#[test]
fn two_permissions_at_once() {
    for answers_first in [0, 1] {
        let (_home, mut mock, write) = asked("permission_double", "can_use_tool");
        let bash = mock.until("can_use_tool");
        let requests = [write, bash];
        for request in [&requests[answers_first], &requests[1 - answers_first]] {
            mock.answer(request, &allow(&request["request"]));
        }
        let (first, second) = (mock.until("user"), mock.until("user"));
        let tools = ["tool_result toolu_mock_04", "tool_result toolu_mock_01"];
        assert_eq!([kind(&first), kind(&second)], [tools[1 - answers_first], tools[answers_first]]);
        assert_eq!(mock.until("result")["is_error"], false);
    }
}

#[test]
fn one_of_two_permissions_denied() {
    let (_home, mut mock, write) = asked("permission_double", "can_use_tool");
    let bash = mock.until("can_use_tool");
    mock.answer(&bash, &json!({ "behavior": "deny", "message": "no shell" }));
    mock.answer(&write, &allow(&write["request"]));
    let denials = mock.until("result")["permission_denials"].clone();
    assert_eq!((denials.as_array().unwrap().len(), &denials[0]["tool_name"]), (1, &json!("Bash")));
}

#[test]
fn questions_are_answered_under_their_full_text() {
    let outcome = answered("ask_user", allow);
    let answer = r#"Your questions have been answered: "Which color do you prefer?"="Blue"."#;
    assert_eq!(outcome.result()["result"], answer);
    let empty = "Your questions have been answered: .";
    let by_header = |request: &Value| {
        let mut input = request["input"].clone();
        input["answers"] = json!({ "Color": "Blue" });
        json!({ "behavior": "allow", "updatedInput": input })
    };
    assert_eq!(answered("ask_user", by_header).result()["result"], empty);
    let lost = json!({ "answers": { "Which color do you prefer?": "Blue" } });
    let without_questions = |_: &Value| json!({ "behavior": "allow", "updatedInput": lost });
    assert_eq!(answered("ask_user", without_questions).result()["result"], empty);
}

#[test]
fn a_hook_puts_a_tool_off_until_the_session_is_resumed() {
    let (home, mut mock, request) = asked("defer", "hook_callback");
    assert_eq!(request["request"]["callback_id"], "hook_0");
    mock.answer(&request, &hook("defer"));
    let result = mock.until("result");
    assert_eq!(result["deferred_tool_use"]["id"], "toolu_mock_07");
    let session = result["session_id"].as_str().unwrap().to_owned();
    assert_eq!(mock.wait().code(), Some(0));

    for (decision, text) in [("defer", ""), ("allow", "Pushed.")] {
        let mut mock = home.bare(&RECIPE).arg(&format!("--resume={session}")).start();
        greet(&mut mock);
        let again = mock.until("hook_callback");
        assert_eq!(again["request"]["input"]["tool_input"], json!({ "command": "git push" }));
        mock.answer(&again, &hook(decision));
        assert_eq!(mock.until("result")["result"], text);
    }
    let mut mock = home.bare(&RECIPE).arg(&format!("--resume={session}")).start();
    mock.prompt(super::driver::SECOND, "and now?");
    assert_eq!(mock.until("result")["result"], "Hello from the mock.");
}

#[test]
fn a_hook_denies_a_tool() {
    let (_home, mut mock, request) = asked("defer", "hook_callback");
    mock.answer(&request, &hook("deny"));
    assert_eq!(mock.until("result")["permission_denials"][0]["tool_use_id"], "toolu_mock_07");
}

#[test]
fn a_hook_has_to_be_registered() {
    let outcome = Home::new()
        .mock("defer")
        .run("{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"go\"}}\n");
    assert_eq!(outcome.code, Some(64));
    assert!(outcome.stderr.contains("no PreToolUse hook is registered"), "{}", outcome.stderr);
}

#[test]
fn the_host_is_an_mcp_server() {
    let outcome = play(&Home::new(), "mcp_sdk");
    let methods: Vec<Value> = outcome
        .all("mcp_message")
        .into_iter()
        .map(|frame| frame["request"]["message"]["method"].clone())
        .collect();
    assert_eq!(methods, ["initialize", "notifications/initialized", "tools/list", "tools/call"]);
    assert_eq!((outcome.code, &outcome.result()["result"]), (Some(0), &json!("queued as 1")));
}

#[test]
fn a_silent_mcp_server_fails_the_turn() {
    let (_home, mut mock, request) = asked("mcp_sdk,timeout_ms=20", "mcp_message");
    let result = mock.until("result");
    assert_eq!(result["errors"], json!(["the MCP server afield did not answer"]));
    mock.answer(&request, &mcp(&request["request"]["message"]));
    assert_eq!(mock.finish().code, Some(1));
}
