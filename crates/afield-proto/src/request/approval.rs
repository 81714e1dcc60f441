//! Approvals: what agents ask, and the answers.

use crate::approval::{Answer, Approval};
use crate::{ApprovalId, ProjectId};
use serde::{Deserialize, Serialize};

shape! {
    /// `approval_list`
    ApprovalList {
        /// Only those of this project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// Also those that are answered or withdrawn.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
        all: bool,
    }
    /// Reply to `approval_list`.
    ApprovalListReply {
        /// The approvals, oldest first.
        approvals: Vec<Approval>,
    }
    /// `approval_answer`
    ApprovalAnswer {
        /// Which.
        approval_id: ApprovalId,
        /// The answer.
        #[serde(flatten)]
        answer: Answer,
    }
}
