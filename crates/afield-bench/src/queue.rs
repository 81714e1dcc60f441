//! The command queue: full cycles per second (submitted, leased, started, finished), in the store
//! and over the wire; how long it takes from submitting to the runner; what a million waiting
//! commands cost; how soon a server accepts again that has a hundred thousand of them.

mod depth;
mod store;
mod wire;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::floors::log::Log;
use crate::floors::rows::Rows;
use crate::floors::steps::Steps;
use crate::peers::Stores;
use crate::report::Table;
use crate::{DISK, Options};

/// How many cycles are under way at the same time.
const IN_FLIGHT: [usize; 4] = [1, 16, 256, 1024];
const PROMPT_BYTES: usize = 500;
/// Durable steps of a cycle.
const STEPS: f64 = 4.0;

/// Runs the benchmark.
pub(crate) async fn run(options: Options) -> Result<()> {
    let prompt = "x".repeat(PROMPT_BYTES);
    cycles(options, &prompt).await?;
    delay(options, &prompt).await?;
    depth::waiting(&prompt).await?;
    depth::restart(&prompt).await
}

async fn cycles(options: Options, prompt: &str) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("afbench").tempdir_in(DISK)?;
    let time = options.duration;
    let mut log = Log::create(folder.path())?;
    let mut rows = Rows::create(folder.path()).await?;
    let mut steps = Steps::create(folder.path())?;
    let mut base = crate::in_store::InStore::open(folder.path()).await?;
    let peers = Stores::start(options).await?;
    for in_flight in IN_FLIGHT {
        let store = store::Cycles::new(&mut base, in_flight).await?;
        let mut wire = wire::Cycles::start(Path::new(DISK), in_flight).await?;
        let (mut table, mut costs) = (Table::default(), Table::default());
        for _ in 0..options.rounds {
            let floor = log.accepts_per_second(in_flight, prompt.as_bytes(), time)?;
            table.add("floor: log file, four group fdatasyncs", floor / STEPS);
            let floor = steps.per_second(in_flight, prompt, time)?;
            table.add("floor: SQLite, four steps in narrow tables", floor);
            let floor = rows.per_second(in_flight, prompt, time)?;
            table.add("floor: SQLite, its rows written once", floor);
            let (rate, cpu_us) = store.per_second(&base, prompt, time).await?;
            table.add("Afield, in the store", rate);
            costs.add("the store's writer", cpu_us);
            table.add("Afield, over the wire", wire.per_second(prompt, time).await?);
            if let Some(redis) = &peers.redis {
                let rate = redis.cycles_per_second(in_flight, prompt, time).await?;
                table.add("Redis stream, appendfsync always", rate);
            }
            if let Some(postgres) = &peers.postgres {
                let rate = postgres.cycles_per_second(in_flight, prompt, time).await?;
                table.add("PostgreSQL, SKIP LOCKED", rate);
            }
        }
        let title = format!("queue, {in_flight} in flight");
        table.print(&title, "full cycles per second");
        costs.print(&title, "CPU microseconds for each cycle");
    }
    Ok(())
}

/// Submissions per second while the time to the runner is measured.
const STEADY: u32 = 1000;
const STEADY_FOR: Duration = Duration::from_secs(5);

async fn delay(options: Options, prompt: &str) -> Result<()> {
    let mut table = Table::default();
    for _ in 0..options.rounds {
        let mut wire = wire::Cycles::start(Path::new(DISK), 64).await?;
        let delays = wire.delays(prompt, STEADY, STEADY_FOR).await?;
        table.add("median", delays.median_ms);
        table.add("99 of 100", delays.p99_ms);
        table.add("longest", delays.longest_ms);
    }
    let title = format!("submitted to started, at {STEADY} a second");
    table.print(&title, "milliseconds until the server has the start on disk");
    Ok(())
}
