//! `cargo xtask nightly`: the tests under faults for as long as a night, with progress and a
//! summary.
//!
//! `make test` runs the same tests with small numbers. A number in the environment counts more than
//! the one here; so does the seed, which is another one each time and printed.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::child::Runner;
use crate::steps::{Steps, cargo};

/// A test and how much of it is a night's worth.
struct Night {
    name: &'static str,
    /// The test target and which of its tests.
    target: &'static str,
    tests: &'static str,
    /// What says how long it is, and what that is for a night.
    number: &'static str,
    usual: &'static str,
}

const fn faults(
    name: &'static str,
    tests: &'static str,
    number: &'static str,
    usual: &'static str,
) -> Night {
    Night { name, target: "faults", tests, number, usual }
}

const NIGHTS: [Night; 8] = [
    faults("kills", "kills::", "AFIELD_TEST_CYCLES", "2000"),
    faults("power-cuts", "cuts::", "AFIELD_TEST_CUTS", "400"),
    faults("wires", "duplicates::", "AFIELD_TEST_COMMANDS", "10000"),
    faults("torn", "torn::", "AFIELD_TEST_TORN", "1000"),
    faults("damage", "damage::", "AFIELD_TEST_DAMAGES", "500"),
    Night {
        name: "days-away",
        target: "offline",
        tests: "a_day_away",
        number: "AFIELD_TEST_SEEDS",
        usual: "500",
    },
    Night {
        name: "guessing",
        target: "pairing",
        tests: "guessing::",
        number: "AFIELD_TEST_GUESSING",
        usual: "600",
    },
    faults("planted", "planted::", "AFIELD_TEST_PLANTED", "10"),
];

/// Runs all of them, or those that are named.
pub(crate) async fn run(runner: &mut Runner, names: &[&str]) -> Result<ExitCode> {
    if let Some(name) = names.iter().find(|name| NIGHTS.iter().all(|night| night.name != **name)) {
        let known: Vec<&str> = NIGHTS.iter().map(|night| night.name).collect();
        bail!("no such test: {name}; there are {}", known.join(", "));
    }
    let seed = std::env::var("AFIELD_TEST_SEED").unwrap_or_else(|_| new_seed());
    println!("AFIELD_TEST_SEED={seed}");
    let mut steps = Steps::default();
    let is_wanted = |night: &&Night| names.is_empty() || names.contains(&night.name);
    for night in NIGHTS.iter().filter(is_wanted) {
        let number = std::env::var(night.number).unwrap_or_else(|_| night.usual.to_owned());
        println!("\n{}: {}={number}", night.name, night.number);
        let words =
            ["test", "--workspace", "--test", night.target, "--", "--nocapture", night.tests];
        let environment = [("AFIELD_TEST_SEED", seed.as_str()), (night.number, number.as_str())];
        steps.run(night.name, cargo(runner, &words, &environment)).await;
    }
    Ok(steps.summary())
}

/// Another one each second.
fn new_seed() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().to_string()
}
