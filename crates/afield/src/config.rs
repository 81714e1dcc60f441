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
    pub requests_per_second: u32,
    pub http_requests_per_second: u32,
    pub auth_failures: u32,
    pub outbound_bytes: usize,
    pub slow_consumer_timeout_seconds: u32,
    pub ping_interval_seconds: u32,
    pub idle_timeout_seconds: u32,
    pub first_byte_timeout_seconds: u32,
    pub handshake_timeout_seconds: u32,
    pub header_timeout_seconds: u32,
    pub shutdown_timeout_seconds: u32,
    pub segment_messages: u64,
    pub segment_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 1024 * 1024,
            runner_message_bytes: 16 * 1024 * 1024,
            connections: 10_000,
            connections_per_address: 100,
            projects_per_org: 100,
            requests_per_second: 5_000,
            http_requests_per_second: 500,
            auth_failures: 30,
            outbound_bytes: 1024 * 1024,
            slow_consumer_timeout_seconds: 5,
            ping_interval_seconds: 30,
            idle_timeout_seconds: 300,
            first_byte_timeout_seconds: 5,
            handshake_timeout_seconds: 5,
            header_timeout_seconds: 10,
            shutdown_timeout_seconds: 5,
            segment_messages: 10_000,
            segment_bytes: 100 * 1024 * 1024,
        }
    }
}

/// A number of seconds in the configuration.
pub(crate) fn seconds(number: u32) -> Duration {
    Duration::from_secs(u64::from(number))
}

#[cfg(test)]
mod tests;
