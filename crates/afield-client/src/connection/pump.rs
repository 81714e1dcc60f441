//! The one task that owns a socket: reads, writes, pings, and notices the end.

use std::sync::Arc;
use std::time::Duration;

use afield_proto::error::ErrorCode;
use afield_proto::wire::Incoming;
use futures::{SinkExt as _, StreamExt as _, stream};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::CancellationToken;

use super::Outbound;
use super::inbox::{Inbound, Outlet, sort};
use super::waiting::{Found, Waiting};
use crate::pulse::Pulse;
use crate::socket::{Socket, is_terminal};

/// How long to wait for the other side's goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The server closed it.
    There {
        /// The close code; 1005 when it named none.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// Nothing came from the server for too long.
    Silent(Duration),
    /// The line broke.
    Broken(String),
    /// It was closed on this side.
    Here,
}

impl Closed {
    /// The code behind it when connecting again can't help.
    pub fn terminal(&self) -> Option<ErrorCode> {
        match self {
            Self::There { code, .. } => {
                ErrorCode::from_close_code(*code).filter(|code| is_terminal(*code))
            }
            Self::Silent(_) | Self::Broken(_) | Self::Here => None,
        }
    }

    /// How long the server asked to wait before coming back.
    pub fn retry_hint(&self) -> Option<Duration> {
        #[derive(serde::Deserialize)]
        struct Hint {
            retry_in_ms: u64,
        }
        let Self::There { reason, .. } = self else { return None };
        let hint: Hint = serde_json::from_str(reason).ok()?;
        Some(Duration::from_millis(hint.retry_in_ms))
    }
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::There { code: 1012, .. } => f.write_str("the server is restarting"),
            Self::There { code, reason } => match ErrorCode::from_close_code(*code) {
                Some(name) => write!(f, "the server closed the connection ({name})"),
                None if reason.is_empty() => write!(f, "the server closed it (code {code})"),
                None => write!(f, "the server closed it (code {code}: {reason})"),
            },
            Self::Silent(for_) => write!(f, "no sign of life for {} s", for_.as_secs()),
            Self::Broken(why) => write!(f, "the line broke: {why}"),
            Self::Here => f.write_str("closed"),
        }
    }
}

type Reader = stream::SplitStream<Socket>;
type Writer = stream::SplitSink<Socket, Message>;

pub(super) struct Pump {
    pub(super) pulse: Pulse,
    pub(super) waiting: Arc<Waiting>,
    pub(super) inbox: mpsc::Sender<Inbound>,
    pub(super) hang_up: CancellationToken,
    pub(super) responder: Outlet,
    pub(super) ping_interval: Duration,
    pub(super) silence_max: Duration,
}

impl Pump {
    /// Runs until the connection ends, then lets everybody know.
    pub(super) async fn run(
        self,
        socket: Socket,
        outbound: mpsc::Receiver<Outbound>,
        closed: watch::Sender<Option<Closed>>,
    ) {
        let (mut writer, mut reader) = socket.split();
        let why = tokio::select! {
            why = self.read(&mut reader) => why,
            why = self.write(&mut writer, outbound) => why,
            () = self.pulse.stopped(self.silence_max) => Closed::Silent(self.silence_max),
        };
        tracing::debug!(reason = %why, "connection ended");
        self.waiting.close();
        closed.send_replace(Some(why.clone()));
        drop(self.inbox);
        say_goodbye(&why, writer, reader).await;
    }

    async fn read(&self, reader: &mut Reader) -> Closed {
        loop {
            match reader.next().await {
                Some(Ok(Message::Text(text))) => self.take(&text).await,
                Some(Ok(Message::Close(frame))) => return closed_there(frame),
                Some(Ok(_)) => {}
                Some(Err(error)) => return broken(&error),
                None => return Closed::Broken("end of the stream".to_owned()),
            }
        }
    }

    async fn take(&self, text: &str) {
        let frame = match Incoming::read(text) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!("a frame that can't be read: {}", error.message);
                return;
            }
        };
        let inbound = match self.waiting.resolve(frame) {
            Found::Delivered => None,
            Found::ForInbox(token, reply) => Some(Inbound::Reply(token, reply)),
            Found::Nobody(frame) => sort(frame, &self.responder),
        };
        if let Some(inbound) = inbound {
            self.deliver(inbound).await;
        }
    }

    /// Waits for room in the inbox. Meanwhile nothing is read, so the silence does not count.
    async fn deliver(&self, inbound: Inbound) {
        let mut beat = tokio::time::interval(self.silence_max / 4);
        loop {
            tokio::select! {
                biased;
                room = self.inbox.reserve() => {
                    // A dropped inbox discards.
                    if let Ok(room) = room {
                        room.send(inbound);
                    }
                    return;
                }
                _ = beat.tick() => self.pulse.beat(),
            }
        }
    }

    async fn write(&self, writer: &mut Writer, mut outbound: mpsc::Receiver<Outbound>) -> Closed {
        let mut ping = tokio::time::interval(self.ping_interval);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        loop {
            let sent = tokio::select! {
                frame = outbound.recv() => match frame {
                    Some(frame) => send_batch(writer, frame, &mut outbound).await,
                    None => return Closed::Here,
                },
                _ = ping.tick() => writer.send(Message::Ping(Vec::new().into())).await,
                () = self.hang_up.cancelled() => return Closed::Here,
            };
            if let Err(error) = sent {
                // The reading side may hold the close frame that says why.
                tracing::debug!("writing failed: {error}");
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Sends a frame and everything else that waits already, with one flush.
async fn send_batch(
    writer: &mut Writer,
    first: Outbound,
    outbound: &mut mpsc::Receiver<Outbound>,
) -> Result<(), tungstenite::Error> {
    let mut next = Some(first);
    while let Some(frame) = next {
        writer.feed(Message::text(frame.text)).await?;
        next = outbound.try_recv().ok();
    }
    writer.flush().await
}

async fn say_goodbye(why: &Closed, mut writer: Writer, mut reader: Reader) {
    let goodbye = async {
        match why {
            Closed::Here => {
                let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                let _ = writer.send(Message::Close(Some(frame))).await;
                while let Some(Ok(_)) = reader.next().await {}
            }
            // Answers the close frame.
            Closed::There { .. } => {
                let _ = writer.flush().await;
            }
            Closed::Silent(_) | Closed::Broken(_) => {}
        }
    };
    let _ = tokio::time::timeout(GOODBYE_TIMEOUT, goodbye).await;
}

fn closed_there(frame: Option<CloseFrame>) -> Closed {
    match frame {
        Some(frame) => {
            Closed::There { code: frame.code.into(), reason: frame.reason.as_str().to_owned() }
        }
        None => Closed::There { code: 1005, reason: String::new() },
    }
}

fn broken(error: &tungstenite::Error) -> Closed {
    Closed::Broken(match error {
        tungstenite::Error::Io(error) => error.to_string(),
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
            "closed".to_owned()
        }
        tungstenite::Error::Protocol(_) => "it ended without a goodbye".to_owned(),
        other => other.to_string(),
    })
}
