//! Hand-off: which screen a person is at, and what it shows.

use serde::{Deserialize, Serialize};

use crate::state::StateKey;
use crate::{ApprovalId, DeviceId, ProjectId, ReplicaId, SessionId, Timestamp};

/// What a screen shows: a few pointers. What they point at every screen has already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct Focus {
    /// The project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The position: number of the last event that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The register of the text being typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"), ts(as = "Option<String>"))]
    pub draft: Option<StateKey>,
    /// The question that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<ApprovalId>,
}

/// The screen that holds the focus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Holder {
    /// Its device.
    pub device_id: DeviceId,
    /// The device's name then.
    pub device_name: String,
    /// Which screen of the device; chosen by it.
    pub screen: ReplicaId,
}

/// Where a person's focus is. At most one screen holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct Handoff {
    /// Grows with every change of the holder. Who takes the focus names it.
    pub version: u64,
    /// Who holds it; nobody after the holder's connection has been gone for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// The device the holder asks to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered_to: Option<DeviceId>,
    /// What the holder shows, or showed last.
    pub focus: Focus,
    /// Since when the holder is who it is.
    pub since: Timestamp,
}
