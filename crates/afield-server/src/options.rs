//! What the server is told when it starts. Read from the configuration by the binary.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use afield_proto::limits;
use afield_store::Location;

/// Everything a server needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where certificates and the local credential are kept. Made (0700) when missing.
    pub data_dir: PathBuf,
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The database.
    pub store: Location,
    /// Whether and how connections are encrypted.
    pub tls: Tls,
    /// A proxy in front encrypts: allows a non-loopback address without TLS, and takes the
    /// client's address from the last `X-Forwarded-For` entry.
    pub behind_proxy: bool,
    /// Host names (with port, when it is not the listening one) people use to reach the server,
    /// beside the loopback names and the listening address.
    pub allowed_hosts: Vec<String>,
    /// How devices are notified.
    pub push: PushOptions,
    /// All limits.
    pub limits: Limits,
    /// The version to tell.
    pub version: String,
}

/// How connections are encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: loopback only, or behind a proxy.
    Off,
    /// With a certificate made at first use and kept in the data directory.
    SelfSigned,
    /// With the operator's own, as PEM files.
    Files {
        /// The certificate chain.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

/// How devices are notified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOptions {
    /// Whom push services may write to about this server: `mailto:` or `https:`.
    pub contact: String,
    /// Push services may lie in a network of one's own, and be reached unencrypted.
    pub private_addresses: bool,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self { contact: "mailto:owner@afield.example".to_owned(), private_addresses: false }
    }
}

/// Every limit of the server, each with its unit. A rejection names the field.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest frame or body of a client, in bytes.
    pub message_bytes: usize,
    /// Largest frame of a runner, in bytes.
    pub runner_message_bytes: usize,
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one address.
    pub connections_per_address: usize,
    /// Projects of one org.
    pub projects_per_org: u64,
    /// Commands of one project that are not over.
    pub queued_per_project: u64,
    /// Commands one device submitted that are not over.
    pub queued_per_device: u64,
    /// Commands of one org that are not over.
    pub queued_per_org: u64,
    /// Bytes such commands carry: of a project, a device, an org.
    pub queued_bytes: u64,
    /// Commands one device submits in a minute.
    pub submissions_per_minute: u32,
    /// How long a command that is over stays in the lists; at least a day, because its key does.
    pub finished_kept: Duration,
    /// Bytes of attachments one org keeps.
    pub attachments_bytes_per_org: u64,
    /// How long an attachment is kept that no command needs.
    pub attachments_kept: Duration,
    /// Registers of one person's shared state; deleted ones count for 90 days.
    pub state_keys: u64,
    /// Bytes they hold together.
    pub state_bytes: u64,
    /// Messages that wait for one device.
    pub held_messages: u64,
    /// How long a screen holds the focus after its connection was lost.
    pub handoff_grace: Duration,
    /// Commands that were not begun and were sent to whichever runner fits move on when their runner
    /// was away for so long.
    pub failover_grace: Duration,
    /// So many failures of its own in a row leave a runner out of such choices.
    pub breaker_failures: u32,
    /// For so long at first; up to sixteen times as long while it goes on failing.
    pub breaker_open: Duration,
    /// Requests per second on one WebSocket connection.
    pub requests_per_second: u32,
    /// HTTP requests per second from one address.
    pub http_requests_per_second: u32,
    /// Failed sign-ins from one address in ten minutes.
    pub auth_failures: u32,
    /// Wrong codes to pair with from one address in a minute.
    pub pairing_tries_per_minute: u32,
    /// The same from everywhere together: with ten codes in use, guessing for their ten minutes
    /// succeeds less than once in a million times.
    pub pairing_tries_per_minute_in_all: u32,
    /// Pairings and links of one org that wait.
    pub pairings_open: u64,
    /// Durable events that may wait on one connection, in bytes.
    pub outbound_bytes: usize,
    /// A connection that takes nothing for so long, while it is behind, is closed (4408).
    pub slow_consumer_timeout: Duration,
    /// How often a connection is pinged.
    pub ping_interval: Duration,
    /// A connection that gives no sign of life for so long is closed.
    pub idle_timeout: Duration,
    /// From the TCP connection to the first byte.
    pub first_byte_timeout: Duration,
    /// For the TLS handshake.
    pub handshake_timeout: Duration,
    /// For the headers of a request.
    pub header_timeout: Duration,
    /// For the body of a request; for each part of a file, which may take longer in all.
    pub body_timeout: Duration,
    /// How long a stopping server waits for its connections.
    pub shutdown_timeout: Duration,
    /// Events after which a topic's log is rotated.
    pub segment_messages: u64,
    /// Bytes after which a topic's log is rotated.
    pub segment_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: limits::MESSAGE_BYTES_MAX,
            runner_message_bytes: limits::RUNNER_MESSAGE_BYTES_MAX,
            connections: 10_000,
            connections_per_address: 100,
            projects_per_org: 100,
            queued_per_project: 10_000,
            queued_per_device: 10_000,
            queued_per_org: 100_000,
            queued_bytes: 256 * 1024 * 1024,
            submissions_per_minute: 6_000,
            finished_kept: Duration::from_hours(7 * 24),
            attachments_bytes_per_org: 1024 * 1024 * 1024,
            attachments_kept: Duration::from_hours(24),
            state_keys: 10_000,
            state_bytes: 8 * 1024 * 1024,
            held_messages: 256,
            handoff_grace: Duration::from_secs(15),
            failover_grace: Duration::from_secs(30),
            breaker_failures: 3,
            breaker_open: Duration::from_secs(60),
            requests_per_second: 5_000,
            http_requests_per_second: 500,
            auth_failures: 30,
            pairing_tries_per_minute: 20,
            pairing_tries_per_minute_in_all: 200,
            pairings_open: 10,
            outbound_bytes: 1024 * 1024,
            slow_consumer_timeout: Duration::from_secs(5),
            ping_interval: limits::PING_INTERVAL,
            idle_timeout: limits::IDLE_TIMEOUT,
            first_byte_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(5),
            segment_messages: 10_000,
            segment_bytes: 100 * 1024 * 1024,
        }
    }
}
