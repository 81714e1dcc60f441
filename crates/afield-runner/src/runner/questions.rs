//! What a server asks of a runner that is no work: another mode, a path, a repository, the machine.

use std::time::Duration;

use afield_proto::repository::RunnerInspect;
use afield_proto::request::Empty;
use afield_proto::runner::{RunnerResolvePath, RunnerSetMode};
use afield_proto::{ErrorBody, ErrorCode};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::RunnerHandle;
use super::orders::{Reply, not_running, read, write};
use crate::work::Wish;

/// Time for an agent to say that it changed its mode.
const MODE_TIMEOUT: Duration = Duration::from_secs(5);

impl RunnerHandle {
    pub(super) async fn set_mode(&self, data: &RawValue) -> Reply {
        let RunnerSetMode { attempt, permission_mode } = read(data)?;
        self.0.shared.policy.check_permission_mode(permission_mode)?;
        let (done, changed) = oneshot::channel();
        if !self.wish(attempt, Wish::SetMode(permission_mode, done)).await {
            return Err(not_running());
        }
        let changed = tokio::time::timeout(MODE_TIMEOUT, changed).await;
        changed.map_err(|_| no_answer())?.unwrap_or_else(|_| Err(not_running()))?;
        write(&Empty {})
    }

    pub(super) async fn resolve(&self, data: &RawValue) -> Reply {
        let RunnerResolvePath { path } = read(data)?;
        let roots = self.0.shared.policy.roots.clone();
        let resolved = tokio::task::spawn_blocking(move || crate::path::resolve(&path, &roots));
        let resolved = resolved
            .await
            .map_err(|error| ErrorBody::new(ErrorCode::InternalError, error.to_string()))?;
        write(&resolved.map_err(crate::path::PathError::body)?)
    }

    pub(super) async fn inspect(&self, data: &RawValue) -> Reply {
        let RunnerInspect { path } = read(data)?;
        let policy = &self.0.shared.policy;
        let roots = policy.roots.clone();
        let resolved = tokio::task::spawn_blocking(move || crate::path::resolve(&path, &roots));
        let resolved = resolved
            .await
            .map_err(|error| ErrorBody::new(ErrorCode::InternalError, error.to_string()))?;
        let place = resolved.map_err(crate::path::PathError::body)?;
        write(&crate::repository::inspect(policy, std::path::Path::new(&place.path)).await?)
    }

    pub(super) async fn measure(&self) -> Reply {
        let health = self.0.shared.facts.health().await;
        let failed = || ErrorBody::new(ErrorCode::InternalError, "the machine can't be measured");
        write(&health.ok_or_else(failed)?)
    }
}

fn no_answer() -> ErrorBody {
    let seconds = MODE_TIMEOUT.as_secs();
    ErrorBody::new(ErrorCode::AgentUnavailable, format!("the agent did not answer in {seconds} s"))
}
