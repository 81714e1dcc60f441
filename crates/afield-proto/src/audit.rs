//! The audit log: who was let in, what was allowed, what started and ended, who guessed.
//!
//! An entry is stored as the JSON of [`AuditEntry`] and chained: its hash covers the hash before it.

use serde::{Deserialize, Serialize};

use crate::agent::AgentKind;
use crate::approval::{ApprovalState, PermissionRule};
use crate::command::OutcomeKind;
use crate::device::{DeviceKind, Scopes};
use crate::{ApprovalId, CommandId, DeviceId, PairingId, ProjectId, Timestamp};

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct AuditEntry {
    /// 1, 2, 3, … within the org, without gaps.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The device that did it; absent when the server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub by: Option<DeviceId>,
    /// What.
    pub what: Audited,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Audited {
    /// A device with a token was made.
    DeviceCreated {
        /// Which.
        device_id: DeviceId,
        /// Its name.
        name: String,
        /// What it is.
        kind: DeviceKind,
        /// What it may do.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "Vec<crate::device::Scope>"),
            ts(as = "Vec<crate::device::Scope>")
        )]
        scopes: Scopes,
    },
    /// A link was made: a pairing that is approved beforehand.
    LinkCreated {
        /// Which pairing it is; absent in entries of links that were none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        pairing_id: Option<PairingId>,
        /// What a device that uses it may do.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "Vec<crate::device::Scope>"),
            ts(as = "Vec<crate::device::Scope>")
        )]
        scopes: Scopes,
    },
    /// A browser signed in with a link that was no pairing. Not written any more; logs have it.
    LinkRedeemed {
        /// The device it became.
        device_id: DeviceId,
        /// Its name.
        name: String,
    },
    /// A pairing was started.
    PairingStarted {
        /// Which.
        pairing_id: PairingId,
        /// What the new device may do.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "Vec<crate::device::Scope>"),
            ts(as = "Vec<crate::device::Scope>")
        )]
        scopes: Scopes,
    },
    /// A device came with the code or the secret.
    PairingClaimed {
        /// Which.
        pairing_id: PairingId,
        /// The name it gives itself.
        name: String,
        /// From where.
        address: String,
        /// SHA-256 of its key, in hexadecimal.
        key_sha256: String,
    },
    /// A device was let in.
    DevicePaired {
        /// Which pairing.
        pairing_id: PairingId,
        /// The device.
        device_id: DeviceId,
        /// Its name.
        name: String,
        /// What it is.
        kind: DeviceKind,
        /// What it may do.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "Vec<crate::device::Scope>"),
            ts(as = "Vec<crate::device::Scope>")
        )]
        scopes: Scopes,
        /// It was known before.
        again: bool,
    },
    /// A device was not let in.
    PairingRefused {
        /// Which.
        pairing_id: PairingId,
    },
    /// Too many wrong codes: a pairing can't be used any more.
    PairingLocked {
        /// Which.
        pairing_id: PairingId,
        /// From where the last wrong one came.
        address: String,
    },
    /// What a device may do was changed.
    ScopesChanged {
        /// Which.
        device_id: DeviceId,
        /// What it could do.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "Vec<crate::device::Scope>"),
            ts(as = "Vec<crate::device::Scope>")
        )]
        before: Scopes,
        /// What it can do now.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "Vec<crate::device::Scope>"),
            ts(as = "Vec<crate::device::Scope>")
        )]
        after: Scopes,
    },
    /// A device has another name.
    DeviceRenamed {
        /// Which.
        device_id: DeviceId,
        /// The new name.
        name: String,
    },
    /// A device has other labels, or another rank when work is placed.
    DeviceLabelled {
        /// Which.
        device_id: DeviceId,
        /// Its labels now.
        labels: Vec<String>,
        /// Its rank now.
        priority: i32,
    },
    /// A device was thrown out.
    DeviceRevoked {
        /// Which.
        device_id: DeviceId,
        /// It is not shown any more.
        forgotten: bool,
    },
    /// An approval was answered.
    ApprovalAnswered {
        /// Which.
        approval_id: ApprovalId,
        /// Of which command.
        command_id: CommandId,
        /// Allowed or denied.
        state: ApprovalState,
        /// What it was about.
        tool: String,
        /// SHA-256, in hexadecimal, of what was approved: the JSON of `input` exactly as the
        /// runner asked.
        input_sha256: String,
        /// From a notification, with its token.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "schema", ts(as = "Option<bool>", optional))]
        one_tap: bool,
        /// The rules that hold from then on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "schema", ts(as = "Option<Vec<PermissionRule>>", optional))]
        rules: Vec<PermissionRule>,
    },
    /// Work started.
    WorkStarted {
        /// Which command.
        command_id: CommandId,
        /// In which project.
        project_id: ProjectId,
        /// On which runner.
        runner_id: DeviceId,
        /// Which attempt.
        attempt: u32,
        /// With which agent.
        agent: AgentKind,
    },
    /// Work ended.
    WorkEnded {
        /// Which command.
        command_id: CommandId,
        /// Which attempt.
        attempt: u32,
        /// How.
        outcome: OutcomeKind,
        /// How many processes were stopped.
        killed: u64,
    },
    /// Somebody guessed until a limit stopped it.
    LimitHit {
        /// The limit.
        limit: String,
        /// From where; absent when it is a limit in all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(optional))]
        address: Option<String>,
    },
}

impl Audited {
    /// The word on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DeviceCreated { .. } => "device_created",
            Self::LinkCreated { .. } => "link_created",
            Self::LinkRedeemed { .. } => "link_redeemed",
            Self::PairingStarted { .. } => "pairing_started",
            Self::PairingClaimed { .. } => "pairing_claimed",
            Self::DevicePaired { .. } => "device_paired",
            Self::PairingRefused { .. } => "pairing_refused",
            Self::PairingLocked { .. } => "pairing_locked",
            Self::ScopesChanged { .. } => "scopes_changed",
            Self::DeviceRenamed { .. } => "device_renamed",
            Self::DeviceLabelled { .. } => "device_labelled",
            Self::DeviceRevoked { .. } => "device_revoked",
            Self::ApprovalAnswered { .. } => "approval_answered",
            Self::WorkStarted { .. } => "work_started",
            Self::WorkEnded { .. } => "work_ended",
            Self::LimitHit { .. } => "limit_hit",
        }
    }
}

/// An entry with its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct AuditRecord {
    /// The entry.
    pub entry: AuditEntry,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

/// What checking the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct AuditCheck {
    /// Entries that are as they were written, from the first on.
    pub entries: u64,
    /// Hash of the last of them, in hexadecimal. Kept elsewhere, it shows later that nothing up to
    /// here was changed or cut off.
    pub hash: String,
    /// What is wrong behind them; absent when the chain is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub broken: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_word_on_the_wire() {
        let what = Audited::LimitHit { limit: "auth_failures".into(), address: None };
        let json = serde_json::to_value(&what).unwrap();
        assert_eq!(json, serde_json::json!({ "action": what.name(), "limit": "auth_failures" }));
    }
}
