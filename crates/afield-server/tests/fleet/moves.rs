//! Commands that were not begun move on when their runner is lost; nothing is ever begun twice.

use std::time::Duration;

use afield_server::Limits;
use serde_json::{Value, json};
use testkit::client::Client;

use crate::routing::{shown, submit};
use crate::world::{Runner, World};

/// A server that waits so long for a runner that is lost, and two runners with a project each.
async fn world(grace: Duration) -> (World, Client, Runner, Runner) {
    let world = World::open_with(Limits { failover_grace: grace, ..Limits::default() }).await;
    let mut owner = world.owner().await;
    let mut first = world.runner(&mut owner, "first", json!({ "labels": ["a"] })).await;
    first.project(&mut owner, "/first").await;
    let mut second = world.runner(&mut owner, "second", json!({ "labels": ["a"] })).await;
    second.project(&mut owner, "/second").await;
    (world, owner, first, second)
}

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(600);

/// Sent by selector; to the first of the two.
fn to(runner: &Runner) -> Value {
    json!({ "selector": "labels has 'a'", "mode": "order", "prefer": [runner.id] })
}

/// Waits until a command that may move has come to another runner.
async fn arrived(runner: &mut Runner, command: &Value) -> Value {
    loop {
        let order = runner.order().await;
        if order["attempt"]["command_id"] == command["id"] {
            return order;
        }
    }
}

#[tokio::test]
async fn what_was_not_begun_goes_to_another_when_its_runner_is_lost() {
    let (_world, mut owner, mut first, mut second) = world(SHORT).await;
    let begun = submit(&mut owner, to(&first)).await;
    let leased = first.order().await;
    assert_eq!(leased["attempt"]["command_id"], begun["id"]);
    let waits = submit(&mut owner, to(&first)).await;
    assert_eq!(waits["runner_id"], first.id);
    let id = first.id.clone();
    drop(first);
    let order = arrived(&mut second, &waits).await;
    assert_eq!((&order["path"], &order["attempt"]["fence"]), (&json!("/second"), &json!(1)));
    let seen = shown(&mut owner, &waits).await;
    let decisions = seen["route"]["decisions"].as_array().unwrap();
    assert_eq!(
        (&decisions[0]["runner_id"], &decisions[1]["runner_id"]),
        (&json!(id), &json!(second.id))
    );
    assert_eq!(decisions[1]["cause"], "lost");
    let steps: Vec<_> = seen["chain"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
    assert_eq!(steps, ["submitted", "accepted", "moved", "leased"]);
    // What was given to the lost runner may have been begun there: it stays.
    let kept = shown(&mut owner, &begun).await;
    assert_eq!((&kept["state"], &kept["runner_id"]), (&json!("leased"), &json!(id)));
    assert_eq!(kept["route"]["decisions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_announced_sleep_moves_at_once_and_short_absence_does_not() {
    let (_world, mut owner, mut first, mut second) = world(LONG).await;
    let begun = submit(&mut owner, to(&first)).await;
    let waits = submit(&mut owner, to(&first)).await;
    first.order().await;
    first.client.ask("runner_sleep", json!({})).await.unwrap();
    arrived(&mut second, &waits).await;
    let seen = shown(&mut owner, &waits).await;
    assert_eq!(seen["route"]["decisions"][1]["cause"], "asleep");
    assert_eq!(shown(&mut owner, &begun).await["runner_id"], first.id);
    // The second is gone for a moment only: what waits for it stays.
    let stays = submit(&mut owner, to(&second)).await;
    assert_eq!(stays["runner_id"], second.id);
    let id = second.id.clone();
    drop(second);
    let gone = |data: &Value| data["runner_id"] == id && data["online"] == false;
    let org = owner.ask("device_presence", json!({})).await.unwrap()["topic"].clone();
    owner.ask("subscribe", json!({ "topic": org, "after": 0 })).await.unwrap();
    owner.event("runner_state", gone).await.unwrap();
    assert_eq!(shown(&mut owner, &stays).await["runner_id"], id);
}

#[tokio::test]
async fn what_is_bound_or_held_stays_with_its_runner() {
    let (_world, mut owner, mut first, mut second) = world(SHORT).await;
    let project = submit(&mut owner, to(&first)).await["project_id"].clone();
    let busy = first.order().await;
    let payload = json!({ "prompt": "hi", "agent": "demo" });
    let asks = [
        json!({ "target": { "project_id": project } }),
        json!({ "target": { "runner_id": first.id } }),
        json!({ "target": to(&first), "hold": true }),
        json!({ "target": to(&first), "order": "key" }),
    ];
    let mut bound = Vec::new();
    for mut ask in asks {
        ask["payload"] = payload.clone();
        bound.push(owner.ask("command_submit", ask).await.unwrap());
    }
    let free = submit(&mut owner, to(&first)).await;
    let id = first.id.clone();
    drop(first);
    // The one that may move has moved, so the others were looked at too.
    arrived(&mut second, &free).await;
    for command in &bound {
        assert_eq!(shown(&mut owner, command).await["runner_id"], id, "{command}");
    }
    let leased = json!({ "id": busy["attempt"]["command_id"] });
    assert_eq!(shown(&mut owner, &leased).await["runner_id"], id);
}

#[tokio::test]
async fn a_runner_that_comes_back_has_nothing_of_what_moved() {
    let (world, mut owner, mut first, mut second) = world(SHORT).await;
    submit(&mut owner, to(&first)).await;
    let busy = first.order().await;
    let moved = submit(&mut owner, to(&first)).await;
    drop(std::mem::replace(&mut first.client, world.owner().await));
    let order = arrived(&mut second, &moved).await;
    let report = json!([{ "attempt": busy["attempt"], "last_record": 0, "alive": true }]);
    world.again(&mut first, report).await;
    first.end(&busy, "succeeded").await;
    let forged = json!({ "started": { "at": "2026-11-20T12:00:00Z" } });
    let forged = json!({ "attempt": order["attempt"], "first_record": 1, "records": [forged] });
    let refused = first.client.ask("runner_records", forged).await;
    assert_eq!(testkit::harness::code(refused), "NOT_FOUND", "it is another's now");
    second.end(&order, "succeeded").await;
    assert_eq!(shown(&mut owner, &moved).await["attempts"].as_array().unwrap().len(), 1);
    let next = submit(&mut owner, to(&first)).await;
    loop {
        let order = first.order().await;
        assert_ne!(order["attempt"]["command_id"], moved["id"], "it is another's now");
        if order["attempt"]["command_id"] == next["id"] {
            break;
        }
    }
}

#[tokio::test]
async fn a_session_goes_on_elsewhere_only_at_the_same_clean_commit() {
    let (world, mut owner, mut first, mut second) = world(LONG).await;
    let command = submit(&mut owner, to(&first)).await;
    let order = first.order().await;
    first.end(&order, "succeeded").await;
    let projects = owner.ask("project_list", json!({})).await.unwrap();
    let projects = projects["projects"].as_array().unwrap();
    let there = projects.iter().find(|it| it["path"] == "/second").unwrap()["id"].clone();
    let ask = json!({ "session_id": order["session_id"], "to": there });
    for (here, other, word) in [
        ((Some("aa"), 0), (Some("bb"), 0), "at commit aa, the other directory at bb"),
        ((Some("aa"), 0), (Some("aa"), 3), "3 changed files"),
        ((Some("aa"), 1), (Some("aa"), 0), "its own directory has 1"),
        ((None, 0), (Some("aa"), 0), "no git repository"),
    ] {
        let asked = owner.begin("session_move", ask.clone()).await.unwrap();
        tokio::join!(first.tells(here.0, here.1), second.tells(other.0, other.1));
        let refused = owner.reply(&asked).await.unwrap_err().to_string();
        assert!(refused.contains("CONFLICT") && refused.contains(word), "{refused}");
    }
    let asked = owner.begin("session_move", ask.clone()).await.unwrap();
    tokio::join!(first.tells(Some("aa"), 0), second.tells(Some("aa"), 0));
    let moved = owner.reply(&asked).await.unwrap();
    assert_eq!((&moved["from"], &moved["commit"]), (&command["project_id"], &json!("aa")));
    let prompt = json!({ "project_id": there, "prompt": "more", "agent": "demo" });
    owner.ask("execute", prompt).await.unwrap();
    let next = second.order().await;
    assert_eq!(next["session_id"], order["session_id"]);
    assert!(next["native_session"].is_null(), "what the agent remembers is on the first machine");
    // Its old project begins a new one; while something works, nothing moves.
    let prompt = json!({ "project_id": command["project_id"], "prompt": "new", "agent": "demo" });
    owner.ask("execute", prompt).await.unwrap();
    assert_ne!(first.order().await["session_id"], order["session_id"]);
    let back = json!({ "session_id": order["session_id"], "to": command["project_id"] });
    let asked = owner.begin("session_move", back.clone()).await.unwrap();
    tokio::join!(first.tells(Some("aa"), 0), second.tells(Some("aa"), 0));
    assert_eq!(testkit::harness::code(owner.reply(&asked).await), "PROCESS_ACTIVE");
    // A runner of an older version is not asked.
    world.again(&mut first, json!([])).await;
    assert_eq!(testkit::harness::code(owner.ask("session_move", back).await), "CONFLICT");
}

#[tokio::test]
async fn what_waits_finds_its_runner_after_a_restart_of_the_server() {
    let (world, mut owner, mut first, second) = world(LONG).await;
    submit(&mut owner, to(&first)).await;
    first.order().await;
    let lost = submit(&mut owner, to(&first)).await;
    let nobody = submit(&mut owner, json!({ "selector": "labels has 'b'" })).await;
    drop((owner, first));
    let limits = Limits { failover_grace: SHORT, ..Limits::default() };
    let world = world.restarted(limits).await;
    let mut owner = world.owner().await;
    let mut second = second;
    world.again(&mut second, json!([])).await;
    arrived(&mut second, &lost).await;
    assert_eq!(shown(&mut owner, &lost).await["route"]["decisions"][1]["cause"], "lost");
    let mut late = world.runner(&mut owner, "late", json!({ "labels": ["b"] })).await;
    late.project(&mut owner, "/late").await;
    arrived(&mut late, &nobody).await;
}
