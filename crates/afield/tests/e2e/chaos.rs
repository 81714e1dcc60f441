//! kill -9 of server and runner under load, with a checker outside that keeps its own history:
//! nothing acknowledged is lost, nothing starts twice, logs are gapless.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;

/// How often something is killed. More would make `make test` slow; the count can be raised.
const CYCLES: u64 = 9;
/// Fewer accepted commands are no load, however slow the machine.
const ACCEPTS_PER_CYCLE: usize = 3;
/// Projects that work side by side.
const PROJECTS: usize = 4;

/// A small generator with a seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What the outside knows.
#[derive(Default)]
struct History {
    /// Key to command id, of what was acknowledged.
    acknowledged: BTreeMap<String, String>,
    /// Keys whose fate is not known: the connection broke before the answer.
    unknown: BTreeSet<String>,
}

/// Submits with a key until something breaks; each key is used again until it is acknowledged.
async fn submit(client: &mut Client, project: &str, key: &str, effects: &str) -> Option<String> {
    let line = "echo \"$AFIELD_RUN_ID\" >> \"$1\"; sleep 0.02";
    let ask = json!({
        "project_id": project, "agent": "command", "prompt": "", "key": key,
        "options": { "argv": ["/bin/sh", "-c", line, "sh", effects] },
    });
    match client.ask("execute", ask).await {
        Ok(command) => Some(command["id"].as_str().unwrap().to_owned()),
        Err(_) => None,
    }
}

#[tokio::test]
async fn crashes_under_load_lose_nothing_and_start_nothing_twice() {
    let afield = demo().await;
    let effects = afield.path("effects");
    std::fs::write(&effects, "").unwrap();
    let effects_text = effects.to_str().unwrap().to_owned();
    let mut client = afield.client().await;
    let mut projects = Vec::new();
    for index in 0..PROJECTS {
        projects.push(afield.project(&mut client, &format!("p{index}")).await);
    }
    let (mut history, mut dice) = (History::default(), Dice(0x5eed));
    let mut next = 0;
    for cycle in 0..CYCLES {
        let end = std::time::Instant::now() + Duration::from_millis(100 + dice.roll(250));
        let enough = history.acknowledged.len() + ACCEPTS_PER_CYCLE;
        while std::time::Instant::now() < end || history.acknowledged.len() < enough {
            let key = format!("k{next}");
            let project = &projects[next % PROJECTS];
            let before = history.acknowledged.len();
            match submit(&mut client, project, &key, &effects_text).await {
                Some(id) => drop(history.acknowledged.insert(key, id)),
                None => drop(history.unknown.insert(key)),
            }
            next += usize::from(history.acknowledged.len() > before || dice.roll(4) == 0);
        }
        match cycle % 3 {
            0 => afield.kill_child("server").await,
            1 => afield.kill_child("runner").await,
            _ => {
                afield.kill_child("runner").await;
                afield.kill_child("server").await;
            }
        }
        client = afield.client_again().await;
    }
    let finals = settle(&mut client, &history).await;
    let mut stored = BTreeSet::new();
    for project in &projects {
        stored.extend(commands(&mut client, project).await);
        check_log(&afield, project).await;
    }
    let submitted = history.acknowledged.len() + history.unknown.len();
    assert!(stored.len() <= submitted, "{} are stored, {submitted} were submitted", stored.len());
    check_starts(&effects, &stored, &finals);
    assert!(history.acknowledged.len() > 20, "there was load: {}", history.acknowledged.len());
}

/// Waits until every acknowledged command is final, and returns their states.
async fn settle(client: &mut Client, history: &History) -> BTreeMap<String, String> {
    let mut finals = BTreeMap::new();
    let end = std::time::Instant::now() + Duration::from_secs(60);
    for (key, id) in &history.acknowledged {
        loop {
            let command = client.ask("command_get", json!({ "command_id": id })).await;
            let command = command.unwrap_or_else(|error| panic!("{key} {id} is lost: {error}"));
            if !command["finished_at"].is_null() {
                finals.insert(id.clone(), command["state"].as_str().unwrap().to_owned());
                break;
            }
            assert!(std::time::Instant::now() < end, "not final: {command}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    finals
}

/// The ids of all commands of a project, acknowledged or not.
async fn commands(client: &mut Client, project: &str) -> Vec<String> {
    let ask = json!({ "project_id": project, "limit": 1000 });
    let list = client.ask("command_list", ask).await.unwrap();
    let commands = list["commands"].as_array().unwrap();
    commands.iter().map(|command| command["id"].as_str().unwrap().to_owned()).collect()
}

/// At most one start each; none of what was never submitted; one for all that succeeded.
fn check_starts(effects: &Path, stored: &BTreeSet<String>, finals: &BTreeMap<String, String>) {
    let mut starts: BTreeMap<String, u32> = BTreeMap::new();
    for id in std::fs::read_to_string(effects).unwrap().lines() {
        *starts.entry(id.to_owned()).or_default() += 1;
    }
    for (id, count) in &starts {
        assert_eq!(*count, 1, "{id} was started {count} times");
        assert!(stored.contains(id), "{id} was started and is no command");
    }
    for (id, state) in finals {
        match state.as_str() {
            "succeeded" => assert!(starts.contains_key(id), "{id} succeeded without a start"),
            "interrupted" => {}
            other => panic!("{id} ended as {other}"),
        }
    }
}

async fn check_log(afield: &Afield, project: &str) {
    let mut client = afield.client().await;
    let reply = follow(&mut client, project, 0).await;
    let head = reply["seq"].as_u64().unwrap();
    for expected in 1..=head {
        let numbered = |frame: &Value| frame["type"] == "event" && frame["seq"].is_u64();
        let frame = client.wait_for("an event", numbered).await.unwrap();
        assert_eq!(frame["seq"].as_u64(), Some(expected));
    }
}
