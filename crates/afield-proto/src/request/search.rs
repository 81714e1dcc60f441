//! Looking through what was said, in many projects at once.

use crate::agent::{Direction, MessageKind};
use crate::{ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

shape! {
    /// `message_search`
    MessageSearch {
        /// Only messages whose text contains this, in any case of letters. Empty: every message.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<String>"))]
        text: String,
        /// Only in these projects; in all of the org when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_ids: Option<Vec<ProjectId>>,
        /// Only messages of this kind.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<MessageKind>,
        /// Only messages of this direction.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        direction: Option<Direction>,
        /// Where to go on: `before` of the last reply, with everything else as it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
        /// At most so many; 100 when not given, 1,000 at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
    /// Reply to `message_search`.
    MessageSearchReply {
        /// What fits, the newest first, each an `agent_message` with `project_id` and `seq`.
        #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::wire::FoundMessage>"), ts(as = "Vec<crate::wire::FoundMessage>"))]
        messages: Vec<Box<RawValue>>,
        /// Not everything was looked through: ask again with `before`. Also with no message at all,
        /// since what is looked through for one reply is bounded.
        more: bool,
        /// Where to go on, when there is more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
        /// Everything newer than this was looked through, when there is more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reached: Option<Timestamp>,
        /// Parts on the way that can't be read.
        gaps: Vec<SearchGap>,
    }
    /// Events of a project that can't be read.
    SearchGap {
        /// The project.
        project_id: ProjectId,
        /// Number of the first of them.
        first: u64,
        /// Number of the last of them.
        last: u64,
    }
}
