//! The power cut itself: takes back what was never synced. Called by a test after it killed every
//! process that wrote; must not run while one of them lives.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::journal::{self, Entry, FileId};

/// How much of what was not synced a cut takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All of it: the disk's cache was never written.
    All,
    /// All but the first few changes, how many is drawn from the seed: the cache was being written.
    RandomPrefix(u64),
}

/// What a cut did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Changes that vanished.
    pub undone: usize,
    /// Changes that were not synced and stayed all the same.
    pub kept: usize,
    /// Changes of files that are no longer there.
    pub gone: usize,
}

/// Why a cut could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file or a journal can't be read or written.
    Io(PathBuf, std::io::Error),
    /// No journal is there: nothing ran with the library, or not in this folder.
    NoJournal(PathBuf),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NoJournal(path) => write!(f, "no undo journal in {}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

/// Takes back what the processes that kept their journals in `dir` never synced, and removes the
/// journals: a next round starts anew.
///
/// **Errors**: see [`Error`]. After an error the files are neither before nor after the cut.
pub fn rollback(dir: &Path, mode: Mode) -> Result<Report, Error> {
    let journals = read_journals(dir)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut files = HashMap::new();
    for (path, root, read) in journals {
        find_files(&root, &mut files)?;
        entries.extend(read);
        std::fs::remove_file(&path).map_err(|error| Error::Io(path, error))?;
    }
    entries.sort_by_key(Entry::at_ns);
    let open = unsynced(&entries);
    let kept = match mode {
        Mode::All => 0,
        Mode::RandomPrefix(seed) => {
            usize::try_from(mix(seed) % (open.len() as u64 + 1)).unwrap_or(0)
        }
    };
    let mut report = Report { kept, ..Report::default() };
    for entry in open[kept..].iter().rev() {
        undo(entry, &files, &mut report)?;
    }
    Ok(report)
}

type Journal = (PathBuf, PathBuf, Vec<Entry>);

fn read_journals(dir: &Path) -> Result<Vec<Journal>, Error> {
    let mut found = Vec::new();
    for path in children(dir)? {
        if path.extension().is_some_and(|ending| ending == "undo") {
            let bytes = std::fs::read(&path).map_err(|error| Error::Io(path.clone(), error))?;
            if let Some((root, entries)) = journal::decode(&bytes) {
                found.push((path, root, entries));
            }
        }
    }
    if found.is_empty() { Err(Error::NoJournal(dir.to_owned())) } else { Ok(found) }
}

fn children(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::Io(dir.to_owned(), error);
    std::fs::read_dir(dir)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect()
}

/// Where each file below `root` is now.
fn find_files(root: &Path, files: &mut HashMap<FileId, PathBuf>) -> Result<(), Error> {
    for path in children(root)? {
        let found =
            std::fs::symlink_metadata(&path).map_err(|error| Error::Io(path.clone(), error))?;
        if found.is_dir() {
            find_files(&path, files)?;
        } else if found.is_file() {
            files.insert(file_id(&found), path);
        }
    }
    Ok(())
}

fn file_id(found: &std::fs::Metadata) -> FileId {
    let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let born_ns = born.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
    FileId { device: found.dev(), inode: found.ino(), born_ns }
}

/// The changes that no later sync covers, in the order they were made.
fn unsynced(entries: &[Entry]) -> Vec<&Entry> {
    let mut synced: HashMap<FileId, u64> = HashMap::new();
    let mut all_synced = None;
    for entry in entries {
        match entry {
            Entry::Sync { at_ns, file } => {
                let until = synced.entry(*file).or_default();
                *until = (*until).max(*at_ns);
            }
            Entry::SyncAll { at_ns } => all_synced = all_synced.max(Some(*at_ns)),
            Entry::Change { .. } => {}
        }
    }
    let open = |entry: &&Entry| match entry {
        Entry::Change { at_ns, file, .. } => {
            Some(*at_ns) > all_synced && synced.get(file).is_none_or(|until| at_ns > until)
        }
        _ => false,
    };
    entries.iter().filter(open).collect()
}

fn undo(entry: &Entry, files: &HashMap<FileId, PathBuf>, report: &mut Report) -> Result<(), Error> {
    let Entry::Change { file, length, offset, bytes, .. } = entry else { return Ok(()) };
    let Some(path) = files.get(file) else {
        report.gone += 1;
        return Ok(());
    };
    let restore = || {
        let file: File = OpenOptions::new().write(true).open(path)?;
        file.write_all_at(bytes, *offset)?;
        file.set_len(*length)
    };
    restore().map_err(|error| Error::Io(path.clone(), error))?;
    report.undone += 1;
    Ok(())
}

/// A well-spread number from a seed (the finaliser of SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut value = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
