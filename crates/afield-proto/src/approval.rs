//! Approvals: one durable object for a tool permission, a question, or (later) a workflow gate.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{ApprovalId, CommandId, DeviceId, ProjectId, Timestamp};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ApprovalKind {
    /// May the agent use this tool with this input?
    Tool,
    /// The agent asks the person something.
    Question,
    /// May the agent carry out this plan?
    Plan,
}

/// How far an approval has come. Everything but `open` is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Waits for an answer.
    Open,
    /// Somebody said yes.
    Allowed,
    /// Somebody said no.
    Denied,
    /// The agent no longer asks, or its work ended.
    Withdrawn,
}

impl ApprovalState {
    /// The word on the wire and in storage.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What the agent asks, as its runner reports it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct ApprovalAsk {
    /// Chosen by the runner.
    pub approval_id: ApprovalId,
    /// What is asked.
    pub kind: ApprovalKind,
    /// The tool's name.
    pub tool: String,
    /// The tool's input, exactly as it would run.
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Value"), ts(type = "unknown"))]
    pub input: Box<RawValue>,
    /// One line for people, in the agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Why the agent's rules did not decide by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The agent offers a rule that would allow this for the rest of the session.
    #[serde(default)]
    pub session_rule: bool,
    /// The directory it would happen in.
    pub directory: String,
}

/// An approval as clients see it.
///
/// **Shape**: the `data` of `approval_state`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct Approval {
    /// What is asked.
    #[serde(flatten)]
    pub ask: ApprovalAsk,
    /// The project it is asked in.
    pub project_id: ProjectId,
    /// The command it is asked for.
    pub command_id: CommandId,
    /// How far it has come.
    pub state: ApprovalState,
    /// When it was asked.
    pub requested_at: Timestamp,
    /// When it was answered or withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// The device that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<DeviceId>,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Behavior {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Yes or no.
    pub behavior: Behavior,
    /// With a yes: apply the rule the agent offered for the rest of the session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_session: bool,
    /// With a no: the reason, told to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// With a no: also end the turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupt: bool,
    /// To a question: the full text of each question and the label chosen (several joined by ", ").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<std::collections::BTreeMap<String, String>>,
}
