//! Reading a topic in either direction, wherever its events lie.
//!
//! A topic consists of *pieces*: segments, and live rows. [`Walk`] goes from piece to piece and
//! hands out events in order; a piece that can't be read, and a number that is nowhere, become
//! gaps, and the walk goes on behind them.

use afield_proto::Topic;

use crate::log::append::load_head;
use crate::log::damage::Found;
use crate::log::row::{self, LiveRow, ROW_EVENTS_MAX};
use crate::log::{EventPage, Head, StoredEvent, segment};
use crate::sql::{Row, params, statements};
use crate::tx::Tx;
use crate::{Error, Store};

statements! {
    FIRST_AVAILABLE = "SELECT (SELECT s.first_seq FROM segments s WHERE s.topic = ?1 \
        ORDER BY s.last_seq LIMIT 1), \
        (SELECT e.first_seq FROM events e WHERE e.place > ?2 AND e.place < ?3 \
        ORDER BY e.place LIMIT 1)";
    SEGMENT_AFTER = "SELECT first_seq, last_seq FROM segments \
        WHERE topic = ?1 AND last_seq > ?2 ORDER BY last_seq LIMIT 1";
    SEGMENT_BEFORE = "SELECT first_seq, last_seq FROM segments \
        WHERE topic = ?1 AND first_seq < ?2 ORDER BY last_seq DESC LIMIT 1";
    SEGMENT_BODY = "SELECT sha256, body FROM segments WHERE topic = ?1 AND last_seq = ?2";
    ROWS_AFTER = "SELECT first_seq, place, at, crc, body FROM events \
        WHERE place > ?1 AND place < ?2 AND first_seq < ?3 ORDER BY place LIMIT ?4";
    ROWS_BEFORE = "SELECT first_seq, place, at, crc, body FROM events \
        WHERE place > ?1 AND place < ?2 AND first_seq < ?3 ORDER BY place DESC LIMIT ?4";
}

/// Live rows fetched at once.
const ROWS_AT_ONCE: u32 = 64;
/// Bytes of events in one page: a page is held in memory and sent in one go.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Larger than every number.
const END: u64 = i64::MAX as u64;

/// Part of a topic, read or not readable.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) content: Result<Vec<StoredEvent>, String>,
}

impl Piece {
    fn missing(first_seq: u64, last_seq: u64) -> Self {
        Self { first_seq, last_seq, content: Err("these events are nowhere".into()) }
    }
}

/// Where a topic's events lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// `topics.number`
    pub(crate) number: i64,
    /// The number of the last event.
    pub(crate) last: u64,
}

/// The place of a topic; `None` when it never had an event.
pub(crate) async fn place(tx: &mut Tx, topic: Topic) -> Result<Option<Place>, Error> {
    let head = load_head(tx, &topic.to_string()).await?;
    Ok(head.map(|head| Place { number: head.number, last: head.last }))
}

/// The pieces that hold the next events after `after`, in order and without a hole between them;
/// empty at the end. Rows that begin behind the next `count` events are left for later.
pub(crate) async fn pieces_after(
    tx: &mut Tx,
    place: Place,
    after: u64,
    count: u64,
) -> Result<Vec<Piece>, Error> {
    if after >= place.last {
        return Ok(Vec::new());
    }
    let values = params![place.number, after];
    let segment = tx.opt(&SEGMENT_AFTER, values, range).await?;
    let before = segment.map_or(END, |(first_seq, _)| first_seq);
    let mut rows = rows_after(tx, place, after, before.min(after + 1 + count.min(END / 2))).await?;
    if rows.is_empty() {
        // A hole that is longer.
        rows = rows_after(tx, place, after, before).await?;
    }
    let mut pieces: Vec<_> = rows.into_iter().map(live_piece).collect();
    if let (true, Some(range)) = (pieces.is_empty(), segment) {
        pieces.push(segment_piece(tx, place, range).await?);
    }
    Ok(fill_holes(pieces, after, place.last))
}

async fn rows_after(
    tx: &mut Tx,
    place: Place,
    after: u64,
    before: u64,
) -> Result<Vec<LiveRow>, Error> {
    let (from, end) = (row::place(place.number, after), row::end(place.number));
    let values = params![from, end, before, ROWS_AT_ONCE];
    tx.all(&ROWS_AFTER, values, live_row).await
}

/// Puts a piece that says so wherever numbers are missing in front of or between pieces.
fn fill_holes(pieces: Vec<Piece>, after: u64, last: u64) -> Vec<Piece> {
    if pieces.is_empty() {
        return vec![Piece::missing(after + 1, last)];
    }
    let (mut whole, mut expected) = (Vec::with_capacity(pieces.len()), after + 1);
    for piece in pieces {
        if piece.first_seq > expected {
            whole.push(Piece::missing(expected, piece.first_seq - 1));
        }
        expected = piece.last_seq + 1;
        whole.push(piece);
    }
    whole
}

/// The pieces that hold the events before `before`, the last first and without a hole between
/// them; empty at the beginning.
pub(crate) async fn pieces_before(
    tx: &mut Tx,
    place: Place,
    before: u64,
) -> Result<Vec<Piece>, Error> {
    let before = before.min(place.last + 1);
    if before <= 1 {
        return Ok(Vec::new());
    }
    let segment = tx.opt(&SEGMENT_BEFORE, params![place.number, before], range).await?;
    let after = segment.map_or(0, |(_, last_seq)| last_seq);
    // A row is found by its last number, which lies at most a row's length behind `before`.
    let reach = before + ROW_EVENTS_MAX as u64;
    let (from, end) = (row::place(place.number, after), row::place(place.number, reach));
    let values = params![from, end, before, ROWS_AT_ONCE];
    let mut pieces: Vec<_> =
        tx.all(&ROWS_BEFORE, values, live_row).await?.into_iter().map(live_piece).collect();
    if let (true, Some(range)) = (pieces.is_empty(), segment) {
        pieces.push(segment_piece(tx, place, range).await?);
    }
    Ok(fill_holes_backwards(pieces, before))
}

fn fill_holes_backwards(pieces: Vec<Piece>, before: u64) -> Vec<Piece> {
    if pieces.is_empty() {
        return vec![Piece::missing(1, before - 1)];
    }
    let (mut whole, mut expected) = (Vec::with_capacity(pieces.len()), before - 1);
    for piece in pieces {
        if piece.last_seq < expected {
            whole.push(Piece::missing(piece.last_seq + 1, expected));
        }
        expected = piece.first_seq - 1;
        whole.push(piece);
    }
    whole
}

async fn segment_piece(
    tx: &mut Tx,
    place: Place,
    (first_seq, last_seq): (u64, u64),
) -> Result<Piece, Error> {
    let values = params![place.number, last_seq];
    let content = tx
        .one(&SEGMENT_BODY, values, |row| {
            Ok(segment::unpack(first_seq, last_seq, row.bytes(0)?, row.bytes(1)?))
        })
        .await?;
    Ok(Piece { first_seq, last_seq, content })
}

fn range(row: &Row<'_>) -> Result<(u64, u64), Error> {
    Ok((row.count(0)?, row.count(1)?))
}

/// A live row of a row with first_seq, place, at, crc, body.
pub(crate) fn live_row(row: &Row<'_>) -> Result<LiveRow, Error> {
    Ok(LiveRow {
        first_seq: row.count(0)?,
        last_seq: row::seq_at(row.int(1)?),
        at: row.time(2)?,
        crc: u32::try_from(row.int(3)?).unwrap_or(0),
        body: row.bytes(4)?.to_vec(),
    })
}

fn live_piece(row: LiveRow) -> Piece {
    Piece { first_seq: row.first_seq, last_seq: row.last_seq, content: row.events() }
}

/// A page under construction, and what was found damaged.
#[derive(Default)]
struct Reading {
    page: EventPage,
    damage: Vec<Found>,
    bytes: usize,
}

impl Reading {
    /// Takes what lies after `through`. `false` when the page is full.
    fn take(&mut self, piece: Piece, limit: usize) -> bool {
        let events = match piece.content {
            Ok(events) => events,
            Err(what) => {
                let Piece { first_seq, last_seq, .. } = piece;
                self.page.gaps.push((first_seq.max(self.page.through + 1), last_seq));
                self.damage.push(Found { first_seq, last_seq, what });
                self.page.through = last_seq;
                return true;
            }
        };
        for event in events {
            if event.seq <= self.page.through {
                continue;
            }
            let full = self.page.events.len() >= limit || self.bytes >= PAGE_BYTES_MAX;
            if full {
                return false;
            }
            self.bytes += event.body.len();
            self.page.through = event.seq;
            self.page.events.push(event);
        }
        true
    }
}

async fn read_events(
    tx: &mut Tx,
    (topic, after, limit): &(Topic, u64, usize),
) -> Result<Reading, Error> {
    let mut reading = Reading::default();
    reading.page.through = *after;
    let Some(place) = place(tx, *topic).await? else { return Ok(reading) };
    loop {
        let count = (*limit - reading.page.events.len()).max(1) as u64;
        let pieces = pieces_after(tx, place, reading.page.through, count).await?;
        if pieces.is_empty() {
            return Ok(reading);
        }
        for piece in pieces {
            if !reading.take(piece, *limit) {
                reading.page.more = true;
                return Ok(reading);
            }
        }
    }
}

async fn topic_head(tx: &mut Tx, topic: &Topic) -> Result<Head, Error> {
    let Some(place) = place(tx, *topic).await? else {
        return Ok(Head { last: 0, first_available: 1 });
    };
    let (from, end) = (row::place(place.number, 0), row::end(place.number));
    let first = tx
        .one(&FIRST_AVAILABLE, params![place.number, from, end], |row| {
            Ok([row.opt_int(0)?, row.opt_int(1)?].into_iter().flatten().min())
        })
        .await?;
    let first = first.and_then(|first| u64::try_from(first).ok());
    Ok(Head { last: place.last, first_available: first.unwrap_or(place.last + 1) })
}

impl Store {
    /// Where a topic stands.
    pub async fn topic_head(&self, topic: Topic) -> Result<Head, Error> {
        self.look(topic, topic_head).await
    }

    /// Events of a topic after a number, oldest first, at most `limit` and about 8 MiB of them.
    pub async fn read_events(
        &self,
        topic: Topic,
        after: u64,
        limit: usize,
    ) -> Result<EventPage, Error> {
        let Reading { page, damage, .. } =
            self.read((topic, after, limit.max(1)), read_events).await?;
        self.notice(topic, damage).await;
        Ok(page)
    }
}
