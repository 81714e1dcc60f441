//! Bugs planted on purpose: each breaks one promise, and each must be caught. This is what says
//! whether the tests beside it are worth anything.
//!
//! The binary and the store's tests are built once more with the feature `planted`, under other
//! names, so that nothing real is overwritten.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::checker::Violation;
use testkit::load::Mix;

use crate::kills::kill_again_and_again;
use crate::wire::send_over_faulty_wires;
use crate::{Seen, asked, setup};

/// Cycles of kills in which a bug must show.
const CYCLES: u64 = 8;
/// Commands over a faulty wire in which a bug must show.
const COMMANDS: u64 = 120;

/// Bugs of the store, caught by its simulation of a day and by the conformance suite.
const IN_STORE: [(&str, &str); 11] = [
    ("dedupe", "offline"),
    ("fifo", "offline"),
    ("heads", "offline"),
    ("expiry", "offline"),
    ("early", "offline"),
    ("cancel", "offline"),
    ("promote", "offline"),
    ("gap", "offline"),
    ("store-fence", "conformance"),
    ("applied", "conformance"),
    ("retry", "conformance"),
];

/// Bugs that show when processes are killed, and how.
const UNDER_KILLS: [(&str, Shows); 5] = [
    ("commit", |found| matches!(found, Violation::Lost { .. })),
    ("hold", |found| matches!(found, Violation::StartedHeld { .. })),
    ("retry", |found| matches!(found, Violation::StartedAgain { .. })),
    ("resume", |found| matches!(found, Violation::Gap { .. })),
    ("repeat", |found| matches!(found, Violation::Repeated { .. })),
];

/// Bugs that show when messages come twice.
const ON_WIRES: [(&str, Shows); 2] = [
    ("redelivery", |found| matches!(found, Violation::StartedTwice { .. })),
    ("runner-fence", |found| matches!(found, Violation::StartedTwice { .. })),
];

type Shows = fn(&Violation) -> bool;

/// What was built with the feature.
struct Planted {
    binary: PathBuf,
    tests: Vec<(String, PathBuf)>,
}

/// Builds everything with the hooks in it. Quick when that was done before.
fn build() -> Planted {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["build", "--workspace", "--features", "afield/planted", "--message-format=json"];
    let targets = ["--bin", "afield-planted", "--test", "offline", "--test", "conformance"];
    let built = Command::new(cargo)
        .args(words)
        .args(targets)
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(built.status.success(), "the planted bugs can be built");
    let lines = built.stdout.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let mut found: Vec<(String, PathBuf)> = messages
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, message["executable"].as_str()?.into()))
        })
        .collect();
    let at = found.iter().position(|(name, _)| name == "afield-planted").unwrap();
    Planted { binary: found.swap_remove(at).1, tests: found }
}

impl Planted {
    /// Whether a test of the store fails with this bug.
    fn fails(&self, bug: &str, test: &str) -> bool {
        let (_, program) = self.tests.iter().find(|(name, _)| name == test).unwrap();
        let mut command = Command::new(program);
        // PostgreSQL may not be there, and one database shows the bug.
        command.args(["--skip", "postgres"]).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null()).env("AFIELD_PLANTED", bug);
        !command.status().unwrap().success()
    }

    fn setup(&self, bug: &str) -> testkit::duo::Setup {
        let mut setup = setup(self.binary.clone());
        setup.env.push(("AFIELD_PLANTED".into(), bug.to_owned()));
        setup
    }
}

fn caught(bug: &str, seen: &Seen, shows: Shows) {
    assert!(seen.violations.iter().any(shows), "{bug} is not caught: {:?}", seen.violations);
}

fn mix() -> Mix {
    Mix { patience: Some(Duration::from_secs(3)), ..Mix::ALL }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_bug_is_caught() {
    let planted = tokio::task::spawn_blocking(build).await.unwrap();
    for test in ["offline", "conformance"] {
        assert!(!planted.fails("", test), "without a bug {test} passes");
    }
    for (bug, test) in IN_STORE {
        assert!(planted.fails(bug, test), "{bug} is not caught by {test}");
    }
    for (bug, shows) in UNDER_KILLS {
        let cycles = asked("AFIELD_TEST_PLANTED_CYCLES", CYCLES);
        let seen = kill_again_and_again(planted.setup(bug), mix(), cycles, 7).await;
        caught(bug, &seen, shows);
    }
    for (bug, shows) in ON_WIRES {
        let mix = Mix { patience: Some(Duration::from_secs(3)), ..Mix::PLAIN };
        let seen = send_over_faulty_wires(planted.setup(bug), COMMANDS, mix).await;
        caught(bug, &seen, shows);
    }
}
