//! A segment: a stretch of a topic, compressed and checksummed.
//!
//! **Shape**: zstd frames, one after the other, of JSON lines `{"seq":…,"at":…,"event":{…}}` with
//! `at` in unix milliseconds; `zstd -dc` shows them. SHA-256 over the whole body.

use std::sync::Arc;

use afield_proto::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::log::StoredEvent;
use crate::log::row::stored;

/// Most events in a segment. Reading one message decompresses its whole segment.
pub(crate) const EVENTS_MAX: usize = 1000;
/// A segment takes no further row when its text has this many bytes.
pub(crate) const RAW_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of text in one zstd frame.
const FRAME_BYTES: usize = 256 * 1024;
/// Higher levels cost several times the time for a few percent.
const LEVEL: i32 = 3;
/// A body that claims to unpack to more than this is damaged: a segment is at most its limit and
/// one row that was too large for it.
const UNPACKED_BYTES_MAX: u64 = 128 * 1024 * 1024;

#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    at: i64,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// A segment, ready to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) events: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) body: Vec<u8>,
}

/// Packs consecutive events. `None` when there are none.
pub(crate) fn pack(events: &[StoredEvent]) -> Result<Option<Packed>, std::io::Error> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(None) };
    let (mut body, mut frame, mut raw_bytes) = (Vec::new(), Vec::new(), 0);
    for event in events {
        write_line(&mut frame, event);
        if frame.len() >= FRAME_BYTES {
            raw_bytes += frame.len() as u64;
            body.extend(zstd::bulk::compress(&frame, LEVEL)?);
            frame.clear();
        }
    }
    raw_bytes += frame.len() as u64;
    if !frame.is_empty() {
        body.extend(zstd::bulk::compress(&frame, LEVEL)?);
    }
    Ok(Some(Packed {
        first_seq: first.seq,
        last_seq: last.seq,
        events: events.len() as u64,
        raw_bytes,
        sha256: sha256(&body),
        body,
    }))
}

fn write_line(frame: &mut Vec<u8>, event: &StoredEvent) {
    let StoredEvent { seq, at, body, .. } = event;
    frame.extend_from_slice(
        format!("{{\"seq\":{seq},\"at\":{},\"event\":", at.unix_ms()).as_bytes(),
    );
    frame.extend_from_slice(body.as_bytes());
    frame.extend_from_slice(b"}\n");
}

/// The events of a stored segment, or what is wrong with it.
pub(crate) fn unpack(
    first_seq: u64,
    last_seq: u64,
    sha256_stored: &[u8],
    body: &[u8],
) -> Result<Vec<StoredEvent>, String> {
    if sha256(body) != sha256_stored {
        return Err("the checksum of the segment does not fit".into());
    }
    let text =
        decompress(body).map_err(|error| format!("the segment can't be unpacked: {error}"))?;
    let events = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(read_line)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("a line of the segment can't be read: {error}"))?;
    match events.iter().map(|event| event.seq).eq(first_seq..=last_seq) {
        true => Ok(events),
        false => Err("the segment does not hold the events it says".into()),
    }
}

fn decompress(body: &[u8]) -> Result<Vec<u8>, std::io::Error> {
    use std::io::Read as _;
    let mut text = Vec::with_capacity(body.len() * 4);
    zstd::stream::read::Decoder::new(body)?.take(UNPACKED_BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

fn read_line(line: &[u8]) -> Result<StoredEvent, serde_json::Error> {
    let Line { seq, at, event } = serde_json::from_slice(line)?;
    Ok(stored(seq, Timestamp::from_unix_ms(at), Arc::from(event.get())))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(count: u64) -> Vec<StoredEvent> {
        let filler = "x".repeat(1000);
        let event = |seq| {
            let body = format!("{{\"type\":\"t\",\"data\":{{\"n\":{seq},\"f\":\"{filler}\"}}}}");
            stored(seq, Timestamp::from_unix_ms(seq as i64), body.into())
        };
        (7..7 + count).map(event).collect()
    }

    #[test]
    fn gives_back_what_it_was_given() {
        let events = events(600);
        let packed = pack(&events).unwrap().unwrap();
        assert_eq!((packed.first_seq, packed.last_seq, packed.events), (7, 606, 600));
        assert!((packed.body.len() as u64) < packed.raw_bytes / 10);
        assert_eq!(unpack(7, 606, &packed.sha256, &packed.body).unwrap(), events);
        assert!(pack(&[]).unwrap().is_none());
    }

    #[test]
    fn every_damage_is_noticed() {
        let packed = pack(&events(20)).unwrap().unwrap();
        assert!(unpack(7, 25, &packed.sha256, &packed.body).is_err());
        for at in 0..packed.body.len() {
            let mut body = packed.body.clone();
            body[at] ^= 0x10;
            assert!(unpack(7, 26, &packed.sha256, &body).is_err(), "byte {at}");
        }
    }
}
