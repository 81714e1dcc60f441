//! How much of what agents say is kept while the server does not take it.
//!
//! Pure decisions over one number, the bytes on disk. Results, questions and everything else that
//! is no message are always kept.

use std::sync::atomic::{AtomicU64, Ordering};

use afield_proto::agent::MessageKind;
use afield_proto::runner::Record;

/// The bytes on disk, and the limit.
#[derive(Debug)]
pub(super) struct Spool {
    bytes: AtomicU64,
    bytes_max: u64,
}

impl Spool {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes: AtomicU64::new(0), bytes_max }
    }

    /// Tells how many bytes all attempts have on disk.
    pub(super) fn set(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether a record may be kept now.
    pub(super) fn keeps(&self, record: &Record) -> bool {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let limit = self.bytes_max;
        match weight_of(record) {
            Weight::Vital => true,
            Weight::Words => bytes < limit,
            Weight::Detail => bytes < limit / 10 * 9,
            Weight::Noise => bytes < limit / 10 * 8,
        }
    }
}

/// A record as it goes to the disk, with what has to be known if the disk does not take it.
#[derive(Debug)]
pub(super) struct Spooled {
    /// The record.
    pub(super) json: Vec<u8>,
    /// How many messages are missing without it.
    pub(super) messages: u64,
    /// It is always kept.
    pub(super) vital: bool,
}

impl Spooled {
    /// **Errors**: the record is no JSON.
    pub(super) fn new(record: &Record) -> serde_json::Result<Self> {
        let vital = matches!(weight_of(record), Weight::Vital);
        Ok(Self { json: record.to_json()?, messages: messages(record), vital })
    }
}

/// How many messages a record holds.
pub(super) fn messages(record: &Record) -> u64 {
    match record {
        Record::Output { lines, .. } => lines.len() as u64,
        _ => 1,
    }
}

fn weight_of(record: &Record) -> Weight {
    match record {
        Record::Message(message) => weight(message.kind),
        Record::Output { stream, .. } => weight(stream.kind()),
        _ => Weight::Vital,
    }
}

/// How much a message matters to somebody who reads the conversation later.
enum Weight {
    Vital,
    Words,
    Detail,
    Noise,
}

fn weight(kind: MessageKind) -> Weight {
    match kind {
        MessageKind::Result | MessageKind::Warning => Weight::Vital,
        MessageKind::Prompt | MessageKind::Text | MessageKind::ToolUse => Weight::Words,
        MessageKind::ToolResult | MessageKind::Stdout | MessageKind::Stderr => Weight::Detail,
        MessageKind::Thinking
        | MessageKind::Partial
        | MessageKind::Progress
        | MessageKind::Init
        | MessageKind::System
        | MessageKind::Unknown => Weight::Noise,
    }
}
