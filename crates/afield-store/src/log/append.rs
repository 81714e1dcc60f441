//! Writing events: numbers without gaps, in the transaction of the change they tell about.
//!
//! Facts wait in the [`Tx`] until their operation has succeeded, on SQLite until the whole batch
//! has; then they are numbered, topic by topic, and those of one topic and time become one row. Topics are taken in one fixed order, last of all
//! locks, so that two operations never wait for each other.

use std::sync::Arc;

use afield_proto::fact::Fact;
use afield_proto::{OrgId, ProjectId, Timestamp, Topic};

use crate::log::CommittedEvents;
use crate::log::row::{self, ROW_BYTES_MAX, ROW_EVENTS_MAX};
use crate::sql::{params, statements};
use crate::tx::{Session, Tx};
use crate::{Error, Store, audit};

statements! {
    /// Where a topic stands, from its rows.
    SELECT_TOPIC = "SELECT t.number, t.rotated_to, \
        (SELECT MAX(e.place) FROM events e WHERE e.place >= t.number * 68719476736 \
        AND e.place < (t.number + 1) * 68719476736) FROM topics t WHERE t.name = ?1";
    /// Takes the next numbers of a topic, making it when it is new.
    TAKE_NUMBERS = "INSERT INTO topics (org_id, name, last_seq, rotated_to) \
        VALUES (?1, ?2, ?3, 0) \
        ON CONFLICT (name) DO UPDATE SET last_seq = topics.last_seq + ?3 \
        RETURNING number, last_seq";
    INSERT_EVENTS = "INSERT INTO events (place, first_seq, at, crc, body) \
        VALUES (?1, ?2, ?3, ?4, ?5)";
}

/// A fact that was told and has no number yet, or several that were told as one text.
pub(crate) struct Pending {
    pub(crate) org: OrgId,
    pub(crate) topic: Topic,
    pub(crate) at: Timestamp,
    /// One fact per line.
    pub(crate) body: Arc<str>,
    /// How many facts; never more than a row takes.
    pub(crate) events: usize,
}

/// The same JSON without line breaks: between tokens they mean nothing, inside texts they are
/// escaped anyway.
pub(crate) fn one_line(body: String) -> String {
    match memchr::memchr2(b'\n', b'\r', body.as_bytes()) {
        Some(_) => body.replace(['\n', '\r'], " "),
        None => body,
    }
}

/// A topic's row number and its last event's number, as the SQLite writer remembers them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicHead {
    pub(crate) number: i64,
    pub(crate) last: u64,
}

/// Numbers and writes what the operation told: first for the audit log, then the events.
pub(crate) async fn flush(tx: &mut Tx) -> Result<(), Error> {
    if !tx.audited.is_empty() {
        audit::flush(tx).await?;
    }
    if tx.pending.is_empty() {
        return Ok(());
    }
    let mut pending = std::mem::take(&mut tx.pending);
    pending.sort_by_key(|told| told.topic);
    if let Session::Postgres(session) = &mut tx.session {
        session.hold_publication(pending.iter().map(|told| told.topic)).await;
    }
    for told in pending.chunk_by(|a, b| a.topic == b.topic) {
        append(tx, told).await?;
    }
    pending.clear();
    tx.pending = pending;
    Ok(())
}

/// Writes facts of one topic.
async fn append(tx: &mut Tx, told: &[Pending]) -> Result<(), Error> {
    let count = events(told);
    let head = take_numbers(tx, &told[0], count).await?;
    let mut first_seq = head.last + 1;
    let mut rest = told;
    while !rest.is_empty() {
        let (row, after) = rest.split_at(row_length(rest));
        insert_row(tx, head.number, first_seq, row).await?;
        first_seq += events(row);
        rest = after;
    }
    Ok(())
}

fn events(told: &[Pending]) -> u64 {
    told.iter().map(|told| told.events as u64).sum()
}

/// How many of these fit into one row.
fn row_length(row: &[Pending]) -> usize {
    let (mut bytes, mut events) = (0, 0);
    let fits = |told: &&Pending| {
        bytes += told.body.len() + 1;
        events += told.events;
        let fits = events <= ROW_EVENTS_MAX && bytes <= ROW_BYTES_MAX && told.at == row[0].at;
        events == told.events || fits
    };
    row.iter().take_while(fits).count()
}

async fn insert_row(
    tx: &mut Tx,
    number: i64,
    first_seq: u64,
    row: &[Pending],
) -> Result<(), Error> {
    let body = match row {
        // Nothing to join: a large message is not copied.
        [only] => Arc::clone(&only.body),
        several => join(several).into(),
    };
    let (at, last_seq) = (row[0].at, first_seq + events(row) - 1);
    let crc = crc32fast::hash(body.as_bytes());
    let place = row::place(number, last_seq);
    let values = params![place, first_seq, at, crc, *body.as_bytes()];
    tx.execute(&INSERT_EVENTS, values).await?;
    tx.written.push(CommittedEvents { topic: row[0].topic, first_seq, last_seq, at, body });
    Ok(())
}

fn join(row: &[Pending]) -> String {
    let mut body = String::with_capacity(row.iter().map(|told| told.body.len() + 1).sum());
    for told in row {
        if !body.is_empty() {
            body.push('\n');
        }
        body.push_str(&told.body);
    }
    body
}

/// Takes `count` numbers after the returned head.
async fn take_numbers(tx: &mut Tx, told: &Pending, count: u64) -> Result<TopicHead, Error> {
    let Session::Sqlite(session) = &mut tx.session else {
        let head = take_from_row(tx, told, count).await?;
        return Ok(TopicHead { last: head.last - count, ..head });
    };
    if let Some(head) = session.heads.get_mut(&told.topic) {
        let before = *head;
        head.last += count + u64::from(planted::is("gap"));
        return Ok(before);
    }
    let name = told.topic.to_string();
    let head = match load_head(tx, &name).await? {
        Some(head) => head,
        None => TopicHead { last: 0, ..take_from_row(tx, told, count).await? },
    };
    if let Session::Sqlite(session) = &mut tx.session {
        session.remember(told.topic, TopicHead { last: head.last + count, ..head });
    }
    Ok(head)
}

async fn take_from_row(tx: &mut Tx, told: &Pending, count: u64) -> Result<TopicHead, Error> {
    let name = told.topic.to_string();
    tx.one(&TAKE_NUMBERS, params![told.org, name, count], |row| {
        Ok(TopicHead { number: row.int(0)?, last: row.count(1)? })
    })
    .await
}

/// Where a topic stands, from its rows; `None` for a topic that never had an event.
pub(crate) async fn load_head(tx: &mut Tx, name: &str) -> Result<Option<TopicHead>, Error> {
    tx.opt(&SELECT_TOPIC, params![name], |row| {
        let live = row.opt_int(2)?.map_or(0, row::seq_at);
        Ok(TopicHead { number: row.int(0)?, last: row.count(1)?.max(live) })
    })
    .await
}

struct AppendEvent {
    org: OrgId,
    topic: Topic,
    project_id: Option<ProjectId>,
    fact: Fact,
    now: Timestamp,
}

async fn append_event(tx: &mut Tx, input: &AppendEvent) -> Result<u64, Error> {
    tx.tell(input.org, input.topic, input.project_id, &input.fact, input.now);
    flush(tx).await?;
    let own = tx.written.iter().rev().find(|events| events.topic == input.topic);
    Ok(own.map_or(0, |events| events.last_seq))
}

impl Store {
    /// Writes one fact that belongs to no other change. Returns its number in the topic.
    pub async fn append_event(
        &self,
        org: OrgId,
        topic: Topic,
        fact: &Fact,
        project_id: Option<ProjectId>,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let input = AppendEvent { org, topic, project_id, fact: fact.clone(), now };
        self.write(input, append_event).await
    }
}
