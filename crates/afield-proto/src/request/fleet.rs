//! Requests about what devices are for: their labels and their rank when work is placed.

use serde::{Deserialize, Serialize};

use crate::{DeviceId, ProjectId, SessionId};

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
