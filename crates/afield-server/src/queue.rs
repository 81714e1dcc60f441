//! The queue as people use it: sending, moving and putting back here; looking ([`show`]), stopping
//! ([`stop`]) and holding ([`hold`]) beside it.
//!
//! Everything durable happens in the store's transactions; when something becomes possible, the
//! runner's link is told to look. What happens by itself is in [`clock`], limits in [`quota`].

pub(crate) mod clock;
mod hold;
pub(crate) mod order;
pub(crate) mod quota;
mod show;
mod stop;
mod target;

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use afield_proto::agent::AgentKind;
use afield_proto::command::{Command, CommandKind};
use afield_proto::device::Scope;
use afield_proto::project::ProjectSettings;
use afield_proto::queue::{BULK_MAX, EXPIRY, KEY_BYTES_MAX, Payload, Resolution, SendMode};
use afield_proto::request::{
    CommandEdit, CommandMove, CommandPurge, CommandResolve, CommandRetry, CommandSubmit,
    CommandsReply,
};
use afield_proto::runner::{Attempt, RunnerInterrupt, RunnerKill};
use afield_proto::{CommandId, DeviceId, ErrorBody, ErrorCode, ProjectId, RequestId, Timestamp};
use afield_store::{Accept, Carried, EditCommand, NewRoute, SubmitCommand, Submitted, WhichDead};
use futures::future::{self, Either};

use self::order::Turn;
use crate::auth::scopes;
use crate::blobs;
use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::routing::{self, Routed};
use crate::runners::lease_at_once;
use crate::socket::conn::Actor;

pub(crate) use self::hold::{hold, holds, release};
pub(crate) use self::show::{blob, explain_command, show};
pub(crate) use self::stop::{Stopped, cancel, stop};

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
            let place = target::project(core, actor.org, &target).await?;
            let runner_id = Some(place.runner_id);
            let here = Here { project_id: place.id, runner_id, settings: &place.settings };
            (drafted(core, actor, &here, ask.clone(), request_id)?, None)
        }
    };
    let running = match ask.mode {
        SendMode::Interrupt => running(core, actor, submit.project_id).await?,
        SendMode::Steer | SendMode::Queue => None,
    };
    let Submitted { command, duplicate } = accept(core, submit, route, Some(turn)).await?;
    if let Some(running) = running.filter(|_| !duplicate) {
        running.interrupt(core);
    }
    if ask.mode == SendMode::Steer {
        core.runners.steer(command.runner_id);
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
) -> Result<Submitted, ErrorBody> {
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
    let command = &submitted.command;
    if !submitted.duplicate {
        core.quota.count(org, project, device, bytes);
        core.clock.note(command);
        if let Some(route) = &route {
            routing::accepted(core, org, route);
        }
    }
    tracing::info!(%request_id, command = %command.id, agent = command.agent.name(), "command accepted");
    core.runners.deliver(command.runner_id);
    Ok(submitted)
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
        (SendMode::Steer, CommandKind::Prompt) => Accept::Steer(actor.scopes),
        (SendMode::Steer | SendMode::Interrupt, _) => Accept::First,
    };
    if matches!(accept, Accept::Steer(_)) && ask.not_before.is_some() {
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
    scopes::check_options(actor, payload.options.as_ref(), settings.options.as_ref())?;
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

/// A turn a runner works on.
struct Running {
    runner: DeviceId,
    attempt: Attempt,
}

/// The turn that `interrupt` means. It is looked up before the new command is accepted: that one
/// may be at work before its sender has an answer.
async fn running(
    core: &Core,
    actor: &Actor,
    project: ProjectId,
) -> Result<Option<Running>, ErrorBody> {
    let active = core.store.active_attempt(actor.org, project).await.map_err(from_store)?;
    Ok(active.map(|(command, attempt)| Running { runner: command.runner_id, attempt }))
}

impl Running {
    /// Tells its runner. An attempt that is over meanwhile means nothing to it any more.
    fn interrupt(self, core: &Core) {
        if let Some(link) = core.runners.get(self.runner) {
            link.order("runner_interrupt", &RunnerInterrupt { attempt: self.attempt });
        }
    }
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
        by: actor.scopes,
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
    let back =
        core.store.put_back(actor.org, which, payload, actor.scopes, now.plus(EXPIRY), now).await;
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
    let now = Timestamp::now();
    let commands = core.store.purge(actor.org, which, now).await.map_err(from_store)?;
    core.clock.uploaded(now.plus(core.limits().attachments_kept));
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
    let by = (actor.device, actor.scopes);
    let resolved = core.store.resolve_command(actor.org, command_id, resolution, by, now).await;
    let command = resolved.map_err(from_store)?;
    tracing::info!(command = %command.id, ?resolution, by = %actor.device, "resolved");
    if resolution == Resolution::Requeue {
        core.released(&command);
    }
    Ok(command)
}

impl Core {
    /// Something may start that could not before.
    pub(crate) fn released(&self, command: &Command) {
        self.clock.note(command);
        self.clock.is_over(command, self.limits().finished_kept);
        self.runners.deliver(command.runner_id);
    }
}
