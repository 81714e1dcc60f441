//! Rotation: a topic's live part becomes compressed segments, in small steps that each leave a
//! whole log behind.
//!
//! A step reads rows on a reader, packs them on a blocking thread, and in one short transaction
//! inserts the segment and deletes exactly the rows it holds. A row that can't be read stays
//! where it is: segments are made around it.

use afield_proto::{Timestamp, Topic};

use crate::log::SegmentInfo;
use crate::log::damage::Found;
use crate::log::read::{live_row, place};
use crate::log::row::{self, LiveRow};
use crate::log::segment::{self, EVENTS_MAX, Packed, RAW_BYTES_MAX};
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, LiveLog, Store};

statements! {
    LIVE_ROWS = "SELECT first_seq, place, at, crc, body FROM events \
        WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3";
    INSERT_SEGMENT = "INSERT INTO segments (topic, last_seq, first_seq, events, bytes, created_at, \
        codec, sha256, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'zstd', ?7, ?8)";
    DELETE_ROWS = "DELETE FROM events WHERE place >= ?1 AND place <= ?2";
    SET_ROTATED = "UPDATE topics SET rotated_to = ?2 WHERE number = ?1 AND rotated_to < ?2";
    /// What lies outside of segments, topic by topic.
    LIVE = "SELECT t.name, live.events, live.bytes FROM topics t JOIN \
        (SELECT place / 68719476736 AS topic, \
        CAST(SUM(place % 68719476736 - first_seq + 1) AS BIGINT) AS events, \
        CAST(SUM(LENGTH(body)) AS BIGINT) AS bytes \
        FROM events GROUP BY place / 68719476736) live ON live.topic = t.number \
        ORDER BY t.number";
}

/// Rows looked at in one step.
const ROWS_AT_ONCE: u32 = 1000;

impl Store {
    /// Moves the live part of a topic, as it is now, into segments.
    pub async fn rotate(&self, topic: Topic, now: Timestamp) -> Result<Vec<SegmentInfo>, Error> {
        let mut made = Vec::new();
        let head = self.topic_head(topic).await?;
        let mut after = 0;
        while let Some(step) = self.read((topic, after, head.last), next_step).await? {
            after = step.last_seq;
            match step.content {
                Content::Damaged(found) => self.notice(topic, vec![found]).await,
                Content::Rows(rows) => made.extend(self.rotate_rows(topic, rows, now).await?),
            }
        }
        Ok(made)
    }

    /// What lies outside of segments, topic by topic. Looks at every row that does.
    pub async fn live_logs(&self) -> Result<Vec<LiveLog>, Error> {
        self.read((), live_logs).await
    }

    async fn rotate_rows(
        &self,
        topic: Topic,
        rows: Vec<LiveRow>,
        now: Timestamp,
    ) -> Result<Option<SegmentInfo>, Error> {
        let count = rows.len() as u64;
        let packing = tokio::task::spawn_blocking(move || pack(&rows)).await;
        let Some(packed) = packing.map_err(stopped)?? else { return Ok(None) };
        let info = SegmentInfo {
            topic,
            first_seq: packed.first_seq,
            last_seq: packed.last_seq,
            events: packed.events,
            raw_bytes: packed.raw_bytes,
            bytes: packed.body.len() as u64,
        };
        self.write((topic, packed, count, now), replace_rows).await?;
        Ok(Some(info))
    }
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::Database { reason: format!("packing stopped: {error}"), retryable: false }
}

fn pack(rows: &[LiveRow]) -> Result<Option<Packed>, Error> {
    let events = rows.iter().map(LiveRow::events).collect::<Result<Vec<_>, _>>();
    let events = events.map_err(Error::corrupt)?.concat();
    segment::pack(&events).map_err(|error| Error::corrupt(error.to_string()))
}

/// What a rotation does next.
struct Step {
    last_seq: u64,
    content: Content,
}

enum Content {
    /// Consecutive readable rows for one segment.
    Rows(Vec<LiveRow>),
    /// A row that stays where it is.
    Damaged(Found),
}

async fn next_step(
    tx: &mut Tx,
    (topic, after, last): &(Topic, u64, u64),
) -> Result<Option<Step>, Error> {
    let Some(place) = place(tx, *topic).await? else { return Ok(None) };
    let (from, to) = (row::place(place.number, *after), row::place(place.number, *last));
    let values = params![from, to, ROWS_AT_ONCE];
    let rows = tx.all(&LIVE_ROWS, values, live_row).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    if let Err(what) = first.events() {
        let LiveRow { first_seq, last_seq, .. } = *first;
        let content = Content::Damaged(Found { first_seq, last_seq, what });
        return Ok(Some(Step { last_seq, content }));
    }
    let rows = one_segment(rows);
    let last_seq = rows.last().map_or(*last, |row| row.last_seq);
    Ok(Some(Step { last_seq, content: Content::Rows(rows) }))
}

/// As many of the first rows as one segment takes: consecutive, readable, and at least one.
fn one_segment(mut rows: Vec<LiveRow>) -> Vec<LiveRow> {
    let (mut count, mut bytes) = (0, 0);
    let mut next = rows.first().map_or(1, |row| row.first_seq);
    let fits = |row: &&LiveRow| {
        count += row.last_seq - row.first_seq + 1;
        bytes += row.body.len();
        let room = row.first_seq == next
            && (bytes == row.body.len() || (count <= EVENTS_MAX as u64 && bytes <= RAW_BYTES_MAX));
        next = row.last_seq + 1;
        room && row.events().is_ok()
    };
    let length = rows.iter().take_while(fits).count();
    rows.truncate(length);
    rows
}

/// Puts a segment in the place of the rows it was made of.
async fn replace_rows(
    tx: &mut Tx,
    (topic, packed, rows, now): &(Topic, Packed, u64, Timestamp),
) -> Result<(), Error> {
    let Some(place) = place(tx, *topic).await? else { return Ok(()) };
    let number = place.number;
    let first = row::place(number, packed.first_seq);
    let last = row::place(number, packed.last_seq);
    if tx.execute(&DELETE_ROWS, params![first, last]).await? != *rows {
        let reason = "another rotation of this topic was faster".to_owned();
        return Err(Error::Database { reason, retryable: false });
    }
    let values = params![
        place.number,
        packed.last_seq,
        packed.first_seq,
        packed.events,
        packed.raw_bytes,
        now,
        packed.sha256,
        packed.body,
    ];
    tx.execute(&INSERT_SEGMENT, values).await?;
    tx.execute(&SET_ROTATED, params![place.number, packed.last_seq]).await.map(drop)
}

async fn live_logs(tx: &mut Tx, (): &()) -> Result<Vec<LiveLog>, Error> {
    tx.all(&LIVE, params![], |row| {
        let topic = row.text(0)?.parse();
        let topic = topic.map_err(|error| Error::corrupt(format!("{error}")))?;
        Ok(LiveLog { topic, events: row.count(1)?, bytes: row.count(2)? })
    })
    .await
}
