//! Messages to many devices, and to whichever runner fits.

use serde_json::{Value, json};
use testkit::client::Client;
use testkit::harness::code;

use crate::world::World;

/// A device that listens, and its id.
async fn listener(world: &World, owner: &mut Client, name: &str) -> (Value, Client) {
    let ask = json!({ "name": name, "scopes": ["view"] });
    let made = owner.ask("device_create", ask).await.unwrap();
    let token = made["token"].as_str().unwrap();
    let mut client = Client::connect(&world.server.url, token).await.unwrap();
    client.ask("device_inbox", json!({})).await.unwrap();
    (made["device"]["id"].clone(), client)
}

async fn acknowledge(client: &mut Client) -> Value {
    let message = client.fact("device_message", |_| true).await.unwrap()["data"].clone();
    client.ask("device_message_ack", json!({ "message_id": message["id"] })).await.unwrap();
    message
}

fn of<'a>(reply: &'a Value, id: &Value) -> &'a Value {
    let all = reply["receivers"].as_array().unwrap();
    all.iter().find(|it| it["to"] == *id).unwrap()
}

#[tokio::test]
async fn every_other_device_of_the_person_gets_a_broadcast() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    world.runner(&mut owner, "box", json!({})).await;
    let (phone, mut on_phone) = listener(&world, &mut owner, "phone").await;
    let (tablet, on_tablet) = listener(&world, &mut owner, "tablet").await;
    drop(on_tablet);
    let ask = json!({ "body": "dinner", "hold": true });
    let (reply, message) =
        tokio::join!(owner.ask("device_broadcast", ask), acknowledge(&mut on_phone));
    let reply = reply.unwrap();
    assert_eq!(message["body"], "dinner");
    assert_eq!(reply["receivers"].as_array().unwrap().len(), 2, "neither itself nor runners");
    assert_eq!(
        (&of(&reply, &phone)["state"], &of(&reply, &phone)["id"]),
        (&json!("delivered"), &message["id"])
    );
    assert_eq!(of(&reply, &tablet)["state"], "held");
    let ask = json!({ "body": "now" });
    let (reply, _) = tokio::join!(owner.ask("device_broadcast", ask), acknowledge(&mut on_phone));
    assert_eq!(of(&reply.unwrap(), &tablet)["error"]["code"], "DEVICE_OFFLINE");
    let id = "0190f3a0-0000-7000-8000-000000000001";
    let again = json!({ "body": "again", "hold": true, "message_id": id });
    let (first, message) =
        tokio::join!(owner.ask("device_broadcast", again.clone()), acknowledge(&mut on_phone));
    let second = owner.ask("device_broadcast", again).await;
    let (first, second) = (first.unwrap(), second.unwrap());
    for device in [&phone, &tablet] {
        assert_eq!(of(&first, device), of(&second, device), "a repetition is the same message");
    }
    assert_eq!(of(&first, &phone)["id"], message["id"]);
    assert_ne!(of(&first, &phone)["id"], of(&first, &tablet)["id"], "each has one of its own");
    let other = json!({ "body": "other", "hold": true, "message_id": id });
    assert_eq!(code(owner.ask("device_broadcast", other).await), "CONFLICT");
    let long = json!({ "body": "x".repeat(20_000) });
    assert_eq!(code(owner.ask("device_broadcast", long).await), "MESSAGE_TOO_LARGE");
    assert_eq!(code(on_phone.ask("device_broadcast", json!({ "body": 1 })).await), "FORBIDDEN");
}

#[tokio::test]
async fn a_message_finds_the_runner_that_fits_best() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let load =
        |percent: u32| json!({ "tools": ["git"], "load": { "percent": percent, "free_slots": 1 } });
    world.runner(&mut owner, "idle", load(1)).await;
    let mut busy = world.runner(&mut owner, "busy", load(80)).await;
    let mut cool = world.runner(&mut owner, "cool", load(20)).await;
    for runner in [&mut busy, &mut cool] {
        runner.client.ask("device_inbox", json!({})).await.unwrap();
    }
    let ask = json!({ "selector": "tools has 'git'", "body": "fetch" });
    let (status, message) =
        tokio::join!(owner.ask("device_message", ask), acknowledge(&mut cool.client));
    assert_eq!((&status.unwrap()["to"], &message["body"]), (&json!(cool.id), &json!("fetch")));
    let nobody = json!({ "selector": "tools has 'make'", "body": 1 });
    assert_eq!(code(owner.ask("device_message", nobody).await), "NOT_FOUND");
    for wrong in
        [json!({ "body": 1 }), json!({ "to": cool.id, "selector": "cores > 0", "body": 1 })]
    {
        assert_eq!(code(owner.ask("device_message", wrong).await), "VALIDATION_FAILED");
    }
}
