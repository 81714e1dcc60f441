//! Work as the older message set asks for it: a prompt, a new session, stopping, history.

use crate::agent::{AgentKind, Direction, ExecuteOptions, MessageKind, PermissionMode};
use crate::attachment::Attachment;
use crate::runner::KilledProcess;
use crate::{CommandId, ProjectId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

shape! {
    /// `execute`
    Execute {
        /// Which project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// What to do.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<String>"))]
        prompt: String,
        /// How.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<ExecuteOptions>,
        /// Another agent than the project's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<AgentKind>,
        /// Makes a repetition harmless: the same key from the same device gives the first command
        /// back. At most 128 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// Files that go with the prompt; their bytes were uploaded before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "schema", ts(as = "Option<Vec<Attachment>>"))]
        attachments: Vec<Attachment>,
    }
    /// `agent_new_session`
    AgentNewSession {
        /// Which project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
    }
    /// Reply to `agent_new_session`.
    AgentNewSessionReply {
        /// The session the next prompt starts.
        session_id: SessionId,
    }
    /// `agent_kill`
    AgentKill {
        /// Which project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
    }
    /// Reply to `agent_kill`.
    AgentKillReply {
        /// The command that was stopped.
        command_id: CommandId,
        /// The processes that were stopped.
        killed: Vec<KilledProcess>,
    }
    /// `agent_interrupt`
    AgentInterrupt {
        /// Which project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
    }
    /// `agent_set_mode`
    AgentSetMode {
        /// Which project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// The new mode.
        permission_mode: PermissionMode,
    }
    /// `get_messages`
    GetMessages {
        /// Which project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// Only messages of this time or later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
        /// Only messages after this event, oldest first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// Only messages before this event; the newest of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// At most so many; 100 when not given, 1,000 at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        /// Only messages of this direction.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        direction: Option<Direction>,
        /// Only messages of this kind.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<MessageKind>,
        /// Only messages whose text contains this, in any case of letters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    }
    /// Reply to `get_messages`.
    GetMessagesReply {
        /// The messages in the order they were said, each an `agent_message` with `seq`.
        #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::wire::HistoryMessage>"), ts(as = "Vec<crate::wire::HistoryMessage>"))]
        messages: Vec<Box<RawValue>>,
        /// There are more in the direction asked for.
        more: bool,
        /// Number of the topic's last event.
        seq: u64,
        /// Parts of the range that can't be read, as pairs of first and last number.
        #[serde(default)]
        gaps: Vec<(u64, u64)>,
    }
}
