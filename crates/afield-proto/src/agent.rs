//! Agents: which there are, how a command drives them, and what they say.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::session::SessionNews;
use crate::{CommandId, SessionId, Timestamp};

mod programs;

/// A coding-agent program a runner can drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// Claude Code, natively.
    Claude,
    /// The built-in demonstration: no model, no account, the whole product.
    Demo,
    /// A plain program, or a shell line.
    Command,
}

impl AgentKind {
    /// Every agent this build can drive.
    pub const ALL: [Self; 3] = [Self::Claude, Self::Demo, Self::Command];

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Demo => "demo",
            Self::Command => "command",
        }
    }
}

impl std::fmt::Display for AgentKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no agent.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is no agent (claude, demo or command)")]
pub struct AgentKindError(String);

impl std::str::FromStr for AgentKind {
    type Err = AgentKindError;

    fn from_str(text: &str) -> Result<Self, AgentKindError> {
        let named = Self::ALL.into_iter().find(|kind| kind.name() == text);
        named.ok_or_else(|| AgentKindError(text.chars().take(64).collect()))
    }
}

/// When an agent asks before it acts. The words are Claude Code's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum PermissionMode {
    /// Ask for everything the rules do not allow.
    #[serde(alias = "manual")]
    Default,
    /// File edits need no question.
    AcceptEdits,
    /// The agent's own judgement.
    Auto,
    /// Read and plan only.
    Plan,
    /// Refuse instead of asking.
    DontAsk,
    /// Never ask. Only where the runner's policy allows it.
    BypassPermissions,
}

impl PermissionMode {
    /// Every mode, in the order a person would cycle through.
    pub const ALL: [Self; 6] = [
        Self::Default,
        Self::AcceptEdits,
        Self::Plan,
        Self::Auto,
        Self::DontAsk,
        Self::BypassPermissions,
    ];

    /// The word on the wire and on Claude's command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Auto => "auto",
            Self::Plan => "plan",
            Self::DontAsk => "dontAsk",
            Self::BypassPermissions => "bypassPermissions",
        }
    }
}

/// How one command drives its agent.
///
/// **Shape**: the `options` of `execute`. Unknown keys are refused: a misspelt limit must not be
/// taken for no limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
#[serde(deny_unknown_fields, default)]
pub struct ExecuteOptions {
    /// Model name or alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Model to use when the first is overloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_model: Option<String>,
    /// When the agent asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<PermissionMode>,
    /// Tools that need no question, such as `Bash(git *)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    /// Tools that are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disallowed_tools: Option<Vec<String>>,
    /// Text added to the system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_system_prompt: Option<String>,
    /// MCP servers, as JSON or as the path of a file inside the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(type = "unknown", optional))]
    pub mcp_config: Option<serde_json::Value>,
    /// Use only the MCP servers of `mcp_config`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict_mcp_config: Option<bool>,
    /// Further directories the agent may use (inside the runner's allowed roots).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_dirs: Option<Vec<String>>,
    /// Never ask. Only where the runner's policy allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dangerously_skip_permissions: Option<bool>,
    /// Program and arguments, for the agent `command`. Without it the prompt is a shell line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// Give up after this many seconds (at most the runner's own limit).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
}

impl ExecuteOptions {
    /// These options, with what is not set taken from `base`.
    #[must_use]
    pub fn or(self, base: &Self) -> Self {
        let base = base.clone();
        Self {
            model: self.model.or(base.model),
            fallback_model: self.fallback_model.or(base.fallback_model),
            permission_mode: self.permission_mode.or(base.permission_mode),
            allowed_tools: self.allowed_tools.or(base.allowed_tools),
            disallowed_tools: self.disallowed_tools.or(base.disallowed_tools),
            append_system_prompt: self.append_system_prompt.or(base.append_system_prompt),
            mcp_config: self.mcp_config.or(base.mcp_config),
            strict_mcp_config: self.strict_mcp_config.or(base.strict_mcp_config),
            add_dirs: self.add_dirs.or(base.add_dirs),
            dangerously_skip_permissions: self
                .dangerously_skip_permissions
                .or(base.dangerously_skip_permissions),
            argv: self.argv.or(base.argv),
            timeout_seconds: self.timeout_seconds.or(base.timeout_seconds),
        }
    }
}

/// Who speaks. The second word is `claude` for every agent: older clients know no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a person to the agent.
    Client,
    /// From the agent.
    Claude,
}

/// What a message is, whichever agent said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// What a person asked.
    Prompt,
    /// Text of the answer.
    Text,
    /// The agent's thinking.
    Thinking,
    /// The agent uses a tool.
    ToolUse,
    /// What the tool gave back.
    ToolResult,
    /// A piece of text still being written. Never stored.
    Partial,
    /// A sign of progress of a tool. Never stored.
    Progress,
    /// The end of a turn.
    Result,
    /// The start of a turn, its model and tools.
    Init,
    /// Anything else the agent reports about itself.
    System,
    /// A line the program wrote to standard output (plain commands).
    Stdout,
    /// A line the program wrote to standard error.
    Stderr,
    /// A frame this version does not know; passed through as it came.
    Unknown,
    /// Something the runner noticed: an unreadable line, a cut line.
    Warning,
}

impl MessageKind {
    /// Whether messages of this kind are relayed but never stored.
    pub fn ephemeral(self) -> bool {
        matches!(self, Self::Partial | Self::Progress)
    }

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Text => "text",
            Self::Thinking => "thinking",
            Self::ToolUse => "tool_use",
            Self::ToolResult => "tool_result",
            Self::Partial => "partial",
            Self::Progress => "progress",
            Self::Result => "result",
            Self::Init => "init",
            Self::System => "system",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
        }
    }
}

/// What is odd about a message. Absent when nothing is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
#[serde(default)]
pub struct MessageFlags {
    /// The line was no valid UTF-8; the bad bytes were replaced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
    pub lossy: bool,
    /// The line was too long to keep whole here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
    pub truncated: bool,
    /// Length of the whole line in bytes, when it was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_bytes: Option<u64>,
}

impl MessageFlags {
    /// Whether nothing is odd.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One message of a conversation.
///
/// **Shape**: the `data` of `agent_message`. `message` is the agent's own frame, exactly as it came
/// (JSON), or `{"text": "…"}` where the agent writes plain lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct AgentMessage {
    /// When the runner read it.
    pub timestamp: Timestamp,
    /// Who speaks.
    pub direction: Direction,
    /// What it is.
    pub kind: MessageKind,
    /// The command it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The session it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The words in it, where there are any: what a plain client shows and what a search finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The tool used or answered, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolRef>,
    /// The tool use (of a sub-agent) this message belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What it tells about its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub news: Option<Box<SessionNews>>,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "MessageFlags::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<MessageFlags>"))]
    pub flags: MessageFlags,
    /// The agent's own frame.
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Value"), ts(type = "unknown"))]
    pub message: Box<RawValue>,
}

/// A tool, as far as every client needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct ToolRef {
    /// Pairs a use with its result.
    pub id: String,
    /// The tool's name; absent on results of agents that do not repeat it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the tool failed; on results only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<bool>,
}
