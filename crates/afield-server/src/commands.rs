//! Work: prompts in, stops, approvals. Everything durable happens in the store's transactions.

use std::net::IpAddr;
use std::sync::Arc;

use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::approval::{Answer, Approval, OneTap};
use afield_proto::command::{Command, CommandKind, CommandState};
use afield_proto::device::Scope;
use afield_proto::queue::{EXPIRY, Priority};
use afield_proto::request::{
    AgentInterrupt, AgentKill, AgentKillReply, AgentNewSession, AgentNewSessionReply, AgentSetMode,
    ApprovalAnswer, ApprovalList, ApprovalListReply, CommandCancel, CommandGet, CommandList,
    CommandListReply, Empty, Execute,
};
use afield_proto::runner::{Attempt, RunnerAnswer, RunnerInterrupt, RunnerSetMode};
use afield_proto::{
    DeviceId, ErrorBody, ErrorCode, OrgId, ProjectId, RequestId, Timestamp, limits,
};
use afield_store::{Accept, Answered, CommandFilter, Refusal, SubmitCommand};

use crate::auth::{scopes, token};
use crate::blobs;
use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::projects::named;
use crate::queue::{self, Stopped};
use crate::runners::ORDER_TIMEOUT;
use crate::socket::conn::Actor;

/// `execute`: accepted when it is on disk; starts when its runner takes it.
pub(crate) async fn execute(
    core: &Arc<Core>,
    actor: &Actor,
    ask: Execute,
    request_id: RequestId,
) -> Result<Command, ErrorBody> {
    let project_id = named(ask.project_id)?;
    queue::check_key("key", ask.key.as_deref())?;
    let place = core.store.place(actor.org, project_id).await.map_err(from_store)?;
    let agent = ask.agent.or(place.settings.agent).unwrap_or(AgentKind::Claude);
    scopes::check_options(actor, ask.options.as_ref(), place.settings.options.as_ref())?;
    let base = place.settings.options.clone().unwrap_or_default();
    let options = ask.options.unwrap_or_default().or(&base);
    check_prompt(agent, &ask.prompt, &options)?;
    if agent == AgentKind::Command {
        actor.require(Scope::Shell)?;
    }
    let kind = if agent == AgentKind::Command { CommandKind::Shell } else { CommandKind::Prompt };
    check_agent_for(core, place.runner_id, kind, agent)?;
    blobs::check(core, Some(place.runner_id), &ask.attachments)?;
    let submit = SubmitCommand {
        org: actor.org,
        project_id,
        submitted_by: actor.device,
        kind,
        agent,
        prompt: ask.prompt,
        options,
        attachments: ask.attachments,
        key: ask.key,
        request_id,
        accept: Accept::Immediate,
        session_id: None,
        order: None,
        priority: Priority::Normal,
        not_before: None,
        expires_at: Some(Timestamp::now().plus(EXPIRY)),
        retry: None,
        hold: false,
        submitted_at: None,
    };
    Ok(queue::accept(core, submit, None, None).await?.command)
}

/// **Errors**: VALIDATION_FAILED for a prompt no agent could take.
pub(crate) fn check_prompt(
    agent: AgentKind,
    prompt: &str,
    options: &ExecuteOptions,
) -> Result<(), ErrorBody> {
    let by_argv = agent == AgentKind::Command && options.argv.is_some();
    if by_argv {
        let argv = options.argv.as_deref().unwrap_or_default();
        if argv.is_empty() || argv.iter().any(|word| word.contains('\0')) {
            return Err(invalid("argv must name a program, and no word may hold a NUL byte"));
        }
    } else if prompt.trim().is_empty() {
        return Err(invalid("the prompt is empty"));
    }
    Ok(())
}

/// Refuses at once what the connected runner is known not to have. A runner that is away is asked
/// when it is back.
pub(crate) fn check_agent_for(
    core: &Core,
    runner: DeviceId,
    kind: CommandKind,
    agent: AgentKind,
) -> Result<(), ErrorBody> {
    if matches!(kind, CommandKind::NewSession | CommandKind::Kill) {
        return Ok(());
    }
    let Some(link) = core.runners.get(runner) else { return Ok(()) };
    let facts = link.facts();
    let facts = facts.agents.iter().find(|facts| facts.agent == agent);
    let note = match facts {
        Some(facts) if facts.available => return Ok(()),
        Some(facts) => facts.note.clone().unwrap_or_default(),
        None => "its policy does not list it".to_owned(),
    };
    let (code, hint) = match agent {
        AgentKind::Claude => (ErrorCode::ClaudeNotFound, "; the agent \"demo\" needs nothing"),
        AgentKind::Demo | AgentKind::Command => (ErrorCode::AgentUnavailable, ""),
    };
    let message = format!("the runner has no usable agent {agent}: {note}{hint}");
    Err(ErrorBody::new(code, message)
        .with_details(serde_json::json!({ "runner_id": runner, "agent": agent })))
}

/// `agent_new_session`
pub(crate) async fn new_session(
    core: &Core,
    actor: &Actor,
    ask: AgentNewSession,
) -> Result<AgentNewSessionReply, ErrorBody> {
    let project_id = named(ask.project_id)?;
    let session_id = core.store.new_session(actor.org, project_id, Timestamp::now()).await;
    Ok(AgentNewSessionReply { session_id: session_id.map_err(from_store)? })
}

async fn active(
    core: &Core,
    org: OrgId,
    project: ProjectId,
) -> Result<(Command, Attempt), ErrorBody> {
    match core.store.active_attempt(org, project).await.map_err(from_store)? {
        Some(active) => Ok(active),
        None => Err(nothing_runs(core, org, project).await?),
    }
}

/// Nothing runs; what waits, which stays as it is, is named.
async fn nothing_runs(core: &Core, org: OrgId, project: ProjectId) -> Result<ErrorBody, ErrorBody> {
    let filter = CommandFilter {
        project_id: Some(project),
        waiting: true,
        limit: limits::PAGE_MESSAGES_DEFAULT,
        ..CommandFilter::default()
    };
    let waiting = core.store.commands(org, filter).await.map_err(from_store)?;
    let waits = |command: &Command| command.state == CommandState::Queued;
    let waiting: Vec<_> = waiting.into_iter().filter(waits).map(|command| command.id).collect();
    Ok(match waiting.is_empty() {
        true => ErrorBody::new(ErrorCode::ProcessNotFound, "nothing runs in this project"),
        false => ErrorBody::new(
            ErrorCode::ProcessNotFound,
            "nothing runs in this project; what waits stays until it is cancelled (command_cancel)",
        )
        .with_details(serde_json::json!({ "waiting": waiting })),
    })
}

/// `agent_kill`: what the project works on is stopped with every process it made, and the answer
/// says which. What waits is not touched.
pub(crate) async fn kill(
    core: &Core,
    actor: &Actor,
    ask: AgentKill,
) -> Result<AgentKillReply, ErrorBody> {
    let project_id = named(ask.project_id)?;
    core.store.project(actor.org, project_id).await.map_err(from_store)?;
    let (command, _) = active(core, actor.org, project_id).await?;
    core.runners.require(command.runner_id)?;
    let cancel = CommandCancel { command_id: command.id };
    let (_, killed) = queue::stop(core, actor, cancel).await?;
    match killed {
        Stopped::Over => Err(nothing_runs(core, actor.org, project_id).await?),
        Stopped::Never => Ok(AgentKillReply { command_id: command.id, killed: Vec::new() }),
        Stopped::Killed(killed) => Ok(AgentKillReply { command_id: command.id, killed }),
    }
}

/// `agent_interrupt`
pub(crate) async fn interrupt(
    core: &Core,
    actor: &Actor,
    ask: AgentInterrupt,
) -> Result<Empty, ErrorBody> {
    let (command, attempt) = active(core, actor.org, named(ask.project_id)?).await?;
    let link = core.runners.require(command.runner_id)?;
    link.order("runner_interrupt", &RunnerInterrupt { attempt });
    Ok(Empty {})
}

/// `agent_set_mode`
pub(crate) async fn set_mode(
    core: &Core,
    actor: &Actor,
    ask: AgentSetMode,
) -> Result<Empty, ErrorBody> {
    scopes::check_mode(actor, ask.permission_mode)?;
    let (command, attempt) = active(core, actor.org, named(ask.project_id)?).await?;
    let link = core.runners.require(command.runner_id)?;
    let order = RunnerSetMode { attempt, permission_mode: ask.permission_mode };
    link.ask::<Empty>("runner_set_mode", &order, ORDER_TIMEOUT).await
}

/// `command_get`
pub(crate) async fn get(core: &Core, actor: &Actor, ask: CommandGet) -> Result<Command, ErrorBody> {
    core.store.command(actor.org, ask.command_id).await.map_err(from_store)
}

/// `command_list`
pub(crate) async fn list(
    core: &Core,
    actor: &Actor,
    ask: CommandList,
) -> Result<CommandListReply, ErrorBody> {
    let filter = CommandFilter {
        project_id: ask.project_id,
        runner_id: ask.runner_id,
        waiting: ask.waiting,
        state: ask.state,
        before: ask.before_id,
        limit: ask.limit.unwrap_or(limits::PAGE_MESSAGES_DEFAULT).min(limits::PAGE_MESSAGES_MAX),
    };
    let commands = core.store.commands(actor.org, filter).await;
    Ok(CommandListReply { commands: commands.map_err(from_store)? })
}

/// `approval_list`
pub(crate) async fn approvals(
    core: &Core,
    actor: &Actor,
    ask: ApprovalList,
) -> Result<ApprovalListReply, ErrorBody> {
    let approvals = core.store.approvals(actor.org, ask.project_id, ask.all).await;
    Ok(ApprovalListReply { approvals: approvals.map_err(from_store)? })
}

/// `approval_answer`: the first answer counts, for everybody.
pub(crate) async fn answer(
    core: &Core,
    actor: &Actor,
    ask: ApprovalAnswer,
) -> Result<Approval, ErrorBody> {
    let ApprovalAnswer { approval_id, answer } = ask;
    let now = Timestamp::now();
    let answered = core.store.answer_approval(actor.org, approval_id, actor.device, &answer, now);
    Ok(hand_on(core, answered.await.map_err(from_store)?, answer))
}

/// Hands an answer to the runner that waits for it, when it is there; else it gets it when it is.
fn hand_on(core: &Core, answered: Answered, answer: Answer) -> Approval {
    if let Some(link) = core.runners.get(answered.runner_id) {
        let approval_id = answered.approval.ask.approval_id;
        let order = RunnerAnswer { attempt: answered.attempt, approval_id, answer };
        link.order("runner_answer", &order);
    }
    answered.approval
}

/// `POST /api/v1/approvals/one-tap`: with the token of a notification, and no other credential.
///
/// **Errors**: UNAUTHORIZED for a token that is not (or no longer) one, which counts as a failed
/// sign-in; CONFLICT when it is answered; VALIDATION_FAILED for a yes that must be confirmed.
pub(crate) async fn one_tap(
    core: &Core,
    ask: OneTap,
    address: IpAddr,
) -> Result<Approval, ErrorBody> {
    core.throttle.check_auth(address)?;
    let known = token::hash(&ask.token).ok_or(Refusal::TokenUnknown.into());
    let done = match known {
        Err(unknown) => Err(unknown),
        Ok(hash) => use_token(core, hash, &ask, Timestamp::now()).await,
    };
    done.map_err(|error| {
        if matches!(error.refusal(), Some(Refusal::TokenUnknown)) {
            core.auth_failed(address);
        }
        from_store(error)
    })
}

async fn use_token(
    core: &Core,
    hash: [u8; 32],
    ask: &OneTap,
    now: Timestamp,
) -> Result<Approval, afield_store::Error> {
    let Some(behavior) = ask.behavior else { return core.store.show_one_tap(hash, now).await };
    let answered = core.store.answer_one_tap(hash, behavior, ask.confirmed, now).await?;
    Ok(hand_on(core, answered, Answer::plain(behavior)))
}
