//! The redo log after crashes, at every moment and of every kind.

use std::fs;

use super::*;
use crate::Synchronous;
use crate::sql::{Sql, Value, params};
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
pub(in crate::sqlite) fn crash(folder: &Path) -> tempfile::TempDir {
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

    /// Runs it as a batch.
    fn batch(&mut self, sql: &Sql, params: &[Value<'_>]) {
        self.run(sql, params);
        self.acknowledge();
    }

    /// Where "a" is 1, acknowledged and not committed.
    fn with_one() -> Self {
        let mut world = Self::new();
        world.begin();
        world.batch(&PUT, params!["a", 1_i64]);
        world
    }

    fn value(&self, name: &str) -> Option<i64> {
        meta(&self.session.connection, name).unwrap()
    }
}

/// How many files were set aside for this.
fn aside(world: &World, why: &str) -> usize {
    let files = fs::read_dir(world.folder.path()).unwrap();
    let names = files.map(|file| file.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().contains(why)).count()
}

#[test]
fn a_database_without_a_folder_lies_in_the_present_one() {
    assert_eq!(folder(&path(Path::new("afield.db"))), Path::new("."));
    assert_eq!(folder(&path(Path::new("/data/afield.db"))), Path::new("/data"));
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash_and_the_rest_is_not() {
    let mut world = World::new();
    world.begin();
    world.run(&PUT, params!["a", 1_i64]);
    world.batch(&ADD, params!["a", 10_i64]);
    world.batch(&ADD, params!["a", 100_i64]);
    world.run(&ADD, params!["a", 1000_i64]);
    let mut again = world.crashed();
    assert_eq!(again.value("a"), Some(111));
    // And goes on from there.
    again.begin();
    again.batch(&ADD, params!["a", 5_i64]);
    assert_eq!(again.crashed().value("a"), Some(116));
}

#[test]
fn nothing_is_done_twice_whenever_the_crash_comes() {
    let mut world = World::with_one();
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
    world.run(&KEEP, &[Value::Id(org), Value::Text("hash é"), Value::Int(-7), Value::Bytes(bytes)]);
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
    let mut world = World::with_one();
    let whole = world.redo.end;
    world.batch(&ADD, params!["a", 10_i64]);
    for end in [whole + 1, whole + 40, world.redo.end - 1] {
        let crashed = crash(world.folder.path());
        let file = File::options().write(true).open(path(&crashed.path().join("db"))).unwrap();
        file.set_len(end).unwrap();
        assert_eq!(World::over(crashed).value("a"), Some(1), "cut at {end}");
    }
    // The next pass is shorter: behind it lies the end of this one.
    world.commit();
    world.begin_pass();
    world.batch(&ADD, params!["a", 100_i64]);
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
    world.batch(&ADD, params!["a", 100_i64]);
    assert_eq!(world.crashed().value("a"), Some(101));
    // A whole batch is rolled back, and what came before it is done again.
    world.run(&KEEP, params!["o", "h", 1_i64, *b"body".as_slice()]);
    world.run(&ADD, params!["a", 1000_i64]);
    world.session.connection.execute_batch("ROLLBACK").unwrap();
    world.begin();
    world.redo.redo(&world.session.connection, world.session.changes.as_mut().unwrap()).unwrap();
    assert_eq!(world.value("a"), Some(101));
    world.batch(&ADD, params!["a", 5_i64]);
    assert_eq!(world.crashed().value("a"), Some(106));
}

#[test]
fn the_log_of_another_state_is_set_aside() {
    let mut world = World::new();
    let old = crash(world.folder.path());
    world.begin();
    world.batch(&PUT, params!["a", 1_i64]);
    world.commit();
    world.begin_pass();
    world.batch(&ADD, params!["a", 10_i64]);
    let newest = crash(world.folder.path());
    fs::copy(path(&newest.path().join("db")), path(&old.path().join("db"))).unwrap();
    // Neither an older copy of the same database takes it nor another one.
    let other = crash(World::new().folder.path());
    fs::copy(path(&newest.path().join("db")), path(&other.path().join("db"))).unwrap();
    for folder in [old, other] {
        let restored = World::over(folder);
        assert_eq!(restored.value("a"), None);
        assert_eq!(aside(&restored, "another-state"), 1);
    }
}

#[test]
fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::with_one();
    let files = fs::read_dir(world.folder.path()).unwrap().map(Result::unwrap);
    let modes: Vec<_> = files.map(|file| file.metadata().unwrap().permissions().mode()).collect();
    // The database, its log and the log's index, and the redo log.
    assert_eq!(modes, [0o100_600; 4]);
}

#[test]
fn a_log_without_its_database_is_left_as_it_is() {
    let world = World::with_one();
    for emptied in [false, true] {
        let crashed = crash(world.folder.path());
        let (database, log) = (crashed.path().join("db"), crashed.path().join("db-wal"));
        let kept = fs::read(&log).unwrap();
        assert!(!kept.is_empty());
        match emptied {
            true => fs::write(&database, "").unwrap(),
            false => fs::remove_file(&database).unwrap(),
        }
        let refused = open(&database, Synchronous::Full).err().unwrap().to_string();
        assert!(refused.contains("db-wal"), "{refused}");
        assert!(fs::read(&log).unwrap() == kept);
        // Whoever takes it away begins anew.
        fs::remove_file(&log).unwrap();
        open(&database, Synchronous::Full).unwrap();
    }
}

#[test]
fn damage_in_the_middle_is_said_and_what_comes_before_it_is_carried_out() {
    let mut world = World::with_one();
    let second = world.redo.end;
    world.batch(&ADD, params!["a", 10_i64]);
    let third = world.redo.end;
    world.batch(&ADD, params!["a", 100_i64]);
    // In the first group, in the second, and in the last, which may as well be torn.
    for (at, value, said) in [(40, None, 1), (second + 40, Some(1), 1), (third + 40, Some(11), 0)] {
        let crashed = crash(world.folder.path());
        let file = path(&crashed.path().join("db"));
        let mut data = fs::read(&file).unwrap();
        data[usize::try_from(at).unwrap()] ^= 1;
        fs::write(&file, data).unwrap();
        let mut found = World::over(crashed);
        assert_eq!(found.value("a"), value, "damaged at {at}");
        assert_eq!(aside(&found, "damaged"), said, "damaged at {at}");
        found.begin();
        found.batch(&PUT, params!["b", 1_i64]);
        assert_eq!(found.crashed().value("b"), Some(1), "it goes on");
    }
}
