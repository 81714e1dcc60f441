//! A live row: the events one operation added to a topic, one JSON text per line.

use std::sync::Arc;

use afield_proto::{ProjectId, Timestamp};

use crate::log::StoredEvent;

/// Most events in one row.
pub(crate) const ROW_EVENTS_MAX: usize = 256;
/// A row takes no further event when it has this many bytes.
pub(crate) const ROW_BYTES_MAX: usize = 1024 * 1024;

/// Bits of a place that hold the number of an event; those in front hold the topic.
const SEQ_BITS: u32 = 36;
/// The last number a topic can give.
const SEQ_MAX: u64 = (1 << SEQ_BITS) - 1;

/// The key of the row that ends with this event of a topic; numbers past all others mean its end.
pub(crate) fn place(topic: i64, last_seq: u64) -> i64 {
    let seq = i64::try_from(last_seq.min(SEQ_MAX)).unwrap_or(i64::MAX);
    (topic << SEQ_BITS) + seq
}

/// A key behind every row of a topic.
pub(crate) fn end(topic: i64) -> i64 {
    place(topic + 1, 0)
}

/// The number of the last event of the row with this key.
pub(crate) fn seq_at(place: i64) -> u64 {
    u64::try_from(place).unwrap_or_default() & SEQ_MAX
}

/// A row as it lies in the table.
#[derive(Debug, Clone)]
pub(crate) struct LiveRow {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) crc: u32,
    pub(crate) body: Vec<u8>,
}

impl LiveRow {
    /// Its events, or what is wrong with it.
    pub(crate) fn events(&self) -> Result<Vec<StoredEvent>, String> {
        if crc32fast::hash(&self.body) != self.crc {
            return Err("the checksum of the row does not fit".into());
        }
        let text = std::str::from_utf8(&self.body).map_err(|error| error.to_string())?;
        let events: Vec<_> = split(self.first_seq, self.at, text).collect();
        match events.last().map(|event| event.seq) == Some(self.last_seq) {
            true => Ok(events),
            false => Err(format!("the row holds {} events, not as many as it says", events.len())),
        }
    }
}

/// The events of a row's text.
pub(crate) fn split(
    first_seq: u64,
    at: Timestamp,
    text: &str,
) -> impl Iterator<Item = StoredEvent> {
    (first_seq..).zip(text.split('\n')).map(move |(seq, line)| stored(seq, at, line.into()))
}

/// An event with the project its body names.
pub(crate) fn stored(seq: u64, at: Timestamp, body: Arc<str>) -> StoredEvent {
    let project_id = project_of(&body);
    StoredEvent { seq, at, body, project_id }
}

/// The project a stored body is about: `{"type":"…","project_id":"…",` as `fact_body` writes it.
fn project_of(body: &str) -> Option<ProjectId> {
    let (_, after_type) = body.strip_prefix("{\"type\":\"")?.split_once('"')?;
    after_type.strip_prefix(",\"project_id\":\"")?.get(..36)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(body: &str, first_seq: u64, last_seq: u64) -> LiveRow {
        let at = Timestamp::from_unix_ms(1);
        let body = body.as_bytes().to_vec();
        LiveRow { first_seq, last_seq, at, crc: crc32fast::hash(&body), body }
    }

    #[test]
    fn reads_its_lines_and_notices_damage() {
        let id = ProjectId::generate();
        let body =
            format!("{{\"type\":\"x\",\"project_id\":\"{id}\",\"data\":{{}}}}\n{{\"type\":\"y\"}}");
        let good = row(&body, 4, 5);
        let events = good.events().unwrap();
        assert_eq!((events[0].seq, events[0].project_id), (4, Some(id)));
        assert_eq!((events[1].seq, events[1].project_id), (5, None));
        assert!(row(&body, 4, 6).events().is_err());
        let mut flipped = good;
        flipped.body[3] ^= 1;
        assert!(flipped.events().is_err());
    }
}
