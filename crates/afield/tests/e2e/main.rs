//! End to end: the real binary, real processes, real sockets, a real disk.
//!
//! Each test starts its own `afield up` in a temporary directory.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod access;
mod agents;
mod approvals;
mod at_rest;
mod attachments;
mod bad_input;
mod cli;
mod crashes;
mod devices;
mod following;
mod handoff;
mod limits;
mod nearby;
mod older_clients;
mod pairing;
mod partitions;
mod preferences;
mod projects;
mod push;
mod queue;
mod queue_cli;
mod queue_rest;
mod restored;
mod sessions;
mod shared_state;
mod steering;
mod stopping;
mod unread;
mod volume;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::client::Client;
use testkit::harness::{Afield, Setup, workspace_binary};

fn setup() -> Setup {
    Setup { binary: env!("CARGO_BIN_EXE_afield").into(), ..Setup::default() }
}

/// An Afield without any agent but the built-in ones.
async fn demo() -> Afield {
    let env = vec![("AFIELD_CLAUDE_PATH".into(), "/nonexistent/claude".into())];
    Afield::up(Setup { env, ..setup() }).await
}

fn mock_claude() -> PathBuf {
    workspace_binary(Path::new(env!("CARGO_BIN_EXE_afield")), "testkit", "mock-claude")
}

/// An Afield whose Claude is the double.
async fn with_mock() -> Afield {
    with_mock_and(Vec::new()).await
}

async fn with_mock_and(mut env: Vec<(String, String)>) -> Afield {
    env.push(("AFIELD_CLAUDE_PATH".into(), mock_claude().display().to_string()));
    Afield::up(Setup { env, ..setup() }).await
}

/// Subscribes to a project's topic from its beginning.
async fn follow(client: &mut Client, project: &str, after: u64) -> Value {
    let topic = format!("project:{project}");
    client.ask("subscribe", json!({ "topic": topic, "after": after })).await.unwrap()
}

/// Subscribes to the topic of the client's org, from now on.
async fn follow_org(client: &mut Client) {
    let topic = client.ask("device_presence", json!({})).await.unwrap()["topic"].clone();
    client.ask("subscribe", json!({ "topic": topic })).await.unwrap();
}

/// Waits for the end of a command and returns its last state.
async fn finished(client: &mut Client, command: &Value) -> Value {
    let id = command["id"].clone();
    let frame = client
        .event("command_state", |data| data["id"] == id && !data["finished_at"].is_null())
        .await
        .unwrap();
    frame["data"]["data"].clone()
}

/// Runs a prompt to its end, following the project.
async fn run(client: &mut Client, project: &str, prompt: &str) -> Value {
    let command =
        client.ask("execute", json!({ "project_id": project, "prompt": prompt })).await.unwrap();
    finished(client, &command).await
}

/// A figure of the Prometheus page, if it is there.
async fn metric(afield: &Afield, name: &str) -> Option<u64> {
    let head = format!("GET /metrics\nAuthorization: Bearer {}", afield.token);
    let page = access::http(afield, &head, "").await;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|count| count.parse().unwrap())
}

/// Every event the client has seen so far, asserting that their numbers have neither gap nor
/// duplicate.
fn assert_gapless(events: &[Value], after: u64) {
    let seqs: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    let expected: Vec<u64> = (after + 1..).take(seqs.len()).collect();
    assert_eq!(seqs, expected);
}

/// Writes a Claude stand-in of a few lines that prints what a test needs.
fn fake_claude(afield_dir: &Path, body: &str) -> PathBuf {
    let path = afield_dir.join("fake-claude");
    let script = format!(
        "#!/usr/bin/env python3\nimport sys, json\nif '--version' in sys.argv:\n    print('2.1.329 (Claude Code)'); sys.exit(0)\nfor line in sys.stdin:\n    frame = json.loads(line)\n    if frame['type'] == 'control_request':\n        print(json.dumps({{'type': 'control_response', 'response': {{'subtype': 'success', 'request_id': frame['request_id'], 'response': {{}}}}}}), flush=True)\n    if frame['type'] == 'user':\n        break\nsid = 'a0000000-0000-4000-8000-000000000001'\ndef say(text):\n    sys.stdout.write(json.dumps({{'type': 'assistant', 'message': {{'id': 'm', 'role': 'assistant', 'content': [{{'type': 'text', 'text': text}}]}}, 'session_id': sid}}) + '\\n')\n{body}\nsys.stdout.write(json.dumps({{'type': 'result', 'subtype': 'success', 'is_error': False, 'result': 'done', 'num_turns': 1, 'session_id': sid, 'total_cost_usd': 0}}) + '\\n')\nsys.stdout.flush()\n"
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path
}

/// The double, with what it is given and what happens to it written into a file.
async fn with_journal() -> (Afield, Journal) {
    let dir = tempfile::tempdir().unwrap();
    let (path, journal) = (dir.path().join("claude"), dir.path().join("journal"));
    let script = format!(
        "#!/bin/sh\nMOCK_CLAUDE_JOURNAL='{}' exec '{}' \"$@\"\n",
        journal.display(),
        mock_claude().display(),
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let env = vec![("AFIELD_CLAUDE_PATH".into(), path.display().to_string())];
    (Afield::up(Setup { env, ..setup() }).await, Journal { path: journal, _dir: dir })
}

/// What the double wrote down.
struct Journal {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Journal {
    /// What happened under this name, in order.
    fn of(&self, event: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.path).unwrap();
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|record| record["event"] == event).collect()
    }

    /// What the runner wrote to it, frame by frame.
    fn frames(&self) -> Vec<Value> {
        let read = |record: Value| serde_json::from_str(record["line"].as_str()?).ok();
        self.of("stdin").into_iter().filter_map(read).collect()
    }
}

async fn with_fake(body: &str) -> (Afield, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = fake_claude(dir.path(), body);
    let env = vec![("AFIELD_CLAUDE_PATH".into(), path.display().to_string())];
    (Afield::up(Setup { env, ..setup() }).await, dir)
}
