//! Messages from device to device that wait for their receiver: bounded, each delivered once.
//!
//! A message that was delivered stays until it would have expired, so that a repetition of it is
//! known.

use afield_proto::device::{DeviceMessage, MessageState, MessageStatus};
use afield_proto::fact::Fact;
use afield_proto::{DeviceId, MessageId, OrgId, Timestamp, UserId};

use crate::sql::{Row, params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

statements! {
    LOCK_RECEIVER = "SELECT id FROM devices WHERE org_id = ?1 AND id = ?2 AND revoked_at IS NULL \
        FOR UPDATE";
    SELECT_MESSAGE = "SELECT to_device, state, content FROM messages WHERE org_id = ?1 AND id = ?2";
    FORGET_EXPIRED = "DELETE FROM messages WHERE org_id = ?1 AND to_device = ?2 \
        AND expires_at <= ?3";
    COUNT_HELD = "SELECT COUNT(*) FROM messages WHERE org_id = ?1 AND to_device = ?2 \
        AND state = 'held'";
    INSERT_MESSAGE = "INSERT INTO messages (id, org_id, to_device, from_user, state, expires_at, \
        content) VALUES (?1, ?2, ?3, ?4, 'held', ?5, ?6)";
    NEXT_HELD = "SELECT content FROM messages WHERE org_id = ?1 AND to_device = ?2 AND state = 'held' \
        AND expires_at > ?3 ORDER BY number LIMIT 1";
    DELIVERED = "UPDATE messages SET state = 'delivered' \
        WHERE org_id = ?1 AND to_device = ?2 AND id = ?3 AND state = 'held' \
        RETURNING from_user";
}

/// A message to be held.
#[derive(Debug, Clone)]
pub struct HoldMessage {
    /// The org of both.
    pub org: OrgId,
    /// The receiver.
    pub to: DeviceId,
    /// Whose device sent it: is told when it arrives.
    pub from_user: UserId,
    /// What is delivered.
    pub message: DeviceMessage,
    /// Until when it waits.
    pub expires_at: Timestamp,
    /// Most messages that wait for one receiver.
    pub limit: u64,
}

impl Store {
    /// Holds a message for its receiver. A repetition gives the state of the first.
    ///
    /// **Errors**: [`Refusal::DeviceNotFound`]; [`Refusal::HeldMessages`];
    /// [`Refusal::MessageConflict`] when the id was used for another message.
    pub async fn hold_message(
        &self,
        hold: HoldMessage,
        now: Timestamp,
    ) -> Result<MessageState, Error> {
        self.write((hold, now), hold_message).await
    }

    /// The message that waits for a device the longest.
    pub async fn next_held_message(
        &self,
        org: OrgId,
        to: DeviceId,
        now: Timestamp,
    ) -> Result<Option<DeviceMessage>, Error> {
        self.look((org, to, now), next_held_message).await
    }

    /// A device has received a message. Whether it waited until now.
    pub async fn message_delivered(
        &self,
        org: OrgId,
        to: DeviceId,
        id: MessageId,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.write((org, to, id, now), message_delivered).await
    }
}

fn known(row: &Row<'_>) -> Result<(DeviceId, MessageState, DeviceMessage), Error> {
    Ok((row.id(0)?, row.word(1)?, row.json(2)?))
}

async fn hold_message(
    tx: &mut Tx,
    (hold, now): &(HoldMessage, Timestamp),
) -> Result<MessageState, Error> {
    let HoldMessage { org, to, from_user, message, expires_at, limit } = hold;
    let receiver = tx.opt(&LOCK_RECEIVER, params![org, to], |row| row.id::<DeviceId>(0)).await?;
    receiver.ok_or(Refusal::DeviceNotFound)?;
    tx.execute(&FORGET_EXPIRED, params![org, to, now]).await?;
    if let Some((receiver, state, first)) =
        tx.opt(&SELECT_MESSAGE, params![org, message.id], known).await?
    {
        let same = receiver == *to && first.from == message.from && first.body == message.body;
        return if same { Ok(state) } else { Err(Refusal::MessageConflict.into()) };
    }
    let held = tx.one(&COUNT_HELD, params![org, to], |row| row.count(0)).await?;
    if held >= *limit {
        return Err(Refusal::HeldMessages { limit: *limit }.into());
    }
    let content = to_json(message);
    let values = params![message.id, org, to, from_user, expires_at, content];
    tx.execute(&INSERT_MESSAGE, values).await?;
    Ok(MessageState::Held)
}

async fn next_held_message(
    tx: &mut Tx,
    (org, to, now): &(OrgId, DeviceId, Timestamp),
) -> Result<Option<DeviceMessage>, Error> {
    tx.opt(&NEXT_HELD, params![org, to, now], |row| row.json(0)).await
}

async fn message_delivered(
    tx: &mut Tx,
    (org, to, id, now): &(OrgId, DeviceId, MessageId, Timestamp),
) -> Result<bool, Error> {
    let from = tx.opt(&DELIVERED, params![org, to, id], |row| row.id::<UserId>(0)).await?;
    let Some(from) = from else { return Ok(false) };
    let status = MessageStatus { id: *id, to: *to, state: MessageState::Delivered };
    tx.tell_user(*org, from, &Fact::DeviceMessageState(status), *now);
    Ok(true)
}
