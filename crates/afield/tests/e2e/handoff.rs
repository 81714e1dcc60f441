//! Hand-off of screens: exactly one holder, at once, and the other screen says so.

use std::time::{Duration, Instant};

use testkit::client::ClientError;
use testkit::harness::code;

use super::shared_state::follow_user;
use super::*;

const ROUNDS: u64 = 40;

fn screen(n: u8) -> String {
    format!("00000000-0000-7000-8000-0000000000{n:02}")
}

async fn take(client: &mut Client, version: u64, n: u8) -> Result<Value, ClientError> {
    let focus = json!({ "seq": version });
    let ask = json!({ "from_version": version, "screen": screen(n), "focus": focus });
    client.ask("handoff_take", ask).await
}

/// The longest of many hand-overs, and of as many requests that change nothing.
#[tokio::test]
async fn the_focus_goes_from_screen_to_screen_in_under_a_second() {
    let afield = demo().await;
    let mut screens = [afield.client().await, afield.client().await];
    for screen in &mut screens {
        follow_user(screen).await;
    }
    let (mut moves, mut asks) = (Vec::new(), Vec::new());
    for version in 0..ROUNDS {
        let [here, there] = &mut screens;
        let (taker, n, other) = if version % 2 == 0 { (here, 1, there) } else { (there, 2, here) };
        let began = Instant::now();
        take(taker, version, n).await.unwrap();
        let told = other.event("handoff_state", |data| data["version"] == version + 1);
        let told = told.await.unwrap();
        moves.push(began.elapsed());
        assert_eq!(told["data"]["data"]["holder"]["screen"], screen(n));
        assert_eq!(told["data"]["data"]["holder"]["device_name"], "test");
        assert_eq!(told["data"]["data"]["focus"]["seq"], version);
        let began = Instant::now();
        taker.ask("handoff_get", json!({})).await.unwrap();
        asks.push(began.elapsed());
    }
    moves.sort();
    asks.sort();
    let (slowest, middle) = (moves[moves.len() - 1], moves[moves.len() / 2]);
    let ratio = middle.as_secs_f64() / asks[asks.len() / 2].as_secs_f64();
    println!("hand-off: median {middle:?}, slowest {slowest:?}, {ratio:.1} plain requests");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[tokio::test]
async fn of_many_that_take_it_at_once_one_has_it() {
    let afield = demo().await;
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(afield.client().await);
    }
    for round in 0..5 {
        let takes = (1..).zip(&mut clients).map(|(n, client)| take(client, round, n));
        let taken = futures::future::join_all(takes).await;
        let winners: Vec<_> = taken.iter().filter_map(|taken| taken.as_ref().ok()).collect();
        // The holder's own screen keeps what it has, whatever it knew.
        let before = usize::from(round > 0);
        assert!(winners.len() <= 1 + before && !winners.is_empty(), "{winners:?}");
        let now = clients[0].ask("handoff_get", json!({})).await.unwrap();
        assert_eq!(now["version"], round + 1);
        assert_eq!(winners.iter().filter(|winner| winner["version"] == round + 1).count(), 1);
        for lost in taken {
            if let Err(ClientError::Refused(error)) = lost {
                assert_eq!(error["code"], "CONFLICT");
                assert_eq!(error["details"]["version"], round + 1, "it says how it is");
            }
        }
    }
}

#[tokio::test]
async fn a_lease_ends_with_its_connection_unless_its_screen_comes_back() {
    let env = vec![("AFIELD_LIMITS__HANDOFF_GRACE_SECONDS".into(), "1".into())];
    let setup = Setup { env, ..setup() };
    let afield = Afield::up(setup).await;
    let mut watcher = afield.client().await;
    follow_user(&mut watcher).await;
    let mut holder = afield.client().await;
    take(&mut holder, 0, 1).await.unwrap();
    let stranger = json!({ "screen": screen(2), "focus": {} });
    assert_eq!(code(watcher.ask("handoff_move", stranger).await), "CONFLICT");
    drop(holder);
    let mut again = afield.client().await;
    assert_eq!(take(&mut again, 0, 1).await.unwrap()["version"], 1, "the same screen keeps it");
    // Past the end of the first connection's grace.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let held = watcher.ask("handoff_get", json!({})).await.unwrap();
    assert_eq!(held["holder"]["screen"], screen(1));
    drop(again);
    let free = watcher.event("handoff_state", |data| data["holder"].is_null()).await.unwrap();
    assert_eq!(free["data"]["data"]["version"], 2);
    assert_eq!(free["data"]["data"]["focus"]["seq"], 0, "what was shown is kept");
}

#[tokio::test]
async fn attach_continues_here_and_the_command_line_says_where_the_focus_is() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let project = afield.project(&mut client, "p").await;
    let nothing = afield.cli(&["attach", "--here"]).await;
    assert_eq!(nothing.code, Some(3), "{nothing:?}");
    let here = afield.cli_with_input(&["attach", "-p", "p"], "/quit\n").await;
    assert!(here.stdout.contains("attached to"), "{here:?}");
    let shown = afield.cli(&["handoff", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["focus"]["project_id"], project);
    let version = shown["version"].as_u64().unwrap();
    take(&mut client, version, 1).await.unwrap();
    let text = afield.cli(&["handoff"]).await;
    assert!(text.stdout.contains("focus    test, since"), "{text:?}");
    let ask = json!({ "screen": screen(1), "focus": { "project_id": project } });
    client.ask("handoff_move", ask).await.unwrap();
    follow_user(&mut client).await;
    let again = afield.cli_with_input(&["attach", "--here"], "/quit\n").await;
    assert!(again.stdout.contains("attached to"), "{again:?}");
    let moved = client.event("handoff_state", |data| data["version"] == version + 2).await.unwrap();
    assert_eq!(moved["data"]["data"]["holder"]["device_name"], "console");
}
