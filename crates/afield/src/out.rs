//! Standard output and standard error: colours only on terminals, quiet when nobody reads.

use std::io::Write as _;

use clap::ValueEnum;
use serde::Serialize;

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

/// Writes text to standard output as it is, at once.
pub(crate) fn text(text: &str) {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    leave_when_unread(written);
}

/// Writes a line to standard output.
pub(crate) fn line(line: impl std::fmt::Display) {
    text(&format!("{line}\n"));
}

/// Writes one line of JSON to standard output.
pub(crate) fn json(value: &impl Serialize) {
    let json = serde_json::to_string(value).expect("Afield's own types always serialise");
    line(json);
}

/// Writes text to standard error as it is, at once.
pub(crate) fn error_text(text: &str) {
    let mut out = anstream::stderr().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    leave_when_unread(written);
}

/// Writes a line to standard error.
pub(crate) fn error_line(line: impl std::fmt::Display) {
    error_text(&format!("{line}\n"));
}

/// `afield history | head` ends without complaint.
fn leave_when_unread(written: std::io::Result<()>) {
    if written.is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}
