//! `cargo xtask test`: every check and every test, each with its time, and a summary.
//!
//! What `make test` and continuous integration run. A failing check does not stop the others: one
//! run names everything that is wrong.

use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::{Result, bail};
use xtask::services::Services;

use crate::child::Runner;
use crate::generate;
use crate::steps::{Steps, cargo, npm};

/// Most of a test is waiting: for a disk, for a process, for a time.
const THREADS_PER_CORE: usize = 3;

/// Runs everything. The exit code says whether all of it passed.
pub(crate) async fn run(runner: &mut Runner) -> Result<ExitCode> {
    let mut steps = Steps::default();
    for (name, arguments, environment) in CHECKS {
        steps.run(name, cargo(runner, arguments, environment)).await;
    }
    steps.run("generated files", async { generate::check() }).await;
    let web_built = web(runner, &mut steps).await;
    let build = cargo(runner, &["test", "--workspace", "--no-run"], &[]);
    if steps.run("build tests", build).await {
        steps.run("tests", tests(runner)).await;
        if web_built {
            steps.run("web in a browser", in_a_browser(runner)).await;
        }
    }
    Ok(steps.summary())
}

type Check = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const CHECKS: [Check; 3] = [
    ("format", &["fmt", "--all", "--", "--check"], &[]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]),
    ("documentation", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]),
];

const WEB: [(&str, &[&str]); 3] =
    [("web check", &["run", "check"]), ("web tests", &["test"]), ("web build", &["run", "build"])];

/// Checks, tests and builds the web app. Whether it was built.
async fn web(runner: &mut Runner, steps: &mut Steps) -> bool {
    let mut passed = steps.run("web packages", npm(runner, &["ci"], &[])).await;
    if passed {
        for (name, arguments) in WEB {
            passed = steps.run(name, npm(runner, arguments, &[])).await;
        }
    }
    passed
}

/// The web app in Chromium, with the binary the tests were built with and the stand-in for Claude beside it.
async fn in_a_browser(runner: &mut Runner) -> Result<()> {
    cargo(runner, &["build", "--package", "afield", "--package", "testkit"], &[]).await?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let binary = std::path::absolute(std::path::Path::new(&target).join("debug/afield"))?;
    let binary = binary.to_string_lossy();
    npm(runner, &["run", "e2e"], &[("AFIELD_BIN", &binary)]).await
}

async fn tests(runner: &mut Runner) -> Result<()> {
    if runner.interrupted() {
        bail!("not run");
    }
    let services = Services::start().await?;
    let environment = services.environment();
    let threads = (available_parallelism()?.get() * THREADS_PER_CORE).to_string();
    let mut environment: Vec<_> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.push(("RUST_TEST_THREADS", &threads));
    cargo(runner, &["test", "--workspace", "--no-fail-fast"], &environment).await
}
