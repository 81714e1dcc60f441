//! The floor of full cycles as far as SQLite goes: the rows that a command leaves behind, in Afield's own
//! tables, each written once, with nothing read and nothing decided.

use std::path::Path;
use std::time::{Duration, Instant};

use afield_proto::{CommandId, OrgId};
use afield_store::{Location, Options, Store};
use anyhow::Result;
use rusqlite::{Connection, Transaction, params};

/// What a cycle tells, in the log of its project and in that of the org.
const FACTS_BYTES: usize = 3_500;
/// An entry of the audit log; a cycle has two.
const AUDIT_BYTES: usize = 250;
/// Bits of an event's place that hold its number within the topic.
const SEQ_BITS: u32 = 36;

const COMMAND: &str = "INSERT INTO commands (id, org_id, project, lane, position, head, state, for_limit, \
    priority, session_id, request_id, submitted_by, kind, agent, summary, payload, attempt, attempts_before, \
    fence, applied, created_at, since, leased_at, started_at, finished_at, outcome) VALUES (?1, ?2, ?3, '', \
    1048576, 0, 'succeeded', 0, 1, ?2, ?2, ?2, 'prompt', 'claude', ?4, ?5, 1, 0, 1, 2, ?6, ?6, ?6, ?6, ?6, '{}')";
const EVENTS: &str =
    "INSERT INTO events (place, first_seq, at, crc, body) VALUES (?1, ?2, ?3, 0, ?4)";
const AUDIT: &str = "INSERT INTO audit (org_id, number, body, hash) VALUES (?1, ?2, ?3, ?4)";

/// A database with Afield's tables.
pub(crate) struct Rows {
    connection: Connection,
    org: String,
    facts: String,
    audited: String,
    /// Commands in it.
    count: i64,
}

impl Rows {
    /// Makes one in `folder`.
    pub(crate) async fn create(folder: &Path) -> Result<Self> {
        let path = folder.join("floor.db");
        Store::open(Options::new(Location::Sqlite(path.clone()))).await?.close().await;
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // As much as the store has, which moves its log beside the writer and not, as here, in every so many commits.
        connection.pragma_update(None, "cache_size", -8 * 1024)?;
        connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
        let (facts, audited) = ("x".repeat(FACTS_BYTES), "x".repeat(AUDIT_BYTES));
        Ok(Self { connection, org: OrgId::generate().to_string(), facts, audited, count: 0 })
    }

    /// Commands per second when those of `in_flight` projects share a transaction.
    pub(crate) fn per_second(
        &mut self,
        in_flight: usize,
        prompt: &str,
        time: Duration,
    ) -> Result<f64> {
        let (began, before) = (Instant::now(), self.count);
        while began.elapsed() < time {
            let transaction = self.connection.transaction()?;
            for project in 1..=i64::try_from(in_flight)? {
                self.count += 1;
                let texts = [&self.org, &self.facts, &self.audited].map(String::as_str);
                write(&transaction, (project, self.count), texts, prompt)?;
            }
            transaction.commit()?;
        }
        Ok((self.count - before) as f64 / began.elapsed().as_secs_f64())
    }
}

fn write(
    transaction: &Transaction<'_>,
    (project, number): (i64, i64),
    [org, facts, audited]: [&str; 3],
    prompt: &str,
) -> Result<()> {
    let id = CommandId::generate().to_string();
    let summary = prompt.get(..80).unwrap_or(prompt);
    let command = params![id, org, project, summary, prompt, number];
    transaction.prepare_cached(COMMAND)?.execute(command)?;
    let events = params![(project << SEQ_BITS) + number, number, number, facts.as_bytes()];
    transaction.prepare_cached(EVENTS)?.execute(events)?;
    let mut audit = transaction.prepare_cached(AUDIT)?;
    for entry in [2 * number - 1, 2 * number] {
        audit.execute(params![org, entry, audited, [0_u8; 32]])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_rows_fit_the_tables_of_today() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = Rows::create(folder.path()).await.unwrap();
        rows.per_second(2, "prompt", Duration::from_millis(1)).unwrap();
        assert!(rows.count >= 2);
    }
}
