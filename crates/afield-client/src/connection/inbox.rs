//! What the server says unasked: events of topics, facts, and orders (to runners).

use std::sync::Arc;

use afield_proto::error::ErrorBody;
use afield_proto::fact::Fact;
use afield_proto::wire::{self, CorrelationId, Incoming};
use afield_proto::{ProjectId, Timestamp, Topic};
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc};

use super::{Outbound, share};
use crate::fact::read_fact;

/// An event of a topic.
#[derive(Debug, Clone)]
pub struct Event {
    /// The topic.
    pub topic: Topic,
    /// Its number; absent on ephemeral events.
    pub seq: Option<u64>,
    /// When it happened.
    pub at: Timestamp,
    /// The fact, not yet read further than its name.
    pub frame: Incoming,
}

impl Event {
    /// Reads the fact; `None` for a kind this build does not know.
    ///
    /// **Errors**: VALIDATION_FAILED when it has another shape than expected.
    pub fn fact(&self) -> Result<Option<Fact>, ErrorBody> {
        read_fact(&self.frame)
    }
}

/// One thing the server said.
#[derive(Debug)]
pub enum Inbound {
    /// An event of a topic that was subscribed to.
    Event(Event),
    /// A fact about a joined project, or about what this connection did.
    Fact(Incoming),
    /// Something to do, for a runner.
    Order(Order),
    /// The reply to a request that asked for it here.
    #[doc(hidden)]
    Reply(u64, Result<Box<RawValue>, ErrorBody>),
}

/// Something the server wants done.
#[derive(Debug)]
pub struct Order {
    /// What, such as `runner_execute`.
    pub name: String,
    /// The project it is about.
    pub project_id: Option<ProjectId>,
    /// The rest.
    pub data: Box<RawValue>,
    /// Takes the reply.
    pub responder: Responder,
}

/// Sends the reply to one order. Dropped without a reply, nothing is sent.
#[derive(Debug)]
pub struct Responder {
    outlet: Outlet,
    name: String,
    id: Option<CorrelationId>,
}

impl Responder {
    /// Whether a reply is expected.
    pub fn wanted(&self) -> bool {
        self.id.is_some()
    }

    /// Replies. Returns whether the frame was taken; it is not when the connection has ended.
    pub async fn reply(self, result: Result<Box<RawValue>, ErrorBody>) -> bool {
        let text = match &result {
            Ok(data) => wire::reply_frame(&self.name, self.id.as_ref(), None, data),
            Err(error) => wire::error_frame(self.id.as_ref(), error),
        };
        self.outlet.send(text).await
    }
}

/// A way to the socket that does not keep the connection open.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    pub(super) outbound: mpsc::WeakSender<Outbound>,
    pub(super) room: Arc<Semaphore>,
    pub(super) room_bytes: u32,
}

impl Outlet {
    async fn send(&self, text: String) -> bool {
        let Some(outbound) = self.outbound.upgrade() else { return false };
        let bytes = share(text.len(), self.room_bytes);
        match self.room.clone().acquire_many_owned(bytes).await {
            Ok(room) => outbound.send(Outbound { text, _room: room }).await.is_ok(),
            Err(_) => false,
        }
    }
}

/// What came in on a connection, in order. Ends with the connection; dropped, it discards.
///
/// The socket is read no further while the inbox is full: do not wait for a reply in the loop
/// that empties it.
#[derive(Debug)]
pub struct Inbox(mpsc::Receiver<Inbound>);

impl Inbox {
    pub(super) fn new(receiver: mpsc::Receiver<Inbound>) -> Self {
        Self(receiver)
    }

    /// The next thing the server said; `None` when the connection has ended.
    ///
    /// **Cancel safety**: nothing is lost.
    pub async fn next(&mut self) -> Option<Inbound> {
        self.0.recv().await
    }
}

/// Sorts a frame that answers no request.
pub(super) fn sort(frame: Incoming, outlet: &Outlet) -> Option<Inbound> {
    if frame.kind == "event" {
        return event(&frame).map(Inbound::Event);
    }
    if crate::fact::NAMES.contains(&frame.kind.as_str()) {
        return Some(Inbound::Fact(frame));
    }
    if frame.kind == "error" {
        match frame.data::<ErrorBody>() {
            Ok(error) => tracing::warn!(code = %error.code, "refused: {}", error.message),
            Err(_) => tracing::warn!("an error frame that can't be read"),
        }
        return None;
    }
    let data = frame.data.unwrap_or_else(|| {
        RawValue::from_string("{}".to_owned()).expect("an empty object is valid JSON")
    });
    let responder = Responder { outlet: outlet.clone(), name: frame.kind.clone(), id: frame.id };
    Some(Inbound::Order(Order { name: frame.kind, project_id: frame.project_id, data, responder }))
}

fn event(frame: &Incoming) -> Option<Event> {
    let Ok(inner) = frame.data::<Incoming>() else {
        tracing::warn!("an event without a fact");
        return None;
    };
    let topic = frame.topic?;
    let at = frame.at.unwrap_or_else(Timestamp::now);
    Some(Event { topic, seq: frame.seq, at, frame: inner })
}
