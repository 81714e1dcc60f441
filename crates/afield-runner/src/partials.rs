//! Partials: relayed while they are fresh, gathered for a moment, and dropped when nobody is there.
//!
//! One task per attempt. Nothing here is stored, and nothing ever waits for it.

use std::sync::Arc;
use std::time::Duration;

use afield_proto::agent::AgentMessage;
use afield_proto::runner::{Attempt, RunnerPartial};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::link::Link;
use crate::uplink::Uplink;

/// How long partials are gathered: less than a person notices, enough to save frames.
const GATHER: Duration = Duration::from_millis(15);
/// Bytes after which they are sent at once.
const GATHER_BYTES: usize = 64 * 1024;
/// Partials that may wait to be gathered.
const WAITING_MAX: usize = 8192;

/// What is handed to the relay.
enum Piece {
    Message(AgentMessage),
    Flush,
}

/// Where an attempt puts its partials. The relay ends when it is dropped.
pub(crate) struct Partials(mpsc::Sender<Piece>);

impl Partials {
    /// Relays a message, if there is room.
    pub(crate) fn relay(&self, message: AgentMessage) {
        let _ = self.0.try_send(Piece::Message(message));
    }

    /// Sends what is gathered now: the final words follow.
    pub(crate) fn flush(&self) {
        let _ = self.0.try_send(Piece::Flush);
    }
}

/// Starts the relay of an attempt.
pub(crate) fn start(
    attempt: Attempt,
    uplink: Arc<dyn Uplink>,
    link: watch::Receiver<Link>,
) -> (Partials, tokio::task::JoinHandle<()>) {
    let (sender, pieces) = mpsc::channel(WAITING_MAX);
    let relay = Relay { attempt, uplink, link, gathered: Vec::new(), bytes: 0 };
    (Partials(sender), tokio::spawn(relay.run(pieces)))
}

struct Relay {
    attempt: Attempt,
    uplink: Arc<dyn Uplink>,
    link: watch::Receiver<Link>,
    gathered: Vec<AgentMessage>,
    bytes: usize,
}

impl Relay {
    async fn run(mut self, mut pieces: mpsc::Receiver<Piece>) {
        let mut due = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(due), if !self.gathered.is_empty() => self.send(),
                piece = pieces.recv() => match piece {
                    Some(Piece::Message(message)) => {
                        if self.gathered.is_empty() {
                            due = Instant::now() + GATHER;
                        }
                        self.gather(message);
                    }
                    Some(Piece::Flush) => self.send(),
                    None => return self.send(),
                },
            }
        }
    }

    fn gather(&mut self, message: AgentMessage) {
        self.bytes += message.message.get().len();
        self.gathered.push(message);
        if self.bytes >= GATHER_BYTES {
            self.send();
        }
    }

    fn send(&mut self) {
        let messages = std::mem::take(&mut self.gathered);
        self.bytes = 0;
        if messages.is_empty() || !self.link.borrow().up {
            return;
        }
        let partial = RunnerPartial { attempt: self.attempt, messages };
        if let Ok(data) = serde_json::value::to_raw_value(&partial) {
            self.uplink.notice("runner_partial", data);
        }
    }
}
