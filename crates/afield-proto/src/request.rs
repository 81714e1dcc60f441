//! Requests: what a client or a runner may ask the server, and what is answered.
//!
//! Names and shapes of the older message set (`project_create` … `health_check`) never change.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::approval::Approval;
use crate::audit::AuditCheck;
use crate::command::Command;
use crate::device::{Device, MessageStatus, Scope};
use crate::error::{ErrorBody, ErrorCode};
use crate::fact::HealthCheck;
use crate::handoff::Handoff;
use crate::live::RunnerBeat;
use crate::pairing::Pairing;
use crate::project::Project;
use crate::push::{PushDelivery, PushState};
use crate::queue::CommandDetail;
use crate::runner::{
    Acknowledged, RunnerBlob, RunnerBlobPart, RunnerHello, RunnerPartial, RunnerRecords,
    RunnerWelcome,
};
use crate::session::Session;

// Shapes of requests and replies, a family a file.
macro_rules! shape {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        #[cfg_attr(feature = "schema", ts(optional_fields))]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        })*

        /// Their TypeScript declarations.
        #[cfg(feature = "schema")]
        pub(super) fn declarations(config: &ts_rs::Config) -> Vec<String> {
            use ts_rs::TS as _;
            vec![$(<$name>::decl(config)),*]
        }
    };
}

mod agent;
mod approval;
mod audit;
mod command;
mod device;
mod fleet;
mod follow;
mod handoff;
mod message;
mod pairing;
mod project;
mod push;
mod search;
mod session;
mod state;

pub use self::agent::{
    AgentInterrupt, AgentKill, AgentKillReply, AgentNewSession, AgentNewSessionReply, AgentSetMode,
    Execute, GetMessages, GetMessagesReply,
};
pub use self::approval::{ApprovalAnswer, ApprovalList, ApprovalListReply};
pub use self::audit::{AuditList, AuditListReply, AuditVerify};
pub use self::command::{
    BlobGet, BlobGetReply, CommandCancel, CommandEdit, CommandExplain, CommandExplainReply,
    CommandGet, CommandHold, CommandHoldReply, CommandList, CommandListReply, CommandMove,
    CommandPurge, CommandRelease, CommandResolve, CommandRetry, CommandShow, CommandSubmit,
    CommandsReply, HoldList, HoldListReply,
};
pub use self::device::{
    DeviceCreate, DeviceCreateReply, DeviceForget, DeviceList, DeviceListReply, DeviceRename,
    DeviceRevoke, DeviceRevokeOthers, DeviceSetScopes, RunnerList, RunnerListReply, RunnerSleep,
};
pub use self::fleet::{DeviceBroadcast, DeviceBroadcastReply, DeviceLabel, Receiver};
pub use self::follow::{HealthCheckAsk, Subscribe, SubscribeReply, Unsubscribe, Verdict};
pub use self::handoff::{HandoffGet, HandoffMove, HandoffOffer, HandoffRelease, HandoffTake};
pub use self::message::{
    DeviceInbox, DeviceMessageAck, DeviceMessageSend, DevicePresenceAsk, DevicePresenceReply,
};
pub use self::pairing::{
    DeviceLink, DeviceLinkReply, DevicePairDecide, DevicePairList, DevicePairListReply,
    DevicePairStart, DevicePairStartReply, DevicePairStatus,
};
pub use self::project::{
    ProjectCreate, ProjectDelete, ProjectGet, ProjectJoin, ProjectJoinReply, ProjectLeave,
    ProjectList, ProjectListReply, ProjectUpdate,
};
pub use self::push::{
    DeviceLooking, PushKey, PushKeyReply, PushLog, PushLogReply, PushSettingsAsk, PushSubscribe,
    PushTest, PushUnsubscribe,
};
pub use self::search::{MessageSearch, MessageSearchReply, SearchGap};
pub use self::session::{SessionGet, SessionList, SessionListReply, SessionMove, SessionMoveReply};
pub use self::state::{StateGet, StateGetReply, StateSet, StateSetReply};

macro_rules! requests {
    ($($(#[$doc:meta])* $variant:ident = $name:literal => $reply:ty, $needs:ident, $how:ident;)*) => {
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

            /// What a device must be allowed to make this request.
            pub fn needs(&self) -> Needs {
                match self { $(Self::$variant(_) => needs!($needs),)* }
            }

            /// Whether it changes what later requests of the same connection mean, and therefore
            /// runs alone. The hot ones (prompts, a runner's records, reading) run side by side.
            pub fn is_alone(&self) -> bool {
                match self { $(Self::$variant(_) => is_alone!($how),)* }
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

macro_rules! needs {
    (any) => {
        Needs::Nothing
    };
    (own) => {
        Needs::OwnOr(Scope::Admin)
    };
    (view) => {
        Needs::Scope(Scope::View)
    };
    (approve) => {
        Needs::Scope(Scope::Approve)
    };
    (prompt) => {
        Needs::Scope(Scope::Prompt)
    };
    (admin) => {
        Needs::Scope(Scope::Admin)
    };
    (runner) => {
        Needs::Scope(Scope::Runner)
    };
}

macro_rules! is_alone {
    (alone) => {
        true
    };
    (beside) => {
        false
    };
}

/// What a device must be allowed to make a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// This scope.
    Scope(Scope),
    /// Nothing where it is about the device itself, else this scope.
    OwnOr(Scope),
    /// Nothing, or what the request's handler finds out.
    Nothing,
}

/// A request with its one reply type.
pub trait Ask: Serialize {
    /// What the server answers.
    type Reply: for<'de> Deserialize<'de> + Serialize;
    /// The word on the wire.
    const NAME: &'static str;
}

// Each with its reply, the scope it needs, and whether it runs alone on its connection.
//
// `any`: what is sent to a device is for it whatever it may do, and a message may be sent by those
// who prompt and by runners, which its handler knows. What one types, marks and shows is one's own:
// to see is enough for it. A device may always go (`own`).
requests! {
    /// Makes a project of a directory.
    ProjectCreate = "project_create" => Project, prompt, alone;
    /// Lists the projects of the org.
    ProjectList = "project_list" => ProjectListReply, view, beside;
    /// One project.
    ProjectGet = "project_get" => Project, view, beside;
    /// Changes a project's settings.
    ProjectUpdate = "project_update" => Project, prompt, alone;
    /// Forgets a project; its directory stays as it is.
    ProjectDelete = "project_delete" => Empty, prompt, alone;
    /// Follows a project and makes it the connection's own.
    ProjectJoin = "project_join" => ProjectJoinReply, view, alone;
    /// Ends that.
    ProjectLeave = "project_leave" => Empty, any, alone;
    /// Sends a prompt to a project's agent.
    Execute = "execute" => Command, prompt, beside;
    /// Makes the next prompt start a new conversation.
    AgentNewSession = "agent_new_session" => AgentNewSessionReply, prompt, alone;
    /// Stops what runs in a project, with every process it made.
    AgentKill = "agent_kill" => AgentKillReply, prompt, alone;
    /// Ends the running turn; the conversation can go on.
    AgentInterrupt = "agent_interrupt" => Empty, prompt, alone;
    /// Changes when the running agent asks.
    AgentSetMode = "agent_set_mode" => Empty, prompt, alone;
    /// A page of history.
    GetMessages = "get_messages" => GetMessagesReply, view, beside;
    /// Looks through the history of many projects, newest first.
    MessageSearch = "message_search" => MessageSearchReply, view, beside;
    /// Measures the server and its runners.
    HealthCheckAsk = "health_check" => HealthCheck, view, beside;
    /// Follows a topic.
    Subscribe = "subscribe" => SubscribeReply, view, alone;
    /// Ends that.
    Unsubscribe = "unsubscribe" => Empty, any, alone;
    /// Accepts a command: it is on disk when this is answered, and starts when it can.
    CommandSubmit = "command_submit" => Command, prompt, beside;
    /// One command.
    CommandGet = "command_get" => Command, view, beside;
    /// One command with its payload, attempts and delivery chain.
    CommandShow = "command_show" => CommandDetail, view, beside;
    /// The latest commands, newest first.
    CommandList = "command_list" => CommandListReply, view, beside;
    /// Why a command is not running.
    CommandExplain = "command_explain" => CommandExplainReply, view, beside;
    /// Stops a command wherever it is: one that waits never starts, one that runs is killed.
    CommandCancel = "command_cancel" => Command, prompt, alone;
    /// Changes a command that waits.
    CommandEdit = "command_edit" => Command, prompt, alone;
    /// Moves a waiting command within its order.
    CommandMove = "command_move" => Command, prompt, alone;
    /// Keeps a command, a project, a runner or everything from starting.
    CommandHold = "command_hold" => CommandHoldReply, prompt, alone;
    /// Ends that.
    CommandRelease = "command_release" => CommandHoldReply, prompt, alone;
    /// What is held.
    HoldList = "hold_list" => HoldListReply, view, beside;
    /// Puts dead, failed, expired, interrupted or cancelled commands back into the queue.
    CommandRetry = "command_retry" => CommandsReply, prompt, alone;
    /// Forgets dead letters; their history stays.
    CommandPurge = "command_purge" => CommandsReply, prompt, alone;
    /// Says what became of a command nobody knows the end of.
    CommandResolve = "command_resolve" => Command, prompt, alone;
    /// A result too long for its command.
    BlobGet = "blob_get" => BlobGetReply, view, beside;
    /// The conversations that were had, the last used first.
    SessionList = "session_list" => SessionListReply, view, beside;
    /// One of them, with what its agent can do.
    SessionGet = "session_get" => Session, view, beside;
    /// Goes on with a conversation in another project.
    SessionMove = "session_move" => SessionMoveReply, prompt, alone;
    /// Approvals, oldest first.
    ApprovalList = "approval_list" => ApprovalListReply, view, beside;
    /// Answers an approval. The first answer counts.
    ApprovalAnswer = "approval_answer" => Approval, approve, beside;
    /// Makes a device and its credential.
    DeviceCreate = "device_create" => DeviceCreateReply, admin, alone;
    /// Lists the devices of the org.
    DeviceList = "device_list" => DeviceListReply, view, beside;
    /// Makes a one-time link that lets a device in at once.
    DeviceLink = "device_link" => DeviceLinkReply, admin, alone;
    /// Throws a device out; its connections are cut.
    DeviceRevoke = "device_revoke" => Device, own, alone;
    /// Throws every other device of the person out.
    DeviceRevokeOthers = "device_revoke_others" => DeviceListReply, admin, alone;
    /// Throws a device out and shows it no more.
    DeviceForget = "device_forget" => Device, own, alone;
    /// Changes what a device may do.
    DeviceSetScopes = "device_set_scopes" => Device, admin, alone;
    /// Gives a device another name.
    DeviceRename = "device_rename" => Device, admin, alone;
    /// Changes a device's labels and its rank when work is placed.
    DeviceLabel = "device_label" => Device, admin, alone;
    /// Starts to let a new device in.
    DevicePairStart = "device_pair_start" => DevicePairStartReply, admin, alone;
    /// How far that is.
    DevicePairStatus = "device_pair_status" => Pairing, admin, beside;
    /// Pairings that are not over.
    DevicePairList = "device_pair_list" => DevicePairListReply, admin, beside;
    /// Lets the device in that came, or not.
    DevicePairDecide = "device_pair_decide" => Pairing, admin, alone;
    /// A page of the audit log.
    AuditList = "audit_list" => AuditListReply, admin, beside;
    /// Checks the whole chain of the audit log.
    AuditVerify = "audit_verify" => AuditCheck, admin, beside;
    /// The person's shared state: all of it, or what changed.
    StateGet = "state_get" => StateGetReply, view, beside;
    /// Writes one register of it.
    StateSet = "state_set" => StateSetReply, view, beside;
    /// Where the person's focus is.
    HandoffGet = "handoff_get" => Handoff, view, beside;
    /// Continues on this screen: it holds the focus while this connection lives.
    HandoffTake = "handoff_take" => Handoff, view, alone;
    /// The screen that holds the focus shows something else.
    HandoffMove = "handoff_move" => Handoff, view, beside;
    /// It asks a device to go on.
    HandoffOffer = "handoff_offer" => Handoff, view, beside;
    /// It lets go.
    HandoffRelease = "handoff_release" => Handoff, view, beside;
    /// Sends a message to a device; answered when that has acknowledged it, or it is held.
    DeviceMessageSend = "device_message" => MessageStatus, any, beside;
    /// Sends a message to every other device of the person.
    DeviceBroadcast = "device_broadcast" => DeviceBroadcastReply, any, beside;
    /// Receives this device's messages on this connection from now on.
    DeviceInbox = "device_inbox" => Empty, any, alone;
    /// Acknowledges a message that was received.
    DeviceMessageAck = "device_message_ack" => Empty, any, beside;
    /// How present every device is.
    DevicePresenceAsk = "device_presence" => DevicePresenceReply, view, beside;
    /// Says whether somebody sees the screen behind this connection.
    DeviceLooking = "device_looking" => Empty, any, beside;
    /// The key browsers subscribe to notifications with.
    PushKey = "push_key" => PushKeyReply, view, beside;
    /// Has this device notified while nobody looks at it.
    PushSubscribe = "push_subscribe" => PushState, view, alone;
    /// Ends that.
    PushUnsubscribe = "push_unsubscribe" => PushState, any, alone;
    /// What this device is notified of, and when not.
    PushSettingsAsk = "push_settings" => PushState, view, alone;
    /// Notifies this device now, and says what became of it.
    PushTest = "push_test" => PushDelivery, view, beside;
    /// What this device was notified of.
    PushLog = "push_log" => PushLogReply, view, beside;
    /// A runner says that its machine falls asleep.
    RunnerSleep = "runner_sleep" => Empty, runner, beside;
    /// Lists the runners of the org.
    RunnerList = "runner_list" => RunnerListReply, view, beside;
    /// First request of a runner.
    RunnerHello = "runner_hello" => RunnerWelcome, runner, alone;
    /// How busy a runner is; has no reply.
    RunnerBeat = "runner_beat" => Empty, runner, beside;
    /// Records of an attempt.
    RunnerRecords = "runner_records" => Acknowledged, runner, beside;
    /// A part of a file that goes with a command the runner was given.
    RunnerBlob = "runner_blob" => RunnerBlobPart, runner, beside;
    /// Messages that are relayed and not stored; has no reply.
    RunnerPartial = "runner_partial" => Empty, runner, beside;
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

/// The TypeScript declarations of requests and replies.
#[cfg(feature = "schema")]
pub(crate) fn declarations(config: &ts_rs::Config) -> Vec<String> {
    let families = [
        project::declarations,
        agent::declarations,
        follow::declarations,
        command::declarations,
        approval::declarations,
        device::declarations,
        fleet::declarations,
        pairing::declarations,
        audit::declarations,
        state::declarations,
        handoff::declarations,
        message::declarations,
        push::declarations,
        search::declarations,
        session::declarations,
    ];
    families.into_iter().flat_map(|family| family(config)).collect()
}
