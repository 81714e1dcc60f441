//! Where a command goes that is for a project, and what it is there.

use afield_client::Connection;
use afield_proto::project::Project;
use afield_proto::queue::Target;
use afield_proto::request::{CommandSubmit, ProjectList};

use super::{Args, Draft};
use crate::cli::prefer;
use crate::connect::Global;
use crate::failure::Failure;
use crate::{project_ref, unsent};

/// The project: the one that is named, the one of this directory, or what this device prefers. The
/// projects are remembered for when the server can't be asked.
pub(super) async fn ask_for(
    global: &Global,
    connection: &Connection,
    args: &Args,
    draft: &Draft,
) -> Result<(Project, CommandSubmit), Failure> {
    let projects = connection.ask(&ProjectList {}).await?.projects;
    unsent::remember(global, &projects);
    let preferred = prefer::preference(connection).await?;
    let project = project_ref::choose_or(&projects, args.project.as_deref(), preferred.project_id)?;
    let request = match project.settings.agent {
        None => draft.clone().preferring(preferred.agent).to(on_project(&project), None),
        own => draft.to(on_project(&project), own),
    };
    Ok((project, request))
}

/// A project as a target.
pub(super) fn on_project(project: &Project) -> Target {
    Target { project_id: Some(project.id), ..Target::default() }
}
