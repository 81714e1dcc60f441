//! Developer commands, called as `cargo xtask …` (alias in `.cargo/config.toml`) and by the Makefile.
//!
//! Knows of the product only its words (`afield-proto`), so that it runs while the rest does not
//! compile. Nothing here is part of what is shipped.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

mod bench;
mod checks;
mod child;
mod generate;
mod nightly;
mod steps;

use std::process::ExitCode;

use anyhow::{Result, bail};
use tokio::process::Command;
use xtask::services::Services;

use crate::child::{Reach, Runner};

const HELP: &str = "\
usage: cargo xtask COMMAND

  test                     every check and every test, with private services
  nightly [NAME...]        the tests under faults for as long as a night, or some of them
  services -- CMD ARG...   run a command with private PostgreSQL and Redis
                           (AFIELD_TEST_PG and AFIELD_TEST_REDIS say where they are)
  generate [--check]       write the files made from the code, or only compare them
  bench NAME [ARG...]      measure against the floor of this machine (bench help lists the names)
  help                     this text
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    enter_root()?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test"] => checks::run(&mut Runner::new()?).await,
        ["nightly", names @ ..] => nightly::run(&mut Runner::new()?, names).await,
        ["services", "--", command @ ..] if !command.is_empty() => {
            around_services(&mut Runner::new()?, command).await
        }
        ["generate"] => generate::write().map(|()| ExitCode::SUCCESS),
        ["generate", "--check"] => generate::check().map(|()| ExitCode::SUCCESS),
        ["bench", rest @ ..] => bench::run(&mut Runner::new()?, rest).await,
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("no such command: {}\n\n{HELP}", words.join(" ")),
    }
}

/// Runs a command of the caller's between start and stop, and ends with its exit code.
async fn around_services(runner: &mut Runner, command: &[&str]) -> Result<ExitCode> {
    let services = Services::start().await?;
    let mut program = Command::new(command[0]);
    program.args(&command[1..]).envs(services.environment());
    let status = runner.run(program, Reach::Program).await?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// All commands work in the root of the repository, wherever they are called.
fn enter_root() -> Result<()> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Ok(std::env::set_current_dir(root)?)
}
