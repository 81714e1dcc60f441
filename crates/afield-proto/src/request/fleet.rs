//! Requests about what devices are for: their labels and their rank when work is placed.

use serde::{Deserialize, Serialize};

use crate::device::MessageState;
use crate::{DeviceId, ErrorBody, MessageId, ProjectId, SessionId};

/// `device_label`: what is given is changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct DeviceLabel {
    /// Which device.
    pub device_id: DeviceId,
    /// Its labels, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Its rank among others when work is placed by order: greater is asked first. 0 is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
}

/// `session_move`: a conversation goes on in another project, if its repository is the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct SessionMove {
    /// Which.
    pub session_id: SessionId,
    /// The project it goes on in, on whatever runner.
    pub to: ProjectId,
}

/// Reply to `session_move`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct SessionMoveReply {
    /// Which.
    pub session_id: SessionId,
    /// The project it was in.
    pub from: ProjectId,
    /// The project the next prompt continues it in.
    pub to: ProjectId,
    /// The commit both are at.
    pub commit: String,
}

/// `device_broadcast`: to every other device of the person but runners, each as a message of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct DeviceBroadcast {
    /// What it says: any JSON of at most 16 KiB.
    #[cfg_attr(feature = "schema", ts(type = "unknown"))]
    pub body: serde_json::Value,
    /// Keep it for those who do not listen.
    #[serde(default)]
    #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
    pub hold: bool,
    /// How long it is kept, in milliseconds; a day when left out, seven days at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
}

/// Reply to `device_broadcast`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct DeviceBroadcastReply {
    /// What became of it, device by device, oldest first.
    pub receivers: Vec<Receiver>,
}

/// What became of a message to one of many.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct Receiver {
    /// The device.
    pub to: DeviceId,
    /// Its name.
    pub name: String,
    /// The message to it.
    pub id: MessageId,
    /// How far it is; absent when it did not get there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MessageState>,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}
