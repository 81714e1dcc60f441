//! From a target to the project it names, itself or by its runner. Selectors are `routing`'s.

use std::sync::Arc;

use afield_proto::queue::Target;
use afield_proto::{DeviceId, ErrorBody, ErrorCode, OrgId};
use afield_store::PlaceRow;

use crate::core::Core;
use crate::error::{from_store, invalid, not_found};

/// **Errors**: VALIDATION_FAILED for a target that is none, NOT_FOUND and PROJECT_NOT_FOUND for one
/// that is nowhere.
pub(super) async fn project(
    core: &Core,
    org: OrgId,
    target: &Target,
) -> Result<Arc<PlaceRow>, ErrorBody> {
    if target.mode.is_some() || !target.prefer.is_empty() {
        return Err(invalid("mode and prefer go with a selector"));
    }
    match (target.project_id, target.runner_id, &target.selector) {
        (Some(id), None, None) if target.path.is_none() => {
            core.store.place(org, id).await.map_err(from_store)
        }
        (None, Some(runner), None) => on_runner(core, org, runner, target.path.as_deref()).await,
        (None, None, None) => Err(invalid(
            "name a target: a project_id, a runner_id, or a selector such as os = \"linux\"",
        )),
        _ => Err(invalid(
            "a target is one of project_id, runner_id and selector; a path goes with the last two",
        )),
    }
}

fn has_path(place: &PlaceRow, path: Option<&str>) -> bool {
    path.is_none_or(|path| place.path == path.trim_end_matches('/'))
}

async fn on_runner(
    core: &Core,
    org: OrgId,
    runner: DeviceId,
    path: Option<&str>,
) -> Result<Arc<PlaceRow>, ErrorBody> {
    let runners = core.store.runners(org).await.map_err(from_store)?;
    if !runners.iter().any(|known| known.device.id == runner) {
        return Err(not_found("runner"));
    }
    let mut places = core.store.places(org).await.map_err(from_store)?;
    places.retain(|place| place.runner_id == runner && has_path(place, path));
    match places.len() {
        1 => Ok(Arc::new(places.remove(0))),
        0 => Err(ErrorBody::new(
            ErrorCode::ProjectNotFound,
            "this runner has no such project; add one with: afield projects add DIR",
        )),
        several => Err(invalid(format!(
            "this runner has {several} projects: name the path of one of them"
        ))),
    }
}
