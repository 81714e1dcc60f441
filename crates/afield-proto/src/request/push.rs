//! Web Push: subscribing, what is told, and what became of it.

use crate::push::{PushDelivery, PushKeys, PushSettings};
use serde::{Deserialize, Serialize};

shape! {
    /// `push_key`
    PushKey {}
    /// Reply to `push_key`.
    PushKeyReply {
        /// The server's public key, which a browser subscribes with (base64url).
        public_key: String,
    }
    /// `push_subscribe`
    PushSubscribe {
        /// The address the browser's push service gave it.
        endpoint: String,
        /// The keys that go with it.
        keys: PushKeys,
        /// What the device wants to be told; what it was, when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settings: Option<PushSettings>,
    }
    /// `push_unsubscribe`
    PushUnsubscribe {}
    /// `push_settings`
    PushSettingsAsk {
        /// What the device wants to be told from now on; when left out, this only asks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settings: Option<PushSettings>,
    }
    /// `push_test`
    PushTest {}
    /// `push_log`
    PushLog {
        /// At most so many; 100 are kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
    /// Reply to `push_log`.
    PushLogReply {
        /// What was sent to this device, newest first.
        deliveries: Vec<PushDelivery>,
    }
    /// `device_looking`
    DeviceLooking {
        /// Whether somebody sees the screen behind this connection.
        visible: bool,
    }
}
