//! Requests about what devices are for: their labels and their rank when work is placed.

use serde::{Deserialize, Serialize};

use crate::device::MessageState;
use crate::{DeviceId, ErrorBody, MessageId};

shape! {
    /// `device_label`: what is given is changed.
    DeviceLabel {
        /// Which device.
        device_id: DeviceId,
        /// Its labels, all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        labels: Option<Vec<String>>,
        /// The labels whoever asks saw: refused when it has others by now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_labels: Option<Vec<String>>,
        /// Its rank among others when work is placed by order: greater is asked first. 0 is usual.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        priority: Option<i32>,
    }
    /// `device_broadcast`: to every other device of the person but runners, each as a message of its own.
    DeviceBroadcast {
        /// What it says: any JSON of at most 16 KiB.
        #[cfg_attr(feature = "schema", ts(type = "unknown"))]
        body: serde_json::Value,
        /// Keep it for those who do not listen.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
        hold: bool,
        /// How long it is kept, in milliseconds; a day when left out, seven days at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_in_ms: Option<u64>,
        /// Makes a repetition harmless: with the same id each device gets the same message, under an
        /// id of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<MessageId>,
    }
    /// Reply to `device_broadcast`.
    DeviceBroadcastReply {
        /// What became of it, device by device, oldest first.
        receivers: Vec<Receiver>,
    }
    /// What became of a message to one of many.
    Receiver {
        /// The device.
        to: DeviceId,
        /// Its name.
        name: String,
        /// The message to it.
        id: MessageId,
        /// How far it is; absent when it did not get there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<MessageState>,
        /// Why it did not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ErrorBody>,
    }
}
