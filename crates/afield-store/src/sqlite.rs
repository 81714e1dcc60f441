//! SQLite: one writer thread with group commit, readers beside it.
//!
//! The [`Session`] runs statements on one connection; [`writer`] and [`reader`] own the
//! connections. Opened by [`crate::Store::open`].

mod checkpoint;
pub(crate) mod reader;
pub(crate) mod writer;

use std::collections::HashMap;
use std::path::Path;

use afield_proto::Topic;
use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, OpenFlags};

use crate::log::append::TopicHead;
use crate::sql::{Row, Sql, Value};
use crate::{Error, Synchronous};

/// The first SQLite without the WAL-reset bug, which can lose committed writes.
const VERSION_MIN: i32 = 3_051_003;
/// Prepared statements kept per connection: more than there are.
const STATEMENTS_CACHED: usize = 256;
/// Topics whose heads the writer remembers; all are forgotten when there are more.
const HEADS_MAX: usize = 100_000;
/// Page cache of the writer, in KiB. At the end of a commit that moved entries between pages SQLite
/// looks through all of it, so a large one costs more than it spares: what is not in it is read from
/// the system's own cache.
const WRITER_CACHE_KIB: u32 = 8 * 1024;
/// Page cache of each reader, in KiB.
const READER_CACHE_KIB: u32 = 16 * 1024;

/// Statements on one connection.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    /// Where the topics stand; on the writer only.
    pub(crate) heads: HashMap<Topic, TopicHead>,
}

impl Session {
    fn new(connection: Connection) -> Result<Self, Error> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        // Plans never depend on the values bound to them. Without this SQLite plans statements
        // again and again whose tables have partial indexes.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self { connection, heads: HashMap::new() })
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) fn execute(&mut self, sql: &Sql, params: &[Value<'_>]) -> Result<u64, Error> {
        let mut statement = self.bound(sql, params)?;
        Ok(statement.raw_execute()? as u64)
    }

    /// Every row, decoded.
    pub(crate) fn all<T>(
        &mut self,
        sql: &Sql,
        params: &[Value<'_>],
        decode: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.bound(sql, params)?;
        let mut rows = statement.raw_query();
        let mut decoded = Vec::new();
        while let Some(row) = rows.next()? {
            decoded.push(decode(&Row::Sqlite(row))?);
        }
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
        let mut statement = self.bound(sql, params)?;
        let mut rows = statement.raw_query();
        let Some(row) = rows.next()? else { return Ok(None) };
        let decoded = decode(&Row::Sqlite(row))?;
        Ok(Some(decoded))
    }

    /// Remembers where a topic stands.
    pub(crate) fn remember(&mut self, topic: Topic, head: TopicHead) {
        if self.heads.len() >= HEADS_MAX {
            self.heads.clear();
        }
        self.heads.insert(topic, head);
    }

    fn bound(&mut self, sql: &Sql, params: &[Value<'_>]) -> Result<CachedStatement<'_>, Error> {
        let mut statement = self.connection.prepare_cached(sql.sqlite())?;
        debug_assert_eq!(statement.parameter_count(), params.len(), "{}", sql.sqlite());
        for (index, value) in params.iter().enumerate() {
            bind(&mut statement, index + 1, *value)?;
        }
        Ok(statement)
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

/// Opens the connection of the writer.
pub(crate) fn open_writer(path: &Path, synchronous: Synchronous) -> Result<Connection, Error> {
    let mut connection = connect(path, synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))?;
    checkpoint::install(&mut connection, path, synchronous, checkpoint::PAGES)?;
    Ok(connection)
}

/// A connection that may write, and leaves the write-ahead log as it is.
fn connect(path: &Path, synchronous: Synchronous) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let level = match synchronous {
        Synchronous::Full if planted::is("fsync") => "OFF",
        Synchronous::Full => "FULL",
        Synchronous::Off => "OFF",
    };
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

/// A session of the writer's connection.
pub(crate) fn writer_session(connection: Connection) -> Result<Session, Error> {
    Session::new(connection)
}
