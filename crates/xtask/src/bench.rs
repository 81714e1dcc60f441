//! `cargo xtask bench`: builds the release binaries and hands over to the benchmark program.
//!
//! The measuring itself lives in crate `afield-bench`, which may use the product; this crate may not.

use std::process::ExitCode;

use anyhow::Result;
use tokio::process::Command;

use crate::child::{Reach, Runner};

/// Builds what is measured and what measures, then runs it with the caller's arguments.
pub(crate) async fn run(runner: &mut Runner, arguments: &[&str]) -> Result<ExitCode> {
    let build = ["build", "--release", "--package", "afield", "--package", "afield-bench"];
    let mut cargo = Command::new("cargo");
    cargo.args(build).args(["--target-dir", "target"]);
    let built = runner.run(cargo, Reach::Group).await?;
    if !built.success() {
        return Ok(ExitCode::FAILURE);
    }
    let mut bench = Command::new("target/release/afield-bench");
    bench.args(arguments);
    let measured = runner.run(bench, Reach::Program).await?;
    Ok(if measured.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
