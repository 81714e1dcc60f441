//! Guessing codes at full speed, from many addresses: nothing is found, and the limits that stop it
//! are in the audit log.

use super::*;

/// How long it is tried; AFIELD_TEST_GUESSING asks for more.
const SECONDS: u64 = 3;
/// Guesses under way at a time.
const ATTACKERS: u16 = 16;
/// Addresses each of them has, all of the loopback network.
const ADDRESSES: u16 = 250;
/// A challenge is signed for the present time: so often a new one is asked for.
const CHALLENGE_LIFE: Duration = Duration::from_secs(30);
/// Wrong codes looked at in a minute, in all.
const LOOKED_AT_MAX: u64 = 200;

/// What became of the guesses.
#[derive(Debug, Default)]
struct Guessed {
    looked_at: u64,
    refused: u64,
}

fn seconds() -> u64 {
    let asked = std::env::var("AFIELD_TEST_GUESSING").ok();
    asked.map_or(SECONDS, |asked| asked.parse().expect("a number of seconds"))
}

/// Guesses until then, each time from another address, in turns.
async fn guess(url: String, attacker: u16, end: Instant) -> Guessed {
    let (key, mut guessed) = (Keyed::default(), Guessed::default());
    let (mut told, mut asked) = (challenge(&url).await, Instant::now());
    let addresses = (1..=ADDRESSES).cycle();
    for address in addresses.take_while(|_| Instant::now() < end) {
        if asked.elapsed() > CHALLENGE_LIFE {
            (told, asked) = (challenge(&url).await, Instant::now());
        }
        let from = format!("127.1.{attacker}.{address}");
        let body = key.claim(&told, &any_code(), "cli").to_string();
        let response = send(&url, &from, "POST /api/v1/pair", &body).await;
        match status(&response) {
            401 => guessed.looked_at += 1,
            429 => guessed.refused += 1,
            other => panic!("{other}: {response}"),
        }
    }
    guessed
}

/// Any code.
fn any_code() -> String {
    let bytes = DeviceId::generate().uuid().into_bytes();
    bytes.iter().rev().take(8).map(|byte| CODE_LETTERS[usize::from(*byte) % 20]).collect()
}

/// The whole audit log, oldest first.
async fn audited(owner: &mut Client) -> Vec<Value> {
    let (mut all, mut before) = (Vec::new(), Value::Null);
    loop {
        let page = owner.ask("audit_list", json!({ "limit": 1000, "before": before })).await;
        let mut page = page.unwrap()["records"].as_array().unwrap().clone();
        let Some(first) = page.first() else { return all };
        before = first["entry"]["number"].clone();
        page.append(&mut all);
        all = page;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_at_full_speed_finds_nothing_and_is_in_the_log() {
    let world = world().await;
    let mut owner = world.owner().await;
    let started = owner.ask("device_pair_start", json!({ "scopes": ["view"] })).await.unwrap();
    let end = Instant::now() + Duration::from_secs(seconds());
    let attackers =
        (1..=ATTACKERS).map(|number| tokio::spawn(guess(world.url().to_owned(), number, end)));
    let mut all = Guessed::default();
    for guessed in futures::future::join_all(attackers.collect::<Vec<_>>()).await {
        let Guessed { looked_at, refused } = guessed.unwrap();
        all.looked_at += looked_at;
        all.refused += refused;
    }
    // The one from before may have been silent for too long.
    let mut owner = world.owner().await;
    let windows = seconds() / 60 + 1;
    println!("{all:?} in {} s, {windows} windows of a minute", seconds());
    assert!(all.looked_at <= LOOKED_AT_MAX * windows, "{all:?}");
    assert!(all.refused > all.looked_at, "it was at full speed: {all:?}");
    let log = audited(&mut owner).await;
    let actions = log.iter().map(|one| one["entry"]["what"]["action"].as_str().unwrap());
    let came = actions.filter(|action| matches!(*action, "pairing_claimed" | "device_paired"));
    assert_eq!(came.count(), 0, "nobody came");
    let hits = |limit: &str| {
        let what = log.iter().map(|one| &one["entry"]["what"]);
        what.filter(|what| what["action"] == "limit_hit" && what["limit"] == limit).count() as u64
    };
    let in_all = hits("pairing_tries_per_minute_in_all");
    println!(
        "in the log: {in_all} times the limit in all, {} times that of an address, {} addresses locked",
        hits("pairing_tries_per_minute"),
        hits("auth_failures")
    );
    assert!((1..=windows).contains(&in_all), "{in_all} entries: told once, not once a guess");
    let addresses = u64::from(ATTACKERS * ADDRESSES);
    assert!(hits("pairing_tries_per_minute") <= addresses * windows);
    let id = &started["pairing"]["id"];
    let state = owner.ask("device_pair_status", json!({ "pairing_id": id })).await.unwrap();
    assert_eq!(state["state"], "open", "as it was");
    let verified = owner.ask("audit_verify", json!({})).await.unwrap();
    assert_eq!(verified["broken"], Value::Null);
}
