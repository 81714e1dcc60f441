//! Words for a running turn, over a connection that brings messages twice and late: the agent is
//! told each once, in the turn or first in the queue instead, as the product says it was.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::checker::{
    Evidence, FinalCommand, HistoryLog, Step, check, read_conversations, read_history,
};
use testkit::client::Client;
use testkit::duo::{Duo, Setup};
use testkit::harness::workspace_binary;
use testkit::proxy::FrameProxy;
use tokio::time::timeout;

use crate::duplicates::FAULTS;
use crate::{Seen, setup};

/// Turns, each with some words that reach it and some that may not.
const TURNS: u64 = 6;

/// A sender of turns and words.
struct Speaker<'a> {
    client: Client,
    project: String,
    history: &'a HistoryLog,
}

impl Speaker<'_> {
    /// Sends a prompt whose last word is its mark and key; the id it was acknowledged with.
    async fn say(&mut self, prompt: &str, mode: &str) -> String {
        let mark = prompt.rsplit(' ').next().unwrap();
        let note = |step| self.history.write("speaker", mark, step).unwrap();
        note(Step::Invoke);
        let ask = json!({
            "target": { "project_id": self.project }, "payload": { "prompt": prompt },
            "key": mark, "mode": mode,
        });
        let id = self.client.ask("command_submit", ask).await.unwrap()["id"].clone();
        let id = id.as_str().unwrap().to_owned();
        note(Step::Ok { id: id.clone() });
        id
    }

    /// Waits until the agent says this.
    async fn hears(&mut self, words: &str) {
        let is_it = |data: &Value| data["direction"] == "claude" && data["text"] == words;
        self.client.event("agent_message", is_it).await.unwrap();
    }

    async fn ended(&mut self, id: &str) {
        let is_it = |data: &Value| data["id"] == id && !data["finished_at"].is_null();
        self.client.event("command_state", is_it).await.unwrap();
    }

    /// A turn, words that reach it, words that come as it ends, and words for nobody.
    async fn turn(&mut self, number: u64) {
        let turn =
            self.say(&format!("[[mock:steer n=2 timeout_ms=5000]] t{number}"), "queue").await;
        let begun = |data: &Value| data["direction"] == "claude" && data["command_id"] == *turn;
        self.client.event("agent_message", begun).await.unwrap();
        let first = format!("t{number}-first");
        self.say(&first, "steer").await;
        self.hears(&format!("You also said: {first}")).await;
        let mut last = Vec::new();
        for name in ["second", "third", "late", "later"] {
            last.push(self.say(&format!("t{number}-{name}"), "steer").await);
        }
        self.ended(&turn).await;
        last.push(self.say(&format!("t{number}-idle"), "steer").await);
        for id in last {
            self.ended_or_over(&id).await;
        }
    }

    /// Words may have ended with their turn already.
    async fn ended_or_over(&mut self, id: &str) {
        let shown = self.client.ask("command_show", json!({ "command_id": id })).await.unwrap();
        if shown["finished_at"].is_null() {
            self.ended(id).await;
        }
    }

    /// What the product says in the end.
    async fn end(&mut self) -> Vec<FinalCommand> {
        let ask = json!({ "project_id": self.project, "limit": 1000 });
        let listed = self.client.ask("command_list", ask).await.unwrap()["commands"].take();
        let listed: Vec<afield_proto::command::Command> = serde_json::from_value(listed).unwrap();
        let mark = |command: &afield_proto::command::Command| command.key.clone();
        listed.iter().map(|it| FinalCommand::of(it, mark(it).unwrap_or_default())).collect()
    }
}

/// Says words into turns over a faulty connection of the runner. A turn that takes longer than
/// `patience` is the last: a bug may have stopped it.
pub(crate) async fn speak_into_turns(base: Setup, turns: u64, patience: Duration) -> Seen {
    let outside = tempfile::tempdir().unwrap();
    let journal = outside.path().join("journal");
    let mut setup = Setup { policy: "pass_environment = [\"MOCK_CLAUDE_*\"]\n".into(), ..base };
    let claude = Path::new(env!("CARGO_BIN_EXE_afield"));
    let claude = workspace_binary(claude, "testkit", "mock-claude").display().to_string();
    setup.env = vec![
        ("AFIELD_CLAUDE_PATH".into(), claude),
        ("MOCK_CLAUDE_JOURNAL".into(), journal.display().to_string()),
        ("MOCK_CLAUDE_TIME_SCALE".into(), "0.02".into()),
    ];
    let mut duo = Duo::server(setup).await;
    let to_runner = FrameProxy::start(duo.socket_address(), FAULTS, 1).await.unwrap();
    duo.runner_url = Some(to_runner.url());
    duo.start_runner();
    duo.runner_connected().await;
    let (project, client) = (duo.project("talk").await, duo.client().await);
    let history = HistoryLog::open(&duo.path("history")).unwrap();
    let mut speaker = Speaker { client, project, history: &history };
    let topic = format!("project:{}", speaker.project);
    speaker.client.ask("subscribe", json!({ "topic": topic, "after": 0 })).await.unwrap();
    let mut settled = true;
    for number in 0..turns {
        settled = settled && timeout(patience, speaker.turn(number)).await.is_ok();
    }
    let (starts, heard) = read_conversations(&journal).unwrap();
    let mut evidence = Evidence { starts, heard, settled, ..Evidence::default() };
    evidence.history = read_history(&duo.path("history")).unwrap();
    evidence.end.commands = speaker.end().await;
    let in_turns = evidence.heard.iter().filter(|heard| heard.in_turn).count();
    let some = in_turns >= usize::try_from(turns).unwrap();
    assert!(some || !settled, "some words reach their turn");
    Seen {
        violations: check(&evidence),
        acknowledged: evidence.end.commands.len(),
        started: evidence.starts.len(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_are_said_once_in_the_turn_or_first_in_the_queue() {
    let base = setup(env!("CARGO_BIN_EXE_afield").into());
    let seen = speak_into_turns(base, TURNS, Duration::MAX).await;
    assert_eq!(seen.violations, []);
    let turns = usize::try_from(TURNS).unwrap();
    assert_eq!(seen.acknowledged, 7 * turns);
    assert!((2 * turns..6 * turns).contains(&seen.started), "{seen:?}: some of the words");
}
