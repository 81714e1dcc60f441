//! The store itself: opening, closing, and the two ways in.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use afield_proto::command::Command;
use afield_proto::{DeviceId, OrgId, ProjectId, Timestamp};
use tokio::sync::{RwLock, mpsc};

use crate::log::damage;
use crate::sql::{params, statements};
use crate::sqlite;
use crate::sqlite::reader::Readers;
use crate::sqlite::writer::{self, Turn, Writer};
use crate::tx::{Operation, Tx};
use crate::{CommittedEvents, Error, PlaceRow, postgres};

statements! {
    PROBE = "INSERT INTO meta (name, value) VALUES ('probe', ?1) \
        ON CONFLICT (name) DO UPDATE SET value = ?1";
}

/// Projects of which something is remembered; all are forgotten when there are more.
const REMEMBERED_MAX: usize = 100_000;

/// Where the data lies.
#[derive(Debug, Clone)]
pub enum Location {
    /// A database file; it is made when it is missing, its directory is not.
    Sqlite(PathBuf),
    /// A server.
    Postgres(PostgresServer),
}

/// How to connect to a PostgreSQL server.
#[derive(Debug, Clone)]
pub struct PostgresServer {
    /// Connection string: a URL, or libpq's keys and values. `sslmode=require` means TLS to a server
    /// whose certificate proves its name; otherwise nothing is encrypted.
    pub connection: String,
    /// Authorities that may have signed that certificate, PEM; the machine's own when absent.
    pub authorities: Option<PathBuf>,
}

/// How far a commit reaches on SQLite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// On the disk before it is acknowledged.
    #[default]
    Full,
    /// In the operating system's memory only. Exists for one purpose: to show that the durability
    /// test fails without [`Synchronous::Full`].
    Off,
}

/// How to open a store.
#[derive(Debug)]
pub struct Options {
    /// Where the data lies.
    pub location: Location,
    /// Receives the events of every commit, in the order of their numbers, before the callers
    /// hear of their success. A full channel holds the writer back.
    pub committed: Option<mpsc::Sender<Vec<CommittedEvents>>>,
    /// Most operations in one SQLite transaction. With more waiting than this, callers of one
    /// group are answered while the next is written.
    pub group_commit_max: usize,
    /// Connections for reading, on SQLite.
    pub readers: usize,
    /// How far a commit reaches, on SQLite.
    pub synchronous: Synchronous,
}

impl Options {
    /// The defaults for this place.
    pub fn new(location: Location) -> Self {
        Self {
            location,
            committed: None,
            group_commit_max: 512,
            readers: 4,
            synchronous: Synchronous::Full,
        }
    }
}

/// Durable state. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    /// Damage this process has already written down.
    noticed: damage::Noticed,
    /// Runner and session of each project's last command, to encode the next one with.
    slots: Mutex<HashMap<ProjectId, (DeviceId, bool)>>,
    places: Mutex<HashMap<(OrgId, ProjectId), KnownPlace>>,
    /// Held by each who reads; whoever closes waits for them.
    reads: RwLock<()>,
    operations: AtomicU64,
    fleet: FleetVersion,
}

/// A place, and the version of the fleet at which it was read.
type KnownPlace = (u64, Arc<PlaceRow>);

/// Rises after the commit of whatever changes runners or projects, before its caller hears of it.
pub(crate) type FleetVersion = Arc<AtomicU64>;

enum Engine {
    Sqlite { writer: Writer, readers: Readers },
    Postgres(postgres::Database),
}

impl Store {
    /// Opens the database, brings its tables up to date and starts what serves it.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let fleet = FleetVersion::default();
        let changes = Arc::clone(&fleet);
        let engine = match options.location.clone() {
            Location::Sqlite(path) => {
                let open = move || open_sqlite(path, options, changes);
                let opened = tokio::task::spawn_blocking(open).await;
                opened.map_err(|error| Error::Database {
                    reason: format!("opening stopped: {error}"),
                    retryable: false,
                })??
            }
            Location::Postgres(server) => {
                let committed = options.committed;
                Engine::Postgres(postgres::Database::open(&server, committed, changes).await?)
            }
        };
        let store = Self {
            inner: Arc::new(Inner {
                engine,
                noticed: Mutex::default(),
                slots: Mutex::default(),
                places: Mutex::default(),
                reads: RwLock::default(),
                operations: AtomicU64::new(0),
                fleet,
            }),
        };
        tracing::info!(engine = %store.engine(), "the store is open");
        Ok(store)
    }

    /// Waits for what was asked before, then closes the database.
    pub async fn close(&self) {
        match &self.inner.engine {
            Engine::Sqlite { writer, readers } => {
                let _nobody_reads = self.inner.reads.write().await;
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres(database) => database.close(),
        }
    }

    /// Resolves with the reason when the database has failed for good: the process should end
    /// with an error. Never resolves otherwise.
    pub async fn broken(&self) -> Arc<str> {
        match &self.inner.engine {
            Engine::Sqlite { writer, .. } => writer.broken().await,
            Engine::Postgres(_) => std::future::pending().await,
        }
    }

    /// The database and its version, such as `sqlite 3.54.1`.
    pub fn engine(&self) -> String {
        match &self.inner.engine {
            Engine::Sqlite { .. } => format!("sqlite {}", rusqlite::version()),
            Engine::Postgres(database) => format!("postgres {}", database.version),
        }
    }

    /// Operations asked for since it was opened: at rest their number stays.
    pub fn operations(&self) -> u64 {
        self.inner.operations.load(Ordering::Relaxed)
    }

    /// Rises whenever something changes of what [`Self::runners`] and [`Self::places`] give, by this
    /// process: what was read at the same version, or a later one, is still so.
    pub fn fleet_version(&self) -> u64 {
        self.inner.fleet.load(Ordering::Acquire)
    }

    /// Makes one durable write; how long it took until it was on disk.
    pub async fn probe_write(&self, now: Timestamp) -> Result<Duration, Error> {
        let began = Instant::now();
        self.write(now, probe).await?;
        Ok(began.elapsed())
    }

    /// Runs a changing operation; returns when it is on disk.
    pub(crate) async fn write<I, T, F>(&self, input: I, operation: F) -> Result<T, Error>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Operation<'a, I, T>,
    {
        self.write_in(Turn::Asked, input, operation).await
    }

    /// The same, with its place among what is written together.
    pub(crate) async fn write_in<I, T, F>(
        &self,
        turn: Turn,
        input: I,
        operation: F,
    ) -> Result<T, Error>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Operation<'a, I, T>,
    {
        self.inner.operations.fetch_add(1, Ordering::Relaxed);
        match &self.inner.engine {
            Engine::Sqlite { writer, .. } => writer.run(input, operation, turn).await,
            Engine::Postgres(database) => database.write(input, operation).await,
        }
    }

    /// Runs a reading operation on one snapshot of what was acknowledged.
    pub(crate) async fn read<I, T, F>(&self, input: I, operation: F) -> Result<T, Error>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Operation<'a, I, T>,
    {
        self.inner.operations.fetch_add(1, Ordering::Relaxed);
        match &self.inner.engine {
            Engine::Sqlite { writer, readers } => {
                let _reading = self.inner.reads.read().await;
                writer.show().await?;
                readers.run(input, operation).await
            }
            Engine::Postgres(database) => database.read(input, operation).await,
        }
    }

    /// Runs a reading operation that finds a handful of rows by their key. While there is something to be
    /// committed the writer reads, which costs less than a commit.
    pub(crate) async fn look<I, T, F>(&self, input: I, operation: F) -> Result<T, Error>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Operation<'a, I, T>,
    {
        match &self.inner.engine {
            Engine::Sqlite { writer, .. } if writer.has_uncommitted() => {
                self.write(input, operation).await
            }
            _ => self.read(input, operation).await,
        }
    }

    /// Runner of the project's last command, and whether that was the first of its lane, as far as
    /// this process knows.
    pub(crate) fn last_slot(&self, id: ProjectId) -> Option<(DeviceId, bool)> {
        self.slots().get(&id).copied()
    }

    /// Whether writes are done in the order in which their futures were first polled. Otherwise
    /// the order is that of their completion.
    pub fn keeps_order(&self) -> bool {
        matches!(self.inner.engine, Engine::Sqlite { .. })
    }

    /// The runner of the project's last command, as far as this process knows: a hint, made of
    /// what was accepted here.
    pub fn last_runner(&self, id: ProjectId) -> Option<DeviceId> {
        self.last_slot(id).map(|(runner, _)| runner)
    }

    /// What was read of a project when the fleet had this version.
    pub(crate) fn known_place(
        &self,
        org: OrgId,
        id: ProjectId,
        version: u64,
    ) -> Option<Arc<PlaceRow>> {
        let places = self.known_places();
        let (known, place) = places.get(&(org, id))?;
        (*known == version).then(|| Arc::clone(place))
    }

    /// Remembers what was read of a project, unless other processes change projects as well.
    pub(crate) fn remember_place(&self, org: OrgId, version: u64, place: &Arc<PlaceRow>) {
        if matches!(self.inner.engine, Engine::Postgres(_)) {
            return;
        }
        let mut places = self.known_places();
        if places.len() >= REMEMBERED_MAX {
            places.clear();
        }
        places.insert((org, place.id), (version, Arc::clone(place)));
    }

    fn known_places(&self) -> MutexGuard<'_, HashMap<(OrgId, ProjectId), KnownPlace>> {
        self.inner.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that of a command that was accepted.
    pub(crate) fn remember_slot(&self, id: ProjectId, command: &Command) {
        let head = command.waiting_for.as_deref() != Some("order");
        let mut slots = self.slots();
        if slots.len() >= REMEMBERED_MAX {
            slots.clear();
        }
        slots.insert(id, (command.runner_id, head));
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<ProjectId, (DeviceId, bool)>> {
        self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Damage this process has already written down.
    pub(crate) fn noticed(&self) -> &damage::Noticed {
        &self.inner.noticed
    }
}

fn open_sqlite(path: PathBuf, options: Options, fleet: FleetVersion) -> Result<Engine, Error> {
    sqlite::check_version()?;
    let (session, redo) = sqlite::open(&path, options.synchronous)?;
    let readers = Readers::open(&path, options.readers)?;
    let writer = Writer::start(writer::Options {
        session,
        redo,
        committed: options.committed,
        fleet,
        batch_max: options.group_commit_max,
    })?;
    Ok(Engine::Sqlite { writer, readers })
}

async fn probe(tx: &mut Tx, now: &Timestamp) -> Result<(), Error> {
    tx.execute(&PROBE, params![now]).await.map(drop)
}
