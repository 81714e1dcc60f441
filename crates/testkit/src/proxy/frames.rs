//! A proxy that knows WebSocket messages: repeats, delays and so reorders them between
//! connections. Inside one connection their order stays, as TCP keeps it; only repetitions may
//! come late.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{accept_hdr_async_with_config, client_async_with_config};

use crate::random::Random;

/// Messages that may wait for their time, of one way of one connection.
const WAITING_MAX: usize = 1024;
/// The largest message passed on.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// How messages are treated.
#[derive(Debug, Clone, Copy)]
pub struct FrameFaults {
    /// Of a hundred messages so many are passed on twice.
    pub repeated: u64,
    /// Of a hundred repetitions so many come late.
    pub late: u64,
    /// Up to how late those come.
    pub late_max: Duration,
    /// Up to how late a message arrives, drawn anew for each stretch of messages.
    pub delay_max: Duration,
}

/// A running proxy for WebSocket messages. Dropping it cuts everything.
#[derive(Debug)]
pub struct FrameProxy {
    address: SocketAddr,
    repeated: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl FrameProxy {
    /// Listens on a free port of the loopback address and passes messages on to `server`.
    ///
    /// **Errors**: no port can be had.
    pub async fn start(
        server: SocketAddr,
        faults: FrameFaults,
        seed: u64,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let repeated = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(accept(listener, server, faults, seed, Arc::clone(&repeated)));
        Ok(Self { address, repeated, task })
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where to connect, as a server's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many messages were passed on twice.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }
}

impl Drop for FrameProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    faults: FrameFaults,
    seed: u64,
    repeated: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        number += 1;
        let (seed, repeated) = (seed ^ (number << 1), Arc::clone(&repeated));
        // However a connection ends, both sides see its end.
        connections.spawn(async move {
            let _ = connection(client, server, faults, seed, &repeated).await;
        });
    }
}

async fn connection(
    client: TcpStream,
    server: SocketAddr,
    faults: FrameFaults,
    seed: u64,
    repeated: &AtomicU64,
) -> Result<(), Error> {
    client.set_nodelay(true)?;
    let (path, credential, mut client) = shake_hands(client).await?;
    let upstream = TcpStream::connect(server).await?;
    upstream.set_nodelay(true)?;
    let mut request = format!("ws://{server}{path}").into_client_request()?;
    request.headers_mut().extend(credential.map(|value| (header::AUTHORIZATION, value)));
    let (mut server, _) = client_async_with_config(request, upstream, Some(config())).await?;
    let ((to_client, from_client), (to_server, from_server)) =
        ((&mut client).split(), (&mut server).split());
    tokio::select! {
        ended = pass(from_client, to_server, faults, Random::new(seed), repeated) => ended,
        ended = pass(from_server, to_client, faults, Random::new(seed | 1), repeated) => ended,
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

type Accepted =
    (String, Option<header::HeaderValue>, tokio_tungstenite::WebSocketStream<TcpStream>);

#[expect(clippy::result_large_err, reason = "the shape of the callback is the library's")]
async fn shake_hands(client: TcpStream) -> Result<Accepted, Error> {
    let (mut path, mut credential) = (String::new(), None);
    let look = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().path().to_owned();
        credential = request.headers().get(header::AUTHORIZATION).cloned();
        if let Some(protocol) = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL) {
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
        Ok(response)
    };
    let socket = accept_hdr_async_with_config(client, look, Some(config())).await?;
    Ok((path, credential, socket))
}

/// A time up to the longest.
fn up_to(random: &mut Random, most: Duration) -> Duration {
    let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random.up_to(most))
}

/// Passes messages on, late and some of them twice, until either side ends.
async fn pass(
    mut from: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut to: impl Sink<Message, Error = Error> + Unpin,
    faults: FrameFaults,
    mut random: Random,
    repeated: &AtomicU64,
) -> Result<(), Error> {
    let (waiting, mut due) = mpsc::channel::<(Instant, Message)>(WAITING_MAX);
    let mut late = JoinSet::new();
    let reading = async {
        let (mut last, mut delay) = (Instant::now(), Duration::ZERO);
        // The first word of a connection stands for all that follows: it has no late repetition.
        let mut first = true;
        while let Some(message) = from.next().await {
            let message = message?;
            if !(message.is_text() || message.is_binary() || message.is_close()) {
                continue;
            }
            if random.chance(10) {
                delay = up_to(&mut random, faults.delay_max);
            }
            last = last.max(Instant::now() + delay);
            if !message.is_close() && random.chance(faults.repeated) {
                repeated.fetch_add(1, Ordering::Relaxed);
                if !first && random.chance(faults.late) {
                    let at = last + up_to(&mut random, faults.late_max);
                    let (waiting, message) = (waiting.clone(), message.clone());
                    late.spawn(async move {
                        tokio::time::sleep_until(at).await;
                        let _ = waiting.send((at, message)).await;
                    });
                } else {
                    let _ = waiting.send((last, message.clone())).await;
                }
            }
            first = false;
            let _ = waiting.send((last, message)).await;
            while late.try_join_next().is_some() {}
        }
        drop(waiting);
        Ok(())
    };
    let writing = async {
        while let Some((at, message)) = due.recv().await {
            tokio::time::sleep_until(at).await;
            to.send(message).await?;
        }
        to.close().await
    };
    tokio::try_join!(reading, writing).map(|_| ())
}
