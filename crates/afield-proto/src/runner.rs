//! What server and runner say to each other.
//!
//! The runner dials out to `/ws` like any client, with a credential of scope `runner`, and uses the
//! same frames. The server sends it *orders* (`runner_execute`, `runner_kill`, …); the runner
//! reports everything durable as numbered [`Record`]s of a command, kept on its own disk until the
//! server has acknowledged them. Order and exactly-once effect follow from the numbers: the server
//! applies record `n` only after `n - 1`, and ignores what it has.
//!
//! Both sides treat the other as untrusted input.

use serde::{Deserialize, Serialize};

use crate::agent::{AgentKind, AgentMessage, ExecuteOptions, PermissionMode};
use crate::approval::{Answer, ApprovalAsk};
use crate::attachment::Attachment;
use crate::command::Outcome;
use crate::live::{RunnerLoad, Sandbox};
use crate::output::{OutputLines, OutputStream};
use crate::{ApprovalId, CommandId, DeviceId, ProjectId, RequestId, SessionId, Timestamp};

/// Which attempt of which command: carried by every word about it, so that words about an older
/// attempt can be told apart and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Attempt {
    /// The command.
    pub command_id: CommandId,
    /// Counted from 1.
    pub attempt: u32,
    /// Grows with every lease of the command; a runner refuses a lower one than it has seen.
    pub fence: u64,
}

/// First request of a runner on a connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RunnerHello {
    /// Lowest and highest protocol version it speaks.
    pub protocol: (u32, u32),
    /// What it can do beyond that version's base; see [`crate::live::FEATURES`].
    #[serde(default)]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<String>>"))]
    pub features: Vec<String>,
    /// Facts about the machine.
    pub facts: RunnerFacts,
    /// Every attempt whose records the server has not acknowledged in full, from the journal.
    pub attempts: Vec<AttemptReport>,
}

/// Facts about a runner's machine and its own policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(default)]
pub struct RunnerFacts {
    /// Version of its Afield.
    pub version: String,
    /// Operating system, such as `linux`.
    pub os: String,
    /// Processor architecture, such as `x86_64`.
    pub arch: String,
    /// Host name.
    pub host: String,
    /// Processor cores.
    pub cores: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// The agents it can drive.
    pub agents: Vec<AgentFacts>,
    /// The directories projects may lie in.
    pub roots: Vec<String>,
    /// Whether its policy allows shell lines.
    pub shell: bool,
    /// Most commands it works on at once.
    pub concurrency: u32,
    /// Programs found on its PATH that work often needs, such as `git` or `node`.
    pub tools: Vec<String>,
    /// Labels its own policy gives it; its owner gives others.
    pub labels: Vec<String>,
    /// How well what an agent starts is kept together and apart.
    pub sandbox: Sandbox,
    /// Longest a command may take there, in seconds.
    pub execution_timeout_seconds: u32,
    /// How busy it is; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub load: Option<RunnerLoad>,
}

/// One agent as found on a runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct AgentFacts {
    /// Which agent.
    pub agent: AgentKind,
    /// Whether it can be used now.
    pub available: bool,
    /// Its version, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it can't be used, or what is odd about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What it can do, in words: `ask`, `images`, `interrupt`, `modes`, `resume`, `steer`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<String>>"))]
    pub can: Vec<String>,
}

/// What a runner's journal knows about an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct AttemptReport {
    /// Which attempt.
    pub attempt: Attempt,
    /// Number of its last record on the runner's disk.
    pub last_record: u64,
    /// The last record of which the runner was told that the server has it. It is sent no more: a server that
    /// has less was put back to an earlier state.
    #[serde(default)]
    #[cfg_attr(feature = "schema", ts(as = "Option<u64>"))]
    pub acknowledged: u64,
    /// Whether its process still runs.
    pub alive: bool,
}

/// The answer to [`RunnerHello`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerWelcome {
    /// The runner's device id.
    pub runner_id: DeviceId,
    /// The protocol version both will speak.
    pub protocol: u32,
    /// The features both have.
    #[serde(default)]
    pub features: Vec<String>,
    /// Per reported attempt: the last record the server has. The runner sends what follows and
    /// forgets an attempt when its last record is acknowledged.
    pub acknowledged: Vec<Acknowledged>,
    /// How often to send a sign of life, in milliseconds.
    pub ping_interval_ms: u64,
}

/// How far the server has an attempt's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Acknowledged {
    /// Which attempt.
    pub attempt: Attempt,
    /// The last record on the server's disk; 0 when there is none.
    pub last_record: u64,
    /// The server will never take more of it (the command is final, or this fence is old): stop
    /// what still runs and forget it.
    pub closed: bool,
}

/// One durable fact about an attempt.
///
/// **Shape**: an object with one key, the record's name. (Neither an inner tag nor flattening: both
/// would make the reader rebuild the agent's own frames, whose bytes are kept as they came.)
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
// TypeScript has a `Record` of its own, which the generated types use.
#[cfg_attr(feature = "schema", ts(rename = "RunnerRecord"))]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The agent's process is about to be started. Always the first record; on the runner's disk
    /// (fsync) before the process exists.
    Started {
        /// When.
        at: Timestamp,
    },
    /// The agent said something.
    Message(AgentMessage),
    /// A plain program wrote lines; each becomes a message.
    Output {
        /// When the runner read them.
        at: Timestamp,
        /// Where it wrote them.
        stream: OutputStream,
        /// The lines.
        #[cfg_attr(feature = "schema", ts(type = "Array<string>"))]
        lines: OutputLines,
    },
    /// The agent's own id of the conversation, when it is new or changed.
    NativeSession {
        /// The id.
        native_id: String,
    },
    /// The agent asks a person.
    Asked {
        /// When.
        at: Timestamp,
        /// What.
        ask: ApprovalAsk,
    },
    /// The agent no longer asks.
    Withdrawn {
        /// When.
        at: Timestamp,
        /// Which approval.
        approval_id: ApprovalId,
    },
    /// A person's words go into the running turn: on the runner's disk (fsync) before the agent is
    /// given them.
    Steered {
        /// When.
        at: Timestamp,
        /// The command that carries them.
        command_id: CommandId,
    },
    /// The work ended and every process of it is gone. Always the last record.
    Finished {
        /// When.
        at: Timestamp,
        /// How.
        outcome: Outcome,
        /// Processes that were stopped to end it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "schema", ts(as = "Option<Vec<KilledProcess>>", optional))]
        killed: Vec<KilledProcess>,
    },
}

impl Record {
    /// The record as JSON; a large message or many lines are copied once.
    ///
    /// **Errors**: none that a record made here could cause.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let bytes = match self {
            // Escaped, the words take more room than they have bytes.
            Self::Message(message) => {
                message.message.get().len() + 2 * message.text.as_ref().map_or(0, String::len)
            }
            Self::Output { lines, .. } => lines.bytes(),
            _ => 0,
        };
        let mut json = Vec::with_capacity(bytes + 1024);
        let Self::Output { at, stream, lines } = self else {
            serde_json::to_writer(&mut json, self)?;
            return Ok(json);
        };
        let without = Self::Output { at: *at, stream: *stream, lines: OutputLines::default() };
        serde_json::to_writer(&mut json, &without)?;
        let end = json.len() - "]}}".len();
        json.truncate(end);
        json.extend_from_slice(lines.listed().as_bytes());
        json.extend_from_slice(b"]}}");
        Ok(json)
    }
}

/// A process that was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct KilledProcess {
    /// Its process id.
    pub pid: u32,
    /// Its name, as far as known.
    pub name: String,
    /// The last signal it was sent, such as `TERM`.
    pub signal: String,
}

/// Records of one attempt, consecutive from `first_record`. The reply carries [`Acknowledged`],
/// after they are on the server's disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RunnerRecords {
    /// Which attempt.
    pub attempt: Attempt,
    /// Number of the first of them, counted from 1.
    pub first_record: u64,
    /// The records.
    pub records: Vec<Record>,
    /// The highest fence the runner has seen of the command, where it refused the order for that: by a server
    /// that was put back to an earlier state. The next lease gets a higher one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence_seen: Option<u64>,
}

impl RunnerRecords {
    /// Records of an attempt the runner works on.
    pub fn new(attempt: Attempt, first_record: u64, records: Vec<Record>) -> Self {
        Self { attempt, first_record, records, fence_seen: None }
    }
}

/// A message that is relayed to followers and never stored. There is no reply.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerPartial {
    /// Which attempt.
    pub attempt: Attempt,
    /// The messages, in order.
    pub messages: Vec<AgentMessage>,
}

/// Order: carry this command out.
///
/// Sent again after every reconnect until the runner's first record of the attempt is
/// acknowledged; the runner answers a repetition from its journal and never starts twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RunnerExecute {
    /// Which attempt.
    pub attempt: Attempt,
    /// Follows the work through all logs.
    pub request_id: RequestId,
    /// The project.
    pub project_id: ProjectId,
    /// Its directory, as the runner itself resolved it when the project was made.
    pub path: String,
    /// The session.
    pub session_id: SessionId,
    /// The agent's own id of the conversation, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native_session: Option<String>,
    /// The agent.
    pub agent: AgentKind,
    /// What to do.
    pub prompt: String,
    /// How.
    pub options: ExecuteOptions,
    /// Files that go with it, to be fetched with `runner_blob`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<Attachment>>"))]
    pub attachments: Vec<Attachment>,
}

/// Order: stop this attempt. The reply is [`RunnerKilled`], after every process is gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerKill {
    /// Which attempt.
    pub attempt: Attempt,
}

/// What a kill did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerKilled {
    /// Which attempt.
    pub attempt: Attempt,
    /// The processes that were stopped. Empty when it had ended by itself.
    pub killed: Vec<KilledProcess>,
}

/// Order: end the running turn, keep the conversation. There is no reply; records tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerInterrupt {
    /// Which attempt.
    pub attempt: Attempt,
}

/// Order: give the agent these words in its running turn. The reply is [`RunnerSteered`]; a
/// repetition is harmless.
///
/// **Errors**: PROCESS_NOT_FOUND when the attempt does not run here any more; its records tell
/// whether the agent was given the words.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RunnerSteer {
    /// Whose turn.
    pub attempt: Attempt,
    /// The command that carries the words.
    pub command_id: CommandId,
    /// The words.
    pub prompt: String,
    /// Files that go with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<Attachment>>"))]
    pub attachments: Vec<Attachment>,
}

/// Asks for a part of a file that goes with a command this runner was given.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerBlob {
    /// The command.
    pub command_id: CommandId,
    /// Which of its files.
    pub hash: String,
    /// From which byte on.
    pub offset: u64,
}

/// A part of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerBlobPart {
    /// Bytes in base64: at most [`crate::limits::BLOB_PART_BYTES`] of them; none behind the end.
    pub data: String,
}

/// What became of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerSteered {
    /// The agent is given them, and a record says so. Otherwise it takes none, and never will be
    /// given these.
    pub taken: bool,
}

/// Order: tell the agent this answer. There is no reply; a repetition is harmless.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerAnswer {
    /// Which attempt asked.
    pub attempt: Attempt,
    /// Which approval.
    pub approval_id: ApprovalId,
    /// The answer.
    pub answer: Answer,
}

/// Order: change when the agent asks. The reply is empty, or an error of the agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerSetMode {
    /// Which attempt.
    pub attempt: Attempt,
    /// The new mode.
    pub permission_mode: PermissionMode,
}

/// Order: check and resolve a path for a new project. The reply is [`RunnerPath`], or INVALID_PATH
/// with the rule it breaks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerResolvePath {
    /// As the person wrote it.
    pub path: String,
}

/// A resolved path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerPath {
    /// The canonical path.
    pub path: String,
    /// Equal for two spellings of one directory on this runner's file system (letter case and
    /// Unicode form folded where the file system folds them). Compared component by component to
    /// find duplicates and nesting.
    pub key: String,
}

/// Order: measure the machine. The reply is [`RunnerHealth`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerMeasure {}

/// A runner's machine, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerHealth {
    /// When it was measured.
    pub at: Timestamp,
    /// Processor use of the machine over the last interval, 0 to 1.
    pub cpu: f64,
    /// Memory in use, in bytes.
    pub memory_used_bytes: u64,
    /// Memory in all, in bytes.
    pub memory_total_bytes: u64,
    /// Free space where projects lie, in bytes.
    pub disk_free_bytes: u64,
    /// Commands it works on.
    pub executing: u32,
    /// The agents, probed again.
    pub agents: Vec<AgentFacts>,
}
