//! Decides which calls concern a tracked file and writes the journal before they happen.

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::system::{self, Described};
use crate::journal::{self, Entry, FileId};

/// The longest path the kernel tells (`PATH_MAX`).
const PATH_BYTES_MAX: usize = 4096;

struct Tracker {
    root: Vec<u8>,
    /// Syncs leave no trace in the journal.
    lying: bool,
    /// The journal. Locked from an entry until the change it is about has been made, so that the
    /// order of entries is the order of changes.
    journal: Mutex<RawFd>,
}

static TRACKER: OnceLock<Option<Tracker>> = OnceLock::new();

/// Held while a recorded change is made.
pub(super) struct Recorded(
    #[expect(dead_code, reason = "held, not read")] MutexGuard<'static, RawFd>,
);

fn tracker() -> Option<&'static Tracker> {
    TRACKER.get_or_init(start).as_ref()
}

fn start() -> Option<Tracker> {
    let root = PathBuf::from(std::env::var_os(crate::ROOT_VARIABLE)?);
    let dir = PathBuf::from(std::env::var_os(crate::DIR_VARIABLE)?);
    let path = dir.join(format!("{}-{}.undo", std::process::id(), system::now_ns()));
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let Some(journal) = system::open_to_append(&path) else { std::process::abort() };
    system::append(journal, &journal::header(&root));
    let lying = std::env::var_os(crate::LYING_DISK.0).is_some();
    Some(Tracker {
        root: root.as_os_str().as_bytes().to_vec(),
        lying,
        journal: Mutex::new(journal),
    })
}

impl Tracker {
    /// Describes the file where it is tracked: regular, below the root, durable by nature.
    fn tracked(&self, fd: RawFd) -> Option<Described> {
        let described = system::describe(fd).filter(|described| described.regular)?;
        let mut buffer = [0; PATH_BYTES_MAX];
        let path = system::path_of(fd, &mut buffer)?;
        let below = path.strip_prefix(self.root.as_slice())?.first() == Some(&b'/');
        // An index over a write-ahead log is rebuilt from the log; it is never synced.
        (below && !path.ends_with(b"-shm")).then_some(described)
    }

    fn lock(&self) -> MutexGuard<'_, RawFd> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(
        &'static self,
        fd: RawFd,
        change: impl FnOnce(u64) -> (u64, u64),
    ) -> Option<Recorded> {
        // Looked at before the lock is taken: nearly every write of a program goes elsewhere.
        self.tracked(fd)?;
        let guard = self.lock();
        let file = system::describe(fd)?;
        let (offset, end) = change(file.length);
        let lost = end.min(file.length).saturating_sub(offset);
        let bytes = system::read_at(fd, offset, usize::try_from(lost).ok()?);
        append(&guard, file.id, file.length, offset, bytes);
        Some(Recorded(guard))
    }
}

fn append(journal: &RawFd, file: FileId, length: u64, offset: u64, bytes: Vec<u8>) {
    let entry = Entry::Change { at_ns: system::now_ns(), file, length, offset, bytes };
    system::append(*journal, &entry.encode());
}

/// Records a write of `count` bytes at the descriptor's own position.
pub(super) fn write_here(fd: RawFd, count: usize) -> Option<Recorded> {
    let tracker = tracker()?;
    let flags = system::flags(fd);
    if writes_through(flags) {
        return None;
    }
    tracker.record(fd, |length| {
        let appends = flags & libc::O_APPEND != 0;
        let offset = if appends { length } else { system::position(fd) };
        (offset, offset.saturating_add(count as u64))
    })
}

/// Records a write of `count` bytes at `offset`.
pub(super) fn write_at(fd: RawFd, count: usize, offset: i64) -> Option<Recorded> {
    let tracker = tracker()?;
    if writes_through(system::flags(fd)) {
        return None;
    }
    let offset = u64::try_from(offset).ok()?;
    tracker.record(fd, |_| (offset, offset.saturating_add(count as u64)))
}

/// Whether each write of a descriptor is a sync as well.
fn writes_through(flags: i32) -> bool {
    flags & (libc::O_DSYNC | libc::O_SYNC) != 0
}

/// Records a change of length.
pub(super) fn resize(fd: RawFd, length: i64) -> Option<Recorded> {
    let length = u64::try_from(length).ok()?;
    tracker()?.record(fd, |before| (length, before))
}

/// Records that opening a file is going to empty it.
pub(super) fn open_empties(path: &CStr) -> Option<Recorded> {
    let tracker = tracker()?;
    let fd = system::open_to_read(path)?;
    let recorded = tracker.record(fd, |before| (0, before));
    system::close(fd);
    recorded
}

/// A sync that has begun.
pub(super) struct Syncing {
    file: Option<FileId>,
    at_ns: u64,
}

/// Notes that a sync of one file begins.
pub(super) fn sync_begins(fd: RawFd) -> Option<Syncing> {
    let file = tracker()?.tracked(fd)?.id;
    Some(Syncing { file: Some(file), at_ns: begin() })
}

/// Notes that a sync of everything begins.
pub(super) fn sync_all_begins() -> Option<Syncing> {
    tracker()?;
    Some(Syncing { file: None, at_ns: begin() })
}

/// A moment at which no change is half made: what was recorded before it has been written.
fn begin() -> u64 {
    let _guard = tracker().map(Tracker::lock);
    system::now_ns()
}

/// Records that a sync succeeded.
pub(super) fn sync_ended(syncing: Option<Syncing>) {
    let (Some(tracker), Some(Syncing { file, at_ns })) = (tracker(), syncing) else { return };
    if tracker.lying {
        return;
    }
    let entry = match file {
        Some(file) => Entry::Sync { at_ns, file },
        None => Entry::SyncAll { at_ns },
    };
    system::append(*tracker.lock(), &entry.encode());
}
