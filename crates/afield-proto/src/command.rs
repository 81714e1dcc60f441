//! Commands: durable units of work, their states and outcomes.

use serde::{Deserialize, Serialize};

use crate::agent::AgentKind;
use crate::queue::{BlobRef, Priority, Steer};
use crate::{CommandId, DeviceId, ProjectId, SessionId, Timestamp};

/// How far a command has come.
///
/// `queued` → `leased` → `running` → one of the final states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// On disk; waits for something.
    Queued,
    /// Given to its runner, which has not said that it started.
    Leased,
    /// Its runner said that it started.
    Running,
    /// Done.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// Waited too long, and was never started.
    Expired,
    /// The machine failed in the middle: outcome unknown.
    Interrupted,
    /// Retries used up, or no time left for another. A person can put it back.
    Dead,
}

impl CommandState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Leased,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::Interrupted,
        Self::Dead,
    ];

    /// The word on the wire and in storage.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Interrupted => "interrupted",
            Self::Dead => "dead",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing can follow.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Leased | Self::Running)
    }
}

/// How a command's work ended, as its runner saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// The agent finished its turn.
    Succeeded,
    /// The agent or program reported failure.
    Failed,
    /// The turn was interrupted on request.
    Cancelled,
    /// The process was stopped on request.
    Killed,
    /// The time limit, or the stall watchdog.
    TimedOut,
    /// The runner or its machine failed in the middle.
    Interrupted,
    /// The agent wants somebody to sign in on its machine.
    AuthRequired,
    /// The agent no longer knows the conversation.
    SessionLost,
    /// The agent's usage limit is reached; see `resets_at`.
    RateLimited,
    /// The agent's service failed for a moment.
    Transient,
    /// A limit of turns or cost given with the command is reached.
    LimitReached,
    /// The program ended without saying how.
    MissingResult,
    /// The program could not be started.
    NotStarted,
}

impl OutcomeKind {
    /// The final state a command reaches with this outcome.
    pub fn final_state(self) -> CommandState {
        match self {
            Self::Succeeded => CommandState::Succeeded,
            Self::Cancelled | Self::Killed => CommandState::Cancelled,
            Self::Interrupted => CommandState::Interrupted,
            Self::Failed
            | Self::TimedOut
            | Self::AuthRequired
            | Self::SessionLost
            | Self::RateLimited
            | Self::Transient
            | Self::LimitReached
            | Self::MissingResult
            | Self::NotStarted => CommandState::Failed,
        }
    }

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Killed => "killed",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
            Self::AuthRequired => "auth_required",
            Self::SessionLost => "session_lost",
            Self::RateLimited => "rate_limited",
            Self::Transient => "transient",
            Self::LimitReached => "limit_reached",
            Self::MissingResult => "missing_result",
            Self::NotStarted => "not_started",
        }
    }
}

/// How a command's work ended, with what is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct Outcome {
    /// How it ended.
    pub kind: OutcomeKind,
    /// The error code that fits, when it ended badly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<crate::ErrorCode>,
    /// What happened, for people: the answer's text, or the reason of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The program's exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Cost of this turn in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Turns the agent took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
    /// From start to end, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// When the usage limit ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
    /// How long the agent's service asked to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The whole message, when `message` is only its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<BlobRef>,
}

impl Outcome {
    /// An outcome with nothing but its kind.
    pub fn new(kind: OutcomeKind) -> Self {
        Self {
            kind,
            code: None,
            message: None,
            exit_code: None,
            signal: None,
            cost_usd: None,
            turns: None,
            duration_ms: None,
            resets_at: None,
            retry_after_ms: None,
            blob: None,
        }
    }

    /// The same outcome with words for people.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }
}

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// A prompt for an agent.
    Prompt,
    /// A plain program or shell line.
    Shell,
    /// The prompts behind it start a new conversation. Needs no runner.
    NewSession,
    /// Stops what its project runs, as soon as the runner can be reached.
    Kill,
}

impl CommandKind {
    /// The word on the wire and in storage.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Shell => "shell",
            Self::NewSession => "new_session",
            Self::Kill => "kill",
        }
    }
}

/// A command as clients see it.
///
/// **Shape**: the `data` of `command_state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct Command {
    /// Its id.
    pub id: CommandId,
    /// The project it belongs to.
    pub project_id: ProjectId,
    /// The runner that hosts the project.
    pub runner_id: DeviceId,
    /// The session it continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// What it asks for.
    pub kind: CommandKind,
    /// The agent that works on it.
    pub agent: AgentKind,
    /// How far it has come.
    pub state: CommandState,
    /// What it waits for, in one word (see `WaitReason`); while queued or leased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// The beginning of what it asks for, for lists.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<String>"))]
    pub summary: String,
    /// How urgent it is; `normal` when not given.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Priority>"))]
    pub priority: Priority,
    /// Its sender's own mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The ordering key it was given: commands of one key run one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// It does not start before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// It does not start after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Somebody holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<DeviceId>,
    /// What became of the wish that it goes into the running turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steer: Option<Steer>,
    /// The command whose turn it goes, or went, into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<CommandId>,
    /// Somebody asked to stop it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_requested_by: Option<DeviceId>,
    /// How often it was given to a runner.
    pub attempt: u32,
    /// The device that submitted it.
    pub submitted_by: DeviceId,
    /// When it was accepted (it was on disk).
    pub created_at: Timestamp,
    /// When it was given to its runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_at: Option<Timestamp>,
    /// When its runner started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}
