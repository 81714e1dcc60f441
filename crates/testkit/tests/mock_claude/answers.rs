//! Scenarios whose point is what they print.

use serde_json::{Value, json};

use super::{
    driver::{FIRST, Home, Outcome, SECOND, is},
    host::play,
};

fn played(scenario: &str) -> Outcome {
    play(&Home::new(), scenario)
}

#[track_caller]
fn fails_with(scenario: &str, kinds: &[&str]) -> Value {
    let outcome = played(scenario);
    assert_eq!(outcome.kinds(), kinds, "{scenario}");
    assert_eq!(outcome.code, Some(1), "{scenario}");
    let result = outcome.result();
    assert_eq!(result["is_error"], true, "{scenario}");
    result
}

#[track_caller]
fn succeeds_with(scenario: &str, kinds: &[&str]) -> Outcome {
    let outcome = played(scenario);
    assert_eq!(outcome.kinds(), kinds, "{scenario}");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{scenario}");
    assert_eq!(outcome.result()["is_error"], false, "{scenario}");
    outcome
}

#[test]
fn success_is_what_the_others_build_on() {
    let outcome = succeeds_with("success", &["init", "rate_limit_event", "text", "result/success"]);
    let result = outcome.result();
    assert_eq!(
        (&result["result"], &result["total_cost_usd"]),
        (&json!("Hello from the mock."), &json!(0.001))
    );
    assert_eq!(result["user_message_uuid"], FIRST);
}

#[test]
fn costs_add_up_and_no_id_comes_twice() {
    let mut mock = Home::new().mock("multi_tool").start();
    mock.prompt(FIRST, "one");
    mock.until("result");
    mock.prompt(SECOND, "two [[mock:multi_tool]]");
    let outcome = mock.finish();
    let costs: Vec<Value> =
        outcome.all("result").into_iter().map(|result| result["total_cost_usd"].clone()).collect();
    assert_eq!(costs, [json!(0.001), json!(0.002)]);
    let kinds = outcome.kinds();
    let tools: Vec<&String> = kinds.iter().filter(|kind| kind.starts_with("tool_use")).collect();
    assert_eq!(
        tools,
        [
            "tool_use toolu_mock_01",
            "tool_use toolu_mock_02",
            "tool_use toolu_mock_101",
            "tool_use toolu_mock_102"
        ]
    );
    let frames = outcome.frames();
    let mut uuids: Vec<&str> = frames.iter().filter_map(|frame| frame["uuid"].as_str()).collect();
    let printed = uuids.len();
    uuids.sort_unstable();
    uuids.dedup();
    assert_eq!(uuids.len(), printed);
}

#[test]
fn multi_tool_answers_out_of_order() {
    let outcome = succeeds_with(
        "multi_tool",
        &[
            "init",
            "text",
            "tool_use toolu_mock_01",
            "tool_use toolu_mock_02",
            "tool_result toolu_mock_02",
            "tool_result toolu_mock_01",
            "text",
            "result/success",
        ],
    );
    let messages: Vec<Value> =
        outcome.all("assistant").into_iter().map(|frame| frame["message"]["id"].clone()).collect();
    assert_eq!(messages, ["msg_mock_01", "msg_mock_01", "msg_mock_01", "msg_mock_02"]);
}

#[test]
fn partial_deltas_add_up_to_the_final_text() {
    let outcome = succeeds_with(
        "partial",
        &[
            "init",
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
            "text",
            "result/success",
        ],
    );
    let deltas = outcome.all("stream_event").into_iter();
    let text: String = deltas
        .filter_map(|frame| Some(frame["event"]["delta"]["text"].as_str()?.to_owned()))
        .collect();
    assert_eq!(outcome.result()["result"], text);
    let raw = String::from_utf8(outcome.raw).unwrap();
    assert!(raw.contains(r#""text":"\u00e9 et un th""#) && raw.contains(r#""text":"é.""#));
}

#[test]
fn error_results_fail_with_a_text() {
    let result = fails_with("error_result", &["init", "text", "result/error_during_execution"]);
    assert_eq!(result["errors"], json!(["mock failure"]));
    let result = fails_with("max_turns", &["init", "text", "result/error_max_turns"]);
    assert_eq!(result["errors"], json!(["Reached maximum number of turns (3)"]));
    let result = fails_with("max_budget", &["init", "text", "result/error_max_budget_usd"]);
    assert_eq!(
        (&result["terminal_reason"], &result["total_cost_usd"]),
        (&json!("budget_exhausted"), &json!(1.01))
    );
}

#[test]
fn service_errors_are_successes_that_failed() {
    let kinds = ["init", "api_retry", "api_retry", "text", "result/success"];
    let result = fails_with("api_error", &kinds);
    assert_eq!(
        (&result["api_error_status"], &result["result"]),
        (&json!(529), &json!("API Error: Overloaded"))
    );
    assert_eq!(fails_with("api_error,status=500", &kinds)["api_error_status"], 500);
    let outcome = played("api_error,status=429");
    assert_eq!(outcome.all("assistant")[0]["error"], "rate_limit");
    assert_eq!(outcome.all("assistant")[0]["message"]["model"], "<synthetic>");
    assert_eq!(outcome.all("system/api_retry")[1]["attempt"], 2);
}

#[test]
fn rate_limits_say_until_when() {
    let outcome = played("rate_limited");
    assert_eq!(outcome.kinds(), ["init", "rate_limit_event", "text", "result/success"]);
    let info = &outcome.all("rate_limit_event")[0]["rate_limit_info"];
    assert_eq!((&info["status"], &info["resetsAt"]), (&json!("rejected"), &json!(1_795_190_000)));
    assert_eq!((outcome.code, &outcome.result()["api_error_status"]), (Some(1), &json!(429)));
}

#[test]
fn a_missing_login_says_so() {
    let result = fails_with("auth_required", &["init", "text", "result/success"]);
    assert_eq!(result["result"], "Not logged in · Please run /login");
    assert_eq!(played("auth_required").all("assistant")[0]["error"], "authentication_failed");
}

#[test]
fn huge_lines_carry_the_pattern_twice() {
    let outcome = succeeds_with(
        "huge_line,mb=2",
        &["init", "tool_use toolu_mock_01", "tool_result toolu_mock_01", "text", "result/success"],
    );
    let frame = &outcome.all("user")[0];
    let pattern = "0123456789abcdef".repeat(2 * 1024 * 1024 / 16);
    assert!(frame["message"]["content"][0]["content"] == pattern.as_str());
    assert!(frame["tool_use_result"]["stdout"] == pattern.as_str());
}

#[test]
fn noise_between_frames() {
    let outcome = succeeds_with("invalid_json", &["init", "text", "result/success"]);
    let text = String::from_utf8(outcome.raw).unwrap();
    assert!(
        text.contains(
            "\n{\"type\":\"assistant\",\"message\":\nnot json at all\n[SandboxDebug] x\n\n{"
        ),
        "{text}"
    );
}

#[test]
fn bytes_that_are_no_utf8() {
    let outcome = played("invalid_utf8");
    assert_eq!(
        (outcome.code, outcome.kinds().last().unwrap().as_str()),
        (Some(0), "result/success")
    );
    let bad = br#"{"type":"system","subtype":"informational","content":""#;
    let at = outcome.raw.windows(bad.len()).position(|window| window == bad).unwrap() + bad.len();
    assert_eq!(&outcome.raw[at..at + 3], b"\xff\xfe\"");
}

#[test]
fn the_result_drips_and_ends_in_crlf() {
    let outcome = succeeds_with("slow_drip", &["init", "text", "result/success"]);
    let lines: Vec<&[u8]> = outcome.raw.split(|byte| *byte == b'\n').collect();
    let crlf: Vec<_> = lines.iter().filter(|line| line.ends_with(b"\r")).collect();
    assert_eq!(crlf.len(), 1);
    assert!(is(&serde_json::from_slice(crlf[0]).unwrap(), "result"));
}

#[test]
fn bursts_are_complete_and_in_order() {
    let outcome = played("burst");
    let texts = outcome
        .all("stream_event")
        .into_iter()
        .map(|frame| frame["event"]["delta"]["text"].clone());
    assert!(texts.eq((1..=10_000).map(|n| json!(format!("{n} ")))));
    assert_eq!(outcome.result()["result"], "Hello from the mock.");
}

#[test]
fn stderr_may_be_noisy() {
    let outcome = played("stderr_noise,mb=4");
    assert_eq!((outcome.code, outcome.stderr.len()), (Some(0), 4 * 1024 * 1024));
    assert_eq!(outcome.kinds(), ["init", "text", "result/success"]);
}

#[test]
fn background_tasks_end_in_a_second_result() {
    let outcome = succeeds_with(
        "bg_task",
        &[
            "init",
            "tool_use toolu_mock_02",
            "task_started",
            "tool_result toolu_mock_02",
            "text",
            "result/success",
            "task_updated",
            "text",
            "text",
            "result/success",
        ],
    );
    let results = outcome.all("result");
    assert_eq!(
        (&results[0]["user_message_uuid"], &results[0]["origin"]),
        (&json!(FIRST), &Value::Null)
    );
    assert_eq!(results[1]["origin"], json!({ "kind": "task-notification" }));
    assert_eq!(results[1]["total_cost_usd"], 0.002);
}

#[test]
fn background_tasks_need_stdin() {
    let mut mock = Home::new().mock("bg_task,ms=1000000").start();
    mock.prompt(FIRST, "go");
    mock.until("result");
    let outcome = mock.finish();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), "Stream closed\n"));
}

#[test]
fn a_spurious_result_may_follow() {
    let outcome = played("double_result");
    assert_eq!(
        outcome.kinds(),
        ["init", "text", "result/success", "result/error_during_execution"]
    );
    assert_eq!(
        outcome.result()["errors"],
        json!(["only prompt commands are supported in streaming mode"])
    );
    assert_eq!((outcome.code, &outcome.result()["total_cost_usd"]), (Some(1), &json!(0.001)));
}

#[test]
fn frames_from_the_future() {
    let outcome = succeeds_with(
        "unknown_frames",
        &["init", "brand_new", "brand_new", "tool_use_summary", "text", "result/success"],
    );
    let frames = outcome.all("tool_use_summary");
    assert_eq!(
        (&frames[0]["uuid"], &frames[0]["brand_new_key"]),
        (&Value::Null, &json!({ "deep": [true, null] }))
    );
    assert_eq!(outcome.all("brand_new")[0]["payload"], json!({ "a": [1, 2, 3] }));
}

#[test]
fn subagents_interleave() {
    let outcome = played("subagents");
    let frames = outcome.frames();
    let parents: Vec<&str> =
        frames.iter().filter_map(|frame| frame["parent_tool_use_id"].as_str()).collect();
    let (docs, tests) = ("toolu_mock_10", "toolu_mock_11");
    assert_eq!(parents, [docs, tests, docs, tests, tests, docs, tests, docs]);
    assert_eq!((outcome.code, &outcome.result()["is_error"]), (Some(0), &json!(false)));
}

#[test]
fn compaction_is_announced() {
    let outcome =
        succeeds_with("compact", &["init", "status", "compact_boundary", "text", "result/success"]);
    assert_eq!(outcome.all("system/status")[0]["status"], "compacting");
    assert_eq!(outcome.all("system/compact_boundary")[0]["compact_metadata"]["trigger"], "auto");
}

#[test]
fn surroundings_are_reported() {
    let home = Home::new();
    let mut mock =
        home.mock("env_check").arg("--permission-mode=plan").env("AFIELD_RUN_ID", "run-1");
    mock = mock.env("NO_COLOR", "1").env("ANTHROPIC_API_KEY", "secret");
    let mut mock = mock.start();
    mock.prompt(FIRST, "who am I?");
    let outcome = mock.finish();
    assert_eq!(outcome.result()["result"], format!("cwd={} mode=plan", home.cwd().display()));
    let text = outcome.all("assistant")[0]["message"]["content"][0]["text"].clone();
    let report: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(report["env"], json!({ "AFIELD_RUN_ID": "run-1", "NO_COLOR": "1" }));
    assert!(report["env_keys"].as_array().unwrap().contains(&json!("ANTHROPIC_API_KEY")));
    assert!(report["argv"].as_array().unwrap().contains(&json!("--permission-mode=plan")));
    assert!(!String::from_utf8(outcome.raw).unwrap().contains("secret"));
}

#[test]
fn big_prompts_arrive_whole() {
    let home = Home::new();
    let mut mock = home.mock("big_stdin").start();
    mock.prompt(FIRST, &"a".repeat(8 * 1024 * 1024));
    let outcome = mock.finish();
    let sum = "ad97f87076920684e2ca66fc44e5d322797dc9d64706b174e51b5d0828937043";
    let expected = format!("sha256={sum} len=8388608");
    assert_eq!(outcome.result()["result"], expected);
    assert!(home.journal("stdin")[0]["bytes"].as_u64().unwrap() > 8 * 1024 * 1024);
}

#[test]
fn files_are_really_edited() {
    let home = Home::new();
    let outcome = play(&home, "file_edit");
    assert_eq!((outcome.code, outcome.kinds().len()), (Some(0), 7));
    assert_eq!(std::fs::read_to_string(home.cwd().join("mock_out.txt")).unwrap(), "mock, edited\n");
    let patch = &outcome.all("user")[1]["tool_use_result"]["structuredPatch"];
    assert_eq!(patch[0]["lines"], json!(["-mock", "+mock, edited"]));
}
