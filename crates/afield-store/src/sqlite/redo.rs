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

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use uuid::Uuid;

use crate::sql::Value;
use crate::{Error, sqlite};

/// Bytes after which the transaction is committed: what a crash may have to run again.
const PASS_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A batch of longer rows fills pages by itself: writing them here first would only write them twice.
const STATEMENT_BYTES_MAX: usize = 4 * 1024;
/// A value from this size on is not even copied.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Memory that is kept for the next batch.
const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024;

const MAGIC: u32 = 0xaf1e_1d0d;
/// Bytes before the entries of a group.
const HEAD_BYTES: usize = 32;
/// Marks an entry whose statement is new in this pass.
const NEW: u16 = u16::MAX;

/// Rows of `meta`: the number of the last group in the database, and what tells its groups from another's.
const POSITION: &str = "redo_position";
const SALT: &str = "redo_salt";

/// What a batch changed so far, as it will be written.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Begins with room for the head.
    group: Vec<u8>,
    statements: usize,
    /// The statements of this pass by address and length of their text, which is static.
    known: HashMap<(usize, usize), u16>,
    /// How many of them are in the file.
    kept: u16,
    /// Something was changed that is not in here.
    incomplete: bool,
}

/// A place in a batch to come back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    bytes: usize,
    statements: usize,
    known: u16,
}

impl Default for Recorder {
    fn default() -> Self {
        let (group, known) = (vec![0; HEAD_BYTES], HashMap::new());
        Self { group, statements: 0, known, kept: 0, incomplete: false }
    }
}

impl Recorder {
    /// Notes a statement that has changed something, or might have.
    pub(super) fn record(&mut self, text: &'static str, params: &[Value<'_>]) {
        let too_long = self.group.len() as u64 > PASS_BYTES_MAX || params.iter().any(is_long);
        if self.incomplete || too_long {
            return self.miss();
        }
        self.statements += 1;
        let next = self.next();
        let known = *self.known.entry((text.as_ptr().addr(), text.len())).or_insert(next);
        if known == next {
            self.group.extend_from_slice(&NEW.to_le_bytes());
            self.bytes(text.as_bytes());
        } else {
            self.group.extend_from_slice(&known.to_le_bytes());
        }
        self.group.push(u8::try_from(params.len()).expect("no statement has so many parameters"));
        for value in params {
            self.value(*value);
        }
    }

    /// Something was changed that is not noted: only a commit keeps it.
    pub(crate) fn miss(&mut self) {
        self.incomplete = true;
    }

    /// The number of the next new statement.
    fn next(&self) -> u16 {
        u16::try_from(self.known.len()).expect("there are not so many statements")
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Null => self.group.push(0),
            Value::Int(number) => {
                self.group.push(1);
                self.group.extend_from_slice(&number.to_le_bytes());
            }
            Value::Text(text) => {
                self.group.push(2);
                self.bytes(text.as_bytes());
            }
            Value::Id(id) => {
                self.group.push(3);
                self.group.extend_from_slice(id.as_bytes());
            }
            Value::Bytes(bytes) => {
                self.group.push(4);
                self.bytes(bytes);
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("SQLite takes no value of 4 GiB");
        self.group.extend_from_slice(&length.to_le_bytes());
        self.group.extend_from_slice(bytes);
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { bytes: self.group.len(), statements: self.statements, known: self.next() }
    }

    /// Forgets what came after the mark: it was undone.
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.group.truncate(mark.bytes);
        self.statements = mark.statements;
        self.known.retain(|_, number| *number < mark.known);
    }

    /// Forgets the batch, which was undone.
    fn clear(&mut self) {
        let kept = Mark { bytes: HEAD_BYTES, statements: 0, known: self.kept };
        self.back_to(kept);
        self.group.shrink_to(KEPT_BYTES_MAX);
        self.incomplete = false;
    }
}

fn is_long(value: &Value<'_>) -> bool {
    match value {
        Value::Text(text) => text.len() > VALUE_BYTES_MAX,
        Value::Bytes(bytes) => bytes.len() > VALUE_BYTES_MAX,
        Value::Null | Value::Int(_) | Value::Id(_) => false,
    }
}

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
        let of = salt_of(&data);
        if of.is_some() && of != salt {
            return set_aside(&path, position);
        }
        let Some(salt) = salt else { return Ok(()) };
        let groups: Vec<_> = Groups { rest: &data, salt, last: None }.collect();
        let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return Ok(()) };
        if last.number <= position {
            return Ok(());
        }
        if first.number != position + 1 {
            return set_aside(&path, position);
        }
        let changes = connection.transaction()?;
        run(&changes, &groups)?;
        put_meta(&changes, POSITION, last.number)?;
        changes.commit()?;
        tracing::info!(
            groups = groups.len(),
            "what was acknowledged before the crash is committed"
        );
        Ok(())
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
        if let Some(folder) = path.parent().filter(|_| synced) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(Self { file, synced, salt, last, end: 0 })
    }

    /// Whether this batch is better committed than written here.
    pub(super) fn is_full(&self, batch: &Recorder) -> bool {
        let bytes = batch.group.len();
        batch.incomplete
            || self.end + bytes as u64 > PASS_BYTES_MAX
            || bytes > HEAD_BYTES + batch.statements * STATEMENT_BYTES_MAX
    }

    /// Writes what a batch changed. On disk when this returns; whether there was anything.
    pub(super) fn append(&mut self, batch: &mut Recorder) -> Result<bool, Error> {
        if batch.statements == 0 {
            return Ok(false);
        }
        write_head(&mut batch.group, self.salt, self.last + 1);
        self.file.write_all_at(&batch.group, self.end).map_err(failed)?;
        if self.synced {
            self.file.sync_data().map_err(failed)?;
        }
        self.last += 1;
        self.end += batch.group.len() as u64;
        batch.kept = batch.next();
        batch.clear();
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
        batch.kept = 0;
        batch.clear();
    }

    /// Runs what this pass holds once more, after the transaction was rolled back.
    pub(super) fn redo(&self, connection: &Connection, batch: &mut Recorder) -> Result<(), Error> {
        batch.clear();
        let mut data = vec![0; usize::try_from(self.end).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut data, 0).map_err(failed)?;
        let groups: Vec<_> = Groups { rest: &data, salt: self.salt, last: None }.collect();
        let bytes: usize = groups.iter().map(|group| HEAD_BYTES + group.entries.len()).sum();
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

/// It continues another state of this database, such as one that was restored from a copy.
fn set_aside(path: &Path, position: i64) -> Result<(), Error> {
    let aside = path.with_extension(format!("redo-of-another-state-{position}"));
    tracing::error!(
        path = %aside.display(),
        "the redo log does not continue this database; it is set aside, and what only it holds is not carried out"
    );
    std::fs::rename(path, aside).map_err(failed)
}

fn write_head(group: &mut [u8], salt: i64, number: i64) {
    let length = (group.len() - HEAD_BYTES) as u64;
    group[..4].copy_from_slice(&MAGIC.to_le_bytes());
    group[8..16].copy_from_slice(&salt.to_le_bytes());
    group[16..24].copy_from_slice(&number.to_le_bytes());
    group[24..32].copy_from_slice(&length.to_le_bytes());
    let crc = crc32fast::hash(&group[8..]);
    group[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// The groups of one pass; they end where a group is torn, or of an earlier pass.
struct Groups<'a> {
    rest: &'a [u8],
    salt: i64,
    last: Option<i64>,
}

/// Whose log this is, if it begins with a whole group.
fn salt_of(data: &[u8]) -> Option<i64> {
    let salt = i64::from_le_bytes(*data.get(8..)?.first_chunk()?);
    Groups { rest: data, salt, last: None }.next().map(|_| salt)
}

struct Group<'a> {
    number: i64,
    entries: &'a [u8],
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
        let mut head = self.rest;
        let (magic, crc) = (u32::from_le_bytes(array(&mut head)?), array(&mut head)?);
        let (salt, number) = (i64::from_le_bytes(array(&mut head)?), array(&mut head)?);
        let (number, length) = (i64::from_le_bytes(number), u64::from_le_bytes(array(&mut head)?));
        let (entries, rest) = head.split_at_checked(usize::try_from(length).ok()?)?;
        let covered = self.rest.get(8..HEAD_BYTES + entries.len())?;
        let follows = self.last.is_none_or(|last| number == last + 1);
        let whole = magic == MAGIC && crc32fast::hash(covered) == u32::from_le_bytes(crc);
        if !(whole && follows && salt == self.salt) {
            return None;
        }
        (self.rest, self.last) = (rest, Some(number));
        Some(Group { number, entries })
    }
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

/// Reads an entry: gives its statement, and puts its parameters into `params`.
fn entry<'a>(
    rest: &mut &'a [u8],
    texts: &mut Vec<&'a str>,
    params: &mut Vec<Value<'a>>,
) -> Option<&'a str> {
    let number = u16::from_le_bytes(array(rest)?);
    if number == NEW {
        texts.push(std::str::from_utf8(bytes(rest)?).ok()?);
    }
    let text = if number == NEW { texts.last() } else { texts.get(usize::from(number)) };
    let [count] = array(rest)?;
    params.clear();
    for _ in 0..count {
        params.push(value(rest)?);
    }
    text.copied()
}

fn value<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    let [kind] = array(rest)?;
    Some(match kind {
        0 => Value::Null,
        1 => Value::Int(i64::from_le_bytes(array(rest)?)),
        2 => Value::Text(std::str::from_utf8(bytes(rest)?).ok()?),
        3 => Value::Id(Uuid::from_bytes(array(rest)?)),
        4 => Value::Bytes(bytes(rest)?),
        _ => return None,
    })
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u32::from_le_bytes(array(rest)?)).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*array)
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
mod tests {
    use std::fs;

    use super::*;
    use crate::Synchronous;
    use crate::sql::{Sql, params};
    use crate::sqlite::{Session, open};

    static PUT: Sql = Sql::new(
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
    );
    static ADD: Sql = Sql::new("UPDATE meta SET value = value + ?2 WHERE name = ?1");
    static KEEP: Sql = Sql::new(
        "INSERT INTO blobs (org_id, hash, bytes, created_at, body) VALUES (?1, ?2, ?3, 0, ?4)",
    );

    struct World {
        folder: tempfile::TempDir,
        session: Session,
        redo: RedoLog,
    }

    /// A copy of the files, as a crash leaves them.
    fn crash(folder: &Path) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        copy
    }

    impl World {
        fn new() -> Self {
            Self::over(tempfile::tempdir().unwrap())
        }

        fn over(folder: tempfile::TempDir) -> Self {
            let (session, redo) = open(&folder.path().join("db"), Synchronous::Full).unwrap();
            Self { folder, session, redo }
        }

        fn crashed(&self) -> Self {
            Self::over(crash(self.folder.path()))
        }

        fn begin(&mut self) {
            self.session.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        }

        fn run(&mut self, sql: &Sql, params: &[Value<'_>]) {
            self.session.execute(sql, params).unwrap();
        }

        fn acknowledge(&mut self) {
            let changes = self.session.changes.as_mut().unwrap();
            assert!(self.redo.append(changes).unwrap());
        }

        fn commit(&mut self) {
            self.redo.close_pass(&self.session.connection).unwrap();
            self.session.connection.execute_batch("COMMIT").unwrap();
        }

        fn begin_pass(&mut self) {
            self.redo.begin_pass(self.session.changes.as_mut().unwrap());
            self.begin();
        }

        fn value(&self, name: &str) -> Option<i64> {
            meta(&self.session.connection, name).unwrap()
        }
    }

    #[test]
    fn what_was_acknowledged_is_there_after_a_crash_and_the_rest_is_not() {
        let mut world = World::new();
        world.begin();
        world.run(&PUT, params!["a", 1_i64]);
        world.run(&ADD, params!["a", 10_i64]);
        world.acknowledge();
        world.run(&ADD, params!["a", 100_i64]);
        world.acknowledge();
        world.run(&ADD, params!["a", 1000_i64]);
        let mut again = world.crashed();
        assert_eq!(again.value("a"), Some(111));
        // And goes on from there.
        again.begin();
        again.run(&ADD, params!["a", 5_i64]);
        again.acknowledge();
        assert_eq!(again.crashed().value("a"), Some(116));
    }

    #[test]
    fn nothing_is_done_twice_whenever_the_crash_comes() {
        let mut world = World::new();
        world.begin();
        world.run(&PUT, params!["a", 1_i64]);
        world.acknowledge();
        world.commit();
        // Committed, and the file still has it.
        assert_eq!(world.crashed().value("a"), Some(1));
        world.begin_pass();
        world.run(&ADD, params!["a", 10_i64]);
        assert_eq!(world.crashed().value("a"), Some(1));
        world.acknowledge();
        assert_eq!(world.crashed().value("a"), Some(11));
        assert_eq!(world.crashed().crashed().value("a"), Some(11));
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let mut world = World::new();
        let (org, bytes) = (Uuid::new_v4(), b"\0bytes\xff".as_slice());
        world.session.connection.execute_batch("PRAGMA foreign_keys = off; BEGIN").unwrap();
        world.run(
            &KEEP,
            &[Value::Id(org), Value::Text("hash é"), Value::Int(-7), Value::Bytes(bytes)],
        );
        world.run(&PUT, &[Value::Text(""), Value::Int(i64::MIN)]);
        world.acknowledge();
        let crashed = crash(world.folder.path());
        let mut connection = Connection::open(crashed.path().join("db")).unwrap();
        RedoLog::recover(&crashed.path().join("db"), &mut connection).unwrap();
        let select = "SELECT org_id, hash, bytes, body FROM blobs";
        let row = connection.query_row(select, [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
        });
        assert_eq!(row.unwrap(), (org.to_string(), "hash é".into(), -7, bytes.to_vec()));
        assert_eq!(meta(&connection, "").unwrap(), Some(i64::MIN));
    }

    #[test]
    fn a_torn_group_and_what_an_earlier_pass_left_are_not_run() {
        let mut world = World::new();
        world.begin();
        world.run(&PUT, params!["a", 1_i64]);
        world.acknowledge();
        let whole = world.redo.end;
        world.run(&ADD, params!["a", 10_i64]);
        world.acknowledge();
        for end in [whole + 1, whole + 40, world.redo.end - 1] {
            let crashed = crash(world.folder.path());
            let file = File::options().write(true).open(path(&crashed.path().join("db"))).unwrap();
            file.set_len(end).unwrap();
            assert_eq!(World::over(crashed).value("a"), Some(1), "cut at {end}");
        }
        // The next pass is shorter: behind it lies the end of this one.
        world.commit();
        world.begin_pass();
        world.run(&ADD, params!["a", 100_i64]);
        world.acknowledge();
        assert_eq!(world.crashed().value("a"), Some(111));
    }

    #[test]
    fn what_was_undone_is_not_run_again() {
        let mut world = World::new();
        world.begin();
        world.run(&PUT, params!["a", 1_i64]);
        let mark = world.session.changes.as_ref().unwrap().mark();
        world.session.connection.execute_batch("SAVEPOINT one").unwrap();
        world.run(&ADD, params!["a", 10_i64]);
        world.session.connection.execute_batch("ROLLBACK TO one; RELEASE one").unwrap();
        world.session.changes.as_mut().unwrap().back_to(mark);
        world.run(&ADD, params!["a", 100_i64]);
        world.acknowledge();
        assert_eq!(world.crashed().value("a"), Some(101));
        // A whole batch is rolled back, and what came before it is done again.
        world.run(&KEEP, params!["o", "h", 1_i64, *b"body".as_slice()]);
        world.run(&ADD, params!["a", 1000_i64]);
        world.session.connection.execute_batch("ROLLBACK").unwrap();
        world.begin();
        world
            .redo
            .redo(&world.session.connection, world.session.changes.as_mut().unwrap())
            .unwrap();
        assert_eq!(world.value("a"), Some(101));
        world.run(&ADD, params!["a", 5_i64]);
        world.acknowledge();
        assert_eq!(world.crashed().value("a"), Some(106));
    }

    #[test]
    fn the_log_of_another_state_is_set_aside() {
        let mut world = World::new();
        let old = crash(world.folder.path());
        world.begin();
        world.run(&PUT, params!["a", 1_i64]);
        world.acknowledge();
        world.commit();
        world.begin_pass();
        world.run(&ADD, params!["a", 10_i64]);
        world.acknowledge();
        let newest = crash(world.folder.path());
        fs::copy(path(&newest.path().join("db")), path(&old.path().join("db"))).unwrap();
        // Neither an older copy of the same database takes it nor another one.
        let other = crash(World::new().folder.path());
        fs::copy(path(&newest.path().join("db")), path(&other.path().join("db"))).unwrap();
        for folder in [old, other] {
            let restored = World::over(folder);
            assert_eq!(restored.value("a"), None);
            let files = fs::read_dir(restored.folder.path()).unwrap();
            let names = files.map(|file| file.unwrap().file_name());
            let aside = names.filter(|name| name.to_string_lossy().contains("another-state"));
            assert_eq!(aside.count(), 1);
        }
    }
}
