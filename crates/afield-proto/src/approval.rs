//! Approvals: one durable object for a tool permission, a question, or (later) a workflow gate.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

mod rule;

pub use self::rule::{PermissionRule, RULE_BYTES_MAX, RULES_MAX, RuleDestination};
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
    /// The rules it suggests, for a person to change: each would allow this and what is like it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<PermissionRule>>"))]
    pub rules: Vec<PermissionRule>,
    /// The directory it would happen in.
    pub directory: String,
}

/// How dangerous what is asked is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum DangerLevel {
    /// It only looks, inside the project.
    Harmless,
    /// Everything else.
    Normal,
    /// It may destroy or give away what nobody can bring back, or can't be judged.
    Destructive,
}

/// How dangerous what is asked is, and why: the same on every screen.
///
/// A help for the eye, not a guard: who approves reads what would run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Danger {
    /// In one word.
    pub level: DangerLevel,
    /// Why, for people; empty unless it is destructive.
    pub reasons: Vec<String>,
}

/// An approval as clients see it.
///
/// **Shape**: the `data` of `approval_state`.
#[derive(Debug, Clone, Serialize)]
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
    /// How dangerous it is; absent in events of servers that did not judge it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub danger: Option<Danger>,
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

/// What [`Approval`] adds to what was asked.
#[derive(Deserialize)]
struct Progress {
    project_id: ProjectId,
    command_id: CommandId,
    state: ApprovalState,
    #[serde(default)]
    danger: Option<Danger>,
    requested_at: Timestamp,
    #[serde(default)]
    resolved_at: Option<Timestamp>,
    #[serde(default)]
    resolved_by: Option<DeviceId>,
    #[serde(default)]
    answer: Option<Answer>,
}

/// Read in two passes: a flattened struct would be rebuilt by the reader, and the tool's input is
/// kept as it came.
impl<'de> Deserialize<'de> for Approval {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(text.get()).map_err(serde::de::Error::custom)
    }
}

impl Approval {
    fn read(text: &str) -> Result<Self, serde_json::Error> {
        let ask = serde_json::from_str(text)?;
        let progress: Progress = serde_json::from_str(text)?;
        Ok(Self {
            ask,
            project_id: progress.project_id,
            command_id: progress.command_id,
            state: progress.state,
            danger: progress.danger,
            requested_at: progress.requested_at,
            resolved_at: progress.resolved_at,
            resolved_by: progress.resolved_by,
            answer: progress.answer,
        })
    }
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
    #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
    pub for_session: bool,
    /// With a yes: these rules hold from now on, as the person wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<PermissionRule>>"))]
    pub rules: Vec<PermissionRule>,
    /// With a no: the reason, told to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// With a no: also end the turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
    pub interrupt: bool,
    /// To a question: the full text of each question and the label chosen (several joined by ", ").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<std::collections::BTreeMap<String, String>>,
}

impl Answer {
    /// A yes or no, and nothing else.
    pub fn plain(behavior: Behavior) -> Self {
        Self {
            behavior,
            for_session: false,
            rules: Vec::new(),
            message: None,
            interrupt: false,
            answers: None,
        }
    }
}

/// The body of `POST /api/v1/approvals/one-tap`: what a notification's token is used for. The answer
/// is the approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
#[serde(deny_unknown_fields)]
pub struct OneTap {
    /// The `token` of the notification.
    pub token: String,
    /// Yes or no; when left out, this only asks what would be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<Behavior>,
    /// The person has meant it: needed for a yes to what is destructive.
    #[serde(default)]
    #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
    pub confirmed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_survives_to_the_byte() {
        let input = r#"{"b": 1.0, "a":[ ]}"#;
        let approval = Approval {
            ask: ApprovalAsk {
                approval_id: ApprovalId::generate(),
                kind: ApprovalKind::Tool,
                tool: "Bash".into(),
                input: RawValue::from_string(input.into()).unwrap(),
                title: None,
                reason: None,
                session_rule: true,
                rules: Vec::new(),
                directory: "/p".into(),
            },
            project_id: ProjectId::generate(),
            command_id: CommandId::generate(),
            state: ApprovalState::Open,
            danger: Some(Danger { level: DangerLevel::Normal, reasons: Vec::new() }),
            requested_at: Timestamp::from_unix_ms(1),
            resolved_at: None,
            resolved_by: None,
            answer: None,
        };
        let text = serde_json::to_string(&vec![approval]).unwrap();
        let back: Vec<Approval> = serde_json::from_str(&text).unwrap();
        assert_eq!(back[0].ask.input.get(), input);
        assert!(back[0].ask.session_rule && back[0].state == ApprovalState::Open);
    }
}
