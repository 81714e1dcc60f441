//! What the disk did not take, or took and did not sync: counted, or kept in memory where it must not be lost.
//!
//! Pure. The writer puts a gap into the log before anything that comes later, so that nobody reads
//! on behind a hole without being told of it. A gap that the runner does not live to write belongs
//! to an attempt without an end, which is `interrupted`.

use afield_proto::Timestamp;
use afield_proto::agent::MessageFlags;

use super::spool::Spooled;
use crate::agents::{Stamp, warning};

/// Bytes of one attempt that are kept in memory while the disk takes nothing: one of the longest
/// records, or thousands of questions and results. What comes behind them is counted.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Records the disk refused, one behind the other.
#[derive(Debug)]
pub(super) struct Gap {
    since: Timestamp,
    left_out: u64,
    kept: Vec<Vec<u8>>,
    kept_bytes: usize,
}

impl Gap {
    /// An empty one.
    pub(super) fn since(since: Timestamp) -> Self {
        Self { since, left_out: 0, kept: Vec::new(), kept_bytes: 0 }
    }

    /// Adds a record the disk refused.
    pub(super) fn add(&mut self, record: Spooled) {
        match record.vital {
            true => self.keep(record.json, record.messages),
            false => self.left_out += record.messages,
        }
    }

    fn keep(&mut self, json: Vec<u8>, messages: u64) {
        if self.kept_bytes + json.len() <= KEPT_BYTES_MAX {
            self.kept_bytes += json.len();
            self.kept.push(json);
        } else {
            self.left_out += messages;
        }
    }

    /// Adds what was refused later.
    pub(super) fn append(&mut self, later: Self) {
        self.left_out += later.left_out;
        // What is kept is one message each, where it is one.
        later.kept.into_iter().for_each(|json| self.keep(json, 1));
    }

    /// How many messages are not kept.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What stands in the log for it: how much is missing, and what was kept.
    pub(super) fn records(&self, stamp: Stamp) -> Vec<Vec<u8>> {
        self.note(stamp).into_iter().chain(self.kept.iter().cloned()).collect()
    }

    fn note(&self, stamp: Stamp) -> Option<Vec<u8>> {
        let left_out = self.left_out;
        let text =
            format!("{left_out} messages were left out: the runner's disk was full or failed");
        let note = warning(stamp, "left_out", text, MessageFlags::default(), self.since);
        (left_out > 0).then(|| note.to_json().expect("a message made here is JSON"))
    }
}

#[cfg(test)]
mod tests {
    use afield_proto::{CommandId, SessionId};

    use super::*;

    fn record(bytes: usize, messages: u64, vital: bool) -> Spooled {
        Spooled { json: vec![b'x'; bytes], messages, vital }
    }

    #[test]
    fn what_is_vital_is_kept_until_it_is_too_much_and_the_rest_is_counted() {
        let stamp = Stamp { command_id: CommandId::generate(), session_id: SessionId::generate() };
        let mut gap = Gap::since(Timestamp::now());
        gap.add(record(10, 1, true));
        assert_eq!(gap.records(stamp), [vec![b'x'; 10]]);
        gap.add(record(10, 345, false));
        gap.add(record(KEPT_BYTES_MAX, 1, true));
        gap.add(record(20, 1, true));
        let records = gap.records(stamp);
        let note = std::str::from_utf8(&records[0]).unwrap();
        assert!(note.contains("\"346 messages were left out"), "{note}");
        assert_eq!(records[1..], [vec![b'x'; 10], vec![b'x'; 20]]);
    }
}
