//! Requests in flight, by the id they were sent with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use afield_proto::error::{ErrorBody, ErrorCode};
use afield_proto::wire::{CorrelationId, Incoming, too_large};
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
    /// Bytes of its frame, once that is made: the refusal of one that is too large names no id.
    bytes: usize,
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

    /// Notes how large the frame is.
    pub(super) fn has_bytes(&self, bytes: usize) {
        if let Some(waiter) = self.waiting.lock().waiters.get_mut(&self.number) {
            waiter.bytes = bytes;
        }
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
        let number = self.insert(Waiter { name, bytes: 0, to: To::Caller(sender) })?;
        Some((Ticket { waiting: self.clone(), number }, receiver))
    }

    /// A place for one reply that goes into the inbox.
    pub(super) fn expect_in_inbox(&self, name: &'static str, token: u64) -> Option<CorrelationId> {
        self.insert(Waiter { name, bytes: 0, to: To::Inbox(token) }).map(id_of)
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
            let refused = bytes_max(&frame).is_some_and(|max| self.refuse_larger(max));
            return if refused { Found::Delivered } else { Found::Nobody(frame) };
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

    /// Ends the waits of callers whose frames have more bytes: the server did not read them, and
    /// never will. Returns whether there were any.
    pub(super) fn refuse_larger(&self, bytes_max: usize) -> bool {
        let is_larger = |_: &u64, waiter: &mut Waiter| waiter.bytes > bytes_max;
        let larger: Vec<_> = self.lock().waiters.extract_if(is_larger).collect();
        let any = !larger.is_empty();
        for (_, waiter) in larger {
            if let To::Caller(sender) = waiter.to {
                // The caller may have given up meanwhile.
                let _ = sender.send(Err(too_large(waiter.bytes, bytes_max)));
            }
        }
        any
    }

    /// Ends every wait, and those to come.
    pub(super) fn close(&self) {
        let mut table = self.lock();
        table.closed = true;
        table.waiters.clear();
    }
}

/// The limit in a refusal of a frame that was too large to be read, its id included.
fn bytes_max(frame: &Incoming) -> Option<usize> {
    if frame.kind != "error" || frame.id.is_some() {
        return None;
    }
    let error: ErrorBody = frame.data().ok()?;
    let limit = error.details.filter(|_| error.code == ErrorCode::MessageTooLarge)?;
    usize::try_from(limit.get("value")?.as_u64()?).ok()
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
