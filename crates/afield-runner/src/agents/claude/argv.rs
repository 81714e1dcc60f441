//! Claude Code's command line. Pure.
//!
//! Values go with `=` into the same argument as their option, so that no value can be taken for
//! an option; the prompt never is an argument.

use std::ffi::OsString;
use std::path::PathBuf;

use afield_proto::SessionId;
use afield_proto::agent::{ExecuteOptions, PermissionMode};

/// From this version on `--system-prompt-snapshot` is known to exist.
const SNAPSHOT_VERSION: (u32, u32, u32) = (2, 1, 329);

/// How the conversation begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Conversation {
    /// A new one, under this id.
    New(SessionId),
    /// One that Claude knows.
    Resume(String),
}

/// The arguments.
pub(super) fn arguments(
    conversation: &Conversation,
    options: &ExecuteOptions,
    mcp_file: Option<&PathBuf>,
    version: Option<(u32, u32, u32)>,
) -> Vec<OsString> {
    let mut argv: Vec<OsString> = [
        "-p",
        "--output-format=stream-json",
        "--input-format=stream-json",
        "--verbose",
        "--include-partial-messages",
        "--replay-user-messages",
        "--permission-prompt-tool=stdio",
    ]
    .map(OsString::from)
    .to_vec();
    let mode = options.permission_mode.unwrap_or(PermissionMode::Default).name();
    argv.push(format!("--permission-mode={mode}").into());
    argv.push(match conversation {
        Conversation::New(id) => format!("--session-id={id}").into(),
        Conversation::Resume(id) => format!("--resume={id}").into(),
    });
    argv.extend(option_arguments(options, version).into_iter().map(OsString::from));
    if let Some(file) = mcp_file {
        let mut argument = OsString::from("--mcp-config=");
        argument.push(file);
        argv.push(argument);
    }
    argv
}

fn option_arguments(options: &ExecuteOptions, version: Option<(u32, u32, u32)>) -> Vec<String> {
    let mut argv = Vec::new();
    let mut with = |name: &str, value: &Option<String>| {
        argv.extend(value.as_ref().map(|value| format!("--{name}={value}")));
    };
    with("model", &options.model);
    with("fallback-model", &options.fallback_model);
    with("append-system-prompt", &options.append_system_prompt);
    with("allowedTools", &options.allowed_tools.as_ref().map(|tools| tools.join(",")));
    with("disallowedTools", &options.disallowed_tools.as_ref().map(|tools| tools.join(",")));
    for directory in options.add_dirs.iter().flatten() {
        with("add-dir", &Some(directory.clone()));
    }
    if let Some(config) = options.mcp_config.as_ref().filter(|config| config.is_object()) {
        with("mcp-config", &Some(config.to_string()));
    }
    let knows_snapshot = version.is_some_and(|version| version >= SNAPSHOT_VERSION);
    if options.append_system_prompt.is_some() && knows_snapshot {
        argv.push("--system-prompt-snapshot=off".to_owned());
    }
    if options.strict_mcp_config == Some(true) {
        argv.push("--strict-mcp-config".to_owned());
    }
    if options.dangerously_skip_permissions == Some(true) {
        argv.push("--dangerously-skip-permissions".to_owned());
    }
    argv
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(conversation: Conversation, options: &str) -> Vec<String> {
        let options: ExecuteOptions = serde_json::from_str(options).unwrap();
        let argv = arguments(&conversation, &options, None, Some((2, 1, 329)));
        argv.into_iter().map(|argument| argument.into_string().unwrap()).collect()
    }

    #[test]
    fn a_new_conversation_gets_our_id_and_a_known_one_is_resumed() {
        let id = SessionId::generate();
        let new = argv(Conversation::New(id), "{}");
        assert_eq!(new.last(), Some(&format!("--session-id={id}")));
        assert!(new.contains(&"--permission-mode=default".to_owned()));
        let resumed = argv(Conversation::Resume("abc".into()), "{}");
        assert_eq!(resumed.last(), Some(&"--resume=abc".to_owned()));
    }

    #[test]
    fn every_option_is_one_argument_whatever_its_value() {
        let options = r#"{"model":"--help","allowed_tools":["Bash(git *)","Read"],"add_dirs":["/a","/b"],
            "append_system_prompt":"be brief\n--x","mcp_config":{"mcpServers":{}},"strict_mcp_config":true,
            "permission_mode":"acceptEdits"}"#;
        let argv = argv(Conversation::Resume("x".into()), options);
        for expected in [
            "--model=--help",
            "--allowedTools=Bash(git *),Read",
            "--add-dir=/a",
            "--add-dir=/b",
            "--append-system-prompt=be brief\n--x",
            "--system-prompt-snapshot=off",
            r#"--mcp-config={"mcpServers":{}}"#,
            "--strict-mcp-config",
            "--permission-mode=acceptEdits",
        ] {
            assert!(argv.iter().any(|argument| argument == expected), "{expected} in {argv:?}");
        }
        assert!(argv.iter().all(|argument| argument.starts_with('-')));
    }
}
