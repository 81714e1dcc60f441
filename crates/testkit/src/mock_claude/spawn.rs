//! Processes left behind: sleepers that a runner has to find and end.
//!
//! A sleeper is this same program with a hidden first argument. It ends by itself after a bounded time, so that a
//! failing test leaves nothing for long. Before the session goes on, the sleeper has reported that it is ready: its
//! session, its group and its stubbornness are then in place.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{SigSet, Signal},
    unistd,
};

/// The hidden first argument.
const SLEEPER: &str = "__sleeper";

/// No sleeper lives longer, whatever a script asks for.
const SLEEP_SECS_MAX: u64 = 600;

/// What kind of sleeper to leave behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) secs: u64,
    /// In a session and group of its own, out of reach of a signal to the group of its parent.
    pub(super) setsid: bool,
    /// Deaf to TERM, INT and HUP.
    pub(super) ignore_term: bool,
    /// Holds on to the stdout of its parent.
    pub(super) inherit_stdout: bool,
    /// Its parent exits at once, so that it belongs to nobody.
    pub(super) double_fork: bool,
}

/// Where a sleeper lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sleeper {
    pub(super) pid: i32,
    pub(super) pgid: i32,
}

/// Starts a sleeper and waits until it is ready.
pub(super) fn spawn(order: Order) -> io::Result<Sleeper> {
    let mut child = command(order)?.stderr(Stdio::piped()).spawn()?;
    let mut ready = String::new();
    if let Some(stderr) = child.stderr.take() {
        BufReader::new(stderr).read_line(&mut ready)?;
    }
    if order.double_fork {
        child.wait()?;
    }
    parse_ready(&ready).ok_or_else(|| io::Error::other(format!("the sleeper said {ready:?}")))
}

fn command(order: Order) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(SLEEPER).arg(order.secs.min(SLEEP_SECS_MAX).to_string()).stdin(Stdio::null());
    for (wanted, word) in [
        (order.setsid, "setsid"),
        (order.ignore_term, "ignore_term"),
        (order.double_fork, "double_fork"),
    ] {
        command.args(wanted.then_some(word));
    }
    if !order.inherit_stdout {
        command.stdout(Stdio::null());
    }
    Ok(command)
}

fn parse_ready(line: &str) -> Option<Sleeper> {
    let (pid, pgid) = line.trim_end().split_once(' ')?;
    Some(Sleeper { pid: pid.parse().ok()?, pgid: pgid.parse().ok()? })
}

/// Is a sleeper if the arguments say so; then returns its exit code.
pub(super) fn sleeper(argv: &[String]) -> Option<i32> {
    let (first, words) = argv.split_first()?;
    (first == SLEEPER).then(|| i32::from(sleep(words).is_err()))
}

fn sleep(words: &[String]) -> io::Result<()> {
    let has = |word: &str| words.iter().any(|given| given == word);
    if has("double_fork") {
        let rest = words.iter().filter(|word| *word != "double_fork");
        Command::new(std::env::current_exe()?).arg(SLEEPER).args(rest).spawn()?;
        return Ok(());
    }
    if has("setsid") {
        unistd::setsid()?;
    }
    // A child inherits the signals its parent has blocked, and the mock blocks those it waits for.
    SigSet::empty().thread_set_mask()?;
    if has("ignore_term") {
        SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]).thread_block()?;
    }
    let secs = words.first().and_then(|secs| secs.parse().ok()).unwrap_or(0);
    writeln!(io::stderr(), "{} {}", std::process::id(), unistd::getpgrp())?;
    thread::sleep(Duration::from_secs(secs));
    Ok(())
}
