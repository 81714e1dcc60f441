//! Letting new devices in.

use crate::device::Scopes;
use crate::pairing::Pairing;
use crate::{PairingId, Timestamp};
use serde::{Deserialize, Serialize};

shape! {
    /// `device_link`
    DeviceLink {
        /// What the new device may do; what its maker may do when not given, never more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<crate::device::Scope>>"), ts(as = "Option<Vec<crate::device::Scope>>"))]
        scopes: Option<Scopes>,
    }
    /// Reply to `device_link`.
    DeviceLinkReply {
        /// The pairing it is.
        pairing_id: PairingId,
        /// The secret. Behind `#pair=` at the server's address it makes the link; it never goes
        /// into a query. Shown once, here.
        secret: String,
        /// SHA-256 of the server's key, in hexadecimal: the new device accepts no other server.
        server_fingerprint: String,
        /// When it ends.
        expires_at: Timestamp,
    }
    /// `device_pair_start`
    DevicePairStart {
        /// The name the new device will have; its own when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What it may do; never more than its maker. A runner has the scope `runner` alone.
        #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::device::Scope>"), ts(as = "Vec<crate::device::Scope>"))]
        scopes: Scopes,
    }
    /// Reply to `device_pair_start`.
    DevicePairStartReply {
        /// The pairing.
        pairing: Pairing,
        /// For the QR code. Shown once, here.
        secret: String,
        /// For typing. Shown once, here.
        code: String,
        /// SHA-256 of the server's key, in hexadecimal: the new device accepts no other server.
        server_fingerprint: String,
    }
    /// `device_pair_status`
    DevicePairStatus {
        /// Which.
        pairing_id: PairingId,
    }
    /// `device_pair_list`
    DevicePairList {}
    /// Reply to `device_pair_list`.
    DevicePairListReply {
        /// The pairings, oldest first.
        pairings: Vec<Pairing>,
    }
    /// `device_pair_decide`
    DevicePairDecide {
        /// Which.
        pairing_id: PairingId,
        /// Whether the device that came is let in.
        approve: bool,
        /// The two digits the new device shows; needed to let it in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<String>,
    }
}
