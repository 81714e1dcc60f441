//! Following topics, and the health check.

use crate::Topic;
use serde::{Deserialize, Serialize};

shape! {
    /// `health_check`
    HealthCheckAsk {}
    /// `subscribe`
    Subscribe {
        /// What to follow.
        #[cfg_attr(feature = "schema", ts(type = "string"))]
        topic: Topic,
        /// Send what came after this event first. Without it only what comes from now on is sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    }
    /// Reply to `subscribe`.
    SubscribeReply {
        /// What is followed.
        #[cfg_attr(feature = "schema", ts(type = "string"))]
        topic: Topic,
        /// Number of the topic's last event.
        seq: u64,
        /// Whether everything after `after` follows.
        verdict: Verdict,
    }
    /// `unsubscribe`
    Unsubscribe {
        /// What not to follow any more.
        #[cfg_attr(feature = "schema", ts(type = "string"))]
        topic: Topic,
    }
}

/// Whether what was missed can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every event after the one named follows, in order.
    Ok,
    /// Some of it is no longer there, or the number lies in the future: load the state anew.
    Gap,
}
