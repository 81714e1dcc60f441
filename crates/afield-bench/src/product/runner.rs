//! A runner that runs nothing: it says yes to every path and lets commands stand, so that what is
//! measured is the server.

use std::collections::VecDeque;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::Server;
use super::link::Link;

/// Connections that make projects side by side; one connection makes them one after the other.
const MAKERS: usize = 16;

/// The connection of such a runner.
pub(crate) struct Runner {
    pub(crate) link: Link,
    id: Value,
    orders: VecDeque<Value>,
}

impl Runner {
    /// Makes a new device of the runner's kind, with `admin`'s credential, and connects it.
    pub(crate) async fn new(server: &Server, admin: &mut Link) -> Result<Self> {
        Self::with_slots(server, admin, 1).await
    }

    /// The same, for so many commands at once.
    pub(crate) async fn with_slots(
        server: &Server,
        admin: &mut Link,
        slots: usize,
    ) -> Result<Self> {
        let device = json!({ "name": "bench", "kind": "runner", "scopes": ["runner"] });
        let made = admin.ask("device_create", &device).await?;
        let token = made["token"].as_str().context("a new device has a token")?;
        let mut link = Link::connect(&server.url, token).await?;
        let agents = json!([{ "agent": "claude", "available": true }]);
        let facts = json!({ "agents": agents, "concurrency": slots });
        let hello = json!({ "protocol": [1, 1], "facts": facts, "attempts": [] });
        let id = link.ask("runner_hello", &hello).await?["runner_id"].take();
        Ok(Self { link, id, orders: VecDeque::new() })
    }

    /// Serves orders while `work` is done.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            done = work => done,
            failed = self.serve() => Err(failed),
        }
    }

    async fn serve(&mut self) -> anyhow::Error {
        loop {
            let frame = match self.link.next().await {
                Ok(frame) => frame,
                Err(error) => return error,
            };
            if let Err(error) = self.take(&frame).await {
                return error;
            }
        }
    }

    async fn take(&mut self, frame: &str) -> Result<()> {
        let mut frame: Value = serde_json::from_str(frame)?;
        match frame["type"].as_str() {
            Some("runner_resolve_path") => {
                let path = &frame["data"]["path"];
                let data = json!({ "path": path, "key": path });
                let reply =
                    json!({ "type": "runner_resolve_path", "id": frame["id"], "data": data });
                self.link.send(reply.to_string()).await
            }
            Some("runner_execute") => {
                self.orders.push_back(frame["data"].take());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Waits for an order to work on something: the attempt and its project.
    pub(crate) async fn order(&mut self) -> Result<Value> {
        loop {
            if let Some(order) = self.orders.pop_front() {
                return Ok(order);
            }
            let frame = self.link.next().await?;
            self.take(&frame).await?;
        }
    }

    /// Reports that the work of an order has begun.
    pub(crate) async fn begin(&mut self, order: &Value) -> Result<()> {
        let started = json!([{ "started": { "at": "2026-01-01T00:00:00Z" } }]);
        self.report(order, 1, &started).await
    }

    /// Reports records and waits until the server has them.
    pub(crate) async fn report(
        &mut self,
        order: &Value,
        first: u64,
        records: &Value,
    ) -> Result<()> {
        let data =
            json!({ "attempt": order["attempt"], "first_record": first, "records": records });
        self.link.ask("runner_records", &data).await.map(|_| ())
    }
}

/// Makes projects, in parallel.
pub(crate) async fn make_projects(
    server: &Server,
    runner: &mut Runner,
    count: usize,
) -> Result<Vec<String>> {
    let id = runner.id.clone();
    let makers = (0..MAKERS.min(count)).map(|maker| {
        let id = &id;
        async move {
            let mut link = Link::connect(&server.url, &server.token).await?;
            let mut made = Vec::new();
            for number in (maker..count).step_by(MAKERS) {
                let new = json!({ "path": format!("/bench/{number}"), "runner_id": id });
                let project = link.ask("project_create", &new).await?;
                made.push(project["id"].as_str().unwrap_or_default().to_owned());
            }
            anyhow::Ok(made)
        }
    });
    let made = runner.during(try_join_all(makers)).await?;
    Ok(made.into_iter().flatten().collect())
}
