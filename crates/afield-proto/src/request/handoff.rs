//! Which screen holds the focus.

use crate::handoff::Focus;
use crate::{DeviceId, ReplicaId};
use serde::{Deserialize, Serialize};

shape! {
    /// `handoff_get`
    HandoffGet {}
    /// `handoff_take`
    HandoffTake {
        /// The version this screen knows. When another has taken it since, this is refused with
        /// CONFLICT and the state as it is.
        from_version: u64,
        /// This screen, by an id of its own choice that it keeps: after its connection was lost it
        /// takes the focus again by the same.
        screen: ReplicaId,
        /// What it shows; what was shown before when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        focus: Option<Focus>,
    }
    /// `handoff_move`
    HandoffMove {
        /// The screen that holds the focus.
        screen: ReplicaId,
        /// What it shows now.
        focus: Focus,
    }
    /// `handoff_offer`
    HandoffOffer {
        /// The screen that holds the focus.
        screen: ReplicaId,
        /// The device that shall go on.
        to: DeviceId,
    }
    /// `handoff_release`
    HandoffRelease {
        /// The screen that holds the focus.
        screen: ReplicaId,
    }
}
