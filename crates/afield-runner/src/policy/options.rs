//! The options of a command against the policy, and against what a command line can carry.

use std::path::{Path, PathBuf};

use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::{ErrorBody, ErrorCode};
use serde_json::Value;

use super::{Policy, refused};
use crate::path;

/// Longest single argument Linux passes to a program, in bytes, less some room for its name.
const ARGUMENT_BYTES_MAX: usize = 127 * 1024;

/// Checks everything but agent and permission mode.
pub(super) fn check(
    policy: &Policy,
    agent: AgentKind,
    options: &ExecuteOptions,
    project: &Path,
) -> Result<(), ErrorBody> {
    check_texts(options)?;
    check_shell(policy, agent, options)?;
    check_directories(policy, options)?;
    check_mcp(policy, options)?;
    mcp_file(options, project).map(|_| ())
}

/// Every text becomes (part of) an argument of a program.
fn check_texts(options: &ExecuteOptions) -> Result<(), ErrorBody> {
    let single = [
        ("model", &options.model),
        ("fallback_model", &options.fallback_model),
        ("append_system_prompt", &options.append_system_prompt),
    ];
    let lists = [
        ("allowed_tools", &options.allowed_tools),
        ("disallowed_tools", &options.disallowed_tools),
        ("add_dirs", &options.add_dirs),
        ("argv", &options.argv),
    ];
    let single = single.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
    let lists = lists
        .into_iter()
        .flat_map(|(name, list)| list.iter().flatten().map(move |text| (name, text)));
    for (name, text) in single.chain(lists) {
        if text.contains('\0') {
            return Err(invalid(name, "holds a NUL character"));
        }
        if text.len() > ARGUMENT_BYTES_MAX {
            return Err(invalid(name, &format!("is longer than {ARGUMENT_BYTES_MAX} bytes")));
        }
        if name != "argv" && text.trim().is_empty() {
            return Err(invalid(name, "is empty"));
        }
    }
    Ok(())
}

fn check_shell(
    policy: &Policy,
    agent: AgentKind,
    options: &ExecuteOptions,
) -> Result<(), ErrorBody> {
    match (agent, &options.argv) {
        (AgentKind::Command, None) if !policy.shell => {
            Err(refused("shell", "the runner's policy does not allow shell lines; send argv"))
        }
        (AgentKind::Command, Some(argv)) if argv.first().is_none_or(String::is_empty) => {
            Err(invalid("argv", "names no program"))
        }
        _ => Ok(()),
    }
}

fn check_directories(policy: &Policy, options: &ExecuteOptions) -> Result<(), ErrorBody> {
    for directory in options.add_dirs.iter().flatten() {
        path::resolve(directory, &policy.roots)
            .map_err(|error| refused("roots", format!("add_dirs: {error}")))?;
    }
    Ok(())
}

/// A program named in an MCP configuration runs without a question: the same right as `command`.
fn check_mcp(policy: &Policy, options: &ExecuteOptions) -> Result<(), ErrorBody> {
    let Some(Value::Object(config)) = &options.mcp_config else { return Ok(()) };
    let servers = config.get("mcpServers").and_then(Value::as_object);
    let runs_program =
        servers.into_iter().flatten().any(|(_, server)| server.get("command").is_some());
    if runs_program && !policy.agents.contains(&AgentKind::Command) {
        let message = "the runner's policy does not allow MCP servers that are programs";
        return Err(refused("agents", message));
    }
    Ok(())
}

/// The file `mcp_config` names, if it names one: inside the project, whatever links lie there.
///
/// **Errors**: VALIDATION_FAILED for values that are neither JSON objects nor such a file.
pub(crate) fn mcp_file(
    options: &ExecuteOptions,
    project: &Path,
) -> Result<Option<PathBuf>, ErrorBody> {
    match &options.mcp_config {
        None | Some(Value::Object(_)) => Ok(None),
        Some(Value::String(name)) => {
            let file = project.join(name).canonicalize();
            let file =
                file.map_err(|error| invalid("mcp_config", &format!("{name:?}: {error}")))?;
            let inside = project.canonicalize().is_ok_and(|project| file.starts_with(project));
            if inside && file.is_file() {
                Ok(Some(file))
            } else {
                Err(invalid("mcp_config", "names no file inside the project"))
            }
        }
        Some(_) => Err(invalid("mcp_config", "is neither an object nor the path of a file")),
    }
}

fn invalid(option: &str, reason: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::ValidationFailed, format!("option {option} {reason}"))
        .with_details(serde_json::json!({ "option": option }))
}
