//! SQLite: one writer thread with group commit, readers beside it.
//!
//! The [`Session`] runs statements on one connection; [`writer`] and [`reader`] own the
//! connections. Opened by [`crate::Store::open`].

mod checkpoint;
pub(crate) mod reader;
pub(crate) mod redo;
pub(crate) mod writer;

use std::collections::HashMap;
use std::path::Path;

use afield_proto::Topic;
use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, OpenFlags};

use self::redo::RedoLog;
use crate::log::append::TopicHead;
use crate::sql::{Row, Sql, Value};
use crate::{Error, Synchronous, migrate};

/// The first SQLite without the WAL-reset bug, which can lose committed writes.
const VERSION_MIN: i32 = 3_051_003;
/// Prepared statements kept per connection: more than there are.
const STATEMENTS_CACHED: usize = 256;
/// Topics whose heads the writer remembers; all are forgotten when there are more.
const HEADS_MAX: usize = 100_000;
/// Page cache of the writer, in KiB: more than a pass of the redo log changes, so that its pages are written at the commit.
/// At the end of a commit that moved entries between pages SQLite looks through all of it.
const WRITER_CACHE_KIB: u32 = 8 * 1024;
/// Page cache of each reader, in KiB.
const READER_CACHE_KIB: u32 = 16 * 1024;

/// Statements on one connection.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    /// Where the topics stand; on the writer only.
    pub(crate) heads: HashMap<Topic, TopicHead>,
    /// What the running batch changes; on the writer only.
    pub(crate) changes: Option<redo::Recorder>,
}

impl Session {
    fn new(connection: Connection) -> Result<Self, Error> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        // Plans never depend on the values bound to them. Without this SQLite plans statements
        // again and again whose tables have partial indexes.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self { connection, heads: HashMap::new(), changes: None })
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) fn execute(&mut self, sql: &Sql, params: &[Value<'_>]) -> Result<u64, Error> {
        let mut statement = bound(&self.connection, sql.sqlite(), params)?;
        let changed = statement.raw_execute()? as u64;
        note(&mut self.changes, &statement, sql, params);
        Ok(changed)
    }

    /// Every row, decoded.
    pub(crate) fn all<T>(
        &mut self,
        sql: &Sql,
        params: &[Value<'_>],
        decode: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = bound(&self.connection, sql.sqlite(), params)?;
        let mut rows = statement.raw_query();
        let mut decoded = Vec::new();
        while let Some(row) = rows.next()? {
            decoded.push(decode(&Row::Sqlite(row))?);
        }
        drop(rows);
        note(&mut self.changes, &statement, sql, params);
        Ok(decoded)
    }

    /// The first row, if there is one. A statement with RETURNING has written everything when it
    /// gives its first row.
    pub(crate) fn opt<T>(
        &mut self,
        sql: &Sql,
        params: &[Value<'_>],
        decode: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut statement = bound(&self.connection, sql.sqlite(), params)?;
        let mut rows = statement.raw_query();
        let decoded = match rows.next()? {
            Some(row) => Some(decode(&Row::Sqlite(row))?),
            None => None,
        };
        drop(rows);
        note(&mut self.changes, &statement, sql, params);
        Ok(decoded)
    }

    /// Remembers where a topic stands.
    pub(crate) fn remember(&mut self, topic: Topic, head: TopicHead) {
        if self.heads.len() >= HEADS_MAX {
            self.heads.clear();
        }
        self.heads.insert(topic, head);
    }
}

/// A statement with its parameters, ready to run.
fn bound<'a>(
    connection: &'a Connection,
    text: &str,
    params: &[Value<'_>],
) -> Result<CachedStatement<'a>, Error> {
    let mut statement = connection.prepare_cached(text)?;
    debug_assert_eq!(statement.parameter_count(), params.len(), "{text}");
    for (index, value) in params.iter().enumerate() {
        bind(&mut statement, index + 1, *value)?;
    }
    Ok(statement)
}

/// Notes a statement that ran, unless it only read.
fn note(
    changes: &mut Option<redo::Recorder>,
    statement: &CachedStatement<'_>,
    sql: &Sql,
    params: &[Value<'_>],
) {
    if let Some(changes) = changes.as_mut().filter(|_| !statement.readonly()) {
        changes.record(sql.sqlite(), params);
    }
}

fn bind(
    statement: &mut CachedStatement<'_>,
    index: usize,
    value: Value<'_>,
) -> Result<(), rusqlite::Error> {
    match value {
        Value::Null => statement.raw_bind_parameter(index, rusqlite::types::Null),
        Value::Int(number) => statement.raw_bind_parameter(index, number),
        Value::Text(text) => statement.raw_bind_parameter(index, text),
        Value::Bytes(bytes) => statement.raw_bind_parameter(index, bytes),
        Value::Id(id) => {
            let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
            statement.raw_bind_parameter(index, &*id.hyphenated().encode_lower(&mut text))
        }
    }
}

/// Refuses a library that can lose committed writes.
pub(crate) fn check_version() -> Result<(), Error> {
    match rusqlite::version_number() >= VERSION_MIN {
        true => Ok(()),
        false => Err(Error::Broken {
            reason: format!("SQLite {} is too old, 3.51.3 is needed", rusqlite::version()).into(),
        }),
    }
}

/// Refuses a write-ahead log without its database: SQLite would begin anew and throw away what only the log holds.
fn check_files(path: &Path) -> Result<(), Error> {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = Path::new(&log);
    if length(path) > 0 || length(log) == 0 {
        return Ok(());
    }
    let (path, log) = (path.display(), log.display());
    let reason = format!(
        "{path} is missing or empty, but {log} holds changes of it; put the database back, or move {log} away to begin anew"
    );
    Err(Error::Broken { reason: reason.into() })
}

/// A new database is its owner's alone; SQLite gives its other files the same rights.
fn create_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let created = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path);
    match created.map_err(|error| error.kind()) {
        Ok(_) | Err(std::io::ErrorKind::AlreadyExists) => Ok(()),
        Err(kind) => Err(Error::Broken { reason: format!("{}: {kind}", path.display()).into() }),
    }
}

/// Opens what the writer works with, brings the tables up to date, and does what an earlier process
/// acknowledged and did not commit.
pub(crate) fn open(path: &Path, synchronous: Synchronous) -> Result<(Session, RedoLog), Error> {
    check_files(path)?;
    create_private(path)?;
    let mut connection = open_writer(path, synchronous)?;
    RedoLog::recover(path, &mut connection)?;
    migrate::sqlite(&mut connection)?;
    let redo = RedoLog::start(path, &connection, is_synced(synchronous))?;
    let changes = Some(redo::Recorder::default());
    Ok((Session { changes, ..Session::new(connection)? }, redo))
}

fn open_writer(path: &Path, synchronous: Synchronous) -> Result<Connection, Error> {
    let mut connection = connect(path, synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))?;
    checkpoint::install(&mut connection, path, synchronous, checkpoint::PAGES)?;
    Ok(connection)
}

/// Whether what is acknowledged is on the disk.
fn is_synced(synchronous: Synchronous) -> bool {
    synchronous == Synchronous::Full && !planted::is("fsync")
}

/// A connection that may write, and leaves the write-ahead log as it is.
fn connect(path: &Path, synchronous: Synchronous) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let level = if is_synced(synchronous) { "FULL" } else { "OFF" };
    connection.pragma_update(None, "synchronous", level)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// Opens a connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Session, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(READER_CACHE_KIB))?;
    Session::new(connection)
}
