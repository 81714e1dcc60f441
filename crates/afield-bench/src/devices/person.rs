//! A person with devices: makes them, looks at them, goes on with one, throws one out.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::ms;
use crate::product::Server;
use crate::product::link::Link;

/// The console, with every scope.
pub(super) struct Person {
    pub(super) url: String,
    pub(super) console: Link,
    /// Of the console.
    token: String,
    made: u64,
}

/// A device and its credential.
pub(super) struct Device {
    pub(super) id: String,
    pub(super) token: String,
}

impl Person {
    /// Connects the console.
    pub(super) async fn new(server: &Server) -> Result<Self> {
        let console = Link::connect(&server.url, &server.token).await?;
        let (url, token) = (server.url.clone(), server.token.clone());
        Ok(Self { url, console, token, made: 0 })
    }

    /// Makes a device that may look and prompt.
    pub(super) async fn device(&mut self) -> Result<Device> {
        self.made += 1;
        let ask = json!({ "name": format!("device {}", self.made), "scopes": ["view", "prompt"] });
        let made = self.console.ask("device_create", &ask).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
        Ok(Device { id: text(&made["device"]["id"])?, token: text(&made["token"])? })
    }

    /// Milliseconds from nothing until a device knows who is paired and who is there.
    pub(super) async fn lists(&mut self, url: &str, least: usize) -> Result<f64> {
        let began = Instant::now();
        let mut link = Link::connect(url, &self.token).await?;
        let present = link.ask("device_presence", &json!({})).await?;
        let took = ms(began.elapsed());
        let devices = present["devices"].as_array().context("a list of devices")?;
        ensure!(devices.len() >= least, "{} devices are listed", devices.len());
        Ok(took)
    }

    /// Milliseconds from a screen's wish until it holds the focus and the one before says so.
    pub(super) async fn hands_over(&mut self, url: &str) -> Result<f64> {
        let before = self.device().await?;
        let mut before = Screen::connect(url, &before.token).await?;
        let version = before.take(0).await?;
        let after = self.device().await?;
        let mut after = Screen::connect(url, &after.token).await?;
        let began = Instant::now();
        let told = async {
            before.told(version).await?;
            anyhow::Ok(())
        };
        tokio::try_join!(after.take(version), told)?;
        Ok(ms(began.elapsed()))
    }

    /// Milliseconds from the order until the socket of the one thrown out is cut.
    pub(super) async fn throws_out(&mut self, url: &str) -> Result<f64> {
        let victim = self.device().await?;
        let mut link = Link::connect(url, &victim.token).await?;
        link.ask("project_list", &json!({})).await?;
        let ask = json!({ "device_id": victim.id });
        let began = Instant::now();
        let cut = async { while link.next().await.is_ok() {} };
        let (revoked, ()) = tokio::join!(self.console.ask("device_revoke", &ask), cut);
        revoked?;
        Ok(ms(began.elapsed()))
    }
}

/// A screen that can hold the focus.
struct Screen {
    link: Link,
    id: String,
}

impl Screen {
    /// Connects and follows what the person shares.
    async fn connect(url: &str, token: &str) -> Result<Self> {
        let mut link = Link::connect(url, token).await?;
        let shared = link.ask("state_get", &json!({ "key": "pref:none" })).await?;
        link.ask("subscribe", &json!({ "topic": shared["topic"] })).await?;
        Ok(Self { link, id: afield_proto::ReplicaId::generate().to_string() })
    }

    /// Takes the focus, whoever has it since `version`; the version of that.
    async fn take(&mut self, version: u64) -> Result<u64> {
        let known = match version {
            0 => version_of(&self.link.ask("handoff_get", &json!({})).await?)?,
            known => known,
        };
        let ask = json!({ "from_version": known, "screen": self.id });
        version_of(&self.link.ask("handoff_take", &ask).await?)
    }

    /// Waits until it is told of a version after this one.
    async fn told(&mut self, version: u64) -> Result<()> {
        loop {
            let frame: Value = serde_json::from_str(&self.link.next().await?)?;
            let fact = if frame["type"] == "event" { &frame["data"] } else { &frame };
            if fact["type"] == "handoff_state" && version_of(&fact["data"])? > version {
                return Ok(());
            }
        }
    }
}

fn version_of(handoff: &Value) -> Result<u64> {
    handoff["version"].as_u64().context("a version")
}
