//! The runner's own memory on disk: which attempts it started, and every record of them that the
//! server has not acknowledged.
//!
//! ```text
//! <data>/lock                                one runner per data directory
//! <data>/fences.log                          attempts that are over
//! <data>/attempts/<command>/order.json       what was ordered
//! <data>/attempts/<command>/records-*.log    what happened
//! <data>/attempts/<command>/ack              how far the server has it
//! <data>/attempts/<command>/lines/           lines too long for a record, whole
//! <data>/long-lines/<command>/               the same, after the attempt is over
//! ```
//!
//! `Started` is on disk before a process exists, so a start that happened is never forgotten and
//! never repeated. Called by the runner and by the owner task of each attempt.

mod fences;
mod gap;
mod line;
mod lock;
mod long_lines;
mod segments;
mod spool;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use afield_proto::CommandId;
use afield_proto::runner::{Attempt, Record, RunnerExecute};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use lock::Lock;
pub(crate) use long_lines::keep as keep_long_line;
use long_lines::move_out as keep_long_lines;
use segments::Segments;
pub(crate) use segments::{Batch, BatchLimit, Cursor};
use spool::{Spool, Spooled};
pub(crate) use writer::Writer;
use writer::{Disk, Job, Log, OpenLog};

use crate::agents::Stamp;

/// Jobs that may wait for the disk.
const JOBS_WAITING_MAX: usize = 1024;
/// Bytes of records that may wait for the disk: two of the longest and some.
const BYTES_WAITING_MAX: usize = 32 * 1024 * 1024;

/// What went wrong with the runner's disk.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another runner works with this data directory.
    #[error("another runner uses {0}")]
    InUse(PathBuf),
    /// The disk refused.
    #[error("the journal can't be written or read")]
    Io(#[from] std::io::Error),
    /// A record or order can't be put into JSON.
    #[error("the record is no JSON")]
    Json(#[from] serde_json::Error),
    /// The runner is stopping, or the attempt was forgotten.
    #[error("the journal is closed")]
    Closed,
}

/// How far an attempt is on disk for certain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OnDisk {
    /// Number of the last record.
    pub(crate) last: u64,
    /// It is the one that ends the attempt.
    pub(crate) finished: bool,
}

/// Makes and forgets logs.
#[derive(Clone)]
pub(crate) struct Journal {
    root: PathBuf,
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    spool: Arc<Spool>,
}

/// What [`open`] gives.
pub(crate) struct Opened {
    /// The journal.
    pub(crate) journal: Journal,
    /// Its writer, to be run.
    pub(crate) writer: Writer,
    /// Attempts an earlier runner left.
    pub(crate) logs: Vec<AttemptLog>,
    /// Fences of attempts that are over.
    pub(crate) fences: BTreeMap<CommandId, u64>,
}

/// Opens the journal in `data_dir`. Blocking.
///
/// **Errors**: another runner uses the directory; the disk refuses.
pub(crate) fn open(data_dir: &Path, spool_bytes_max: u64) -> Result<Opened, JournalError> {
    let attempts = data_dir.join("attempts");
    make_private(data_dir)?;
    make_private(&attempts)?;
    let lock = Lock::take(data_dir)?;
    let (file, fences) = fences::open(data_dir.join("fences.log"))?;
    let (sender, jobs) = mpsc::channel(JOBS_WAITING_MAX);
    let spool = Arc::new(Spool::new(spool_bytes_max));
    let root = data_dir.to_owned();
    let room = Arc::new(Semaphore::new(BYTES_WAITING_MAX / 1024));
    let journal = Journal { root: root.clone(), jobs: sender, room, spool };
    let spool = Arc::clone(&journal.spool);
    let mut disk = Disk { root, logs: HashMap::new(), fences: file, spool };
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(&attempts)? {
        let path = entry?.path();
        match journal.recover(&path) {
            Ok(Some((log, open))) => {
                disk.logs.insert(log.attempt.command_id, Log::new(open));
                logs.push(log);
            }
            Ok(None) => std::fs::remove_dir_all(&path)?,
            Err(error) => set_aside(data_dir, &path, &error)?,
        }
    }
    logs.sort_by_key(|log| log.attempt.command_id);
    Ok(Opened { journal, writer: Writer { jobs, disk, _lock: lock }, logs, fences })
}

fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn set_aside(data_dir: &Path, path: &Path, error: &JournalError) -> std::io::Result<()> {
    let aside = data_dir.join("set-aside");
    make_private(&aside)?;
    let target = aside.join(path.file_name().unwrap_or_default());
    tracing::error!(path = %target.display(), %error, "an attempt can't be read; it is set aside");
    std::fs::rename(path, target)
}

fn directory(root: &Path, command: CommandId) -> PathBuf {
    root.join("attempts").join(command.to_string())
}

fn sync_directory(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

impl Journal {
    /// Reads an attempt of an earlier runner; `None` when it was never started.
    fn recover(&self, path: &Path) -> Result<Option<(AttemptLog, OpenLog)>, JournalError> {
        let order = match std::fs::read(path.join("order.json")) {
            Ok(order) => order,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (segments, contents) = Segments::open(path)?;
        if contents.last == 0 {
            return Ok(None);
        }
        let order: RunnerExecute = serde_json::from_slice(&order)?;
        let acknowledged = std::fs::read_to_string(path.join("ack")).ok();
        let acknowledged = acknowledged.and_then(|text| text.parse().ok()).unwrap_or(0);
        let on_disk = OnDisk { last: contents.last, finished: contents.finished };
        let (log, open) = self.log(&order, path.to_owned(), segments, on_disk);
        log.acknowledged.store(acknowledged, Ordering::Relaxed);
        Ok(Some((log, open)))
    }

    fn log(
        &self,
        order: &RunnerExecute,
        directory: PathBuf,
        segments: Segments,
        on_disk: OnDisk,
    ) -> (AttemptLog, OpenLog) {
        let (sender, receiver) = watch::channel(on_disk);
        let log = AttemptLog {
            attempt: order.attempt,
            directory,
            journal: self.clone(),
            on_disk: receiver,
            acknowledged: Arc::default(),
            left_out: Arc::default(),
            closed: Arc::default(),
        };
        (log, OpenLog { stamp: Stamp::of(order), segments, on_disk: sender })
    }

    /// Writes that an attempt is about to start. On disk when this returns.
    ///
    /// **Errors**: the disk refuses; nothing may be started then.
    pub(crate) async fn begin(
        &self,
        order: &RunnerExecute,
        started: &Record,
    ) -> Result<AttemptLog, JournalError> {
        let attempt = order.attempt;
        let directory = directory(&self.root, attempt.command_id);
        let (json, started) = (serde_json::to_vec(order)?, serde_json::to_vec(started)?);
        let path = directory.clone();
        let segments = tokio::task::spawn_blocking(move || make(&path, &json, &started))
            .await
            .map_err(|_| JournalError::Closed)??;
        let on_disk = OnDisk { last: 1, finished: false };
        let (log, open) = self.log(order, directory, segments, on_disk);
        self.send(Job::Open(attempt.command_id, Box::new(open))).await?;
        Ok(log)
    }

    async fn send(&self, job: Job) -> Result<(), JournalError> {
        self.jobs.send(job).await.map_err(|_| JournalError::Closed)
    }
}

/// Makes the directory of an attempt with its order and first record, all of it on disk.
fn make(directory: &Path, order: &[u8], started: &[u8]) -> Result<Segments, JournalError> {
    use std::io::Write as _;
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    make_private(directory)?;
    let mut file = File::create(directory.join("order.json"))?;
    file.write_all(order)?;
    file.sync_all()?;
    let mut segments = Segments::create(directory)?;
    segments.append(started)?;
    if !planted::is("journal") {
        segments.sync()?;
    }
    sync_directory(directory)?;
    sync_directory(directory.parent().unwrap_or(directory))?;
    Ok(segments)
}

/// The records of one attempt. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AttemptLog {
    /// Which attempt.
    pub(crate) attempt: Attempt,
    directory: PathBuf,
    journal: Journal,
    on_disk: watch::Receiver<OnDisk>,
    acknowledged: Arc<AtomicU64>,
    left_out: Arc<AtomicU64>,
    closed: Arc<AtomicBool>,
}

impl AttemptLog {
    /// Hands a record to the disk and goes on. Messages the spool has no room for are left out, and
    /// so are those the disk refuses; of these the log itself tells, before its next record.
    ///
    /// **Errors**: the runner is stopping.
    pub(crate) async fn append(&self, record: &Record) -> Result<(), JournalError> {
        if self.journal.spool.keeps(record) {
            return self.enqueue(record, None).await;
        }
        if self.left_out.fetch_add(spool::messages(record), Ordering::Relaxed) == 0 {
            tracing::warn!(command = %self.attempt.command_id, "the spool is full; messages are left out");
        }
        Ok(())
    }

    /// Hands a record to the disk and waits until it is there.
    ///
    /// **Errors**: the disk refuses.
    pub(crate) async fn append_durably(&self, record: &Record) -> Result<(), JournalError> {
        let (done, result) = oneshot::channel();
        self.enqueue(record, Some(done)).await?;
        result.await.map_err(|_| JournalError::Closed)?
    }

    async fn enqueue(
        &self,
        record: &Record,
        done: Option<writer::Done>,
    ) -> Result<(), JournalError> {
        let record = Spooled::new(record)?;
        let kib = (record.json.len() / 1024 + 1).min(BYTES_WAITING_MAX / 1024);
        let kib = u32::try_from(kib).expect("BYTES_WAITING_MAX in KiB fits u32");
        let room = Arc::clone(&self.journal.room).acquire_many_owned(kib).await;
        let room = room.map_err(|_| JournalError::Closed)?;
        let command = self.attempt.command_id;
        self.journal.send(Job::Append { command, record, done, _room: room }).await
    }

    /// How many messages were left out because the spool was full.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// How far it is on disk, now and from now on.
    pub(crate) fn on_disk(&self) -> watch::Receiver<OnDisk> {
        self.on_disk.clone()
    }

    /// The server will never take more of it.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether the server will never take more of it.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The last record the server is known to have.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// The server has everything up to `number`.
    pub(crate) async fn acknowledge(&self, number: u64) {
        if self.acknowledged.fetch_max(number, Ordering::Relaxed) < number {
            let _ = self.journal.send(Job::Acknowledge(self.attempt.command_id, number)).await;
        }
    }

    /// The server has numbers this disk lost: the next record gets one behind them.
    pub(crate) async fn skip_to(&self, number: u64) -> Result<(), JournalError> {
        self.acknowledged.fetch_max(number, Ordering::Relaxed);
        self.journal.send(Job::SkipTo(self.attempt.command_id, number)).await
    }

    /// Everything is delivered: only the fence is kept.
    pub(crate) async fn forget(&self) -> Result<(), JournalError> {
        let (done, result) = oneshot::channel();
        let Attempt { command_id, fence, .. } = self.attempt;
        self.journal.send(Job::Forget { command: command_id, fence, done }).await?;
        result.await.map_err(|_| JournalError::Closed)?
    }

    /// The place of a record, to read on from.
    pub(crate) async fn cursor(&self, number: u64) -> Result<Cursor, JournalError> {
        let directory = self.directory.clone();
        self.blocking(move || segments::cursor(&directory, number)).await
    }

    /// Reads the next records.
    pub(crate) async fn read(
        &self,
        from: Cursor,
        limit: BatchLimit,
    ) -> Result<Batch, JournalError> {
        let directory = self.directory.clone();
        self.blocking(move || segments::read(&directory, from, limit)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let result = tokio::task::spawn_blocking(work).await;
        Ok(result.map_err(|_| JournalError::Closed)??)
    }

    /// Where lines too long for a record are kept whole.
    pub(crate) fn long_lines(&self) -> PathBuf {
        self.directory.join("lines")
    }
}

#[cfg(test)]
mod tests;
