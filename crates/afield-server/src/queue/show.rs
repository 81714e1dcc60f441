//! Looking at one command: what it carries, how far it came, why it waits; and long results.

use afield_flow::queue::{Situation, explain};
use afield_proto::queue::{Cause, CommandDetail, Waiting};
use afield_proto::request::{
    BlobGet, BlobGetReply, CommandExplain, CommandExplainReply, CommandShow,
};
use afield_proto::{ErrorBody, Timestamp};
use afield_store::Shown;

use crate::core::Core;
use crate::error::from_store;
use crate::socket::conn::Actor;

/// A command waits for the first of its order, that for the one its project works on, that for
/// nobody, or for the turn it goes into.
const CAUSES_MAX: usize = 4;

/// `command_show`
pub(crate) async fn show(
    core: &Core,
    actor: &Actor,
    ask: CommandShow,
) -> Result<CommandDetail, ErrorBody> {
    let shown = core.store.show_command(actor.org, ask.command_id).await.map_err(from_store)?;
    let waiting = why(core, &shown);
    let Shown { mut command, payload, retry, attempts, chain, route, .. } = shown;
    command.waiting_for = waiting.as_ref().map(|waiting| waiting.reason.name().to_owned());
    Ok(CommandDetail { command, payload, retry, attempts, chain, waiting, route })
}

/// `command_explain`
pub(crate) async fn explain_command(
    core: &Core,
    actor: &Actor,
    ask: CommandExplain,
) -> Result<CommandExplainReply, ErrorBody> {
    let ask = CommandShow { command_id: ask.command_id };
    let CommandDetail { command, waiting, route, .. } = show(core, actor, ask).await?;
    let causes = causes(core, actor, waiting.as_ref()).await?;
    Ok(CommandExplainReply { command, waiting, route, causes })
}

/// What keeps the command that is waited for, and so on.
async fn causes(
    core: &Core,
    actor: &Actor,
    waiting: Option<&Waiting>,
) -> Result<Vec<Cause>, ErrorBody> {
    let mut causes: Vec<Cause> = Vec::new();
    let mut next = waiting.and_then(|waiting| waiting.command_id);
    while let Some(command_id) = next.filter(|_| causes.len() < CAUSES_MAX) {
        let shown = show(core, actor, CommandShow { command_id }).await?;
        next = shown.waiting.as_ref().and_then(|waiting| waiting.command_id);
        causes.push(Cause { command: shown.command, waiting: shown.waiting });
    }
    Ok(causes)
}

fn why(core: &Core, shown: &Shown) -> Option<Waiting> {
    let around = &shown.around;
    let link = core.runners.get(shown.command.runner_id);
    let slots = link.as_ref().map_or(1, |link| link.slots());
    let situation = Situation {
        command: &shown.command,
        nobody: shown.route.as_ref().filter(|route| !route.placed),
        due_at: around.due_at,
        for_limit: around.for_limit,
        head: around.head.as_ref(),
        hold: around.hold.as_ref(),
        active: around.active,
        slots: (usize::try_from(around.busy).unwrap_or(usize::MAX), slots),
        runner: &around.runner,
        online: link.is_some(),
        disk_refuses: link.as_ref().is_some_and(|link| link.disk_refuses()),
        last_seen_at: around.last_seen_at,
        asks: around.asks,
    };
    explain(&situation, Timestamp::now())
}

/// `blob_get`
pub(crate) async fn blob(
    core: &Core,
    actor: &Actor,
    ask: BlobGet,
) -> Result<BlobGetReply, ErrorBody> {
    let text = core.store.blob(actor.org, &ask.hash).await.map_err(from_store)?;
    Ok(BlobGetReply { text })
}
