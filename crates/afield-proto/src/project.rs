//! Projects: a directory on a runner, with settings and a log.

use serde::{Deserialize, Serialize};

use crate::agent::{AgentKind, ExecuteOptions};
use crate::{CommandId, DeviceId, ProjectId, SessionId, Timestamp};

/// What a project is doing, on evidence from its runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "UPPERCASE")]
pub enum ProjectState {
    /// Nothing runs. A command may be waiting for its runner.
    Idle,
    /// Its runner said that a command started, and not yet that it ended.
    Executing,
    /// The last command ended badly; `reason` says how. The next one may start.
    Error,
}

/// What its owner chose for a project. Everything is optional; a command's own options win.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct ProjectSettings {
    /// A name to show instead of the last part of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub name: Option<String>,
    /// The agent that answers prompts. Claude when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub agent: Option<AgentKind>,
    /// Options every command of this project starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub options: Option<ExecuteOptions>,
}

/// A project as clients see it.
///
/// **Shape**: the `data` of `project_state` and `project_update`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The canonical path on the runner.
    pub path: String,
    /// The runner that hosts it.
    pub runner_id: DeviceId,
    /// What it is doing.
    pub state: ProjectState,
    /// Why it is in ERROR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub reason: Option<String>,
    /// The current session. The next prompt continues it.
    pub session_id: Option<SessionId>,
    /// The command that is running or waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub command_id: Option<CommandId>,
    /// What the owner chose.
    #[serde(default)]
    pub settings: ProjectSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something last happened in it.
    pub last_active: Timestamp,
}
