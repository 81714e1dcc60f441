//! What a page waits for: 1,000 messages of history, and a list of 100 projects.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::Options;
use crate::floors::answer::Answerer;
use crate::product::Server;
use crate::product::link::Link;
use crate::product::runner::{Runner, make_projects};
use crate::report::{Table, median};

const MESSAGES: usize = 1000;
const PROJECTS: usize = 100;
/// Messages of one report of the runner.
const REPORT_MESSAGES: usize = 100;

/// Runs the benchmark.
pub(crate) async fn run(options: Options) -> Result<()> {
    let server = Server::start(Path::new(crate::DISK))?;
    let mut link = Link::connect(&server.url, &server.token).await?;
    let mut runner = Runner::new(&server, &mut link).await?;
    let projects = make_projects(&server, &mut runner, PROJECTS).await?;
    fill(&mut link, &mut runner, &projects[0]).await?;
    let page = (
        "get_messages",
        json!({ "project_id": projects[0], "limit": MESSAGES }),
        "messages",
        MESSAGES,
    );
    let list = ("project_list", json!({}), "projects", PROJECTS);
    for (name, data, key, count) in [page, list] {
        let reply = link.ask(name, &data).await?;
        let found = reply[key].as_array().map_or(0, Vec::len);
        ensure!(found == count, "{name} answers {found} of {count}");
        let mut floor = Answerer::start(reply.to_string().len())?;
        let mut table = Table::default();
        for _ in 0..options.rounds {
            table.add("floor: as many bytes, bare socket", floor.milliseconds(options.duration)?);
            table.add(
                "Afield, over the WebSocket",
                ask(&mut link, name, &data, options.duration).await?,
            );
        }
        table.print(&format!("{name}, {count} {key}"), "milliseconds until all is read");
    }
    Ok(())
}

async fn ask(link: &mut Link, name: &str, data: &Value, time: Duration) -> Result<f64> {
    let (began, mut took) = (Instant::now(), Vec::new());
    while took.is_empty() || began.elapsed() < time {
        let asked = Instant::now();
        link.ask_raw(name, data).await?;
        took.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(&took))
}

async fn fill(link: &mut Link, runner: &mut Runner, project: &str) -> Result<()> {
    link.ask("execute", &json!({ "project_id": project, "prompt": "fill the log" })).await?;
    let order = runner.order().await?;
    runner.begin(&order).await?;
    // The prompt is a message, too.
    for first in (1..MESSAGES).step_by(REPORT_MESSAGES) {
        let count = REPORT_MESSAGES.min(MESSAGES - first);
        let records: Vec<Value> = (0..count).map(|number| message(first + number)).collect();
        runner.report(&order, first as u64 + 1, &Value::Array(records)).await?;
    }
    Ok(())
}

fn message(number: usize) -> Value {
    let text = format!("message {number} {}", "x".repeat(300));
    json!({ "message": {
        "timestamp": "2026-01-01T00:00:00Z",
        "direction": "claude",
        "kind": "text",
        "text": text,
        "message": { "type": "assistant", "text": text },
    } })
}
