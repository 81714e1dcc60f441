//! `cargo xtask test`: every check and every test, each with its time, and a summary.
//!
//! What `make test` and continuous integration run. A failing check does not stop the others: one
//! run names everything that is wrong.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::process::Command;
use xtask::services::Services;

use crate::child::{Reach, Runner};
use crate::generate;

struct Step {
    name: &'static str,
    result: Result<()>,
    took: Duration,
}

/// Runs everything. The exit code says whether all of it passed.
pub(crate) async fn run(runner: &mut Runner) -> Result<ExitCode> {
    let mut steps = Vec::new();
    for (name, arguments, environment) in CHECKS {
        steps.push(timed(name, cargo(runner, arguments, environment)).await);
    }
    steps.push(timed("generated files", async { generate::check() }).await);
    steps
        .push(timed("build tests", cargo(runner, &["test", "--workspace", "--no-run"], &[])).await);
    if steps.last().is_some_and(|step| step.result.is_ok()) {
        steps.push(timed("tests", tests(runner)).await);
    }
    Ok(summary(&steps))
}

type Check = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const CHECKS: [Check; 3] = [
    ("format", &["fmt", "--all", "--", "--check"], &[]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]),
    ("documentation", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]),
];

async fn timed(name: &'static str, work: impl Future<Output = Result<()>>) -> Step {
    println!("\n==> {name}");
    let started = Instant::now();
    let result = work.await;
    if let Err(error) = &result {
        eprintln!("{name}: {error:#}");
    }
    Step { name, result, took: started.elapsed() }
}

async fn cargo(
    runner: &mut Runner,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<()> {
    if runner.interrupted() {
        bail!("not run");
    }
    let mut command = Command::new("cargo");
    command.args(arguments).envs(environment.iter().copied());
    let status = runner.run(command, Reach::Group).await?;
    if !status.success() {
        bail!("cargo {} failed ({status})", arguments.join(" "));
    }
    Ok(())
}

async fn tests(runner: &mut Runner) -> Result<()> {
    if runner.interrupted() {
        bail!("not run");
    }
    let services = Services::start().await?;
    let environment = services.environment();
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    cargo(runner, &["test", "--workspace", "--no-fail-fast"], &environment).await
}

fn summary(steps: &[Step]) -> ExitCode {
    println!("\n==> summary");
    for step in steps {
        let verdict = if step.result.is_ok() { "ok" } else { "FAILED" };
        println!("{:<16} {:>7.1} s  {verdict}", step.name, step.took.as_secs_f64());
    }
    let total: Duration = steps.iter().map(|step| step.took).sum();
    println!("{:<16} {:>7.1} s", "in all", total.as_secs_f64());
    let passed = steps.iter().all(|step| step.result.is_ok());
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
