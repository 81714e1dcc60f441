//! The configuration: one tree, from built-in defaults, a file, the environment and flags.
//!
//! Read by the commands that run something (`up`, `server`, `runner`). Nothing below the binary
//! knows it: `serve` turns it into the options of the server.

mod layers;
mod nearest;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use layers::{Flag, Loaded, Sources, load};

/// The commented file with all defaults.
pub(crate) const DEFAULT_FILE: &str = include_str!("default.toml");
/// The name of the file in the data directory.
pub(crate) const FILE_NAME: &str = "afield.toml";

/// Everything that can be configured. Each value is explained in `default.toml`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the server is reached.
    pub server: Server,
    /// How connections are encrypted.
    pub tls: Tls,
    /// Where the data lies.
    pub store: Store,
    /// How servers are found on the local network.
    pub discovery: Discovery,
    /// How devices are notified.
    pub push: Push,
    /// What is logged, and how.
    pub log: Log,
    /// What is too much.
    pub limits: Limits,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// The address to listen on.
    pub listen: String,
    /// Whether a proxy in front encrypts.
    pub behind_proxy: bool,
    /// Names people use for this server.
    pub allowed_hosts: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: "127.0.0.1:7433".into(), behind_proxy: false, allowed_hosts: Vec::new() }
    }
}

/// `tls.mode`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TlsMode {
    /// Not encrypted.
    #[default]
    Off,
    /// With a certificate made at first use.
    SelfSigned,
    /// With the operator's own.
    Files,
}

/// `[tls]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// How.
    pub mode: TlsMode,
    /// File of the certificate chain.
    pub certificate: String,
    /// File of the private key.
    pub key: String,
}

/// `[store]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    /// The database; empty for SQLite in the data directory.
    pub url: String,
    /// File of the authorities that may sign its certificate; empty for the machine's own.
    pub authorities: String,
}

/// `[discovery]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Discovery {
    /// Whether the server tells the local network that it is there.
    pub announce: bool,
    /// The name it tells.
    pub name: String,
    /// The network interfaces used; empty for all but loopback.
    pub interfaces: Vec<String>,
    /// The UDP port of multicast DNS.
    pub port: u16,
}

impl Default for Discovery {
    fn default() -> Self {
        Self { announce: false, name: "afield".into(), interfaces: Vec::new(), port: 5353 }
    }
}

/// `[push]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push {
    /// Whom push services may write to; empty for a name that stands for nobody.
    pub contact: String,
    /// Push services may lie in a network of one's own.
    pub private_addresses: bool,
}

/// `log.format`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// The level, or a filter.
    pub level: String,
    /// The form.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

/// `[limits]`. Each is explained in `default.toml`, with its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub message_bytes: usize,
    pub runner_message_bytes: usize,
    pub connections: usize,
    pub connections_per_address: usize,
    pub projects_per_org: u64,
    pub queued_per_project: u64,
    pub queued_per_device: u64,
    pub queued_per_org: u64,
    pub queued_bytes: u64,
    pub submissions_per_minute: u32,
    pub finished_kept_hours: u32,
    pub attachments_bytes_per_org: u64,
    pub attachments_kept_hours: u32,
    pub state_keys: u64,
    pub state_bytes: u64,
    pub held_messages: u64,
    pub handoff_grace_seconds: u32,
    pub failover_grace_seconds: u32,
    pub breaker_failures: u32,
    pub breaker_open_seconds: u32,
    pub requests_per_second: u32,
    pub http_requests_per_second: u32,
    pub auth_failures: u32,
    pub pairing_tries_per_minute: u32,
    pub pairing_tries_per_minute_in_all: u32,
    pub pairings_open: u64,
    pub outbound_bytes: usize,
    pub slow_consumer_timeout_seconds: u32,
    pub ping_interval_seconds: u32,
    pub idle_timeout_seconds: u32,
    pub first_byte_timeout_seconds: u32,
    pub handshake_timeout_seconds: u32,
    pub header_timeout_seconds: u32,
    pub body_timeout_seconds: u32,
    pub shutdown_timeout_seconds: u32,
    pub segment_messages: u64,
    pub segment_bytes: u64,
}

impl Default for Limits {
    /// The server's own.
    fn default() -> Self {
        let limits = afield_server::Limits::default();
        let seconds = |time: std::time::Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        Self {
            message_bytes: limits.message_bytes,
            runner_message_bytes: limits.runner_message_bytes,
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            projects_per_org: limits.projects_per_org,
            queued_per_project: limits.queued_per_project,
            queued_per_device: limits.queued_per_device,
            queued_per_org: limits.queued_per_org,
            queued_bytes: limits.queued_bytes,
            submissions_per_minute: limits.submissions_per_minute,
            finished_kept_hours: seconds(limits.finished_kept) / 3600,
            attachments_bytes_per_org: limits.attachments_bytes_per_org,
            attachments_kept_hours: seconds(limits.attachments_kept) / 3600,
            state_keys: limits.state_keys,
            state_bytes: limits.state_bytes,
            held_messages: limits.held_messages,
            handoff_grace_seconds: seconds(limits.handoff_grace),
            failover_grace_seconds: seconds(limits.failover_grace),
            breaker_failures: limits.breaker_failures,
            breaker_open_seconds: seconds(limits.breaker_open),
            requests_per_second: limits.requests_per_second,
            http_requests_per_second: limits.http_requests_per_second,
            auth_failures: limits.auth_failures,
            pairing_tries_per_minute: limits.pairing_tries_per_minute,
            pairing_tries_per_minute_in_all: limits.pairing_tries_per_minute_in_all,
            pairings_open: limits.pairings_open,
            outbound_bytes: limits.outbound_bytes,
            slow_consumer_timeout_seconds: seconds(limits.slow_consumer_timeout),
            ping_interval_seconds: seconds(limits.ping_interval),
            idle_timeout_seconds: seconds(limits.idle_timeout),
            first_byte_timeout_seconds: seconds(limits.first_byte_timeout),
            handshake_timeout_seconds: seconds(limits.handshake_timeout),
            header_timeout_seconds: seconds(limits.header_timeout),
            body_timeout_seconds: seconds(limits.body_timeout),
            shutdown_timeout_seconds: seconds(limits.shutdown_timeout),
            segment_messages: limits.segment_messages,
            segment_bytes: limits.segment_bytes,
        }
    }
}

/// A number of seconds in the configuration.
pub(crate) fn seconds(number: u32) -> Duration {
    Duration::from_secs(u64::from(number))
}

#[cfg(test)]
mod tests;
