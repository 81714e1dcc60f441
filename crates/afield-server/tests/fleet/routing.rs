//! Which runner a command comes to that was sent to whichever fits.

use std::time::Duration;

use afield_server::Limits;
use serde_json::{Value, json};
use testkit::client::Client;
use testkit::harness::code;

use crate::world::{Runner, World};

/// Sends a prompt to whichever fits.
pub(crate) async fn submit(owner: &mut Client, target: Value) -> Value {
    let ask = json!({ "target": target, "payload": { "prompt": "hi", "agent": "demo" } });
    owner.ask("command_submit", ask).await.unwrap()
}

pub(crate) async fn shown(owner: &mut Client, command: &Value) -> Value {
    owner.ask("command_show", json!({ "command_id": command["id"] })).await.unwrap()
}

/// Runners with a project each, all of them on Linux.
async fn fleet(world: &World, owner: &mut Client, names: &[&str]) -> Vec<Runner> {
    let mut runners = Vec::new();
    for name in names {
        let mut runner = world.runner(owner, name, json!({ "os": "linux" })).await;
        runner.project(owner, &format!("/{name}")).await;
        runners.push(runner);
    }
    runners
}

fn linux(mode: &str) -> Value {
    json!({ "selector": "os = 'linux'", "mode": mode })
}

#[tokio::test]
async fn the_decision_and_its_reasons_are_part_of_the_command() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let runners = fleet(&world, &mut owner, &["one", "two"]).await;
    let other = world.runner(&mut owner, "bare", json!({ "os": "linux" })).await;
    let label = json!({ "device_id": runners[1].id, "labels": ["gpu"] });
    owner.ask("device_label", label).await.unwrap();
    let target = json!({ "selector": "os = 'linux' and labels has 'gpu'" });
    let command = submit(&mut owner, target).await;
    assert_eq!(command["runner_id"], runners[1].id);
    let route = shown(&mut owner, &command).await["route"].clone();
    assert_eq!((&route["placed"], &route["wish"]["mode"]), (&json!(true), &json!("best")));
    let decision = &route["decisions"][0];
    assert_eq!(
        (&decision["cause"], &decision["considered"], &decision["fitted"]),
        (&json!("submitted"), &json!(3), &json!(1))
    );
    let found = |id: &str| {
        let all = decision["candidates"].as_array().unwrap();
        all.iter().find(|it| it["runner_id"] == *id).unwrap().clone()
    };
    assert_eq!(found(&runners[1].id)["verdict"], "chosen");
    assert_eq!(found(&runners[0].id)["reason"], "not so: labels has 'gpu'");
    assert_eq!(found(&other.id)["verdict"], "rejected");
    let explained = json!({ "command_id": command["id"] });
    let explained = owner.ask("command_explain", explained).await.unwrap();
    assert_eq!(explained["route"], route);
}

#[tokio::test]
async fn each_mode_chooses_in_its_way() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let runners = fleet(&world, &mut owner, &["one", "two", "three"]).await;
    let mut turns = Vec::new();
    for _ in 0..6 {
        turns.push(submit(&mut owner, linux("round_robin")).await["runner_id"].clone());
    }
    assert_eq!(turns[..3], turns[3..], "each has its turn");
    let ids: Vec<Value> = runners.iter().map(|runner| json!(runner.id)).collect();
    assert!(ids.iter().all(|id| turns[..3].contains(id)));
    let mut target = linux("order");
    target["prefer"] = json!([ids[2], ids[0]]);
    assert_eq!(submit(&mut owner, target).await["runner_id"], ids[2]);
    let rank = json!({ "device_id": ids[1], "priority": 5 });
    owner.ask("device_label", rank).await.unwrap();
    for _ in 0..3 {
        assert_eq!(submit(&mut owner, linux("order")).await["runner_id"], ids[1]);
    }
    // 2, 5 and 3 commands by now.
    let best = submit(&mut owner, linux("best")).await["runner_id"].clone();
    assert!(best == ids[0] || best == ids[2], "the one with the most is never the better of two");
    for (target, word) in [
        (linux("sticky"), "session_id"),
        (json!({ "selector": "os = 'linux'", "prefer": [ids[0]] }), "mode order"),
        (json!({ "runner_id": ids[0], "mode": "best" }), "selector"),
    ] {
        let ask = json!({ "target": target, "payload": { "prompt": "hi", "agent": "demo" } });
        let refused = owner.ask("command_submit", ask).await.unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
}

#[tokio::test]
async fn a_session_stays_where_it_is() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let mut runners = fleet(&world, &mut owner, &["one", "two"]).await;
    let command = submit(&mut owner, json!({ "selector": "name = 'two'" })).await;
    let order = runners[1].order().await;
    runners[1].end(&order, "succeeded").await;
    for mode in ["sticky", "best"] {
        let payload =
            json!({ "prompt": "more", "agent": "demo", "session_id": order["session_id"] });
        let ask = json!({ "target": linux(mode), "payload": payload });
        let next = owner.ask("command_submit", ask).await.unwrap();
        assert_eq!(next["project_id"], command["project_id"], "{mode}");
    }
    let payload = json!({ "prompt": "more", "agent": "demo", "session_id": order["session_id"] });
    let ask = json!({ "target": { "selector": "name = 'one'" }, "payload": payload });
    assert_eq!(code(owner.ask("command_submit", ask).await), "NOT_FOUND", "it lives elsewhere");
}

#[tokio::test]
async fn what_fits_nobody_waits_and_goes_to_the_first_that_fits() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    fleet(&world, &mut owner, &["one"]).await;
    let ask = json!({
        "target": { "selector": "tools has 'cargo'" }, "key": "k", "order": "o",
        "payload": { "prompt": "hi", "agent": "demo" },
    });
    let command = owner.ask("command_submit", ask.clone()).await.unwrap();
    assert_eq!((&command["state"], &command["waiting_for"]), (&json!("queued"), &json!("runner")));
    let seen = shown(&mut owner, &command).await;
    let message = seen["waiting"]["message"].as_str().unwrap();
    assert!(message.contains("tools has 'cargo'") && message.contains("one"), "{message}");
    assert_eq!(
        (&seen["waiting"]["reason"], &seen["route"]["placed"]),
        (&json!("runner"), &json!(false))
    );
    // Nobody sees the place it waits in as a project or a device.
    assert_eq!(
        code(owner.ask("project_get", json!({ "project_id": command["project_id"] })).await),
        "PROJECT_NOT_FOUND"
    );
    let lists =
        [owner.ask("project_list", json!({})).await, owner.ask("device_list", json!({})).await];
    for list in lists {
        let list = list.unwrap().to_string();
        assert!(!list.contains(command["project_id"].as_str().unwrap()));
        assert!(!list.contains(command["runner_id"].as_str().unwrap()));
    }
    let topic = format!("project:{}", command["project_id"].as_str().unwrap());
    owner.ask("subscribe", json!({ "topic": topic, "after": 0 })).await.unwrap();
    let mut runner = world.runner(&mut owner, "late", json!({ "tools": ["cargo"] })).await;
    let project = runner.project(&mut owner, "/late").await;
    let order = runner.order().await;
    assert_eq!(order["attempt"]["command_id"], command["id"]);
    owner.event("command_state", |data| data["project_id"] == project).await.unwrap();
    let seen = shown(&mut owner, &command).await;
    assert_eq!((&seen["runner_id"], &seen["order"]), (&json!(runner.id), &json!("o")));
    assert_eq!(seen["route"]["decisions"][1]["cause"], "fits");
    let steps: Vec<_> = seen["chain"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
    assert_eq!(steps, ["submitted", "accepted", "moved", "leased"]);
    let again = owner.ask("command_submit", ask.clone()).await.unwrap();
    assert_eq!(again["id"], command["id"], "a repetition is the same, wherever it went");
    let mut other = ask;
    other["target"]["selector"] = json!("tools has 'make'");
    assert_eq!(code(owner.ask("command_submit", other).await), "CONFLICT");
    runner.end(&order, "succeeded").await;
    assert_eq!(shown(&mut owner, &command).await["state"], "succeeded");
}

#[tokio::test]
async fn what_waits_for_a_runner_is_cancelled_edited_held_and_expires() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let nobody = json!({ "selector": "labels has 'gpu'" });
    let [one, two, three] = [
        submit(&mut owner, nobody.clone()).await,
        submit(&mut owner, nobody.clone()).await,
        submit(&mut owner, nobody.clone()).await,
    ];
    let id = |command: &Value| json!({ "command_id": command["id"] });
    assert_eq!(two["waiting_for"], "runner", "none waits behind another");
    assert_eq!(owner.ask("command_cancel", id(&one)).await.unwrap()["state"], "cancelled");
    let edit =
        json!({ "command_id": two["id"], "payload": { "prompt": "other", "agent": "demo" } });
    owner.ask("command_edit", edit).await.unwrap();
    owner.ask("command_hold", id(&three)).await.unwrap();
    let mut runner = world.runner(&mut owner, "gpu", json!({ "labels": ["gpu"] })).await;
    runner.project(&mut owner, "/gpu").await;
    let order = runner.order().await;
    assert_eq!((&order["prompt"], &order["attempt"]["command_id"]), (&json!("other"), &two["id"]));
    runner.end(&order, "succeeded").await;
    let kept = shown(&mut owner, &three).await;
    assert_eq!(
        (&kept["route"]["placed"], &kept["waiting"]["reason"]),
        (&json!(false), &json!("hold"))
    );
    owner.ask("command_release", id(&three)).await.unwrap();
    assert_eq!(runner.order().await["attempt"]["command_id"], three["id"]);
    let kill = json!({ "target": { "selector": "labels has 'none'" }, "kind": "kill" });
    assert_eq!(
        code(owner.ask("command_submit", kill).await),
        "NOT_FOUND",
        "a kill waits for nobody"
    );
}

#[tokio::test]
async fn load_is_a_reason_to_wait_and_to_go() {
    let world = World::open().await;
    let mut owner = world.owner().await;
    let load = |percent: u32| json!({ "percent": percent, "free_slots": 4 });
    let mut runner = world.runner(&mut owner, "busy", json!({ "load": load(90) })).await;
    runner.project(&mut owner, "/busy").await;
    let command = submit(&mut owner, json!({ "selector": "load < 50" })).await;
    assert_eq!(shown(&mut owner, &command).await["route"]["placed"], false);
    runner.client.begin("runner_beat", json!({ "load": load(10) })).await.unwrap();
    assert_eq!(runner.order().await["attempt"]["command_id"], command["id"]);
}

#[tokio::test]
async fn a_runner_that_keeps_failing_is_left_out_and_tried_again() {
    let limits = Limits {
        breaker_failures: 2,
        breaker_open: Duration::from_millis(400),
        ..Limits::default()
    };
    let world = World::open_with(limits).await;
    let mut owner = world.owner().await;
    let mut runners = fleet(&world, &mut owner, &["bad"]).await;
    let bad = &mut runners[0];
    for _ in 0..2 {
        submit(&mut owner, linux("best")).await;
        let order = bad.order().await;
        bad.end(&order, "not_started").await;
    }
    let waits = submit(&mut owner, linux("best")).await;
    let route = shown(&mut owner, &waits).await["route"].clone();
    assert_eq!(route["placed"], false);
    let reason = route["decisions"][0]["candidates"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("2 times in a row"), "{reason}");
    // After a while one command tries it.
    let order = bad.order().await;
    assert_eq!(order["attempt"]["command_id"], waits["id"]);
    let second = submit(&mut owner, linux("best")).await;
    assert_eq!(shown(&mut owner, &second).await["route"]["placed"], false, "one trial at a time");
    bad.end(&order, "succeeded").await;
    let third = submit(&mut owner, linux("best")).await;
    assert_eq!(shown(&mut owner, &third).await["route"]["placed"], true);
}
