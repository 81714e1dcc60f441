//! Shared state through a line that is cut: copies go on writing, and are the same again at once.

use std::time::{Duration, Instant};

use afield_client::{Endpoint, Link, LinkOptions, SharedOptions, SharedState};
use afield_proto::state::StateKey;
use testkit::proxy::{Conditions, CutKind, Proxy, Way};

use super::*;

fn key(text: &str) -> StateKey {
    text.parse().unwrap()
}

fn copy(url: &str, token: &str) -> SharedState {
    let link = Link::start(Endpoint::new(url, token).unwrap(), LinkOptions::default());
    SharedState::open(&link, SharedOptions::default()).unwrap()
}

/// An Afield, and a proxy in front of it that its server knows by name.
async fn behind_a_proxy() -> (Afield, Proxy) {
    let afield = demo().await;
    let address = afield.url.trim_start_matches("http://").parse().unwrap();
    let proxy = Proxy::start(address, 7).await.unwrap();
    let known = format!("[server]\nallowed_hosts = [\"{}\"]\n", proxy.address());
    std::fs::write(afield.data_dir().join("afield.toml"), known).unwrap();
    (afield.restart().await, proxy)
}

/// Nothing passes any more, and who was connected learns it.
fn cut(proxy: &Proxy) {
    for way in [Way::ToServer, Way::ToClient] {
        proxy.set(way, Conditions { blackhole: true, ..Conditions::default() });
    }
    proxy.cut_all(CutKind::Reset);
}

/// Waits until a copy shows what is wanted.
async fn shows(copy: &SharedState, what: &str, wanted: impl Fn(&SharedState) -> bool) {
    let mut changes = copy.changes();
    let waited = changes.wait_for(|_| wanted(copy));
    let shown = tokio::time::timeout(Duration::from_secs(30), waited).await;
    assert!(shown.is_ok(), "{what}: {:?}", copy.all());
}

#[tokio::test]
async fn what_is_typed_on_both_sides_of_a_cut_line_is_on_both_afterwards() {
    let (afield, proxy) = behind_a_proxy().await;
    let home = copy(&afield.url, &afield.token);
    let train = copy(&format!("http://{}", proxy.address()), &afield.token);
    home.fetched().await;
    train.fetched().await;
    home.set(key("draft:s"), Some("begun".into())).unwrap();
    home.set(key("read:s"), Some(3.into())).unwrap();
    let begun = |copy: &SharedState| copy.all().len() == 2;
    shows(&train, "what was begun", begun).await;
    cut(&proxy);
    home.set(key("draft:s"), Some("begun, at home".into())).unwrap();
    home.set(key("read:s"), Some(5.into())).unwrap();
    // Later, or in the same millisecond by the replica that was made later.
    train.set(key("draft:s"), Some("begun, on the train".into())).unwrap();
    train.set(key("pref:theme"), Some("dark".into())).unwrap();
    train.set(key("read:s"), Some(7.into())).unwrap();
    home.settled().await;
    assert!(train.all().iter().all(|local| local.waits), "{:?}", train.all());
    let began = Instant::now();
    proxy.heal();
    train.settled().await;
    let whole = |copy: &SharedState| {
        let draft = copy.get(&key("draft:s")).unwrap();
        let texts: Vec<_> = draft.others.iter().map(|other| other.text.as_str()).collect();
        draft.value == Some("begun, on the train".into())
            && texts == ["begun, at home"]
            && copy.get(&key("read:s")).and_then(|read| read.value) == Some(7.into())
            && copy.get(&key("pref:theme")).is_some_and(|theme| !theme.waits)
    };
    shows(&home, "both texts at home", whole).await;
    shows(&train, "both texts on the train", whole).await;
    println!("the same again {:?} after the line was there", began.elapsed());
    assert_eq!(home.all(), train.all());
    train.set(key("draft:s"), Some("one of both".into())).unwrap();
    let chosen = |copy: &SharedState| {
        copy.get(&key("draft:s")).is_some_and(|draft| {
            draft.value == Some("one of both".into()) && draft.others.is_empty()
        })
    };
    shows(&home, "the one that was chosen", chosen).await;
}

#[tokio::test]
async fn a_silent_device_is_stale_and_then_online_again() {
    let env = vec![
        ("AFIELD_CLAUDE_PATH".into(), "/nonexistent/claude".into()),
        ("AFIELD_LIMITS__PING_INTERVAL_SECONDS".into(), "1".into()),
    ];
    let afield = Afield::up(Setup { env, ..setup() }).await;
    let mut watcher = afield.client().await;
    // It reads nothing, and so answers no ping.
    let made = afield.cli(&["token", "create", "--name", "quiet", "--scopes", "view", "--json"]);
    let made: Value = serde_json::from_str(&made.await.stdout).unwrap();
    let mut quiet = Client::connect(&afield.url, made["token"].as_str().unwrap()).await.unwrap();
    let id = made["device_id"].clone();
    let topic = watcher.ask("device_presence", json!({})).await.unwrap()["topic"].clone();
    watcher.ask("subscribe", json!({ "topic": topic })).await.unwrap();
    let is = |word: &'static str| {
        let id = id.clone();
        move |data: &Value| data["device_id"] == id && data["presence"] == word
    };
    let stale = watcher.event("device_presence", is("stale")).await.unwrap();
    let stale = &stale["data"]["data"];
    assert!(stale["silent_ms"].as_u64().unwrap() > 2_000, "{stale}");
    assert_eq!(stale["connections"], 1);
    let list = watcher.ask("device_presence", json!({})).await.unwrap();
    assert!(list["devices"].as_array().unwrap().iter().any(is("stale")), "{list}");
    quiet.ask("project_list", json!({})).await.unwrap();
    let online = watcher.event("device_presence", is("online")).await.unwrap();
    assert!(online["data"]["data"]["silent_ms"].as_u64().unwrap() < 2_000, "{online}");
    drop(quiet);
    watcher.event("device_presence", is("away")).await.unwrap();
}
