//! A terminal with a progress line at the bottom: it vanishes before anything else is written.
//!
//! Text goes to standard output, the progress line to standard error, and only where both are
//! terminals: a pipe receives the text alone.

use std::io::IsTerminal as _;
use std::time::Instant;

use owo_colors::OwoColorize as _;

use crate::{out, words};

const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// The screen of one command.
#[derive(Debug)]
pub(crate) struct Screen {
    started: Instant,
    lively: bool,
    shown: bool,
    mid_line: bool,
    frame: usize,
    doing: String,
}

impl Screen {
    /// A screen for this process; `quiet` shows no progress line.
    pub(crate) fn new(quiet: bool) -> Self {
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        Self {
            started: Instant::now(),
            lively: terminal && !quiet,
            shown: false,
            mid_line: false,
            frame: 0,
            doing: String::new(),
        }
    }

    /// Writes text.
    pub(crate) fn write(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.hide();
        out::text(text);
        self.mid_line = !text.ends_with('\n');
    }

    /// Writes a line to standard error, for people.
    pub(crate) fn note(&mut self, line: &str) {
        self.hide();
        if self.mid_line {
            out::text("\n");
            self.mid_line = false;
        }
        out::error_line(line);
    }

    /// What is being done, for the progress line.
    pub(crate) fn doing(&mut self, what: &str) {
        what.clone_into(&mut self.doing);
    }

    /// Draws the progress line anew.
    pub(crate) fn tick(&mut self) {
        if !self.lively || self.mid_line {
            return;
        }
        self.frame = (self.frame + 1) % FRAMES.len();
        let line = progress(FRAMES[self.frame], self.started.elapsed(), &self.doing);
        out::error_text(&format!("\r\u{1b}[2K{}", line.dimmed()));
        self.shown = true;
    }

    /// Takes the progress line away.
    pub(crate) fn hide(&mut self) {
        if std::mem::take(&mut self.shown) {
            out::error_text("\r\u{1b}[2K");
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.hide();
    }
}

fn progress(frame: char, elapsed: std::time::Duration, doing: &str) -> String {
    let elapsed = words::duration(std::time::Duration::from_secs(elapsed.as_secs()));
    words::one_line(&format!("{frame} {elapsed} · {doing}"), 78)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_progress_line_fits() {
        let line = progress('⠋', Duration::from_millis(12_345), "Bash");
        assert_eq!(line, "⠋ 12 s · Bash");
        assert!(progress('⠋', Duration::ZERO, &"x".repeat(200)).chars().count() <= 78);
    }
}
