//! SQLite under power cuts: what it acknowledged with `synchronous=FULL` is there afterwards, and
//! the same test finds the losses of `synchronous=OFF`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use powercut_shim::{Mode, environment, rollback};
use rusqlite::Connection;

const CYCLES: u64 = 30;

/// What one series of cuts showed.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: i64,
    lost: i64,
    damaged: u64,
    undone: usize,
}

/// Lets a program add rows until it has acknowledged `acknowledgements`, then kills it. Gives the
/// last row it acknowledged.
fn write_until(database: &Path, dir: &Path, synchronous: &str, acknowledgements: usize) -> i64 {
    let root = database.parent().expect("the database lies in a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_powercut-writer"))
        .arg("sqlite")
        .arg(database)
        .arg(synchronous)
        .envs(environment(root, dir).expect("the library is there"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the writer starts");
    let mut output = BufReader::new(child.stdout.take().expect("it was piped"));
    let mut last = 0;
    let mut line = String::new();
    for _ in 0..acknowledgements {
        line.clear();
        output.read_line(&mut line).expect("it can be read");
        last = line.trim().parse().expect("a row number");
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it is dead");
    // What it said before it died counts, too.
    while output
        .read_line({
            line.clear();
            &mut line
        })
        .is_ok_and(|read| read > 0)
    {
        if line.ends_with('\n') {
            last = line.trim().parse().expect("a row number");
        }
    }
    last
}

fn rows(database: &Path) -> rusqlite::Result<i64> {
    let connection = Connection::open(database)?;
    let verdict: String = connection.query_row("pragma integrity_check", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(rusqlite::Error::InvalidQuery);
    }
    connection.query_row("select count(*) from acknowledged", [], |row| row.get(0))
}

fn cut_again_and_again(synchronous: &str, mode: impl Fn(u64) -> Mode) -> Seen {
    let mut seen = Seen::default();
    for cycle in 0..CYCLES {
        let (root, dir) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let database = root.path().join("test.db");
        let table = "create table acknowledged (id integer primary key, filler text not null)";
        Connection::open(&database).and_then(|made| made.execute_batch(table)).expect("a database");
        let count = usize::try_from(cycle * 7 % 50 + 5).expect("small");
        let last = write_until(&database, dir.path(), synchronous, count);
        seen.undone += rollback(dir.path(), mode(cycle)).expect("there is a journal").undone;
        seen.acknowledged += last;
        match rows(&database) {
            Ok(there) => seen.lost += (last - there).max(0),
            Err(_) => {
                seen.damaged += 1;
                seen.lost += last;
            }
        }
    }
    seen
}

#[test]
fn full_loses_nothing_when_all_vanishes() {
    let seen = cut_again_and_again("FULL", |_| Mode::All);
    assert_eq!((seen.lost, seen.damaged), (0, 0), "{seen:?}");
    assert!(seen.acknowledged > 0 && seen.undone > 0, "{seen:?}");
}

#[test]
fn full_loses_nothing_when_a_prefix_stays() {
    let seen = cut_again_and_again("FULL", Mode::RandomPrefix);
    assert_eq!((seen.lost, seen.damaged), (0, 0), "{seen:?}");
}

#[test]
fn the_same_test_finds_the_losses_of_off() {
    let seen = cut_again_and_again("OFF", |_| Mode::All);
    assert!(seen.lost > 0, "{seen:?}");
}
