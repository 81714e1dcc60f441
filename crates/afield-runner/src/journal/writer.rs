//! The one task that writes to the runner's disk, gathering what waits into one fsync.
//!
//! Everybody else hands over bytes and goes on, or waits for the word that they are on disk.
//! Nothing is sent to the server before it is on disk, so that a number the server has seen is
//! never given to another record after a power cut.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afield_proto::{CommandId, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fences::FenceFile;
use super::gap::Gap;
use super::lock::Lock;
use super::segments::Segments;
use super::spool::{Spool, Spooled};
use super::{JournalError, OnDisk};
use crate::agents::Stamp;

/// Records of messages are on disk after this long at most (one fsync for all that came).
const SYNC_INTERVAL: Duration = Duration::from_millis(20);
/// A disk that refused a record is left alone for this long, unless somebody waits for it: one that
/// has room for every tenth record would hold as many notes of what is missing as records.
const REFUSED_WAIT: Duration = Duration::from_secs(1);
/// Jobs taken at once.
const JOBS_MAX: usize = 1024;

/// An answer to whoever waits for the disk.
pub(super) type Done = oneshot::Sender<Result<(), JournalError>>;

/// What to write.
pub(super) enum Job {
    /// A log that was opened or made; it takes records from now on.
    Open(CommandId, Box<OpenLog>),
    /// A record.
    Append { command: CommandId, record: Spooled, done: Option<Done>, _room: OwnedSemaphorePermit },
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
    pub(super) stamp: Stamp,
    pub(super) segments: Segments,
    pub(super) on_disk: watch::Sender<OnDisk>,
}

/// Takes jobs until nobody can send any.
pub(crate) struct Writer {
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) disk: Disk,
    /// Goes with the writer, which ends last: the runner waits for its tasks before.
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
                () = tokio::time::sleep(REFUSED_WAIT), if self.disk.has_gaps() => true,
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
    /// What was written and is not on disk for certain, but for what somebody waits for.
    unsynced: Option<Gap>,
    waiting: Vec<Done>,
    /// What the disk refused since it last took a record, and when it did so last.
    gap: Option<(Gap, Instant)>,
}

impl Log {
    pub(super) fn new(open: OpenLog) -> Self {
        let finished = open.on_disk.borrow().finished;
        Self { open, finished, dirty: false, unsynced: None, waiting: Vec::new(), gap: None }
    }
}

impl Disk {
    fn carry_out(&mut self, jobs: Vec<Job>, sync: bool) {
        for job in jobs {
            self.one(job);
        }
        if sync {
            self.logs.values_mut().for_each(Log::close_gap);
            self.logs.values_mut().filter(|log| log.dirty).for_each(Log::sync);
        }
        self.spool.set(self.logs.values().map(|log| log.open.segments.bytes()).sum());
    }

    fn has_gaps(&self) -> bool {
        self.logs.values().any(|log| log.gap.is_some())
    }

    fn one(&mut self, job: Job) {
        match job {
            Job::Open(command, open) => {
                self.logs.insert(command, Log::new(*open));
            }
            Job::Append { command, record, done, .. } => match self.logs.get_mut(&command) {
                Some(log) => log.append(record, done),
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
            log.take_back(&error);
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
    fn append(&mut self, record: Spooled, done: Option<Done>) {
        if done.is_none() && self.rests() {
            return self.miss(record);
        }
        match (self.write(Some(&record.json)), done) {
            (Ok(()), done) => {
                let json = std::str::from_utf8(&record.json);
                self.finished = json.is_ok_and(super::segments::is_finished);
                match done {
                    Some(done) => self.waiting.push(done),
                    None => self.unsynced().add(record),
                }
            }
            // Whoever waits for it does what is right, and says so.
            (Err(error), Some(done)) => answer(Some(done), Err(error.into())),
            (Err(error), None) => {
                self.refused(&error);
                self.miss(record);
            }
        }
    }

    /// Writes what is missing, once the disk takes it, though nothing follows it.
    fn close_gap(&mut self) {
        if self.gap.is_some()
            && !self.rests()
            && let Err(error) = self.write(None)
        {
            self.refused(&error);
        }
    }

    /// Writes a record and, before it, what the disk did not take until now: all of it or nothing.
    fn write(&mut self, record: Option<&[u8]>) -> std::io::Result<()> {
        let gap = self.gap.as_ref().map(|(gap, _)| gap.records(self.open.stamp));
        let before = gap.iter().flatten().map(Vec::as_slice);
        let written = self.open.segments.append_all(&before.chain(record).collect::<Vec<_>>());
        written.inspect_err(|error| self.take_back(error))?;
        self.dirty = true;
        if let Some((gap, _)) = self.gap.take() {
            let command = self.open.stamp.command_id;
            tracing::warn!(%command, left_out = gap.left_out(), "the disk takes records again");
            self.unsynced().append(gap);
        }
        Ok(())
    }

    /// Whether the disk refused a record so lately that it is not asked again.
    fn rests(&self) -> bool {
        self.gap.as_ref().is_some_and(|(_, last)| last.elapsed() < REFUSED_WAIT)
    }

    /// Says so at the first refusal, not at every one.
    fn refused(&mut self, error: &std::io::Error) {
        if let Some((_, last)) = &mut self.gap {
            *last = Instant::now();
            return;
        }
        let command = self.open.stamp.command_id;
        tracing::error!(%command, %error, "the disk takes no records; what is left out is counted");
        self.gap = Some((Gap::since(Timestamp::now()), Instant::now()));
    }

    fn miss(&mut self, record: Spooled) {
        if let Some((gap, _)) = &mut self.gap {
            gap.add(record);
        }
    }

    fn unsynced(&mut self) -> &mut Gap {
        self.unsynced.get_or_insert_with(|| Gap::since(Timestamp::now()))
    }

    fn sync(&mut self) {
        if let Err(error) = self.open.segments.sync() {
            return self.take_back(&error);
        }
        (self.dirty, self.unsynced) = (false, None);
        let last = self.open.segments.last();
        self.open.on_disk.send_replace(OnDisk { last, finished: self.finished });
        self.waiting.drain(..).for_each(|done| answer(Some(done), Ok(())));
    }

    /// If a sync failed: what was written since the last one is as good as refused.
    fn take_back(&mut self, error: &std::io::Error) {
        if !self.dirty || !self.open.segments.has_failed() {
            return;
        }
        (self.dirty, self.finished) = (false, false);
        let refused = self.gap.take();
        self.refused(error);
        if let Some((gap, _)) = &mut self.gap {
            let lost = self.unsynced.take().into_iter();
            lost.chain(refused.map(|(gap, _)| gap)).for_each(|lost| gap.append(lost));
        }
        for done in self.waiting.drain(..) {
            answer(Some(done), Err(std::io::Error::new(error.kind(), error.to_string()).into()));
        }
    }
}

fn answer(done: Option<Done>, result: Result<(), JournalError>) {
    if let Some(done) = done {
        let _ = done.send(result);
    }
}
