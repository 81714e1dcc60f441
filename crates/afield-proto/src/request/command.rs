//! The queue: commands, holds, dead letters and long results.

use crate::command::{Command, CommandKind, CommandState};
use crate::queue::{
    Cause, Hold, Payload, Place, Priority, Resolution, RetryPolicy, SendMode, Target, Waiting,
};
use crate::route::Route;
use crate::{CommandId, DeviceId, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};

shape! {
    /// `command_get`
    CommandGet {
        /// Which.
        command_id: CommandId,
    }
    /// `command_submit`
    CommandSubmit {
        /// Where. May be left out when the project is named at the top of the frame.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<Target>,
        /// What it asks for; `prompt` when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<CommandKind>,
        /// What it carries.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<Payload>"))]
        payload: Payload,
        /// What it means for the turn that is running; `queue` when not given.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<SendMode>"))]
        mode: SendMode,
        /// Makes a repetition harmless: the same key from the same device gives the first command
        /// back. At most 128 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// How urgent it is.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<Priority>"))]
        priority: Priority,
        /// Do not start before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Timestamp>,
        /// Do not start after; 7 days from now when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// When it is tried again; never when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<RetryPolicy>,
        /// Ordering key: commands of one project with the same key run one after the other, as they
        /// were sent. The project's own when not given; with `not_before`, a key of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<String>,
        /// Held from the beginning.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
        hold: bool,
        /// When its sender gave it away, when that was before it could be sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        submitted_at: Option<Timestamp>,
    }
    /// `command_show`
    CommandShow {
        /// Which.
        command_id: CommandId,
    }
    /// `command_explain`
    CommandExplain {
        /// Which.
        command_id: CommandId,
    }
    /// Reply to `command_explain`.
    CommandExplainReply {
        /// The command.
        command: Command,
        /// Why it does not go on; absent when it is being worked on, or over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waiting: Option<Waiting>,
        /// How it came to its runner, when it was sent to whichever fits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<Route>,
        /// The command it waits for, what that one waits for, and so on; nearest first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "schema", ts(as = "Option<Vec<Cause>>"))]
        causes: Vec<Cause>,
    }
    /// `command_cancel`
    CommandCancel {
        /// Which.
        command_id: CommandId,
    }
    /// `command_edit`: what is given is changed.
    CommandEdit {
        /// Which.
        command_id: CommandId,
        /// The new payload, whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<Payload>,
        /// How urgent it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        priority: Option<Priority>,
        /// Do not start before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Timestamp>,
        /// Do not start after.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// When it is tried again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<RetryPolicy>,
    }
    /// `command_move`
    CommandMove {
        /// Which.
        command_id: CommandId,
        /// To where.
        to: Place,
    }
    /// `command_hold`: exactly one of the three, or none for everything.
    CommandHold {
        /// A command.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command_id: Option<CommandId>,
        /// A project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// A runner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runner_id: Option<DeviceId>,
    }
    /// `command_release`: what was given to `command_hold`.
    CommandRelease {
        /// A command.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command_id: Option<CommandId>,
        /// A project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// A runner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runner_id: Option<DeviceId>,
    }
    /// Reply to `command_hold` and `command_release`.
    CommandHoldReply {
        /// Whether that changed anything.
        changed: bool,
    }
    /// `hold_list`
    HoldList {}
    /// Reply to `hold_list`.
    HoldListReply {
        /// Holds of projects, runners and everything. Held commands say so themselves.
        holds: Vec<Hold>,
    }
    /// `command_retry`: the commands named, or all dead ones.
    CommandRetry {
        /// Which; at most 1,000.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "schema", ts(as = "Option<Vec<CommandId>>"))]
        command_ids: Vec<CommandId>,
        /// Every dead one; of this project, when one is named.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
        all_dead: bool,
        /// See `all_dead`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// For one command: the new payload, whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<Payload>,
    }
    /// `command_purge`: the commands named, or all dead ones.
    CommandPurge {
        /// Which; at most 1,000.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "schema", ts(as = "Option<Vec<CommandId>>"))]
        command_ids: Vec<CommandId>,
        /// Every dead one; of this project, when one is named.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
        all_dead: bool,
        /// See `all_dead`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
    }
    /// Commands that were changed.
    CommandsReply {
        /// As they are now.
        commands: Vec<Command>,
        /// There are more: ask again.
        more: bool,
    }
    /// `command_resolve`
    CommandResolve {
        /// Which.
        command_id: CommandId,
        /// What became of it, or shall.
        resolution: Resolution,
    }
    /// `blob_get`
    BlobGet {
        /// Its hash.
        hash: String,
    }
    /// Reply to `blob_get`.
    BlobGetReply {
        /// The whole text.
        text: String,
    }
    /// `command_list`
    CommandList {
        /// Only those of this project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// Only those of this runner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runner_id: Option<DeviceId>,
        /// Only those that are not over, in the order they will run.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
        waiting: bool,
        /// Only those in this state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<CommandState>,
        /// Only those before this one in the list: the next page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before_id: Option<CommandId>,
        /// At most so many; 100 when not given, 1,000 at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
    /// Reply to `command_list`.
    CommandListReply {
        /// The commands, newest first.
        commands: Vec<Command>,
    }
}
