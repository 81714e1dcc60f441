//! The queue as people use it: sending, looking, stopping, moving, holding, putting back.
//!
//! Everything durable happens in the store's transactions; when something becomes possible, the
//! runner's link is told to look. What happens by itself is in [`clock`], limits in [`quota`].

pub(crate) mod clock;
pub(crate) mod order;
pub(crate) mod quota;
mod target;

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use afield_flow::queue::{Situation, explain};
use afield_proto::agent::AgentKind;
use afield_proto::command::{Command, CommandKind};
use afield_proto::device::Scope;
use afield_proto::project::ProjectSettings;
use afield_proto::queue::{
    BULK_MAX, CommandDetail, EXPIRY, Hold, KEY_BYTES_MAX, Payload, Resolution, SendMode, Waiting,
};
use afield_proto::request::{
    BlobGet, BlobGetReply, CommandCancel, CommandEdit, CommandExplain, CommandExplainReply,
    CommandHold, CommandHoldReply, CommandMove, CommandPurge, CommandRelease, CommandResolve,
    CommandRetry, CommandShow, CommandSubmit, CommandsReply, HoldListReply,
};
use afield_proto::runner::{KilledProcess, RunnerInterrupt, RunnerKill, RunnerKilled};
use afield_proto::{CommandId, DeviceId, ErrorBody, ErrorCode, ProjectId, RequestId, Timestamp};
use afield_store::{
    Accept, Cancel, Carried, EditCommand, NewRoute, Shown, SubmitCommand, WhichDead,
};
use futures::future::{self, Either};

use self::order::Turn;
use crate::blobs;
use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::routing::{self, Routed};
use crate::runners::{ORDER_TIMEOUT, lease_at_once};
use crate::socket::conn::Actor;

/// How long an answer to a stop waits for the last record after every process is gone.
const LAST_RECORD_TIMEOUT: Duration = Duration::from_secs(2);
/// How far back a sender's own time is believed: as long as a command waits at most.
const SUBMITTED_BACK_MAX_MS: i64 = 30 * 24 * 3600 * 1000;

/// The turn of a command among those its sender has on the way to the same project.
pub(crate) async fn turn<'a>(core: &'a Core, actor: &Actor, ask: &CommandSubmit) -> Turn<'a> {
    let project = ask.target.as_ref().and_then(|target| target.project_id);
    core.order.turn(actor.device, project).await
}

/// `command_submit`: accepted when it is on disk; starts when it can.
pub(crate) async fn submit(
    core: &Arc<Core>,
    actor: &Actor,
    ask: CommandSubmit,
    request_id: RequestId,
    turn: Turn<'_>,
) -> Result<Command, ErrorBody> {
    let target = ask.target.clone().unwrap_or_default();
    let (submit, route) = match target.selector {
        Some(_) if target.project_id.is_none() && target.runner_id.is_none() => {
            let Routed { project_id, runner_id, settings, route } =
                routing::route(core, actor, &target, &ask).await?;
            let here = Here { project_id, runner_id, settings: &settings };
            (drafted(core, actor, &here, ask.clone(), request_id)?, Some(route))
        }
        _ => {
            let project = target::project(core, actor.org, &target).await?;
            let runner_id = Some(project.runner_id);
            let here = Here { project_id: project.id, runner_id, settings: &project.settings };
            (drafted(core, actor, &here, ask.clone(), request_id)?, None)
        }
    };
    let command = accept(core, submit, route, Some(turn)).await?;
    match ask.mode {
        SendMode::Interrupt => interrupt_active(core, actor, command.project_id).await?,
        SendMode::Steer => core.runners.steer(command.runner_id),
        SendMode::Queue => {}
    }
    if command.kind == CommandKind::Kill {
        deliver_kills(core, actor, command.runner_id).await?;
    }
    Ok(command)
}

/// Where a command goes.
struct Here<'a> {
    project_id: ProjectId,
    /// Absent while it waits for one.
    runner_id: Option<DeviceId>,
    settings: &'a ProjectSettings,
}

/// The one way a command is accepted. A turn is given on as soon as the order can't change any more.
pub(crate) async fn accept(
    core: &Arc<Core>,
    submit: SubmitCommand,
    route: Option<NewRoute>,
    turn: Option<Turn<'_>>,
) -> Result<Command, ErrorBody> {
    let bytes = submit.prompt.len() as u64;
    core.quota.check(core, &submit, bytes).await?;
    let (request_id, org) = (submit.request_id, submit.org);
    let (project, device) = (submit.project_id, submit.submitted_by);
    let runner = core.store.last_runner(project);
    let now = Timestamp::now();
    let submit = match route.clone() {
        Some(route) => Either::Left(core.store.submit_routed(submit, route, now)),
        None => Either::Right(core.store.submit_command(submit, now)),
    };
    let lease = async {
        if let Some(runner) = runner {
            lease_at_once(core, runner).await;
        }
    };
    // Its first poll brings it to the store, however much the task has done before.
    let mut accepted = pin!(tokio::task::unconstrained(future::join(submit, lease)));
    let begun = futures::poll!(accepted.as_mut());
    let turn = turn.filter(|_| !core.store.keeps_order());
    let (submitted, ()) = match begun {
        Poll::Ready(done) => done,
        Poll::Pending => accepted.await,
    };
    drop(turn);
    let submitted = submitted.map_err(from_store)?;
    let command = submitted.command;
    if !submitted.duplicate {
        core.quota.count(org, project, device, bytes);
        core.clock.note(&command);
        if let Some(route) = &route {
            routing::accepted(core, org, route);
        }
    }
    tracing::info!(%request_id, command = %command.id, agent = command.agent.name(), "command accepted");
    core.runners.deliver(command.runner_id);
    Ok(command)
}

fn drafted(
    core: &Core,
    actor: &Actor,
    here: &Here<'_>,
    ask: CommandSubmit,
    request_id: RequestId,
) -> Result<SubmitCommand, ErrorBody> {
    let now = Timestamp::now();
    check_key("key", ask.key.as_deref())?;
    check_key("order", ask.order.as_deref())?;
    if let Some(retry) = &ask.retry {
        retry.check().map_err(invalid)?;
    }
    let expires_at = expiry(ask.expires_at, ask.not_before, now)?;
    let kind = ask.kind.unwrap_or(CommandKind::Prompt);
    let session_id = ask.payload.session_id;
    let Carried { prompt, options, attachments, agent } =
        carried(actor, here.settings, kind, ask.payload)?;
    blobs::check(core, here.runner_id, &attachments)?;
    if let Some(runner) = here.runner_id {
        crate::commands::check_agent_for(core, runner, kind, agent)?;
    }
    let accept = match (ask.mode, kind) {
        (SendMode::Queue, _) => Accept::Queue,
        (SendMode::Steer, CommandKind::Prompt) => Accept::Steer,
        (SendMode::Steer | SendMode::Interrupt, _) => Accept::First,
    };
    if accept == Accept::Steer && ask.not_before.is_some() {
        return Err(invalid("a prompt for the running turn is for now; leave not_before out"));
    }
    Ok(SubmitCommand {
        org: actor.org,
        project_id: here.project_id,
        submitted_by: actor.device,
        kind,
        agent,
        prompt,
        options,
        attachments,
        key: ask.key,
        request_id,
        accept,
        session_id,
        order: ask.order,
        priority: ask.priority,
        not_before: ask.not_before,
        expires_at: Some(expires_at),
        retry: ask.retry,
        hold: ask.hold,
        submitted_at: ask.submitted_at.filter(|at| is_believable(*at, now)),
    })
}

/// A sender's time counts when it lies before now and not too far.
fn is_believable(at: Timestamp, now: Timestamp) -> bool {
    at <= now && now.unix_ms() - at.unix_ms() <= SUBMITTED_BACK_MAX_MS
}

/// What a command carries, with the project's own options in it.
fn carried(
    actor: &Actor,
    settings: &ProjectSettings,
    kind: CommandKind,
    payload: Payload,
) -> Result<Carried, ErrorBody> {
    let base = settings.options.clone().unwrap_or_default();
    let options = payload.options.unwrap_or_default().or(&base);
    let usual = payload.agent.or(settings.agent).unwrap_or(AgentKind::Claude);
    let agent = if kind == CommandKind::Shell { AgentKind::Command } else { usual };
    match kind {
        CommandKind::NewSession | CommandKind::Kill if !payload.attachments.is_empty() => {
            Err(invalid(format!("a command of kind {} carries no attachments", kind.name())))
        }
        CommandKind::NewSession | CommandKind::Kill => {
            Ok(Carried { options, ..Carried::words("", agent) })
        }
        CommandKind::Prompt | CommandKind::Shell => {
            crate::commands::check_prompt(agent, &payload.prompt, &options)?;
            if agent == AgentKind::Command {
                actor.require(Scope::Shell)?;
            }
            let Payload { prompt, attachments, .. } = payload;
            Ok(Carried { prompt, options, attachments, agent })
        }
    }
}

/// When a command expires; when its sender says nothing, a week after it could have started.
fn expiry(
    asked: Option<Timestamp>,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Result<Timestamp, ErrorBody> {
    let earliest = not_before.unwrap_or(now).max(now);
    let expires_at = asked.unwrap_or(earliest.plus(EXPIRY));
    match expires_at > earliest {
        true => Ok(expires_at),
        false => Err(invalid("expires_at must lie in the future, and after not_before")),
    }
}

pub(crate) fn check_key(name: &str, key: Option<&str>) -> Result<(), ErrorBody> {
    match key {
        Some(key) if key.is_empty() || key.len() > KEY_BYTES_MAX => {
            Err(invalid(format!("{name} must have 1 to {KEY_BYTES_MAX} bytes")))
        }
        _ => Ok(()),
    }
}

async fn interrupt_active(core: &Core, actor: &Actor, project: ProjectId) -> Result<(), ErrorBody> {
    let active = core.store.active_attempt(actor.org, project).await.map_err(from_store)?;
    let Some((command, attempt)) = active.filter(|(_, attempt)| attempt.attempt > 0) else {
        return Ok(());
    };
    if let Some(link) = core.runners.get(command.runner_id) {
        link.order("runner_interrupt", &RunnerInterrupt { attempt });
    }
    Ok(())
}

/// Tells a runner what to stop. One that is away is told when it is back.
async fn deliver_kills(core: &Core, actor: &Actor, runner: DeviceId) -> Result<(), ErrorBody> {
    let Some(link) = core.runners.get(runner) else { return Ok(()) };
    let attempts = core.store.kills_to_deliver(actor.org, runner).await.map_err(from_store)?;
    for attempt in attempts {
        link.order("runner_kill", &RunnerKill { attempt });
    }
    Ok(())
}

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
    Ok(CommandExplainReply { command, waiting, route })
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
        last_seen_at: around.last_seen_at,
        asks: around.asks,
    };
    explain(&situation, Timestamp::now())
}

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

/// `command_edit`
pub(crate) async fn edit(
    core: &Core,
    actor: &Actor,
    ask: CommandEdit,
) -> Result<Command, ErrorBody> {
    if let Some(retry) = &ask.retry {
        retry.check().map_err(invalid)?;
    }
    let now = Timestamp::now();
    if ask.expires_at.is_some() {
        expiry(ask.expires_at, ask.not_before, now)?;
    }
    let payload = match ask.payload {
        Some(payload) => Some(edited(core, actor, ask.command_id, payload).await?),
        None => None,
    };
    let edit = EditCommand {
        payload,
        priority: ask.priority,
        not_before: ask.not_before,
        expires_at: ask.expires_at,
        retry: ask.retry,
    };
    let edited = core.store.edit_command(actor.org, ask.command_id, edit, now).await;
    let command = edited.map_err(from_store)?;
    core.released(&command);
    Ok(command)
}

async fn edited(
    core: &Core,
    actor: &Actor,
    id: CommandId,
    payload: Payload,
) -> Result<Carried, ErrorBody> {
    let command = core.store.command(actor.org, id).await.map_err(from_store)?;
    let settings = core.store.settings(actor.org, command.project_id).await.map_err(from_store)?;
    let payload = Payload { agent: payload.agent.or(Some(command.agent)), ..payload };
    let carried = carried(actor, &settings, command.kind, payload)?;
    blobs::check(core, Some(command.runner_id), &carried.attachments)?;
    Ok(carried)
}

/// `command_move`
pub(crate) async fn move_command(
    core: &Core,
    actor: &Actor,
    ask: CommandMove,
) -> Result<Command, ErrorBody> {
    let moved = core.store.move_command(actor.org, ask.command_id, ask.to, Timestamp::now()).await;
    let command = moved.map_err(from_store)?;
    core.released(&command);
    Ok(command)
}

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
    let changed = match command_id {
        Some(id) => {
            let released = core.store.hold_command(actor.org, id, None, Timestamp::now());
            released.await.map_err(from_store)?.1
        }
        None => core.store.release(actor.org, project_id, runner_id).await.map_err(from_store)?,
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

/// The commands a bulk request means.
fn which(
    command_ids: Vec<CommandId>,
    all_dead: bool,
    project_id: Option<ProjectId>,
) -> Result<WhichDead, ErrorBody> {
    let limit = u32::try_from(BULK_MAX).unwrap_or(u32::MAX);
    match (command_ids.len(), all_dead) {
        (0, true) => Ok(WhichDead::All(project_id, limit)),
        (1..=BULK_MAX, false) => Ok(WhichDead::Named(command_ids)),
        _ => Err(invalid(format!("name 1 to {BULK_MAX} commands, or say all_dead"))),
    }
}

/// `command_retry`
pub(crate) async fn retry(
    core: &Core,
    actor: &Actor,
    ask: CommandRetry,
) -> Result<CommandsReply, ErrorBody> {
    let which = which(ask.command_ids, ask.all_dead, ask.project_id)?;
    let payload = match (&which, ask.payload) {
        (WhichDead::Named(ids), Some(payload)) if ids.len() == 1 => {
            Some(edited(core, actor, ids[0], payload).await?)
        }
        (_, Some(_)) => return Err(invalid("a new payload needs exactly one command")),
        (_, None) => None,
    };
    let now = Timestamp::now();
    let back = core.store.put_back(actor.org, which, payload, now.plus(EXPIRY), now).await;
    let commands = back.map_err(from_store)?;
    commands.iter().for_each(|command| core.released(command));
    core.routing.again.look(actor.org, Duration::ZERO);
    Ok(CommandsReply { more: commands.len() == BULK_MAX, commands })
}

/// `command_purge`
pub(crate) async fn purge(
    core: &Core,
    actor: &Actor,
    ask: CommandPurge,
) -> Result<CommandsReply, ErrorBody> {
    let which = which(ask.command_ids, ask.all_dead, ask.project_id)?;
    let commands = core.store.purge(actor.org, which).await.map_err(from_store)?;
    core.clock.uploaded(Timestamp::now().plus(core.limits().attachments_kept));
    Ok(CommandsReply { more: commands.len() == BULK_MAX, commands })
}

/// `command_resolve`
pub(crate) async fn resolve(
    core: &Core,
    actor: &Actor,
    ask: CommandResolve,
) -> Result<Command, ErrorBody> {
    let CommandResolve { command_id, resolution } = ask;
    let now = Timestamp::now();
    let command = core.store.command(actor.org, command_id).await.map_err(from_store)?;
    if core.runners.get(command.runner_id).is_some() && !command.state.is_final() {
        return Err(ErrorBody::new(
            ErrorCode::Conflict,
            "its runner is connected and knows what became of it; cancel it instead",
        ));
    }
    let resolved =
        core.store.resolve_command(actor.org, command_id, resolution, actor.device, now).await;
    let command = resolved.map_err(from_store)?;
    tracing::info!(command = %command.id, ?resolution, by = %actor.device, "resolved");
    if resolution == Resolution::Requeue {
        core.released(&command);
    }
    Ok(command)
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

impl Core {
    /// Something may start that could not before.
    pub(crate) fn released(&self, command: &Command) {
        self.clock.note(command);
        self.clock.is_over(command, self.limits().finished_kept);
        self.runners.deliver(command.runner_id);
    }
}
