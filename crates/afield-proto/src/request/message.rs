//! Messages between devices, and who is present.

use crate::device::DevicePresence;
use crate::{DeviceId, MessageId, Topic};
use serde::{Deserialize, Serialize};

shape! {
    /// `device_message`
    DeviceMessageSend {
        /// The receiver, a device of the same org.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<DeviceId>,
        /// Instead of `to`: whichever runner this is true of; one that listens before others, then
        /// the least busy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        selector: Option<String>,
        /// What it says: any JSON of at most 16 KiB.
        #[cfg_attr(feature = "schema", ts(type = "unknown"))]
        body: serde_json::Value,
        /// Keep it while the receiver does not listen. Without this it is refused then.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
        hold: bool,
        /// How long it is kept, in milliseconds; a day when left out, seven days at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_in_ms: Option<u64>,
        /// Makes a repetition harmless: the same id is the same message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<MessageId>,
    }
    /// `device_inbox`
    DeviceInbox {}
    /// `device_message_ack`
    DeviceMessageAck {
        /// Which message.
        message_id: MessageId,
    }
    /// `device_presence`
    DevicePresenceAsk {}
    /// Reply to `device_presence`.
    DevicePresenceReply {
        /// The devices, oldest first.
        devices: Vec<DevicePresence>,
        /// Changes are told here as `device_presence`.
        #[cfg_attr(feature = "schema", ts(type = "string"))]
        topic: Topic,
    }
}
