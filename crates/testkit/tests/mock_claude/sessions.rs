//! Sessions on disk: ids, transcripts, the registry, resuming and forking.

use std::fs;

use serde_json::{Value, json};

use super::driver::{FIRST, Home, RECIPE, SECOND};

const MINE: &str = "dddddddd-dddd-4ddd-8ddd-dddddddddddd";
const NEW: &str = "a0000000-0000-4000-8000-000000000001";

/// One turn with these options; returns the session id of the result.
fn turn(home: &Home, uuid: &str, args: &[&str]) -> String {
    let args: Vec<&str> = RECIPE.iter().chain(args).copied().collect();
    let mut mock = home.bare(&args).start();
    mock.prompt(uuid, "go");
    let result = mock.until("result");
    assert_eq!(mock.finish().code, Some(0));
    result["session_id"].as_str().unwrap().to_owned()
}

fn transcript(home: &Home, session: &str) -> Vec<Value> {
    let text = fs::read_to_string(home.transcript(session)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn new_sessions_are_counted() {
    let home = Home::new();
    assert_eq!(turn(&home, FIRST, &[]), NEW);
    assert_eq!(turn(&home, FIRST, &[]), "a0000000-0000-4000-8000-000000000002");
    assert_eq!(turn(&home, FIRST, &["--session-id", MINE]), MINE);
}

#[test]
fn transcripts_have_a_line_per_message() {
    let home = Home::new();
    turn(&home, FIRST, &[]);
    let lines = transcript(&home, NEW);
    let kinds: Vec<&Value> = lines.iter().map(|line| &line["type"]).collect();
    assert_eq!(kinds, ["user", "assistant"]);
    assert_eq!((&lines[0]["uuid"], &lines[0]["cwd"]), (&json!(FIRST), &json!(home.cwd())));
    assert_eq!(lines[1]["message"]["content"][0]["text"], "Hello from the mock.");
}

#[test]
fn nothing_is_written_on_request() {
    let home = Home::new();
    turn(&home, FIRST, &["--no-session-persistence"]);
    assert!(!home.config().exists());
}

#[test]
fn live_sessions_are_registered() {
    let home = Home::new();
    let mut mock = home.bare(&RECIPE).arg("--name=tests").start();
    mock.prompt(FIRST, "go");
    mock.until("result");
    mock.control("afd-1", &json!({ "subtype": "mcp_status" }));
    mock.until("control_response");
    let path = home.config().join(format!("sessions/{}.json", mock.pid()));
    let entry: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(
        (&entry["sessionId"], &entry["status"], &entry["name"]),
        (&json!(NEW), &json!("idle"), &json!("tests"))
    );
    mock.finish();
    assert!(!path.exists());
}

#[test]
fn resuming_goes_on_where_it_ended() {
    let home = Home::new();
    turn(&home, FIRST, &["--name=the title"]);
    assert_eq!(turn(&home, SECOND, &["--resume", NEW]), NEW);
    assert_eq!(turn(&home, "c0000000-0000-4000-8000-000000000003", &["--resume=the title"]), NEW);
    assert_eq!(turn(&home, "c0000000-0000-4000-8000-000000000004", &["--continue"]), NEW);
    let lines = transcript(&home, NEW);
    assert_eq!(lines.len(), 9);
    let mut uuids: Vec<&str> = lines.iter().filter_map(|line| line["uuid"].as_str()).collect();
    uuids.sort_unstable();
    uuids.dedup();
    assert_eq!(uuids.len(), 8, "no id comes twice in a session");
}

#[test]
fn forking_leaves_the_source_alone() {
    let home = Home::new();
    turn(&home, FIRST, &[]);
    assert_eq!(
        turn(&home, SECOND, &["--resume", NEW, "--fork-session", "--session-id", MINE]),
        MINE
    );
    assert_eq!((transcript(&home, NEW).len(), transcript(&home, MINE).len()), (2, 4));
}

#[test]
fn an_unknown_session_cannot_be_resumed() {
    let text = format!("No conversation found with session ID: {MINE}");
    let outcome = Home::new().bare(&RECIPE).arg(&format!("--resume={MINE}")).run("");
    assert_eq!((outcome.code, &outcome.stderr), (Some(1), &format!("{text}\n")));
    assert_eq!(outcome.kinds(), ["result/error_during_execution"]);
    assert_eq!(outcome.result()["errors"], json!([text]));
    let legacy =
        Home::new().mock("resume_unknown,legacy=1").arg(&format!("--resume={MINE}")).run("");
    assert_eq!((legacy.code, legacy.stderr, legacy.raw.len()), (Some(1), format!("{text}\n"), 0));
}

#[test]
fn a_session_id_is_used_once() {
    let home = Home::new();
    turn(&home, FIRST, &["--session-id", MINE]);
    let outcome = home.bare(&RECIPE).arg("--session-id").arg(MINE).run("");
    assert_eq!((outcome.code, outcome.raw.len()), (Some(1), 0));
    assert_eq!(outcome.stderr, format!("Error: Session ID {MINE} is already in use.\n"));
    let forced = home.mock("session_in_use").run("");
    assert_eq!(forced.code, Some(1));
    assert!(forced.stderr.contains("is already in use."), "{}", forced.stderr);
}

#[test]
fn old_versions_gave_a_resumed_session_a_new_id() {
    let home = Home::new();
    turn(&home, FIRST, &[]);
    let mut mock = home.mock("new_session_id").arg(&format!("--resume={NEW}")).start();
    mock.prompt(SECOND, "go");
    let init = mock.until("system/init");
    assert_eq!(init["session_id"], "e0000000-0000-4000-8000-000000000001");
    assert_eq!(mock.until("result")["session_id"], init["session_id"]);
    mock.finish();
    assert_eq!(transcript(&home, init["session_id"].as_str().unwrap()).len(), 4);
}

#[test]
fn clearing_starts_a_new_conversation() {
    let home = Home::new();
    let mut mock = home.bare(&RECIPE).start();
    mock.prompt(FIRST, "go");
    mock.until("result");
    mock.prompt(SECOND, "/clear");
    let reset = mock.until("conversation_reset");
    assert_eq!(reset["session_id"], NEW);
    assert_eq!(mock.until("system/init")["session_id"], reset["new_conversation_id"]);
    assert_eq!(mock.until("result")["total_cost_usd"], 0.001, "the cost starts over");
}

#[test]
fn every_clearing_gives_another_id() {
    let mut mock = Home::new().bare(&RECIPE).arg("--no-session-persistence").start();
    mock.prompt(FIRST, "/clear");
    mock.prompt(SECOND, "/clear");
    let ids: Vec<Value> =
        (0..2).map(|_| mock.until("conversation_reset")["new_conversation_id"].clone()).collect();
    assert_eq!(
        ids,
        ["e0000000-0000-4000-8000-000000000001", "e0000000-0000-4000-8000-000000000002"]
    );
}
