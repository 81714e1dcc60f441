//! What a command waits for is worth a line only when it waits for longer than a moment.

use std::time::Duration;

use afield_proto::command::Command;
use tokio::time::Instant;

use crate::transcript::waiting;

/// Every command waits for its runner for a few milliseconds.
const MOMENT: Duration = Duration::from_millis(1500);

/// The wait of one command.
#[derive(Debug, Default)]
pub(crate) struct Patience(Option<(Instant, String)>);

impl Patience {
    /// The command is in another state, or waits for something else.
    pub(crate) fn changed(&mut self, command: &Command) {
        match (waiting(command), &mut self.0) {
            (Some(what), Some((_, known))) => *known = what,
            (Some(what), None) => self.0 = Some((Instant::now() + MOMENT, what)),
            (None, _) => self.0 = None,
        }
    }

    /// Resolves with what is waited for when it has taken too long; once per wait.
    ///
    /// **Cancel safety**: nothing is lost.
    pub(crate) async fn ends(&mut self) -> String {
        match &self.0 {
            Some((at, _)) => tokio::time::sleep_until(*at).await,
            None => std::future::pending().await,
        }
        self.0.take().map(|(_, what)| what).unwrap_or_default()
    }
}
