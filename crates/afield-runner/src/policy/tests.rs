//! What the policy allows, and that its file says what it does.

use super::*;

fn policy() -> Policy {
    Policy { roots: vec![std::env::temp_dir()], ..Policy::default() }
}

fn refusal(policy: &Policy, agent: AgentKind, options: &str) -> Option<(ErrorCode, String)> {
    let options: ExecuteOptions = serde_json::from_str(options).unwrap();
    let error = policy.check(agent, &options, &std::env::temp_dir()).err()?;
    let rule = error.details.as_ref().and_then(|details| details.get("rule"));
    Some((error.code, rule.and_then(|rule| rule.as_str()).unwrap_or_default().to_owned()))
}

#[test]
fn the_default_file_says_what_the_defaults_are() {
    let written: Policy = toml::from_str(Policy::default_text()).unwrap();
    assert_eq!(written, Policy::default());
    let keys = toml::Table::try_from(Policy::default()).unwrap();
    for key in keys.keys() {
        assert!(Policy::default_text().contains(&format!("\n{key} = ")), "{key} is not shown");
    }
}

#[test]
fn an_unknown_key_is_an_error() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join(FILE_NAME), "shel = true\n").unwrap();
    let error = Policy::load(data.path()).unwrap_err();
    assert!(error.to_string().contains("shel"), "{error}");
}

#[test]
fn the_environment_overrides_roots_and_claude() {
    let variable = |name: &str| match name {
        ROOTS_VARIABLE => Some(OsString::from("/a:/b")),
        CLAUDE_PATH_VARIABLE => Some(OsString::from("/opt/claude")),
        _ => None,
    };
    let policy = Policy::default().with_environment(variable).checked().unwrap();
    assert_eq!(policy.roots, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(policy.claude_path, PathBuf::from("/opt/claude"));
}

#[test]
fn a_relative_root_and_a_zero_limit_are_errors() {
    let relative = Policy { roots: vec!["work".into()], ..policy() };
    assert!(relative.checked().unwrap_err().to_string().contains("roots"));
    let nothing = Policy { concurrency: 0, ..policy() };
    assert!(nothing.checked().unwrap_err().to_string().contains("concurrency"));
}

#[test]
fn options_can_not_loosen_the_policy() {
    let closed = Policy { agents: vec![AgentKind::Claude], ..policy() };
    let refused = |rule: &str| Some((ErrorCode::PolicyRefused, rule.to_owned()));
    let table = [
        (AgentKind::Claude, r#"{"dangerously_skip_permissions":true}"#, "bypass_permissions"),
        (AgentKind::Claude, r#"{"permission_mode":"bypassPermissions"}"#, "bypass_permissions"),
        (AgentKind::Claude, r#"{"add_dirs":["/"]}"#, "roots"),
        (AgentKind::Claude, r#"{"mcp_config":{"mcpServers":{"x":{"command":"sh"}}}}"#, "agents"),
        (AgentKind::Command, r#"{"argv":["true"]}"#, "agents"),
    ];
    for (agent, options, rule) in table {
        assert_eq!(refusal(&closed, agent, options), refused(rule), "{options}");
    }
    assert_eq!(refusal(&policy(), AgentKind::Command, "{}"), refused("shell"));
    assert_eq!(refusal(&policy(), AgentKind::Command, r#"{"argv":["true"]}"#), None);
    assert_eq!(refusal(&closed, AgentKind::Claude, r#"{"permission_mode":"plan"}"#), None);
}

#[test]
fn options_no_program_could_take_are_invalid() {
    let invalid = Some((ErrorCode::ValidationFailed, String::new()));
    for options in [
        r#"{"model":"a\u0000b"}"#,
        r#"{"allowed_tools":[" "]}"#,
        r#"{"mcp_config":"../outside.json"}"#,
        r#"{"mcp_config":7}"#,
    ] {
        assert_eq!(refusal(&policy(), AgentKind::Claude, options), invalid, "{options}");
    }
    assert_eq!(refusal(&policy(), AgentKind::Command, r#"{"argv":[""]}"#), invalid);
}

#[test]
fn a_command_may_ask_for_less_time_never_for_more() {
    let policy = Policy { execution_timeout_seconds: 100, ..policy() };
    let timeout = |seconds| {
        let options = ExecuteOptions { timeout_seconds: seconds, ..ExecuteOptions::default() };
        policy.execution_timeout(&options).as_secs()
    };
    assert_eq!((timeout(None), timeout(Some(5)), timeout(Some(500))), (100, 5, 100));
}
