//! Benchmarks, started by `cargo xtask bench`: the product beside the floor of this machine and,
//! with `--peers`, beside other programs, in alternating rounds of one run.
//!
//! Absolute figures change from machine to machine and from hour to hour; the ratio to the floor
//! of the same run does not. Nothing here is asserted by a test.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

mod accept;
mod devices;
mod floors;
mod history;
mod idle;
mod in_store;
mod peers;
mod process;
mod product;
mod queue;
mod relay;
mod report;
mod stream;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

const HELP: &str = "\
usage: cargo xtask bench NAME [--peers] [--rounds N] [--seconds S]

  accept    durable command accepts per second, 1 to 1024 in flight
  queue     full cycles per second, delay to the runner, a million waiting, restart
  relay     messages from one to one and from one to 1,000, per second and in CPU time
  idle      server memory for each of 10,000 idle connections
  stream    output of a child process, in MB/s, to 1 and 10 followers
  devices   1,000 devices: listing, hand-off, throwing out, messages, a storm of reconnects
  history   time until 1,000 messages and 100 projects are read
  all       all of them

  --peers      also measure Redis, PostgreSQL and NATS where they are installed
  --rounds N   alternate N times between the contestants (5)
  --seconds S  measure each for S seconds a round (1)
";

/// On a disk, unlike many a /tmp, and with a short path, which sockets need.
const DISK: &str = "/var/tmp";

/// What every benchmark is told.
#[derive(Debug, Clone, Copy)]
struct Options {
    peers: bool,
    rounds: usize,
    duration: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = tokio::select! {
        done = dispatch(&words) => done,
        // What is dropped stops its programs and takes its files away.
        () = stopped() => Err(anyhow::anyhow!("stopped")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Waits until somebody ends this program.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn dispatch(words: &[&str]) -> Result<()> {
    match words {
        // This program as a child of itself.
        [floors::relay::ROLE] => floors::relay::serve(),
        [floors::pipe::ROLE] => floors::pipe::produce(None),
        [floors::pipe::ROLE, lines] => floors::pipe::produce(Some(lines.parse()?)),
        [] | ["help" | "--help" | "-h", ..] => {
            print!("{HELP}");
            Ok(())
        }
        [name, rest @ ..] => measure(name, options(rest)?).await,
    }
}

async fn measure(name: &str, options: Options) -> Result<()> {
    process::raise_file_limit()?;
    match name {
        "accept" => accept::run(options).await,
        "queue" => queue::run(options).await,
        "relay" => relay::run(options).await,
        "idle" => idle::run(options).await,
        "stream" => stream::run(options).await,
        "history" => history::run(options).await,
        "devices" => devices::run(options).await,
        "all" => {
            accept::run(options).await?;
            queue::run(options).await?;
            relay::run(options).await?;
            idle::run(options).await?;
            stream::run(options).await?;
            history::run(options).await?;
            devices::run(options).await
        }
        _ => bail!("there is no benchmark {name:?}\n\n{HELP}"),
    }
}

fn options(words: &[&str]) -> Result<Options> {
    let mut options = Options { peers: false, rounds: 5, duration: Duration::from_secs(1) };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a number"));
        match *word {
            "--peers" => options.peers = true,
            "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
            "--seconds" => options.duration = Duration::from_secs_f64(value()?.parse()?),
            _ => bail!("there is no option {word}\n\n{HELP}"),
        }
    }
    Ok(options)
}
