//! Commands for whichever runner fits: where they wait, how they are placed, and when no more.

use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::command::{CommandState, OutcomeKind};
use afield_proto::device::Scopes;
use afield_proto::project::{Project, ProjectSettings};
use afield_proto::queue::{Hold, Payload, Resolution};
use afield_proto::route::{DECISIONS_MAX, RouteCause, RouteDecision, RouteMode, RouteWish};
use afield_proto::runner::{Attempt, AttemptReport};
use afield_proto::{CommandId, DeviceId, ProjectId};
use futures::future::join_all;

use super::lanes::check_lanes;
use super::world::{assert_refused, new_device, over};
use super::{Outcome, Place, World, at};
use crate::{Error, NewProject, NewRoute, PlaceCommand, Refusal, SubmitCommand, WhichDead};

fn decision(place: Option<&Project>) -> RouteDecision {
    RouteDecision {
        at: at(2),
        cause: if place.is_some() { RouteCause::Fits } else { RouteCause::Submitted },
        runner_id: place.map(|project| project.runner_id),
        project_id: place.map(|project| project.id),
        reason: "it fits".into(),
        considered: 1,
        fitted: 1,
        candidates: Vec::new(),
    }
}

fn ask() -> Payload {
    Payload { agent: Some(AgentKind::Demo), ..Payload::default() }
}

fn route(selector: &str, place: Option<&Project>) -> NewRoute {
    let mode = RouteMode::Best;
    let wish = RouteWish { selector: selector.into(), path: None, mode, prefer: Vec::new() };
    NewRoute { wish, ask: ask(), decision: decision(place), waits: true }
}

fn place(id: CommandId, from: ProjectId, to: &Project) -> PlaceCommand {
    PlaceCommand { id, from, ask: ask(), decision: decision(Some(to)) }
}

impl World {
    /// Another runner with a project at this path.
    async fn elsewhere(&self, path: &str) -> Result<Project, Error> {
        let new = new_device(self.org, self.user, afield_proto::device::DeviceKind::Runner);
        let runner_id = self.store.create_device(new, at(0)).await?.id;
        let settings = ProjectSettings {
            options: Some(ExecuteOptions { model: Some("big".into()), ..Default::default() }),
            ..ProjectSettings::default()
        };
        let new = NewProject { runner_id, settings, ..self.new_project(path) };
        self.store.create_project(new, 100, at(1)).await
    }

    /// A prompt that waits for a runner.
    async fn unplaced(&self, submit: SubmitCommand) -> Result<CommandId, Error> {
        let room = self.store.waiting_room(self.org, at(1)).await?;
        let submit = SubmitCommand { project_id: room, ..submit };
        let route = route("labels has 'gpu'", None);
        Ok(self.store.submit_routed(submit, route, at(2)).await?.command.id)
    }

    /// A prompt that was placed by selector.
    async fn routed(&self, on: &Project) -> Result<CommandId, Error> {
        let submit = self.queued(on.id, "x");
        Ok(self
            .store
            .submit_routed(submit, route("os = 'linux'", Some(on)), at(2))
            .await?
            .command
            .id)
    }

    async fn lease_of(&self, runner: DeviceId) -> Result<Vec<(CommandId, String)>, Error> {
        let orders = self.store.lease_commands(self.org, runner, 99, at(3)).await?;
        Ok(orders.into_iter().map(|order| (order.attempt.command_id, order.path)).collect())
    }
}

/// There is one waiting room; what is in it is given to nobody, and shown in no list.
pub async fn the_waiting_room_is_out_of_sight(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (rooms, devices) = (
        join_all((0..8).map(|_| world.store.waiting_room(world.org, at(1)))).await,
        world.store.devices(world.org).await?.len(),
    );
    let rooms = rooms.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert!(rooms.iter().all(|room| *room == rooms[0]));
    let id = world.unplaced(world.queued(rooms[0], "x")).await?;
    let nobody = world.command(id).await?.runner_id;
    assert!(world.lease_of(nobody).await?.is_empty());
    assert!(world.store.projects(world.org).await?.is_empty());
    assert!(world.store.places(world.org).await?.is_empty());
    assert_eq!(world.store.devices(world.org).await?.len(), devices);
    assert_eq!(world.store.runners(world.org).await?.len(), 1);
    assert_refused!(world.store.project(world.org, rooms[0]).await, Refusal::ProjectNotFound);
    assert_eq!(world.commands(None).await?.len(), 1, "the command itself is listed");
    Ok(())
}

/// What waits is placed once, with the new project's own options, behind what waits there.
pub async fn what_waits_is_placed_once(on: Place) -> Outcome {
    let world = World::open(&on).await?;
    let room = world.store.waiting_room(world.org, at(1)).await?;
    let [one, two] = [
        world.unplaced(world.queued(room, "one")).await?,
        world.unplaced(world.queued(room, "two")).await?,
    ];
    let goal = world.elsewhere("/goal").await?;
    let first = world.enqueue(goal.id, "first").await?;
    let waiting = world.store.waiting_routes(world.org, None).await?.waiting;
    let ids: Vec<_> = waiting.iter().map(|route| (route.id, route.unplaced)).collect();
    assert_eq!(ids, [(one, true), (two, true)]);
    for id in [one, two] {
        let placed = world.store.place_command(world.org, place(id, room, &goal), at(3)).await?;
        assert_eq!(placed.map(|command| command.project_id), Some(goal.id));
        let again = world.store.place_command(world.org, place(id, room, &goal), at(3)).await?;
        assert_eq!(again, None, "it is there already");
    }
    check_lanes(&world).await?;
    let mut ran = Vec::new();
    for _ in 0..3 {
        let orders = world.store.lease_commands(world.org, goal.runner_id, 9, at(3)).await?;
        let order = orders.into_iter().next().ok_or("nothing was leased")?;
        assert_eq!(order.path, "/goal");
        ran.push((order.attempt.command_id, order.options.model));
        let records = over(order.attempt, OutcomeKind::Succeeded);
        world.store.apply_records(world.org, goal.runner_id, records, at(4)).await?;
    }
    let big = Some("big".to_owned());
    assert_eq!(ran, [(first, None), (one, big.clone()), (two, big)]);
    assert!(world.store.waiting_routes(world.org, None).await?.waiting.is_empty());
    assert!(world.store.orgs_with_routes().await?.is_empty(), "what is settled is forgotten");
    Ok(())
}

/// What one runner was given, in a past this server has forgotten, goes to no other by itself.
pub async fn what_was_given_before_a_restore_is_placed_by_a_person_alone(on: Place) -> Outcome {
    let world = World::open(&on).await?;
    let room = world.store.waiting_room(world.org, at(1)).await?;
    let other = world.elsewhere("/other").await?;
    let unplaced = world.unplaced(world.queued(room, "one")).await?;
    let placed = world.routed(&other).await?;
    let of_other = world.enqueue(other.id, "three").await?;
    let reports = [unplaced, placed, of_other].map(|command_id| AttemptReport {
        attempt: Attempt { command_id, attempt: 1, fence: 1 },
        last_record: 2,
        acknowledged: 2,
        alive: false,
    });
    world.store.reconcile_runner(world.org, world.runner, &reports, at(3)).await?;
    assert_eq!(world.state(unplaced).await?, CommandState::Interrupted);
    assert_eq!(world.state(placed).await?, CommandState::Interrupted);
    assert_eq!(world.state(of_other).await?, CommandState::Queued, "it is another runner's own");
    let moved = world.store.place_command(world.org, place(unplaced, room, &other), at(4)).await?;
    assert_eq!(moved, None);
    assert!(world.store.waiting_routes(world.org, None).await?.waiting.is_empty());
    check_lanes(&world).await?;
    let requeue = Resolution::Requeue;
    world
        .store
        .resolve_command(world.org, unplaced, requeue, (world.phone, Scopes::NONE), at(5))
        .await?;
    let moved = world.store.place_command(world.org, place(unplaced, room, &other), at(6)).await?;
    assert_eq!(moved.map(|command| command.project_id), Some(other.id));
    Ok(())
}

/// What was given to a runner, is held, bound or stopped stays.
pub async fn what_may_have_begun_is_never_placed_again(on: Place) -> Outcome {
    let world = World::open(&on).await?;
    let (here, goal) = (world.project("/here").await?, world.elsewhere("/goal").await?);
    let leased = world.routed(&here).await?;
    world.lease().await?;
    let keyed = SubmitCommand { order: Some("k".into()), ..world.queued(here.id, "keyed") };
    let keyed = world.store.submit_routed(keyed, route("x", Some(&here)), at(2)).await?.command.id;
    let held = world.routed(&here).await?;
    world.store.hold_command(world.org, held, Some(world.phone), at(2)).await?;
    let stopped = world.routed(&here).await?;
    world.store.cancel_command(world.org, stopped, world.phone, at(2)).await?;
    let free = world.routed(&here).await?;
    let go =
        async |id| world.store.place_command(world.org, place(id, here.id, &goal), at(3)).await;
    for id in [leased, keyed, held, stopped] {
        assert_eq!(go(id).await?, None, "{:?}", world.command(id).await?);
    }
    let hold = |runner_id, project_id| Hold {
        command_id: None,
        project_id,
        runner_id,
        by: world.phone,
        at: at(2),
    };
    for (runner, project) in [(Some(world.runner), None), (None, Some(here.id)), (None, None)] {
        world.store.hold(world.org, hold(runner, project)).await?;
        assert_eq!(go(free).await?, None, "somebody holds it");
        world.store.release(world.org, project, runner, at(3)).await?;
    }
    // A retry of what was leased once is a later attempt of the same: it stays too.
    let interrupted = world.store.reconcile_runner(world.org, world.runner, &[], at(3)).await?;
    assert!(interrupted.is_empty());
    assert_eq!(go(leased).await?, None);
    assert_eq!(go(free).await?.map(|command| command.runner_id), Some(goal.runner_id));
    let foreign = super::another_org(&world.store).await?.org_id;
    let refused = world.store.place_command(foreign, place(keyed, here.id, &goal), at(3)).await;
    assert_refused!(refused, Refusal::ProjectNotFound);
    check_lanes(&world).await?;
    Ok(())
}

/// While one runner is given what waits, it may be placed elsewhere: each goes to one of the two.
pub async fn placing_and_leasing_exclude_each_other(on: Place) -> Outcome {
    let world = World::open(&on).await?;
    let mut here = Vec::new();
    for n in 0..8 {
        here.push(world.project(&format!("/{n}")).await?);
    }
    let goal = world.elsewhere("/goal").await?;
    for _ in 0..6 {
        let mut ids = Vec::new();
        for project in &here {
            ids.push((world.routed(project).await?, project.id));
        }
        let placing = ids.iter().map(|(id, from)| {
            world.store.place_command(world.org, place(*id, *from, &goal), at(3))
        });
        let (leased, placed) = tokio::join!(world.attempts(usize::MAX, 3), join_all(placing));
        let leased = leased?;
        for ((id, _), placed) in ids.iter().zip(placed) {
            let given = leased.iter().any(|attempt| attempt.command_id == *id);
            let moved = placed?.is_some();
            assert_eq!(given, !moved, "{id}: {:?}", world.command(*id).await?);
            assert_eq!(world.command(*id).await?.runner_id == goal.runner_id, moved);
        }
        check_lanes(&world).await?;
        for attempt in leased {
            world.run(attempt, OutcomeKind::Succeeded).await?;
        }
        for (id, _) in ids {
            world.store.cancel_command(world.org, id, world.phone, at(4)).await?;
        }
    }
    Ok(())
}

/// A repetition is one by what was asked for; the record is bounded, and goes with its command.
pub async fn a_route_lives_with_its_command(on: Place) -> Outcome {
    let world = World::open(&on).await?;
    let room = world.store.waiting_room(world.org, at(1)).await?;
    let keyed = SubmitCommand { key: Some("k".into()), ..world.queued(room, "x") };
    let id = world.unplaced(keyed.clone()).await?;
    let goals = [world.elsewhere("/a").await?, world.elsewhere("/b").await?];
    let mut from = room;
    for round in 0..DECISIONS_MAX + 4 {
        let goal = &goals[round % 2];
        world.store.place_command(world.org, place(id, from, goal), at(3)).await?;
        from = goal.id;
    }
    assert_eq!(world.unplaced(keyed.clone()).await?, id, "wherever it is by now");
    let submit = SubmitCommand { project_id: room, ..keyed.clone() };
    let other = world.store.submit_routed(submit, route("other", None), at(2)).await;
    assert_refused!(other, Refusal::KeyConflict { .. });
    let words = SubmitCommand { prompt: "other".into(), ..keyed };
    assert_refused!(world.unplaced(words).await, Refusal::KeyConflict { .. });
    let kept = world.store.show_command(world.org, id).await?.route.ok_or("no route")?;
    assert_eq!((kept.placed, kept.decisions.len()), (true, DECISIONS_MAX));
    world.store.cancel_command(world.org, id, world.phone, at(4)).await?;
    assert!(world.store.waiting_routes(world.org, None).await?.waiting.is_empty());
    world
        .store
        .put_back(world.org, WhichDead::Named(vec![id]), None, Scopes::NONE, at(99), at(5))
        .await?;
    let waiting = world.store.waiting_routes(world.org, None).await?.waiting;
    assert_eq!(waiting.len(), 1, "what was put back may be placed again");
    world.store.cancel_command(world.org, id, world.phone, at(6)).await?;
    world.store.archive_commands(vec![(world.org, id)], at(9)).await?;
    let archived = world.store.show_command(world.org, id).await?;
    assert_eq!(archived.route, Some(kept));
    assert_eq!(archived.command.state, CommandState::Cancelled);
    Ok(())
}

/// A session is in one project; the other goes on without it, and nothing moves under what works.
pub async fn a_session_moves_between_idle_projects(on: Place) -> Outcome {
    let world = World::open(&on).await?;
    let (here, goal) = (world.project("/here").await?, world.elsewhere("/goal").await?);
    let attempt = world.leased(here.id).await?;
    let session = world.command(attempt.command_id).await?.session_id.ok_or("no session")?;
    let go = async |from, to| world.store.move_session(world.org, session, from, to, at(5)).await;
    assert_refused!(go(here.id, goal.id).await, Refusal::ProcessActive { .. });
    world.run(attempt, OutcomeKind::Succeeded).await?;
    assert_refused!(go(here.id, here.id).await, Refusal::NotPossible { .. });
    assert_refused!(go(goal.id, here.id).await, Refusal::SessionNotFound);
    go(here.id, goal.id).await?;
    assert_eq!(world.store.project(world.org, here.id).await?.session_id, None);
    assert_eq!(world.store.project(world.org, goal.id).await?.session_id, Some(session));
    assert_eq!(world.store.project_of_session(world.org, session).await?, goal.id);
    let foreign = super::another_org(&world.store).await?.org_id;
    let refused = world.store.move_session(foreign, session, goal.id, here.id, at(6)).await;
    assert_refused!(refused, Refusal::ProjectNotFound);
    Ok(())
}
