//! `afield queue hold` and `release`.

use afield_client::Connection;
use afield_proto::request::{CommandHold, CommandRelease, RunnerList};
use afield_proto::{CommandId, DeviceId, ProjectId};

use super::{HoldArgs, find};
use crate::cli::projects::choose_runner;
use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::short_id::short;
use crate::words::visible;
use crate::{Outcome, out, project_ref};

/// What is held, as ids and as it was written.
struct Held {
    command_id: Option<CommandId>,
    project_id: Option<ProjectId>,
    runner_id: Option<DeviceId>,
    said: String,
}

/// `afield queue hold`
pub(super) async fn hold(global: &Global, args: &HoldArgs) -> Outcome {
    let connection = connect(global).await?;
    let Held { command_id, project_id, runner_id, said } = which(&connection, args).await?;
    let reply = connection.ask(&CommandHold { command_id, project_id, runner_id }).await?;
    if global.json {
        out::json(&reply);
    } else if reply.changed {
        out::line(format!("{said} is held; what runs goes on"));
    } else {
        out::line(format!("{said} was held already"));
    }
    Ok(Exit::Done)
}

/// `afield queue release`
pub(super) async fn release(global: &Global, args: &HoldArgs) -> Outcome {
    let connection = connect(global).await?;
    let Held { command_id, project_id, runner_id, said } = which(&connection, args).await?;
    let reply = connection.ask(&CommandRelease { command_id, project_id, runner_id }).await?;
    if global.json {
        out::json(&reply);
    } else if reply.changed {
        out::line(format!("{said} is released"));
    } else {
        out::line(format!("{said} was not held"));
    }
    Ok(Exit::Done)
}

async fn which(connection: &Connection, args: &HoldArgs) -> Result<Held, Failure> {
    let nothing =
        Held { command_id: None, project_id: None, runner_id: None, said: "everything".into() };
    if let Some(id) = &args.id {
        let id = find::one(connection, id).await?;
        return Ok(Held { command_id: Some(id), said: short(id), ..nothing });
    }
    if let Some(project) = &args.project {
        let project = project_ref::find(connection, Some(project)).await?;
        return Ok(Held { project_id: Some(project.id), said: visible(&project.path), ..nothing });
    }
    if let Some(meant) = &args.runner {
        let runners = connection.ask(&RunnerList {}).await?.runners;
        let runner_id = Some(choose_runner(&runners, meant)?);
        return Ok(Held { runner_id, said: format!("runner {meant}"), ..nothing });
    }
    Ok(nothing)
}
