//! The whole product under faults, judged by an outside checker that keeps its own history: kills
//! at random, power cuts, messages that come twice and late, connections that end within a frame,
//! damaged files, a network that goes away, a runner that sleeps; and bugs planted to show that the
//! checker sees.
//!
//! Each test has a number that longer runs raise through the environment; `cargo xtask nightly`
//! does that.

#![expect(clippy::unwrap_used, reason = "these are tests")]
#![expect(clippy::print_stdout, reason = "long runs say how far they are")]

mod away;
mod cuts;
mod damage;
mod duplicates;
mod kills;
mod planted;
mod pulled;
mod steer;
mod torn;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::checker::{Evidence, HistoryLog, Violation, check, read_effects, read_history};
use testkit::client::Client;
use testkit::duo::{Duo, Setup};
use testkit::load::{Mix, Sender, is_ok};

/// How long a sender waits before it tries to connect again.
const RETRY: Duration = Duration::from_millis(10);

/// The real binary, without any agent but the built-in ones.
fn setup(binary: PathBuf) -> Setup {
    let env = vec![("AFIELD_CLAUDE_PATH".into(), "/nonexistent/claude".into())];
    let config = "[limits]\nsubmissions_per_minute = 1000000\n".into();
    Setup { binary, env, config, ..Setup::default() }
}

/// A number from the environment, for longer runs.
fn asked(name: &str, usual: u64) -> u64 {
    let asked = std::env::var(name).ok();
    asked.map_or(usual, |asked| asked.parse().expect("the number of a test is a number"))
}

/// Says now and then how far a long run is; shown with `--nocapture` and after a failure.
struct Progress {
    what: &'static str,
    rounds: u64,
}

impl Progress {
    fn of(what: &'static str, rounds: u64) -> Self {
        Self { what, rounds }
    }

    /// This round begins.
    fn at(&self, round: u64) {
        if round > 0 && round.is_multiple_of(50) {
            println!("{}: {round} of {}", self.what, self.rounds);
        }
    }
}

/// Senders, each with a project of its own.
async fn senders(duo: &Duo, count: u64, mix: Mix) -> Vec<Sender> {
    let history = Arc::new(HistoryLog::open(&duo.path("history")).unwrap());
    let mut senders = Vec::new();
    for number in 0..count {
        let name = format!("sender-{number}");
        let project = duo.project(&name).await;
        let (effects, history) = (duo.path("effects"), Arc::clone(&history));
        senders.push(Sender::new(&name, project, effects, history, mix, number + 1));
    }
    senders
}

/// Works until told to stop, on a new connection whenever one ends.
async fn work_on(mut sender: Sender, url: String, token: String, stop: Arc<AtomicBool>) -> Sender {
    while !stop.load(Ordering::Relaxed) {
        match Client::connect(&url, &token).await {
            // However it ends, it ends with the connection or when it is told to.
            Ok(mut client) => drop(sender.work(&mut client, &stop, || ()).await),
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
    sender
}

/// What a run showed.
#[derive(Debug)]
struct Seen {
    violations: Vec<Violation>,
    acknowledged: usize,
    started: usize,
}

/// Lets everything come to an end and compares all evidence.
async fn judge(duo: &Duo, senders: Vec<Sender>) -> Seen {
    let mut clients = Vec::new();
    for _ in &senders {
        clients.push(duo.client().await);
    }
    compare(conclude(senders, clients).await, &duo.path("history"), &duo.path("effects"))
}

/// Lets everything come to an end.
async fn conclude(senders: Vec<Sender>, clients: Vec<Client>) -> Evidence {
    let mut tasks = Vec::new();
    for (sender, mut client) in senders.into_iter().zip(clients) {
        tasks.push(tokio::spawn(async move { sender.conclude(&mut client).await }));
    }
    let mut evidence = Evidence::default();
    for task in tasks {
        evidence.extend(task.await.unwrap());
    }
    evidence
}

/// Adds what lies in the two files and compares all of it.
fn compare(mut evidence: Evidence, history: &Path, effects: &Path) -> Seen {
    evidence.history = read_history(history).unwrap();
    evidence.starts = read_effects(effects).unwrap();
    Seen {
        violations: check(&evidence),
        acknowledged: evidence.history.iter().filter(|line| is_ok(line)).count(),
        started: evidence.starts.len(),
    }
}
