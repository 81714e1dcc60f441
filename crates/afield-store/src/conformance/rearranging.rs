//! What people do with commands that wait: move, edit, hold.

use afield_proto::agent::AgentKind;
use afield_proto::command::{CommandKind, CommandState, OutcomeKind};
use afield_proto::fact::HoldState;
use afield_proto::queue::{Hold, Place as To, Priority};
use afield_proto::{CommandId, DeviceId, ProjectId, Topic};
use serde_json::to_value;

use super::lanes::{check_lanes, order};
use super::world::assert_refused;
use super::{Outcome, Place, World, at};
use crate::{Carried, EditCommand, Error, Refusal, SubmitCommand};

async fn move_to(world: &World, id: CommandId, to: To) -> Result<(), Error> {
    world.store.move_command(world.org, id, to, at(3)).await.map(drop)
}

async fn enqueue_many(
    world: &World,
    project: ProjectId,
    count: usize,
) -> Result<Vec<CommandId>, Error> {
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(world.enqueue(project, &format!("p{n}")).await?);
    }
    Ok(ids)
}

/// To the front, to the back, before and behind another; never before what is worked on.
pub async fn commands_are_moved(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let [a, b, c, d] = enqueue_many(&world, project.id, 4).await?[..] else {
        return Err("there are four".into());
    };
    let steps = [
        (d, To::First, [d, a, b, c]),
        (d, To::Last, [a, b, c, d]),
        (c, To::Before(a), [c, a, b, d]),
        (c, To::After(b), [a, b, c, d]),
        (a, To::After(d), [b, c, d, a]),
        (a, To::First, [a, b, c, d]),
        (a, To::First, [a, b, c, d]),
        (d, To::Before(d), [a, b, c, d]),
    ];
    for (id, to, expected) in steps {
        move_to(&world, id, to).await?;
        assert_eq!(order(&world).await?, expected, "{to:?}");
        check_lanes(&world).await?;
    }
    let attempt = world.lease().await?.attempt;
    for to in [To::First, To::Before(a)] {
        move_to(&world, d, to).await?;
        assert_eq!(order(&world).await?, [a, d, b, c], "{to:?} is behind what is worked on");
        check_lanes(&world).await?;
    }
    assert_refused!(move_to(&world, a, To::Last).await, Refusal::NotPossible { .. });
    world.run(attempt, OutcomeKind::Succeeded).await?;
    assert_refused!(move_to(&world, b, To::After(a)).await, Refusal::NotPossible { .. });
    assert_eq!(world.drain(4).await?, [d, b, c]);
    Ok(())
}

/// Room between two neighbours is made when it is used up.
pub async fn there_is_always_room_between_two(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let ids = enqueue_many(&world, project.id, 32).await?;
    let (mut expected, moved) = (ids[..2].to_vec(), &ids[2..]);
    for id in moved {
        move_to(&world, *id, To::After(ids[0])).await?;
        expected.insert(1, *id);
        check_lanes(&world).await?;
        let order = order(&world).await?;
        assert_eq!(order[..expected.len()], expected);
        assert_eq!(order.len(), ids.len());
    }
    assert_eq!(world.drain(4).await?, expected);
    Ok(())
}

/// Beside a command of another lane, into that lane; not into another project.
pub async fn commands_change_lanes(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let [project, other] = [world.project("/a").await?, world.project("/b").await?];
    let [a, b] = enqueue_many(&world, project.id, 2).await?[..] else {
        return Err("there are two".into());
    };
    let of_key = SubmitCommand { order: Some("key".into()), ..world.queued(project.id, "k") };
    let k = world.accept(of_key, 2).await?;
    move_to(&world, a, To::Before(k)).await?;
    check_lanes(&world).await?;
    assert_eq!(world.command(a).await?.order.as_deref(), Some("key"));
    assert_eq!(world.command(k).await?.waiting_for.as_deref(), Some("order"));
    assert_eq!(world.command(b).await?.waiting_for.as_deref(), Some("runner"));
    move_to(&world, k, To::After(b)).await?;
    check_lanes(&world).await?;
    assert_eq!(world.command(k).await?.order, None);
    let foreign = world.enqueue(other.id, "x").await?;
    assert_refused!(move_to(&world, a, To::After(foreign)).await, Refusal::NotPossible { .. });
    let missing = To::After(CommandId::generate());
    assert_refused!(move_to(&world, a, missing).await, Refusal::CommandNotFound);
    world.store.cancel_command(world.org, foreign, world.phone, at(3)).await?;
    assert_eq!(world.drain(4).await?, [a, b, k]);
    check_lanes(&world).await
}

/// A kill waits for what it stops and is in nobody's order.
pub async fn kills_are_not_moved(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let [running, waits] = enqueue_many(&world, project.id, 2).await?[..] else {
        return Err("there are two".into());
    };
    let attempt = world.lease().await?.attempt;
    let stop = SubmitCommand { kind: CommandKind::Kill, ..world.queued(project.id, "") };
    let stop = world.accept(stop, 3).await?;
    assert_refused!(move_to(&world, stop, To::After(waits)).await, Refusal::NotPossible { .. });
    assert_refused!(move_to(&world, waits, To::Before(stop)).await, Refusal::NotPossible { .. });
    assert_eq!(attempt.command_id, running);
    world.run(attempt, OutcomeKind::Killed).await?;
    assert_eq!(world.state(stop).await?, CommandState::Succeeded);
    check_lanes(&world).await
}

/// What waits is changed in every respect; what does not wait is left as it is.
pub async fn waiting_commands_are_edited(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let id = world.enqueue(project.id, "before").await?;
    let edit = EditCommand {
        payload: Some(Carried::words("after", AgentKind::Command)),
        priority: Some(Priority::High),
        not_before: Some(at(50)),
        expires_at: Some(at(90)),
        ..EditCommand::default()
    };
    let edited = world.store.edit_command(world.org, id, edit, at(3)).await?;
    assert_eq!((edited.summary.as_str(), edited.agent), ("after", AgentKind::Command));
    assert_eq!((edited.priority, edited.not_before), (Priority::High, Some(at(50))));
    assert_eq!((edited.expires_at, edited.waiting_for.as_deref()), (Some(at(90)), Some("time")));
    assert_eq!(world.command(id).await?, edited);
    assert_eq!(world.store.next_sweep().await?, Some(at(50)));
    check_lanes(&world).await?;
    assert!(world.given(49).await?.is_empty());
    let now = EditCommand { not_before: Some(at(4)), ..EditCommand::default() };
    let edited = world.store.edit_command(world.org, id, now.clone(), at(4)).await?;
    assert_eq!((edited.not_before, edited.priority), (None, Priority::High), "the rest stays");
    assert_eq!(world.store.next_sweep().await?, Some(at(90)));
    let order = world.lease().await?;
    assert_eq!((order.prompt.as_str(), order.agent), ("after", AgentKind::Command));
    let edit = || world.store.edit_command(world.org, id, now.clone(), at(5));
    assert_refused!(edit().await, Refusal::NotPossible { .. });
    world.run(order.attempt, OutcomeKind::Succeeded).await?;
    assert_refused!(edit().await, Refusal::NotPossible { .. });
    Ok(())
}

/// A command that is given a time keeps nobody waiting; one whose time is taken away is behind the
/// others again. An ordering key stays.
pub async fn an_edited_time_changes_the_lane(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?.id;
    let first = world.enqueue(project, "first").await?;
    let second = world.enqueue(project, "second").await?;
    let edit = |id, not_before| {
        let edit = EditCommand { not_before: Some(not_before), ..EditCommand::default() };
        world.store.edit_command(world.org, id, edit, at(5))
    };
    let late = edit(first, at(100)).await?;
    assert_eq!(late.waiting_for.as_deref(), Some("time"));
    check_lanes(&world).await?;
    assert_eq!(world.drain(6).await?, [second], "it is not behind what waits for a time");
    let third = world.enqueue(project, "third").await?;
    edit(first, at(200)).await?;
    check_lanes(&world).await?;
    let soon = edit(first, at(5)).await?;
    assert_eq!((soon.not_before, soon.waiting_for.as_deref()), (None, Some("order")));
    check_lanes(&world).await?;
    assert_eq!(world.drain(7).await?, [third, first]);
    let of_key = || SubmitCommand { order: Some("key".into()), ..world.queued(project, "x") };
    let [one, two] = [world.accept(of_key(), 8).await?, world.accept(of_key(), 8).await?];
    edit(one, at(100)).await?;
    check_lanes(&world).await?;
    assert!(world.given(99).await?.is_empty(), "their order is kept");
    assert_eq!(world.drain(100).await?, [one, two]);
    Ok(())
}

/// A held command does not start and keeps those behind it waiting.
pub async fn a_held_command_waits(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let held = SubmitCommand { hold: true, ..world.queued(project.id, "held") };
    let held = world.accept(held, 2).await?;
    let behind = world.enqueue(project.id, "behind").await?;
    assert_eq!(world.command(held).await?.held_by, Some(world.phone));
    assert_eq!(world.command(held).await?.waiting_for.as_deref(), Some("hold"));
    assert!(world.given(3).await?.is_empty());
    let hold = |by| world.store.hold_command(world.org, held, by, at(3));
    let (released, changed) = hold(None).await?;
    assert_eq!((released.held_by, changed), (None, true));
    assert!(!hold(None).await?.1);
    assert_eq!(hold(Some(world.runner)).await?.0.held_by, Some(world.runner));
    assert!(!hold(Some(world.phone)).await?.1);
    assert_eq!(world.command(held).await?.held_by, Some(world.runner), "the first one holds it");
    assert_refused!(
        world.store.delete_project(world.org, project.id, at(3)).await,
        Refusal::ProcessActive { command_id } if command_id == held
    );
    hold(None).await?;
    check_lanes(&world).await?;
    assert_eq!(world.drain(4).await?, [held, behind]);
    assert_refused!(hold(Some(world.phone)).await, Refusal::NotPossible { .. });
    Ok(())
}

/// A held project, runner or everything starts nothing; what runs goes on. The org is told of what changed.
pub async fn holds_keep_back_what_they_name(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let [one, other] = [world.project("/a").await?, world.project("/b").await?];
    let targets: [(Option<ProjectId>, Option<DeviceId>, usize); 4] = [
        (Some(one.id), None, 1),
        (None, Some(world.runner), 0),
        (None, Some(world.phone), 2),
        (None, None, 0),
    ];
    let mut told = Vec::new();
    for (project_id, runner_id, free) in targets {
        let ids = [world.enqueue(one.id, "x").await?, world.enqueue(other.id, "y").await?];
        let hold = Hold { command_id: None, project_id, runner_id, by: world.phone, at: at(3) };
        assert!(world.store.hold(world.org, hold.clone()).await?);
        assert!(!world.store.hold(world.org, Hold { at: at(4), ..hold.clone() }).await?);
        assert_eq!(world.store.holds(world.org).await?, std::slice::from_ref(&hold));
        for hold in [Some(hold.clone()), None] {
            told.push(to_value(HoldState { project_id, runner_id, hold })?);
        }
        let mut ran = world.drain(5).await?;
        assert_eq!(ran.len(), free, "{hold:?}");
        let around = world.store.show_command(world.org, ids[0]).await?.around;
        assert_eq!(around.hold, (free < 2).then_some(hold));
        let release = || world.store.release(world.org, project_id, runner_id, at(5));
        assert!(release().await?);
        assert!(!release().await?);
        assert!(world.store.holds(world.org).await?.is_empty());
        ran.extend(world.drain(6).await?);
        ran.sort_unstable();
        assert_eq!(ran, ids);
    }
    assert_eq!(world.said(Topic::Org(world.org), "hold_state").await?, told);
    Ok(())
}
