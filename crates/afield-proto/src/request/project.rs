//! Projects: making, listing, changing and following them.

use super::Verdict;
use crate::project::{Project, ProjectSettings};
use crate::{DeviceId, ProjectId};
use serde::{Deserialize, Serialize};

shape! {
    /// `project_create`
    ProjectCreate {
        /// An absolute path on the runner.
        path: String,
        /// The runner. May be left out while the org has only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runner_id: Option<DeviceId>,
        /// What the owner chose.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<ProjectSettings>"))]
        settings: ProjectSettings,
    }
    /// `project_list`
    ProjectList {}
    /// Reply to `project_list`.
    ProjectListReply {
        /// The projects, oldest first.
        projects: Vec<Project>,
    }
    /// `project_get`
    ProjectGet {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
    }
    /// `project_update`
    ProjectUpdate {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// The new settings, whole.
        settings: ProjectSettings,
    }
    /// `project_delete`
    ProjectDelete {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
    }
    /// `project_join`
    ProjectJoin {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// Send what came after this event first. Without it only what comes from now on is sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    }
    /// Reply to `project_join`.
    ProjectJoinReply {
        /// The project as it is.
        project: Project,
        /// Number of the topic's last event.
        seq: u64,
        /// Whether everything after `after` follows.
        verdict: Verdict,
    }
    /// `project_leave`
    ProjectLeave {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
    }
}
