//! The runner's own policy: what it will do at all, whoever asks.
//!
//! Read from `runner.toml` in the runner's data directory by the binary. No message of the server
//! can change it; every order is checked against it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use afield_proto::agent::{AgentKind, ExecuteOptions, PermissionMode};
use afield_proto::live::check_labels;
use afield_proto::{ErrorBody, ErrorCode};
use serde::{Deserialize, Serialize};

pub(crate) use options::mcp_file;

mod options;

/// The name of the policy file.
pub const FILE_NAME: &str = "runner.toml";
/// Overrides `roots`; separated like `PATH`.
pub const ROOTS_VARIABLE: &str = "AFIELD_RUNNER_ROOTS";
/// Overrides `claude_path`.
pub const CLAUDE_PATH_VARIABLE: &str = "AFIELD_CLAUDE_PATH";

/// A policy that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file can't be read.
    #[error("can't read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no policy: a key is unknown, or a value of the wrong kind.
    #[error("{path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{key}: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is expected.
        reason: String,
    },
}

/// What the runner allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Projects may lie in these directories. `~` stands for the user's home directory.
    pub roots: Vec<PathBuf>,
    /// The agents that may be driven.
    pub agents: Vec<AgentKind>,
    /// Whether prompts for the agent `command` may be shell lines.
    pub shell: bool,
    /// Whether an agent may be told never to ask.
    pub bypass_permissions: bool,
    /// Most commands worked on at once. Each may use a core and a few hundred MiB.
    pub concurrency: u32,
    /// Longest a command may take, in seconds.
    pub execution_timeout_seconds: u32,
    /// Longest an agent may stay silent, in seconds.
    pub stall_timeout_seconds: u32,
    /// The Claude program. Looked for when empty.
    pub claude_path: PathBuf,
    /// Variables of the runner's own environment that agents get beside the harmless ones.
    pub pass_environment: Vec<String>,
    /// Most bytes of records kept on disk while the server does not take them.
    pub spool_bytes_max: u64,
    /// Words for selectors, beside those the owner gives on the server.
    pub labels: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        let passed = [
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "CLAUDE_CONFIG_DIR",
        ];
        Self {
            roots: vec![PathBuf::from("~")],
            agents: AgentKind::ALL.to_vec(),
            shell: false,
            bypass_permissions: false,
            concurrency: 4,
            execution_timeout_seconds: 60 * 60,
            stall_timeout_seconds: 15 * 60,
            claude_path: PathBuf::new(),
            pass_environment: passed.map(String::from).to_vec(),
            spool_bytes_max: 1024 * 1024 * 1024,
            labels: Vec::new(),
        }
    }
}

impl Policy {
    /// The commented file with all defaults.
    pub fn default_text() -> &'static str {
        include_str!("policy/default.toml")
    }

    /// Reads `runner.toml` in `data_dir`; a missing file stands for the defaults. Then applies the
    /// environment.
    ///
    /// **Errors**: a file that can't be read or holds unknown keys; values that make no sense.
    pub fn load(data_dir: &Path) -> Result<Self, PolicyError> {
        let path = data_dir.join(FILE_NAME);
        let policy = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|source| PolicyError::Parse { path, source: Box::new(source) })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(source) => return Err(PolicyError::Read { path, source }),
        };
        policy.with_environment(|name| std::env::var_os(name)).checked()
    }

    /// The policy with what the environment overrides.
    #[must_use]
    pub fn with_environment(mut self, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        if let Some(roots) = variable(ROOTS_VARIABLE).filter(|roots| !roots.is_empty()) {
            self.roots = std::env::split_paths(&roots).collect();
        }
        if let Some(path) = variable(CLAUDE_PATH_VARIABLE).filter(|path| !path.is_empty()) {
            self.claude_path = PathBuf::from(path);
        }
        self
    }

    /// The policy with `~` replaced, if its values make sense.
    ///
    /// **Errors**: [`PolicyError::Value`] naming the key.
    pub fn checked(mut self) -> Result<Self, PolicyError> {
        let home = std::env::home_dir();
        for path in self.roots.iter_mut().chain([&mut self.claude_path]) {
            *path = expand(path, home.as_deref());
        }
        let wrong = |key, reason: &str| Err(PolicyError::Value { key, reason: reason.to_owned() });
        if let Some(root) = self.roots.iter().find(|root| !root.is_absolute()) {
            return wrong("roots", &format!("{} is no absolute path", root.display()));
        }
        if let Err(reason) = check_labels("labels", &self.labels) {
            return wrong("labels", &reason);
        }
        match () {
            () if self.roots.is_empty() => wrong("roots", "at least one directory is needed"),
            () if self.concurrency == 0 => wrong("concurrency", "at least 1"),
            () if self.execution_timeout_seconds == 0 => {
                wrong("execution_timeout_seconds", "at least 1: nothing may run for ever")
            }
            () if self.stall_timeout_seconds == 0 => wrong("stall_timeout_seconds", "at least 1"),
            () => Ok(self),
        }
    }

    /// Longest this command may take: what it asks for, at most what the policy allows.
    pub fn execution_timeout(&self, options: &ExecuteOptions) -> Duration {
        let own = self.execution_timeout_seconds;
        Duration::from_secs(u64::from(options.timeout_seconds.map_or(own, |asked| asked.min(own))))
    }

    /// Longest an agent may stay silent.
    pub fn stall_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.stall_timeout_seconds))
    }

    /// Checks the agent and the options of a command.
    ///
    /// **Errors**: POLICY_REFUSED with the key of the policy in `details.rule`; VALIDATION_FAILED
    /// for options no program could take.
    pub fn check(
        &self,
        agent: AgentKind,
        options: &ExecuteOptions,
        project: &Path,
    ) -> Result<(), ErrorBody> {
        self.check_agent(agent)?;
        self.check_mode(options)?;
        options::check(self, agent, options, project)
    }

    fn check_agent(&self, agent: AgentKind) -> Result<(), ErrorBody> {
        if self.agents.contains(&agent) {
            return Ok(());
        }
        Err(refused("agents", format!("the runner's policy does not allow the agent {agent}")))
    }

    fn check_mode(&self, options: &ExecuteOptions) -> Result<(), ErrorBody> {
        if options.dangerously_skip_permissions == Some(true) {
            return self.check_permission_mode(PermissionMode::BypassPermissions);
        }
        options.permission_mode.map_or(Ok(()), |mode| self.check_permission_mode(mode))
    }

    /// Checks a permission mode.
    ///
    /// **Errors**: POLICY_REFUSED for the mode that never asks, unless the policy allows it.
    pub fn check_permission_mode(&self, mode: PermissionMode) -> Result<(), ErrorBody> {
        if mode != PermissionMode::BypassPermissions || self.bypass_permissions {
            return Ok(());
        }
        let message = "the runner's policy does not let agents work without asking";
        Err(refused("bypass_permissions", message))
    }
}

fn expand(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) if rest.as_os_str().is_empty() => home.to_owned(),
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// A refusal that names the rule.
fn refused(rule: &str, message: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ErrorCode::PolicyRefused, message)
        .with_details(serde_json::json!({ "rule": rule, "file": FILE_NAME }))
}

#[cfg(test)]
mod tests;
