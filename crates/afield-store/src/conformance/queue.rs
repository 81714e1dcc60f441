//! The queue: which of many waiting commands starts next, and where a new one goes.

use afield_proto::CommandId;
use afield_proto::command::{CommandKind, CommandState, OutcomeKind};
use afield_proto::queue::{Failure, Place as To, Priority, RetryPolicy};
use afield_proto::runner::Attempt;

use super::lanes::check_lanes;
use super::world::{assert_refused, started};
use super::{Outcome, Place, World, at};
use crate::{Accept, CommandFilter, Refusal, SubmitCommand};

/// One minute, the step of ageing.
const MINUTE: i64 = 60_000;

/// Commands of one project run one after the other, in the order they came.
pub async fn a_lane_is_first_in_first_out(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let mut expected = Vec::new();
    for n in 0..12 {
        expected.push(world.enqueue(project.id, &format!("p{n}")).await?);
    }
    for id in &expected {
        let attempts = world.attempts(9, 3).await?;
        assert_eq!(attempts.len(), 1, "one of a project at a time");
        assert_eq!(attempts[0].command_id, *id);
        assert!(world.given(3).await?.is_empty(), "while it is leased");
        world.apply(attempts[0], 1, vec![started()]).await?;
        assert!(world.given(3).await?.is_empty(), "while it runs");
        check_lanes(&world).await?;
        assert_eq!(world.run(attempts[0], OutcomeKind::Failed).await?.state, CommandState::Failed);
    }
    assert!(world.given(3).await?.is_empty());
    check_lanes(&world).await
}

/// Lanes of one project share its one turn; each of them stays in order.
pub async fn lanes_take_turns(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let mut lanes = [Vec::new(), Vec::new()];
    for n in 0..6 {
        let which = n % 2;
        let order = Some(format!("lane {which}"));
        let submit = SubmitCommand { order: order.clone(), ..world.queued(project.id, "x") };
        let id = world.accept(submit, 2).await?;
        assert_eq!(world.command(id).await?.order, order);
        lanes[which].push(id);
    }
    check_lanes(&world).await?;
    let ran = world.drain(3).await?;
    assert_eq!(ran.len(), 6);
    for lane in &lanes {
        let of_lane: Vec<_> = ran.iter().filter(|id| lane.contains(id)).copied().collect();
        assert_eq!(&of_lane, lane);
    }
    Ok(())
}

/// A runner never works on more than it takes, over any number of calls.
pub async fn slots_are_respected(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    for path in ["/a", "/b", "/c", "/d"] {
        let project = world.project(path).await?;
        world.enqueue(project.id, "x").await?;
        world.enqueue(project.id, "y").await?;
    }
    let first = world.attempts(3, 3).await?;
    assert_eq!(first.len(), 3);
    world.apply(first[0], 1, vec![started()]).await?;
    assert!(world.attempts(3, 3).await?.is_empty(), "leased and running ones count");
    assert!(world.attempts(2, 3).await?.is_empty(), "fewer than it has");
    world.run(first[1], OutcomeKind::Succeeded).await?;
    assert_eq!(world.attempts(3, 3).await?.len(), 1);
    assert_eq!(world.attempts(9, 3).await?.len(), 1, "the fourth project");
    check_lanes(&world).await
}

/// The more urgent starts first between projects and between lanes, never inside one.
pub async fn the_more_urgent_goes_first(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let [one, other] = [world.project("/a").await?, world.project("/b").await?];
    let submit = |project, order: Option<&str>, priority| {
        let order = order.map(str::to_owned);
        let submit = SubmitCommand { order, priority, ..world.queued(project, "x") };
        world.accept(submit, 2)
    };
    let low = submit(one.id, None, Priority::Low).await?;
    let behind = submit(one.id, None, Priority::Critical).await?;
    let high = submit(one.id, Some("other"), Priority::High).await?;
    let normal = submit(other.id, None, Priority::Normal).await?;
    let mut ran = Vec::new();
    while let [attempt] = world.attempts(1, 3).await?[..] {
        ran.push(attempt.command_id);
        world.run(attempt, OutcomeKind::Succeeded).await?;
    }
    assert_eq!(ran, [high, normal, low, behind]);
    Ok(())
}

/// What waits rises one level a minute, from when it may start.
pub async fn waiting_makes_urgent(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let mut projects = Vec::new();
    for path in ["/a", "/b", "/c"] {
        projects.push(world.project(path).await?.id);
    }
    let submit =
        |which: usize, priority| SubmitCommand { priority, ..world.queued(projects[which], "x") };
    let low = world.accept(submit(0, Priority::Low), 0).await?;
    let later = SubmitCommand { not_before: Some(at(3 * MINUTE)), ..submit(1, Priority::Low) };
    let scheduled = world.accept(later, 0).await?;
    let critical = world.accept(submit(2, Priority::Critical), 3 * MINUTE).await?;
    world.store.sweep_queue(at(3 * MINUTE)).await?;
    let mut ran = Vec::new();
    while let [attempt] = world.attempts(1, 3 * MINUTE).await?[..] {
        ran.push(attempt.command_id);
        world.run(attempt, OutcomeKind::Succeeded).await?;
    }
    assert_eq!(ran, [low, critical, scheduled]);
    Ok(())
}

/// What is to start later keeps nobody waiting, unless it has an ordering key.
pub async fn an_early_command_waits_alone(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let later = |order: Option<&str>| SubmitCommand {
        not_before: Some(at(100)),
        order: order.map(str::to_owned),
        ..world.queued(project.id, "later")
    };
    let alone = world.accept(later(None), 2).await?;
    let blocks = world.accept(later(Some("key")), 2).await?;
    let of_key = SubmitCommand { order: Some("key".into()), ..world.queued(project.id, "behind") };
    let behind = world.accept(of_key, 2).await?;
    let free = world.enqueue(project.id, "free").await?;
    assert_eq!(world.command(alone).await?.waiting_for.as_deref(), Some("time"));
    assert_eq!(world.command(alone).await?.not_before, Some(at(100)));
    assert_eq!(world.command(behind).await?.waiting_for.as_deref(), Some("order"));
    assert_eq!(world.drain(99).await?, [free]);
    assert_eq!(world.store.next_sweep().await?, Some(at(100)));
    let swept = world.store.sweep_queue(at(100)).await?;
    assert_eq!(swept.ready, [(world.org, world.runner); 2]);
    assert!(swept.expired.is_empty() && swept.next.is_none());
    assert_eq!(world.command(alone).await?.waiting_for.as_deref(), Some("runner"));
    assert_eq!(world.drain(100).await?, [alone, blocks, behind]);
    check_lanes(&world).await
}

/// Whatever it waits behind, and wherever it was moved.
pub async fn what_waits_behind_others_expires(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let held = SubmitCommand { hold: true, ..world.queued(project.id, "held") };
    let held = world.accept(held, 1).await?;
    let until = |end| SubmitCommand { expires_at: Some(at(end)), ..world.queued(project.id, "x") };
    let short = world.accept(until(50), 1).await?;
    let long = world.accept(until(90), 1).await?;
    let last = world.enqueue(project.id, "last").await?;
    check_lanes(&world).await?;
    assert_eq!(world.store.next_sweep().await?, Some(at(50)));
    world.store.move_command(world.org, short, To::Last, at(2)).await?;
    world.store.move_command(world.org, long, To::First, at(2)).await?;
    world.store.move_command(world.org, long, To::Last, at(2)).await?;
    check_lanes(&world).await?;
    for (now, over) in [(50, short), (90, long)] {
        let swept = world.store.sweep_queue(at(now)).await?;
        assert_eq!(swept.expired.iter().map(|command| command.id).collect::<Vec<_>>(), [over]);
        assert_eq!(world.state(over).await?, CommandState::Expired);
        check_lanes(&world).await?;
    }
    assert_eq!(world.store.next_sweep().await?, None);
    assert_eq!([world.state(held).await?, world.state(last).await?], [CommandState::Queued; 2]);
    Ok(())
}

/// One in front of what waits; behind what is worked on.
pub async fn first_is_before_what_waits(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let first =
        |prompt| SubmitCommand { accept: Accept::First, ..world.queued(project.id, prompt) };
    let waits = world.enqueue(project.id, "waits").await?;
    let submitted = world.store.submit_command(first("steer"), at(2)).await?.command;
    assert_eq!(submitted.waiting_for.as_deref(), Some("runner"), "it is at the front");
    assert_eq!(world.command(submitted.id).await?, submitted);
    assert_eq!(world.command(waits).await?.waiting_for.as_deref(), Some("order"));
    let running = world.lease().await?.attempt;
    assert_eq!(running.command_id, submitted.id);
    let next = world.store.submit_command(first("next"), at(2)).await?.command;
    assert_eq!(next.waiting_for.as_deref(), Some("order"));
    let before_it = world.accept(first("before it"), 2).await?;
    check_lanes(&world).await?;
    world.run(running, OutcomeKind::Succeeded).await?;
    assert_eq!(world.drain(3).await?, [before_it, next.id, waits]);
    Ok(())
}

/// Whoever wants to be the only one is refused while anything waits, in whichever lane.
pub async fn immediate_means_nothing_else_waits(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let later = SubmitCommand { not_before: Some(at(100)), ..world.queued(project.id, "later") };
    let waits = world.accept(later, 2).await?;
    assert_refused!(
        world.submit(project.id, "now").await,
        Refusal::ProcessActive { command_id } if command_id == waits
    );
    assert_refused!(
        world.store.delete_project(world.org, project.id, at(3)).await,
        Refusal::ProcessActive { command_id } if command_id == waits
    );
    world.store.cancel_command(world.org, waits, world.phone, at(3)).await?;
    world.submit(project.id, "now").await?;
    Ok(())
}

/// What nobody lets start now keeps no new conversation back; what was begun, or would start, does.
pub async fn a_new_session_waits_for_what_is_next(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let later = SubmitCommand { not_before: Some(at(100)), ..world.queued(project.id, "later") };
    let retry = RetryPolicy { attempts: 2, on: vec![Failure::Failed], ..RetryPolicy::default() };
    let held = SubmitCommand { hold: true, retry: Some(retry), ..world.queued(project.id, "held") };
    let (later, held) = (world.accept(later, 2).await?, world.accept(held, 2).await?);
    let renew = |ms| world.store.new_session(world.org, project.id, at(ms));
    let session = renew(99).await?;
    assert_refused!(renew(100).await, Refusal::ProcessActive { command_id } if command_id == later);
    let attempt = world.attempts(1, 100).await?[0];
    assert_eq!(attempt.command_id, later);
    assert_eq!(world.command(later).await?.session_id, Some(session));
    assert_refused!(renew(101).await, Refusal::ProcessActive { command_id } if command_id == later);
    world.run(attempt, OutcomeKind::Succeeded).await?;
    renew(102).await?;
    world.store.hold_command(world.org, held, None, at(103)).await?;
    assert_refused!(renew(104).await, Refusal::ProcessActive { command_id } if command_id == held);
    let attempt = world.attempts(1, 105).await?[0];
    assert_eq!(world.run(attempt, OutcomeKind::Failed).await?.state, CommandState::Queued);
    assert_refused!(renew(106).await, Refusal::ProcessActive { command_id } if command_id == held);
    Ok(())
}

/// A conversation begins anew exactly where that was asked for.
pub async fn a_new_session_comes_in_its_turn(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let before = world.enqueue(project.id, "one").await?;
    let renew = SubmitCommand { kind: CommandKind::NewSession, ..world.queued(project.id, "") };
    let renewed = world.accept(renew, 2).await?;
    let after = world.enqueue(project.id, "two").await?;
    let first = world.lease().await?;
    assert_eq!(first.attempt.command_id, before);
    assert_eq!(world.state(renewed).await?, CommandState::Queued);
    world.run(first.attempt, OutcomeKind::Succeeded).await?;
    let second = world.lease().await?;
    assert_eq!(second.attempt.command_id, after);
    assert_ne!(second.session_id, first.session_id);
    let over = world.command(renewed).await?;
    assert_eq!((over.state, over.attempt), (CommandState::Succeeded, 0));
    assert_eq!(over.session_id, Some(second.session_id));
    check_lanes(&world).await
}

/// A kill ends with what it stops; with nothing to stop it has failed.
pub async fn a_kill_ends_with_what_it_stops(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let waits = world.enqueue(project.id, "waits").await?;
    let stop = |order: Option<&str>| SubmitCommand {
        kind: CommandKind::Kill,
        order: order.map(str::to_owned),
        ..world.queued(project.id, "")
    };
    let nothing = world.store.submit_command(stop(None), at(3)).await?.command;
    assert_eq!(nothing.state, CommandState::Failed);
    assert_eq!(world.state(waits).await?, CommandState::Queued, "what waits is not stopped");
    let attempt = world.lease().await?.attempt;
    world.apply(attempt, 1, vec![started()]).await?;
    let of_key = SubmitCommand { order: Some("key".into()), ..world.queued(project.id, "behind") };
    let behind = world.accept(of_key, 3).await?;
    let mut kills = Vec::new();
    for order in [None, Some("key")] {
        kills.push(world.accept(stop(order), 3).await?);
    }
    assert_eq!(world.command(waits).await?.kill_requested_by, Some(world.phone));
    check_kills(&world, &kills, CommandState::Queued).await?;
    world.run(attempt, OutcomeKind::Killed).await?;
    check_kills(&world, &kills, CommandState::Succeeded).await?;
    assert_eq!(world.drain(4).await?, [behind]);
    check_lanes(&world).await
}

async fn check_kills(world: &World, kills: &[CommandId], state: CommandState) -> Outcome {
    for id in kills {
        assert_eq!(world.state(*id).await?, state);
    }
    Ok(())
}

/// What waits is listed in its order; everything of a project newest first, page by page.
pub async fn lists_are_whole(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(world.enqueue(project.id, &format!("p{n}")).await?);
    }
    let attempt: Attempt = world.lease().await?.attempt;
    world.run(attempt, OutcomeKind::Succeeded).await?;
    let filter = CommandFilter { project_id: Some(project.id), limit: 3, ..Default::default() };
    let waiting = CommandFilter { waiting: true, limit: 9, ..filter.clone() };
    let waiting = world.store.commands(world.org, waiting).await?;
    assert_eq!(waiting.iter().map(|command| command.id).collect::<Vec<_>>(), ids[1..]);
    let (mut listed, mut before) = (Vec::new(), None);
    loop {
        let page = CommandFilter { before, ..filter.clone() };
        let page = world.store.commands(world.org, page).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        listed.extend(page.iter().map(|command| command.id));
    }
    ids.reverse();
    assert_eq!(listed, ids);
    Ok(())
}
