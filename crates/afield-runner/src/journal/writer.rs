//! The one task that writes to the runner's disk, gathering what waits into one fsync.
//!
//! Everybody else hands over bytes and goes on, or waits for the word that they are on disk.
//! Nothing is sent to the server before it is on disk, so that a number the server has seen is
//! never given to another record after a power cut.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afield_proto::CommandId;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fences::FenceFile;
use super::lock::Lock;
use super::segments::Segments;
use super::spool::Spool;
use super::{JournalError, OnDisk};

/// Records of messages are on disk after this long at most (one fsync for all that came).
const SYNC_INTERVAL: Duration = Duration::from_millis(20);
/// Jobs taken at once.
const JOBS_MAX: usize = 1024;

/// An answer to whoever waits for the disk.
pub(super) type Done = oneshot::Sender<Result<(), JournalError>>;

/// What to write.
pub(super) enum Job {
    /// A log that was opened or made; it takes records from now on.
    Open(CommandId, Box<OpenLog>),
    /// A record.
    Append { command: CommandId, json: Vec<u8>, done: Option<Done>, _room: OwnedSemaphorePermit },
    /// The server has everything up to here.
    Acknowledge(CommandId, u64),
    /// The server has numbers this disk lost: go on behind them.
    SkipTo(CommandId, u64),
    /// The attempt is over and delivered.
    Forget { command: CommandId, fence: u64, done: Done },
}

impl Job {
    fn urgent(&self) -> bool {
        matches!(self, Self::Append { done: Some(_), .. })
    }
}

/// A log that takes records.
pub(super) struct OpenLog {
    pub(super) segments: Segments,
    pub(super) on_disk: watch::Sender<OnDisk>,
}

/// Takes jobs until nobody can send any.
pub(crate) struct Writer {
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) disk: Disk,
    /// The directory is this runner's for as long as somebody may write there.
    pub(super) _lock: Lock,
}

impl Writer {
    /// Works until every handle of the journal is gone or `stop` is cancelled, then writes what
    /// waits and syncs a last time.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut next_sync = Instant::now();
        let mut dirty = false;
        let mut jobs = Vec::new();
        loop {
            let open = tokio::select! {
                count = self.jobs.recv_many(&mut jobs, JOBS_MAX) => count > 0,
                () = tokio::time::sleep_until(next_sync), if dirty => true,
                () = stop.cancelled(), if !self.jobs.is_closed() => {
                    self.jobs.close();
                    continue;
                }
            };
            let sync = !open || Instant::now() >= next_sync || jobs.iter().any(Job::urgent);
            let batch = std::mem::take(&mut jobs);
            let mut disk = self.disk;
            self.disk = tokio::task::spawn_blocking(move || {
                disk.carry_out(batch, sync);
                disk
            })
            .await
            .expect("writing neither panics nor is cancelled");
            dirty = !sync;
            if sync {
                next_sync = Instant::now() + SYNC_INTERVAL;
            }
            if !open {
                return;
            }
        }
    }
}

/// The files.
pub(super) struct Disk {
    pub(super) root: PathBuf,
    pub(super) logs: HashMap<CommandId, Log>,
    pub(super) fences: FenceFile,
    pub(super) spool: Arc<Spool>,
}

/// One open log and who waits for it.
pub(super) struct Log {
    open: OpenLog,
    finished: bool,
    dirty: bool,
    /// An fsync failed: what is on disk is not known any more, and nothing is added.
    broken: bool,
    waiting: Vec<Done>,
}

impl Log {
    pub(super) fn new(open: OpenLog) -> Self {
        let finished = open.on_disk.borrow().finished;
        Self { open, finished, dirty: false, broken: false, waiting: Vec::new() }
    }
}

impl Disk {
    fn carry_out(&mut self, jobs: Vec<Job>, sync: bool) {
        for job in jobs {
            self.one(job);
        }
        if sync {
            self.logs.values_mut().filter(|log| log.dirty).for_each(Log::sync);
        }
        self.spool.set(self.logs.values().map(|log| log.open.segments.bytes()).sum());
    }

    fn one(&mut self, job: Job) {
        match job {
            Job::Open(command, open) => {
                self.logs.insert(command, Log::new(*open));
            }
            Job::Append { command, json, done, .. } => match self.logs.get_mut(&command) {
                Some(log) => log.append(&json, done),
                None => answer(done, Err(JournalError::Closed)),
            },
            Job::Acknowledge(command, number) => {
                self.with(command, |segments| segments.acknowledge(number))
            }
            Job::SkipTo(command, number) => self.with(command, |segments| segments.skip_to(number)),
            Job::Forget { command, fence, done } => {
                answer(Some(done), self.forget(command, fence).map_err(JournalError::from));
            }
        }
    }

    fn with(&mut self, command: CommandId, act: impl FnOnce(&mut Segments) -> std::io::Result<()>) {
        let Some(log) = self.logs.get_mut(&command) else { return };
        if let Err(error) = act(&mut log.open.segments) {
            tracing::warn!(%command, %error, "tidying the records failed");
        }
    }

    fn forget(&mut self, command: CommandId, fence: u64) -> std::io::Result<()> {
        self.fences.add(command, fence)?;
        self.logs.remove(&command);
        let directory = super::directory(&self.root, command);
        super::keep_long_lines(&self.root, command)?;
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

impl Log {
    fn append(&mut self, json: &[u8], done: Option<Done>) {
        if self.broken {
            return answer(done, Err(JournalError::Broken));
        }
        match self.open.segments.append(json) {
            Ok(_) => {
                self.dirty = true;
                self.finished = std::str::from_utf8(json).is_ok_and(super::segments::is_finished);
                self.waiting.extend(done);
            }
            Err(error) => {
                tracing::error!(%error, "a record can't be written");
                answer(done, Err(error.into()));
            }
        }
    }

    fn sync(&mut self) {
        self.dirty = false;
        let result = self.open.segments.sync();
        if let Err(error) = &result {
            tracing::error!(%error, "fsync failed; the attempt's journal is closed");
            self.broken = true;
        } else {
            let last = self.open.segments.last();
            self.open.on_disk.send_replace(OnDisk { last, finished: self.finished });
        }
        for done in self.waiting.drain(..) {
            let failed = result.as_ref().err().map(|_| JournalError::Broken);
            answer(Some(done), failed.map_or(Ok(()), Err));
        }
    }
}

fn answer(done: Option<Done>, result: Result<(), JournalError>) {
    if let Some(done) = done {
        let _ = done.send(result);
    }
}
