//! The whole product under faults, judged by an outside checker that keeps its own history: kills
//! at random, messages that come twice and late, and bugs planted to show that the checker sees.
//!
//! Each test has a number that longer runs raise through the environment; `cargo xtask nightly`
//! does that.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod kills;
mod planted;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use testkit::checker::{Evidence, HistoryLog, Violation, check, read_effects, read_history};
use testkit::duo::{Duo, Setup};
use testkit::load::{Mix, Sender, is_ok};

/// The real binary, without any agent but the built-in ones.
fn setup(binary: PathBuf) -> Setup {
    let env = vec![("AFIELD_CLAUDE_PATH".into(), "/nonexistent/claude".into())];
    let config = "[limits]\nsubmissions_per_minute = 1000000\n".into();
    Setup { binary, env, config, policy: String::new() }
}

/// A number from the environment, for longer runs.
fn asked(name: &str, usual: u64) -> u64 {
    let asked = std::env::var(name).ok();
    asked.map_or(usual, |asked| asked.parse().expect("the number of a test is a number"))
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

/// What a run showed.
struct Seen {
    violations: Vec<Violation>,
    acknowledged: usize,
    started: usize,
}

/// Lets everything come to an end and compares all evidence.
async fn judge(duo: &Duo, senders: Vec<Sender>) -> Seen {
    let mut evidence = Evidence::default();
    for sender in senders {
        sender.conclude(&mut duo.client().await, &mut evidence).await;
    }
    evidence.history = read_history(&duo.path("history")).unwrap();
    evidence.starts = read_effects(&duo.path("effects")).unwrap();
    Seen {
        violations: check(&evidence),
        acknowledged: evidence.history.iter().filter(|line| is_ok(line)).count(),
        started: evidence.starts.len(),
    }
}
