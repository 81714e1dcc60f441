//! Lines typed at the terminal, or piped in, while something else goes on.

use std::io::{BufRead as _, IsTerminal as _};
use std::os::fd::AsFd;

use nix::sys::termios::{FlushArg, tcflush};
use tokio::sync::mpsc;

/// Lines that wait to be taken: people type slowly, pipes wait.
const LINES: usize = 16;

/// Reads standard input line by line in a thread of its own, because a read of a terminal can't
/// be given up. The channel ends with the input.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES);
    let read = move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    };
    // Without the thread the channel is closed, as at the end of the input.
    let _ = std::thread::Builder::new().name("typed-lines".to_owned()).spawn(read);
    receiver
}

/// Forgets what was typed before a question was there to be read, so that it does not answer it.
/// What is piped in was meant, and stays.
pub(super) fn forget_waiting() {
    let input = std::io::stdin();
    if input.is_terminal() {
        forget(&input);
    }
}

/// Whether a line answers `[y/N]` with yes.
pub(super) fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

fn forget(terminal: &impl AsFd) {
    if let Err(error) = tcflush(terminal, FlushArg::TCIFLUSH) {
        tracing::warn!("what was typed too early can't be forgotten: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Write as _};

    #[test]
    fn only_a_yes_is_one() {
        assert!(is_yes(" Y\n") && is_yes("yes"));
        assert!(!is_yes("") && !is_yes("n") && !is_yes("yep"));
    }

    #[test]
    fn what_was_typed_too_early_is_forgotten() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let (mut hand, terminal) =
            (std::fs::File::from(pty.master), std::fs::File::from(pty.slave));
        hand.write_all(b"too early\nand unfinished").unwrap();
        forget(&terminal);
        hand.write_all(b"n\n").unwrap();
        let mut line = String::new();
        BufReader::new(terminal).read_line(&mut line).unwrap();
        assert_eq!(line, "n\n");
    }
}
