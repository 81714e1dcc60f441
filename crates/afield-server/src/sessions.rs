//! Sessions: listed, shown, and moved to where the repository is the same, as both runners say.

use afield_proto::live::INSPECT;
use afield_proto::project::Project;
use afield_proto::repository::{RunnerInspect, RunnerRepository};
use afield_proto::request::{
    SessionGet, SessionList, SessionListReply, SessionMove, SessionMoveReply,
};
use afield_proto::session::Session;
use afield_proto::{ErrorBody, ErrorCode, Timestamp};
use afield_store::SessionFilter;

use crate::core::Core;
use crate::error::from_store;
use crate::history::page_limit;
use crate::runners::ORDER_TIMEOUT;
use crate::socket::conn::Actor;

/// `session_list`
pub(crate) async fn list(
    core: &Core,
    actor: &Actor,
    ask: SessionList,
) -> Result<SessionListReply, ErrorBody> {
    if let Some(project_id) = ask.project_id {
        core.store.project(actor.org, project_id).await.map_err(from_store)?;
    }
    let limit = page_limit(ask.limit)? as u64;
    let filter = SessionFilter { project_id: ask.project_id, before: ask.before_id, limit };
    let (sessions, more) = core.store.sessions(actor.org, filter).await.map_err(from_store)?;
    Ok(SessionListReply { sessions, more })
}

/// `session_get`
pub(crate) async fn get(core: &Core, actor: &Actor, ask: SessionGet) -> Result<Session, ErrorBody> {
    core.store.session(actor.org, ask.session_id).await.map_err(from_store)
}

/// `session_move`
///
/// **Errors**: CONFLICT saying how the repositories differ; RUNNER_OFFLINE; PROCESS_ACTIVE while
/// something waits or runs in one of the projects.
pub(crate) async fn move_session(
    core: &Core,
    actor: &Actor,
    ask: SessionMove,
) -> Result<SessionMoveReply, ErrorBody> {
    let SessionMove { session_id, to } = ask;
    let from = core.store.project_of_session(actor.org, session_id).await.map_err(from_store)?;
    let here = core.store.project(actor.org, from).await.map_err(from_store)?;
    let there = core.store.project(actor.org, to).await.map_err(from_store)?;
    let (here, there) = tokio::try_join!(inspect(core, &here), inspect(core, &there))?;
    if let Some(reason) = here.differs(&there).filter(|_| !planted::is("session_move")) {
        let message = format!("the session stays where it is: {reason}");
        let details = serde_json::json!({ "here": here, "there": there });
        return Err(ErrorBody::new(ErrorCode::Conflict, message).with_details(details));
    }
    let moved = core.store.move_session(actor.org, session_id, from, to, Timestamp::now()).await;
    moved.map_err(from_store)?;
    tracing::info!(session = %session_id, %from, %to, by = %actor.device, "session moved");
    Ok(SessionMoveReply { session_id, from, to, commit: here.commit.unwrap_or_default() })
}

async fn inspect(core: &Core, project: &Project) -> Result<RunnerRepository, ErrorBody> {
    let link = core.runners.require(project.runner_id)?;
    if !link.agreed.has(INSPECT) {
        let message =
            "a runner of an older version can't tell the state of its repository; update it";
        let details = serde_json::json!({ "runner_id": project.runner_id });
        return Err(ErrorBody::new(ErrorCode::Conflict, message).with_details(details));
    }
    let order = RunnerInspect { path: project.path.clone() };
    link.ask("runner_inspect", &order, ORDER_TIMEOUT * 2).await
}
