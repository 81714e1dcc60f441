//! A connection that is always coming back, with subscriptions that continue where they stopped.
//!
//! Used by the command line and by Rust programs. The runner uses [`crate::Dialer`] below it: its
//! own journal already says what to send again.

mod cursor;
mod driver;

use std::time::Duration;

use afield_proto::error::{ErrorBody, ErrorCode};
use afield_proto::request::Ask;
use afield_proto::{Timestamp, Topic};
use tokio::sync::{mpsc, oneshot, watch};

use crate::connection::{AskError, Connection, Event};
use crate::dialer::{DialOptions, Dialer};
use crate::endpoint::Endpoint;

pub use cursor::Gap;

/// Bounds and times of a link.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// How to come back.
    pub dial: DialOptions,
    /// Most events that wait for a follower; then the connection is read no further.
    pub follow_events: usize,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { dial: DialOptions::default(), follow_events: 1024 }
    }
}

/// Whether a link has a connection, on evidence.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkState {
    /// The first connection is being made.
    Connecting,
    /// Connected since then.
    Online {
        /// Since when.
        since: Timestamp,
    },
    /// Not connected; trying again.
    Offline {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: String,
    },
    /// The server refused for good; nothing is tried any more.
    Ended(ErrorBody),
}

/// What requests see of the connection.
#[derive(Debug, Clone)]
enum Door {
    Shut,
    Open(Connection),
    Ended(ErrorBody),
}

/// Requests to follow that wait for the driver: a person's screen follows a handful of topics.
const WANTS: usize = 64;

/// A handle to a link. Cheap to clone; the link ends with its last handle.
#[derive(Debug, Clone)]
pub struct Link {
    wants: mpsc::Sender<Want>,
    state: watch::Receiver<LinkState>,
    door: watch::Receiver<Door>,
    ask_timeout: Duration,
    follow_events: usize,
}

/// A wish to follow a topic.
#[derive(Debug)]
struct Want {
    topic: Topic,
    after: Option<u64>,
    events: mpsc::Sender<Followed>,
    subscribed: oneshot::Sender<Result<u64, ErrorBody>>,
}

/// One thing a follower receives.
#[derive(Debug)]
pub enum Followed {
    /// The next event.
    Event(Event),
    /// Some events will not come.
    Gap(Gap),
    /// The server no longer lets this be followed; nothing follows.
    Ended(ErrorBody),
}

/// The events of one topic, each once and in order.
#[derive(Debug)]
pub struct Follow {
    topic: Topic,
    start: u64,
    events: mpsc::Receiver<Followed>,
}

impl Follow {
    /// What is followed.
    pub fn topic(&self) -> Topic {
        self.topic
    }

    /// Number of the topic's last event when following began.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The next event; `None` when the link has ended.
    ///
    /// **Cancel safety**: nothing is lost.
    pub async fn next(&mut self) -> Option<Followed> {
        self.events.recv().await
    }
}

impl Link {
    /// Starts to connect.
    pub fn start(endpoint: Endpoint, options: LinkOptions) -> Self {
        let (wants, wants_rx) = mpsc::channel(WANTS);
        let (state_tx, state) = watch::channel(LinkState::Connecting);
        let (door_tx, door) = watch::channel(Door::Shut);
        let ask_timeout = options.dial.connection.ask_timeout;
        let follow_events = options.follow_events;
        let dialer = Dialer::new(endpoint, options.dial);
        tokio::spawn(driver::Driver::new(dialer, wants_rx, state_tx, door_tx).run());
        Self { wants, state, door, ask_timeout, follow_events }
    }

    /// Whether there is a connection, and every change of that.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// Waits until there is a connection.
    ///
    /// **Errors**: [`AskError::Refused`] when the server refuses for good.
    pub async fn online(&self) -> Result<Connection, AskError> {
        let mut door = self.door.clone();
        let open = door.wait_for(|door| !matches!(door, Door::Shut)).await;
        match open.as_deref() {
            Ok(Door::Open(connection)) => Ok(connection.clone()),
            Ok(Door::Ended(error)) => Err(AskError::Refused(error.clone())),
            Ok(Door::Shut) | Err(_) => Err(AskError::Disconnected),
        }
    }

    /// Asks once, as soon as there is a connection.
    ///
    /// **Errors**: [`AskError`]; after `Disconnected` and `Timeout` the server may have acted.
    pub async fn ask<R: Ask>(&self, request: &R) -> Result<R::Reply, AskError> {
        self.ask_within(request, self.ask_timeout).await
    }

    /// The same with another time limit, the wait for a connection included.
    pub async fn ask_within<R: Ask>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Reply, AskError> {
        let asking = async { self.online().await?.ask_within(request, timeout).await };
        tokio::time::timeout(timeout, asking).await.map_err(|_| AskError::Timeout)?
    }

    /// Asks again on every new connection until there is a reply. Only for requests that do no
    /// harm when they are repeated, such as reading, or `execute` with a key.
    ///
    /// **Errors**: [`AskError::Refused`], or [`AskError::Timeout`] after `timeout` in all.
    pub async fn ask_until_answered<R: Ask>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Reply, AskError> {
        let asking = async {
            loop {
                let connection = self.online().await?;
                match connection.ask_within(request, timeout).await {
                    // The door opens again with the next connection.
                    Err(AskError::Disconnected) => self.left(&connection).await,
                    answered => return answered,
                }
            }
        };
        tokio::time::timeout(timeout, asking).await.map_err(|_| AskError::Timeout)?
    }

    /// Waits until the driver has noticed that this connection has ended.
    async fn left(&self, connection: &Connection) {
        connection.closed().await;
        let mut door = self.door.clone();
        let is_other = |door: &Door| match door {
            Door::Open(open) => !open.same_as(connection),
            Door::Shut | Door::Ended(_) => true,
        };
        // An error means that the link has ended, which the next look shows.
        let _ = door.wait_for(is_other).await;
    }

    /// Follows a topic: what came after number `after`, or else from now on. A topic can be
    /// followed once per link. An event that nobody takes holds up every other one of the link.
    ///
    /// **Errors**: [`AskError`] when the server refuses, or the link has ended.
    pub async fn follow(&self, topic: Topic, after: Option<u64>) -> Result<Follow, AskError> {
        let (events_tx, events) = mpsc::channel(self.follow_events);
        let (subscribed_tx, subscribed) = oneshot::channel();
        let want = Want { topic, after, events: events_tx, subscribed: subscribed_tx };
        self.wants.send(want).await.map_err(|_| self.ended())?;
        match subscribed.await {
            Ok(Ok(start)) => Ok(Follow { topic, start, events }),
            Ok(Err(error)) => Err(AskError::Refused(error)),
            Err(_) => Err(self.ended()),
        }
    }

    fn ended(&self) -> AskError {
        match &*self.state.borrow() {
            LinkState::Ended(error) => AskError::Refused(error.clone()),
            _ => AskError::Disconnected,
        }
    }
}

fn followed_twice(topic: Topic) -> ErrorBody {
    ErrorBody::new(ErrorCode::Conflict, format!("{topic} is followed on this link already"))
}
