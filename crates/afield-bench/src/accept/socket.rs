//! Accepts over the WebSocket of the real server: `execute` to projects whose runner is away, so
//! that a command is accepted and waits.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::FutureExt as _;
use futures::future::try_join_all;
use serde_json::json;

use crate::product::Server;
use crate::product::link::Link;
use crate::product::runner::{Runner, make_projects};

/// A project takes one command at a time: so many accepts fit into a lap.
const PROJECTS: usize = 4096;
/// Accepts in flight are spread over this many connections.
const CONNECTIONS_MAX: usize = 16;

/// A server with projects and connections to it.
pub(crate) struct Socket {
    lanes: Vec<Lane>,
    _server: Server,
}

struct Lane {
    link: Link,
    projects: Vec<String>,
}

impl Socket {
    /// Starts the server on the disk of `folder` and makes the projects.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let server = Server::start(folder)?;
        let mut admin = Link::connect(&server.url, &server.token).await?;
        let mut runner = Runner::new(&server, &mut admin).await?;
        let projects = make_projects(&server, &mut runner, PROJECTS).await?;
        drop(runner);
        let mut lanes = Vec::new();
        for share in projects.chunks(PROJECTS / CONNECTIONS_MAX) {
            let link = Link::connect(&server.url, &server.token).await?;
            lanes.push(Lane { link, projects: share.to_vec() });
        }
        Ok(Self { lanes, _server: server })
    }

    /// Accepts per second with `in_flight` of them unanswered. Measures lap after lap until `time`
    /// has been spent; between laps the projects are freed again, which does not count.
    pub(crate) async fn accepts_per_second(
        &mut self,
        in_flight: usize,
        prompt: &str,
        time: Duration,
    ) -> Result<f64> {
        let lanes = in_flight.min(CONNECTIONS_MAX);
        let (mut accepted, mut took) = (0, Duration::ZERO);
        while took < time {
            let began = Instant::now();
            let until = began + (time - took);
            let work = self.lanes.iter_mut().take(lanes);
            let work = work.map(|lane| lane.accept(in_flight / lanes, prompt, until));
            let counts = try_join_all(work).await?;
            took += began.elapsed();
            accepted += counts.iter().sum::<usize>();
            let tidy = self.lanes.iter_mut().zip(counts);
            try_join_all(tidy.map(|(lane, count)| lane.cancel(count))).await?;
        }
        Ok(accepted as f64 / took.as_secs_f64())
    }
}

impl Lane {
    async fn accept(&mut self, in_flight: usize, prompt: &str, until: Instant) -> Result<usize> {
        let (mut sent, mut accepted) = (0, 0);
        loop {
            let more = Instant::now() < until;
            while more && sent - accepted < in_flight && sent < self.projects.len() {
                let project = &self.projects[sent];
                let data = json!({ "project_id": project, "prompt": prompt });
                let frame = json!({ "type": "execute", "id": sent, "data": data });
                self.link.feed(frame.to_string()).await?;
                sent += 1;
            }
            self.link.flush().await?;
            if accepted == sent {
                return Ok(accepted);
            }
            accepted += usize::from(is_reply(&self.link.next().await?)?);
            // What else has arrived is taken before more is sent, as one write then carries more.
            while let Some(frame) = self.link.next().now_or_never() {
                accepted += usize::from(is_reply(&frame?)?);
            }
        }
    }

    /// Frees the projects again.
    async fn cancel(&mut self, count: usize) -> Result<()> {
        for project in &self.projects[..count] {
            let state = self.link.ask("project_get", &json!({ "project_id": project })).await?;
            let waiting = json!({ "command_id": state["command_id"] });
            self.link.ask("command_cancel", &waiting).await?;
        }
        Ok(())
    }
}

/// Facts come as well; only replies count.
fn is_reply(frame: &str) -> Result<bool> {
    if frame.starts_with(r#"{"type":"error""#) {
        bail!("an accept is refused: {frame}");
    }
    Ok(frame.starts_with(r#"{"type":"execute""#))
}
