//! The writer's thread: batch after batch, each answered when it is on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;

use tokio::sync::{mpsc, oneshot, watch};

use super::Message;
use super::job::{Job, Telling, flush};
use crate::log::CommittedEvents;
use crate::sqlite::redo::{Mark, Recorder, RedoLog};
use crate::store::FleetVersion;
use crate::tx::{Session, Tx};
use crate::{Error, sqlite};

/// A batch of so few is answered by the writer itself: another thread would only add a delay.
const SETTLED_HERE_MAX: usize = 4;

/// What the thread owns.
pub(super) struct Thread {
    pub(super) tx: Tx,
    pub(super) redo: RedoLog,
    /// A transaction is open.
    pub(super) is_open: bool,
    pub(super) uncommitted: Arc<AtomicBool>,
    pub(super) alarm: blocking::SyncSender<()>,
    pub(super) waiting: mpsc::Receiver<Message>,
    pub(super) committed: Option<mpsc::Sender<Vec<CommittedEvents>>>,
    pub(super) fleet: FleetVersion,
    pub(super) batch_max: usize,
    pub(super) broke: watch::Sender<Option<Arc<str>>>,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) jobs: Vec<Box<dyn Job>>,
}

/// Why a batch was not kept.
enum Failed {
    /// One operation failed after it had written.
    Dirty,
    /// The database itself.
    Broken(Error),
}

impl Thread {
    /// Works until it is told to close or nobody is left to ask.
    pub(super) fn run(mut self) {
        let work = std::panic::AssertUnwindSafe(|| self.serve());
        match std::panic::catch_unwind(work) {
            Ok(closing) => {
                drop(self.tx);
                if let Some(done) = closing {
                    let _gone = done.send(());
                }
            }
            Err(_panic) => self.fail("an operation panicked".into()),
        }
    }

    /// Serves batch after batch until it is told to close or nobody is left to ask.
    fn serve(&mut self) -> Option<oneshot::Sender<()>> {
        let mut messages = Vec::with_capacity(self.batch_max);
        let mut last = Vec::new();
        loop {
            let nobody_left = self.waiting.blocking_recv_many(&mut messages, self.batch_max) == 0;
            let (mut commit, mut closing, mut readers) = (nobody_left, None, Vec::new());
            for message in messages.drain(..) {
                match message {
                    Message::Run(job) => self.jobs.push(job),
                    Message::RunLast(job) => last.push(job),
                    Message::Commit(reader) => {
                        commit = true;
                        readers.extend(reader);
                    }
                    Message::Close(done) => (commit, closing) = (true, Some(done)),
                }
            }
            self.jobs.append(&mut last);
            let kept = self.batch(commit);
            for reader in readers.into_iter().filter(|_| kept) {
                // A reader that went away reads nothing.
                let _gone = reader.send(());
            }
            if closing.is_some() || nobody_left {
                return closing;
            }
        }
    }

    /// Runs the gathered operations and tells their callers when all of it is on disk, and where that is
    /// asked for, committed. Whether it is.
    fn batch(&mut self, commit: bool) -> bool {
        let already_broken = self.broke.borrow().clone();
        if self.jobs.is_empty() && !(commit && self.is_open) {
            return already_broken.is_none();
        }
        let outcome = match already_broken {
            Some(reason) => Err(Error::Broken { reason }),
            None => self.carry_out(commit),
        };
        let kept = outcome.is_ok();
        match &outcome {
            Ok(()) => self.publish(),
            Err(Error::Broken { reason }) => self.fail(Arc::clone(reason)),
            Err(error) => self.fail(error.to_string().into()),
        }
        if std::mem::take(&mut self.tx.fleet_changed) {
            self.fleet.fetch_add(1, Ordering::Release);
        }
        self.settle(outcome);
        kept
    }

    /// Tells the callers. Waking many of them costs as much as their operations did, so that is
    /// done on the runtime while this thread goes on with the next batch.
    fn settle(&mut self, outcome: Result<(), Error>) {
        let next = Vec::with_capacity(self.jobs.len());
        let jobs = std::mem::replace(&mut self.jobs, next);
        let tell = move || jobs.into_iter().for_each(|job| job.settle(outcome.clone()));
        match self.jobs.capacity() > SETTLED_HERE_MAX {
            true => drop(self.runtime.spawn(async move { tell() })),
            false => tell(),
        }
    }

    fn carry_out(&mut self, commit: bool) -> Result<(), Error> {
        let ran = self.try_batch(Self::run_plain);
        let (ran, undone) = match ran {
            Err(Failed::Dirty) => {
                self.start_over()?;
                (self.try_batch(Self::run_guarded), true)
            }
            ran => (ran, false),
        };
        match ran {
            // What was done again should not have to be done a third time.
            Ok(()) => self.keep(commit || undone),
            Err(Failed::Broken(error)) => Err(error),
            Err(Failed::Dirty) => Err(Error::corrupt("a savepoint did not hold")),
        }
    }

    /// Rolls back, and does again what was acknowledged.
    fn start_over(&mut self) -> Result<(), Error> {
        self.undo("ROLLBACK")?;
        self.is_open = false;
        self.begin()?;
        let Session::Sqlite(sqlite::Session { connection, changes: Some(changes), .. }) =
            &mut self.tx.session
        else {
            return Ok(());
        };
        self.redo.redo(connection, changes)
    }

    /// Brings what the batch changed to the disk.
    fn keep(&mut self, commit: bool) -> Result<(), Error> {
        if planted::is("commit") {
            self.settle(Ok(()));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let Some(changes) = changes(&mut self.tx) else { return Ok(()) };
        if commit || self.redo.is_full(changes) {
            return self.commit();
        }
        if self.redo.append(changes)? && !self.uncommitted.swap(true, Ordering::AcqRel) {
            // It may have been rung for an earlier transaction: that will do.
            let _rung = self.alarm.try_send(());
        }
        // Nothing was changed since the last commit: nobody is kept from anything.
        if self.uncommitted.load(Ordering::Relaxed) { Ok(()) } else { self.commit() }
    }

    fn commit(&mut self) -> Result<(), Error> {
        if let Session::Sqlite(session) = &self.tx.session {
            self.redo.close_pass(&session.connection)?;
        }
        self.statement("COMMIT")?;
        self.is_open = false;
        if let Some(changes) = changes(&mut self.tx) {
            self.redo.begin_pass(changes);
        }
        self.uncommitted.store(false, Ordering::Release);
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Error> {
        if !self.is_open {
            self.statement("BEGIN IMMEDIATE")?;
            self.is_open = true;
        }
        Ok(())
    }

    fn try_batch(
        &mut self,
        run: fn(&mut Self, &mut dyn Job) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        self.begin().map_err(Failed::Broken)?;
        let mut jobs = std::mem::take(&mut self.jobs);
        let ran = jobs.iter_mut().try_for_each(|job| run(self, &mut **job));
        self.jobs = jobs;
        ran?;
        self.write_told()
    }

    /// Writes what was told and is not written yet.
    fn write_told(&mut self) -> Result<(), Failed> {
        match flush(&mut self.tx) {
            Ok(()) => Ok(()),
            Err(broken @ Error::Broken { .. }) => Err(Failed::Broken(broken)),
            Err(_) => Err(Failed::Dirty),
        }
    }

    /// Runs one operation without a savepoint.
    fn run_plain(&mut self, job: &mut dyn Job) -> Result<(), Failed> {
        let (told, audited) = (self.tx.pending.len(), self.tx.audited.len());
        let before = self.changed();
        let mark = changes(&mut self.tx).map(|changes| changes.mark());
        if job.run(&mut self.tx, Telling::Together) {
            return Ok(());
        }
        if let Some(broken @ Error::Broken { .. }) = job.error() {
            return Err(Failed::Broken(broken.clone()));
        }
        self.tx.audited.truncate(audited);
        self.tx.pending.truncate(told);
        self.forget_since(mark);
        match self.changed() == before {
            true => Ok(()),
            false => Err(Failed::Dirty),
        }
    }

    /// Runs one operation inside a savepoint and undoes it when it fails.
    fn run_guarded(&mut self, job: &mut dyn Job) -> Result<(), Failed> {
        let written = self.tx.written.len();
        let mark = changes(&mut self.tx).map(|changes| changes.mark());
        self.statement("SAVEPOINT operation").map_err(Failed::Broken)?;
        if !job.run(&mut self.tx, Telling::Alone) {
            if let Some(broken @ Error::Broken { .. }) = job.error() {
                return Err(Failed::Broken(broken.clone()));
            }
            let events: Vec<_> = self.tx.written.drain(..written).collect();
            self.undo("ROLLBACK TO operation").map_err(Failed::Broken)?;
            self.tx.written = events;
            self.forget_since(mark);
        }
        self.statement("RELEASE operation").map_err(Failed::Broken)
    }

    /// Takes statements back that were noted and undone.
    fn forget_since(&mut self, mark: Option<Mark>) {
        if let (Some(changes), Some(mark)) = (changes(&mut self.tx), mark) {
            changes.back_to(mark);
        }
    }

    /// Takes back what was written since, in the database and in memory.
    fn undo(&mut self, statement: &str) -> Result<(), Error> {
        self.tx.audited.clear();
        self.tx.pending.clear();
        self.tx.written.clear();
        if let Session::Sqlite(session) = &mut self.tx.session {
            session.heads.clear();
            session.connection.execute_batch(statement)?;
        }
        Ok(())
    }

    fn statement(&mut self, text: &str) -> Result<(), Error> {
        let Session::Sqlite(session) = &mut self.tx.session else { return Ok(()) };
        let run = session.connection.prepare_cached(text).and_then(|mut run| run.raw_execute());
        // Whatever stops a transaction from beginning or ending stops the store.
        run.map(drop).map_err(|error| Error::Broken { reason: error.to_string().into() })
    }

    /// How many rows this connection has ever changed.
    fn changed(&self) -> u64 {
        match &self.tx.session {
            Session::Sqlite(session) => session.connection.total_changes(),
            Session::Postgres(_) => 0,
        }
    }

    /// Hands the committed events on, before any caller hears of them. Waits while nobody takes
    /// them: what is told can't run ahead of what is followed.
    fn publish(&mut self) {
        let events = std::mem::take(&mut self.tx.written);
        if events.is_empty() {
            return;
        }
        if let Some(committed) = &self.committed {
            // Nobody follows any more: the events are on disk, which is what counts.
            let _gone = committed.blocking_send(events);
        }
    }

    /// From now on everything is refused.
    fn fail(&mut self, reason: Arc<str>) {
        if self.broke.borrow().is_none() {
            tracing::error!(%reason, "the database failed, nothing is acknowledged any more");
            self.broke.send_replace(Some(reason));
        }
        self.tx.audited.clear();
        self.tx.pending.clear();
        self.tx.written.clear();
    }
}

/// What the running batch changes.
fn changes(tx: &mut Tx) -> Option<&mut Recorder> {
    match &mut tx.session {
        Session::Sqlite(session) => session.changes.as_mut(),
        Session::Postgres(_) => None,
    }
}
