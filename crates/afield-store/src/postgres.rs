//! PostgreSQL: a pool of connections, one transaction per operation.
//!
//! [`tls`] encrypts them. The [`Session`] runs statements on one connection. Opened by [`crate::Store::open`].

mod tls;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use afield_proto::Topic;
use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Config, NoTls};

use crate::Error;
use crate::log::{CommittedEvents, append};
use crate::sql::{Sql, Value};
use crate::store::{FleetVersion, PostgresServer};
use crate::tx::{self, Operation, Tx};

/// The oldest server whose SQL is known to fit.
const VERSION_MIN: i32 = 150_000;
/// Connections of one process: measured, more than this only queue inside the server.
const CONNECTIONS: usize = 16;
/// How often an operation is tried again after a conflict with another one.
const RETRIES_MAX: u32 = 8;
/// Locks that keep publication in order; topics share them by hash.
const STRIPES: usize = 64;

const WRITE: &str = "BEGIN";
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The pool. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    pool: Pool,
    stripes: Arc<[Arc<Mutex<()>>]>,
    committed: Option<mpsc::Sender<Vec<CommittedEvents>>>,
    fleet: FleetVersion,
    pub(crate) version: Arc<str>,
}

/// Without TLS whoever is on the way reads everything, the password included.
fn warn_unless_local(config: &Config) {
    let is_local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    };
    if !config.get_hosts().iter().all(is_local) {
        tracing::warn!(
            "the connection to PostgreSQL is not encrypted; add sslmode=require to store.url"
        );
    }
}

impl Database {
    /// Connects, checks the version and migrates.
    pub(crate) async fn open(
        server: &PostgresServer,
        committed: Option<mpsc::Sender<Vec<CommittedEvents>>>,
        fleet: FleetVersion,
    ) -> Result<Self, Error> {
        let config: Config = server.connection.parse()?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match config.get_ssl_mode() {
            SslMode::Require => {
                let tls = tls::connector(server.authorities.as_deref())?;
                Manager::from_config(config, tls, recycling)
            }
            _ => {
                warn_unless_local(&config);
                Manager::from_config(config, NoTls, recycling)
            }
        };
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .build()
            .map_err(|error| Error::Database { reason: error.to_string(), retryable: false })?;
        let mut client = pool.get().await?;
        let version = check_version(&client).await?.into();
        crate::migrate::postgres(&mut client).await?;
        let stripes = (0..STRIPES).map(|_| Arc::default()).collect();
        Ok(Self { pool, stripes, committed, fleet, version })
    }

    /// Runs a changing operation; returns when it is on disk.
    ///
    /// **Cancel safety**: it runs to its end in a task of its own.
    pub(crate) async fn write<I, T, F>(&self, input: I, operation: F) -> Result<T, Error>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Operation<'a, I, T>,
    {
        let database = self.clone();
        let work = async move { database.write_retrying(&input, operation).await };
        tokio::spawn(work).await.unwrap_or_else(|error| {
            let reason = format!("an operation stopped: {error}");
            Err(Error::Database { reason, retryable: false })
        })
    }

    async fn write_retrying<I, T, F>(&self, input: &I, operation: F) -> Result<T, Error>
    where
        F: for<'a> Operation<'a, I, T>,
    {
        let mut tries = 0;
        loop {
            match self.write_once(input, operation).await {
                Err(Error::Database { retryable: true, .. }) if tries < RETRIES_MAX => tries += 1,
                result => return result,
            }
        }
    }

    async fn write_once<I, T, F>(&self, input: &I, operation: F) -> Result<T, Error>
    where
        F: for<'a> Operation<'a, I, T>,
    {
        let mut tx = self.begin(WRITE).await?;
        let result = run(&mut tx, input, operation).await;
        self.end(tx, result).await
    }

    /// Runs a reading operation on one snapshot.
    pub(crate) async fn read<I, T, F>(&self, input: I, operation: F) -> Result<T, Error>
    where
        F: for<'a> Operation<'a, I, T>,
    {
        let mut tx = self.begin(READ).await?;
        let result = operation(&mut tx, &input).await;
        self.end(tx, result).await
    }

    async fn begin(&self, statement: &str) -> Result<Tx, Error> {
        let client = self.pool.get().await?;
        let stripes = Arc::clone(&self.stripes);
        let session = Session { client: Some(client), held: Vec::new(), stripes };
        session.batch(statement).await?;
        Ok(Tx::new(tx::Session::Postgres(session)))
    }

    /// Commits and hands the events on, or rolls back.
    async fn end<T>(&self, mut tx: Tx, result: Result<T, Error>) -> Result<T, Error> {
        let tx::Session::Postgres(session) = &mut tx.session else { return result };
        let statement = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = session.batch(statement).await;
        if tx.fleet_changed {
            self.fleet.fetch_add(1, Ordering::Release);
        }
        let value = result?;
        ended?;
        if let (Some(committed), false) = (&self.committed, tx.written.is_empty()) {
            // Nobody follows any more: the events are on disk, which is what counts.
            let _gone = committed.send(std::mem::take(&mut tx.written)).await;
        }
        session.release();
        Ok(value)
    }

    /// Closes every connection.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

async fn run<I, T, F>(tx: &mut Tx, input: &I, operation: F) -> Result<T, Error>
where
    F: for<'a> Operation<'a, I, T>,
{
    let value = operation(tx, input).await?;
    append::flush(tx).await?;
    Ok(value)
}

async fn check_version(client: &Client) -> Result<String, Error> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version')",
            &[],
        )
        .await?;
    let (number, text): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    if number < VERSION_MIN {
        let reason = format!("PostgreSQL {text} is too old, 15 is needed");
        return Err(Error::Database { reason, retryable: false });
    }
    Ok(text.split(' ').next().unwrap_or(&text).to_owned())
}

/// Statements on one connection, inside one transaction.
pub(crate) struct Session {
    client: Option<Client>,
    /// Held from the numbering of events until they are handed on.
    held: Vec<OwnedMutexGuard<()>>,
    stripes: Arc<[Arc<Mutex<()>>]>,
}

impl Session {
    /// Runs a statement; how many rows it changed.
    pub(crate) async fn execute(&self, sql: &Sql, params: &[Value<'_>]) -> Result<u64, Error> {
        let client = self.client();
        let statement = client.prepare_cached(sql.postgres()).await?;
        Ok(client.execute(&statement, &as_params(params)).await?)
    }

    /// Every row of the answer.
    pub(crate) async fn query(
        &self,
        sql: &Sql,
        params: &[Value<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, Error> {
        let client = self.client();
        let statement = client.prepare_cached(sql.postgres()).await?;
        Ok(client.query(&statement, &as_params(params)).await?)
    }

    /// Runs statements without parameters.
    pub(crate) async fn batch(&self, text: &str) -> Result<(), Error> {
        Ok(self.client().batch_execute(text).await?)
    }

    /// Only has a statement understood.
    #[cfg(feature = "conformance")]
    pub(crate) async fn prepare(&self, text: &str) -> Result<(), Error> {
        let statement = self.client().prepare(text).await?;
        match statement.params().iter().find(|ty| !<Value<'_> as ToSql>::accepts(ty)) {
            Some(ty) => Err(Error::corrupt(format!("a parameter is taken for {ty}: {text}"))),
            None => Ok(()),
        }
    }

    /// From here until the transaction's events are handed on, no other transaction of this
    /// process numbers events of these topics: they are handed on in the order of their numbers.
    pub(crate) async fn hold_publication(&mut self, topics: impl Iterator<Item = Topic>) {
        let mut stripes: Vec<_> = topics.map(stripe).collect();
        stripes.sort_unstable();
        stripes.dedup();
        for stripe in stripes {
            if self.held.is_empty() || !self.holds(stripe) {
                self.held.push(Arc::clone(&self.stripes[stripe]).lock_owned().await);
            }
        }
    }

    fn holds(&self, stripe: usize) -> bool {
        let wanted = &self.stripes[stripe];
        self.held.iter().any(|held| Arc::ptr_eq(OwnedMutexGuard::mutex(held), wanted))
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("a session gives its connection back only at its end")
    }

    /// Gives the connection back in good order.
    fn release(&mut self) {
        self.held.clear();
        self.client = None;
    }
}

impl Drop for Session {
    /// A transaction that did not end in good order takes its connection with it.
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Client::take(client));
        }
    }
}

fn stripe(topic: Topic) -> usize {
    let mut hasher = DefaultHasher::new();
    topic.hash(&mut hasher);
    usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or(0)
}

impl Value<'_> {
    /// Whether this is what a column or comparison of this type expects.
    fn fits(&self, ty: &Type) -> bool {
        match self {
            Value::Null => true,
            Value::Int(_) => *ty == Type::INT8,
            Value::Text(_) | Value::Id(_) => *ty == Type::TEXT,
            Value::Bytes(_) => *ty == Type::BYTEA,
        }
    }
}

fn as_params<'a>(params: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut tokio_postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        if !self.fits(ty) {
            return Err(format!("{self:?} is no {ty}").into());
        }
        match self {
            Value::Null => return Ok(IsNull::Yes),
            Value::Int(number) => out.extend_from_slice(&number.to_be_bytes()),
            // PostgreSQL's texts can hold every character but this one.
            Value::Text(text) if text.contains('\0') => {
                out.extend_from_slice(text.replace('\0', "\u{fffd}").as_bytes());
            }
            Value::Text(text) => out.extend_from_slice(text.as_bytes()),
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            Value::Id(id) => {
                let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
                out.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
            }
        }
        Ok(IsNull::No)
    }

    /// Everything else would be written in a form the database reads as something else.
    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(ty)
    }

    to_sql_checked!();
}
