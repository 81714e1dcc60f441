//! `cargo xtask test`: every check and every test, each with its time, and a summary.
//!
//! What `make test` and continuous integration run. A failing check does not stop the others: one
//! run names everything that is wrong.

use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::services::Services;

use crate::child::Runner;
use crate::generate;
use crate::steps::{Steps, cargo};

/// Runs everything. The exit code says whether all of it passed.
pub(crate) async fn run(runner: &mut Runner) -> Result<ExitCode> {
    let mut steps = Steps::default();
    for (name, arguments, environment) in CHECKS {
        steps.run(name, cargo(runner, arguments, environment)).await;
    }
    steps.run("generated files", async { generate::check() }).await;
    let build = cargo(runner, &["test", "--workspace", "--no-run"], &[]);
    if steps.run("build tests", build).await {
        steps.run("tests", tests(runner)).await;
    }
    Ok(steps.summary())
}

type Check = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const CHECKS: [Check; 3] = [
    ("format", &["fmt", "--all", "--", "--check"], &[]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]),
    ("documentation", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]),
];

async fn tests(runner: &mut Runner) -> Result<()> {
    if runner.interrupted() {
        bail!("not run");
    }
    let services = Services::start().await?;
    let environment = services.environment();
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    cargo(runner, &["test", "--workspace", "--no-fail-fast"], &environment).await
}
