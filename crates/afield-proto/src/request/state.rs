//! What the devices of a person share.

use crate::state::{Hlc, StateKey, StateRegister, StateVerdict};
use crate::{DeviceId, Topic};
use serde::{Deserialize, Serialize};

shape! {
    /// `state_get`
    StateGet {
        /// Only this register.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<String>"), ts(as = "Option<String>"))]
        key: Option<StateKey>,
        /// Only what changed after this version, deleted registers too. All that exist when not
        /// given. A copy older than 90 days asks for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    }
    /// Reply to `state_get`.
    StateGetReply {
        /// The registers in the order they were changed.
        registers: Vec<StateRegister>,
        /// There are more: ask again after the last version.
        more: bool,
        /// Changes are told here as `state_changed`. Follow it first, then ask.
        #[cfg_attr(feature = "schema", ts(type = "string"))]
        topic: Topic,
        /// The device that asks: what it prefers is in `pref:device/<id>`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device_id: Option<DeviceId>,
    }
    /// `state_set`
    StateSet {
        /// Which register.
        #[cfg_attr(feature = "schema", schemars(with = "String"), ts(type = "string"))]
        key: StateKey,
        /// The version the writer knows; 0 for a register it knows to be new. A write that knows
        /// the present one replaces it; any other is merged by the class of the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_version: Option<u64>,
        /// What it shall hold; deletes when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(type = "unknown"))]
        value: Option<serde_json::Value>,
        /// When it was written; the server's present when left out. The same write sent again has
        /// the same, and is done once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hlc: Option<Hlc>,
    }
    /// Reply to `state_set`.
    StateSetReply {
        /// What became of it.
        verdict: StateVerdict,
        /// The register as it is now.
        register: StateRegister,
    }
}
