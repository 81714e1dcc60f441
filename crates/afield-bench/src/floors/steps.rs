//! The floor of full cycles as far as SQLite and four steps go: each step changes a row and adds an event, in the
//! narrowest tables that could hold them, and is synced before the next. Nothing is told to anybody, kept for
//! an audit, or decided.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rusqlite::{Connection, params};

/// What an event holds.
const EVENT_BYTES: usize = 100;
/// What a change writes to the log that is synced: numbers, and in the first step the prompt.
const CHANGE_BYTES: usize = 150;
/// Cycles that share a commit of the database, which is not waited for.
const CYCLES_PER_COMMIT: usize = 2048;

/// More than the changes between two commits; written once, so that no write extends the file.
const LOG_BYTES: usize = 4 * 1024 * 1024;

const TABLES: &str = "CREATE TABLE commands (number INTEGER PRIMARY KEY, project INTEGER NOT NULL, \
    state INTEGER NOT NULL, fence INTEGER NOT NULL, prompt TEXT NOT NULL); \
    CREATE UNIQUE INDEX commands_waiting ON commands (project, number) WHERE state < 3; \
    CREATE TABLE events (number INTEGER PRIMARY KEY, topic INTEGER NOT NULL, body BLOB NOT NULL)";
const EVENT: &str = "INSERT INTO events (topic, body) VALUES (?1, ?2)";
const SUBMIT: &str = "INSERT INTO commands (project, state, fence, prompt) VALUES (?1, 0, 0, ?2)";
const NEXT: &str =
    "SELECT number FROM commands WHERE project = ?1 AND state < 3 ORDER BY number LIMIT 1";
/// Lease, start and finish.
const MOVE_ON: [&str; 3] = [
    "UPDATE commands SET state = 1, fence = fence + 1 WHERE number = ?1 AND state = 0",
    "UPDATE commands SET state = 2 WHERE number = ?1 AND fence = 1",
    "UPDATE commands SET state = 3 WHERE number = ?1 AND fence = 1",
];

/// A database of two tables, and a log before it.
pub(crate) struct Steps {
    connection: Connection,
    log: File,
    body: Vec<u8>,
}

impl Steps {
    /// Makes one in `folder`.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let connection = Connection::open(folder.join("steps.db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -64 * 1024)?;
        connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
        connection.execute_batch(TABLES)?;
        let log = File::create(folder.join("steps.log"))?;
        log.write_all_at(&vec![0; LOG_BYTES], 0)?;
        log.sync_all()?;
        Ok(Self { connection, log, body: vec![b'x'; EVENT_BYTES] })
    }

    /// Cycles per second when those of `in_flight` projects take each step together.
    pub(crate) fn per_second(
        &mut self,
        in_flight: usize,
        prompt: &str,
        time: Duration,
    ) -> Result<f64> {
        let changes = vec![b'x'; in_flight * CHANGE_BYTES];
        let began = Instant::now();
        let mut cycles = 0;
        while began.elapsed() < time {
            let transaction = self.connection.transaction()?;
            let mut synced = 0;
            for _ in 0..CYCLES_PER_COMMIT.div_ceil(in_flight) {
                for step in 0..=MOVE_ON.len() {
                    for project in 1..=i64::try_from(in_flight)? {
                        take(&transaction, step, project, prompt)?;
                        let event = params![project, self.body];
                        transaction.prepare_cached(EVENT)?.execute(event)?;
                    }
                    self.log.write_all_at(&changes, synced)?;
                    self.log.sync_data()?;
                    synced += changes.len() as u64;
                }
                cycles += in_flight;
            }
            transaction.commit()?;
        }
        Ok(cycles as f64 / began.elapsed().as_secs_f64())
    }
}

fn take(connection: &Connection, step: usize, project: i64, prompt: &str) -> Result<()> {
    let Some(before) = step.checked_sub(1) else {
        connection.prepare_cached(SUBMIT)?.execute(params![project, prompt])?;
        return Ok(());
    };
    let next = connection.prepare_cached(NEXT)?.query_row([project], |row| row.get::<_, i64>(0))?;
    let changed = connection.prepare_cached(MOVE_ON[before])?.execute([next])?;
    anyhow::ensure!(changed == 1, "step {step} of command {next} was taken before");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cycle_takes_its_four_steps() {
        let folder = tempfile::tempdir().unwrap();
        let mut steps = Steps::create(folder.path()).unwrap();
        steps.per_second(2, "prompt", Duration::from_millis(1)).unwrap();
        let count = |sql| steps.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let over = count("SELECT COUNT(*) FROM commands WHERE state = 3 AND fence = 1");
        assert!(over >= 2);
        assert_eq!(count("SELECT COUNT(*) FROM commands"), over);
        assert_eq!(count("SELECT COUNT(*) FROM events"), 4 * over);
    }
}
