//! The server against a runner written by hand, frame by frame: leases, records, approvals, and
//! what a runner must not be able to do.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use afield_server::{Limits, Options, PushOptions, Running, Tls};
use serde_json::{Value, json};
use testkit::client::Client;
use testkit::harness::code;

struct World {
    server: Running,
    _dir: tempfile::TempDir,
}

async fn world() -> World {
    world_with(Limits::default()).await
}

async fn world_with(limits: Limits) -> World {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        data_dir: dir.path().join("data"),
        listen: "127.0.0.1:0".parse().unwrap(),
        store: afield_store::Location::Sqlite(dir.path().join("data/afield.db")),
        tls: Tls::Off,
        behind_proxy: false,
        allowed_hosts: Vec::new(),
        push: PushOptions::default(),
        limits,
        version: "0.0.0".into(),
    };
    World { server: afield_server::start(options).await.unwrap(), _dir: dir }
}

impl World {
    async fn owner(&self) -> Client {
        Client::connect(&self.server.url, &self.server.console_token).await.unwrap()
    }

    /// A device of kind runner that said hello, answering `runner_resolve_path` when asked to.
    async fn runner(&self, owner: &mut Client, name: &str) -> (String, Client) {
        let made = owner
            .ask("device_create", json!({ "name": name, "kind": "runner", "scopes": ["runner"] }))
            .await
            .unwrap();
        let token = made["token"].as_str().unwrap();
        let mut runner = Client::connect(&self.server.url, token).await.unwrap();
        hello(&mut runner, json!([])).await;
        (made["device"]["id"].as_str().unwrap().to_owned(), runner)
    }
}

async fn hello(runner: &mut Client, attempts: Value) -> Value {
    let agents = json!([{ "agent": "demo", "available": true }]);
    let data = json!({ "protocol": [1, 1], "facts": { "agents": agents }, "attempts": attempts });
    runner.ask("runner_hello", data).await.unwrap()
}

async fn project(owner: &mut Client, runner: &mut Client, id: &str, path: &str) -> String {
    let ask =
        owner.begin("project_create", json!({ "path": path, "runner_id": id })).await.unwrap();
    let order = runner.wait_for("an order", |f| f["type"] == "runner_resolve_path").await.unwrap();
    let reply = json!({ "type": "runner_resolve_path", "id": order["id"], "data": { "path": path, "key": path } });
    runner.send_text(reply.to_string()).await.unwrap();
    owner.reply(&ask).await.unwrap()["id"].as_str().unwrap().to_owned()
}

async fn execute(owner: &mut Client, project: &str) -> Value {
    let ask = json!({ "project_id": project, "prompt": "hi", "agent": "demo" });
    owner.ask("execute", ask).await.unwrap()
}

async fn order(runner: &mut Client) -> Value {
    let frame = runner.wait_for("an order", |f| f["type"] == "runner_execute").await.unwrap();
    frame["data"].clone()
}

fn records(order: &Value, first: u64, records: Value) -> Value {
    json!({ "attempt": order["attempt"], "first_record": first, "records": records })
}

fn started() -> Value {
    json!({ "started": { "at": "2026-11-20T12:00:00Z" } })
}

fn finished() -> Value {
    json!({ "finished": { "at": "2026-11-20T12:00:01Z", "outcome": { "kind": "succeeded" } } })
}

fn text(words: &str) -> Value {
    json!({ "message": {
        "timestamp": "2026-11-20T12:00:00Z", "direction": "claude", "kind": "text",
        "text": words, "message": { "z": 1, "a": words },
    } })
}

#[tokio::test]
async fn records_are_applied_once_and_in_order_however_often_they_come() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "r").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    let topic = format!("project:{project}");
    owner.ask("subscribe", json!({ "topic": topic, "after": 0 })).await.unwrap();
    let command = execute(&mut owner, &project).await;
    let order = order(&mut runner).await;
    assert_eq!(order["attempt"]["command_id"], command["id"]);
    let gap = records(&order, 3, json!([text("late")]));
    assert_eq!(code(runner.ask("runner_records", gap).await), "CONFLICT");
    let batch = records(&order, 1, json!([started(), text("one"), text("two")]));
    for _ in 0..3 {
        let reply = runner.ask("runner_records", batch.clone()).await.unwrap();
        assert_eq!(reply["last_record"], 3);
    }
    let overlapping = records(&order, 3, json!([text("two"), text("three"), finished()]));
    assert_eq!(runner.ask("runner_records", overlapping).await.unwrap()["last_record"], 5);
    let end = |data: &Value| data["state"] == "succeeded";
    owner.event("command_state", end).await.unwrap();
    let page = owner.ask("get_messages", json!({ "project_id": project, "kind": "text" })).await;
    let page = page.unwrap();
    let words: Vec<&Value> =
        page["messages"].as_array().unwrap().iter().map(|m| &m["text"]).collect();
    assert_eq!(words, ["one", "two", "three"]);
    let after = records(&order, 6, json!([text("ghost")]));
    let reply = runner.ask("runner_records", after).await.unwrap();
    assert_eq!(reply["closed"], true, "a finished attempt takes no more");
}

#[tokio::test]
async fn an_order_that_was_not_begun_is_sent_again_with_the_same_numbers() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "r").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    execute(&mut owner, &project).await;
    let first = order(&mut runner).await;
    hello(&mut runner, json!([])).await;
    let again = order(&mut runner).await;
    assert_eq!(again["attempt"], first["attempt"]);
}

#[tokio::test]
async fn what_a_runner_forgot_is_interrupted_and_never_begun_again() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "r").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    let command = execute(&mut owner, &project).await;
    let order = order(&mut runner).await;
    runner.ask("runner_records", records(&order, 1, json!([started()]))).await.unwrap();
    hello(&mut runner, json!([])).await;
    let now = owner.ask("command_get", json!({ "command_id": command["id"] })).await.unwrap();
    assert_eq!(now["state"], "interrupted");
    let state = owner.ask("project_get", json!({ "project_id": project })).await.unwrap();
    assert_eq!(state["state"], "ERROR");
    let late = records(&order, 2, json!([text("ghost"), finished()]));
    assert_eq!(runner.ask("runner_records", late).await.unwrap()["closed"], true);
}

#[tokio::test]
async fn a_runner_reaches_only_its_own_commands() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "mine").await;
    let (_, mut thief) = world.runner(&mut owner, "thief").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    execute(&mut owner, &project).await;
    let order = order(&mut runner).await;
    let forged = records(&order, 1, json!([started(), finished()]));
    assert_eq!(code(thief.ask("runner_records", forged).await), "NOT_FOUND");
    for (kind, data) in [
        ("project_list", json!({})),
        ("execute", json!({ "project_id": project, "prompt": "x" })),
        ("device_create", json!({ "name": "x", "scopes": ["admin"] })),
        ("subscribe", json!({ "topic": format!("project:{project}") })),
    ] {
        assert_eq!(code(thief.ask(kind, data).await), "FORBIDDEN", "{kind}");
    }
}

fn partial(order: &Value, words: &str) -> Value {
    let mut message = text(words)["message"].take();
    message["kind"] = "partial".into();
    json!({ "attempt": order["attempt"], "messages": [message] })
}

#[tokio::test]
async fn partial_messages_are_relayed_in_order_and_from_their_runner_only() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "r").await;
    let (_, mut thief) = world.runner(&mut owner, "thief").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    execute(&mut owner, &project).await;
    let order = order(&mut runner).await;
    assert_eq!(code(thief.ask("runner_partial", partial(&order, "forged")).await), "NOT_FOUND");
    for number in 0..20 {
        runner.begin("runner_partial", partial(&order, &number.to_string())).await.unwrap();
    }
    for number in 0..20 {
        let message = owner.fact("agent_message", |data| data["kind"] == "partial").await.unwrap();
        assert_eq!(message["data"]["text"], number.to_string());
        assert!(message["seq"].is_null(), "it is never stored");
    }
    // A link that did not deliver the order must ask whose command it is.
    let report = json!([{ "attempt": order["attempt"], "last_record": 0, "alive": true }]);
    hello(&mut runner, report).await;
    runner.begin("runner_partial", partial(&order, "again")).await.unwrap();
    owner.fact("agent_message", |data| data["text"] == "again").await.unwrap();
}

#[tokio::test]
async fn an_answer_reaches_the_runner_also_after_it_was_away() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "r").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    execute(&mut owner, &project).await;
    let order = order(&mut runner).await;
    let approval = "01890a5d-ac96-774b-bcce-b302099a8057";
    let asked = json!({ "asked": { "at": "2026-11-20T12:00:00Z", "ask": {
        "approval_id": approval, "kind": "tool", "tool": "Bash", "input": { "command": "ls" },
        "directory": "/p",
    } } });
    let batch = records(&order, 1, json!([started(), asked]));
    runner.ask("runner_records", batch).await.unwrap();
    let answer = json!({ "approval_id": approval, "behavior": "deny", "message": "no" });
    owner.ask("approval_answer", answer).await.unwrap();
    let is_answer = |f: &Value| f["type"] == "runner_answer";
    let first = runner.wait_for("the answer", is_answer).await.unwrap();
    assert_eq!(first["data"]["answer"]["message"], "no");
    let report = json!([{ "attempt": order["attempt"], "last_record": 2, "alive": true }]);
    hello(&mut runner, report).await;
    let again = runner.wait_for("the answer again", is_answer).await.unwrap();
    assert_eq!(again["data"], first["data"]);
}

#[tokio::test]
async fn a_stopping_server_closes_with_1012_and_a_hint() {
    let world = world().await;
    let mut owner = world.owner().await;
    owner.ask("project_list", json!({})).await.unwrap();
    world.server.shutdown().await;
    let closed = loop {
        match owner.next().await {
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(closed.contains("1012") && closed.contains("retry_in_ms"), "{closed}");
}

/// A running turn with words on their way into it; the order that carries them.
async fn steered(owner: &mut Client, runner: &mut Client, project: &str) -> (Value, Value, Value) {
    execute(owner, project).await;
    let turn = order(runner).await;
    runner.ask("runner_records", records(&turn, 1, json!([started()]))).await.unwrap();
    let ask = json!({
        "target": { "project_id": project }, "mode": "steer",
        "payload": { "prompt": "use tabs", "agent": "demo" },
    });
    let words = owner.ask("command_submit", ask).await.unwrap();
    let given = runner.wait_for("words", |frame| frame["type"] == "runner_steer").await.unwrap();
    (turn, words, given)
}

async fn shown(owner: &mut Client, id: &Value) -> Value {
    owner.ask("command_show", json!({ "command_id": id })).await.unwrap()
}

#[tokio::test]
async fn words_are_offered_again_until_somebody_hears_of_them() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "one").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    let (turn, words, given) = steered(&mut owner, &mut runner, &project).await;
    assert_eq!(
        (&given["data"]["attempt"], &given["data"]["prompt"]),
        (&turn["attempt"], &json!("use tabs"))
    );
    assert_eq!(given["data"]["command_id"], words["id"]);
    assert_eq!(shown(&mut owner, &words["id"]).await["state"], "leased");
    let report = json!([{ "attempt": turn["attempt"], "last_record": 1, "alive": true }]);
    hello(&mut runner, report).await;
    let again = runner.wait_for("words", |frame| frame["type"] == "runner_steer").await.unwrap();
    assert_eq!(again["data"], given["data"]);
    let no = json!({ "type": "runner_steer", "id": again["id"], "data": { "taken": false } });
    runner.send_text(no.to_string()).await.unwrap();
    owner
        .ask("subscribe", json!({ "topic": format!("project:{project}"), "after": 0 }))
        .await
        .unwrap();
    let refused = |data: &Value| data["id"] == words["id"] && data["steer"] == "refused";
    let back = owner.event("command_state", refused).await.unwrap();
    assert_eq!(back["data"]["data"]["state"], "queued");
    runner.ask("runner_records", records(&turn, 2, json!([finished()]))).await.unwrap();
    let next = order(&mut runner).await;
    assert_eq!(next["attempt"]["command_id"], words["id"], "it is first in the queue");
}

#[tokio::test]
async fn words_are_over_with_the_turn_that_took_them() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "one").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    let (turn, words, _) = steered(&mut owner, &mut runner, &project).await;
    let taken = json!({ "steered": { "at": "2026-11-20T12:00:00Z", "command_id": words["id"] } });
    runner.ask("runner_records", records(&turn, 2, json!([taken]))).await.unwrap();
    let cancel = owner.ask("command_cancel", json!({ "command_id": words["id"] })).await;
    assert_eq!(code(cancel), "CONFLICT", "words can't be taken back");
    let running = shown(&mut owner, &words["id"]).await;
    assert_eq!((&running["state"], &running["steer"]), (&json!("running"), &json!("taken")));
    runner.ask("runner_records", records(&turn, 3, json!([finished()]))).await.unwrap();
    assert_eq!(shown(&mut owner, &words["id"]).await["state"], "succeeded");
}

#[tokio::test]
async fn a_kill_is_told_to_those_who_follow_what_it_stops() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "one").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    let command = execute(&mut owner, &project).await;
    let turn = order(&mut runner).await;
    runner.ask("runner_records", records(&turn, 1, json!([started()]))).await.unwrap();
    owner
        .ask("subscribe", json!({ "topic": format!("project:{project}"), "after": 0 }))
        .await
        .unwrap();
    let kill = json!({ "target": { "project_id": project }, "kind": "kill" });
    owner.ask("command_submit", kill).await.unwrap();
    let marked =
        |data: &Value| data["id"] == command["id"] && data["kill_requested_by"].is_string();
    let told = owner.event("command_state", marked).await.unwrap();
    assert_eq!(told["data"]["data"]["state"], "running", "it is asked for, not done");
    runner.wait_for("a kill", |frame| frame["type"] == "runner_kill").await.unwrap();
}

#[tokio::test]
async fn what_was_over_long_ago_is_archived_by_the_servers_clock() {
    let kept = std::time::Duration::from_secs(1);
    let world = world_with(Limits { finished_kept: kept, ..Limits::default() }).await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "one").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    let command = execute(&mut owner, &project).await;
    let turn = order(&mut runner).await;
    let all = json!([started(), text("hello"), finished()]);
    runner.ask("runner_records", records(&turn, 1, all)).await.unwrap();
    let listed = async |owner: &mut Client| {
        let list = owner.ask("command_list", json!({ "project_id": project })).await.unwrap();
        list["commands"].as_array().unwrap().len()
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while listed(&mut owner).await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it leaves the list");
    let kept = shown(&mut owner, &command["id"]).await;
    assert_eq!((&kept["state"], &kept["payload"]["prompt"]), (&json!("succeeded"), &json!("hi")));
    let page = owner.ask("get_messages", json!({ "project_id": project })).await.unwrap();
    assert_eq!(page["messages"].as_array().unwrap().len(), 2, "what was said stays");
}

/// Uploads a text and gives it as it is attached.
async fn uploaded(world: &World, text: &str) -> Value {
    let head = format!("POST /api/v1/blobs\nAuthorization: Bearer {}", world.server.console_token);
    let response = testkit::http::send(&world.server.url, "127.0.0.1", &head, text).await;
    let mut attached = testkit::http::json(&response);
    attached["name"] = json!("a.txt");
    attached
}

#[tokio::test]
async fn a_file_that_no_command_needs_goes_in_its_time() {
    let limits = Limits { attachments_kept: Duration::ZERO, ..Limits::default() };
    let world = world_with(limits).await;
    let file = uploaded(&world, "nobody needs this").await;
    let path = format!("/api/v1/blobs/{}/bytes", file["hash"].as_str().unwrap());
    let head = format!("GET {path}\nAuthorization: Bearer {}", world.server.console_token);
    let gone = async {
        let got = || testkit::http::send(&world.server.url, "127.0.0.1", &head, "");
        while testkit::http::status(&got().await) == 200 {}
        got().await
    };
    let last = tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    assert_eq!(testkit::http::status(&last), 404, "{last}");
}

#[tokio::test]
async fn a_runner_that_takes_no_files_is_not_given_a_command_without_them() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "r").await;
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    let topic = format!("project:{project}");
    owner.ask("subscribe", json!({ "topic": topic, "after": 0 })).await.unwrap();
    let file = uploaded(&world, "hello").await;
    let payload = json!({ "prompt": "x", "agent": "demo", "attachments": [file] });
    let ask = json!({ "target": { "project_id": project }, "payload": payload, "hold": true });
    assert_eq!(code(owner.ask("command_submit", ask.clone()).await), "PROTOCOL_MISMATCH");
    let agents = json!([{ "agent": "demo", "available": true }]);
    let newer = json!({
        "protocol": [1, 3], "features": ["attach"], "facts": { "agents": agents }, "attempts": [],
    });
    runner.ask("runner_hello", newer).await.unwrap();
    let command = owner.ask("command_submit", ask).await.unwrap();
    hello(&mut runner, json!([])).await;
    owner.ask("command_release", json!({ "command_id": command["id"] })).await.unwrap();
    let over = |data: &Value| data["id"] == command["id"] && !data["finished_at"].is_null();
    let over = owner.event("command_state", over).await.unwrap();
    let outcome = over["data"]["data"]["outcome"].clone();
    assert_eq!(
        (&outcome["kind"], &outcome["code"]),
        (&json!("not_started"), &json!("PROTOCOL_MISMATCH"))
    );
    // The next one without files is the first order it gets.
    let plain = execute(&mut owner, &project).await;
    assert_eq!(order(&mut runner).await["attempt"]["command_id"], plain["id"]);
}

#[tokio::test]
async fn a_runner_reads_the_files_of_its_own_commands_while_it_works_on_them() {
    let world = world().await;
    let mut owner = world.owner().await;
    let (id, mut runner) = world.runner(&mut owner, "r").await;
    let agents = json!([{ "agent": "demo", "available": true }]);
    let newer = json!({
        "protocol": [1, 3], "features": ["attach"], "facts": { "agents": agents }, "attempts": [],
    });
    runner.ask("runner_hello", newer).await.unwrap();
    let project = project(&mut owner, &mut runner, &id, "/p").await;
    let file = uploaded(&world, "hello").await;
    let ask =
        json!({ "project_id": project, "prompt": "x", "agent": "demo", "attachments": [file] });
    let command = owner.ask("execute", ask).await.unwrap();
    let order = order(&mut runner).await;
    assert_eq!(order["attachments"], json!([file]));
    let part = |offset: u64| json!({ "command_id": command["id"], "hash": file["hash"], "offset": offset });
    assert_eq!(runner.ask("runner_blob", part(1)).await.unwrap()["data"], "ZWxsbw==");
    assert_eq!(runner.ask("runner_blob", part(5)).await.unwrap()["data"], "");
    let (_, mut other) = world.runner(&mut owner, "other").await;
    assert_eq!(code(other.ask("runner_blob", part(0)).await), "NOT_FOUND");
    assert_eq!(code(owner.ask("runner_blob", part(0)).await), "FORBIDDEN");
    let ends = records(&order, 1, json!([started(), finished()]));
    runner.ask("runner_records", ends).await.unwrap();
    assert_eq!(code(runner.ask("runner_blob", part(0)).await), "NOT_FOUND");
}
