//! The one writer: gathers waiting operations into one batch and one fsync.
//!
//! Operations run one after the other on this thread; their callers hear the result only when it is on disk: in
//! the redo log, or committed. The transaction stays open over many batches and is committed a moment
//! later, or when a reader asks, who sees only commits (see [`redo`](super::redo)).
//! What operations told is written once at the end of a batch, so that facts of one topic share rows.
//!
//! The first try has no savepoints: an operation that refuses has usually written nothing. When
//! one fails after having written, all is rolled back, what was acknowledged is done again, and the batch is run
//! with a savepoint around each operation, so that only the failed one is undone.
//!
//! Operations that look for work come last in their batch: they see all of it, and what was just
//! accepted is leased in the same transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot, watch};

use super::redo::{Mark, Recorder, RedoLog};
use crate::Error;
use crate::log::{CommittedEvents, append};
use crate::store::FleetVersion;
use crate::tx::{Operation, Session, Tx};

/// Operations that may wait for the writer. More callers wait at the door.
const QUEUE: usize = 8192;

/// A batch of so few is answered by the writer itself: another thread would only add a delay.
const SETTLED_HERE_MAX: usize = 4;

/// What was acknowledged is committed after this time at most: the more batches come meanwhile, the
/// more of them write the same pages.
const COMMIT_AFTER: Duration = Duration::from_millis(200);

/// What the writer is asked.
enum Message {
    Run(Box<dyn Job>),
    /// Behind everything else of its batch.
    RunLast(Box<dyn Job>),
    /// Commit what was acknowledged, and tell whoever waits for that.
    Commit(Option<oneshot::Sender<()>>),
    Close(oneshot::Sender<()>),
}

/// Where in its batch an operation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// In the order of asking.
    Asked,
    /// Behind all others: what it looks for may come with them.
    Last,
}

/// When what an operation told is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    /// With that of the others.
    Together,
    /// Before the next one runs: it may be undone alone.
    Alone,
}

/// An operation with its input and its caller.
trait Job: Send {
    /// Runs it, keeping the result. `false` when it failed.
    fn run(&mut self, tx: &mut Tx, telling: Telling) -> bool;
    /// The error it ended with, if it did.
    fn error(&self) -> Option<&Error>;
    /// Tells the caller: the kept result, or why the whole batch failed.
    fn settle(self: Box<Self>, batch: Result<(), Error>);
}

struct Call<I, T, F> {
    input: I,
    operation: F,
    result: Option<Result<T, Error>>,
    caller: oneshot::Sender<Result<T, Error>>,
}

impl<I, T, F> Job for Call<I, T, F>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
    F: for<'a> Operation<'a, I, T>,
{
    fn run(&mut self, tx: &mut Tx, telling: Telling) -> bool {
        let result = run_now(tx, &self.input, self.operation).and_then(|value| match telling {
            Telling::Together => Ok(value),
            Telling::Alone => flush(tx).map(|()| value),
        });
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn error(&self) -> Option<&Error> {
        self.result.as_ref()?.as_ref().err()
    }

    fn settle(self: Box<Self>, batch: Result<(), Error>) {
        let result = match (batch, self.result) {
            (Ok(()), Some(result)) => result,
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(Error::corrupt("an operation was never run")),
        };
        // A caller that went away has its operation done all the same.
        let _gone = self.caller.send(result);
    }
}

fn run_now<I, T, F>(tx: &mut Tx, input: &I, operation: F) -> Result<T, Error>
where
    F: for<'a> Operation<'a, I, T>,
{
    operation(tx, input).now_or_never().ok_or_else(waited)?
}

fn flush(tx: &mut Tx) -> Result<(), Error> {
    append::flush(tx).now_or_never().ok_or_else(waited)?
}

fn waited() -> Error {
    Error::corrupt("an operation waited inside SQLite")
}

/// The way to the writer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writer {
    messages: mpsc::Sender<Message>,
    /// Something is acknowledged that no reader sees yet.
    uncommitted: Arc<AtomicBool>,
    broken: watch::Receiver<Option<Arc<str>>>,
}

/// What the writer needs to start.
pub(crate) struct Options {
    pub(crate) session: super::Session,
    pub(crate) redo: RedoLog,
    pub(crate) committed: Option<mpsc::Sender<Vec<CommittedEvents>>>,
    /// Counts changes of runners and projects.
    pub(crate) fleet: FleetVersion,
    pub(crate) batch_max: usize,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(options: Options) -> Result<Self, Error> {
        let (messages, waiting) = mpsc::channel(QUEUE);
        let (broke, broken) = watch::channel(None);
        let uncommitted = Arc::default();
        let thread = Thread {
            tx: Tx::new(Session::Sqlite(options.session)),
            redo: options.redo,
            is_open: false,
            uncommitted: Arc::clone(&uncommitted),
            alarm: alarm(messages.downgrade())?,
            waiting,
            committed: options.committed,
            fleet: options.fleet,
            batch_max: options.batch_max.max(1),
            broke,
            runtime: tokio::runtime::Handle::current(),
            jobs: Vec::new(),
        };
        std::thread::Builder::new()
            .name("afield-store-writer".into())
            .spawn(move || thread.run())
            .map_err(|error| Error::Broken { reason: error.to_string().into() })?;
        Ok(Self { messages, uncommitted, broken })
    }

    /// Has everything committed that was acknowledged before: then a reader sees it.
    pub(crate) async fn show(&self) -> Result<(), Error> {
        if !self.uncommitted.load(Ordering::Acquire) {
            return Ok(());
        }
        let (caller, committed) = oneshot::channel();
        let asked = self.messages.send(Message::Commit(Some(caller))).await;
        asked.map_err(|_| self.gone())?;
        committed.await.map_err(|_| self.gone())
    }

    /// Runs an operation; returns when it is on disk.
    ///
    /// **Cancel safety**: a call that was polled may happen although its caller went away.
    pub(crate) async fn run<I, T, F>(&self, input: I, operation: F, turn: Turn) -> Result<T, Error>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Operation<'a, I, T>,
    {
        let (caller, answer) = oneshot::channel();
        let call = Box::new(Call { input, operation, result: None, caller });
        let message = match turn {
            Turn::Asked => Message::Run(call),
            Turn::Last => Message::RunLast(call),
        };
        if self.messages.send(message).await.is_err() {
            return Err(self.gone());
        }
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Ends the thread after everything that was asked before.
    pub(crate) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.messages.send(Message::Close(done)).await.is_ok() {
            // An error means that the thread ended without us.
            let _ended = ended.await;
        }
    }

    /// Resolves with the reason when the database has failed.
    pub(crate) async fn broken(&self) -> Arc<str> {
        let mut broken = self.broken.clone();
        let reason = match broken.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone(),
            // The thread was closed in good order: never.
            Err(_) => None,
        };
        match reason {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    fn gone(&self) -> Error {
        match &*self.broken.borrow() {
            Some(reason) => Error::Broken { reason: Arc::clone(reason) },
            None => Error::Database { reason: "the store is closed".into(), retryable: false },
        }
    }
}

/// A thread that has the writer commit a moment after it was rung.
fn alarm(writer: mpsc::WeakSender<Message>) -> Result<blocking::SyncSender<()>, Error> {
    let (ring, rung) = blocking::sync_channel(1);
    std::thread::Builder::new()
        .name("afield-store-commit".into())
        .spawn(move || {
            for () in rung {
                std::thread::sleep(COMMIT_AFTER);
                let Some(writer) = writer.upgrade() else { return };
                // Without its writer there is nothing to commit.
                let _ended = writer.blocking_send(Message::Commit(None));
            }
        })
        .map_err(|error| Error::Broken { reason: error.to_string().into() })?;
    Ok(ring)
}

struct Thread {
    tx: Tx,
    redo: RedoLog,
    /// A transaction is open.
    is_open: bool,
    uncommitted: Arc<AtomicBool>,
    alarm: blocking::SyncSender<()>,
    waiting: mpsc::Receiver<Message>,
    committed: Option<mpsc::Sender<Vec<CommittedEvents>>>,
    fleet: FleetVersion,
    batch_max: usize,
    broke: watch::Sender<Option<Arc<str>>>,
    runtime: tokio::runtime::Handle,
    jobs: Vec<Box<dyn Job>>,
}

/// Why a batch was not committed.
enum Failed {
    /// One operation failed after it had written.
    Dirty,
    /// The database itself.
    Broken(Error),
}

impl Thread {
    fn run(mut self) {
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
        if self.jobs.is_empty() && !(commit && self.is_open) {
            return true;
        }
        let already_broken = self.broke.borrow().clone();
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
        let Session::Sqlite(super::Session { connection, changes: Some(changes), .. }) =
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::Instant;

    use super::*;
    use crate::Synchronous;
    use crate::sql::{Sql, params};
    use crate::sqlite::open;

    /// Names in the order in which operations ran.
    type Ran = Arc<Mutex<Vec<&'static str>>>;

    fn names(ran: &Ran) -> MutexGuard<'_, Vec<&'static str>> {
        ran.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn note(_: &mut Tx, (ran, name): &(Ran, &'static str)) -> Result<(), Error> {
        names(ran).push(name);
        Ok(())
    }

    async fn put(tx: &mut Tx, (): &()) -> Result<(), Error> {
        static PUT: Sql = Sql::new("INSERT INTO meta (name, value) VALUES ('a', 1)");
        tx.execute(&PUT, params![]).await.map(drop)
    }

    async fn wait(_: &mut Tx, gate: &Mutex<blocking::Receiver<()>>) -> Result<(), Error> {
        let gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.recv().map_err(|_| Error::corrupt("the test is gone"))
    }

    fn start(database: &Path) -> Writer {
        let (session, redo) = open(database, Synchronous::Off).unwrap();
        let fleet = FleetVersion::default();
        let options = Options { session, redo, committed: None, fleet, batch_max: 8 };
        Writer::start(options).unwrap()
    }

    fn values(database: &Path) -> i64 {
        let reader = rusqlite::Connection::open(database).unwrap();
        let count = "SELECT COUNT(*) FROM meta WHERE name = 'a'";
        reader.query_row(count, [], |row| row.get(0)).unwrap()
    }

    #[tokio::test]
    async fn a_reader_sees_what_was_acknowledged_and_without_one_it_is_committed_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("db");
        let writer = start(&database);
        writer.run((), put, Turn::Asked).await.unwrap();
        writer.show().await.unwrap();
        assert_eq!(values(&database), 1);
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("db");
        let writer = start(&database);
        writer.run((), put, Turn::Asked).await.unwrap();
        let began = Instant::now();
        while writer.uncommitted.load(Ordering::Acquire) {
            assert!(began.elapsed() < Duration::from_secs(30), "nobody commits it");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(values(&database), 1);
    }

    #[tokio::test]
    async fn what_looks_for_work_runs_behind_what_brings_it() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(&folder.path().join("db"));
        let ran = Ran::default();
        let (open, gate) = blocking::channel();
        let noted = |name, turn| writer.run((Arc::clone(&ran), name), note, turn);
        let (first, looks, brings, opened) = tokio::join!(
            writer.run(Mutex::new(gate), wait, Turn::Asked),
            noted("looks", Turn::Last),
            noted("brings", Turn::Asked),
            async { open.send(()) },
        );
        first.and(looks).and(brings).unwrap();
        opened.unwrap();
        assert_eq!(*names(&ran), ["brings", "looks"]);
    }
}
