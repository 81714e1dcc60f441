//! The frames themselves: exact lines, allowed keys, and the same bytes in every run.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use testkit::mock_claude::scenario_names;

use super::{
    driver::{FIRST, Home, RECIPE, SECOND, is},
    host::{greet, play},
};

/// Parameters that keep a scenario small.
fn small(name: &str) -> String {
    match name {
        "burst" => "burst,n=50".to_owned(),
        "huge_line" | "stderr_noise" => format!("{name},mb=1"),
        "steer" => "steer,timeout_ms=100".to_owned(),
        "grandchildren" => "grandchildren,secs=0,hold_stdout=0".to_owned(),
        _ => name.to_owned(),
    }
}

/// Denies a permission in the words of the reference.
fn denied(home: &Home) -> Vec<u8> {
    let mut mock = home.mock("permission").start();
    mock.prompt(FIRST, "go");
    let request = mock.until("can_use_tool");
    mock.answer(&request, &json!({ "behavior": "deny", "message": "Not allowed from the phone." }));
    mock.until("result");
    mock.finish().raw
}

/// The frames that belong to no scenario.
fn always_on(home: &Home) -> Vec<u8> {
    let mock = home.bare(&RECIPE).arg("--replay-user-messages").arg("--permission-prompts=none");
    let mut mock = mock.env("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1").start();
    greet(&mut mock);
    greet(&mut mock);
    mock.control("afd-2", &json!({ "subtype": "whatever" }));
    mock.prompt(FIRST, "/clear");
    mock.prompt(SECOND, "[[mock:permission]]");
    mock.until("result");
    mock.until("result");
    mock.until("system/session_state_changed");
    mock.signal(Signal::SIGINT);
    mock.wait();
    mock.finish().raw
}

/// What it gives for each scenario, all at the same time: most of them wait.
fn of_each<T: Send>(play: impl Fn(&'static str) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let play = &play;
        let playing: Vec<_> =
            scenario_names().map(|name| scope.spawn(move || play(name))).collect();
        let played = playing.into_iter().map(ScopedJoinHandle::join);
        played.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Everything all scenarios print, as if each had been at home in the reference's places.
fn everything() -> String {
    let mut all = of_each(|name| printed(|home| play(home, &small(name)).raw));
    all.push(printed(denied));
    all.push(printed(always_on));
    all.join("\n")
}

/// What is printed in a new home, its places those of the reference.
fn printed(play: impl Fn(&Home) -> Vec<u8>) -> String {
    let home = Home::new();
    let cwd = home.cwd();
    let config = home.config().display().to_string();
    let key = testkit::mock_claude::project_key(cwd.to_str().unwrap());
    String::from_utf8_lossy(&play(&home))
        .replace(&format!("{config}/projects/{key}/"), "/home/u/.claude/projects/-home-u-demo/")
        .replace(cwd.to_str().unwrap(), "/home/u/demo")
}

/// What ends by chance differs: how often a process that is killed has said the same thing.
const CUT_OFF: &str = "ignore_term";

#[test]
fn every_run_prints_the_same_bytes() {
    of_each(|name| {
        if name == CUT_OFF {
            return;
        }
        let home = Home::new();
        let [first, second] = [(); 2].map(|()| {
            let _ = std::fs::remove_dir_all(home.config());
            let _ = std::fs::remove_file(home.cwd().join("mock_out.txt"));
            play(&home, &small(name))
        });
        assert!(first.raw == second.raw, "{name}");
        assert_eq!((first.code, first.signal), (second.code, second.signal), "{name}");
    });
}

/// `exact.jsonl` holds the lines of the protocol reference; only ids, times and places may differ.
#[test]
fn the_lines_are_those_of_the_reference() {
    let printed = everything();
    let printed: BTreeSet<String> = printed.lines().map(masked).collect();
    for line in include_str!("exact.jsonl").lines() {
        assert!(printed.contains(&masked(line)), "nothing prints {line}");
    }
}

/// A line without what counts up.
fn masked(line: &str) -> String {
    let counters = [
        ("b0000000-0000-4000-8000-", 12),
        ("a0000000-0000-4000-8000-", 12),
        ("msg_mock_0", 1),
        ("req_mock_0", 1),
        ("\"timestamp\":\"", 24),
    ];
    counters.into_iter().fold(line.trim_end().to_owned(), |line, (prefix, length)| {
        let mut parts = line.split(prefix);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |line, part| line + prefix + part.get(length..).unwrap_or_default())
    })
}

/// `wire_keys.toml` names the keys each frame may have: a new key has to be put there on purpose.
#[test]
fn frames_have_no_unknown_keys() {
    let allowed: BTreeMap<String, Vec<String>> =
        toml::from_str(include_str!("../../fixtures/wire/wire_keys.toml")).unwrap();
    let mut seen = BTreeSet::new();
    let printed = everything();
    let is_text = |line: &&str| !line.contains(char::REPLACEMENT_CHARACTER);
    let frames = printed.lines().filter(is_text);
    let frames = frames.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for frame in frames.filter(|frame| !is_unknown_on_purpose(frame)) {
        for (name, object) in parts(&frame) {
            let keys = allowed
                .get(&name)
                .unwrap_or_else(|| panic!("{name} is not in wire_keys.toml: {frame}"));
            for key in object.as_object().into_iter().flatten().map(|(key, _)| key) {
                assert!(keys.contains(key), "{name} has the unknown key {key}: {frame}");
            }
            seen.insert(name);
        }
    }
    let unseen: Vec<_> = allowed.keys().filter(|name| !seen.contains(*name)).collect();
    assert!(unseen.is_empty(), "nothing prints {unseen:?}");
}

fn is_unknown_on_purpose(frame: &Value) -> bool {
    is(frame, "brand_new") || is(frame, "system/brand_new") || frame.get("brand_new_key").is_some()
}

/// The objects in a frame whose keys matter, by name.
fn parts(frame: &Value) -> Vec<(String, Value)> {
    let kind = frame["type"].as_str().unwrap();
    let subtype = frame["subtype"].as_str().filter(|_| kind == "system");
    let mut parts = vec![(
        subtype.map_or(kind.to_owned(), |subtype| format!("{kind}/{subtype}")),
        frame.clone(),
    )];
    for part in ["message", "request", "response", "event", "rate_limit_info"] {
        let Some(object) = frame.get(part).filter(|part| part.is_object()) else {
            continue;
        };
        let tag =
            object["subtype"].as_str().or(object["type"].as_str()).filter(|_| part != "message");
        parts.push((
            tag.map_or(format!("{kind}.{part}"), |tag| format!("{kind}.{part}/{tag}")),
            object.clone(),
        ));
    }
    for block in frame["message"]["content"].as_array().into_iter().flatten() {
        parts.push((format!("block/{}", block["type"].as_str().unwrap()), block.clone()));
    }
    parts
}
