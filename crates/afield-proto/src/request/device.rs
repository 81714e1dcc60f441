//! Devices and runners: who is there, and what each may do.

use crate::device::{Device, DeviceKind, Scopes};
use crate::fact::RunnerState;
use crate::{DeviceId, Timestamp};
use serde::{Deserialize, Serialize};

shape! {
    /// `device_create`
    DeviceCreate {
        /// A name for lists.
        name: String,
        /// What it is; `cli` when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<DeviceKind>,
        /// What it may do; never more than its maker.
        #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::device::Scope>"), ts(as = "Vec<crate::device::Scope>"))]
        scopes: Scopes,
        /// When its credential ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    }
    /// Reply to `device_create`.
    DeviceCreateReply {
        /// The device.
        device: Device,
        /// Its credential. Shown once, here.
        token: String,
    }
    /// `device_list`
    DeviceList {}
    /// Reply to `device_list`.
    DeviceListReply {
        /// The devices, oldest first.
        devices: Vec<Device>,
    }
    /// `device_revoke`
    DeviceRevoke {
        /// Which.
        device_id: DeviceId,
    }
    /// `device_revoke_others`: the asking device and the server's console stay.
    DeviceRevokeOthers {
        /// Runners too.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
        runners: bool,
    }
    /// `device_forget`
    DeviceForget {
        /// Which.
        device_id: DeviceId,
    }
    /// `device_set_scopes`
    DeviceSetScopes {
        /// Which.
        device_id: DeviceId,
        /// What it may do from now on; never more than the one who says so.
        #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::device::Scope>"), ts(as = "Vec<crate::device::Scope>"))]
        scopes: Scopes,
        /// What whoever asks saw that it may do: refused when it may do something else by now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<crate::device::Scope>>"), ts(as = "Option<Vec<crate::device::Scope>>"))]
        base_scopes: Option<Scopes>,
    }
    /// `device_rename`
    DeviceRename {
        /// Which.
        device_id: DeviceId,
        /// Its new name.
        name: String,
    }
    /// `runner_sleep`
    RunnerSleep {}
    /// `runner_list`
    RunnerList {}
    /// Reply to `runner_list`.
    RunnerListReply {
        /// The runners, oldest first.
        runners: Vec<RunnerState>,
    }
}
