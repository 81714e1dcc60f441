//! Requests about what devices are for: their labels and their rank when work is placed.

use serde::{Deserialize, Serialize};

use crate::DeviceId;

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
