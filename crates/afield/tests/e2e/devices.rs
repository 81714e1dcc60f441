//! Messages from device to device, and presence in honest words.

use testkit::client::ClientError;
use testkit::harness::code;

use super::access::http;
use super::*;

/// A further device.
struct Device {
    id: String,
    token: String,
}

impl Device {
    async fn new(afield: &Afield, name: &str, scopes: &str) -> Self {
        let words = ["token", "create", "--name", name, "--scopes", scopes, "--json"];
        let made: Value = serde_json::from_str(&afield.cli(&words).await.stdout).unwrap();
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        Self { id: text("device_id"), token: text("token") }
    }

    async fn connect(&self, afield: &Afield) -> Client {
        Client::connect(&afield.url, &self.token).await.unwrap()
    }
}

async fn receive(client: &mut Client) -> Value {
    client.fact("device_message", |_| true).await.unwrap()["data"].clone()
}

async fn acknowledge(client: &mut Client, message: &Value) {
    client.ask("device_message_ack", json!({ "message_id": message["id"] })).await.unwrap();
}

#[tokio::test]
async fn a_message_is_answered_when_its_receiver_has_it() {
    let afield = demo().await;
    let mut sender = afield.client().await;
    let phone = Device::new(&afield, "phone", "all").await;
    let mut receiver = phone.connect(&afield).await;
    let ask = json!({ "to": phone.id, "body": { "open": "x" } });
    assert_eq!(code(sender.ask("device_message", ask.clone()).await), "DEVICE_OFFLINE");
    receiver.ask("device_inbox", json!({})).await.unwrap();
    let id = sender.begin("device_message", ask).await.unwrap();
    let message = receive(&mut receiver).await;
    assert_eq!((&message["body"]["open"], &message["from_name"]), (&json!("x"), &json!("test")));
    acknowledge(&mut receiver, &message).await;
    let status = sender.reply(&id).await.unwrap();
    assert_eq!((&status["state"], &status["id"]), (&json!("delivered"), &message["id"]));
    let large = json!({ "to": phone.id, "body": "x".repeat(20_000) });
    assert_eq!(code(sender.ask("device_message", large).await), "MESSAGE_TOO_LARGE");
    let nobody = json!({ "to": "00000000-0000-7000-8000-000000000000", "body": 1, "hold": true });
    assert_eq!(code(sender.ask("device_message", nobody).await), "NOT_FOUND");
}

#[tokio::test]
async fn held_messages_survive_a_restart_and_come_once_and_in_order() {
    let afield = demo().await;
    let phone = Device::new(&afield, "phone", "all").await;
    for n in 0..3 {
        let body = json!({ "body": n, "hold": true }).to_string();
        let head = format!(
            "POST /api/v1/devices/{}/messages\nAuthorization: Bearer {}\nContent-Type: application/json",
            phone.id, afield.token
        );
        let response = http(&afield, &head, &body).await;
        let (_, json) = response.split_once("\r\n\r\n").unwrap();
        let status: Value = serde_json::from_str(json).unwrap();
        assert_eq!(status["state"], "held", "{response}");
    }
    let afield = afield.restart().await;
    let told = afield.cli(&["devices", "message", "phone", "four", "--hold"]).await;
    assert_eq!(told.stdout, "kept until phone comes\n", "{told:?}");
    let mut sender = afield.client().await;
    super::shared_state::follow_user(&mut sender).await;
    let mut receiver = phone.connect(&afield).await;
    receiver.ask("device_inbox", json!({})).await.unwrap();
    let first = receive(&mut receiver).await;
    assert_eq!(first["body"], 0);
    // It goes without an acknowledgement: the same message comes again, under the same id.
    drop(receiver);
    let mut receiver = phone.connect(&afield).await;
    receiver.ask("device_inbox", json!({})).await.unwrap();
    for body in [json!(0), json!(1), json!(2), json!("four")] {
        let message = receive(&mut receiver).await;
        assert_eq!(message["body"], body);
        assert!(body != json!(0) || message["id"] == first["id"]);
        acknowledge(&mut receiver, &message).await;
        let told = |data: &Value| data["id"] == message["id"] && data["state"] == "delivered";
        sender.event("device_message_state", told).await.unwrap();
    }
    // Whoever listens next finds nothing left: the next message is the next that is sent.
    drop(receiver);
    let mut receiver = phone.connect(&afield).await;
    receiver.ask("device_inbox", json!({})).await.unwrap();
    let ask = json!({ "to": phone.id, "body": "last", "hold": true });
    let id = sender.begin("device_message", ask).await.unwrap();
    let message = receive(&mut receiver).await;
    assert_eq!(message["body"], "last");
    acknowledge(&mut receiver, &message).await;
    assert_eq!(sender.reply(&id).await.unwrap()["state"], "delivered");
}

/// The row of a device as it is told, from the list.
async fn row(client: &mut Client, id: &str) -> Value {
    let list = client.ask("device_list", json!({})).await.unwrap();
    let mut found = list["devices"].as_array().unwrap().iter().find(|one| one["id"] == id).cloned();
    let row = found.as_mut().unwrap().as_object_mut().unwrap();
    for untold in ["presence", "silent_ms", "skew", "last_seen_at", "last_address"] {
        row.remove(untold);
    }
    found.unwrap()
}

#[tokio::test]
async fn who_follows_the_org_is_told_of_its_devices() {
    let afield = demo().await;
    let (mut owner, mut watcher) = (afield.client().await, afield.client().await);
    follow_org(&mut watcher).await;
    let made = Device::new(&afield, "phone", "all").await;
    let id = json!(made.id);
    let link = made.connect(&afield).await;
    let changes = [
        ("", json!({})),
        ("device_rename", json!({ "device_id": id, "name": "tablet" })),
        ("device_set_scopes", json!({ "device_id": id, "scopes": ["view"] })),
        ("device_label", json!({ "device_id": id, "labels": ["mine"], "priority": 2 })),
        ("device_revoke", json!({ "device_id": id })),
    ];
    for (request, ask) in changes {
        if !request.is_empty() {
            owner.ask(request, ask).await.unwrap();
        }
        let told = watcher.event("device_state", |data| data["id"] == id).await.unwrap();
        assert_eq!(told["data"]["data"], row(&mut owner, &made.id).await, "{request}");
        assert!(!told.to_string().contains(&made.token), "{request}");
    }
    drop(link);
    owner.ask("device_forget", json!({ "device_id": id })).await.unwrap();
    let gone = watcher.event("device_gone", |_| true).await.unwrap();
    assert_eq!(gone["data"]["data"], json!({ "device_id": id }));
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_not_lost() {
    let afield = demo().await;
    let mut owner = afield.client().await;
    let phone = Device::new(&afield, "phone", "view,prompt").await;
    let changes = [
        ("device_set_scopes", "scopes", json!(["view", "prompt"]), json!(["view"])),
        ("device_label", "labels", json!([]), json!(["a", "b"])),
    ];
    for (request, field, seen, new) in changes {
        let base = format!("base_{field}");
        let ask = json!({ "device_id": phone.id, field: new, base.as_str(): seen });
        assert_eq!(owner.ask(request, ask.clone()).await.unwrap()[field], new);
        let Err(ClientError::Refused(refused)) = owner.ask(request, ask.clone()).await else {
            panic!("{request} was not refused");
        };
        assert_eq!((&refused["code"], &refused["details"][field]), (&json!("CONFLICT"), &new));
        assert!(refused["message"].as_str().unwrap().contains("look again"), "{refused}");
        let path = format!("/api/v1/devices/{}/{field}", phone.id);
        let head = format!(
            "POST {path}\nAuthorization: Bearer {}\nContent-Type: application/json",
            afield.token
        );
        let response = http(&afield, &head, &ask.to_string()).await;
        assert!(response.contains(" 409 ") && response.contains("CONFLICT"), "{response}");
    }
}

async fn presence(client: &mut Client, device: &Device) -> Value {
    let list = client.ask("device_presence", json!({})).await.unwrap();
    let found =
        list["devices"].as_array().unwrap().iter().find(|one| one["device_id"] == device.id);
    found.unwrap().clone()
}

#[tokio::test]
async fn presence_is_told_in_words_that_are_true() {
    let afield = demo().await;
    let mut watcher = afield.client().await;
    let boxes = Device::new(&afield, "box", "runner").await;
    let never = presence(&mut watcher, &boxes).await;
    assert_eq!((&never["presence"], &never["silent_ms"]), (&json!("away"), &Value::Null));
    let mut link = boxes.connect(&afield).await;
    // The upgrade is answered before the server knows the connection; whatever it answers then comes after.
    drop(link.ask("device_presence", json!({})).await);
    let here = presence(&mut watcher, &boxes).await;
    assert_eq!((&here["presence"], &here["connections"]), (&json!("online"), &json!(1)));
    link.ask("runner_sleep", json!({})).await.unwrap();
    assert_eq!(presence(&mut watcher, &boxes).await["presence"], "asleep");
    drop(link);
    let listed = afield.cli(&["devices", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let asleep = |one: &&Value| one["id"] == boxes.id && one["presence"] == "asleep";
    assert!(listed.as_array().unwrap().iter().any(|one| asleep(&one)), "{listed}");
    let forbidden = watcher.ask("runner_sleep", json!({})).await;
    assert_eq!(code(forbidden), "FORBIDDEN");
    watcher.ask("device_revoke", json!({ "device_id": boxes.id })).await.unwrap();
    assert_eq!(presence(&mut watcher, &boxes).await["presence"], "revoked");
    let table = afield.cli(&["devices"]).await;
    assert!(table.stdout.contains("PRESENCE") && table.stdout.contains("online"), "{table:?}");
}

#[tokio::test]
async fn the_console_goes_when_that_is_meant_and_comes_back_with_the_server() {
    let afield = demo().await;
    for how in [&["devices", "revoke", "console"][..], &["token", "revoke", "console"]] {
        let asked = afield.cli(how).await;
        assert_eq!(asked.code, Some(2), "{asked:?}");
        assert!(asked.stderr.contains("next start of afield up"), "{}", asked.stderr);
        assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    }
    let gone = afield.cli(&["devices", "revoke", "console", "--yes"]).await;
    assert_eq!(gone.code, Some(0), "{}", gone.stderr);
    assert_eq!(gone.stdout, "console is thrown out; its connections are cut\n");
    assert!(gone.stderr.contains("next start of afield up"), "{}", gone.stderr);
    let outside = afield.cli(&["devices"]).await;
    assert_eq!(outside.code, Some(3), "{}", outside.stderr);
    let afield = afield.restart().await;
    let inside = afield.cli(&["devices"]).await;
    assert_eq!(inside.code, Some(0), "{}", inside.stderr);
}
