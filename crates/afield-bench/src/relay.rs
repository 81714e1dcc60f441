//! Relaying: messages of 256 bytes from 64 senders to one follower each, and from one sender to
//! 1,000 followers. Sent one by one: what can be sent together with something else is cheaper than
//! what people wait for.
//!
//! Two figures of the same rounds: deliveries per second, and the relaying process's CPU time for
//! each. Clients and relay share the machine, so the second says more about the relay.

mod course;

use std::path::Path;

use anyhow::Result;

use crate::Options;
use crate::floors::relay::{MESSAGE_BYTES, Relay};
use crate::peers::{installed, nats};
use crate::product::Server;
use crate::report::{Table, left_out};
use course::Course;

/// Who gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// So many senders, each with a follower of its own.
    Pairs(usize),
    /// One sender, and so many followers.
    All(usize),
}

const SHAPES: [Shape; 2] = [Shape::Pairs(64), Shape::All(1000)];

/// Runs the benchmark.
pub(crate) async fn run(options: Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let frame = r#"{"type":"note","text":""}"#.len();
    let message = format!(r#"{{"type":"note","text":"{}"}}"#, "x".repeat(MESSAGE_BYTES - frame));
    let nats = start_nats(options, folder.path()).await?;
    for shape in SHAPES {
        let floor = Relay::start()?;
        let mut courses = vec![Course::bare(&floor, shape, &message).await?];
        let server = Server::start(Path::new(crate::DISK))?;
        courses.push(Course::afield(&server, shape, &message).await?);
        if let Some(nats) = &nats {
            courses.push(Course::nats(nats, shape, &message).await?);
        }
        let (mut rates, mut costs) = (Table::default(), Table::default());
        for _ in 0..options.rounds {
            for course in &mut courses {
                let round = course.run(options.duration).await?;
                rates.add(course.name, round.per_second);
                costs.add(course.name, round.cpu_us);
            }
        }
        let title = match shape {
            Shape::Pairs(pairs) => format!("relay, {pairs} pairs"),
            Shape::All(followers) => format!("relay to all of {followers}"),
        };
        rates.print(&title, "deliveries per second");
        costs.print(&title, "CPU microseconds of the relay per delivery");
    }
    Ok(())
}

async fn start_nats(options: Options, folder: &Path) -> Result<Option<nats::Nats>> {
    if !options.peers {
        return Ok(None);
    }
    if !installed(nats::PROGRAM) {
        left_out("NATS", "nats-server is not installed");
        return Ok(None);
    }
    nats::Nats::start(folder).await.map(Some)
}
