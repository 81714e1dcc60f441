//! The queue's words: how a command is sent, ordered, retried, held and explained.

mod retry;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::{AgentKind, ExecuteOptions};
use crate::attachment::Attachment;
use crate::command::{Command, Outcome};
use crate::route::{Route, RouteMode};
use crate::{CommandId, DeviceId, ProjectId, SessionId, Timestamp};

pub use self::retry::{ATTEMPTS_DEFAULT, ATTEMPTS_MAX, EXIT_CODES_MAX, Failure, RetryPolicy};

/// How long a command waits at most when it names no end of its own.
pub const EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longest idempotency key and longest ordering key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// Longest selector, in bytes.
pub const SELECTOR_BYTES_MAX: usize = 1024;
/// Commands one request puts back or purges.
pub const BULK_MAX: usize = 1000;
/// Results longer than this are stored once as a blob; the command keeps the beginning.
pub const RESULT_BYTES_INLINE: usize = 32 * 1024;
/// How much of such a result the command keeps, in bytes.
pub const RESULT_PREVIEW_BYTES: usize = 1024;

/// How urgent a command is. What waits longer rises: one step a minute, so nothing waits for ever.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// When nothing else waits.
    Low,
    /// The usual.
    #[default]
    Normal,
    /// Before the usual.
    High,
    /// Before everything.
    Critical,
}

impl Priority {
    /// Every priority, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// Whether it is the usual one.
    pub fn is_normal(&self) -> bool {
        *self == Self::Normal
    }

    /// The number in storage: greater is more urgent.
    pub fn level(self) -> i64 {
        match self {
            Self::Low => 0,
            Self::Normal => 1,
            Self::High => 2,
            Self::Critical => 3,
        }
    }

    /// The priority with this number.
    pub fn from_level(level: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.level() == level)
    }
}

/// What a prompt means for the turn that is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SendMode {
    /// After what is running and waiting.
    #[default]
    Queue,
    /// Into the running turn, where the agent can take it; first in the queue otherwise, and
    /// `steer` of the command says why.
    Steer,
    /// Stop the running turn, then this.
    Interrupt,
}

/// What became of the wish that a prompt goes into the running turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Steer {
    /// It is on its way into the turn of the command named by `into`.
    Offered,
    /// It was given to the agent in that turn, and ends with it.
    Taken,
    /// The agent takes nothing while it works: it is first in the queue instead.
    Refused,
    /// The turn was over before the agent was given it: it is first in the queue instead.
    Missed,
    /// No agent was at work: it is first in the queue instead.
    Idle,
}

impl Steer {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Offered, Self::Taken, Self::Refused, Self::Missed, Self::Idle];

    /// The word on the wire and in storage.
    pub fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Missed => "missed",
            Self::Idle => "idle",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|steer| steer.name() == name)
    }

    /// Why it is in the queue instead, for people; `None` when it is not.
    pub fn instead(self) -> Option<&'static str> {
        match self {
            Self::Offered | Self::Taken => None,
            Self::Refused => Some("the agent takes nothing while it works"),
            Self::Missed => Some("the turn it was meant for ended before it could take it"),
            Self::Idle => Some("no agent was at work"),
        }
    }
}

/// Where a command is to run: exactly one of the three.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// A project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// A runner: its project at `path`, or the only one it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<DeviceId>,
    /// Any runner this is true of, such as `agents has "claude" and os = "linux"`. While nobody fits,
    /// the command waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// With a runner or a selector: the path of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// With a selector: how one of several runners is chosen; `best` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RouteMode>,
    /// With the mode `order`: the runners in the order they are asked; by their priority when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<DeviceId>>"))]
    pub prefer: Vec<DeviceId>,
}

/// What a command carries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
#[serde(deny_unknown_fields, default)]
pub struct Payload {
    /// What to do: the prompt, or the shell line.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<String>"))]
    pub prompt: String,
    /// How.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<ExecuteOptions>,
    /// Another agent than the project's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentKind>,
    /// Another session than the one the project is in when the command starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Files that go with the prompt; their bytes were uploaded before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<Attachment>>"))]
    pub attachments: Vec<Attachment>,
}

/// A place in the order of what waits behind each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Before all that wait.
    First,
    /// Behind all that wait.
    Last,
    /// Right before this one.
    Before(CommandId),
    /// Right behind this one.
    After(CommandId),
}

/// What a person decides about a command whose outcome is unknown or whose runner stays away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It was done.
    Succeeded,
    /// It was not done and shall not be.
    Failed,
    /// Start it again, although it may have been started before.
    Requeue,
}

/// Why a command does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// Its time has not come.
    Time,
    /// Somebody holds it, its project, its runner or everything.
    Hold,
    /// Another command is before it.
    Order,
    /// Its project or its runner works on something else.
    Slot,
    /// Its runner is away.
    Runner,
    /// The agent's usage limit is reached.
    Limit,
    /// A person must answer first.
    Approval,
    /// It was given to its runner, which has not said that it started.
    Start,
}

impl WaitReason {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Hold => "hold",
            Self::Order => "order",
            Self::Slot => "slot",
            Self::Runner => "runner",
            Self::Limit => "limit",
            Self::Approval => "approval",
            Self::Start => "start",
        }
    }
}

/// What exactly a command waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct Waiting {
    /// In one word.
    pub reason: WaitReason,
    /// For people.
    pub message: String,
    /// Until when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Behind which command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// For which runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<DeviceId>,
    /// When that runner gave its last sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
}

/// A command that keeps another from starting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct Cause {
    /// The command.
    pub command: Command,
    /// Why it does not go on; absent when it is being worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
}

/// One attempt of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct AttemptView {
    /// Counted from 1.
    pub attempt: u32,
    /// The runner that had it.
    pub runner_id: DeviceId,
    /// When it was given to that runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_at: Option<Timestamp>,
    /// When the runner started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// A step of the delivery chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ChainStep {
    /// Its sender gave it away.
    Submitted,
    /// It is on the server's disk.
    Accepted,
    /// It was given another place: a runner that fits, after it had none, or after its own was lost.
    Moved,
    /// It was given to its runner.
    Leased,
    /// The runner wrote that it starts, and gave it to the agent.
    Consumed,
    /// It ended.
    Finished,
}

/// A step that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct ChainLink {
    /// Which step.
    pub step: ChainStep,
    /// When.
    pub at: Timestamp,
    /// The device that did it; absent when the server did by itself, as its clock told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<DeviceId>,
}

/// A command with everything known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct CommandDetail {
    /// The command.
    #[serde(flatten)]
    pub command: Command,
    /// What it carries.
    pub payload: Payload,
    /// When it is tried again.
    pub retry: RetryPolicy,
    /// Every attempt, the first one first.
    pub attempts: Vec<AttemptView>,
    /// How far it came, of its latest attempt.
    pub chain: Vec<ChainLink>,
    /// Why it does not go on, while it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// How it came to its runner, when it was sent to whichever fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
}

/// Something that keeps commands from starting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct Hold {
    /// The command that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The project that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// The runner that is held. Without any of the three, everything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<DeviceId>,
    /// The device that asked for it.
    pub by: DeviceId,
    /// When.
    pub at: Timestamp,
}

/// What stays of a result that is stored as a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct BlobRef {
    /// SHA-256 of the whole text, in hexadecimal; its name in `/api/v1/blobs/`.
    pub hash: String,
    /// Length of the whole text, in bytes.
    pub bytes: u64,
}
