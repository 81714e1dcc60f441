//! Stopping a command, wherever it is.

use std::time::Duration;

use afield_proto::command::Command;
use afield_proto::request::CommandCancel;
use afield_proto::runner::{KilledProcess, RunnerKill, RunnerKilled};
use afield_proto::{ErrorBody, Timestamp};
use afield_store::Cancel;

use crate::core::Core;
use crate::error::from_store;
use crate::runners::ORDER_TIMEOUT;
use crate::socket::conn::Actor;

/// How long an answer to a stop waits for the last record after every process is gone.
const LAST_RECORD_TIMEOUT: Duration = Duration::from_secs(2);

/// `command_cancel`: one that waits never starts; one that runs is stopped with every process it
/// made. While its runner is away, the stop waits with it.
pub(crate) async fn cancel(
    core: &Core,
    actor: &Actor,
    ask: CommandCancel,
) -> Result<Command, ErrorBody> {
    Ok(stop(core, actor, ask).await?.0)
}

/// What a stop did.
pub(crate) enum Stopped {
    /// It was over before.
    Over,
    /// It had not begun and never will.
    Never,
    /// These processes were stopped; none when its runner is away.
    Killed(Vec<KilledProcess>),
}

/// Stops a command wherever it is.
pub(crate) async fn stop(
    core: &Core,
    actor: &Actor,
    ask: CommandCancel,
) -> Result<(Command, Stopped), ErrorBody> {
    let now = Timestamp::now();
    let cancelled = core.store.cancel_command(actor.org, ask.command_id, actor.device, now);
    match cancelled.await.map_err(from_store)? {
        Cancel::Cancelled(command) => {
            core.released(&command);
            Ok((*command, Stopped::Never))
        }
        Cancel::Over(command) => Ok((*command, Stopped::Over)),
        Cancel::OnItsWay(command) => Ok((*command, Stopped::Killed(Vec::new()))),
        Cancel::Active(command, attempt) => {
            let Some(link) = core.runners.get(command.runner_id) else {
                return Ok((*command, Stopped::Killed(Vec::new())));
            };
            let last_record = core.wait_final(command.id, LAST_RECORD_TIMEOUT);
            let killed: RunnerKilled =
                link.ask("runner_kill", &RunnerKill { attempt }, ORDER_TIMEOUT).await?;
            last_record.await;
            let command = core.store.command(actor.org, command.id).await.map_err(from_store)?;
            Ok((command, Stopped::Killed(killed.killed)))
        }
    }
}
