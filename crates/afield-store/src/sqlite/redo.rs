//! The redo log: what was acknowledged and is not committed yet.
//!
//! At a commit SQLite writes every page that was touched, and most of them are touched again by the next batch: the
//! end of each topic, the row of each command that goes on. So the writer's transaction stays open over many
//! batches. A batch is acknowledged when the statements that changed something, with their parameters, are in
//! this file and synced. After a crash SQLite is as of its last commit, and these statements are run once more, in
//! their order, on exactly the state on which they ran before: they have no clock, no chance and no
//! input but their parameters, so they do the same.
//!
//! ```text
//! <database>.redo   group, group, …          from the last commit on; begins anew with each commit
//! group             magic, CRC-32, salt, number, length, then entries
//! entry             the statement (its text, or its number once it was here), then its parameters
//! ```
//!
//! The number of the last group that a commit holds is in the database (`meta`), changed by that commit. So a
//! crash between a commit and the next group does nothing twice.

mod group;

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use uuid::Uuid;

pub(super) use self::group::Mark;
pub(crate) use self::group::Recorder;
use self::group::{Group, Groups, entry, salt_of};
use crate::{Error, sqlite};

/// Bytes after which the transaction is committed: what a crash may have to run again.
const PASS_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Rows of `meta`: the number of the last group in the database, and what tells its groups from another's.
const POSITION: &str = "redo_position";
const SALT: &str = "redo_salt";

/// The file.
#[derive(Debug)]
pub(crate) struct RedoLog {
    file: File,
    /// Whether groups are synced.
    synced: bool,
    salt: i64,
    /// Number of the last group.
    last: i64,
    /// Where the next group goes; what lies behind is of an earlier pass.
    end: u64,
}

impl RedoLog {
    /// Carries out what an earlier process acknowledged and did not commit. Before anything else is done
    /// with the database, migrations included.
    ///
    /// **Errors**: the file can't be read, or its statements do not run.
    pub(super) fn recover(database: &Path, connection: &mut Connection) -> Result<(), Error> {
        let path = path(database);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let salt = meta(connection, SALT)?;
        let position = meta(connection, POSITION)?.unwrap_or(0);
        let mut data = Vec::new();
        file.read_to_end(&mut data).map_err(failed)?;
        if planted::is("redo") {
            data.truncate(4 * 1024);
        }
        let of = salt_of(&data);
        if of.is_some() && of != salt {
            return set_aside(&path, &Unfit::AnotherState { position });
        }
        let Some(salt) = salt else { return Ok(()) };
        let groups: Vec<_> = Groups::of(&data, salt).collect();
        let last = groups.last().map_or(position, |last| last.number.max(position));
        if let Some(first) = groups.first().filter(|_| last > position) {
            if first.number != position + 1 {
                return set_aside(&path, &Unfit::AnotherState { position });
            }
            carry_out(connection, &groups, last)?;
        }
        match group::has_later(&data, salt, last) {
            true => set_aside(&path, &Unfit::Damaged { behind: last }),
            false => Ok(()),
        }
    }

    /// Begins a log behind the last commit. The tables are up to date.
    pub(super) fn start(
        database: &Path,
        connection: &Connection,
        synced: bool,
    ) -> Result<Self, Error> {
        let salt = match meta(connection, SALT)? {
            Some(salt) => salt,
            None => {
                let (_, salt) = Uuid::new_v4().as_u64_pair();
                put_meta(connection, SALT, salt.cast_signed())?;
                salt.cast_signed()
            }
        };
        let last = meta(connection, POSITION)?.unwrap_or(0);
        let path = path(database);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(failed)?;
        if synced {
            File::open(folder(&path)).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(Self { file, synced, salt, last, end: 0 })
    }

    /// Whether this batch is better committed than written here.
    pub(super) fn is_full(&self, batch: &Recorder) -> bool {
        batch.wants_commit() || self.end + batch.len() > PASS_BYTES_MAX
    }

    /// Writes what a batch changed. On disk when this returns; whether there was anything.
    pub(super) fn append(&mut self, batch: &mut Recorder) -> Result<bool, Error> {
        if batch.is_empty() {
            return Ok(false);
        }
        let group = batch.seal(self.salt, self.last + 1);
        self.file.write_all_at(group, self.end).map_err(failed)?;
        if self.synced {
            self.file.sync_data().map_err(failed)?;
        }
        self.last += 1;
        self.end += batch.len();
        batch.written();
        Ok(true)
    }

    /// Notes in the transaction, before its commit, that it holds everything up to here.
    pub(super) fn close_pass(&self, connection: &Connection) -> Result<(), Error> {
        match self.end {
            0 => Ok(()),
            _ => put_meta(connection, POSITION, self.last),
        }
    }

    /// After the commit: what was written is not needed any more.
    pub(super) fn begin_pass(&mut self, batch: &mut Recorder) {
        self.end = 0;
        batch.begin_pass();
    }

    /// Runs what this pass holds once more, after the transaction was rolled back.
    pub(super) fn redo(&self, connection: &Connection, batch: &mut Recorder) -> Result<(), Error> {
        batch.forget();
        let mut data = vec![0; usize::try_from(self.end).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut data, 0).map_err(failed)?;
        let groups: Vec<_> = Groups::of(&data, self.salt).collect();
        let bytes: usize = groups.iter().map(Group::len).sum();
        match bytes == data.len() {
            true => run(connection, &groups),
            false => Err(broken("a group can't be read back")),
        }
    }
}

fn path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".redo");
    path.into()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Why a file is not carried out, or not to its end.
enum Unfit {
    /// It continues another state of this database, such as one that was restored from a copy.
    AnotherState { position: i64 },
    /// What follows this group can't be read, and is not the end.
    Damaged { behind: i64 },
}

/// What only this file holds is not carried out.
fn set_aside(path: &Path, why: &Unfit) -> Result<(), Error> {
    let (name, why) = match why {
        Unfit::AnotherState { position } => {
            (format!("of-another-state-{position}"), "does not continue this database")
        }
        Unfit::Damaged { behind } => (format!("damaged-{behind}"), "is damaged in the middle"),
    };
    let aside = path.with_extension(format!("redo-{name}"));
    tracing::error!(
        path = %aside.display(),
        "the redo log {why}; it is set aside, and what only it holds, although acknowledged, is not carried out"
    );
    std::fs::rename(path, aside).map_err(failed)
}

/// Commits what these groups hold, which end with `last`.
fn carry_out(connection: &mut Connection, groups: &[Group<'_>], last: i64) -> Result<(), Error> {
    let changes = connection.transaction()?;
    run(&changes, groups)?;
    put_meta(&changes, POSITION, last)?;
    changes.commit()?;
    tracing::info!(groups = groups.len(), "what was acknowledged before the crash is committed");
    Ok(())
}

/// Runs the statements of these groups.
fn run(connection: &Connection, groups: &[Group<'_>]) -> Result<(), Error> {
    let mut texts: Vec<&str> = Vec::new();
    let mut params = Vec::new();
    for group in groups {
        let mut entries = group.entries;
        while !entries.is_empty() {
            let text = entry(&mut entries, &mut texts, &mut params);
            let text = text.ok_or_else(|| broken("an entry can't be read"))?;
            let mut statement = sqlite::bound(connection, text, &params)?;
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
        }
    }
    Ok(())
}

/// A number in `meta`; nothing before there is such a table.
fn meta(connection: &Connection, name: &str) -> Result<Option<i64>, Error> {
    if !connection.table_exists(None, "meta")? {
        return Ok(None);
    }
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    let mut rows = select.query([name])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

fn put_meta(connection: &Connection, name: &str, value: i64) -> Result<(), Error> {
    let mut put = connection.prepare_cached(
        "INSERT INTO meta (name, value) VALUES (?1, ?2) \
         ON CONFLICT (name) DO UPDATE SET value = ?2",
    )?;
    put.execute((name, value))?;
    Ok(())
}

fn failed(error: std::io::Error) -> Error {
    Error::Broken { reason: format!("the redo log: {error}").into() }
}

fn broken(what: &str) -> Error {
    Error::Broken { reason: format!("the redo log: {what}").into() }
}

#[cfg(test)]
pub(super) mod tests;
