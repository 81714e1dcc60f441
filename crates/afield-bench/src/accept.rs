//! Durable accepts per second: 500 bytes, acknowledged after they are on disk.

mod socket;
mod store;

use std::path::Path;

use anyhow::Result;

use crate::floors::log::Log;
use crate::peers::Stores;
use crate::report::Table;
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
    let store = store::Accepts::open(folder.path()).await?;
    let mut socket = socket::Socket::start(Path::new(DISK)).await?;
    let peers = Stores::start(options).await?;
    for in_flight in IN_FLIGHT {
        let mut table = Table::default();
        for _ in 0..options.rounds {
            let floor = log.accepts_per_second(in_flight, record.as_bytes(), time)?;
            table.add("floor: log file, group fdatasync", floor);
            let rate = store.per_second(in_flight, &record, time).await?;
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
