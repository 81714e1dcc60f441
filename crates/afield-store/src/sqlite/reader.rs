//! The readers: a few connections that see the last commit, used on blocking threads.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use tokio::sync::Semaphore;

use crate::tx::{Operation, Session, Tx};
use crate::{Error, sqlite};

/// The readers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Tx>>>,
    permits: Arc<Semaphore>,
    count: u32,
}

impl Readers {
    /// Opens `count` connections.
    pub(crate) fn open(path: &Path, count: usize) -> Result<Self, Error> {
        let open = |_| Ok(Tx::new(Session::Sqlite(sqlite::open_reader(path)?)));
        let idle = (0..count.max(1)).map(open).collect::<Result<Vec<_>, Error>>()?;
        let permits = Arc::new(Semaphore::new(idle.len()));
        let count = u32::try_from(idle.len()).unwrap_or(u32::MAX);
        Ok(Self { idle: Arc::new(Mutex::new(idle)), permits, count })
    }

    /// Runs a reading operation on one snapshot.
    pub(crate) async fn run<I, T, F>(&self, input: I, operation: F) -> Result<T, Error>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Operation<'a, I, T>,
    {
        let closed = |_| closed();
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        let readers = self.clone();
        let work = move || {
            let mut tx = readers.take();
            let result = snapshot(&mut tx, &input, operation);
            readers.give_back(tx);
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Error::Database {
            reason: format!("a reader stopped: {error}"),
            retryable: false,
        })?
    }

    /// Closes every connection, after what runs has ended.
    pub(crate) async fn close(&self) {
        let _ended = self.permits.acquire_many(self.count).await;
        self.permits.close();
        self.idle().clear();
    }

    fn take(&self) -> Tx {
        self.idle().pop().expect("there is a connection for every permit")
    }

    fn give_back(&self, tx: Tx) {
        self.idle().push(tx);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Tx>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn snapshot<I, T, F>(tx: &mut Tx, input: &I, operation: F) -> Result<T, Error>
where
    F: for<'a> Operation<'a, I, T>,
{
    run_batch(tx, "BEGIN")?;
    let result = operation(tx, input)
        .now_or_never()
        .unwrap_or_else(|| Err(Error::corrupt("an operation waited inside SQLite")));
    run_batch(tx, "COMMIT")?;
    result
}

fn run_batch(tx: &mut Tx, statement: &str) -> Result<(), Error> {
    if let Session::Sqlite(session) = &tx.session {
        session.connection.execute_batch(statement)?;
    }
    Ok(())
}

fn closed() -> Error {
    Error::Database { reason: "the store is closed".into(), retryable: false }
}
