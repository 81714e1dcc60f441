//! One relay with its sender and its followers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

use super::Shape;
use crate::floors::relay::{FOLLOWER, MESSAGE_BYTES, Relay, TO_ALL, TO_ONE};
use crate::peers::nats::{self, Nats};
use crate::process::cpu_time;
use crate::product::Server;
use crate::product::link::Link;
use crate::product::runner::{Runner, make_projects};

/// Windows on their way at the same time.
const WINDOWS_OPEN: usize = 2;

/// A message that has not arrived by now has been lost.
const ARRIVAL_DEADLINE: Duration = Duration::from_secs(10);

/// What one round showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) per_second: f64,
    pub(super) cpu_us: f64,
}

/// A relay, ready to be measured.
pub(super) struct Course {
    pub(super) name: &'static str,
    process: u32,
    senders: Vec<Sender>,
    crowd: Crowd,
}

/// Who follows. A window is one message of each sender: one message for each follower.
struct Crowd {
    followers: usize,
    arrivals: Arc<Arrivals>,
    /// Windows that have been waited for.
    windows: usize,
    tasks: JoinSet<()>,
}

/// Counts messages. As little as possible: what a follower costs is taken from the relay.
#[derive(Default)]
struct Arrivals {
    count: AtomicUsize,
    window: usize,
    whole: Notify,
}

impl Arrivals {
    fn add(&self) {
        let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        if count.is_multiple_of(self.window) {
            self.whole.notify_one();
        }
    }
}

/// A connection and its message.
enum Sender {
    Bare(TcpStream, Bytes),
    Afield(Box<Runner>, Utf8Bytes),
    Nats(Box<nats::Socket>, Message),
}

impl Crowd {
    fn new(shape: Shape) -> Self {
        let (Shape::Pairs(followers) | Shape::All(followers)) = shape;
        let arrivals = Arc::new(Arrivals { window: followers, ..Arrivals::default() });
        Self { followers, arrivals, windows: 0, tasks: JoinSet::new() }
    }

    async fn window_arrived(&mut self) -> Result<()> {
        self.windows += 1;
        let expected = self.windows * self.followers;
        let all = async {
            while self.arrivals.count.load(Ordering::Acquire) < expected {
                self.arrivals.whole.notified().await;
            }
        };
        tokio::time::timeout(ARRIVAL_DEADLINE, all).await.context("messages did not arrive")
    }
}

/// What each follower follows: the number of its sender.
fn subjects(shape: Shape) -> Vec<usize> {
    match shape {
        Shape::Pairs(count) => (0..count).collect(),
        Shape::All(count) => vec![0; count],
    }
}

fn sender_count(shape: Shape) -> usize {
    match shape {
        Shape::Pairs(count) => count,
        Shape::All(_) => 1,
    }
}

impl Course {
    /// The floor.
    pub(super) async fn bare(relay: &Relay, shape: Shape, message: &str) -> Result<Self> {
        let mut crowd = Crowd::new(shape);
        for _ in subjects(shape) {
            let stream = connect_bare(relay, FOLLOWER).await?;
            crowd.tasks.spawn(follow_bare(stream, Arc::clone(&crowd.arrivals)));
        }
        let role = if matches!(shape, Shape::All(_)) { TO_ALL } else { TO_ONE };
        let mut senders = Vec::new();
        for _ in 0..sender_count(shape) {
            let message = Bytes::from(message.to_owned());
            senders.push(Sender::Bare(connect_bare(relay, role).await?, message));
        }
        let process = relay.process.id();
        Ok(Self { name: "floor: epoll, bare bytes", process, senders, crowd })
    }

    /// The product: partial messages of runners to the followers of their projects.
    pub(super) async fn afield(server: &Server, shape: Shape, message: &str) -> Result<Self> {
        let mut crowd = Crowd::new(shape);
        let mut link = Link::connect(&server.url, &server.token).await?;
        let (mut senders, mut projects) = (Vec::new(), Vec::new());
        for _ in 0..sender_count(shape) {
            let mut runner = Box::new(Runner::new(server, &mut link).await?);
            let project = make_projects(server, &mut runner, 1).await?.remove(0);
            link.ask("execute", &json!({ "project_id": project, "prompt": "relay" })).await?;
            let order = runner.order().await?;
            runner.begin(&order).await?;
            senders.push(Sender::Afield(runner, partial(&order, message)));
            projects.push(project);
        }
        for subject in subjects(shape) {
            let mut link = Link::connect(&server.url, &server.token).await?;
            link.ask("project_join", &json!({ "project_id": projects[subject] })).await?;
            crowd.tasks.spawn(follow_afield(link, Arc::clone(&crowd.arrivals)));
        }
        let process = server.process.id();
        Ok(Self { name: "Afield, WebSocket", process, senders, crowd })
    }

    /// NATS over WebSocket.
    pub(super) async fn nats(nats: &Nats, shape: Shape, message: &str) -> Result<Self> {
        let mut crowd = Crowd::new(shape);
        for subject in subjects(shape) {
            let socket = nats.follower(subject).await?;
            crowd.tasks.spawn(follow_nats(socket, Arc::clone(&crowd.arrivals)));
        }
        let mut senders = Vec::new();
        for subject in 0..sender_count(shape) {
            let message = Message::Binary(nats::publish(subject, message));
            senders.push(Sender::Nats(Box::new(nats.sender().await?), message));
        }
        Ok(Self { name: "NATS, WebSocket", process: nats.process.id(), senders, crowd })
    }

    /// Sends window by window until the time is over and everything has arrived.
    pub(super) async fn run(&mut self, time: Duration) -> Result<Round> {
        let (began, cpu_began) = (Instant::now(), cpu_time(self.process)?);
        let (mut sent, mut arrived) = (0, 0);
        while sent == 0 || began.elapsed() < time {
            self.send_window().await?;
            sent += 1;
            if sent - arrived == WINDOWS_OPEN {
                self.crowd.window_arrived().await?;
                arrived += 1;
            }
        }
        while arrived < sent {
            self.crowd.window_arrived().await?;
            arrived += 1;
        }
        let deliveries = (sent * self.crowd.followers) as f64;
        let cpu = cpu_time(self.process)? - cpu_began;
        Ok(Round {
            per_second: deliveries / began.elapsed().as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / deliveries,
        })
    }

    async fn send_window(&mut self) -> Result<()> {
        for sender in &mut self.senders {
            match sender {
                Sender::Bare(stream, message) => stream.write_all(message).await?,
                Sender::Afield(runner, message) => runner.link.send(message.clone()).await?,
                Sender::Nats(socket, message) => socket.send(message.clone()).await?,
            }
        }
        Ok(())
    }
}

async fn connect_bare(relay: &Relay, role: u8) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(relay.address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&[role]).await?;
    Ok(stream)
}

async fn follow_bare(mut stream: TcpStream, arrivals: Arc<Arrivals>) {
    let mut message = [0; MESSAGE_BYTES];
    while stream.read_exact(&mut message).await.is_ok() {
        arrivals.add();
    }
}

/// A partial message of an agent, as its runner sends it.
fn partial(order: &Value, message: &str) -> Utf8Bytes {
    let message: Value = serde_json::from_str(message).unwrap_or_default();
    let message = json!({
        "timestamp": "2026-01-01T00:00:00Z",
        "direction": "claude",
        "kind": "partial",
        "message": message,
    });
    let data = json!({ "attempt": order["attempt"], "messages": [message] });
    json!({ "type": "runner_partial", "data": data }).to_string().into()
}

async fn follow_afield(mut link: Link, arrivals: Arc<Arrivals>) {
    while let Ok(frame) = link.next().await {
        if frame.starts_with(r#"{"type":"agent_message""#) {
            arrivals.add();
        }
    }
}

/// NATS puts as many messages as it has into one frame.
async fn follow_nats(mut socket: nats::Socket, arrivals: Arc<Arrivals>) {
    while let Some(Ok(frame)) = socket.next().await {
        for _ in 0..nats::messages_in(&frame.into_data()) {
            arrivals.add();
        }
    }
}
