//! One open connection: many requests in flight, replies told apart by their ids, and a bounded
//! inbox of what the server says unasked.
//!
//! A connection never comes back once it is lost; [`crate::Dialer`] and [`crate::Link`] open new
//! ones. One task (`connection::pump`) owns the socket; everything else talks to it.

mod inbox;
mod pump;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use afield_proto::error::{ErrorBody, ErrorCode};
use afield_proto::request::Ask;
use afield_proto::wire;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::endpoint::Endpoint;
use crate::pulse::Pulse;
use crate::socket::{self, OpenError, Socket};
use waiting::Waiting;

pub use inbox::{Event, Inbound, Inbox, Order, Responder};
pub use pump::Closed;

/// Bounds and times of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// Longest time from the first packet to the open WebSocket.
    pub open_timeout: Duration,
    /// Longest time a request waits for its reply, when the caller names no other.
    pub ask_timeout: Duration,
    /// How often to ping the server.
    pub ping_interval: Duration,
    /// Longest time without a byte from the server. Three pings fit, so that one lost is no loss.
    pub silence_max: Duration,
    /// Most events and orders that wait to be taken; then the socket is read no further.
    pub inbox_frames: usize,
    /// Largest frame taken from the server, in bytes: a page of history with images in it.
    pub frame_bytes_max: usize,
    /// Most bytes that wait to be sent; then [`Connection::ask`] waits.
    pub outbound_bytes_max: usize,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            open_timeout: Duration::from_secs(10),
            ask_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(15),
            silence_max: Duration::from_secs(45),
            inbox_frames: 1024,
            frame_bytes_max: 128 * 1024 * 1024,
            outbound_bytes_max: 32 * 1024 * 1024,
        }
    }
}

/// Why a request has no reply.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AskError {
    /// The server said no.
    #[error("{0}")]
    Refused(ErrorBody),
    /// The connection was lost; whether the server acted on the request is not known.
    #[error("the connection to the server was lost")]
    Disconnected,
    /// No reply came in time; whether the server acted on the request is not known.
    #[error("the server did not answer in time")]
    Timeout,
}

/// Frames waiting to be sent; few, because their bytes are bounded too.
const OUTBOUND_FRAMES: usize = 256;

/// A handle to an open connection. Cheap to clone; the connection closes with its last handle.
#[derive(Debug, Clone)]
pub struct Connection {
    outbound: mpsc::Sender<Outbound>,
    room: Arc<Semaphore>,
    room_bytes: u32,
    waiting: Arc<Waiting>,
    closed: watch::Receiver<Option<Closed>>,
    hang_up: CancellationToken,
    ask_timeout: Duration,
}

/// A frame on its way out, and its share of the bytes that may wait.
#[derive(Debug)]
struct Outbound {
    text: String,
    _room: OwnedSemaphorePermit,
}

impl Connection {
    /// Connects to a server and shows it the credential.
    ///
    /// **Errors**: [`OpenError`]; its `terminal` says whether trying again can help.
    pub async fn open(
        endpoint: &Endpoint,
        options: &ConnectionOptions,
    ) -> Result<(Self, Inbox), OpenError> {
        let (socket, pulse) =
            socket::open(endpoint, options.frame_bytes_max, options.open_timeout).await?;
        Ok(Self::over(socket, pulse, options))
    }

    /// The same over a byte stream that is open already.
    #[cfg(test)]
    pub(crate) async fn open_over(
        stream: impl socket::Transport + 'static,
        options: &ConnectionOptions,
    ) -> Result<(Self, Inbox), OpenError> {
        let endpoint = Endpoint::new("http://localhost:1", "t").expect("a constant address");
        let shown = endpoint.authorization("GET", "/ws");
        let (socket, pulse) =
            socket::upgrade(&endpoint, shown, Box::new(stream), options.frame_bytes_max).await?;
        Ok(Self::over(socket, pulse, options))
    }

    fn over(socket: Socket, pulse: Pulse, options: &ConnectionOptions) -> (Self, Inbox) {
        let (outbound, outbound_rx) = mpsc::channel(OUTBOUND_FRAMES);
        let (inbox, inbox_rx) = mpsc::channel(options.inbox_frames);
        let (closed_tx, closed) = watch::channel(None);
        let room_bytes = u32::try_from(options.outbound_bytes_max).unwrap_or(u32::MAX);
        let connection = Self {
            outbound,
            room: Arc::new(Semaphore::new(room_bytes as usize)),
            room_bytes,
            waiting: Arc::default(),
            closed,
            hang_up: CancellationToken::new(),
            ask_timeout: options.ask_timeout,
        };
        let pump = pump::Pump {
            pulse,
            waiting: connection.waiting.clone(),
            inbox,
            hang_up: connection.hang_up.clone(),
            responder: connection.weak(),
            ping_interval: options.ping_interval,
            silence_max: options.silence_max,
        };
        tokio::spawn(pump.run(socket, outbound_rx, closed_tx));
        (connection, Inbox::new(inbox_rx))
    }

    fn weak(&self) -> inbox::Outlet {
        inbox::Outlet {
            outbound: self.outbound.downgrade(),
            room: self.room.clone(),
            room_bytes: self.room_bytes,
        }
    }

    /// Asks and waits for the reply.
    ///
    /// **Errors**: [`AskError`]. **Cancel safety**: dropping the future forgets the reply; the
    /// server may still act on the request.
    pub async fn ask<R: Ask>(&self, request: &R) -> Result<R::Reply, AskError> {
        self.ask_within(request, self.ask_timeout).await
    }

    /// The same with another time limit.
    pub async fn ask_within<R: Ask>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Reply, AskError> {
        let data = to_raw_value(request).expect("Afield's own types always serialise");
        let reply = self.ask_raw(R::NAME, data, timeout).await?;
        read_reply::<R>(&reply)
    }

    /// Asks by name and gives the reply's `data` back as it came.
    pub async fn ask_raw(
        &self,
        name: &'static str,
        data: Box<RawValue>,
        timeout: Duration,
    ) -> Result<Box<RawValue>, AskError> {
        let exchange = async {
            let (ticket, reply) = self.waiting.expect_reply(name).ok_or(AskError::Disconnected)?;
            let frame = wire::raw_request_frame(name, &ticket.id(), &data);
            // It may be long, and the frame has it.
            drop(data);
            ticket.has_bytes(frame.len());
            self.send(frame).await?;
            let reply = reply.await.map_err(|_| AskError::Disconnected)?;
            drop(ticket);
            reply.map_err(AskError::Refused)
        };
        tokio::time::timeout(timeout, exchange).await.map_err(|_| AskError::Timeout)?
    }

    /// Asks; the reply comes through the inbox, in its place among the events, as
    /// [`Inbound::Reply`] with this `token`.
    pub(crate) async fn ask_into_inbox<R: Ask>(
        &self,
        request: &R,
        token: u64,
    ) -> Result<(), AskError> {
        let id = self.waiting.expect_in_inbox(R::NAME, token).ok_or(AskError::Disconnected)?;
        self.send(wire::request_frame(R::NAME, &id, request)).await
    }

    /// Sends a frame that has no reply, if there is room for it now.
    ///
    /// Returns whether it was taken.
    pub fn notice(&self, name: &str, data: &(impl Serialize + ?Sized)) -> bool {
        let text = wire::notice_frame(name, &data);
        let bytes = share(text.len(), self.room_bytes);
        let Ok(room) = self.room.clone().try_acquire_many_owned(bytes) else {
            return false;
        };
        self.outbound.try_send(Outbound { text, _room: room }).is_ok()
    }

    async fn send(&self, text: String) -> Result<(), AskError> {
        let bytes = share(text.len(), self.room_bytes);
        let room = self.room.clone().acquire_many_owned(bytes).await;
        let room = room.map_err(|_| AskError::Disconnected)?;
        let frame = Outbound { text, _room: room };
        self.outbound.send(frame).await.map_err(|_| AskError::Disconnected)
    }

    /// Waits for the end of the connection and says why it ended.
    pub async fn closed(&self) -> Closed {
        let mut closed = self.closed.clone();
        match closed.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(why)) => why.clone(),
            _ => Closed::Here,
        }
    }

    /// Whether both are handles to the same connection.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.waiting, &other.waiting)
    }

    /// Says goodbye to the server. Requests in flight end with [`AskError::Disconnected`].
    pub fn close(&self) {
        self.hang_up.cancel();
    }
}

/// A frame's share of the bytes that may wait: one larger than all the room takes all of it.
fn share(bytes: usize, room_bytes: u32) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).min(room_bytes)
}

/// Reads a reply as what `R` is answered with.
pub(crate) fn read_reply<R: Ask>(data: &RawValue) -> Result<R::Reply, AskError> {
    serde_json::from_str(data.get()).map_err(|error| {
        AskError::Refused(ErrorBody::new(
            ErrorCode::ProtocolMismatch,
            format!("the server's reply to {} is not understood: {error}", R::NAME),
        ))
    })
}

#[cfg(test)]
mod tests;
