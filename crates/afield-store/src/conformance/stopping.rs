//! Ends that no runner reports: commands expire, are cancelled, or a person decides.

use afield_proto::command::{CommandState, OutcomeKind};
use afield_proto::device::Scopes;
use afield_proto::project::ProjectState;
use afield_proto::queue::Resolution;
use afield_proto::runner::{Attempt, AttemptReport};
use afield_proto::{CommandId, ProjectId};
use futures::future::join_all;

use super::lanes::check_lanes;
use super::world::{asks, assert_refused, says, started};
use super::{Outcome, Place, World, at};
use crate::{Cancel, EditCommand, Error, Refusal, SubmitCommand};

async fn expiring(world: &World, project: ProjectId, ms: i64) -> Result<CommandId, Error> {
    let submit = SubmitCommand { expires_at: Some(at(ms)), ..world.queued(project, "x") };
    world.accept(submit, 2).await
}

/// At its end, not a moment before, a command is over; the next one of its lane starts.
pub async fn what_waits_too_long_expires(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    assert_eq!(world.store.next_sweep().await?, None);
    let first = expiring(&world, project.id, 100).await?;
    let second = expiring(&world, project.id, 100).await?;
    let third = expiring(&world, project.id, 101).await?;
    assert_eq!(world.store.next_sweep().await?, Some(at(100)));
    let swept = world.store.sweep_queue(at(99)).await?;
    assert!(swept.expired.is_empty() && swept.ready.is_empty());
    assert_eq!(swept.next, Some(at(100)));
    assert!(world.given(100).await?.is_empty(), "it is not leased at its end");
    let mut expired = Vec::new();
    let mut next = swept.next;
    while next.is_some_and(|next| next <= at(100)) {
        let swept = world.store.sweep_queue(at(100)).await?;
        expired.extend(swept.expired.iter().map(|command| command.id));
        check_lanes(&world).await?;
        next = swept.next;
    }
    assert_eq!((expired, next), (vec![first, second], Some(at(101))));
    let over = world.command(first).await?;
    assert_eq!((over.state, over.finished_at), (CommandState::Expired, Some(at(100))));
    assert_eq!((over.attempt, over.outcome), (0, None));
    assert_eq!(world.drain(100).await?, [third]);
    assert_eq!(world.store.next_sweep().await?, None);
    check_lanes(&world).await
}

/// The end counts for what waits; what is worked on goes on after it.
pub async fn what_was_leased_in_time_does_not_expire(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let id = expiring(&world, project.id, 100).await?;
    let behind = expiring(&world, project.id, 90).await?;
    let attempt = world.attempts(1, 99).await?[0];
    let first = SubmitCommand { accept: crate::Accept::First, ..world.queued(project.id, "y") };
    let first = world.accept(first, 99).await?;
    assert_eq!(world.store.next_sweep().await?, Some(at(90)), "only what waits");
    world.store.sweep_queue(at(200)).await?;
    assert_eq!(world.state(behind).await?, CommandState::Expired);
    assert_eq!(world.store.next_sweep().await?, None);
    assert_eq!(world.state(id).await?, CommandState::Leased);
    assert_eq!(world.run(attempt, OutcomeKind::Succeeded).await?.state, CommandState::Succeeded);
    assert_eq!(world.drain(200).await?, [first]);
    check_lanes(&world).await
}

/// An end that is moved is the one that counts.
pub async fn the_last_end_given_counts(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let id = expiring(&world, project.id, 100).await?;
    let edit = EditCommand { expires_at: Some(at(300)), ..EditCommand::default() };
    world.store.edit_command(world.org, id, edit, at(50)).await?;
    assert!(world.store.sweep_queue(at(299)).await?.expired.is_empty());
    assert_eq!(world.store.sweep_queue(at(300)).await?.expired[0].id, id);
    Ok(())
}

/// What was cancelled while it waited is never leased; those behind it are.
pub async fn cancelled_commands_leave_their_lane(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(world.enqueue(project.id, "x").await?);
    }
    for id in [ids[0], ids[2]] {
        let cancel = world.store.cancel_command(world.org, id, world.phone, at(3)).await?;
        let Cancel::Cancelled(command) = cancel else { return Err("it waited".into()) };
        assert_eq!((command.state, command.attempt), (CommandState::Cancelled, 0));
        assert_eq!(command.kill_requested_by, Some(world.phone));
        check_lanes(&world).await?;
    }
    assert_eq!(world.drain(4).await?, [ids[1], ids[3]]);
    Ok(())
}

/// What a runner was given and somebody stopped is over when the runner never began it.
pub async fn a_stop_reaches_what_never_began(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let id = attempt.command_id;
    let behind = world.enqueue(project.id, "behind").await?;
    let cancel = |by| world.store.cancel_command(world.org, id, by, at(5));
    assert!(matches!(cancel(world.phone).await?, Cancel::Active(..)));
    assert!(matches!(cancel(world.runner).await?, Cancel::Active(..)));
    assert_eq!(world.command(id).await?.kill_requested_by, Some(world.phone), "the first one");
    let report = AttemptReport { attempt, last_record: 0, acknowledged: 0, alive: true };
    let answers = world.store.reconcile_runner(world.org, world.runner, &[report], at(6)).await?;
    assert!(!answers[0].closed);
    assert_eq!(world.state(id).await?, CommandState::Leased, "the runner has it");
    world.store.reconcile_runner(world.org, world.runner, &[], at(6)).await?;
    assert_eq!(world.state(id).await?, CommandState::Cancelled);
    check_lanes(&world).await?;
    assert_eq!(world.drain(7).await?, [behind]);
    Ok(())
}

/// Cancelling and leasing at the same time: one of the two happens.
pub async fn cancelling_and_leasing_exclude_each_other(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let mut projects = Vec::new();
    for n in 0..8 {
        projects.push(world.project(&format!("/{n}")).await?.id);
    }
    for _ in 0..6 {
        let mut ids = Vec::new();
        for project in &projects {
            ids.push(world.enqueue(*project, "x").await?);
        }
        let cancel =
            |id: &CommandId| world.store.cancel_command(world.org, *id, world.phone, at(3));
        let (leased, cancelled) =
            tokio::join!(world.attempts(usize::MAX, 3), join_all(ids.iter().map(cancel)));
        let leased = leased?;
        for (id, cancel) in ids.iter().zip(cancelled) {
            let given = leased.iter().find(|attempt| attempt.command_id == *id);
            let never = matches!(cancel?, Cancel::Cancelled(_));
            assert_eq!(given.is_none(), never, "{id}: {:?}", world.state(*id).await?);
            assert_eq!(world.state(*id).await? == CommandState::Cancelled, never);
        }
        for attempt in leased {
            world.run(attempt, OutcomeKind::Killed).await?;
        }
        check_lanes(&world).await?;
    }
    Ok(())
}

/// Commands come and end at the same time: none is left behind without a turn.
pub async fn nothing_is_left_without_a_turn(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    for _ in 0..12 {
        let attempt = world.leased_behind(project.id).await?;
        let submits = join_all((0..4).map(|_| world.enqueue(project.id, "y")));
        let (ended, submitted) = tokio::join!(world.run(attempt, OutcomeKind::Succeeded), submits);
        ended?;
        let mut submitted = submitted.into_iter().collect::<Result<Vec<_>, _>>()?;
        check_lanes(&world).await?;
        let mut ran = world.drain(4).await?;
        ran.sort_unstable();
        submitted.sort_unstable();
        assert_eq!(ran, submitted);
    }
    Ok(())
}

async fn resolve(world: &World, id: CommandId, how: Resolution) -> Result<CommandState, Error> {
    let resolved =
        world.store.resolve_command(world.org, id, how, (world.phone, Scopes::NONE), at(7)).await?;
    Ok(resolved.state)
}

/// A command a runner was given, in one of three states.
async fn given(world: &World, project: ProjectId, state: CommandState) -> Result<Attempt, Error> {
    let attempt = world.leased_behind(project).await?;
    if state != CommandState::Leased {
        let question = asks(afield_proto::ApprovalId::generate());
        world.apply(attempt, 1, vec![started(), question]).await?;
    }
    if state == CommandState::Interrupted {
        world.store.reconcile_runner(world.org, world.runner, &[], at(6)).await?;
    }
    assert_eq!(world.state(attempt.command_id).await?, state);
    Ok(attempt)
}

/// A person decides what became of what nobody hears of; the runner's words come too late then.
pub async fn a_person_decides_what_became_of_it(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let ends = [
        (Resolution::Succeeded, CommandState::Succeeded, ProjectState::Idle),
        (Resolution::Failed, CommandState::Failed, ProjectState::Error),
    ];
    for state in [CommandState::Leased, CommandState::Running, CommandState::Interrupted] {
        for (how, end, shown) in ends {
            let attempt = given(&world, project.id, state).await?;
            let id = attempt.command_id;
            assert_eq!(resolve(&world, id, how).await?, end);
            let command = world.command(id).await?;
            assert_eq!((command.state, command.finished_at.is_some()), (end, true));
            let message = command.outcome.and_then(|outcome| outcome.message).unwrap_or_default();
            assert!(message.contains(&world.phone.to_string()), "{message}");
            let project = world.store.project(world.org, project.id).await?;
            assert_eq!(project.command_id, None);
            let decided_here = state != CommandState::Interrupted;
            assert!(project.state == shown || !decided_here, "{state:?}: {project:?}");
            assert!(world.store.approvals(world.org, None, false).await?.is_empty());
            assert!(world.apply(attempt, 1, vec![started()]).await?.acknowledged.closed);
            let again = resolve(&world, id, how).await;
            assert_refused!(again, Refusal::NotPossible { .. });
            check_lanes(&world).await?;
        }
    }
    let waits = world.enqueue(project.id, "x").await?;
    assert_refused!(resolve(&world, waits, Resolution::Failed).await, Refusal::NotPossible { .. });
    Ok(())
}

/// Or it starts again, behind what waits; the attempt before is closed.
pub async fn a_person_has_it_started_again(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    for state in [CommandState::Leased, CommandState::Running, CommandState::Interrupted] {
        let attempt = given(&world, project.id, state).await?;
        let id = attempt.command_id;
        let behind = world.enqueue(project.id, "behind").await?;
        let requeued = resolve(&world, id, Resolution::Requeue).await?;
        assert_eq!(requeued, CommandState::Queued, "{state:?}");
        check_lanes(&world).await?;
        let command = world.command(id).await?;
        assert_eq!((command.finished_at, command.kill_requested_by), (None, None));
        assert!(command.expires_at > Some(at(7)));
        let late = world.apply(attempt, 2, vec![says("late")]).await?;
        assert!(late.acknowledged.closed && late.new_records == 0);
        let [next] = world.attempts(9, 8).await?[..] else { return Err("one starts".into()) };
        assert_eq!(next.command_id, behind);
        world.run(next, OutcomeKind::Succeeded).await?;
        let [again] = world.attempts(9, 8).await?[..] else { return Err("one starts".into()) };
        assert_eq!((again.command_id, again.attempt, again.fence), (id, 2, 2));
        world.run(again, OutcomeKind::Succeeded).await?;
        let shown = world.store.show_command(world.org, id).await?;
        assert_eq!(shown.attempts.len(), 2);
        check_lanes(&world).await?;
    }
    Ok(())
}
