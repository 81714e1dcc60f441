//! Devices with keys: how they come in, what they must prove, how they are thrown out; and those
//! who guess.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod browsers;
mod guessing;

use std::time::{Duration, Instant};

use afield_proto::pairing::CODE_LETTERS;
use afield_proto::proof::{Challenge, Proof, match_digits, match_text};
use afield_proto::{DeviceId, Timestamp};
use afield_server::{Limits, Options, PushOptions, Running, Tls};
use serde_json::{Value, json};
use testkit::client::{Client, ClientError};
use testkit::harness::code;
use testkit::http::{self, send, status};
use testkit::keyed::{Keyed, challenge};

async fn start(dir: &std::path::Path) -> Running {
    let options = Options {
        data_dir: dir.join("data"),
        listen: "127.0.0.1:0".parse().unwrap(),
        store: afield_store::Location::Sqlite(dir.join("data/afield.db")),
        tls: Tls::Off,
        behind_proxy: false,
        allowed_hosts: Vec::new(),
        push: PushOptions::default(),
        limits: Limits { pairings_open: 4, ..Limits::default() },
        version: "0.0.0".into(),
    };
    afield_server::start(options).await.unwrap()
}

struct World {
    server: Running,
    dir: tempfile::TempDir,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    World { server: start(dir.path()).await, dir }
}

impl World {
    fn url(&self) -> &str {
        &self.server.url
    }

    async fn owner(&self) -> Client {
        Client::connect(&self.server.url, &self.server.console_token).await.unwrap()
    }

    async fn keyed(&self, owner: &mut Client, scopes: Value) -> Keyed {
        let mut keyed = Keyed::default();
        keyed.pair(self.url(), owner, scopes).await;
        keyed
    }

    async fn get(&self, from: &str, proof: &str) -> u16 {
        let head = format!("GET /api/v1/projects\nAuthorization: Afield {proof}");
        status(&send(self.url(), from, &head, "").await)
    }
}

async fn actions(owner: &mut Client) -> Vec<String> {
    let log = owner.ask("audit_list", json!({ "limit": 1000 })).await.unwrap();
    let records = log["records"].as_array().unwrap().clone();
    records.iter().map(|one| one["entry"]["what"]["action"].as_str().unwrap().to_owned()).collect()
}

/// What the server closed a connection with.
async fn closed(client: &mut Client) -> u16 {
    loop {
        match client.next().await {
            Ok(_) => {}
            Err(ClientError::Closed(code, _)) => return code,
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_device_is_paired_by_code_and_both_show_the_same_digits() {
    let world = world().await;
    let mut owner = world.owner().await;
    let ask = json!({ "scopes": ["view", "approve"], "name": "phone" });
    let started = owner.ask("device_pair_start", ask).await.unwrap();
    let (typed, id) = (started["code"].as_str().unwrap(), started["pairing"]["id"].clone());
    let mut phone = Keyed::default();
    let came = phone.come(world.url(), "127.0.0.1", &typed.to_lowercase(), "browser").await;
    let came = http::json(&came);
    assert_eq!((&came["state"], &came["pairing_id"]), (&json!("claimed"), &id));
    let seen = owner.ask("device_pair_status", json!({ "pairing_id": id })).await.unwrap();
    assert_eq!(seen["claim"]["about"]["system"], "linux");
    assert_eq!(seen["claim"]["address"], "127.0.0.1");
    let told = challenge(world.url()).await;
    let own = match_text(&told.server_key, &phone.public(), id.as_str().unwrap().parse().unwrap());
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, own.as_bytes());
    assert_eq!(seen["digits"], match_digits(hash.as_ref()), "both screens show the same");
    let decide = |digits: Value| json!({ "pairing_id": id, "approve": true, "digits": digits });
    for wrong in [json!(null), json!(""), json!("x")] {
        let refused = owner.ask("device_pair_decide", decide(wrong)).await;
        assert_eq!(code(refused), "VALIDATION_FAILED");
    }
    let decided = owner.ask("device_pair_decide", decide(seen["digits"].clone())).await.unwrap();
    phone.device_id = decided["device_id"].as_str().unwrap().parse().unwrap();
    let again = phone.come(world.url(), "127.0.0.1", typed, "browser").await;
    assert_eq!(http::json(&again)["device_id"], decided["device_id"], "it asks how far it is");
    let thief = Keyed::default().come(world.url(), "127.0.0.1", typed, "browser").await;
    assert_eq!(status(&thief), 401, "a code works once");
    let mut client = phone.connect(world.url()).await.unwrap();
    client.ask("project_list", json!({})).await.unwrap();
    let refused = client.ask("execute", json!({ "project_id": id, "prompt": "x" })).await;
    assert_eq!(code(refused), "FORBIDDEN");
    let devices = owner.ask("device_list", json!({})).await.unwrap();
    let listed = devices["devices"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(listed["name"], "phone");
    assert_eq!((&listed["credential"], &listed["presence"]), (&json!("key"), &json!("online")));
    let said = actions(&mut owner).await;
    let last: Vec<_> = said.iter().rev().take(3).rev().collect();
    assert_eq!(last, ["pairing_started", "pairing_claimed", "device_paired"]);
}

#[tokio::test]
async fn only_a_fresh_proof_for_this_request_opens_anything() {
    let world = world().await;
    let mut owner = world.owner().await;
    let device = world.keyed(&mut owner, json!(["view"])).await;
    let other = world.keyed(&mut owner, json!(["view"])).await;
    let told = challenge(world.url()).await;
    let good = || device.proof(&told, "GET", "/api/v1/projects");
    let once = good();
    assert_eq!(world.get("127.0.0.1", &once.to_string()).await, 200);
    let is = |proof: Proof| proof.to_string();
    let id = device.device_id;
    let bare = good();
    let signed_by_another =
        Proof { device_id: id, ..other.proof(&told, "GET", "/api/v1/projects") };
    let theirs = Challenge { server_key: other.public(), ..told.clone() };
    let bad = [
        ("replayed", is(once)),
        ("for another path", is(device.proof(&told, "GET", "/api/v1/devices"))),
        ("for another method", is(device.proof(&told, "POST", "/api/v1/projects"))),
        ("with a query", is(device.proof(&told, "GET", "/api/v1/projects?x=1"))),
        ("for another server", is(device.proof(&theirs, "GET", "/api/v1/projects"))),
        ("by another key", is(signed_by_another)),
        ("of nobody", is(Proof { device_id: DeviceId::generate(), ..good() })),
        ("with another nonce", is(Proof { nonce: "n".into(), ..good() })),
        ("without a nonce", bare.to_string().replace(&bare.nonce, "")),
        ("with no signature", is(Proof { signature: "AAAA".into(), ..good() })),
        (
            "with another time",
            is(Proof { time: told.now.plus(Duration::from_millis(1)), ..good() }),
        ),
        ("cut off", good().to_string()[..60].to_owned()),
        ("empty", String::new()),
    ];
    for (number, (what, proof)) in bad.iter().enumerate() {
        // Each from its own address: failures lock one out.
        let from = format!("127.0.1.{}", number + 1);
        assert_eq!(world.get(&from, proof).await, 401, "{what}");
    }
    for token in [device.public(), id.to_string(), format!("afd_{}", device.public())] {
        let head = format!("GET /api/v1/projects\nAuthorization: Bearer {token}");
        assert_eq!(status(&send(world.url(), "127.0.2.1", &head, "").await), 401);
    }
    let upgrade = device.proof(&told, "GET", "/ws").to_string();
    Client::connect_with(world.url(), &format!("Afield {upgrade}"), None).await.unwrap();
    let again = Client::connect_with(world.url(), &format!("Afield {upgrade}"), None).await;
    assert!(again.err().unwrap().to_string().contains("401"), "an upgrade can't be replayed");
}

#[tokio::test]
async fn a_clock_a_day_off_is_told_the_time_and_costs_nothing() {
    let world = world().await;
    let mut owner = world.owner().await;
    let device = world.keyed(&mut owner, json!(["view"])).await;
    let told = challenge(world.url()).await;
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    // More often than failures lock an address out: this is none.
    for try_number in 0..40 {
        let off = if try_number % 2 == 0 { DAY_MS } else { -DAY_MS };
        let time = Timestamp::from_unix_ms(told.now.unix_ms() + off);
        let proof = device.proof_at(&told, time, "GET", "/api/v1/projects");
        let head = format!("GET /api/v1/projects\nAuthorization: Afield {proof}");
        let refused = send(world.url(), "127.0.0.1", &head, "").await;
        assert_eq!(status(&refused), 401);
        let details: Challenge =
            serde_json::from_value(http::json(&refused)["details"].clone()).unwrap();
        let fresh = device.proof(&details, "GET", "/api/v1/projects");
        assert_eq!(world.get("127.0.0.1", &fresh.to_string()).await, 200);
    }
}

#[tokio::test]
async fn what_was_signed_before_a_restart_is_worthless_after_it() {
    let world = world().await;
    let mut owner = world.owner().await;
    let device = world.keyed(&mut owner, json!(["view"])).await;
    let told = challenge(world.url()).await;
    let unused = device.proof(&told, "GET", "/api/v1/projects").to_string();
    drop(owner);
    let World { server, dir } = world;
    server.shutdown().await;
    let world = World { server: start(dir.path()).await, dir };
    assert_eq!(world.get("127.0.0.1", &unused).await, 401);
    let again = challenge(world.url()).await;
    assert_eq!(again.server_key, told.server_key, "the server is the same");
    assert_ne!(again.challenge, told.challenge);
    device.connect(world.url()).await.unwrap();
}

#[tokio::test]
async fn a_code_that_is_nearly_guessed_locks() {
    let world = world().await;
    let mut owner = world.owner().await;
    let started = owner.ask("device_pair_start", json!({ "scopes": ["view"] })).await.unwrap();
    let right = started["code"].as_str().unwrap().to_owned();
    let last = right.chars().last().unwrap();
    let wrong = CODE_LETTERS.iter().filter(|letter| **letter != last).take(5);
    for letter in wrong {
        let guess = format!("{}{letter}", &right[..right.len() - 1]);
        let response = Keyed::default().come(world.url(), "127.0.3.1", &guess, "cli").await;
        assert_eq!(status(&response), 401);
    }
    let response = Keyed::default().come(world.url(), "127.0.3.2", &right, "cli").await;
    assert_eq!(status(&response), 401, "it is locked");
    assert_eq!(actions(&mut owner).await.last().unwrap(), "pairing_locked");
}

#[tokio::test]
async fn a_claim_needs_its_own_key_and_the_right_kind() {
    let world = world().await;
    let mut owner = world.owner().await;
    let started = owner.ask("device_pair_start", json!({ "scopes": ["view"] })).await.unwrap();
    let secret = started["secret"].as_str().unwrap();
    let told = challenge(world.url()).await;
    let key = Keyed::default();
    let with = |field: &str, value: Value| {
        let mut body = key.claim(&told, secret, "cli");
        body[field] = value;
        body.to_string()
    };
    let long = "x".repeat(10_000);
    for (field, value, expected) in [
        ("public_key", json!(Keyed::default().public()), 400),
        ("public_key", json!("AAAA"), 400),
        ("signature", json!("AAAA"), 400),
        ("challenge", json!("other"), 401),
        ("time", json!("2020-01-01T00:00:00Z"), 401),
        ("secret", json!("afd_x"), 400),
        ("kind", json!("console"), 400),
        ("kind", json!("runner"), 409),
        ("name", json!("a\u{202e}b"), 400),
        ("name", json!("a\nb"), 400),
        ("name", json!(long), 400),
        ("about", json!({ "system": long, "version": "" }), 400),
        ("about", json!({ "system": "\u{1b}[2J", "version": "" }), 400),
    ] {
        let body = with(field, value.clone());
        let response = send(world.url(), "127.0.4.1", "POST /api/v1/pair", &body).await;
        assert_eq!(status(&response), expected, "{field}: {response}");
    }
    for body in ["", "{}", "[]", "{\"secret\": 1}"] {
        let response = send(world.url(), "127.0.4.1", "POST /api/v1/pair", body).await;
        assert_eq!(status(&response), 400, "{body}");
    }
    let response =
        send(world.url(), "127.0.4.1", "POST /api/v1/pair", &with("kind", json!("cli"))).await;
    assert_eq!(status(&response), 200, "none of that used it up: {response}");
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let world = world().await;
    let mut owner = world.owner().await;
    let admin = world.keyed(&mut owner, json!(["view", "admin"])).await;
    let mut client = admin.connect(world.url()).await.unwrap();
    let more = client.ask("device_pair_start", json!({ "scopes": ["prompt"] })).await;
    assert_eq!(code(more), "FORBIDDEN");
    client.ask("device_pair_start", json!({ "scopes": ["view"] })).await.unwrap();
    let theirs = owner.ask("device_pair_start", json!({ "scopes": ["prompt"] })).await.unwrap();
    let secret = theirs["secret"].as_str().unwrap();
    Keyed::default().come(world.url(), "127.0.0.1", secret, "cli").await;
    let id = &theirs["pairing"]["id"];
    let seen = client.ask("device_pair_status", json!({ "pairing_id": id })).await.unwrap();
    let decide = json!({ "pairing_id": id, "approve": true, "digits": seen["digits"] });
    assert_eq!(code(client.ask("device_pair_decide", decide).await), "FORBIDDEN");
    let itself = json!({ "device_id": admin.device_id, "scopes": ["view", "admin", "shell"] });
    assert_eq!(code(client.ask("device_set_scopes", itself).await), "FORBIDDEN");
    owner.ask("device_pair_start", json!({ "scopes": ["view"] })).await.unwrap();
    let too_many = owner.ask("device_pair_start", json!({ "scopes": ["view"] })).await;
    assert_eq!(code(too_many), "RESOURCE_LIMIT");
}

#[tokio::test]
async fn other_scopes_count_at_once() {
    let world = world().await;
    let mut owner = world.owner().await;
    let device = world.keyed(&mut owner, json!(["view", "prompt", "admin"])).await;
    let mut client = device.connect(world.url()).await.unwrap();
    client.ask("audit_list", json!({})).await.unwrap();
    let begun = Instant::now();
    let less = json!({ "device_id": device.device_id, "scopes": ["view"] });
    owner.ask("device_set_scopes", less).await.unwrap();
    assert_eq!(closed(&mut client).await, 1012, "it comes back by itself");
    assert!(begun.elapsed() < Duration::from_secs(1));
    let mut client = device.connect(world.url()).await.unwrap();
    client.ask("project_list", json!({})).await.unwrap();
    assert_eq!(code(client.ask("audit_list", json!({})).await), "FORBIDDEN");
}

#[tokio::test]
async fn throwing_all_others_out_leaves_the_one_who_asks() {
    let world = world().await;
    let mut owner = world.owner().await;
    let mine = world.keyed(&mut owner, json!(["view", "admin", "prompt"])).await;
    let lost = world.keyed(&mut owner, json!(["view", "prompt"])).await;
    let runner = world.keyed(&mut owner, json!(["runner"])).await;
    let mut me = mine.connect(world.url()).await.unwrap();
    let mut stolen = lost.connect(world.url()).await.unwrap();
    let begun = Instant::now();
    let gone = me.ask("device_revoke_others", json!({})).await.unwrap();
    let gone: Vec<_> =
        gone["devices"].as_array().unwrap().iter().map(|one| &one["id"]).cloned().collect();
    assert_eq!(gone, [json!(lost.device_id)]);
    assert_eq!(closed(&mut stolen).await, 4401);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(lost.connect(world.url()).await.is_err());
    runner.connect(world.url()).await.unwrap();
    me.ask("device_revoke_others", json!({ "runners": true })).await.unwrap();
    assert!(runner.connect(world.url()).await.is_err());
    me.ask("device_list", json!({})).await.unwrap();
    owner.ask("device_list", json!({})).await.unwrap();
}

#[tokio::test]
async fn what_a_thrown_out_device_sent_before_is_not_begun_after() {
    let world = world().await;
    let mut owner = world.owner().await;
    let device = world.keyed(&mut owner, json!(["view", "admin"])).await;
    let mut client = device.connect(world.url()).await.unwrap();
    client.ask("project_list", json!({})).await.unwrap();
    // It throws itself out, and what follows on the wire is there already.
    let itself = json!({ "type": "device_revoke", "data": { "device_id": device.device_id } });
    client.send_text(itself.to_string()).await.unwrap();
    for number in 0..50 {
        let more = json!({ "name": format!("late {number}"), "scopes": ["view"] });
        let more = json!({ "type": "device_create", "data": more });
        // The server may have closed by now.
        let _ = client.send_text(more.to_string()).await;
    }
    assert_eq!(closed(&mut client).await, 4401);
    let devices = owner.ask("device_list", json!({})).await.unwrap().to_string();
    assert!(!devices.contains("late"), "{devices}");
}

#[tokio::test]
async fn a_key_is_one_device_however_often_it_is_paired() {
    let world = world().await;
    let mut owner = world.owner().await;
    let mut device = world.keyed(&mut owner, json!(["view"])).await;
    let first = device.device_id;
    let count = async |owner: &mut Client| {
        let devices = owner.ask("device_list", json!({})).await.unwrap();
        devices["devices"].as_array().unwrap().len()
    };
    let before = count(&mut owner).await;
    for forget in ["device_revoke", "device_forget", "device_forget"] {
        owner.ask(forget, json!({ "device_id": first })).await.unwrap();
        assert!(device.connect(world.url()).await.is_err());
        device.pair(world.url(), &mut owner, json!(["view", "prompt"])).await;
        assert_eq!(device.device_id, first);
        assert_eq!(count(&mut owner).await, before, "no ghost");
        device.connect(world.url()).await.unwrap();
    }
    // From its own side.
    let mut client = device.connect(world.url()).await.unwrap();
    client.begin("device_forget", json!({ "device_id": first })).await.unwrap();
    assert_eq!(closed(&mut client).await, 4401);
    assert_eq!(count(&mut owner).await, before - 1);
}

#[tokio::test]
async fn hostile_names_are_refused_by_code() {
    let world = world().await;
    let mut owner = world.owner().await;
    let device = world.keyed(&mut owner, json!(["view"])).await;
    let long = "x".repeat(10_000);
    for name in
        ["", " ", "a\u{0}b", "\u{1b}[31m", "a\u{202e}gpj.exe", "a\u{2066}b", "\u{feff}", &long]
    {
        let rename = json!({ "device_id": device.device_id, "name": name });
        assert_eq!(code(owner.ask("device_rename", rename).await), "VALIDATION_FAILED", "{name:?}");
        let create = json!({ "name": name, "scopes": ["view"] });
        assert_eq!(code(owner.ask("device_create", create).await), "VALIDATION_FAILED");
        let pair = json!({ "name": name, "scopes": ["view"] });
        assert_eq!(code(owner.ask("device_pair_start", pair).await), "VALIDATION_FAILED");
    }
    let fine = json!({ "device_id": device.device_id, "name": "Zoë’s 📱" });
    assert_eq!(owner.ask("device_rename", fine).await.unwrap()["name"], "Zoë’s 📱");
}
