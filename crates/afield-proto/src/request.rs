//! Requests: what a client or a runner may ask the server, and what is answered.
//!
//! Names and shapes of the older message set (`project_create` … `health_check`) never change.

mod fleet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::agent::{AgentKind, Direction, ExecuteOptions, MessageKind, PermissionMode};
use crate::approval::{Answer, Approval};
use crate::audit::{AuditCheck, AuditRecord};
use crate::command::{Command, CommandKind, CommandState};
use crate::device::{Device, DeviceKind, DevicePresence, MessageStatus, Scopes};
use crate::error::{ErrorBody, ErrorCode};
use crate::fact::{HealthCheck, RunnerState};
use crate::handoff::{Focus, Handoff};
use crate::live::RunnerBeat;
use crate::pairing::Pairing;
use crate::project::{Project, ProjectSettings};
use crate::queue::{
    CommandDetail, Hold, Payload, Place, Priority, Resolution, RetryPolicy, SendMode, Target,
    Waiting,
};
use crate::route::Route;
use crate::runner::{
    Acknowledged, KilledProcess, RunnerHello, RunnerPartial, RunnerRecords, RunnerWelcome,
};
use crate::state::{Hlc, StateKey, StateRegister, StateVerdict};
use crate::{
    ApprovalId, CommandId, DeviceId, MessageId, PairingId, ProjectId, ReplicaId, SessionId,
    Timestamp, Topic,
};

pub use fleet::*;

macro_rules! requests {
    ($($(#[$doc:meta])* $variant:ident = $name:literal => $reply:ty;)*) => {
        /// Everything that can be asked over `/ws`.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        #[serde(tag = "type", content = "data")]
        pub enum Request {
            $($(#[$doc])* #[serde(rename = $name)] $variant($variant),)*
        }

        impl Request {
            /// The names of all requests, in the order of the documentation.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The word on the wire.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// Reads the `data` of a request called `name`.
            ///
            /// **Errors**: VALIDATION_FAILED naming the unknown request, or the field and what
            /// was expected there.
            pub fn parse(name: &str, data: Option<&RawValue>) -> Result<Self, ErrorBody> {
                match name {
                    $($name => parse_data(name, data).map(Self::$variant),)*
                    _ => Err(unknown_request(name)),
                }
            }
        }

        $(impl Ask for $variant {
            type Reply = $reply;
            const NAME: &'static str = $name;
        })*

        /// Requests and their replies, for the generated schema.
        #[cfg(feature = "schema")]
        pub(crate) fn reply_schemas(generator: &mut schemars::SchemaGenerator) -> Vec<(&'static str, schemars::Schema)> {
            vec![$(($name, generator.subschema_for::<$reply>())),*]
        }

        /// The TypeScript names of requests and their replies.
        #[cfg(feature = "schema")]
        pub(crate) fn reply_types(config: &ts_rs::Config) -> Vec<(&'static str, String, String)> {
            use ts_rs::TS as _;
            vec![$(($name, <$variant>::name(config), <$reply>::name(config))),*]
        }
    };
}

/// A request with its one reply type.
pub trait Ask: Serialize {
    /// What the server answers.
    type Reply: for<'de> Deserialize<'de> + Serialize;
    /// The word on the wire.
    const NAME: &'static str;
}

requests! {
    /// Makes a project of a directory.
    ProjectCreate = "project_create" => Project;
    /// Lists the projects of the org.
    ProjectList = "project_list" => ProjectListReply;
    /// One project.
    ProjectGet = "project_get" => Project;
    /// Changes a project's settings.
    ProjectUpdate = "project_update" => Project;
    /// Forgets a project; its directory stays as it is.
    ProjectDelete = "project_delete" => Empty;
    /// Follows a project and makes it the connection's own.
    ProjectJoin = "project_join" => ProjectJoinReply;
    /// Ends that.
    ProjectLeave = "project_leave" => Empty;
    /// Sends a prompt to a project's agent.
    Execute = "execute" => Command;
    /// Makes the next prompt start a new conversation.
    AgentNewSession = "agent_new_session" => AgentNewSessionReply;
    /// Stops what runs in a project, with every process it made.
    AgentKill = "agent_kill" => AgentKillReply;
    /// Ends the running turn; the conversation can go on.
    AgentInterrupt = "agent_interrupt" => Empty;
    /// Changes when the running agent asks.
    AgentSetMode = "agent_set_mode" => Empty;
    /// A page of history.
    GetMessages = "get_messages" => GetMessagesReply;
    /// Measures the server and its runners.
    HealthCheckAsk = "health_check" => HealthCheck;
    /// Follows a topic.
    Subscribe = "subscribe" => SubscribeReply;
    /// Ends that.
    Unsubscribe = "unsubscribe" => Empty;
    /// Accepts a command: it is on disk when this is answered, and starts when it can.
    CommandSubmit = "command_submit" => Command;
    /// One command.
    CommandGet = "command_get" => Command;
    /// One command with its payload, attempts and delivery chain.
    CommandShow = "command_show" => CommandDetail;
    /// The latest commands, newest first.
    CommandList = "command_list" => CommandListReply;
    /// Why a command is not running.
    CommandExplain = "command_explain" => CommandExplainReply;
    /// Stops a command wherever it is: one that waits never starts, one that runs is killed.
    CommandCancel = "command_cancel" => Command;
    /// Changes a command that waits.
    CommandEdit = "command_edit" => Command;
    /// Moves a waiting command within its order.
    CommandMove = "command_move" => Command;
    /// Keeps a command, a project, a runner or everything from starting.
    CommandHold = "command_hold" => CommandHoldReply;
    /// Ends that.
    CommandRelease = "command_release" => CommandHoldReply;
    /// What is held.
    HoldList = "hold_list" => HoldListReply;
    /// Puts dead, failed, expired, interrupted or cancelled commands back into the queue.
    CommandRetry = "command_retry" => CommandsReply;
    /// Forgets dead letters; their history stays.
    CommandPurge = "command_purge" => CommandsReply;
    /// Says what became of a command nobody knows the end of.
    CommandResolve = "command_resolve" => Command;
    /// A result too long for its command.
    BlobGet = "blob_get" => BlobGetReply;
    /// Goes on with a conversation in another project.
    SessionMove = "session_move" => SessionMoveReply;
    /// Approvals, oldest first.
    ApprovalList = "approval_list" => ApprovalListReply;
    /// Answers an approval. The first answer counts.
    ApprovalAnswer = "approval_answer" => Approval;
    /// Makes a device and its credential.
    DeviceCreate = "device_create" => DeviceCreateReply;
    /// Lists the devices of the org.
    DeviceList = "device_list" => DeviceListReply;
    /// Makes a one-time link that signs a browser in.
    DeviceLink = "device_link" => DeviceLinkReply;
    /// Throws a device out; its connections are cut.
    DeviceRevoke = "device_revoke" => Device;
    /// Throws every other device of the person out.
    DeviceRevokeOthers = "device_revoke_others" => DeviceListReply;
    /// Throws a device out and shows it no more.
    DeviceForget = "device_forget" => Device;
    /// Changes what a device may do.
    DeviceSetScopes = "device_set_scopes" => Device;
    /// Gives a device another name.
    DeviceRename = "device_rename" => Device;
    /// Changes a device's labels and its rank when work is placed.
    DeviceLabel = "device_label" => Device;
    /// Starts to let a new device in.
    DevicePairStart = "device_pair_start" => DevicePairStartReply;
    /// How far that is.
    DevicePairStatus = "device_pair_status" => Pairing;
    /// Pairings that are not over.
    DevicePairList = "device_pair_list" => DevicePairListReply;
    /// Lets the device in that came, or not.
    DevicePairDecide = "device_pair_decide" => Pairing;
    /// A page of the audit log.
    AuditList = "audit_list" => AuditListReply;
    /// Checks the whole chain of the audit log.
    AuditVerify = "audit_verify" => AuditCheck;
    /// The person's shared state: all of it, or what changed.
    StateGet = "state_get" => StateGetReply;
    /// Writes one register of it.
    StateSet = "state_set" => StateSetReply;
    /// Where the person's focus is.
    HandoffGet = "handoff_get" => Handoff;
    /// Continues on this screen: it holds the focus while this connection lives.
    HandoffTake = "handoff_take" => Handoff;
    /// The screen that holds the focus shows something else.
    HandoffMove = "handoff_move" => Handoff;
    /// It asks a device to go on.
    HandoffOffer = "handoff_offer" => Handoff;
    /// It lets go.
    HandoffRelease = "handoff_release" => Handoff;
    /// Sends a message to a device; answered when that has acknowledged it, or it is held.
    DeviceMessageSend = "device_message" => MessageStatus;
    /// Sends a message to every other device of the person.
    DeviceBroadcast = "device_broadcast" => DeviceBroadcastReply;
    /// Receives this device's messages on this connection from now on.
    DeviceInbox = "device_inbox" => Empty;
    /// Acknowledges a message that was received.
    DeviceMessageAck = "device_message_ack" => Empty;
    /// How present every device is.
    DevicePresenceAsk = "device_presence" => DevicePresenceReply;
    /// A runner says that its machine falls asleep.
    RunnerSleep = "runner_sleep" => Empty;
    /// Lists the runners of the org.
    RunnerList = "runner_list" => RunnerListReply;
    /// First request of a runner.
    RunnerHello = "runner_hello" => RunnerWelcome;
    /// How busy a runner is; has no reply.
    RunnerBeat = "runner_beat" => Empty;
    /// Records of an attempt.
    RunnerRecords = "runner_records" => Acknowledged;
    /// Messages that are relayed and not stored; has no reply.
    RunnerPartial = "runner_partial" => Empty;
}

fn parse_data<T: for<'de> Deserialize<'de>>(
    name: &str,
    data: Option<&RawValue>,
) -> Result<T, ErrorBody> {
    let text = match data.map(RawValue::get) {
        None | Some("null") => "{}",
        Some(text) if text.starts_with('{') => text,
        Some(_) => {
            let message = format!("data of {name:?} is no object");
            return Err(ErrorBody::new(ErrorCode::ValidationFailed, message));
        }
    };
    serde_json::from_str(text).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or(&reason);
        ErrorBody::new(ErrorCode::ValidationFailed, format!("data of {name:?}: {reason}"))
            .with_details(serde_json::json!({ "type": name, "column": error.column() }))
    })
}

fn unknown_request(name: &str) -> ErrorBody {
    let shown: String = name.chars().take(64).collect();
    let near = Request::NAMES.iter().max_by_key(|known| common_letters(known, &shown));
    let hint = near.filter(|known| common_letters(known, &shown) * 2 > known.len());
    let hint = hint.map(|known| format!(", did you mean {known:?}?")).unwrap_or_default();
    ErrorBody::new(ErrorCode::ValidationFailed, format!("there is no request {shown:?}{hint}"))
        .with_details(serde_json::json!({ "type": shown }))
}

/// How many letters two words share at their beginning and end.
fn common_letters(a: &str, b: &str) -> usize {
    let front = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let shorter = a.len().min(b.len());
    let back = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
    front + back.min(shorter - front)
}

/// A reply that says only: done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Empty {}

macro_rules! shape {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        #[cfg_attr(feature = "schema", ts(optional_fields))]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        })*
    };
}

shape! {
    /// `project_create`
    ProjectCreate {
        /// An absolute path on the runner.
        path: String,
        /// The runner. May be left out while the org has only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runner_id: Option<DeviceId>,
        /// What the owner chose.
        #[serde(default)]
        settings: ProjectSettings,
    }
    /// `project_list`
    ProjectList {}
    /// Reply to `project_list`.
    ProjectListReply {
        /// The projects, oldest first.
        projects: Vec<Project>,
    }
    /// `project_get`
    ProjectGet {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
    }
    /// `project_update`
    ProjectUpdate {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// The new settings, whole.
        settings: ProjectSettings,
    }
    /// `project_delete`
    ProjectDelete {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
    }
    /// `project_join`
    ProjectJoin {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// Send what came after this event first. Without it only what comes from now on is sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    }
    /// Reply to `project_join`.
    ProjectJoinReply {
        /// The project as it is.
        project: Project,
        /// Number of the topic's last event.
        seq: u64,
        /// Whether everything after `after` follows.
        verdict: Verdict,
    }
    /// `project_leave`
    ProjectLeave {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
    }
    /// `execute`
    Execute {
        /// Which project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// What to do.
        #[serde(default)]
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
        /// The command that was stopped, or cancelled before it started.
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
        payload: Payload,
        /// What it means for the turn that is running; `queue` when not given.
        #[serde(default)]
        mode: SendMode,
        /// Makes a repetition harmless: the same key from the same device gives the first command
        /// back. At most 128 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// How urgent it is.
        #[serde(default)]
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
        /// Why it is not running; absent when it runs or is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waiting: Option<Waiting>,
        /// How it came to its runner, when it was sent to whichever fits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<Route>,
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
        command_ids: Vec<CommandId>,
        /// Every dead one; of this project, when one is named.
        #[serde(default)]
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
        command_ids: Vec<CommandId>,
        /// Every dead one; of this project, when one is named.
        #[serde(default)]
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
    /// `approval_list`
    ApprovalList {
        /// Only those of this project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// Also those that are answered or withdrawn.
        #[serde(default)]
        all: bool,
    }
    /// Reply to `approval_list`.
    ApprovalListReply {
        /// The approvals, oldest first.
        approvals: Vec<Approval>,
    }
    /// `approval_answer`
    ApprovalAnswer {
        /// Which.
        approval_id: ApprovalId,
        /// The answer.
        #[serde(flatten)]
        answer: Answer,
    }
    /// `device_create`
    DeviceCreate {
        /// A name for lists.
        name: String,
        /// What it is; `cli` when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<DeviceKind>,
        /// What it may do; never more than its maker.
        #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::device::Scope>"), ts(as = "Vec<crate::device::Scope>"))]
        scopes: Scopes,
        /// When its credential ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    }
    /// Reply to `device_create`.
    DeviceCreateReply {
        /// The device.
        device: Device,
        /// Its credential. Shown once, here.
        token: String,
    }
    /// `device_link`
    DeviceLink {
        /// What the browser may do; what its maker may do when not given, never more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<crate::device::Scope>>"), ts(as = "Option<Vec<crate::device::Scope>>"))]
        scopes: Option<Scopes>,
    }
    /// Reply to `device_link`.
    DeviceLinkReply {
        /// The secret. Behind `#link=` at the server's address it makes the link; it never goes
        /// into a query.
        secret: String,
        /// When it ends.
        expires_at: Timestamp,
    }
    /// `device_list`
    DeviceList {}
    /// Reply to `device_list`.
    DeviceListReply {
        /// The devices, oldest first.
        devices: Vec<Device>,
    }
    /// `device_revoke`
    DeviceRevoke {
        /// Which.
        device_id: DeviceId,
    }
    /// `device_revoke_others`: the asking device and the server's console stay.
    DeviceRevokeOthers {
        /// Runners too.
        #[serde(default)]
        runners: bool,
    }
    /// `device_forget`
    DeviceForget {
        /// Which.
        device_id: DeviceId,
    }
    /// `device_set_scopes`
    DeviceSetScopes {
        /// Which.
        device_id: DeviceId,
        /// What it may do from now on; never more than the one who says so.
        #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::device::Scope>"), ts(as = "Vec<crate::device::Scope>"))]
        scopes: Scopes,
    }
    /// `device_rename`
    DeviceRename {
        /// Which.
        device_id: DeviceId,
        /// Its new name.
        name: String,
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
    /// `state_get`
    StateGet {
        /// Only this register.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<String>"), ts(as = "Option<String>"))]
        key: Option<StateKey>,
        /// Only what changed after this version, deleted registers too. All that exist when not
        /// given. A copy older than 90 days asks for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    }
    /// Reply to `state_get`.
    StateGetReply {
        /// The registers in the order they were changed.
        registers: Vec<StateRegister>,
        /// There are more: ask again after the last version.
        more: bool,
        /// Changes are told here as `state_changed`. Follow it first, then ask.
        #[cfg_attr(feature = "schema", ts(type = "string"))]
        topic: Topic,
    }
    /// `state_set`
    StateSet {
        /// Which register.
        #[cfg_attr(feature = "schema", schemars(with = "String"), ts(type = "string"))]
        key: StateKey,
        /// The version the writer knows; 0 for a register it knows to be new. A write that knows
        /// the present one replaces it; any other is merged by the class of the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_version: Option<u64>,
        /// What it shall hold; deletes when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(type = "unknown"))]
        value: Option<serde_json::Value>,
        /// When it was written; the server's present when left out. The same write sent again has
        /// the same, and is done once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hlc: Option<Hlc>,
    }
    /// Reply to `state_set`.
    StateSetReply {
        /// What became of it.
        verdict: StateVerdict,
        /// The register as it is now.
        register: StateRegister,
    }
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
    /// `device_message`
    DeviceMessageSend {
        /// The receiver, a device of the same org.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<DeviceId>,
        /// Instead of `to`: whichever runner this is true of; one that listens before others, then
        /// the least busy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        selector: Option<String>,
        /// What it says: any JSON of at most 16 KiB.
        #[cfg_attr(feature = "schema", ts(type = "unknown"))]
        body: serde_json::Value,
        /// Keep it while the receiver does not listen. Without this it is refused then.
        #[serde(default)]
        hold: bool,
        /// How long it is kept, in milliseconds; a day when left out, seven days at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_in_ms: Option<u64>,
        /// Makes a repetition harmless: the same id is the same message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<MessageId>,
    }
    /// `device_inbox`
    DeviceInbox {}
    /// `device_message_ack`
    DeviceMessageAck {
        /// Which message.
        message_id: MessageId,
    }
    /// `device_presence`
    DevicePresenceAsk {}
    /// Reply to `device_presence`.
    DevicePresenceReply {
        /// The devices, oldest first.
        devices: Vec<DevicePresence>,
        /// Changes are told here as `device_presence`.
        #[cfg_attr(feature = "schema", ts(type = "string"))]
        topic: Topic,
    }
    /// `runner_sleep`
    RunnerSleep {}
    /// `runner_list`
    RunnerList {}
    /// Reply to `runner_list`.
    RunnerListReply {
        /// The runners, oldest first.
        runners: Vec<RunnerState>,
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
