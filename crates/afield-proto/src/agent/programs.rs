//! Options by which an agent starts programs without a question: who may name them may run plain
//! commands.
//!
//! Asked by the server before it takes options. What can't be read with certainty counts as a
//! program.

use super::{ExecuteOptions, PermissionMode};

/// Tools that start no program and write no file: a rule may allow them whole.
const LOOKING: [&str; 9] = [
    "Glob",
    "Grep",
    "LS",
    "NotebookRead",
    "Read",
    "TodoRead",
    "TodoWrite",
    "WebFetch",
    "WebSearch",
];

impl ExecuteOptions {
    /// The first option by which the agent could start programs unasked, but for those that
    /// `granted` has in the same words.
    pub fn programs(&self, granted: &Self) -> Option<&'static str> {
        let Self { permission_mode, allowed_tools, mcp_config, .. } = self;
        let never_asks = Some(PermissionMode::BypassPermissions);
        let table = [
            // A server is a program, or may name one that makes its headers; a file can hold both.
            ("mcp_config", mcp_config.is_some() && *mcp_config != granted.mcp_config),
            (
                "allowed_tools",
                !allowed_tools.iter().flatten().all(|rule| only_looks(rule))
                    && *allowed_tools != granted.allowed_tools,
            ),
            (
                "permission_mode",
                *permission_mode == never_asks && granted.permission_mode != never_asks,
            ),
            (
                "dangerously_skip_permissions",
                self.dangerously_skip_permissions == Some(true)
                    && granted.dangerously_skip_permissions != Some(true),
            ),
        ];
        table.into_iter().find_map(|(option, is_one)| is_one.then_some(option))
    }
}

/// Whether a rule is of one tool that only looks. Agents take several rules in one text, so what is
/// in brackets must hold none.
fn only_looks(rule: &str) -> bool {
    let rule = rule.trim();
    let (tool, content) = match rule.split_once('(') {
        Some((tool, rest)) => (tool, rest.strip_suffix(')')),
        None => (rule, Some("")),
    };
    LOOKING.contains(&tool) && content.is_some_and(|content| !content.contains(['(', ')']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: &str) -> ExecuteOptions {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_starts_programs_unasked_is_named() {
        let nothing = ExecuteOptions::default();
        for (json, named) in [
            (r#"{"mcp_config":{"mcpServers":{"x":{"command":"sh"}}}}"#, "mcp_config"),
            (
                r#"{"mcp_config":{"mcpServers":{"x":{"type":"http","headersHelper":"sh"}}}}"#,
                "mcp_config",
            ),
            (r#"{"mcp_config":".mcp.json"}"#, "mcp_config"),
            (r#"{"permission_mode":"bypassPermissions"}"#, "permission_mode"),
            (r#"{"dangerously_skip_permissions":true}"#, "dangerously_skip_permissions"),
        ] {
            assert_eq!(options(json).programs(&nothing), Some(named), "{json}");
        }
        for mode in ["default", "acceptEdits", "plan", "auto", "dontAsk"] {
            let json = format!(r#"{{"permission_mode":"{mode}","model":"m","argv":["x"]}}"#);
            assert_eq!(options(&json).programs(&nothing), None, "{json}");
        }
    }

    #[test]
    fn a_rule_is_harmless_only_for_one_tool_that_looks() {
        for rule in ["Read", " Grep ", "Read(src/**)", "WebFetch(domain:example.com)", "LS()"] {
            assert!(only_looks(rule), "{rule}");
        }
        for rule in [
            "Bash",
            "Bash(*)",
            "Bash(git *)",
            "bash",
            "*",
            "",
            "Edit",
            "Write(x)",
            "Agent",
            "Skill",
            "mcp__x__y",
            "Read,Bash(*)",
            "Read Bash",
            "Read(a),Bash(*)",
            "Read(a",
            "Read(a(b),Bash)",
            "Read)",
            "Read\nBash",
            "Read(a) Bash",
        ] {
            assert!(!only_looks(rule), "{rule}");
        }
    }

    #[test]
    fn what_the_project_has_in_the_same_words_is_granted() {
        let project = options(
            r#"{"allowed_tools":["Bash(git *)"],"mcp_config":"a.json","permission_mode":"bypassPermissions"}"#,
        );
        assert_eq!(project.programs(&project), None);
        let wider = ExecuteOptions { allowed_tools: Some(vec!["Bash".into()]), ..project.clone() };
        assert_eq!(wider.programs(&project), Some("allowed_tools"));
        let other = ExecuteOptions { mcp_config: Some("b.json".into()), ..project.clone() };
        assert_eq!(other.programs(&project), Some("mcp_config"));
        let less = ExecuteOptions { allowed_tools: Some(Vec::new()), ..ExecuteOptions::default() };
        assert_eq!(less.programs(&project), None);
    }
}
