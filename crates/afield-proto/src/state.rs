//! Shared state: what a person's devices keep together, and how two writes of one thing become one.
//!
//! Preferences, pins, read markers and drafts are *registers* under a key. The server puts their
//! writes into one order; what a late write does to a register is decided by [`merge()`]. The rules
//! stand here because the server and every client must decide alike, and a client sees nothing of
//! the crates above.

mod clock;
mod key;
mod merge;
mod preference;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DeviceId, ErrorBody, ErrorCode, Timestamp};

pub use clock::{Clock, Hlc};
pub use key::{Class, KeyError, StateKey};
pub use merge::{Merged, Stored, Write, merge};
pub use preference::DevicePreference;

/// Longest value, in bytes of JSON. A draft is typed by a person; a page of text has 4 KiB.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Most texts a draft keeps side by side. A further one is refused, and stays with its device.
pub const DRAFT_TEXTS_MAX: usize = 8;
/// How far the clock of a write may be ahead of the server's, in milliseconds. A write from
/// further ahead counts as written when it came.
pub const AHEAD_MS_MAX: i64 = 60_000;

/// One register as every device sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct StateRegister {
    /// Its key.
    #[cfg_attr(feature = "schema", schemars(with = "String"), ts(type = "string"))]
    pub key: StateKey,
    /// Grows with every change of the person's state: the greater is the newer.
    pub version: u64,
    /// What it holds; absent when it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(type = "unknown"))]
    pub value: Option<Value>,
    /// When `value` was written, by the clock of its device.
    pub hlc: Hlc,
    /// The device that wrote `value`.
    pub device_id: DeviceId,
    /// Its name then.
    pub device_name: String,
    /// When the server took the last change.
    pub changed_at: Timestamp,
    /// Of a draft: texts that were typed without knowing `value`, the newest first. A write that
    /// knows this version replaces them all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<DraftText>>"))]
    pub others: Vec<DraftText>,
}

/// A text of a draft, and where it was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct DraftText {
    /// The text.
    pub text: String,
    /// When it was typed, by the clock of its device.
    pub hlc: Hlc,
    /// The device.
    pub device_id: DeviceId,
    /// Its name then.
    pub device_name: String,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum StateVerdict {
    /// The register holds it.
    Written,
    /// A later write, or a greater read marker, stands instead.
    Superseded,
    /// A draft: it stands beside what another screen typed.
    Conflict,
    /// It had come before; nothing was done again.
    Known,
}

/// Whether a register of this class may hold this.
///
/// **Errors**: VALIDATION_FAILED or MESSAGE_TOO_LARGE, saying what is expected.
pub fn check_value(class: Class, value: Option<&Value>) -> Result<(), ErrorBody> {
    let Some(value) = value else { return Ok(()) };
    let expected = match class {
        Class::Draft if !value.is_string() => Some("the value of a draft is a text"),
        Class::Read if value.as_u64().is_none() => {
            Some("the value of a read marker is the number of an event")
        }
        _ => None,
    };
    if let Some(expected) = expected {
        return Err(ErrorBody::new(ErrorCode::ValidationFailed, expected));
    }
    let bytes = value.to_string().len();
    if bytes > VALUE_BYTES_MAX {
        let message = format!(
            "the value has {bytes} bytes; at most {VALUE_BYTES_MAX} are taken (limit state_value_bytes)"
        );
        let details = serde_json::json!({ "limit": "state_value_bytes", "value": VALUE_BYTES_MAX });
        return Err(ErrorBody::new(ErrorCode::MessageTooLarge, message).with_details(details));
    }
    Ok(())
}
