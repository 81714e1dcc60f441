//! Standard output and standard error: colours only on terminals. What is said beside the result goes
//! to standard error, and is left out when it can't be written there.

use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use clap::ValueEnum;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Color {
    /// On terminals.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes it so, for everything written from now on.
    pub(crate) fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// What follows when standard output can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Unwritten {
    /// `afield history | head` ends without complaint; anything but a reader who left is an error.
    Leave,
    /// The same, but nobody's leaving ends what goes on: it is only remembered.
    Follow,
    /// It is left out.
    GoOn,
}

static UNWRITTEN: AtomicU8 = AtomicU8::new(Unwritten::Leave as u8);
static UNREAD: AtomicBool = AtomicBool::new(false);

impl Unwritten {
    /// Makes it so, for everything written from now on.
    pub(crate) fn apply(self) {
        UNWRITTEN.store(self as u8, Ordering::Relaxed);
    }

    fn is_applied(self) -> bool {
        UNWRITTEN.load(Ordering::Relaxed) == self as u8
    }
}

/// Whether the reader of standard output has left, as far as it was noticed.
pub(crate) fn is_unread() -> bool {
    UNREAD.load(Ordering::Relaxed)
}

/// Writes text to standard output as it is, at once.
pub(crate) fn text(text: &str) {
    let Err(error) = write(text) else { return };
    let unread = error.kind() == ErrorKind::BrokenPipe;
    if unread {
        UNREAD.store(true, Ordering::Relaxed);
    }
    if Unwritten::GoOn.is_applied() || (unread && Unwritten::Follow.is_applied()) {
        return;
    }
    if unread {
        std::process::exit(Exit::Done as i32);
    }
    let failure = unwritten(&error);
    error_line(failure.lines());
    std::process::exit(failure.exit() as i32);
}

/// Writes a line to standard output.
pub(crate) fn line(line: impl std::fmt::Display) {
    text(&format!("{line}\n"));
}

/// Writes one line of JSON to standard output.
pub(crate) fn json(value: &impl Serialize) {
    line(json_line(value));
}

/// Writes a line that nobody can have a second time: a reader who left before it came is an error.
pub(crate) fn line_once(line: impl std::fmt::Display) -> Result<(), Failure> {
    write(&format!("{line}\n")).map_err(|error| unwritten(&error))
}

/// The same for JSON.
pub(crate) fn json_once(value: &impl Serialize) -> Result<(), Failure> {
    line_once(json_line(value))
}

fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("Afield's own types always serialise")
}

fn write(text: &str) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("can't write to standard output: {error}"))
}

/// Writes text to standard error as it is, at once.
pub(crate) fn error_text(text: &str) {
    let mut out = anstream::stderr().lock();
    // What happened is told by the exit code as well.
    let _unheard = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a line to standard error.
pub(crate) fn error_line(line: impl std::fmt::Display) {
    error_text(&format!("{line}\n"));
}
