//! Requests in flight, by the id they were sent with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use afield_proto::error::ErrorBody;
use afield_proto::wire::{CorrelationId, Incoming};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

pub(super) type Reply = Result<Box<RawValue>, ErrorBody>;

/// Who waits for replies. Closed for good when the connection ends.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    closed: bool,
    waiters: HashMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    name: &'static str,
    to: To,
}

#[derive(Debug)]
enum To {
    Caller(oneshot::Sender<Reply>),
    Inbox(u64),
}

/// Whom a frame belongs to.
#[derive(Debug)]
pub(super) enum Found {
    /// It answers no request.
    Nobody(Incoming),
    /// The caller has it.
    Delivered,
    /// It belongs into the inbox, under this token.
    ForInbox(u64, Reply),
}

/// A place in the table, given up when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    waiting: Arc<Waiting>,
    number: u64,
}

impl Ticket {
    pub(super) fn id(&self) -> CorrelationId {
        id_of(self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiting.lock().waiters.remove(&self.number);
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one reply; `None` when the connection has ended.
    pub(super) fn expect_reply(
        self: &Arc<Self>,
        name: &'static str,
    ) -> Option<(Ticket, oneshot::Receiver<Reply>)> {
        let (sender, receiver) = oneshot::channel();
        let number = self.insert(Waiter { name, to: To::Caller(sender) })?;
        Some((Ticket { waiting: self.clone(), number }, receiver))
    }

    /// A place for one reply that goes into the inbox.
    pub(super) fn expect_in_inbox(&self, name: &'static str, token: u64) -> Option<CorrelationId> {
        self.insert(Waiter { name, to: To::Inbox(token) }).map(id_of)
    }

    fn insert(&self, waiter: Waiter) -> Option<u64> {
        let mut table = self.lock();
        if table.closed {
            return None;
        }
        table.next += 1;
        let number = table.next;
        table.waiters.insert(number, waiter);
        Some(number)
    }

    /// Hands a frame to the request it answers.
    pub(super) fn resolve(&self, frame: Incoming) -> Found {
        let Some(number) = frame.id.as_ref().and_then(number_of) else {
            return Found::Nobody(frame);
        };
        let mut table = self.lock();
        let fits = |waiter: &Waiter| frame.kind == "error" || frame.kind == waiter.name;
        if !table.waiters.get(&number).is_some_and(fits) {
            return Found::Nobody(frame);
        }
        let Some(waiter) = table.waiters.remove(&number) else { return Found::Nobody(frame) };
        let reply = read(frame);
        match waiter.to {
            To::Inbox(token) => Found::ForInbox(token, reply),
            To::Caller(sender) => {
                // The caller may have given up meanwhile.
                let _ = sender.send(reply);
                Found::Delivered
            }
        }
    }

    /// Ends every wait, and those to come.
    pub(super) fn close(&self) {
        let mut table = self.lock();
        table.closed = true;
        table.waiters.clear();
    }
}

fn read(frame: Incoming) -> Reply {
    if frame.kind == "error" {
        return Err(frame.data().unwrap_or_else(|broken| broken));
    }
    Ok(frame.data.unwrap_or_else(|| {
        RawValue::from_string("{}".to_owned()).expect("an empty object is valid JSON")
    }))
}

fn id_of(number: u64) -> CorrelationId {
    CorrelationId::Text(format!("c{number}"))
}

fn number_of(id: &CorrelationId) -> Option<u64> {
    match id {
        CorrelationId::Text(text) => text.strip_prefix('c')?.parse().ok(),
        CorrelationId::Number(_) => None,
    }
}
