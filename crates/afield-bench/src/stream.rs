//! Agent output: lines of 400 bytes from a child's pipe to followers; through the product each of
//! them is stored durably on its way.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::json;

use crate::Options;
use crate::floors::pipe;
use crate::product::Server;
use crate::product::link::Link;
use crate::product::worker::Worker;
use crate::report::Table;

const FOLLOWERS: [usize; 2] = [1, 10];
/// Lines of a round through the product.
const LINES: usize = 20_000;

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
    let project = json!({ "project_id": worker.project });
    let mut links = Vec::new();
    for _ in 0..followers {
        let mut link = Link::connect(&server.url, &server.token).await?;
        link.ask("project_join", &project).await?;
        links.push(link);
    }
    let program = std::env::current_exe()?;
    let argv = json!([program, pipe::ROLE, LINES.to_string()]);
    let execute = json!({
        "project_id": worker.project,
        "agent": "command",
        "options": { "argv": argv },
    });
    let mut link = Link::connect(&server.url, &server.token).await?;
    let began = Instant::now();
    link.ask("execute", &execute).await?;
    try_join_all(links.into_iter().map(follow)).await?;
    Ok(LINES as f64 / began.elapsed().as_secs_f64())
}

/// Reads until the command is done; every line must have come.
async fn follow(mut link: Link) -> Result<()> {
    let mut lines = 0;
    loop {
        let frame = link.next().await?;
        if frame.starts_with(r#"{"type":"agent_message""#) {
            lines += usize::from(frame.contains(r#""kind":"stdout""#));
        } else if frame.starts_with(r#"{"type":"command_state""#)
            && frame.contains(r#""finished_at""#)
        {
            ensure!(lines == LINES, "{lines} of {LINES} lines arrived: {frame}");
            return Ok(());
        }
    }
}
