//! Two orgs on one server: every operation of one with every kind of object of the other, over
//! WebSocket, REST and topics. Nothing is seen, nothing is changed.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeMap;

use afield_proto::device::{DeviceKind, Scopes};
use afield_proto::request::Request;
use afield_proto::rest::{BYTES_ROUTES, ROUTES};
use afield_proto::{DeviceId, Timestamp};
use afield_server::{Limits, Options, PushOptions, Running, Tls};
use afield_store::{Location, NewDevice, Owner, Store};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::client::{Client, ClientError};
use testkit::http::{send, status};
use testkit::keyed::Keyed;
use testkit::push_service::Subscriber;

/// What only the first org has in its texts.
const CANARY: &str = "canary-of-the-first-org";

/// A token and the hash the store knows it by.
fn token() -> (String, [u8; 32]) {
    let mut secret = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut secret).unwrap();
    let checksum = crc32fast::hash(&secret).to_be_bytes();
    let token = URL_SAFE_NO_PAD.encode([&secret[..], &checksum].concat());
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &secret);
    (format!("afd_{token}"), hash.as_ref().try_into().unwrap())
}

/// A server with two orgs; a token of each with all scopes.
async fn two_orgs() -> (Running, [(Owner, String); 2], tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let location = Location::Sqlite(dir.path().join("data/afield.db"));
    let store = Store::open(afield_store::Options::new(location.clone())).await.unwrap();
    let first = store.bootstrap(Timestamp::now()).await.unwrap();
    let second = afield_store::conformance::another_org(&store).await.unwrap();
    let mut tokens = Vec::new();
    for owner in [first, second] {
        let (token, token_hash) = token();
        let new = NewDevice {
            org: owner.org_id,
            user: owner.user_id,
            name: "owner".into(),
            kind: DeviceKind::Cli,
            scopes: Scopes::all(),
            token_hash,
            expires_at: None,
            created_by: None,
        };
        store.create_device(new, Timestamp::now()).await.unwrap();
        tokens.push((owner, token));
    }
    store.close().await;
    let options = Options {
        data_dir: dir.path().join("data"),
        listen: "127.0.0.1:0".parse().unwrap(),
        store: location,
        tls: Tls::Off,
        behind_proxy: false,
        allowed_hosts: Vec::new(),
        push: PushOptions::default(),
        limits: Limits { http_requests_per_second: 100_000, ..Limits::default() },
        version: "0.0.0".into(),
    };
    let server = afield_server::start(options).await.unwrap();
    (server, tokens.try_into().unwrap(), dir)
}

/// A push service that is never reached: it is not of the public internet.
fn endpoint(word: &str) -> String {
    format!("https://localhost:1/{word}")
}

/// An org with one of everything.
struct Tenant {
    client: Client,
    runner: Client,
    /// An order the runner works on.
    order: Value,
    /// Field of a request to the object of that kind.
    ids: BTreeMap<&'static str, Value>,
}

async fn tenant(url: &str, (owner, token): &(Owner, String), word: &str) -> Tenant {
    let mut client = Client::connect(url, token).await.unwrap();
    let ask = json!({ "name": word, "kind": "runner", "scopes": ["runner"] });
    let made = client.ask("device_create", ask).await.unwrap();
    let runner_id = made["device"]["id"].clone();
    let mut runner = Client::connect(url, made["token"].as_str().unwrap()).await.unwrap();
    let agents = json!([{ "agent": "demo", "available": true }]);
    let facts = json!({ "agents": agents, "host": word, "concurrency": 4 });
    let hello =
        json!({ "protocol": [1, 3], "features": ["attach"], "facts": facts, "attempts": [] });
    runner.ask("runner_hello", hello).await.unwrap();
    let path = format!("/{word}");
    let begun = json!({ "path": path, "runner_id": runner_id });
    let begun = client.begin("project_create", begun).await.unwrap();
    let order = runner.wait_for("an order", |f| f["type"] == "runner_resolve_path").await.unwrap();
    let resolved = json!({ "path": path, "key": path });
    let reply = json!({ "type": "runner_resolve_path", "id": order["id"], "data": resolved });
    runner.send_text(reply.to_string()).await.unwrap();
    let project = client.reply(&begun).await.unwrap()["id"].clone();
    let file = format!("{word} in a file");
    let put = format!("POST /api/v1/blobs\nAuthorization: Bearer {token}");
    let file = testkit::http::json(&send(url, "127.0.0.1", &put, &file).await);
    let mut attached = file.clone();
    attached["name"] = format!("{word}.txt").into();
    let prompt = json!({
        "project_id": project, "prompt": word, "agent": "demo", "attachments": [attached],
    });
    let command = client.ask("execute", prompt).await.unwrap()["id"].clone();
    let order = runner.wait_for("an order", |f| f["type"] == "runner_execute").await.unwrap();
    let order = order["data"].clone();
    let approval = json!(DeviceId::generate());
    let asked = json!({ "asked": { "at": Timestamp::now(), "ask": {
        "approval_id": approval, "kind": "tool", "tool": "Bash", "input": { "command": word },
        "directory": path,
    } } });
    let started = json!({ "started": { "at": Timestamp::now() } });
    let batch =
        json!({ "attempt": order["attempt"], "first_record": 1, "records": [started, asked] });
    runner.ask("runner_records", batch).await.unwrap();
    let mut phone = Keyed::default();
    phone.pair(url, &mut client, json!(["view"])).await;
    let pairing = json!({ "scopes": ["view"], "name": word });
    let pairing = client.ask("device_pair_start", pairing).await.unwrap();
    let push = json!({ "endpoint": endpoint(word), "keys": Subscriber::default().keys() });
    client.ask("push_subscribe", push).await.unwrap();
    let waiting = json!({ "target": { "project_id": project }, "payload": { "prompt": word, "agent": "demo" } });
    client.ask("command_submit", waiting).await.unwrap();
    let ids = BTreeMap::from([
        ("project_id", project.clone()),
        ("command_id", command),
        ("approval_id", approval),
        ("device_id", json!(phone.device_id)),
        ("runner_id", runner_id),
        ("pairing_id", pairing["pairing"]["id"].clone()),
        ("session_id", order["session_id"].clone()),
        ("topic", json!(format!("project:{}", project.as_str().unwrap()))),
        ("hash", file["hash"].clone()),
        ("org_topic", json!(format!("org:{}", owner.org_id))),
        ("user_topic", json!(format!("user:{}", owner.user_id))),
    ]);
    Tenant { client, runner, order, ids }
}

/// The same kinds of ids, of nothing.
fn nothing() -> BTreeMap<&'static str, Value> {
    let id = || json!(DeviceId::generate());
    let topic = |kind: &str| json!(format!("{kind}:{}", DeviceId::generate()));
    let ids = ["project_id", "command_id", "approval_id", "device_id", "runner_id", "pairing_id"];
    let mut all: BTreeMap<_, _> = ids.into_iter().map(|kind| (kind, id())).collect();
    all.insert("session_id", id());
    all.insert("hash", json!("0".repeat(64)));
    for (kind, of) in [("topic", "project"), ("org_topic", "org"), ("user_topic", "user")] {
        all.insert(kind, topic(of));
    }
    all
}

/// Everything any request asks for, with these ids wherever one fits.
fn data(ids: &BTreeMap<&'static str, Value>, topic: &str) -> Value {
    let target = json!({ "project_id": ids["project_id"] });
    let attempt = json!({ "command_id": ids["command_id"], "attempt": 1, "fence": 1 });
    let mut all = json!({
        "project_id": ids["project_id"], "command_id": ids["command_id"],
        "approval_id": ids["approval_id"], "device_id": ids["device_id"],
        "runner_id": ids["runner_id"], "pairing_id": ids["pairing_id"],
        "command_ids": [ids["command_id"]], "before_id": ids["command_id"], "topic": ids[topic],
        "target": target, "payload": { "prompt": "x", "agent": "demo", "session_id": ids["session_id"] },
        "path": "/x", "prompt": "x", "agent": "demo", "permission_mode": "plan", "behavior": "allow",
        "name": "x", "scopes": ["view"], "approve": true, "digits": "00", "resolution": "failed",
        "to": { "after": ids["command_id"] }, "hash": ids["hash"], "priority": "high",
        "labels": ["x"], "load": {}, "body": "x", "after": 0, "all": true, "limit": 1000,
        "settings": {},
        "protocol": [1, 1], "facts": {}, "attempts": [], "attempt": attempt, "first_record": 1,
        "records": [{ "started": { "at": Timestamp::now() } }], "messages": [],
    });
    all["project_ids"] = json!([ids["project_id"]]);
    all["visible"] = true.into();
    all["offset"] = 0.into();
    all["endpoint"] = endpoint(CANARY).into();
    all["keys"] = json!(Subscriber::default().keys());
    all
}

/// The same for one request: settings are of projects, but of devices where they are notified.
fn data_of(name: &str, data: &Value) -> Value {
    let mut data = data.clone();
    if name.starts_with("push_") {
        data["settings"] = json!({ "kinds": ["failure"] });
    }
    data
}

/// What the first org sees of itself, without what changes by looking.
async fn snapshot(tenant: &mut Tenant) -> String {
    let mut seen = Vec::new();
    for (name, data) in [
        ("project_list", json!({})),
        ("command_list", json!({ "limit": 1000 })),
        ("approval_list", json!({ "all": true })),
        ("session_list", json!({})),
        ("device_list", json!({})),
        ("hold_list", json!({})),
        ("runner_list", json!({})),
        ("device_pair_list", json!({})),
        ("push_settings", json!({})),
        ("audit_verify", json!({})),
    ] {
        seen.push(tenant.client.ask(name, data).await.unwrap());
    }
    let mut seen = json!(seen);
    forget_times(&mut seen);
    seen.to_string()
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for field in ["last_seen_at", "last_address", "presence", "silent_ms"] {
                fields.remove(field);
            }
            fields.values_mut().for_each(forget_times);
        }
        Value::Array(all) => all.iter_mut().for_each(forget_times),
        _ => {}
    }
}

/// Ids and words of the first org in a text that is no echo of what was asked.
fn leaks(first: &Tenant, said: &str) -> Vec<String> {
    let ids = first.ids.values().filter_map(Value::as_str).map(str::to_owned);
    ids.chain([CANARY.to_owned()]).filter(|word| said.contains(word.as_str())).collect()
}

/// The second org's ids with those of one kind, or all, from the first.
fn cases(first: &Tenant) -> Vec<(String, BTreeMap<&'static str, Value>)> {
    let mut cases = vec![("everything".to_owned(), first.ids.clone())];
    for (kind, id) in &first.ids {
        let mut ids = nothing();
        ids.insert(kind, id.clone());
        cases.push(((*kind).to_owned(), ids));
    }
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_another_org_is_seen_or_changed() {
    let (server, owners, _dir) = two_orgs().await;
    let url = server.url.clone();
    let mut first = tenant(&url, &owners[0], CANARY).await;
    let mut second = tenant(&url, &owners[1], "second").await;
    let before = snapshot(&mut first).await;
    assert!(before.contains(CANARY), "the check can find something");
    let mut checks = 0;
    for (kind, ids) in cases(&first) {
        for topic in ["topic", "org_topic", "user_topic"] {
            let data = data(&ids, topic);
            for name in Request::NAMES {
                let data = data_of(name, &data);
                let who = if name.starts_with("runner_") && *name != "runner_list" {
                    &mut second.runner
                } else {
                    &mut second.client
                };
                if *name == "health_check" && (kind != "everything" || topic != "topic") {
                    // It waits for a runner that does not answer, and names nothing.
                    continue;
                }
                let without_reply = ["runner_partial", "runner_beat"].contains(name);
                let asked = who.begin(name, data.clone()).await.unwrap();
                if without_reply {
                    continue;
                }
                let found = match who.reply(&asked).await {
                    Ok(reply) => leaks(&first, &reply.to_string()),
                    Err(ClientError::Refused(error)) => {
                        let error = error.to_string();
                        if error.contains(CANARY) { vec![error] } else { Vec::new() }
                    }
                    Err(other) => panic!("{name} with {kind}: {other}"),
                };
                assert_eq!(found, Vec::<String>::new(), "{name} with {kind} of the first org");
                checks += 1;
            }
        }
    }
    for (kind, ids) in cases(&first) {
        for route in ROUTES.iter().filter(|route| route.request != "health_check") {
            let text = |kind: &str| ids[kind].as_str().unwrap_or_default().to_owned();
            let path = ids.keys().fold(route.path.to_owned(), |path, kind| {
                path.replace(&format!("{{{kind}}}"), &text(kind))
            });
            let get = route.method == "GET";
            let body = data_of(route.request, &data(&ids, "topic")).to_string();
            let body = if get { String::new() } else { body };
            let bearer = format!("Authorization: Bearer {}", owners[1].1);
            let head = format!("{} {path}\n{bearer}", route.method);
            let response = send(&url, "127.0.0.1", &head, &body).await;
            let refused = status(&response) >= 400;
            let found = leaks(&first, &response);
            let told = if refused { response.contains(CANARY) } else { !found.is_empty() };
            assert!(!told, "{head} with {kind}: {response}");
            checks += 1;
        }
    }
    for route in BYTES_ROUTES {
        let path = route.path.replace("{hash}", first.ids["hash"].as_str().unwrap());
        let head = format!("{} {path}\nAuthorization: Bearer {}", route.method, owners[1].1);
        let body = if route.method == "POST" { "bytes of the second org" } else { "" };
        let response = send(&url, "127.0.0.1", &head, body).await;
        let expected = if route.method == "POST" { 200 } else { 404 };
        assert_eq!(status(&response), expected, "{head}: {response}");
        assert!(!response.contains(CANARY), "{head}: {response}");
        checks += 1;
    }
    assert_eq!(snapshot(&mut first).await, before, "the first org is as it was");
    assert!(checks > 1_500, "{checks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_objects_do_not_reach_across_either() {
    let (server, owners, _dir) = two_orgs().await;
    let mut first = tenant(&server.url, &owners[0], CANARY).await;
    let mut second = tenant(&server.url, &owners[1], "second").await;
    let before = snapshot(&mut first).await;
    let (theirs, own) = (first.ids.clone(), second.ids.clone());
    for (name, data) in [
        ("project_create", json!({ "path": "/x", "runner_id": theirs["runner_id"] })),
        (
            "command_move",
            json!({ "command_id": own["command_id"], "to": { "before": theirs["command_id"] } }),
        ),
        (
            "command_submit",
            json!({
                "target": { "project_id": own["project_id"] },
                "payload": { "prompt": "x", "agent": "demo", "session_id": theirs["session_id"] },
            }),
        ),
        (
            "command_submit",
            json!({
                "target": { "selector": "cores >= 0", "mode": "order", "prefer": [theirs["runner_id"]] },
                "payload": { "prompt": "x", "agent": "demo" },
            }),
        ),
        (
            "command_submit",
            json!({
                "target": { "selector": "cores >= 0", "mode": "sticky" },
                "payload": { "prompt": "x", "agent": "demo", "session_id": theirs["session_id"] },
            }),
        ),
        (
            "execute",
            json!({
                "project_id": own["project_id"], "prompt": "x", "agent": "demo",
                "attachments": [{
                    "hash": theirs["hash"], "name": "x", "media_type": "text/plain",
                    "bytes": CANARY.len() + " in a file".len(),
                }],
            }),
        ),
        ("session_move", json!({ "session_id": theirs["session_id"], "to": own["project_id"] })),
        ("session_move", json!({ "session_id": own["session_id"], "to": theirs["project_id"] })),
        ("session_get", json!({ "session_id": theirs["session_id"] })),
        ("session_list", json!({ "before_id": theirs["session_id"] })),
        ("message_search", json!({})),
        ("message_search", json!({ "project_ids": [own["project_id"], theirs["project_id"]] })),
        ("message_search", json!({ "before": "1.1000.,2.1000." })),
        ("command_retry", json!({ "command_ids": [theirs["command_id"]] })),
        ("command_list", json!({ "runner_id": theirs["runner_id"] })),
        ("approval_list", json!({ "project_id": theirs["project_id"], "all": true })),
    ] {
        let said = match second.client.ask(name, data).await {
            Ok(reply) => leaks(&first, &reply.to_string()),
            Err(ClientError::Refused(error)) => {
                if error.to_string().contains(CANARY) {
                    vec![error.to_string()]
                } else {
                    vec![]
                }
            }
            Err(other) => panic!("{name}: {other}"),
        };
        assert_eq!(said, Vec::<String>::new(), "{name}");
    }
    // Nobody of the first org is looked at, whatever is asked for.
    let selector = format!("host = '{CANARY}'");
    let ask = json!({ "target": { "selector": selector }, "payload": { "prompt": "x", "agent": "demo" } });
    let waits = second.client.ask("command_submit", ask).await.unwrap();
    let shown = json!({ "command_id": waits["id"] });
    let shown = second.client.ask("command_show", shown).await.unwrap();
    assert_eq!(shown["route"]["decisions"][0]["considered"], 1);
    assert!(!shown.to_string().contains(theirs["runner_id"].as_str().unwrap()));
    // A runner of the second org reports about the first one's attempt.
    let text = json!({ "message": {
        "timestamp": Timestamp::now(), "direction": "claude", "kind": "text", "text": "forged",
        "message": {},
    } });
    let forged = json!({ "attempt": first.order["attempt"], "first_record": 3, "records": [text] });
    let refused = second.runner.ask("runner_records", forged).await;
    assert_eq!(testkit::harness::code(refused), "NOT_FOUND");
    assert_eq!(snapshot(&mut first).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_carry_nothing_across() {
    let (server, owners, _dir) = two_orgs().await;
    let mut first = tenant(&server.url, &owners[0], CANARY).await;
    let mut second = tenant(&server.url, &owners[1], "second").await;
    for topic in ["topic", "org_topic", "user_topic"] {
        let own = json!({ "topic": second.ids[topic], "after": 0 });
        second.client.ask("subscribe", own).await.unwrap();
        let theirs = json!({ "topic": first.ids[topic], "after": 0 });
        let refused = testkit::harness::code(second.client.ask("subscribe", theirs).await);
        assert!(["FORBIDDEN", "PROJECT_NOT_FOUND"].contains(&refused.as_str()), "{refused}");
    }
    let join = json!({ "project_id": first.ids["project_id"] });
    let refused = testkit::harness::code(second.client.ask("project_join", join).await);
    assert_eq!(refused, "PROJECT_NOT_FOUND");
    // The first org works, is approved and ends; partial messages fly.
    let answer = json!({ "approval_id": first.ids["approval_id"], "behavior": "allow" });
    first.client.ask("approval_answer", answer).await.unwrap();
    let attempt = first.order["attempt"].clone();
    let message = json!({
        "timestamp": Timestamp::now(), "direction": "claude", "kind": "partial", "text": CANARY,
        "message": {},
    });
    let partial = json!({ "attempt": attempt, "messages": [message] });
    first.runner.begin("runner_partial", partial).await.unwrap();
    let finished =
        json!({ "finished": { "at": Timestamp::now(), "outcome": { "kind": "succeeded" } } });
    let batch = json!({ "attempt": attempt, "first_record": 3, "records": [finished] });
    first.runner.ask("runner_records", batch).await.unwrap();
    first.client.fact("command_state", |data| data["state"] == "succeeded").await.unwrap();
    // What was told before this is answered has arrived.
    let own = json!({ "project_id": second.ids["project_id"], "prompt": "x", "agent": "demo" });
    let _ = second.client.ask("execute", own).await;
    second.client.ask("health_check", json!({})).await.unwrap();
    let seen = json!(second.client.unread).to_string();
    assert!(seen.contains("second"), "it follows its own");
    assert_eq!(leaks(&first, &seen), Vec::<String>::new());
}
