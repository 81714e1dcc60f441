//! PostgreSQL with its default durability: one insert, one transaction, one acknowledgement.

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
    clients: Vec<(Arc<Client>, Statement)>,
    // after the connections
    _daemon: Daemon,
}

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
                let table = "CREATE TABLE command (id bigserial PRIMARY KEY, body text NOT NULL)";
                client.batch_execute(table).await?;
            }
            let insert = client.prepare("INSERT INTO command (body) VALUES ($1)").await?;
            clients.push((Arc::new(client), insert));
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
        self.clients[0].0.batch_execute("TRUNCATE command").await?;
        let accepted = AtomicUsize::new(0);
        let began = Instant::now();
        let lanes = (0..in_flight).map(|lane| {
            let (client, insert) = &self.clients[lane % CONNECTIONS_MAX];
            let accepted = &accepted;
            async move {
                while began.elapsed() < time {
                    client.execute(insert, &[&record]).await?;
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            }
        });
        try_join_all(lanes).await?;
        Ok(accepted.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
    }
}
