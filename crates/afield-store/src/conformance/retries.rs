//! Attempts that failed: tried again, waited for, given up among the dead letters, put back.

use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::command::{Command, CommandKind, CommandState, Outcome as Ended, OutcomeKind};
use afield_proto::device::Scopes;
use afield_proto::project::ProjectSettings;
use afield_proto::queue::{Failure, Priority, Resolution, RetryPolicy};
use afield_proto::runner::Attempt;
use afield_proto::{CommandId, ProjectId, Topic};
use serde_json::json;

use super::lanes::check_lanes;
use super::world::{assert_refused, started};
use super::{Outcome, Place, World, at};
use crate::{Carried, CommandFilter, EditCommand, Error, Refusal, SubmitCommand, WhichDead};

fn policy(attempts: u32) -> RetryPolicy {
    let on = vec![Failure::Failed, Failure::RateLimited];
    RetryPolicy { attempts, on, ..RetryPolicy::default() }
}

async fn retried(
    world: &World,
    project: ProjectId,
    policy: RetryPolicy,
) -> Result<CommandId, Error> {
    let submit = SubmitCommand { retry: Some(policy), ..world.queued(project, "x") };
    world.accept(submit, 2).await
}

/// The only attempt that may start at this time.
async fn attempt(world: &World, now: i64) -> Result<Attempt, Box<dyn std::error::Error>> {
    match world.attempts(9, now).await?[..] {
        [attempt] => Ok(attempt),
        ref other => Err(format!("not one attempt: {other:?}").into()),
    }
}

/// Leases what may start at this time and has it fail.
async fn fail(world: &World, now: i64) -> Result<Command, Box<dyn std::error::Error>> {
    let attempt = attempt(world, now).await?;
    Ok(world.run_until(attempt, Ended::new(OutcomeKind::Failed), now).await?)
}

/// A command that is among the dead letters.
async fn dead(
    world: &World,
    project: ProjectId,
    now: i64,
) -> Result<CommandId, Box<dyn std::error::Error>> {
    let id = retried(world, project, RetryPolicy { wait_ms: 0, ..policy(2) }).await?;
    for _ in 0..2 {
        fail(world, now).await?;
    }
    assert_eq!(world.state(id).await?, CommandState::Dead);
    Ok(id)
}

fn due(command: &Command) -> Result<i64, &'static str> {
    let at_zero = at(0).unix_ms();
    command.not_before.map(|due| due.unix_ms() - at_zero).ok_or("it waits for nothing")
}

/// Waits grow from attempt to attempt; the last failure makes it a dead letter.
pub async fn a_failed_command_is_tried_again(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let id = retried(&world, project.id, policy(3)).await?;
    let behind = world.enqueue(project.id, "behind").await?;
    let mut now = 10;
    for (n, full) in [(1, 1000), (2, 2000)] {
        let failed = fail(&world, now).await?;
        assert_eq!((failed.state, failed.attempt), (CommandState::Queued, n));
        assert_eq!(failed.waiting_for.as_deref(), Some("time"));
        assert_eq!(failed.outcome.as_ref().map(|end| end.kind), Some(OutcomeKind::Failed));
        assert_eq!((failed.leased_at, failed.started_at, failed.finished_at), (None, None, None));
        assert_eq!(world.command(id).await?, failed);
        let due = due(&failed)?;
        assert!((now + full / 2..=now + full).contains(&due), "{due} after attempt {n}");
        assert_eq!(world.store.next_sweep().await?, Some(at(due)));
        assert!(world.given(due - 1).await?.is_empty(), "those behind it wait too");
        check_lanes(&world).await?;
        now = due;
    }
    let failed = fail(&world, now).await?;
    assert_eq!((failed.state, failed.attempt), (CommandState::Dead, 3));
    let shown = world.store.show_command(world.org, id).await?;
    let attempts = shown.attempts.iter().map(|view| (view.attempt, view.finished_at.is_some()));
    assert_eq!(attempts.collect::<Vec<_>>(), [(1, true), (2, true), (3, true)]);
    assert!(shown.attempts.iter().all(|view| view.started_at.is_some() && view.outcome.is_some()));
    assert_eq!(world.drain(now).await?, [behind]);
    check_lanes(&world).await
}

/// What was started is never expired: whose time ends before its next attempt is a dead letter.
pub async fn a_retry_that_comes_too_late_is_a_dead_letter(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let ends = |ms| SubmitCommand {
        retry: Some(policy(3)),
        expires_at: Some(at(ms)),
        ..world.queued(project.id, "x")
    };
    let waits = world.accept(ends(300), 2).await?;
    assert_eq!(fail(&world, 10).await?.state, CommandState::Queued);
    let behind = world.accept(ends(5000), 2).await?;
    assert_eq!(world.store.next_sweep().await?, Some(at(300)));
    assert_eq!(world.store.sweep_queue(at(300)).await?.expired[0].id, waits);
    let over = world.command(waits).await?;
    assert_eq!((over.state, over.attempt), (CommandState::Dead, 1));
    assert_eq!(over.finished_at, Some(at(300)));
    assert_eq!(over.outcome.map(|end| end.kind), Some(OutcomeKind::Failed));
    check_lanes(&world).await?;
    // The same when the runner was given the second attempt and never began it.
    let failed = fail(&world, 310).await?;
    assert_eq!(failed.id, behind);
    attempt(&world, due(&failed)?).await?;
    world.store.reconcile_runner(world.org, world.runner, &[], at(5000)).await?;
    let over = world.command(behind).await?;
    assert_eq!((over.state, over.attempt), (CommandState::Dead, 2));
    // Put back and not begun, it expires like any other.
    world
        .store
        .put_back(world.org, WhichDead::Named(vec![waits]), None, Scopes::NONE, at(6000), at(5000))
        .await?;
    world.store.sweep_queue(at(6000)).await?;
    assert_eq!(world.state(waits).await?, CommandState::Expired);
    check_lanes(&world).await
}

/// A failure the policy does not name, a stop, and an attempt without policy end the command.
pub async fn other_failures_are_final(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let ends = [
        (Some(policy(3)), OutcomeKind::TimedOut, CommandState::Failed),
        (Some(policy(3)), OutcomeKind::Succeeded, CommandState::Succeeded),
        (Some(policy(3)), OutcomeKind::Interrupted, CommandState::Interrupted),
        (None, OutcomeKind::Failed, CommandState::Failed),
    ];
    for (retry, kind, state) in ends {
        let submit = SubmitCommand { retry, ..world.queued(project.id, "x") };
        world.accept(submit, 2).await?;
        let attempt = attempt(&world, 3).await?;
        assert_eq!(world.run(attempt, kind).await?.state, state);
    }
    let id = retried(&world, project.id, policy(3)).await?;
    let attempt = attempt(&world, 3).await?;
    world.store.cancel_command(world.org, id, world.phone, at(4)).await?;
    assert_eq!(world.run(attempt, OutcomeKind::Failed).await?.state, CommandState::Failed);
    check_lanes(&world).await
}

/// Something interrupted is tried again only where starting it twice does no harm.
pub async fn safe_commands_survive_an_interruption(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let id = retried(&world, project.id, RetryPolicy { safe: true, ..policy(2) }).await?;
    let first = attempt(&world, 3).await?;
    world.apply(first, 1, vec![started()]).await?;
    world.store.reconcile_runner(world.org, world.runner, &[], at(5)).await?;
    let waits = world.command(id).await?;
    assert_eq!((waits.state, waits.attempt), (CommandState::Queued, 1));
    check_lanes(&world).await?;
    let second = attempt(&world, due(&waits)?).await?;
    assert_eq!((second.attempt, second.fence), (2, 2));
    assert!(world.apply(first, 2, vec![started()]).await?.acknowledged.closed);
    world.apply(second, 1, vec![started()]).await?;
    world.store.reconcile_runner(world.org, world.runner, &[], at(9000)).await?;
    assert_eq!(world.state(id).await?, CommandState::Dead);
    check_lanes(&world).await
}

/// The end of a usage limit is waited for as often as needed: it uses no attempt up.
pub async fn a_usage_limit_is_waited_for(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let waits = RetryPolicy { wait_for_limit: true, wait_ms: 0, ..policy(2) };
    let id = retried(&world, project.id, waits).await?;
    let mut now = 10;
    for _ in 0..3 {
        let resets_at = Some(at(now + 5000));
        let outcome = Ended { resets_at, ..Ended::new(OutcomeKind::RateLimited) };
        let attempt = attempt(&world, now).await?;
        let limited = world.run_until(attempt, outcome, now).await?;
        assert_eq!(limited.waiting_for.as_deref(), Some("limit"));
        assert_eq!(world.command(id).await?, limited);
        assert!(world.store.show_command(world.org, id).await?.around.for_limit);
        assert!(due(&limited)? >= now + 5000);
        now = due(&limited)?;
    }
    assert_eq!(fail(&world, now).await?.state, CommandState::Queued);
    assert_eq!(fail(&world, now).await?.state, CommandState::Dead);
    let shown = world.store.show_command(world.org, id).await?;
    assert_eq!(shown.attempts.iter().map(|view| view.attempt).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    Ok(())
}

/// Dead letters are listed, put back with their attempts counted anew, and stay in one place.
pub async fn dead_letters_are_put_back(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let [one, other] = [world.project("/a").await?, world.project("/b").await?];
    let [a, b] = [dead(&world, one.id, 10).await?, dead(&world, one.id, 10).await?];
    let c = dead(&world, other.id, 10).await?;
    let waits = world.enqueue(one.id, "waits").await?;
    assert_eq!(dead_letters(&world, None).await?, [c, b, a]);
    assert_eq!(dead_letters(&world, Some(one.id)).await?, [b, a]);
    let runner_id = Some(world.phone);
    let state = Some(CommandState::Dead);
    let foreign = CommandFilter { runner_id, state, limit: 9, ..CommandFilter::default() };
    assert!(world.store.commands(world.org, foreign).await?.is_empty(), "another runner's");
    let put_back =
        |which| world.store.put_back(world.org, which, None, Scopes::NONE, at(9000), at(20));
    let back = put_back(WhichDead::All(Some(one.id), 9)).await?;
    assert_eq!(back.iter().map(|command| command.id).collect::<Vec<_>>(), [a, b]);
    assert!(back.iter().all(|command| command.state == CommandState::Queued));
    assert_eq!(world.command(a).await?.expires_at, Some(at(9000)));
    check_lanes(&world).await?;
    assert_eq!(dead_letters(&world, None).await?, [c]);
    assert_refused!(put_back(WhichDead::Named(vec![c, a])).await, Refusal::NotPossible { .. });
    assert_eq!(world.state(c).await?, CommandState::Dead, "all or none");
    assert_eq!(attempt(&world, 21).await?.command_id, waits, "they go behind what waits");
    let running = world.store.active_attempt(world.org, one.id).await?.ok_or("it runs")?.1;
    world.run(running, OutcomeKind::Succeeded).await?;
    assert_eq!(fail(&world, 21).await?.state, CommandState::Queued, "counted anew");
    let failed = fail(&world, 21).await?;
    assert_eq!((failed.id, failed.state, failed.attempt), (a, CommandState::Dead, 4));
    assert_eq!(world.drain(22).await?, [b]);
    assert_refused!(put_back(WhichDead::Named(vec![b])).await, Refusal::NotPossible { .. });
    check_lanes(&world).await
}

async fn dead_letters(
    world: &World,
    project_id: Option<ProjectId>,
) -> Result<Vec<CommandId>, Error> {
    let state = Some(CommandState::Dead);
    let filter = CommandFilter { project_id, state, limit: 9, ..CommandFilter::default() };
    let dead = world.store.commands(world.org, filter).await?;
    Ok(dead.into_iter().map(|command| command.id).collect())
}

/// A dead letter is corrected once it waits again; what was kept back by a hold starts corrected.
pub async fn a_dead_letter_is_corrected(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let id = dead(&world, project.id, 10).await?;
    let payload = Some(Carried::words("right", AgentKind::Claude));
    let edit = EditCommand { payload, ..EditCommand::default() };
    let early = world.store.edit_command(world.org, id, edit.clone(), at(11)).await;
    assert_refused!(early, Refusal::NotPossible { .. });
    world
        .store
        .put_back(world.org, WhichDead::Named(vec![id]), None, Scopes::NONE, at(900), at(12))
        .await?;
    world.store.edit_command(world.org, id, edit, at(13)).await?;
    let order = world.leases(14).await?.pop().ok_or("it starts")?;
    assert_eq!((order.prompt.as_str(), order.attempt.attempt), ("right", 3));
    Ok(())
}

/// What starts programs begins again, more often or later only for those who could submit it; what the project
/// grants counts for everybody.
pub async fn what_starts_programs_is_put_back_with_the_scope_alone(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let (none, shell) = (Scopes::NONE, "prompt,shell".parse()?);
    let options = ExecuteOptions { mcp_config: Some("a.json".into()), ..ExecuteOptions::default() };
    let plain = SubmitCommand {
        kind: CommandKind::Shell,
        agent: AgentKind::Command,
        ..world.queued(project.id, "x")
    };
    let unasked = SubmitCommand { options: options.clone(), ..world.queued(project.id, "x") };
    let mut ids = Vec::new();
    for submit in [plain, unasked] {
        let id = world.accept(submit, 2).await?;
        for edit in [
            EditCommand { retry: Some(policy(3)), ..EditCommand::default() },
            EditCommand { expires_at: Some(at(900)), ..EditCommand::default() },
        ] {
            let refused = world.store.edit_command(world.org, id, edit.clone(), at(3)).await;
            assert_refused!(refused, Refusal::LacksShell { command_id, .. } if command_id == id);
            let edit = EditCommand { by: shell, ..edit };
            world.store.edit_command(world.org, id, edit, at(3)).await?;
        }
        let later = EditCommand { priority: Some(Priority::Low), ..EditCommand::default() };
        world.store.edit_command(world.org, id, later, at(3)).await?;
        let attempt = attempt(&world, 4).await?;
        world.run(attempt, OutcomeKind::Interrupted).await?;
        let requeue = |by| {
            let by = (world.phone, by);
            world.store.resolve_command(world.org, id, Resolution::Requeue, by, at(5))
        };
        assert_refused!(requeue(none).await, Refusal::LacksShell { .. });
        requeue(shell).await?;
        world.store.cancel_command(world.org, id, world.phone, at(6)).await?;
        ids.push(id);
    }
    let put_back = |id, by| {
        let which = WhichDead::Named(vec![id]);
        world.store.put_back(world.org, which, None, by, at(9000), at(20))
    };
    assert_refused!(put_back(ids[0], none).await, Refusal::LacksShell { option: None, .. });
    let refused = put_back(ids[1], none).await;
    assert_refused!(refused, Refusal::LacksShell { option: Some("mcp_config"), .. });
    assert_eq!(world.state(ids[1]).await?, CommandState::Cancelled);
    let settings = ProjectSettings { options: Some(options), ..ProjectSettings::default() };
    world.store.update_project(world.org, project.id, settings, at(21)).await?;
    put_back(ids[1], none).await?;
    put_back(ids[0], shell).await?;
    check_lanes(&world).await
}

/// Everything that is over and did not succeed can be put back; a kill is sent anew instead.
pub async fn what_did_not_succeed_is_put_back(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let put_back = |id| {
        world.store.put_back(
            world.org,
            WhichDead::Named(vec![id]),
            None,
            Scopes::NONE,
            at(9000),
            at(200),
        )
    };
    let cancelled = world.enqueue(project.id, "x").await?;
    world.store.cancel_command(world.org, cancelled, world.phone, at(3)).await?;
    let expires = SubmitCommand { expires_at: Some(at(9)), ..world.queued(project.id, "x") };
    let expired = world.accept(expires, 2).await?;
    world.store.sweep_queue(at(9)).await?;
    let failed = world.leased_behind(project.id).await?;
    world.run(failed, OutcomeKind::SessionLost).await?;
    let session = world.store.project(world.org, project.id).await?.session_id;
    for id in [cancelled, expired, failed.command_id] {
        let back = put_back(id).await?;
        assert_eq!((back[0].state, back[0].finished_at), (CommandState::Queued, None));
        assert_eq!(back[0].kill_requested_by, None);
        check_lanes(&world).await?;
        let order = world.leases(201).await?.pop().ok_or("it starts")?;
        assert_eq!((order.attempt.command_id, Some(order.session_id)), (id, session));
        world.run(order.attempt, OutcomeKind::Succeeded).await?;
    }
    let kind = afield_proto::command::CommandKind::Kill;
    let kill = SubmitCommand { kind, ..world.queued(project.id, "") };
    let kill = world.accept(kill, 202).await?;
    assert_refused!(put_back(kill).await, Refusal::NotPossible { .. });
    Ok(())
}

/// Forgotten letters are gone, which is told; everything else is refused.
pub async fn dead_letters_are_forgotten(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let [one, other] = [world.project("/a").await?, world.project("/b").await?];
    let [a, b] = [dead(&world, one.id, 10).await?, dead(&world, one.id, 10).await?];
    let c = dead(&world, other.id, 10).await?;
    let failed = world.leased_behind(one.id).await?;
    let failed = world.run(failed, OutcomeKind::Failed).await?.id;
    let purge = |which| world.store.purge(world.org, which, at(30));
    assert_refused!(purge(WhichDead::Named(vec![a, failed])).await, Refusal::NotPossible { .. });
    assert_eq!(purge(WhichDead::Named(vec![a])).await?[0].id, a);
    assert_refused!(world.command(a).await, Refusal::CommandNotFound);
    assert_refused!(purge(WhichDead::Named(vec![a])).await, Refusal::CommandNotFound);
    assert_eq!(purge(WhichDead::All(Some(one.id), 9)).await?.len(), 1);
    assert_refused!(world.store.show_command(world.org, b).await, Refusal::CommandNotFound);
    assert_eq!(dead_letters(&world, None).await?, [c]);
    assert_eq!(purge(WhichDead::All(None, 9)).await?.len(), 1);
    assert_eq!(world.state(failed).await?, CommandState::Failed);
    for (project, ids) in [(one.id, vec![a, b]), (other.id, vec![c])] {
        let gone: Vec<_> = ids.iter().map(|id| json!({ "command_id": id })).collect();
        assert_eq!(world.said(Topic::Project(project), "command_gone").await?, gone);
    }
    check_lanes(&world).await
}
