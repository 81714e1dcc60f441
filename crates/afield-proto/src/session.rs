//! Sessions: conversations with an agent, as far as lists and screens need to know them.

use serde::{Deserialize, Serialize};

use crate::agent::{AgentKind, PermissionMode};
use crate::limits::NAME_BYTES_MAX;
use crate::{ProjectId, SessionId, Timestamp};

/// Most commands, tools and servers of an agent that are kept: more fit in no list.
const LISTED_MAX: usize = 500;

/// Whether a conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The next prompt of its project continues it.
    Active,
    /// Its project went on with another. A prompt that names it continues it all the same.
    Ended,
    /// Its agent no longer knows it.
    Lost,
}

impl SessionState {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended => "ended",
            Self::Lost => "lost",
        }
    }
}

/// A session as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The project it is in.
    pub project_id: ProjectId,
    /// Whether it goes on.
    pub state: SessionState,
    /// The beginning of its first prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The agent that works in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentKind>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a prompt was last started in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// What its agent told.
    #[serde(flatten)]
    pub facts: SessionFacts,
    /// What its agent announced last. Left out of lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<AgentSetup>,
}

/// What the agent of a session told, added up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct SessionFacts {
    /// The model, in the agent's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When it asks, as it said at the start of the last turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<PermissionMode>,
    /// Turns that ended.
    #[serde(default)]
    pub turns: u64,
    /// What they used, all together.
    #[serde(default)]
    pub usage: TokenUsage,
    /// How full its memory was at the end of the last turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextUse>,
}

impl SessionFacts {
    /// A turn begins.
    pub fn begin(&mut self, setup: &AgentSetup) {
        self.model.clone_from(&setup.model);
        self.permission_mode = setup.permission_mode;
    }

    /// A turn is over.
    pub fn end(&mut self, turn: &TurnUsage) {
        self.turns += 1;
        self.usage.add(&turn.usage);
        self.context = turn.context.or(self.context);
    }
}

/// What was read and written, by the agent's own count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct TokenUsage {
    /// Tokens read anew.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens written.
    #[serde(default)]
    pub output_tokens: u64,
    /// Tokens read from the cache.
    #[serde(default)]
    pub cache_read_tokens: u64,
    /// Tokens written to the cache.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// Cost in US dollars, where the agent tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

impl TokenUsage {
    /// Adds what a turn used.
    fn add(&mut self, turn: &Self) {
        for (sum, more) in [
            (&mut self.input_tokens, turn.input_tokens),
            (&mut self.output_tokens, turn.output_tokens),
            (&mut self.cache_read_tokens, turn.cache_read_tokens),
            (&mut self.cache_write_tokens, turn.cache_write_tokens),
        ] {
            *sum = sum.saturating_add(more);
        }
        if let Some(cost) = turn.cost_usd {
            self.cost_usd = Some(self.cost_usd.unwrap_or(0.0) + cost);
        }
    }
}

/// How full the agent's memory of a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct ContextUse {
    /// Tokens of the conversation, as the model last read it.
    pub used_tokens: u64,
    /// As many as the model takes, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_tokens: Option<u64>,
}

/// What an agent announces when a turn begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct AgentSetup {
    /// The model, in the agent's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<PermissionMode>,
    /// Its commands, without the slash in front.
    #[serde(default)]
    pub slash_commands: Vec<String>,
    /// Its tools.
    #[serde(default)]
    pub tools: Vec<String>,
    /// The MCP servers it knows.
    #[serde(default)]
    pub mcp_servers: Vec<McpServer>,
}

/// An MCP server, as its agent sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct McpServer {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// How it does, in the agent's own word.
    #[serde(default)]
    pub status: String,
}

impl AgentSetup {
    /// The same with no more and nothing longer than is kept.
    #[must_use]
    pub fn limited(mut self) -> Self {
        let fits = |name: &String| !name.is_empty() && name.len() <= NAME_BYTES_MAX;
        for list in [&mut self.slash_commands, &mut self.tools] {
            list.retain(fits);
            list.truncate(LISTED_MAX);
        }
        self.mcp_servers
            .retain(|server| fits(&server.name) && server.status.len() <= NAME_BYTES_MAX);
        self.mcp_servers.truncate(LISTED_MAX);
        self.model = self.model.filter(fits);
        self
    }
}

/// What a turn used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct TurnUsage {
    /// What it read and wrote.
    pub usage: TokenUsage,
    /// How full the agent's memory is afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextUse>,
}

/// What a message tells about its session, whichever agent said it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SessionNews {
    /// A turn begins.
    Began(AgentSetup),
    /// A turn is over.
    Ended(TurnUsage),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_added_up_and_the_last_context_stays() {
        let mut facts = SessionFacts::default();
        let turn = |input_tokens, cost_usd, used: Option<u64>| TurnUsage {
            usage: TokenUsage { input_tokens, cost_usd, ..TokenUsage::default() },
            context: used.map(|used_tokens| ContextUse { used_tokens, window_tokens: Some(9) }),
        };
        for turn in
            [turn(3, None, Some(5)), turn(4, Some(0.5), None), turn(u64::MAX, Some(0.25), None)]
        {
            facts.end(&turn);
        }
        assert_eq!((facts.turns, facts.usage.input_tokens), (3, u64::MAX));
        assert_eq!(facts.usage.cost_usd, Some(0.75));
        assert_eq!(facts.context.map(|context| context.used_tokens), Some(5));
    }

    #[test]
    fn of_what_is_announced_only_so_much_is_kept() {
        let tools = (0..600).map(|n| format!("tool-{n}")).chain(["x".repeat(300)]).collect();
        let names = vec![String::new(), "y".repeat(201), "compact".to_owned()];
        let setup = AgentSetup { tools, slash_commands: names, ..AgentSetup::default() }.limited();
        assert_eq!((setup.tools.len(), setup.slash_commands), (500, vec!["compact".to_owned()]));
    }
}
