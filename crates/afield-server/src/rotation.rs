//! When a topic's log is moved into segments: once enough was written to it. What was written is counted as it
//! is published, so that no log is looked through to find out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use afield_proto::{Timestamp, Topic};
use afield_store::CommittedEvents;

use crate::core::Core;
use crate::options::Limits;

/// What lies outside of segments, as far as this process knows.
#[derive(Default)]
pub(crate) struct Rotation {
    live: Mutex<HashMap<Topic, Live>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Live {
    events: u64,
    bytes: u64,
}

impl Live {
    fn is_due(self, limits: &Limits) -> bool {
        self.events > limits.segment_messages || self.bytes > limits.segment_bytes
    }
}

impl Rotation {
    /// Events were written.
    pub(crate) fn note(&self, events: &CommittedEvents) {
        self.add(events.topic, events.count(), events.body.len() as u64);
    }

    fn add(&self, topic: Topic, events: u64, bytes: u64) {
        let mut live = self.live();
        let live = live.entry(topic).or_default();
        live.events += events;
        live.bytes += bytes;
    }

    /// Takes out the topics past a limit.
    fn take_due(&self, limits: &Limits) -> Vec<(Topic, Live)> {
        self.live().extract_if(|_, live| live.is_due(limits)).collect()
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Topic, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Learns what earlier processes left outside of segments. What was written meanwhile counts twice, which
/// rotates it a little earlier.
///
/// **Errors**: those of the store.
pub(crate) async fn begin(core: &Core) -> Result<(), afield_store::Error> {
    for left in core.store.live_logs().await? {
        core.rotation.add(left.topic, left.events, left.bytes);
    }
    Ok(())
}

/// Rotates what is due.
pub(crate) async fn rotate(core: &Core) {
    for (topic, live) in core.rotation.take_due(core.limits()) {
        match core.store.rotate(topic, Timestamp::now()).await {
            Ok(made) => {
                metrics::counter!("afield_logs_rotated_total").increment(1);
                tracing::info!(%topic, segments = made.len(), "rotated a log");
            }
            Err(error) => {
                tracing::error!(%topic, %error, "can't rotate a log");
                core.rotation.add(topic, live.events, live.bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use afield_proto::ProjectId;

    use super::*;

    #[test]
    fn what_passes_a_limit_is_taken_once() {
        let rotation = Rotation::default();
        let limits = Limits { segment_messages: 10, segment_bytes: 4000, ..Limits::default() };
        let [many, large, small] = [(); 3].map(|()| Topic::Project(ProjectId::generate()));
        for _ in 0..11 {
            rotation.add(many, 1, 1);
        }
        rotation.add(large, 1, 4001);
        rotation.add(small, 10, 4000);
        let mut due: Vec<_> = rotation.take_due(&limits).into_iter().map(|(due, _)| due).collect();
        due.sort_unstable();
        let mut expected = [many, large];
        expected.sort_unstable();
        assert_eq!(due, expected);
        assert!(rotation.take_due(&limits).is_empty());
        rotation.add(small, 1, 0);
        assert_eq!(rotation.take_due(&limits).len(), 1);
    }
}
