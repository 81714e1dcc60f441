//! A TCP proxy that treats its connections badly on purpose: delay, jitter, bandwidth, silence,
//! cuts after a number of bytes, resets, half-closes, torn writes.
//!
//! Used by tests that put it between a client or a runner and the server. What it does follows
//! from its seed, the number of the connection and the conditions set; it must never change a
//! byte or the order of bytes.

mod frames;
mod pump;

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::random::Random;
pub use frames::{FrameFaults, FrameProxy};
use pump::{Lane, pump};

/// As many as the server lets wait for it, so that a storm of connections meets no narrower place.
const BACKLOG: u32 = 4096;

/// Listens at an IPv4 address, port 0 for a free one, with room for a thousand who come at once.
///
/// **Errors**: the address can't be had.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// One of the two ways through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From whoever connected to the server behind.
    ToServer,
    /// Back.
    ToClient,
}

/// How bytes of one way are treated, on connections that exist and on new ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// How late every byte arrives.
    pub delay: Duration,
    /// Up to how much later still, drawn for each piece. The order stays.
    pub jitter: Duration,
    /// The most bytes that pass in a second.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Nothing passes, and nobody is told. What was sent meanwhile passes once this ends.
    pub blackhole: bool,
    /// Bytes pass in pieces of at most this length, each length drawn.
    pub piece_bytes_max: Option<NonZeroUsize>,
    /// What happens once so many bytes of a connection have passed.
    pub cut: Option<Cut>,
}

/// The end of a connection, planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// So many bytes pass, counted from the beginning of the connection.
    pub after_bytes: u64,
    /// How it ends then.
    pub how: CutKind,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutKind {
    /// Both sides get a reset.
    Reset,
    /// Both sides get an orderly end.
    Close,
    /// This way ends in order, the other goes on; what is still sent this way is thrown away.
    HalfClose,
}

/// What the proxy has seen so far, of all connections together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Bytes that came from clients.
    pub from_clients: u64,
    /// Bytes that were given to the server.
    pub to_server: u64,
    /// Bytes that came from the server.
    pub from_server: u64,
    /// Bytes that were given to clients.
    pub to_clients: u64,
}

impl Counts {
    fn read(&mut self, way: Way, bytes: u64) {
        match way {
            Way::ToServer => self.from_clients += bytes,
            Way::ToClient => self.from_server += bytes,
        }
    }

    fn gave(&mut self, way: Way, bytes: u64) {
        match way {
            Way::ToServer => self.to_server += bytes,
            Way::ToClient => self.to_clients += bytes,
        }
    }
}

/// A running proxy. Dropping it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    to_server: watch::Sender<Conditions>,
    to_client: watch::Sender<Conditions>,
    cut_now: watch::Sender<Option<(u64, CutKind)>>,
    counts: watch::Receiver<Counts>,
    task: JoinHandle<()>,
}

/// What every connection shares with the handle.
#[derive(Clone)]
struct Shared {
    to_server: watch::Receiver<Conditions>,
    to_client: watch::Receiver<Conditions>,
    cut_now: watch::Receiver<Option<(u64, CutKind)>>,
    counts: watch::Sender<Counts>,
    seed: u64,
}

impl Proxy {
    /// Listens on a free port of the loopback address and passes everything on to `server`.
    ///
    /// **Errors**: no port can be had.
    pub async fn start(server: SocketAddr, seed: u64) -> std::io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), server, seed).await
    }

    /// The same at this address. On another loopback address with the server's own port it passes
    /// for the server, which answers to all of them.
    ///
    /// **Errors**: the address can't be had.
    pub async fn start_at(
        listen: SocketAddr,
        server: SocketAddr,
        seed: u64,
    ) -> std::io::Result<Self> {
        let listener = bind(listen)?;
        let address = listener.local_addr()?;
        let to_server = watch::Sender::new(Conditions::default());
        let to_client = watch::Sender::new(Conditions::default());
        let cut_now = watch::Sender::new(None);
        let counts = watch::Sender::new(Counts::default());
        let shared = Shared {
            to_server: to_server.subscribe(),
            to_client: to_client.subscribe(),
            cut_now: cut_now.subscribe(),
            counts: counts.clone(),
            seed,
        };
        let counts = counts.subscribe();
        let task = tokio::spawn(accept(listener, server, shared));
        Ok(Self { address, to_server, to_client, cut_now, counts, task })
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on bytes of this way are treated so.
    pub fn set(&self, way: Way, conditions: Conditions) {
        match way {
            Way::ToServer => self.to_server.send_replace(conditions),
            Way::ToClient => self.to_client.send_replace(conditions),
        };
    }

    /// From now on everything passes untouched.
    pub fn heal(&self) {
        self.set(Way::ToServer, Conditions::default());
        self.set(Way::ToClient, Conditions::default());
    }

    /// Ends every connection there is now. New ones are not touched.
    pub fn cut_all(&self, how: CutKind) {
        let connections = self.counts.borrow().connections;
        self.cut_now.send_replace(Some((connections, how)));
    }

    /// What passed so far.
    pub fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Waits until the counts fulfil a condition.
    ///
    /// **Cancel safety**: nothing is lost when the future is dropped.
    pub async fn wait_for(&self, condition: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.counts.clone();
        *counts.wait_for(condition).await.expect("the task that counts lives as long as the proxy")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, shared: Shared) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let mut number = 0;
        shared.counts.send_modify(|counts| {
            counts.connections += 1;
            number = counts.connections;
        });
        connections.spawn(connection(client, server, number, shared.clone()));
    }
}

async fn connection(client: TcpStream, server: SocketAddr, number: u64, shared: Shared) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    // Torn writes must stay torn.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let how = pass(&client, &server, number, &shared).await;
    if how == Some(CutKind::Reset) {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Passes bytes both ways until both ways have ended or the connection is cut.
async fn pass(
    client: &TcpStream,
    server: &TcpStream,
    number: u64,
    shared: &Shared,
) -> Option<CutKind> {
    let seed = shared.seed ^ (number << 1);
    let forth = pump(Lane {
        way: Way::ToServer,
        from: client,
        to: server,
        conditions: shared.to_server.clone(),
        random: Random::new(seed),
        counts: &shared.counts,
    });
    let back = pump(Lane {
        way: Way::ToClient,
        from: server,
        to: client,
        conditions: shared.to_client.clone(),
        random: Random::new(seed | 1),
        counts: &shared.counts,
    });
    let mut cut_now = shared.cut_now.clone();
    tokio::select! {
        ended = async { tokio::try_join!(forth, back) } => ended.err(),
        asked = cut_now.wait_for(|cut| cut.is_some_and(|(up_to, _)| number <= up_to)) => {
            asked.ok().and_then(|cut| cut.map(|(_, how)| how))
        }
    }
}
