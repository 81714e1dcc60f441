//! From a target to the project it means: named, on a runner, or on any runner a selector is true
//! of.

use afield_flow::select::Selector;
use afield_proto::project::Project;
use afield_proto::queue::Target;
use afield_proto::runner::RunnerFacts;
use afield_proto::{DeviceId, ErrorBody, ErrorCode, OrgId};

use crate::core::Core;
use crate::error::{from_store, invalid, not_found};

/// **Errors**: VALIDATION_FAILED for a target that is none, NOT_FOUND and PROJECT_NOT_FOUND for one
/// that is nowhere.
pub(super) async fn project(
    core: &Core,
    org: OrgId,
    target: &Target,
) -> Result<Project, ErrorBody> {
    match (target.project_id, target.runner_id, &target.selector) {
        (Some(id), None, None) if target.path.is_none() => {
            core.store.project(org, id).await.map_err(from_store)
        }
        (None, Some(runner), None) => on_runner(core, org, runner, target.path.as_deref()).await,
        (None, None, Some(selector)) => selected(core, org, selector, target.path.as_deref()).await,
        (None, None, None) => Err(invalid(
            "name a target: a project_id, a runner_id, or a selector such as os = \"linux\"",
        )),
        _ => Err(invalid(
            "a target is one of project_id, runner_id and selector; a path goes with the last two",
        )),
    }
}

fn has_path(project: &Project, path: Option<&str>) -> bool {
    path.is_none_or(|path| project.path == path.trim_end_matches('/'))
}

async fn on_runner(
    core: &Core,
    org: OrgId,
    runner: DeviceId,
    path: Option<&str>,
) -> Result<Project, ErrorBody> {
    let runners = core.store.runners(org).await.map_err(from_store)?;
    if !runners.iter().any(|known| known.device.id == runner) {
        return Err(not_found("runner"));
    }
    let mut projects = core.store.projects(org).await.map_err(from_store)?;
    projects.retain(|project| project.runner_id == runner && has_path(project, path));
    match projects.len() {
        1 => Ok(projects.remove(0)),
        0 => Err(ErrorBody::new(
            ErrorCode::ProjectNotFound,
            "this runner has no such project; add one with: afield projects add DIR",
        )),
        several => Err(invalid(format!(
            "this runner has {several} projects: name the path of one of them"
        ))),
    }
}

/// The best project on a runner the selector is true of: a connected runner before others, then
/// the one with the fewest waiting commands.
async fn selected(
    core: &Core,
    org: OrgId,
    selector: &str,
    path: Option<&str>,
) -> Result<Project, ErrorBody> {
    let parsed = Selector::parse(selector)
        .map_err(|error| invalid(format!("selector {selector:?}: {error}")))?;
    let runners = core.store.runners(org).await.map_err(from_store)?;
    let fits = |id: DeviceId| {
        let known = runners.iter().find(|runner| runner.device.id == id);
        let known = known.filter(|runner| runner.device.revoked_at.is_none());
        let live = core.runners.get(id).map(|link| RunnerFacts::clone(&link.facts()));
        let facts = live.or_else(|| known.and_then(|runner| runner.facts.clone()));
        known.is_some() && facts.is_some_and(|facts| parsed.matches(&facts))
    };
    let projects = core.store.projects(org).await.map_err(from_store)?;
    let mut best: Option<((bool, u64), Project)> = None;
    for project in projects {
        if !fits(project.runner_id) || !has_path(&project, path) {
            continue;
        }
        let (waiting, _) =
            core.store.queue_usage(org, Some(project.id), None).await.map_err(from_store)?;
        let rank = (core.runners.get(project.runner_id).is_none(), waiting);
        if best.as_ref().is_none_or(|(known, _)| rank < *known) {
            best = Some((rank, project));
        }
    }
    best.map(|(_, project)| project).ok_or_else(|| {
        ErrorBody::new(
            ErrorCode::NotFound,
            format!("no runner with such a project matches {selector:?}; runner_list shows them"),
        )
    })
}
