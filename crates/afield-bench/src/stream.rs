//! Agent output: lines of 400 bytes from a child's pipe to followers; through the product each of
//! them is stored durably on its way.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use memchr::memmem;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::Options;
use crate::floors::pipe;
use crate::product::Server;
use crate::product::follower::Follower;
use crate::product::link::Link;
use crate::product::worker::Worker;
use crate::report::Table;

const FOLLOWERS: [usize; 2] = [1, 10];
/// Lines of a round through the product: so many that the start of the program does not count.
const LINES: usize = 100_000;

/// Runs the benchmark.
pub(crate) async fn run(options: Options) -> Result<()> {
    let time = options.duration;
    let server = Server::start(Path::new(crate::DISK))?;
    let worker = Worker::start(&server, Path::new(crate::DISK)).await?;
    let mut table = Table::default();
    let mut lines = Table::default();
    for _ in 0..options.rounds {
        // Blocking work on the main task: nothing else runs meanwhile.
        table.add("floor: bare pipe, thrown away", pipe::megabytes_per_second(0, time)?);
        for followers in FOLLOWERS {
            let name = format!("floor: chunks to {followers} sockets");
            table.add(&name, pipe::megabytes_per_second(followers, time)?);
            let per_second = through_product(&server, &worker, followers).await?;
            let name = format!("Afield, stored, to {followers} followers");
            table.add(&name, per_second * pipe::LINE_BYTES as f64 / 1e6);
            lines.add(&name, per_second);
        }
    }
    table.print("stream", "MB per second from a child process");
    lines.print("stream", "lines per second (the first row stands for the floor)");
    Ok(())
}

/// Lines per second until every follower has the last.
async fn through_product(server: &Server, worker: &Worker, followers: usize) -> Result<f64> {
    let followers = (0..followers)
        .map(|_| Follower::join(&server.url, &server.token, &worker.project))
        .collect::<Result<Vec<_>>>()?;
    let program = std::env::current_exe()?;
    let argv = json!([program, pipe::ROLE, LINES.to_string()]);
    let execute = json!({
        "project_id": worker.project,
        "agent": "command",
        "options": { "argv": argv },
    });
    let mut link = Link::connect(&server.url, &server.token).await?;
    let began = Instant::now();
    let following = followers.into_iter().map(|follower| spawn_blocking(|| follow(follower)));
    let following: Vec<_> = following.collect();
    link.ask("execute", &execute).await?;
    // The connection that asked is told everything too; it leaves, and what follows is measured.
    drop(link);
    for follower in following {
        follower.await??;
    }
    Ok(LINES as f64 / began.elapsed().as_secs_f64())
}

/// Reads until the command is done; every line must have come.
fn follow(mut follower: Follower) -> Result<()> {
    let mut lines = 0;
    loop {
        let frame = follower.next()?;
        if frame.starts_with(br#"{"type":"agent_message""#) {
            lines += usize::from(memmem::find(frame, br#""kind":"stdout""#).is_some());
        } else if frame.starts_with(br#"{"type":"command_state""#)
            && memmem::find(frame, br#""finished_at""#).is_some()
        {
            let last = String::from_utf8_lossy(frame);
            ensure!(lines == LINES, "{lines} of {LINES} lines arrived: {last}");
            return Ok(());
        }
    }
}
