//! Durable accepts per second: 500 bytes, acknowledged after they are on disk.

mod socket;
mod store;

use std::path::Path;

use anyhow::Result;

use crate::floors::log::Log;
use crate::peers::{installed, postgres::Postgres, redis::Redis};
use crate::report::{Table, left_out};
use crate::{DISK, Options};

/// How many accepts wait for their acknowledgement at the same time.
const IN_FLIGHT: [usize; 4] = [1, 16, 256, 1024];
const RECORD_BYTES: usize = 500;

/// Runs the benchmark.
pub(crate) async fn run(options: Options) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("afbench").tempdir_in(DISK)?;
    let record = "x".repeat(RECORD_BYTES);
    let time = options.duration;
    let mut log = Log::create(folder.path())?;
    let store = store::InStore::open(folder.path()).await?;
    let mut socket = socket::Socket::start(Path::new(DISK)).await?;
    let peers = Peers::start(options).await?;
    for in_flight in IN_FLIGHT {
        let mut table = Table::default();
        for _ in 0..options.rounds {
            let floor = log.accepts_per_second(in_flight, record.as_bytes(), time)?;
            table.add("floor: log file, group fdatasync", floor);
            let rate = store.accepts_per_second(in_flight, &record, time).await?;
            table.add("Afield, in the store", rate);
            let rate = socket.accepts_per_second(in_flight, &record, time).await?;
            table.add("Afield, over the WebSocket", rate);
            if let Some(redis) = &peers.redis {
                let rate = redis.accepts_per_second(in_flight, &record, time).await?;
                table.add("Redis stream, appendfsync always", rate);
            }
            if let Some(postgres) = &peers.postgres {
                let rate = postgres.accepts_per_second(in_flight, &record, time).await?;
                table.add("PostgreSQL, one insert per transaction", rate);
            }
        }
        table.print(&format!("accept, {in_flight} in flight"), "durable accepts per second");
    }
    Ok(())
}

struct Peers {
    redis: Option<Redis>,
    postgres: Option<Postgres>,
}

impl Peers {
    async fn start(options: Options) -> Result<Self> {
        let (mut redis, mut postgres) = (None, None);
        let disk = Path::new(DISK);
        if options.peers && installed("redis-server") {
            redis = Some(Redis::start(disk).await?);
        } else if options.peers {
            left_out("Redis", "redis-server is not installed");
        }
        if options.peers {
            match Postgres::start(disk).await {
                Ok(started) => postgres = Some(started),
                Err(error) => left_out("PostgreSQL", &format!("{error:#}")),
            }
        }
        Ok(Self { redis, postgres })
    }
}
