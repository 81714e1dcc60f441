//! What server and runner agree on, and what is shown of a runner.

use serde_json::{Value, json};
use testkit::client::Client;
use testkit::harness::code;

use crate::world::World;

async fn state(owner: &mut Client, id: &str) -> Value {
    let list = owner.ask("runner_list", json!({})).await.unwrap();
    let runners = list["runners"].as_array().unwrap();
    runners.iter().find(|runner| runner["runner_id"] == *id).unwrap().clone()
}

#[tokio::test]
async fn the_highest_common_version_and_the_common_features_are_agreed() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let mut runner = world.silent(&mut owner, "new").await;
    let hello = json!({
        "protocol": [2, 9], "features": ["of-a-later-version", "beat"], "facts": {}, "attempts": [],
    });
    let welcome = runner.client.ask("runner_hello", hello).await.unwrap();
    assert_eq!((&welcome["protocol"], &welcome["features"]), (&json!(3), &json!(["beat"])));
    let shown = state(&mut owner, &runner.id).await;
    assert_eq!((&shown["protocol"], &shown["features"]), (&json!(3), &json!(["beat"])));
}

#[tokio::test]
async fn a_runner_two_versions_older_works() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let mut runner = world.silent(&mut owner, "old").await;
    // Word for word what the first version says.
    let hello = json!({
        "protocol": [1, 1], "attempts": [],
        "facts": { "version": "1.0.0", "os": "linux", "arch": "x86_64", "host": "old", "cores": 2,
            "memory_bytes": 1, "roots": [], "shell": false, "concurrency": 1,
            "agents": [{ "agent": "demo", "available": true }] },
    });
    let welcome = runner.client.ask("runner_hello", hello).await.unwrap();
    assert_eq!((&welcome["protocol"], &welcome["features"]), (&json!(1), &json!([])));
    let shown = state(&mut owner, &runner.id).await;
    assert_eq!((&shown["skew"], &shown["protocol"]), (&json!("older"), &json!(1)));
    let devices = owner.ask("device_list", json!({})).await.unwrap();
    let device = devices["devices"].as_array().unwrap().iter().find(|it| it["id"] == runner.id);
    let device = device.unwrap();
    assert_eq!((&device["skew"], &device["about"]["version"]), (&json!("older"), &json!("1.0.0")));
    assert_eq!(device["about"]["system"], "linux x86_64");
    let project = runner.project(&mut owner, "/p").await;
    let ask = json!({ "project_id": project, "prompt": "hi", "agent": "demo" });
    let command = owner.ask("execute", ask).await.unwrap();
    let order = runner.order().await;
    runner.end(&order, "succeeded").await;
    let ended = owner.ask("command_get", json!({ "command_id": command["id"] })).await.unwrap();
    assert_eq!(ended["state"], "succeeded");
}

#[tokio::test]
async fn versions_without_a_common_one_are_refused() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let mut runner = world.silent(&mut owner, "future").await;
    for protocol in [json!([4, 7]), json!([0, 0])] {
        let hello = json!({ "protocol": protocol, "facts": {}, "attempts": [] });
        assert_eq!(code(runner.client.ask("runner_hello", hello).await), "PROTOCOL_MISMATCH");
    }
}

#[tokio::test]
async fn a_beat_is_seen_at_once_and_forgotten_with_the_connection() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let mut runner = world.runner(&mut owner, "box", json!({ "tools": ["git", "make"] })).await;
    assert_eq!(state(&mut owner, &runner.id).await["facts"]["tools"], json!(["git", "make"]));
    let load = json!({
        "percent": 71, "memory_free_bytes": 5, "executing": 1, "free_slots": 0, "disk_refuses": true,
    });
    let agents = json!([{ "agent": "demo", "available": false, "note": "gone" }]);
    let beat = json!({ "load": load, "agents": agents });
    runner.client.begin("runner_beat", beat).await.unwrap();
    // What follows on the same connection is answered later.
    let too_early = json!({ "message_id": runner.id });
    let _ = runner.client.ask("device_message_ack", too_early).await;
    let shown = state(&mut owner, &runner.id).await;
    assert_eq!(shown["facts"]["load"], load);
    assert_eq!(shown["facts"]["agents"][0]["note"], "gone");
    let health = owner.ask("health_check", json!({})).await.unwrap();
    assert_eq!(
        (&health["status"], &health["runners"][0]["disk_refuses"]),
        (&json!("degraded"), &json!(true))
    );
    let refused = owner.ask("runner_beat", json!({ "load": load })).await;
    assert_eq!(code(refused), "FORBIDDEN");
    drop(runner.client);
    let gone = |data: &Value| data["runner_id"] == runner.id && data["online"] == false;
    let org = owner.ask("device_presence", json!({})).await.unwrap()["topic"].clone();
    owner.ask("subscribe", json!({ "topic": org, "after": 0 })).await.unwrap();
    owner.event("runner_state", gone).await.unwrap();
    let shown = state(&mut owner, &runner.id).await;
    assert!(shown["facts"]["load"].is_null(), "how busy it was says nothing now");
    assert_eq!(shown["facts"]["agents"][0]["available"], true, "a beat is not written");
}

#[tokio::test]
async fn labels_are_given_by_the_owner_and_shown() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let runner = world.runner(&mut owner, "box", json!({ "labels": ["own"] })).await;
    let ask = json!({ "device_id": runner.id, "labels": ["gpu", "a", "gpu"], "priority": -3 });
    let device = owner.ask("device_label", ask).await.unwrap();
    assert_eq!((&device["labels"], &device["priority"]), (&json!(["a", "gpu"]), &json!(-3)));
    let ask = json!({ "device_id": runner.id, "priority": 7 });
    let device = owner.ask("device_label", ask).await.unwrap();
    assert_eq!(device["labels"], json!(["a", "gpu"]), "what is not named stays");
    let shown = state(&mut owner, &runner.id).await;
    assert_eq!((&shown["labels"], &shown["priority"]), (&json!(["a", "gpu"]), &json!(7)));
    assert_eq!(shown["facts"]["labels"], json!(["own"]));
}

#[tokio::test]
async fn hostile_labels_and_tools_are_refused_with_a_code() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let runner = world.runner(&mut owner, "box", json!({})).await;
    let mut hostile = world.silent(&mut owner, "hostile").await;
    let long = "x".repeat(10_000);
    let many: Vec<_> = (0..65).map(|number| number.to_string()).collect();
    let words = ["", " ", "a b", "a\nb", "\u{1b}[31mred", "a\u{202e}b", "a\u{200b}b", &long];
    let lists = words.map(|word| json!([word])).into_iter().chain([json!(many)]);
    for list in lists {
        let ask = json!({ "device_id": runner.id, "labels": list });
        assert_eq!(code(owner.ask("device_label", ask).await), "VALIDATION_FAILED", "{list}");
        for facts in [
            json!({ "labels": list }),
            json!({ "tools": list }),
            json!({ "agents": [{ "agent": "demo", "available": true, "can": list }] }),
        ] {
            assert_eq!(code(hostile.hello(facts).await), "VALIDATION_FAILED", "{list}");
        }
    }
    assert_eq!(state(&mut owner, &hostile.id).await["online"], false, "nothing of it was taken");
}
