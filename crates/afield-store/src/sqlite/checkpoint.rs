//! Moves the write-ahead log into the database beside the writer.
//!
//! The writer used to do so itself at the end of a commit, and everybody waited while it copied
//! all of it. Now a thread with a connection of its own copies what was committed so far, and the
//! writer goes on; with the end of that copy the writer has only the few pages to copy that came
//! meanwhile. Then the log begins anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::connect;
use crate::{Error, Synchronous};

/// Pages of the log before it is copied (16 MiB). A copy costs two syncs of its own, so it should
/// not follow every large batch; while a long one is synced, commits wait for the disk.
pub(super) const PAGES: u32 = 4_096;

/// Hears of every commit of the writer.
pub(super) struct Checkpointer {
    /// Gone when the thread is to end.
    wake: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    copied: Arc<AtomicBool>,
    step: Step,
    /// So long the log may become.
    pages: u32,
    /// So long it may become until the next copy: a reader that takes long keeps it from beginning
    /// anew.
    pages_now: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The log is short.
    Idle,
    /// The thread is at it.
    Copying,
}

/// What comes after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Nothing,
    /// Have the thread copy.
    Copy,
    /// Copy the rest.
    Finish,
}

impl Step {
    fn after_commit(self, pages: u32, pages_now: u32, copied: bool) -> Next {
        match self {
            Self::Idle if pages >= pages_now => Next::Copy,
            Self::Copying if copied => Next::Finish,
            Self::Idle | Self::Copying => Next::Nothing,
        }
    }
}

/// From now on the log of this connection, the only one that writes, is moved beside it whenever it
/// has so many pages.
///
/// **Errors**: no second connection or thread can be had.
pub(super) fn install(
    writer: &mut Connection,
    path: &Path,
    synchronous: Synchronous,
    pages: u32,
) -> Result<(), Error> {
    let mut checkpointer = Checkpointer::start(connect(path, synchronous)?, pages)?;
    writer.wal_hook(Some(move |wal: &mut Wal, pages| {
        checkpointer.committed(wal, u32::try_from(pages).unwrap_or_default());
        Ok(())
    }))?;
    Ok(())
}

impl Checkpointer {
    fn start(connection: Connection, pages: u32) -> Result<Self, Error> {
        let (wake, woken) = mpsc::channel();
        let copied = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&copied);
        let thread = std::thread::Builder::new()
            .name("afield-store-checkpoint".into())
            .spawn(move || {
                for () in woken {
                    copy(&connection);
                    done.store(true, Ordering::Release);
                }
            })
            .map_err(|error| Error::Broken { reason: error.to_string().into() })?;
        let (wake, thread) = (Some(wake), Some(thread));
        Ok(Self { wake, thread, copied, step: Step::Idle, pages, pages_now: pages })
    }

    /// Runs on the writer's thread, within its commit.
    fn committed(&mut self, wal: &mut Wal, pages: u32) {
        if pages < self.pages {
            // It began anew.
            self.pages_now = self.pages;
        }
        match self.step.after_commit(pages, self.pages_now, self.copied.load(Ordering::Acquire)) {
            Next::Nothing => {}
            Next::Copy => {
                self.copied.store(false, Ordering::Relaxed);
                self.step = Step::Copying;
                // Without its thread the log grows, and is as durable as before.
                let _ended = self.wake.as_ref().map(|wake| wake.send(()));
            }
            Next::Finish => {
                // What it can't copy now it copies the next time.
                let _busy = wal.checkpoint();
                self.step = Step::Idle;
                self.pages_now = pages + self.pages / 4;
            }
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        // Its connection is closed when the store is.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

/// Copies what is committed, as far as no reader needs the old pages, and waits for nobody.
fn copy(connection: &Connection) {
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    if let Err(error) = copied {
        tracing::warn!(%error, "the write-ahead log can't be moved into the database yet");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that is short, so that it is copied often.
    const FEW: u32 = 64;
    /// Pages written at once.
    const BATCH: u64 = 16;
    /// Many times what is needed, also where the thread seldom gets its turn.
    const BATCHES_MAX: u64 = 20_000;

    #[test]
    fn the_writer_finishes_what_the_thread_has_copied() {
        assert_eq!(Step::Idle.after_commit(FEW - 1, FEW, false), Next::Nothing);
        assert_eq!(Step::Idle.after_commit(FEW, FEW, false), Next::Copy);
        assert_eq!(Step::Copying.after_commit(FEW * 3, FEW, false), Next::Nothing);
        assert_eq!(Step::Copying.after_commit(FEW * 3, FEW, true), Next::Finish);
    }

    #[test]
    fn the_log_begins_anew_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let mut writer = connect(&path, Synchronous::Full).unwrap();
        install(&mut writer, &path, Synchronous::Full, FEW).unwrap();
        writer.execute_batch("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)").unwrap();
        let log = folder.path().join("store.db-wal");
        let bytes = || std::fs::metadata(&log).map_or(0, |log| log.len());
        let row = "INSERT INTO rows (body) VALUES (zeroblob(4000));";
        let batch = format!("BEGIN; {} COMMIT", row.repeat(BATCH as usize));
        // The file keeps its length and is written over: more fits into it than its length.
        let (mut long, mut written) = (0, 0);
        for _ in 0..BATCHES_MAX {
            writer.execute_batch(&batch).unwrap();
            written = if bytes() > long { 0 } else { written + BATCH * 4096 };
            long = bytes();
            if written > long {
                break;
            }
        }
        assert!(written > long, "{written} bytes went into a log of {long}");
        drop(writer);
        assert_eq!(bytes(), 0, "closed in good order, there is no log");
    }
}
