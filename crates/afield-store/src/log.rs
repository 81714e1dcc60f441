//! The log: numbered events per topic, live rows and compressed segments behind one reading.
//!
//! Operations add to it with [`crate::tx::Tx::tell`]; readers never see where an event lies.
//! Nothing here deletes an event that is not safely in a segment.

pub(crate) mod append;
pub(crate) mod damage;
pub(crate) mod read;
pub(crate) mod rotate;
pub(crate) mod row;
pub(crate) mod segment;

use std::sync::Arc;

use afield_proto::{ProjectId, Timestamp, Topic};

/// What a topic has outside of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLog {
    /// Which.
    pub topic: Topic,
    /// How many events.
    pub events: u64,
    /// Bytes of their texts.
    pub bytes: u64,
}

/// Consecutive events of a topic as they were committed: one row of the log.
#[derive(Debug, Clone)]
pub struct CommittedEvents {
    /// Their topic.
    pub topic: Topic,
    /// Number of the first.
    pub first_seq: u64,
    /// Number of the last.
    pub last_seq: u64,
    /// When they were written.
    pub at: Timestamp,
    /// Their stored forms, made by [`afield_proto::wire::fact_body`], one per line.
    pub body: Arc<str>,
}

impl CommittedEvents {
    /// How many.
    pub fn count(&self) -> u64 {
        self.last_seq + 1 - self.first_seq
    }

    /// Each by itself, as it is read back.
    pub fn events(&self) -> impl Iterator<Item = StoredEvent> {
        row::split(self.first_seq, self.at, &self.body)
    }
}

/// An event as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number in the topic.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Its stored form.
    pub body: Arc<str>,
    /// The project it is about.
    pub project_id: Option<ProjectId>,
}

/// Where a topic stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of its last event; 0 when there is none.
    pub last: u64,
    /// The number of the first event that is still there; 1 more than `last` when there is none.
    pub first_available: u64,
}

/// Events of a topic in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventPage {
    /// The events, oldest first.
    pub events: Vec<StoredEvent>,
    /// Parts of the range that can't be read, as first and last number.
    pub gaps: Vec<(u64, u64)>,
    /// Everything up to this number is in `events` or `gaps`; ask on from here.
    pub through: u64,
    /// Whether there is more after `through`.
    pub more: bool,
}

/// A segment that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its topic.
    pub topic: Topic,
    /// Number of its first event.
    pub first_seq: u64,
    /// Number of its last event.
    pub last_seq: u64,
    /// How many events are in it.
    pub events: u64,
    /// Its size before compression.
    pub raw_bytes: u64,
    /// Its size on disk.
    pub bytes: u64,
}
