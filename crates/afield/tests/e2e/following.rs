//! Following: missed events then live ones, in order, without gap or duplicate; slow readers harm
//! nobody.

use testkit::client::ClientError;

use super::*;

/// Collects events until the command's end, from whatever was seen before.
async fn collect(client: &mut Client, command: &Value) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let frame = client.next().await.unwrap();
        let done = frame["data"]["type"] == "command_state"
            && frame["data"]["data"]["id"] == command["id"]
            && !frame["data"]["data"]["finished_at"].is_null();
        if frame["type"] == "event" && frame["seq"].is_u64() {
            events.push(frame);
        }
        if done {
            return events;
        }
    }
}

#[tokio::test]
async fn many_followers_see_the_same_and_a_late_one_misses_nothing() {
    let afield = with_mock().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    let mut others = Vec::new();
    for _ in 0..5 {
        let mut other = afield.client().await;
        let reply = follow(&mut other, &project, 0).await;
        assert_eq!(reply["verdict"], "ok");
        others.push(other);
    }
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "[[mock:multi_tool]]" });
    let command = client.ask("execute", ask).await.unwrap();
    let seen = collect(&mut client, &command).await;
    assert_gapless(&seen, 0);
    for other in &mut others {
        assert_eq!(collect(other, &command).await, seen);
    }
    let mut late = afield.client().await;
    follow(&mut late, &project, 3).await;
    assert_eq!(collect(&mut late, &command).await, seen[3..]);
    let future = follow(&mut late, &project, 1_000_000).await;
    assert_eq!(future["verdict"], "gap");
}

#[tokio::test]
async fn joining_after_a_number_sends_the_missed_facts_first() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "hello", "agent": "demo" });
    let command = client.ask("execute", ask).await.unwrap();
    let events = collect(&mut client, &command).await;
    let mut joiner = afield.client().await;
    let reply = joiner.ask("project_join", json!({ "project_id": project, "after": 2 })).await;
    assert_eq!(reply.unwrap()["verdict"], "ok");
    for event in &events[2..] {
        let seq = event["seq"].clone();
        let fact = joiner.wait_for("a fact", |f| f["seq"] == seq).await.unwrap();
        assert_eq!(fact["type"], event["data"]["type"]);
        assert_eq!(fact["data"], event["data"]["data"]);
    }
}

#[tokio::test]
async fn a_follower_that_reads_nothing_delays_nobody_and_is_closed_with_4408() {
    // Far more than the socket buffers hold.
    let (afield, _dir) = with_fake("for n in range(300): say('x' * 200000)").await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    follow(&mut client, &project, 0).await;
    let mut stuck = afield.client().await;
    follow(&mut stuck, &project, 0).await;
    let ask = json!({ "project_id": project, "prompt": "go" });
    let command = client.ask("execute", ask).await.unwrap();
    let end = finished(&mut client, &command).await;
    assert_eq!(end["state"], "succeeded", "{end}");
    // The follower may not look itself: reading is what it does not do.
    let closed = || afield.log().contains("closing a slow consumer");
    testkit::harness::until("the server gives up on it", closed).await;
    let mut seen = 0;
    let closed = loop {
        match stuck.next().await {
            Ok(frame) if frame["type"] == "event" => seen = frame["seq"].as_u64().unwrap_or(seen),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(closed, ClientError::Closed(4408, _)), "{closed}");
    let mut again = afield.client().await;
    follow(&mut again, &project, seen).await;
    let rest = collect(&mut again, &command).await;
    assert_gapless(&rest, seen);
}
