//! Attempts of which nothing was written here: an order that was refused, and one that was stopped while the
//! disk did not take its start. Their end is told from memory.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use afield_proto::Timestamp;
use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::runner::{Attempt, Record, RunnerRecords};
use serde_json::value::{RawValue, to_raw_value};

use super::{Inner, Killed};
use crate::link::Link;
use crate::uplink::AskError;

/// How a command ends whose order has a fence of the past.
const GIVEN_BEFORE: &str = "the runner was given this command before, by this server, which was put back to an \
    earlier state since; the outcome is unknown";
/// How a command ends that was stopped while the disk did not take its start.
const NEVER_BEGAN: &str =
    "stopped on request before it began: the runner's disk refused to take its start";
/// Wait before the server is told again.
const AGAIN: Duration = Duration::from_secs(1);

impl Inner {
    /// Tells the server that an order was refused. It sends the order again over its next connection if that
    /// is not heard.
    pub(super) fn refuse(self: &Arc<Self>, attempt: Attempt, seen: u64) {
        tracing::warn!(command = %attempt.command_id, "an order with an old fence was refused");
        let outcome = Outcome::new(OutcomeKind::Interrupted).with_message(GIVEN_BEFORE);
        let refused = RunnerRecords { fence_seen: Some(seen), ..ended(attempt, outcome) };
        let uplink = Arc::clone(&self.uplink);
        self.tasks.spawn(async move {
            if let Err(error) = uplink.ask("runner_records", raw(&refused)).await {
                tracing::warn!(command = %attempt.command_id, %error, "the server was not told of a refusal");
            }
        });
    }

    /// Ends an attempt of which nothing was written. The server is told so when it was stopped; otherwise it
    /// sends the order again.
    pub(super) async fn never_began(self: &Arc<Self>, attempt: Attempt, stop: Vec<Killed>) {
        let Attempt { command_id, fence, .. } = attempt;
        let told = !stop.is_empty()
            && tokio::select! {
                () = self.tell_stopped(attempt) => true,
                () = self.shared.shutdown.cancelled() => false,
            };
        if told {
            self.fences.lock().unwrap_or_else(PoisonError::into_inner).insert(command_id, fence);
        }
        let entry = self.entries().remove(&command_id);
        for done in stop {
            let _ = done.send(Vec::new());
        }
        if let Some(next) = entry.and_then(|entry| entry.next).filter(|_| told) {
            self.execute(next);
        }
    }

    /// Tells, until it is heard, that an attempt ended without having begun.
    async fn tell_stopped(&self, attempt: Attempt) {
        let outcome = Outcome::new(OutcomeKind::Killed).with_message(NEVER_BEGAN);
        let data = raw(&ended(attempt, outcome));
        let mut link = self.link.subscribe();
        loop {
            let generation = link.borrow_and_update().generation;
            match self.uplink.ask("runner_records", data.clone()).await {
                Ok(_) => return,
                Err(AskError::Refused(error)) if error.code.retryable() => {
                    tokio::time::sleep(AGAIN).await;
                }
                Err(AskError::Refused(error)) => {
                    return tracing::warn!(%error, "the server takes no end of what never began");
                }
                Err(AskError::Disconnected) => {
                    let back = |link: &Link| link.up && link.generation != generation;
                    let _ = link.wait_for(back).await;
                }
            }
        }
    }
}

/// The end of an attempt as its only record.
fn ended(attempt: Attempt, outcome: Outcome) -> RunnerRecords {
    let finished = Record::Finished { at: Timestamp::now(), outcome, killed: Vec::new() };
    RunnerRecords::new(attempt, 1, vec![finished])
}

fn raw(records: &RunnerRecords) -> Box<RawValue> {
    to_raw_value(records).expect("a record made here is JSON")
}
