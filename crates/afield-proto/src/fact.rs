//! Facts: what the server tells without being asked, and what events carry.

use serde::{Deserialize, Serialize};

use crate::agent::AgentMessage;
use crate::approval::Approval;
use crate::command::Command;
use crate::device::{Device, DeviceMessage, DevicePresence, MessageStatus};
use crate::handoff::Handoff;
use crate::live::Skew;
use crate::project::Project;
use crate::queue::Hold;
use crate::runner::{AgentFacts, KilledProcess, RunnerFacts};
use crate::state::StateRegister;
use crate::{CommandId, DeviceId, ProjectId, SessionId, Timestamp, Topic};

/// One fact.
///
/// **Shape**: `{"type": …, "project_id": …, "data": {…}}`; as an event of a topic the same with
/// `topic`, `seq` and `at`. See [`crate::wire`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Fact {
    /// What a project is doing: when it is made, and after a change.
    ProjectState(Project),
    /// A project's settings changed.
    ProjectUpdate(Project),
    /// A project is gone. Its directory was not touched.
    ProjectDeleted {
        /// Which.
        project_id: ProjectId,
    },
    /// The agent or a person said something.
    AgentMessage(AgentMessage),
    /// The project's next prompt starts a new conversation.
    SessionReset {
        /// The new session.
        session_id: SessionId,
        /// Why: somebody asked, or the agent lost the old one.
        reason: SessionResetReason,
    },
    /// An agent was stopped.
    ProcessKilled {
        /// The command it worked on.
        command_id: CommandId,
        /// The device that asked for it.
        by: DeviceId,
        /// The processes that were stopped.
        killed: Vec<KilledProcess>,
    },
    /// A command changed its state.
    CommandState(Command),
    /// A dead command was forgotten. What it did stays in the history.
    CommandGone {
        /// Which.
        command_id: CommandId,
    },
    /// An approval was asked, answered or withdrawn.
    ApprovalState(Approval),
    /// A runner came, went or changed.
    RunnerState(RunnerState),
    /// A device was let in, changed or thrown out: its row without what changes untold (how present
    /// it is, when and from where it last connected, how its version compares; of runners `about`).
    DeviceState(Device),
    /// A device that was thrown out is shown no more.
    DeviceGone {
        /// Which.
        device_id: DeviceId,
    },
    /// A project, a runner or everything is held, or no longer.
    HoldState(HoldState),
    /// A register of the person's shared state changed.
    StateChanged(StateRegister),
    /// The person's focus moved, was offered, or let go.
    HandoffState(Handoff),
    /// A message for this device. It is to be acknowledged.
    DeviceMessage(DeviceMessage),
    /// A message that was held has been delivered: told to its sender.
    DeviceMessageState(MessageStatus),
    /// A device came, went, fell silent or asleep. Not stored.
    DevicePresence(DevicePresence),
    /// The server's own figures, every ten seconds.
    ServerStats(ServerStats),
    /// What the server measured when it was asked.
    HealthCheck(HealthCheck),
    /// How this connection does, after every ping.
    ConnectionHealth(ConnectionHealth),
    /// A part of a followed topic can't be read and will not come.
    Gap(LostEvents),
}

/// Events of a topic that can't be read any more: what follows comes after the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct LostEvents {
    /// The topic.
    #[cfg_attr(feature = "schema", ts(type = "string"))]
    pub topic: Topic,
    /// Number of the first of them.
    pub first: u64,
    /// Number of the last of them.
    pub last: u64,
}

/// Why a session was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SessionResetReason {
    /// Somebody asked for a new one.
    Requested,
    /// The agent no longer knew it.
    Lost,
}

/// A runner as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RunnerState {
    /// Its device id.
    pub runner_id: DeviceId,
    /// Its name.
    pub name: String,
    /// Whether it is connected now, on the evidence of its last sign of life.
    pub online: bool,
    /// When it last gave a sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
    /// What it said about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<RunnerFacts>,
    /// The labels its owner gave it; those of its own policy are among the facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<String>>"))]
    pub labels: Vec<String>,
    /// Its rank when work is placed by order: greater is asked first.
    #[serde(default)]
    pub priority: i32,
    /// The protocol version it was agreed to speak on its connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    /// The features that were agreed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<String>>"))]
    pub features: Vec<String>,
    /// How its version compares with the server's; absent when it is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew: Option<Skew>,
}

impl RunnerState {
    /// A runner nothing is known of.
    pub fn unknown(runner_id: DeviceId) -> Self {
        Self {
            runner_id,
            name: String::new(),
            online: false,
            last_seen_at: None,
            facts: None,
            labels: Vec::new(),
            priority: 0,
            protocol: None,
            features: Vec::new(),
            skew: None,
        }
    }
}

/// What is held, or no longer. Held commands say so themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct HoldState {
    /// The project; without it and a runner, everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// The runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<DeviceId>,
    /// The hold; absent when it was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// The server's own figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct ServerStats {
    /// When they were taken.
    pub at: Timestamp,
    /// Seconds since the server started.
    pub uptime_seconds: u64,
    /// Open WebSocket connections.
    pub connections: u64,
    /// Connected runners.
    pub runners: u64,
    /// Projects of the org.
    pub projects: u64,
    /// Projects whose runner says that they execute.
    pub executing: u64,
    /// Frames received since the start.
    pub messages_received: u64,
    /// Frames sent since the start.
    pub messages_sent: u64,
    /// Durable events written since the start.
    pub events_written: u64,
    /// Resident memory of the server, in bytes.
    pub memory_bytes: u64,
}

/// Whether a part works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It works.
    Ok,
    /// It works, with something to look at.
    Degraded,
    /// It does not work.
    Failed,
}

/// What the server measured when it was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct HealthCheck {
    /// The worst of the parts.
    pub status: HealthStatus,
    /// When it was measured.
    pub at: Timestamp,
    /// The server's version.
    pub version: String,
    /// Processor use of the machine, 0 to 1.
    pub cpu: f64,
    /// Memory in use on the machine, in bytes.
    pub memory_used_bytes: u64,
    /// Memory of the machine, in bytes.
    pub memory_total_bytes: u64,
    /// Free space where the data lies, in bytes.
    pub disk_free_bytes: u64,
    /// The store: one durable write, timed.
    pub store: StoreHealth,
    /// Every runner with its link and the agents found on it.
    pub runners: Vec<RunnerLinkHealth>,
}

/// The store, measured by one durable write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct StoreHealth {
    /// Whether the write succeeded.
    pub status: HealthStatus,
    /// `sqlite` or `postgres`, with its version.
    pub engine: String,
    /// How long the write took until it was on disk, in milliseconds.
    pub write_ms: f64,
    /// Parts of the log that could not be read and were set aside.
    pub damaged: u64,
}

/// A runner's link, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RunnerLinkHealth {
    /// Which runner.
    pub runner_id: DeviceId,
    /// Its name.
    pub name: String,
    /// Whether it is connected.
    pub online: bool,
    /// When it last gave a sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
    /// There and back, in milliseconds; absent when it did not answer in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
    /// Its disk takes no writes: what it was given does not start until it does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", ts(as = "Option<bool>", optional))]
    pub disk_refuses: bool,
    /// The agents found on it.
    pub agents: Vec<AgentFacts>,
}

/// How a connection does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct ConnectionHealth {
    /// When it was taken.
    pub at: Timestamp,
    /// The last ping there and back, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
    /// Bytes that wait to be sent on this connection.
    pub queued_bytes: u64,
    /// Ephemeral messages this connection was too slow for, since it opened.
    pub dropped: u64,
}

impl Fact {
    /// The word on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ProjectState(_) => "project_state",
            Self::ProjectUpdate(_) => "project_update",
            Self::ProjectDeleted { .. } => "project_deleted",
            Self::AgentMessage(_) => "agent_message",
            Self::SessionReset { .. } => "session_reset",
            Self::ProcessKilled { .. } => "process_killed",
            Self::CommandState(_) => "command_state",
            Self::CommandGone { .. } => "command_gone",
            Self::ApprovalState(_) => "approval_state",
            Self::RunnerState(_) => "runner_state",
            Self::DeviceState(_) => "device_state",
            Self::DeviceGone { .. } => "device_gone",
            Self::HoldState(_) => "hold_state",
            Self::StateChanged(_) => "state_changed",
            Self::HandoffState(_) => "handoff_state",
            Self::DeviceMessage(_) => "device_message",
            Self::DeviceMessageState(_) => "device_message_state",
            Self::DevicePresence(_) => "device_presence",
            Self::ServerStats(_) => "server_stats",
            Self::HealthCheck(_) => "health_check",
            Self::ConnectionHealth(_) => "connection_health",
            Self::Gap(_) => "gap",
        }
    }
}
