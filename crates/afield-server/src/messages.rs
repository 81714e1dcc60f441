//! Messages from device to device: handed to the connection on which the receiver listens, and
//! acknowledged by it; held on disk while nobody listens, when the sender asks for that.
//!
//! What is held goes out one at a time: the next follows on the acknowledgement of the one before,
//! so that a receiver is never flooded, and sees them in order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use afield_proto::device::{Device, DeviceKind, DeviceMessage, MessageState, MessageStatus, Scope};
use afield_proto::fact::Fact;
use afield_proto::limits::{DEVICE_MESSAGE_BYTES_MAX, HELD_FOR_DEFAULT, HELD_FOR_MAX};
use afield_proto::request::{
    DeviceBroadcast, DeviceBroadcastReply, DeviceMessageAck, DeviceMessageSend, Empty, Receiver,
};
use afield_proto::{DeviceId, ErrorBody, ErrorCode, MessageId, OrgId, Timestamp, wire};
use afield_store::HoldMessage;
use futures::future::join_all;
use tokio::sync::oneshot;

use crate::auth::key::sha256;
use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::routing;
use crate::socket::conn::{Actor, Conn};

/// How long a receiver that listens may take to acknowledge.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// Who listens, and who waits for an acknowledgement.
#[derive(Default)]
pub(crate) struct Mail {
    inboxes: Mutex<HashMap<DeviceId, Inbox>>,
    senders: Mutex<Senders>,
}

/// Who waits for the acknowledgement of a message by its receiver.
type Senders = HashMap<(DeviceId, MessageId), Vec<oneshot::Sender<()>>>;

/// A device that listens.
#[derive(Default)]
struct Inbox {
    /// Its connections, the newest last: that one receives.
    conns: Vec<Arc<Conn>>,
    /// The held message that was sent and is not acknowledged.
    sent: Option<MessageId>,
    /// The store is being asked for the next.
    asking: bool,
    /// Something changed since it was asked.
    again: bool,
}

impl Mail {
    fn inboxes(&self) -> MutexGuard<'_, HashMap<DeviceId, Inbox>> {
        self.inboxes.lock().expect("nothing panics while it holds the inboxes")
    }

    fn senders(&self) -> MutexGuard<'_, Senders> {
        self.senders.lock().expect("nothing panics while it holds the senders")
    }

    fn listener(&self, device: DeviceId) -> Option<Arc<Conn>> {
        self.inboxes().get(&device).and_then(|inbox| inbox.conns.last().cloned())
    }

    fn expect(&self, to: DeviceId, id: MessageId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.senders().entry((to, id)).or_default().push(sender);
        receiver
    }

    fn acknowledged(&self, to: DeviceId, id: MessageId) {
        for sender in self.senders().remove(&(to, id)).into_iter().flatten() {
            // Who asked may have given up.
            let _ = sender.send(());
        }
    }

    /// Nobody waits for that any more.
    fn forget(&self, to: DeviceId, id: MessageId) {
        let mut senders = self.senders();
        if let Some(waiting) = senders.get_mut(&(to, id)) {
            waiting.retain(|sender| !sender.is_closed());
            if waiting.is_empty() {
                senders.remove(&(to, id));
            }
        }
    }

    /// Whether the store is to be asked for the next message of a device, now.
    fn begin(&self, device: DeviceId) -> bool {
        let mut inboxes = self.inboxes();
        let Some(inbox) = inboxes.get_mut(&device) else { return false };
        inbox.again = inbox.asking;
        let begins = !inbox.asking && inbox.sent.is_none() && !inbox.conns.is_empty();
        inbox.asking |= begins;
        begins
    }

    /// The store was asked. Whether it is to be asked again.
    fn found(&self, device: DeviceId, next: Option<&DeviceMessage>) -> bool {
        let mut inboxes = self.inboxes();
        let Some(inbox) = inboxes.get_mut(&device) else { return false };
        if let (Some(message), Some(conn)) = (next, inbox.conns.last()) {
            send(conn, message);
            inbox.sent = Some(message.id);
        }
        inbox.asking = std::mem::take(&mut inbox.again) && inbox.sent.is_none();
        inbox.asking
    }
}

fn send(conn: &Conn, message: &DeviceMessage) {
    let body = wire::fact_body(None, &Fact::DeviceMessage(message.clone()));
    conn.reply(&wire::fact_frame(&body, None, message.sent_at).concat());
}

/// `device_inbox`: this connection receives its device's messages from now on, those held first.
pub(crate) fn listen(core: &Arc<Core>, conn: &Arc<Conn>) -> Empty {
    let device = conn.actor().device;
    {
        let mut inboxes = core.mail.inboxes();
        let inbox = inboxes.entry(device).or_default();
        inbox.conns.retain(|other| other.id() != conn.id());
        inbox.conns.push(Arc::clone(conn));
        // What went to another connection of the device may be lost: it is known by its id.
        inbox.sent = None;
    }
    if conn.outbox().is_shut() {
        // It ended before it listened.
        left(core, conn);
    }
    tokio::spawn(deliver(Arc::clone(core), conn.actor().org, device));
    Empty {}
}

/// A connection ended; another one of the device that listens goes on.
pub(crate) fn left(core: &Arc<Core>, conn: &Conn) {
    let device = conn.actor().device;
    let goes_on = {
        let mut inboxes = core.mail.inboxes();
        let Some(inbox) = inboxes.get_mut(&device) else { return };
        let received = inbox.conns.last().is_some_and(|last| last.id() == conn.id());
        inbox.conns.retain(|other| other.id() != conn.id());
        if received {
            inbox.sent = None;
        }
        let goes_on = !inbox.conns.is_empty();
        if !goes_on {
            inboxes.remove(&device);
        }
        goes_on
    };
    if goes_on {
        tokio::spawn(deliver(Arc::clone(core), conn.actor().org, device));
    }
}

/// Sends the oldest held message, unless one is under way.
async fn deliver(core: Arc<Core>, org: OrgId, device: DeviceId) {
    let mut asks = core.mail.begin(device);
    while asks {
        let next = core.store.next_held_message(org, device, Timestamp::now()).await;
        let next = next.unwrap_or_else(|error| {
            tracing::error!(%error, %device, "can't read what is held for a device");
            None
        });
        asks = core.mail.found(device, next.as_ref());
    }
}

/// `device_message`
///
/// **Errors**: NOT_FOUND when no runner fits the selector.
pub(crate) async fn message(
    core: &Arc<Core>,
    actor: &Actor,
    ask: DeviceMessageSend,
) -> Result<MessageStatus, ErrorBody> {
    let to = match (ask.to, &ask.selector) {
        (Some(to), None) => to,
        (None, Some(selector)) => {
            let listens = |id| core.mail.listener(id).is_some();
            routing::best_runner(core, actor.org, selector, listens).await?
        }
        _ => return Err(invalid("name the receiver: to, or a selector over runners")),
    };
    send_to(core, actor, to, ask).await
}

/// `device_broadcast`
pub(crate) async fn broadcast(
    core: &Arc<Core>,
    actor: &Actor,
    ask: DeviceBroadcast,
) -> Result<DeviceBroadcastReply, ErrorBody> {
    let others = core.store.devices_of(actor.org, actor.user).await.map_err(from_store)?;
    let others = others.into_iter().filter(|device| {
        let other = device.id != actor.device && device.kind != DeviceKind::Runner;
        other && device.revoked_at.is_none()
    });
    let sent = others.map(|device| broadcast_to(core, actor, device, &ask));
    let receivers = join_all(sent).await;
    // What is refused for its own sake is refused as a whole.
    let refused = receivers.iter().find_map(|receiver| receiver.error.clone());
    match refused.filter(|error| error.code != ErrorCode::DeviceOffline) {
        Some(error) if receivers.iter().all(|receiver| receiver.state.is_none()) => Err(error),
        _ => Ok(DeviceBroadcastReply { receivers }),
    }
}

async fn broadcast_to(
    core: &Arc<Core>,
    actor: &Actor,
    device: Device,
    ask: &DeviceBroadcast,
) -> Receiver {
    let DeviceBroadcast { body, hold, expires_in_ms, message_id } = ask.clone();
    let to = device.id;
    let id = message_id.map_or_else(MessageId::generate, |all| copy_for(all, to));
    let message_id = Some(id);
    let ask =
        DeviceMessageSend { to: Some(to), selector: None, body, hold, expires_in_ms, message_id };
    let (state, error) = match send_to(core, actor, to, ask).await {
        Ok(status) => (Some(status.state), None),
        Err(error) => (None, Some(error)),
    };
    Receiver { to, name: device.name, id, state, error }
}

/// The id of what one of many gets of a broadcast: the same for a repetition.
fn copy_for(all: MessageId, to: DeviceId) -> MessageId {
    let named = [*all.uuid().as_bytes(), *to.uuid().as_bytes()].concat();
    let hash = sha256(&named);
    let bytes = hash.first_chunk().expect("SHA-256 has more than 16 bytes");
    uuid::Builder::from_custom_bytes(*bytes).into_uuid().into()
}

async fn send_to(
    core: &Arc<Core>,
    actor: &Actor,
    to: DeviceId,
    ask: DeviceMessageSend,
) -> Result<MessageStatus, ErrorBody> {
    if !actor.scopes.has(Scope::Runner) {
        actor.require(Scope::Prompt)?;
    }
    check_body(&ask.body)?;
    let message = DeviceMessage {
        id: ask.message_id.unwrap_or_else(MessageId::generate),
        from: actor.device,
        from_name: actor.device_name.clone(),
        body: ask.body,
        sent_at: Timestamp::now(),
    };
    let id = message.id;
    let acknowledged = core.mail.expect(to, id);
    let sent = match ask.hold {
        true => {
            let held_for = ask.expires_in_ms.map_or(HELD_FOR_DEFAULT, Duration::from_millis);
            hold(core, actor, to, message, held_for).await
        }
        false => hand_over(core, actor, to, &message).await,
    };
    let state = match sent {
        Ok(MessageState::Held) => wait(core, to, ask.hold, acknowledged).await,
        Ok(MessageState::Delivered) | Err(_) => {
            drop(acknowledged);
            sent
        }
    };
    core.mail.forget(to, id);
    state.map(|state| MessageStatus { id, to, state })
}

/// Waits for the acknowledgement of a receiver that listens.
async fn wait(
    core: &Core,
    to: DeviceId,
    is_held: bool,
    acknowledged: oneshot::Receiver<()>,
) -> Result<MessageState, ErrorBody> {
    let listens = core.mail.listener(to).is_some();
    let patience = if listens { ACK_TIMEOUT } else { Duration::ZERO };
    match tokio::time::timeout(patience, acknowledged).await {
        Ok(Ok(())) => Ok(MessageState::Delivered),
        _ if is_held => Ok(MessageState::Held),
        _ => Err(offline("did not acknowledge the message in time")),
    }
}

fn check_body(body: &serde_json::Value) -> Result<(), ErrorBody> {
    let bytes = body.to_string().len();
    if bytes <= DEVICE_MESSAGE_BYTES_MAX {
        return Ok(());
    }
    let limit = DEVICE_MESSAGE_BYTES_MAX;
    let message = format!(
        "the body has {bytes} bytes; at most {limit} are taken (limit device_message_bytes)"
    );
    let details = serde_json::json!({ "limit": "device_message_bytes", "value": limit });
    Err(ErrorBody::new(ErrorCode::MessageTooLarge, message).with_details(details))
}

async fn hold(
    core: &Arc<Core>,
    actor: &Actor,
    to: DeviceId,
    message: DeviceMessage,
    held_for: Duration,
) -> Result<MessageState, ErrorBody> {
    if held_for.is_zero() || held_for > HELD_FOR_MAX {
        return Err(invalid("a message is held for 1 ms to 7 days (limit expires_in_ms)"));
    }
    let now = Timestamp::now();
    let hold = HoldMessage {
        org: actor.org,
        to,
        from_user: actor.user,
        message,
        expires_at: now.plus(held_for),
        limit: core.limits().held_messages,
    };
    let state = core.store.hold_message(hold, now).await.map_err(from_store)?;
    deliver(Arc::clone(core), actor.org, to).await;
    Ok(state)
}

/// Hands a message to the connection that listens; it is held nowhere else.
async fn hand_over(
    core: &Core,
    actor: &Actor,
    to: DeviceId,
    message: &DeviceMessage,
) -> Result<MessageState, ErrorBody> {
    match core.mail.listener(to).filter(|conn| conn.actor().org == actor.org) {
        Some(conn) => {
            send(&conn, message);
            Ok(MessageState::Held)
        }
        None => {
            let devices = core.store.devices(actor.org).await.map_err(from_store)?;
            match devices.iter().any(|device| device.id == to && device.revoked_at.is_none()) {
                true => Err(offline("does not listen")),
                false => Err(crate::error::not_found("device")),
            }
        }
    }
}

fn offline(what: &str) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::DeviceOffline,
        format!("the device {what}; send it with hold, and it is kept until it comes"),
    )
}

/// `device_message_ack`
pub(crate) async fn acknowledge(
    core: &Arc<Core>,
    actor: &Actor,
    ask: DeviceMessageAck,
) -> Result<Empty, ErrorBody> {
    let (org, device, id) = (actor.org, actor.device, ask.message_id);
    let was_held = core.store.message_delivered(org, device, id, Timestamp::now()).await;
    was_held.map_err(from_store)?;
    core.mail.acknowledged(device, id);
    if let Some(inbox) = core.mail.inboxes().get_mut(&device).filter(|inbox| inbox.sent == Some(id))
    {
        inbox.sent = None;
    }
    deliver(Arc::clone(core), org, device).await;
    Ok(Empty {})
}
