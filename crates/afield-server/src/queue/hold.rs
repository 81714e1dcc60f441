//! Holds: of a command, a project, a runner, or everything. They keep things from starting and
//! nothing else.

use std::time::Duration;

use afield_proto::queue::Hold;
use afield_proto::request::{CommandHold, CommandHoldReply, CommandRelease, HoldListReply};
use afield_proto::{CommandId, DeviceId, ErrorBody, ProjectId, Timestamp};

use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::socket::conn::Actor;

/// Exactly one of the three, or none for everything.
fn check_hold(
    command_id: Option<CommandId>,
    project_id: Option<ProjectId>,
    runner_id: Option<DeviceId>,
) -> Result<(), ErrorBody> {
    let named = [command_id.is_some(), project_id.is_some(), runner_id.is_some()];
    match named.into_iter().filter(|named| *named).count() {
        0 | 1 => Ok(()),
        _ => Err(invalid("name a command, a project or a runner, or none of them for everything")),
    }
}

/// `command_hold`
pub(crate) async fn hold(
    core: &Core,
    actor: &Actor,
    ask: CommandHold,
) -> Result<CommandHoldReply, ErrorBody> {
    let CommandHold { command_id, project_id, runner_id } = ask;
    check_hold(command_id, project_id, runner_id)?;
    check_scope(core, actor, project_id, runner_id).await?;
    let now = Timestamp::now();
    let changed = match command_id {
        Some(id) => {
            let held = core.store.hold_command(actor.org, id, Some(actor.device), now);
            held.await.map_err(from_store)?.1
        }
        None => {
            let hold = Hold { command_id, project_id, runner_id, by: actor.device, at: now };
            core.store.hold(actor.org, hold).await.map_err(from_store)?
        }
    };
    Ok(CommandHoldReply { changed })
}

/// **Errors**: PROJECT_NOT_FOUND and NOT_FOUND for what the org does not have.
async fn check_scope(
    core: &Core,
    actor: &Actor,
    project_id: Option<ProjectId>,
    runner_id: Option<DeviceId>,
) -> Result<(), ErrorBody> {
    if let Some(id) = project_id {
        core.store.project(actor.org, id).await.map_err(from_store)?;
    }
    if let Some(id) = runner_id {
        let runners = core.store.runners(actor.org).await.map_err(from_store)?;
        if !runners.iter().any(|runner| runner.device.id == id) {
            return Err(crate::error::not_found("runner"));
        }
    }
    Ok(())
}

/// `command_release`
pub(crate) async fn release(
    core: &Core,
    actor: &Actor,
    ask: CommandRelease,
) -> Result<CommandHoldReply, ErrorBody> {
    let CommandRelease { command_id, project_id, runner_id } = ask;
    check_hold(command_id, project_id, runner_id)?;
    let now = Timestamp::now();
    let changed = match command_id {
        Some(id) => {
            let released = core.store.hold_command(actor.org, id, None, now);
            released.await.map_err(from_store)?.1
        }
        None => {
            let released = core.store.release(actor.org, project_id, runner_id, now);
            released.await.map_err(from_store)?
        }
    };
    core.runners.deliver_all();
    core.routing.again.look(actor.org, Duration::ZERO);
    Ok(CommandHoldReply { changed })
}

/// `hold_list`
pub(crate) async fn holds(core: &Core, actor: &Actor) -> Result<HoldListReply, ErrorBody> {
    let holds = core.store.holds(actor.org).await.map_err(from_store)?;
    Ok(HoldListReply { holds })
}
