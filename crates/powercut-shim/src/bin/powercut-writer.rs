//! The program whose power is cut in this crate's tests. Says on standard output what it believes
//! to be durable.
#![expect(clippy::print_stdout, reason = "its answers are read by the test")]

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["files", folder] => files(Path::new(folder)),
        ["sqlite", database, synchronous] => sqlite(Path::new(database), synchronous),
        _ => Err("usage: powercut-writer files FOLDER | sqlite DATABASE FULL|OFF".into()),
    }
}

/// Writes in every way the standard library has, half of it synced, then waits to be killed.
fn files(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut kept = File::create(folder.join("kept"))?;
    kept.write_all(b"synced")?;
    kept.sync_data()?;
    kept.write_all(b" and not")?;

    let mut never = File::create(folder.join("never"))?;
    never.write_all(b"never synced")?;

    let mut changed = OpenOptions::new().write(true).open(folder.join("changed"))?;
    changed.seek(SeekFrom::Start(2))?;
    changed.write_all(b"XX")?;

    let appended = OpenOptions::new().append(true).open(folder.join("appended"))?;
    (&appended).write_all(b"one\n")?;
    appended.sync_all()?;
    (&appended).write_all(b"two\n")?;

    File::create(folder.join("emptied"))?;
    OpenOptions::new().write(true).open(folder.join("cut"))?.set_len(3)?;
    std::fs::copy(folder.join("kept"), folder.join("copied"))?;

    std::fs::write(folder.join("new"), "never synced")?;
    std::fs::rename(folder.join("new"), folder.join("renamed"))?;
    println!("written");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Adds rows for ever and says the number of each after its commit.
fn sqlite(database: &Path, synchronous: &str) -> Result<(), Box<dyn std::error::Error>> {
    let connection = rusqlite::Connection::open(database)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    // Checkpoints are part of what is tested: let them come often.
    connection.pragma_update(None, "wal_autocheckpoint", 16)?;
    let mut insert = connection.prepare("insert into acknowledged (filler) values (?1)")?;
    loop {
        insert.execute(["x".repeat(500)])?;
        println!("{}", connection.last_insert_rowid());
    }
}
