//! Steps of a long command: each named before it runs, with its time and its verdict afterwards,
//! and a summary of all. A failing step does not stop the others.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::process::Command;

use crate::child::{Reach, Runner};

/// One that was run.
struct Step {
    name: &'static str,
    result: Result<()>,
    took: Duration,
}

/// All that were run.
#[derive(Default)]
pub(crate) struct Steps(Vec<Step>);

impl Steps {
    /// Runs one. Whether it passed.
    pub(crate) async fn run(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<()>>,
    ) -> bool {
        println!("\n==> {name}");
        let started = Instant::now();
        let result = work.await;
        if let Err(error) = &result {
            eprintln!("{name}: {error:#}");
        }
        self.0.push(Step { name, result, took: started.elapsed() });
        self.0.last().is_some_and(|step| step.result.is_ok())
    }

    /// Prints what became of each. The exit code says whether all of them passed.
    pub(crate) fn summary(&self) -> ExitCode {
        println!("\n==> summary");
        for step in &self.0 {
            let verdict = if step.result.is_ok() { "ok" } else { "FAILED" };
            println!("{:<18} {:>7.1} s  {verdict}", step.name, step.took.as_secs_f64());
        }
        let total: Duration = self.0.iter().map(|step| step.took).sum();
        println!("{:<18} {:>7.1} s", "in all", total.as_secs_f64());
        let passed = self.0.iter().all(|step| step.result.is_ok());
        if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs cargo.
///
/// **Errors**: it failed, or somebody interrupted this or an earlier step.
pub(crate) async fn cargo(
    runner: &mut Runner,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(arguments).envs(environment.iter().copied());
    passes(runner, command, &format!("cargo {}", arguments.join(" "))).await
}

/// Runs npm in the folder of the web app.
///
/// **Errors**: as [`cargo`].
pub(crate) async fn npm(
    runner: &mut Runner,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<()> {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir("web").envs(environment.iter().copied());
    passes(runner, command, &format!("npm {}", arguments.join(" "))).await
}

async fn passes(runner: &mut Runner, command: Command, words: &str) -> Result<()> {
    if runner.interrupted() {
        bail!("not run");
    }
    let status = runner.run(command, Reach::Group).await?;
    if !status.success() {
        bail!("{words} failed ({status})");
    }
    Ok(())
}
