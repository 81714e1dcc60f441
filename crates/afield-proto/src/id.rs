//! Identifiers: one newtype per kind of thing, all UUIDv7, so that ids sort by age.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A string that is no id of the kind asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text:?} is no {kind} id (a UUID is expected)")]
pub struct IdError {
    kind: &'static str,
    text: String,
}

macro_rules! id {
    ($name:ident, $kind:literal, $doc:literal) => {
        #[doc = $doc]
        ///
        /// **Shape**: a UUIDv7, 36 characters with hyphens on the wire and in storage.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id of this moment.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The UUID inside.
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let uuid = Uuid::parse_str(text)
                    .map_err(|_| IdError { kind: $kind, text: text.chars().take(64).collect() })?;
                Ok(Self(uuid))
            }
        }
    };
}

id!(OrgId, "org", "A tenant. Every row belongs to one.");
id!(UserId, "user", "A person.");
id!(DeviceId, "device", "Anything paired: phone, browser, CLI, editor, runner.");
id!(ProjectId, "project", "A directory on a runner, with settings and a log.");
id!(SessionId, "session", "One conversation with an agent in a project (Afield's own, stable id).");
id!(CommandId, "command", "A durable unit of work.");
id!(PairingId, "pairing", "One way for one new device to become part of an org.");
id!(
    ReplicaId,
    "replica",
    "One copy of the shared state: a screen, a browser tab, a program. A device may have several."
);
id!(MessageId, "message", "A message from device to device.");
id!(ApprovalId, "approval", "A question that waits for a person.");
id!(
    RequestId,
    "request",
    "Follows one request through server, runner and agent, and through the logs."
);
