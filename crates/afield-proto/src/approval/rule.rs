//! Rules that spare a person the next question of the same kind: what an agent suggests, and what a
//! person makes of it.
//!
//! A rule only ever allows. It is of a tool the agent named itself, so that an answer to one question
//! never opens another door.

use serde::{Deserialize, Serialize};

use super::{Answer, ApprovalAsk, ApprovalKind, Behavior};
use crate::device::is_hostile;

/// Most rules of one answer.
pub const RULES_MAX: usize = 16;
/// Longest content of a rule, in bytes: a command line or a path with a pattern.
pub const RULE_BYTES_MAX: usize = 1000;

/// Where a rule is kept, and so how long it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RuleDestination {
    /// With the conversation: it ends with it.
    Session,
    /// In the agent's own settings of this person and project, on the runner: until somebody takes
    /// it out there.
    LocalSettings,
}

/// What a tool may do from now on without being asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
#[serde(deny_unknown_fields)]
pub struct PermissionRule {
    /// The tool's name.
    pub tool: String,
    /// What of it, in the agent's words, such as `npm test *`; everything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Where it is kept.
    pub destination: RuleDestination,
}

/// As people and agents write it: `Bash(npm test *)`, or the tool alone.
impl std::fmt::Display for PermissionRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.content {
            Some(content) => write!(f, "{}({content})", self.tool),
            None => f.write_str(&self.tool),
        }
    }
}

impl PermissionRule {
    /// Reads what [`Display`](std::fmt::Display) writes. Words that name none of the `tools` are the
    /// content of a rule of the first.
    pub fn read(text: &str, tools: &[&str], destination: RuleDestination) -> Self {
        let text = text.trim();
        let (name, content) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, content)) => (name, Some(content.to_owned())),
            None => (text, None),
        };
        match tools.contains(&name) {
            true => Self { tool: name.to_owned(), content, destination },
            false => {
                let tool = tools.first().copied().unwrap_or_default().to_owned();
                Self { tool, content: Some(text.to_owned()), destination }
            }
        }
    }

    fn check(&self, ask: &ApprovalAsk) -> Result<(), String> {
        if !ask.tools().contains(&self.tool.as_str()) {
            let named = ask.tools().join(", ");
            return Err(format!("a rule may be of a tool the agent named ({named}) only"));
        }
        let Some(content) = &self.content else { return Ok(()) };
        if content.trim().is_empty() || content.len() > RULE_BYTES_MAX {
            return Err(format!("a rule must have 1 to {RULE_BYTES_MAX} bytes"));
        }
        // What is not seen can't be approved.
        match content.chars().any(is_hostile) {
            true => Err("a rule must not hold control or invisible characters".into()),
            false => Ok(()),
        }
    }
}

impl ApprovalAsk {
    /// The tools the agent named: the one it asks for, and those of the rules it suggests.
    pub fn tools(&self) -> Vec<&str> {
        let mut tools = vec![self.tool.as_str()];
        for rule in &self.rules {
            if !tools.contains(&rule.tool.as_str()) {
                tools.push(&rule.tool);
            }
        }
        tools
    }
}

impl Answer {
    /// Why this is no answer to that, if so.
    pub fn check(&self, ask: &ApprovalAsk) -> Result<(), String> {
        if self.rules.is_empty() {
            return Ok(());
        }
        if ask.kind != ApprovalKind::Tool || self.behavior != Behavior::Allow {
            return Err("rules go with a yes to a tool only".into());
        }
        if self.rules.len() > RULES_MAX {
            return Err(format!("an answer has at most {RULES_MAX} rules"));
        }
        self.rules.iter().try_for_each(|rule| rule.check(ask))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::ApprovalId;

    fn rule(tool: &str, content: Option<&str>) -> PermissionRule {
        let destination = RuleDestination::Session;
        PermissionRule { tool: tool.into(), content: content.map(str::to_owned), destination }
    }

    fn ask(kind: ApprovalKind) -> ApprovalAsk {
        ApprovalAsk {
            approval_id: ApprovalId::generate(),
            kind,
            tool: "Bash".into(),
            input: RawValue::from_string("{}".into()).unwrap(),
            title: None,
            reason: None,
            session_rule: true,
            rules: vec![rule("Read", Some("//tmp/**"))],
            directory: "/p".into(),
        }
    }

    fn refused(rules: Vec<PermissionRule>, kind: ApprovalKind) -> String {
        let answer = Answer { rules, ..Answer::plain(Behavior::Allow) };
        answer.check(&ask(kind)).unwrap_err()
    }

    #[test]
    fn a_rule_is_of_a_tool_the_agent_named() {
        let of = |tool| Answer { rules: vec![rule(tool, None)], ..Answer::plain(Behavior::Allow) };
        assert_eq!(of("Bash").check(&ask(ApprovalKind::Tool)), Ok(()));
        assert_eq!(of("Read").check(&ask(ApprovalKind::Tool)), Ok(()));
        let why = of("Write").check(&ask(ApprovalKind::Tool)).unwrap_err();
        assert!(why.contains("Bash, Read"), "{why}");
    }

    #[test]
    fn what_is_not_seen_is_no_rule() {
        let tool = ApprovalKind::Tool;
        for content in ["", "  ", "a\nb", "ls \u{202e}x", "a\u{200b}", &"x".repeat(1001)] {
            refused(vec![rule("Bash", Some(content))], tool);
        }
        refused(vec![rule("Bash", Some("ls")); RULES_MAX + 1], tool);
        refused(vec![rule("Bash", Some("ls"))], ApprovalKind::Plan);
        let no = Answer { behavior: Behavior::Deny, ..Answer::plain(Behavior::Allow) };
        let no = Answer { rules: vec![rule("Bash", Some("ls"))], ..no };
        assert!(no.check(&ask(tool)).is_err(), "a rule never forbids");
    }

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        let read = |text| PermissionRule::read(text, &["Bash", "Read"], RuleDestination::Session);
        assert_eq!(read("Bash(npm test *)"), rule("Bash", Some("npm test *")));
        assert_eq!(read("Read"), rule("Read", None));
        assert_eq!(read(" git log (all) "), rule("Bash", Some("git log (all)")));
        assert_eq!(rule("Bash", Some("a")).to_string(), "Bash(a)");
    }
}
