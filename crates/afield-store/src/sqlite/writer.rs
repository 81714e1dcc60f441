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

mod job;
mod thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use self::job::Job;
use self::thread::Thread;
use super::redo::RedoLog;
use crate::Error;
use crate::log::CommittedEvents;
use crate::store::FleetVersion;
use crate::tx::{Operation, Session, Tx};

/// Operations that may wait for the writer. More callers wait at the door.
const QUEUE: usize = 8192;

/// What was acknowledged is committed after this time at most. The more batches come meanwhile, the more of
/// them write the same pages; but who reads waits for the commit, and past this nothing was faster.
const COMMIT_AFTER: Duration = Duration::from_millis(50);

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

    /// Whether something was acknowledged that a reader does not see.
    pub(crate) fn has_uncommitted(&self) -> bool {
        self.uncommitted.load(Ordering::Acquire)
    }

    /// Has everything committed that was acknowledged before: then a reader sees it.
    pub(crate) async fn show(&self) -> Result<(), Error> {
        if !self.has_uncommitted() {
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
        let (job, answer) = job::job(input, operation);
        let message = match turn {
            Turn::Asked => Message::Run(job),
            Turn::Last => Message::RunLast(job),
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

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::Instant;

    use super::*;
    use crate::Synchronous;
    use crate::sql::{Sql, params};
    use crate::sqlite::redo::tests::crash;
    use crate::sqlite::{Session, open};

    /// Names in the order in which operations ran.
    type Ran = Arc<Mutex<Vec<&'static str>>>;

    fn names(ran: &Ran) -> MutexGuard<'_, Vec<&'static str>> {
        ran.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn note(_: &mut Tx, (ran, name): &(Ran, &'static str)) -> Result<(), Error> {
        names(ran).push(name);
        Ok(())
    }

    async fn put(tx: &mut Tx, name: &&'static str) -> Result<(), Error> {
        static PUT: Sql = Sql::new("INSERT INTO meta (name, value) VALUES (?1, 1)");
        tx.execute(&PUT, params![*name]).await.map(drop)
    }

    async fn is_there(tx: &mut Tx, name: &&'static str) -> Result<bool, Error> {
        static HAS: Sql = Sql::new("SELECT 1 FROM meta WHERE name = ?1");
        Ok(tx.opt(&HAS, params![*name], |_| Ok(())).await?.is_some())
    }

    async fn put_and_fail(tx: &mut Tx, name: &&'static str) -> Result<(), Error> {
        put(tx, name).await?;
        Err(Error::corrupt("it fails late"))
    }

    async fn wait(_: &mut Tx, gate: &Mutex<blocking::Receiver<()>>) -> Result<(), Error> {
        let gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.recv().map_err(|_| Error::corrupt("the test is gone"))
    }

    fn start(database: &Path) -> Writer {
        let (session, redo) = open(database, Synchronous::Off).unwrap();
        start_with(session, redo)
    }

    fn start_with(session: Session, redo: RedoLog) -> Writer {
        let fleet = FleetVersion::default();
        let options = Options { session, redo, committed: None, fleet, batch_max: 8 };
        Writer::start(options).unwrap()
    }

    /// Where "a" was put.
    async fn with_a() -> (tempfile::TempDir, PathBuf, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("db");
        let writer = start(&database);
        writer.run("a", put, Turn::Asked).await.unwrap();
        (folder, database, writer)
    }

    /// What was put and is committed.
    fn values(database: &Path) -> Vec<String> {
        let reader = rusqlite::Connection::open(database).unwrap();
        let names = "SELECT name FROM meta WHERE value = 1 AND name < 'e' ORDER BY name";
        let mut names = reader.prepare(names).unwrap();
        let names = names.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    }

    #[tokio::test]
    async fn a_reader_sees_what_was_acknowledged() {
        let (_folder, database, writer) = with_a().await;
        writer.show().await.unwrap();
        assert_eq!(values(&database), ["a"]);
    }

    #[tokio::test]
    async fn an_operation_that_fails_late_takes_back_only_itself() {
        let (_folder, database, writer) = with_a().await;
        let (with, failed) = tokio::join!(
            writer.run("b", put, Turn::Asked),
            writer.run("c", put_and_fail, Turn::Asked),
        );
        with.unwrap();
        failed.unwrap_err();
        writer.run("d", put, Turn::Asked).await.unwrap();
        writer.show().await.unwrap();
        assert_eq!(values(&database), ["a", "b", "d"]);
    }

    #[tokio::test]
    async fn the_writer_sees_it_before_it_is_committed() {
        let (_folder, _, writer) = with_a().await;
        assert!(writer.run("a", is_there, Turn::Asked).await.unwrap());
        assert!(!writer.run("b", is_there, Turn::Asked).await.unwrap());
    }

    #[tokio::test]
    async fn without_a_reader_it_is_committed_as_well() {
        let (_folder, database, writer) = with_a().await;
        let began = Instant::now();
        while writer.uncommitted.load(Ordering::Acquire) {
            assert!(began.elapsed() < Duration::from_secs(30), "nobody commits it");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(values(&database), ["a"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_acknowledged_survives_a_crash_however_many_ask() {
        static ADD: Sql = Sql::new(
            "INSERT INTO meta (name, value) VALUES (?1, 1) \
             ON CONFLICT (name) DO UPDATE SET value = meta.value + 1",
        );
        async fn add(tx: &mut Tx, name: &String) -> Result<(), Error> {
            tx.execute(&ADD, params![name]).await.map(drop)
        }
        let folder = tempfile::tempdir().unwrap();
        let writer = start(&folder.path().join("db"));
        let ask = async |asker: usize| {
            for _ in 0..50 {
                writer.run(format!("asker {asker}"), add, Turn::Asked).await.unwrap();
            }
        };
        futures::future::join_all((0..16).map(ask)).await;
        let crashed = crash(folder.path());
        let (session, _redo) = open(&crashed.path().join("db"), Synchronous::Off).unwrap();
        let count = "SELECT COUNT(*) FROM meta WHERE name LIKE 'asker %' AND value = 50";
        let count: i64 = session.connection.query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 16);
    }

    #[tokio::test]
    async fn what_does_not_come_to_the_disk_is_not_acknowledged_and_ends_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("db");
        let (session, _redo) = open(&database, Synchronous::Off).unwrap();
        let log = folder.path().join("db.redo");
        std::fs::remove_file(&log).unwrap();
        // A disk without room.
        std::os::unix::fs::symlink("/dev/full", &log).unwrap();
        let redo = RedoLog::start(&database, &session.connection, false).unwrap();
        let writer = start_with(session, redo);
        let run = |name| writer.run(name, put, Turn::Asked);
        let (first, second) = tokio::join!(run("a"), run("b"));
        assert!(matches!((first, second), (Err(Error::Broken { .. }), Err(Error::Broken { .. }))));
        assert!(writer.broken().await.contains("redo log"));
        writer.run("c", put, Turn::Asked).await.unwrap_err();
        writer.close().await;
        assert!(values(&database).is_empty());
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
