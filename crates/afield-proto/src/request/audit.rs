//! The audit log.

use crate::audit::AuditRecord;
use serde::{Deserialize, Serialize};

shape! {
    /// `audit_list`
    AuditList {
        /// Only entries before this number; the newest of them, when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// At most so many; 100 when not given, 1,000 at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
    /// Reply to `audit_list`.
    AuditListReply {
        /// The entries, oldest first.
        records: Vec<AuditRecord>,
    }
    /// `audit_verify`
    AuditVerify {
        /// The entry with this number must have the hash that follows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u64>,
        /// See `number`; in hexadecimal, as an earlier check gave it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<String>,
    }
}
