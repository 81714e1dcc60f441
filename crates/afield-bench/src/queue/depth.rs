//! What many waiting commands cost: disk and memory for each, and the time until a server that was
//! killed accepts again.

use std::path::Path;
use std::time::Instant;

use afield_proto::Timestamp;
use anyhow::{Result, ensure};
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

use crate::DISK;
use crate::in_store::InStore;
use crate::process::resident_bytes;
use crate::product::Server;
use crate::product::link::Link;
use crate::product::runner::{Runner, make_projects};

const WAITING: usize = 1_000_000;
const BEFORE_RESTART: usize = 100_000;
const RUNNERS: usize = 16;
const PROJECTS_PER_RUNNER: usize = 64;
/// Submissions at the same time.
const SIDE_BY_SIDE: usize = 1024;
/// Commands looked at to see that their order is kept.
const LOOKED_AT: usize = 100;

/// A million commands wait: bytes for each.
pub(crate) async fn waiting(prompt: &str) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("afbench").tempdir_in(DISK)?;
    let mut base = InStore::open(folder.path()).await?;
    let machines = base.add(RUNNERS, PROJECTS_PER_RUNNER).await?;
    let projects: Vec<_> = machines.into_iter().flat_map(|machine| machine.projects).collect();
    println!("\nqueue, {WAITING} waiting commands with prompts of {} bytes", prompt.len());
    // What the cache takes once is not what each command costs.
    let mut before = None;
    for tenth in 1..=10 {
        submit(&base, &projects, prompt, WAITING / 10).await?;
        let memory = resident_bytes(std::process::id())?;
        let first = *before.get_or_insert(memory);
        let growth = (memory as f64 - first as f64) / (1024.0 * 1024.0);
        let count = WAITING / 10 * tenth;
        let disk = bytes_in(folder.path())? as f64 / count as f64;
        println!(
            "  {count:>9}: {disk:.0} bytes of disk each; memory {growth:+.1} MB since the first"
        );
    }
    Ok(())
}

async fn submit(
    base: &InStore,
    projects: &[afield_proto::ProjectId],
    prompt: &str,
    count: usize,
) -> Result<()> {
    let submitted = stream::iter(projects.iter().cycle().take(count))
        .map(|project| base.store.submit_command(base.submit(*project, prompt), Timestamp::now()))
        .buffer_unordered(SIDE_BY_SIDE);
    submitted
        .map(|submitted| submitted.map(drop))
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect::<Result<(), _>>()?;
    Ok(())
}

fn bytes_in(folder: &Path) -> Result<u64> {
    let files = std::fs::read_dir(folder)?;
    files.map(|file| Ok(file?.metadata()?.len())).sum()
}

/// A server with a hundred thousand waiting commands is killed and started again.
pub(crate) async fn restart(prompt: &str) -> Result<()> {
    let mut server = Server::start(Path::new(DISK))?;
    let mut admin = Link::connect(&server.url, &server.token).await?;
    let mut runner = Runner::new(&server, &mut admin).await?;
    let projects = make_projects(&server, &mut runner, PROJECTS_PER_RUNNER).await?;
    drop(runner);
    fill(&server, &projects, prompt).await?;
    let began = Instant::now();
    server.restart()?;
    let ready = began.elapsed();
    let mut link = Link::connect(&server.url, &server.token).await?;
    link.ask("command_submit", &command(&projects[0], prompt)).await?;
    println!(
        "\nqueue, restart with {BEFORE_RESTART} waiting: ready after {:.0} ms, the next command accepted after {:.0} ms",
        ready.as_secs_f64() * 1000.0,
        began.elapsed().as_secs_f64() * 1000.0
    );
    is_in_order(&mut link, &projects[1]).await
}

fn command(project: &str, prompt: &str) -> Value {
    json!({ "target": { "project_id": project }, "payload": { "prompt": prompt } })
}

/// Submits to all projects, each from a connection that keeps its order, many unanswered.
async fn fill(server: &Server, projects: &[String], prompt: &str) -> Result<()> {
    let each = BEFORE_RESTART / projects.len();
    let fill = |project: String| async move {
        let mut link = Link::connect(&server.url, &server.token).await?;
        for number in 0..each {
            let frame = json!({
                "type": "command_submit",
                "id": number,
                "data": command(&project, &format!("{number} {prompt}")),
            });
            link.feed(frame.to_string()).await?;
            if number % 64 == 0 {
                link.flush().await?;
            }
        }
        link.ask("health_check", &json!({})).await?;
        anyhow::Ok(())
    };
    let filled = stream::iter(projects.to_vec()).map(fill).buffer_unordered(16);
    filled.collect::<Vec<_>>().await.into_iter().collect()
}

async fn is_in_order(link: &mut Link, project: &str) -> Result<()> {
    let ask = json!({ "project_id": project, "waiting": true, "limit": LOOKED_AT });
    let list = link.ask("command_list", &ask).await?;
    let summaries = list["commands"].as_array().into_iter().flatten();
    let numbers = summaries.map(|command| {
        let words = command["summary"].as_str().and_then(|text| text.split(' ').next());
        words.and_then(|number| number.parse::<usize>().ok())
    });
    let numbers: Vec<_> = numbers.collect();
    let expected: Vec<_> = (0..LOOKED_AT).map(Some).collect();
    ensure!(numbers == expected, "the order is not kept: {numbers:?}");
    println!("  the first {LOOKED_AT} of a project are in their order");
    Ok(())
}
