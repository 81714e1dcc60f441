//! PostgreSQL with its default durability: each step a transaction, each acknowledged.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::try_join_all;
use tokio_postgres::{Client, NoTls, Statement};
use xtask::services::{Daemon, Durability, postgres};

/// More connections make it slower.
const CONNECTIONS_MAX: usize = 64;

/// A private PostgreSQL and the connections to it.
pub(crate) struct Postgres {
    clients: Vec<Arc<Caller>>,
    // after the connections
    _daemon: Daemon,
}

/// A connection with what is asked over it.
struct Caller {
    client: Client,
    insert: Statement,
    claim: Statement,
    finish: Statement,
}

const TABLE: &str = "CREATE TABLE command (id bigserial PRIMARY KEY, body text NOT NULL, \
    state smallint NOT NULL DEFAULT 0); \
    CREATE INDEX waiting ON command (id) WHERE state = 0";
const INSERT: &str = "INSERT INTO command (body) VALUES ($1)";
const CLAIM: &str = "UPDATE command SET state = 1 WHERE id = (SELECT id FROM command \
    WHERE state = 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, body";
const FINISH: &str = "UPDATE command SET state = 2 WHERE id = $1";

impl Postgres {
    /// Starts it on the disk of `folder`.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let daemon = postgres::start(folder, Durability::Full).await?;
        let mut clients = Vec::new();
        for number in 0..CONNECTIONS_MAX {
            let (client, connection) =
                tokio_postgres::connect(&postgres::connection(&daemon), NoTls).await?;
            // Ends with its client.
            tokio::spawn(connection);
            if number == 0 {
                client.batch_execute(TABLE).await?;
            }
            let insert = client.prepare(INSERT).await?;
            let claim = client.prepare(CLAIM).await?;
            let finish = client.prepare(FINISH).await?;
            clients.push(Arc::new(Caller { client, insert, claim, finish }));
        }
        Ok(Self { clients, _daemon: daemon })
    }

    /// Inserts per second with `in_flight` of them unanswered.
    pub(crate) async fn accepts_per_second(
        &self,
        in_flight: usize,
        record: &str,
        time: Duration,
    ) -> Result<f64> {
        let insert = async |caller: &Caller| {
            caller.client.execute(&caller.insert, &[&record]).await?;
            anyhow::Ok(())
        };
        self.times_per_second(in_flight, time, insert).await
    }

    /// Cycles per second: a row is added, claimed with SKIP LOCKED, and marked as done.
    pub(crate) async fn cycles_per_second(
        &self,
        in_flight: usize,
        record: &str,
        time: Duration,
    ) -> Result<f64> {
        let cycle = async |caller: &Caller| {
            let Caller { client, insert, claim, finish } = caller;
            client.execute(insert, &[&record]).await?;
            // Not always the row just added; none while others hold all that this snapshot sees.
            let id: i64 = loop {
                if let Some(row) = client.query_opt(claim, &[]).await? {
                    break row.get(0);
                }
            };
            client.execute(finish, &[&id]).await?;
            anyhow::Ok(())
        };
        self.times_per_second(in_flight, time, cycle).await
    }

    async fn times_per_second(
        &self,
        in_flight: usize,
        time: Duration,
        step: impl AsyncFn(&Caller) -> Result<()>,
    ) -> Result<f64> {
        self.clients[0].client.batch_execute("TRUNCATE command").await?;
        let done = AtomicUsize::new(0);
        let began = Instant::now();
        let lanes = (0..in_flight).map(|lane| {
            let caller = &self.clients[lane % CONNECTIONS_MAX];
            let (done, step) = (&done, &step);
            async move {
                while began.elapsed() < time {
                    step(caller).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            }
        });
        try_join_all(lanes).await?;
        Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
    }
}
