//! Sessions: which there are, what is known of one, and going on elsewhere.

use serde::{Deserialize, Serialize};

use crate::session::Session;
use crate::{ProjectId, SessionId};

shape! {
    /// `session_list`: those a prompt was started in, the last used first.
    SessionList {
        /// Only those of this project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_id: Option<ProjectId>,
        /// Only those that were used before this one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before_id: Option<SessionId>,
        /// At most so many; 100 when not given, 1,000 at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
    /// Reply to `session_list`.
    SessionListReply {
        /// The sessions, without what their agents announced.
        sessions: Vec<Session>,
        /// There are more.
        more: bool,
    }
    /// `session_get`
    SessionGet {
        /// Which.
        session_id: SessionId,
    }
    /// `session_move`: a conversation goes on in another project, if its repository is the same.
    SessionMove {
        /// Which.
        session_id: SessionId,
        /// The project it goes on in, on whatever runner.
        to: ProjectId,
    }
    /// Reply to `session_move`.
    SessionMoveReply {
        /// Which.
        session_id: SessionId,
        /// The project it was in.
        from: ProjectId,
        /// The project the next prompt continues it in.
        to: ProjectId,
        /// The commit both are at.
        commit: String,
    }
}
