//! Start and stop: opens the store, listens, keeps the timers, ends in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use afield_proto::device::{DeviceKind, Scopes};
use afield_proto::pairing::link;
use afield_proto::{DeviceId, ErrorCode, Timestamp};
use afield_store::{CommittedEvents, NewDevice, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::key::ServerKey;
use crate::auth::origin::Allowed;
use crate::auth::token::{self, Secret};
use crate::core::Core;
use crate::error::Error;
use crate::options::{Options, Tls};
use crate::pairing::{self, Maker};
use crate::push::{self, Push};
use crate::socket::codec;
use crate::socket::conn::Conn;
use crate::{
    files, handoff, health, http, listen, metrics, presence, queue, rotation, routing, tls,
};

/// Batches of committed events that may wait to be published. A full queue holds the writer back.
const COMMITTED_BATCHES_MAX: usize = 1024;
/// How often `server_stats` are told.
const STATS_INTERVAL: Duration = Duration::from_secs(10);
/// How often connections are looked at: pings, idle and slow ones.
const TICK: Duration = Duration::from_secs(1);
/// How often logs are rotated and counters swept.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);
/// A connection that is closing and takes nothing for so long is cut.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(30);
/// Spread of the hint after which clients of a stopping server come back, in milliseconds.
const RETRY_SPREAD_MS: u64 = 2_000;

/// A running server.
pub struct Running {
    /// Where it listens.
    pub local_addr: SocketAddr,
    /// Its address for clients on this machine, such as `http://127.0.0.1:7433`.
    pub url: String,
    /// SHA-256 of the certificate, with TLS.
    pub fingerprint: Option<String>,
    /// SHA-256 of the key devices are paired with, in hexadecimal. No secret.
    pub key_fingerprint: String,
    /// The one-time link for the owner's browser, on the first start.
    pub first_link: Option<String>,
    /// Credential of this machine's command line, all scopes. Kept in the data directory (0600).
    pub console_token: String,
    core: Arc<Core>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    /// HTTP connections; those that became WebSockets are counted by the core.
    connections: TaskTracker,
}

/// Starts a server; it serves when this returns.
///
/// **Errors**: an unsafe configuration, an address in use, a store that can't be opened.
pub async fn start(options: Options) -> Result<Running, Error> {
    check(&options)?;
    files::make_private_dir(&options.data_dir)?;
    metrics::install();
    let tls = tls::load(&options)?;
    let refused = |source| Error::Listen { address: options.listen, source };
    let listener = listen::bind(options.listen).map_err(refused)?;
    let local_addr = listener.local_addr().map_err(refused)?;
    let key = ServerKey::load(&options.data_dir)?;
    let (committed, events) = mpsc::channel(COMMITTED_BATCHES_MAX);
    let store = open_store(&options, committed).await?;
    let owner = store.bootstrap(Timestamp::now()).await?;
    let (push, noted) = Push::load(&options)?;
    let core = Arc::new(Core::new(options, store, owner, key, push));
    let console = console(&core).await?;
    handoff::begin(&core).await?;
    let shutdown = CancellationToken::new();
    let (tasks, connections) = (TaskTracker::new(), TaskTracker::new());
    let allowed = Allowed::new(local_addr, &core.options.allowed_hosts, tls.is_some());
    tasks.spawn(publish(Arc::clone(&core), events));
    tasks.spawn(timers(Arc::clone(&core), shutdown.clone()));
    tasks.spawn(push::follow::run(Arc::clone(&core), noted, shutdown.clone()));
    tasks.spawn(queue_clock(Arc::clone(&core), shutdown.clone()));
    tasks.spawn(placing(Arc::clone(&core), shutdown.clone()));
    let accept = listen::Listen {
        core: Arc::clone(&core),
        router: http::router(Arc::clone(&core), allowed),
        tls: tls.as_ref().map(|tls| tls.acceptor.clone()),
        shutdown: shutdown.clone(),
        tasks: connections.clone(),
    };
    tasks.spawn(accept.run(listener));
    let url = url(&core.options, local_addr);
    let fingerprint = tls.map(|tls| tls.fingerprint);
    let first_link = match console.is_first {
        true => Some(first_link(&core, console.device, &url, fingerprint.as_deref()).await?),
        false => None,
    };
    tracing::info!(%url, store = core.store.engine(), "serving");
    Ok(Running {
        local_addr,
        url,
        fingerprint,
        key_fingerprint: core.key.fingerprint(),
        first_link,
        console_token: console.token,
        core,
        shutdown,
        tasks,
        connections,
    })
}

/// **Errors**: a configuration that would put the server on a network unencrypted.
fn check(options: &Options) -> Result<(), Error> {
    let ip = options.listen.ip();
    if !ip.is_loopback() && options.tls == Tls::Off && !options.behind_proxy {
        return Err(Error::Configuration(format!(
            "{} is reachable from other machines, and TLS is off: use --tls self-signed, your own \
             certificate, or --behind-proxy if a proxy in front encrypts",
            options.listen
        )));
    }
    Ok(())
}

async fn open_store(
    options: &Options,
    committed: mpsc::Sender<Vec<CommittedEvents>>,
) -> Result<Store, Error> {
    let store = afield_store::Options {
        committed: Some(committed),
        ..afield_store::Options::new(options.store.clone())
    };
    Ok(Store::open(store).await?)
}

fn url(options: &Options, local: SocketAddr) -> String {
    let scheme = if options.tls == Tls::Off { "http" } else { "https" };
    let mut local = local;
    if local.ip().is_unspecified() {
        local.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    format!("{scheme}://{local}")
}

/// This machine's command line.
struct Console {
    device: DeviceId,
    /// Its credential.
    token: String,
    /// It was made now, and nobody was there before.
    is_first: bool,
}

/// Found again, or made on the first start.
async fn console(core: &Core) -> Result<Console, Error> {
    let path = core.options.data_dir.join("console.token");
    if let Ok(kept) = std::fs::read_to_string(&path)
        && let Some(hash) = token::hash(kept.trim())
        && let Some(record) = core.store.device_by_token(hash).await?
        && record.device.revoked_at.is_none()
    {
        let (device, token) = (record.device.id, kept.trim().to_owned());
        return Ok(Console { device, token, is_first: false });
    }
    let secret = Secret::generate();
    let device = NewDevice {
        org: core.owner.org_id,
        user: core.owner.user_id,
        name: "console".to_owned(),
        kind: DeviceKind::Console,
        scopes: Scopes::all(),
        token_hash: secret.hash(),
        expires_at: None,
        created_by: None::<DeviceId>,
    };
    let device = core.store.create_device(device, Timestamp::now()).await?.id;
    files::write_private(&path, secret.token().as_bytes())?;
    Ok(Console { device, token: secret.token(), is_first: core.owner.created })
}

/// In the console's name: who can read what it shows is trusted.
async fn first_link(
    core: &Core,
    console: DeviceId,
    url: &str,
    certificate: Option<&str>,
) -> Result<String, Error> {
    let maker = Maker { org: core.owner.org_id, user: core.owner.user_id, device: console };
    let made = pairing::new_link(core, maker, Scopes::all()).await;
    let made = made.map_err(|error| Error::Configuration(error.to_string()))?;
    Ok(link(url, &made.secret, &made.server_fingerprint, certificate))
}

/// Hands what the store committed to its followers.
async fn publish(core: Arc<Core>, mut events: mpsc::Receiver<Vec<CommittedEvents>>) {
    while let Some(batch) = events.recv().await {
        core.counters.events(batch.iter().map(CommittedEvents::count).sum());
        for events in &batch {
            core.topics.publish(events);
            core.push.note(events);
            core.rotation.note(events);
        }
    }
}

async fn timers(core: Arc<Core>, shutdown: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    let mut stats = tokio::time::interval(STATS_INTERVAL);
    let mut maintenance = tokio::time::interval(MAINTENANCE_INTERVAL);
    let (mut seconds, mut counted, mut knows_logs) = (0, health::Counted::default(), false);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                seconds += 1;
                for conn in core.all_conns() {
                    look_at(&core, &conn, seconds);
                }
                presence::look(&core);
            }
            _ = stats.tick() => {
                if let Err(error) = health::tell_stats(&core, &mut counted).await {
                    tracing::warn!(%error, "no stats");
                }
            }
            _ = maintenance.tick() => maintain(&core, &mut knows_logs).await,
            () = shutdown.cancelled() => return,
        }
    }
}

/// What happens in the queue by itself.
async fn queue_clock(core: Arc<Core>, shutdown: CancellationToken) {
    tokio::select! {
        () = queue::clock::run(&core) => {}
        () = shutdown.cancelled() => {}
    }
}

/// What finds its runner later, or another one.
async fn placing(core: Arc<Core>, shutdown: CancellationToken) {
    tokio::select! {
        () = routing::again::run(&core) => {}
        () = shutdown.cancelled() => {}
    }
}

/// `knows_logs`: what earlier processes wrote was learnt.
async fn maintain(core: &Core, knows_logs: &mut bool) {
    core.throttle.sweep();
    core.quota.tidy();
    if !*knows_logs {
        match rotation::begin(core).await {
            Ok(()) => *knows_logs = true,
            Err(error) => tracing::error!(%error, "can't look through the logs"),
        }
    }
    rotation::rotate(core).await;
}

/// One look at a connection: ping it when it is its turn, end it when it is idle or stuck.
fn look_at(core: &Core, conn: &Conn, seconds: u64) {
    let limits = core.limits();
    if conn.actor().expires_at.is_some_and(|end| end <= Timestamp::now()) {
        return conn.close(ErrorCode::Unauthorized, "its credential has ended");
    }
    if let Some(blocked) = conn.blocked_for() {
        let closing = conn.outbox().is_closing();
        if closing && blocked > CLOSING_TIMEOUT {
            conn.outbox().cut();
        } else if !closing && blocked > limits.slow_consumer_timeout {
            conn.close_slow();
        }
        return;
    }
    if conn.silent_for() > limits.idle_timeout {
        tracing::info!(conn = conn.id(), "closing an idle connection");
        conn.outbox().close(codec::close_frame(1001, "IDLE"), true);
        return;
    }
    let interval = limits.ping_interval.as_secs().max(1);
    if (seconds + conn.id()).is_multiple_of(interval) {
        conn.pinged();
        conn.outbox().push_reply(&codec::ping_frame(b""));
    }
}

impl Running {
    /// Resolves when the store failed for good: the process must end.
    pub async fn broken(&self) {
        self.core.store.broken().await;
    }

    /// How often this server asked its store since it started. (The metrics are those of a process.)
    pub fn store_operations(&self) -> u64 {
        self.core.store.operations()
    }

    /// Stops in order: no new connections, what waits is sent, each connection is closed with 1012
    /// and a hint when to come back, then the store.
    pub async fn shutdown(self) {
        tracing::info!("stopping");
        self.shutdown.cancel();
        for conn in self.core.all_conns() {
            let spread = conn.id().wrapping_mul(2_654_435_761) % RETRY_SPREAD_MS;
            let hint = format!("{{\"retry_in_ms\":{}}}", 100 + spread);
            conn.outbox().close(codec::close_frame(1012, &hint), false);
        }
        self.connections.close();
        let gone = async {
            self.connections.wait().await;
            while self.core.conn_count() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(self.core.limits().shutdown_timeout, gone).await.is_err() {
            for conn in self.core.all_conns() {
                conn.close(ErrorCode::Unavailable, "the server stops");
                conn.outbox().cut();
            }
        }
        self.tasks.close();
        self.core.store.close().await;
    }
}
