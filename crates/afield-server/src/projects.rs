//! Projects: made, listed, changed, forgotten.

use std::time::Duration;

use afield_proto::project::{Project, ProjectSettings};
use afield_proto::request::{
    Empty, ProjectCreate, ProjectDelete, ProjectGet, ProjectListReply, ProjectUpdate,
};
use afield_proto::runner::{RunnerPath, RunnerResolvePath};
use afield_proto::{DeviceId, ErrorBody, ErrorCode, ProjectId, Timestamp, limits};
use afield_store::NewProject;

use crate::auth::scopes;
use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::runners::ORDER_TIMEOUT;
use crate::socket::conn::Actor;

/// The project a request is about.
///
/// **Errors**: PROJECT_NOT_FOUND when none was named or joined.
pub(crate) fn named(project: Option<ProjectId>) -> Result<ProjectId, ErrorBody> {
    project.ok_or_else(|| {
        ErrorBody::new(
            ErrorCode::ProjectNotFound,
            "no project was named: give project_id, or join one first with project_join",
        )
    })
}

/// `project_create`: the runner checks the path, since the file system is its own.
pub(crate) async fn create(
    core: &Core,
    actor: &Actor,
    ask: ProjectCreate,
) -> Result<Project, ErrorBody> {
    check_path_text(&ask.path)?;
    check_settings(&ask.settings)?;
    scopes::check_settings(actor, &ask.settings, &ProjectSettings::default())?;
    let runner_id = match ask.runner_id {
        Some(runner) => runner,
        None => only_runner(core, actor).await?,
    };
    let known = core.store.runners(actor.org).await.map_err(from_store)?;
    if !known.iter().any(|row| row.device.id == runner_id && row.device.revoked_at.is_none()) {
        return Err(crate::error::not_found("runner"));
    }
    let link = core.runners.require(runner_id)?;
    let order = RunnerResolvePath { path: ask.path };
    let resolved: RunnerPath = link.ask("runner_resolve_path", &order, ORDER_TIMEOUT).await?;
    let project = NewProject {
        org: actor.org,
        runner_id,
        path: resolved.path,
        path_key: resolved.key,
        settings: ask.settings,
    };
    let limit = core.limits().projects_per_org;
    let made = core.store.create_project(project, limit, Timestamp::now()).await;
    core.routing.again.look(actor.org, Duration::ZERO);
    made.map_err(from_store)
}

/// What can be said of a path without its file system.
fn check_path_text(path: &str) -> Result<(), ErrorBody> {
    let rule = if path.is_empty() {
        "it is empty"
    } else if path.contains('\0') {
        "it holds a NUL byte"
    } else if path.len() > limits::PATH_BYTES_MAX {
        "it is longer than 4,096 bytes"
    } else {
        return Ok(());
    };
    Err(ErrorBody::new(ErrorCode::InvalidPath, format!("the path can't be used: {rule}"))
        .with_details(serde_json::json!({ "rule": rule })))
}

fn check_settings(settings: &ProjectSettings) -> Result<(), ErrorBody> {
    match &settings.name {
        Some(name) if name.trim().is_empty() || name.len() > limits::NAME_BYTES_MAX => {
            Err(invalid(format!("a name must have 1 to {} bytes", limits::NAME_BYTES_MAX)))
        }
        _ => Ok(()),
    }
}

async fn only_runner(core: &Core, actor: &Actor) -> Result<DeviceId, ErrorBody> {
    let rows = core.store.runners(actor.org).await.map_err(from_store)?;
    let mut live = rows.iter().filter(|row| row.device.revoked_at.is_none());
    match (live.next(), live.next()) {
        (Some(only), None) => Ok(only.device.id),
        (None, _) => Err(ErrorBody::new(
            ErrorCode::RunnerOffline,
            "there is no runner yet; start one with: afield runner",
        )),
        (Some(_), Some(_)) => {
            Err(invalid("there are several runners: name one with runner_id (see runner_list)"))
        }
    }
}

/// `project_list`
pub(crate) async fn list(core: &Core, actor: &Actor) -> Result<ProjectListReply, ErrorBody> {
    Ok(ProjectListReply { projects: core.store.projects(actor.org).await.map_err(from_store)? })
}

/// `project_get`
pub(crate) async fn get(core: &Core, actor: &Actor, ask: ProjectGet) -> Result<Project, ErrorBody> {
    core.store.project(actor.org, named(ask.project_id)?).await.map_err(from_store)
}

/// `project_update`
pub(crate) async fn update(
    core: &Core,
    actor: &Actor,
    ask: ProjectUpdate,
) -> Result<Project, ErrorBody> {
    check_settings(&ask.settings)?;
    let project_id = named(ask.project_id)?;
    let before = core.store.settings(actor.org, project_id).await.map_err(from_store)?;
    scopes::check_settings(actor, &ask.settings, &before)?;
    let updated =
        core.store.update_project(actor.org, project_id, ask.settings, Timestamp::now()).await;
    updated.map_err(from_store)
}

/// `project_delete`
pub(crate) async fn delete(
    core: &Core,
    actor: &Actor,
    ask: ProjectDelete,
) -> Result<Empty, ErrorBody> {
    let project_id = named(ask.project_id)?;
    core.store.delete_project(actor.org, project_id, Timestamp::now()).await.map_err(from_store)?;
    Ok(Empty {})
}
