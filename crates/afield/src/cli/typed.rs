//! Lines typed at the terminal, or piped in, while something else goes on.

use std::io::BufRead as _;

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
