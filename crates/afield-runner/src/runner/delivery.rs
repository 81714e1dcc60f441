//! The last way of an attempt: what it left is delivered to its end, then forgotten. Also of those an
//! earlier runner left.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use afield_proto::Timestamp;
use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::runner::{Attempt, KilledProcess, Record};

use super::Inner;
use crate::journal::AttemptLog;
use crate::process::{Kin, sweep};
use crate::sender::{Delivered, Sender};
use crate::work::write_end;

/// Time to deliver the end of an attempt when the runner stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Inner {
    /// An attempt an earlier runner left: nothing of it is started again.
    pub(super) async fn resume(self: Arc<Self>, log: AttemptLog) {
        if !log.on_disk().borrow().finished {
            self.bury(&log).await;
        }
        self.deliver(log).await;
    }

    /// Ends an attempt whose owner is gone: stops what is left of it and says that nobody knows
    /// how far it came.
    pub(super) async fn bury(&self, log: &AttemptLog) {
        let mark = log.attempt.command_id.to_string();
        let kin = tokio::task::spawn_blocking(move || Kin::left_behind(&mark)).await;
        let killed = match kin {
            Ok(kin) => sweep(kin, self.shared.timing.sweep_grace).await.list(),
            Err(_) => Vec::new(),
        };
        self.write_interrupted(log, killed).await;
    }

    pub(super) async fn write_interrupted(&self, log: &AttemptLog, killed: Vec<KilledProcess>) {
        let outcome = Outcome::new(OutcomeKind::Interrupted)
            .with_message("the runner ended while it worked; whether the work was done is unknown");
        let finished = Record::Finished { at: Timestamp::now(), outcome, killed };
        write_end(log, &finished, &self.shared.shutdown).await;
    }

    /// Delivers an attempt to its end, then forgets it.
    pub(super) async fn deliver(self: Arc<Self>, log: AttemptLog) {
        let link = self.link.subscribe();
        let sender = Sender { log: log.clone(), uplink: Arc::clone(&self.uplink), link };
        let delivered = tokio::select! {
            delivered = sender.run() => delivered,
            () = self.last_words(&log) => return,
        };
        if delivered == Delivered::Closed {
            self.stop(log.attempt).await;
        }
        self.forget(&log).await;
    }

    /// Resolves when the runner stops and there was time to deliver the end. What is not delivered
    /// then stays on disk for the next runner.
    async fn last_words(&self, log: &AttemptLog) {
        self.shared.shutdown.cancelled().await;
        let _ = log.on_disk().wait_for(|on_disk| on_disk.finished).await;
        let mut link = self.link.subscribe();
        tokio::select! {
            _ = link.wait_for(|link| !link.up) => {}
            () = tokio::time::sleep(LAST_WORDS) => {}
        }
    }

    /// Forgets an attempt, and begins the one that waits for that.
    async fn forget(self: &Arc<Self>, log: &AttemptLog) {
        let Attempt { command_id, fence, .. } = log.attempt;
        self.fences.lock().unwrap_or_else(PoisonError::into_inner).insert(command_id, fence);
        if let Err(error) = log.forget().await {
            tracing::warn!(%error, "a delivered attempt could not be forgotten");
        }
        let forgotten = self.entries().remove(&command_id);
        if let Some(next) = forgotten.and_then(|entry| entry.next) {
            self.execute(next);
        }
    }
}
