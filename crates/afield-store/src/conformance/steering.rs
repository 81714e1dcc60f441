//! Prompts that go into a running turn.

use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::command::{Command, CommandState, OutcomeKind};
use afield_proto::device::Scopes;
use afield_proto::project::ProjectSettings;
use afield_proto::queue::{ChainStep, Hold, Steer};
use afield_proto::runner::{Attempt, Record};
use afield_proto::{CommandId, ProjectId, Topic};

use super::lanes::check_lanes;
use super::migration::is_prompt;
use super::world::{assert_refused, finished, started};
use super::{Outcome, Place, World, at};
use crate::commands::Carried;
use crate::{Accept, Cancel, EditCommand, Error, Refusal, SteerOrder, SubmitCommand};

fn steer(world: &World, project: ProjectId, prompt: &str) -> SubmitCommand {
    SubmitCommand { accept: Accept::Steer(Scopes::NONE), ..world.queued(project, prompt) }
}

async fn submitted(world: &World, submit: SubmitCommand) -> Result<Command, Error> {
    Ok(world.store.submit_command(submit, at(5)).await?.command)
}

async fn offered(world: &World) -> Result<(Vec<SteerOrder>, bool), Error> {
    let offers = world.store.offer_steers(world.org, world.runner, at(6)).await?;
    Ok((offers.orders, offers.more))
}

fn ids(orders: &[SteerOrder]) -> Vec<CommandId> {
    orders.iter().map(|offer| offer.order.command_id).collect()
}

fn taken(command_id: CommandId) -> Record {
    Record::Steered { at: at(7), command_id }
}

/// A running turn with a command behind it.
async fn turn(
    world: &World,
) -> Result<(ProjectId, Attempt, CommandId), Box<dyn std::error::Error>> {
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let behind = world.enqueue(project.id, "behind").await?;
    world.apply(attempt, 1, vec![started()]).await?;
    Ok((project.id, attempt, behind))
}

/// Words go into the turn in the order they were sent, are told when the agent has them, and are
/// over with the turn.
pub async fn words_go_into_the_running_turn(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (project, attempt, behind) = turn(&world).await?;
    let one = submitted(&world, steer(&world, project, "use tabs")).await?;
    let two = submitted(&world, steer(&world, project, "no, spaces")).await?;
    assert_eq!((one.steer, one.into), (Some(Steer::Offered), Some(attempt.command_id)));
    assert_eq!(world.command(one.id).await?, one);
    check_lanes(&world).await?;
    let (orders, more) = offered(&world).await?;
    assert_eq!((ids(&orders), more), (vec![one.id, two.id], false));
    assert_eq!(orders[0].order.attempt, attempt);
    assert_eq!(orders[0].order.prompt, "use tabs");
    assert_eq!(world.state(one.id).await?, CommandState::Leased);
    let again = offered(&world).await?.0;
    assert_eq!(ids(&again), [one.id, two.id], "nobody heard of it");
    assert_eq!(again[0].fence, orders[0].fence);
    assert!(world.given(6).await?.is_empty(), "one turn at a time");
    check_lanes(&world).await?;
    world.apply(attempt, 2, vec![taken(one.id), taken(two.id)]).await?;
    world.apply(attempt, 2, vec![taken(one.id), taken(two.id)]).await?;
    let running = world.command(one.id).await?;
    assert_eq!((running.state, running.steer), (CommandState::Running, Some(Steer::Taken)));
    assert_eq!((running.attempt, running.started_at), (1, Some(at(7))));
    assert_eq!(offered(&world).await?.0.len(), 0);
    check_lanes(&world).await?;
    let bodies = world.events(Topic::Project(project)).await?;
    let said = |words: &str| {
        let prompt = |body: &str| is_prompt(body) && body.contains(words);
        bodies.iter().filter(|event| prompt(&event.body)).count()
    };
    assert_eq!((said("use tabs"), said("no, spaces")), (1, 1));
    world.apply(attempt, 4, vec![finished(OutcomeKind::Succeeded)]).await?;
    for id in [one.id, two.id] {
        let over = world.command(id).await?;
        assert_eq!((over.state, over.into), (CommandState::Succeeded, Some(attempt.command_id)));
    }
    let shown = world.store.show_command(world.org, one.id).await?;
    let steps: Vec<_> = shown.chain.iter().map(|link| link.step).collect();
    let all = [
        ChainStep::Submitted,
        ChainStep::Accepted,
        ChainStep::Leased,
        ChainStep::Consumed,
        ChainStep::Finished,
    ];
    assert_eq!((steps, shown.attempts.len()), (all.to_vec(), 1));
    check_lanes(&world).await?;
    assert_eq!(world.drain(8).await?, [behind]);
    Ok(())
}

/// Words that go into no turn are first in the queue, and say why.
pub async fn words_without_a_turn_are_first_in_the_queue(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (project, attempt, behind) = turn(&world).await?;
    let refused = submitted(&world, steer(&world, project, "refused")).await?.id;
    let missed = submitted(&world, steer(&world, project, "missed")).await?.id;
    let fence = offered(&world).await?.0[0].fence;
    world.store.refuse_steer(world.org, refused, fence + 1, at(7)).await?;
    assert_eq!(world.state(refused).await?, CommandState::Leased, "another lease was refused");
    world.store.refuse_steer(world.org, refused, fence, at(7)).await?;
    let waits = world.command(refused).await?;
    assert_eq!((waits.state, waits.attempt), (CommandState::Queued, 0));
    assert_eq!((waits.steer, waits.into), (Some(Steer::Refused), None));
    assert!(ids(&offered(&world).await?.0) == [missed]);
    check_lanes(&world).await?;
    world.apply(attempt, 2, vec![finished(OutcomeKind::Failed)]).await?;
    assert_eq!(world.command(missed).await?.steer, Some(Steer::Missed));
    check_lanes(&world).await?;
    assert_eq!(world.drain(8).await?, [refused, missed, behind]);
    let idle = submitted(&world, steer(&world, project, "idle")).await?;
    assert_eq!((idle.steer, idle.into), (Some(Steer::Idle), None));
    assert_eq!(world.drain(9).await?, [idle.id]);
    let shell = SubmitCommand { agent: AgentKind::Command, ..world.queued(project, "make") };
    world.accept(shell, 9).await?;
    let running = world.lease().await?.attempt;
    let program = submitted(&world, steer(&world, project, "faster")).await?;
    assert_eq!((program.steer, program.into), (Some(Steer::Refused), None));
    world.run(running, OutcomeKind::Succeeded).await?;
    assert_eq!(world.drain(10).await?, [program.id]);
    check_lanes(&world).await
}

/// Words wait for the turn to begin, for a release, and are cancelled as long as no agent has them.
pub async fn words_wait_and_are_cancelled(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?.id;
    let attempt = world.leased(project).await?;
    let [early, held, cancelled, late] = {
        let mut made = Vec::new();
        for prompt in ["early", "held", "cancelled", "late"] {
            made.push(submitted(&world, steer(&world, project, prompt)).await?.id);
        }
        made.try_into().expect("four were made")
    };
    assert!(matches!(offered(&world).await?, (orders, true) if orders.is_empty()));
    world.store.hold_command(world.org, held, Some(world.phone), at(5)).await?;
    let cancel = |id| world.store.cancel_command(world.org, id, world.phone, at(5));
    assert!(matches!(cancel(cancelled).await?, Cancel::Cancelled(_)));
    world.apply(attempt, 1, vec![started()]).await?;
    let everything =
        Hold { command_id: None, project_id: None, runner_id: None, by: world.phone, at: at(5) };
    world.store.hold(world.org, everything).await?;
    assert!(offered(&world).await?.0.is_empty(), "everything is held");
    world.store.release(world.org, None, None, at(6)).await?;
    let (orders, more) = offered(&world).await?;
    assert_eq!((ids(&orders), more), (vec![early, late], true));
    assert!(matches!(cancel(late).await?, Cancel::OnItsWay(_)));
    assert_eq!(world.state(late).await?, CommandState::Leased);
    world.apply(attempt, 2, vec![taken(early)]).await?;
    assert_refused!(cancel(early).await, Refusal::NotPossible { .. });
    world.apply(attempt, 3, vec![taken(cancelled)]).await?;
    assert_eq!(world.state(cancelled).await?, CommandState::Cancelled, "it stays so");
    world.store.reconcile_runner(world.org, world.runner, &[], at(9)).await?;
    assert_eq!(world.state(attempt.command_id).await?, CommandState::Interrupted);
    assert_eq!(world.state(early).await?, CommandState::Interrupted, "it was in that turn");
    assert_eq!(world.state(late).await?, CommandState::Cancelled);
    assert_eq!(world.command(held).await?.steer, Some(Steer::Missed));
    check_lanes(&world).await?;
    world.store.hold_command(world.org, held, None, at(9)).await?;
    assert_eq!(world.drain(10).await?, [held]);
    let expires = at(1000);
    let which = crate::WhichDead::Named(vec![early]);
    let back = world.store.put_back(world.org, which, None, Scopes::NONE, expires, at(11)).await?;
    assert_eq!((back[0].steer, back[0].into), (None, None));
    assert_eq!(world.drain(12).await?, [early]);
    check_lanes(&world).await
}

/// Words go into a turn that starts programs unasked only from those who could have begun it; what the project
/// grants counts for everybody.
pub async fn a_wider_turn_takes_words_of_those_who_could_begin_it(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?.id;
    let options = ExecuteOptions { mcp_config: Some("a.json".into()), ..ExecuteOptions::default() };
    let wide = SubmitCommand { options: options.clone(), ..world.queued(project, "turn") };
    let turn = world.accept(wide, 2).await?;
    let by =
        |scopes| SubmitCommand { accept: Accept::Steer(scopes), ..steer(&world, project, "x") };
    let (narrow, shell) = (Scopes::NONE, "prompt,shell".parse()?);
    let attempt = world.lease().await?.attempt;
    assert_eq!(attempt.command_id, turn);
    let refused = submitted(&world, by(narrow)).await;
    assert_refused!(refused, Refusal::WiderTurn { command_id, option: "mcp_config", .. } if command_id == turn);
    let offered = submitted(&world, by(shell)).await?;
    assert_eq!((offered.steer, offered.into), (Some(Steer::Offered), Some(turn)));
    let edit = |by| {
        let payload = Some(Carried::words("y", AgentKind::Claude));
        let edit = EditCommand { payload, by, ..EditCommand::default() };
        world.store.edit_command(world.org, offered.id, edit, at(6))
    };
    assert_refused!(edit(narrow).await, Refusal::WiderTurn { .. });
    assert_eq!(edit(shell).await?.summary, "y");
    let settings = ProjectSettings { options: Some(options), ..ProjectSettings::default() };
    world.store.update_project(world.org, project, settings, at(7)).await?;
    assert_eq!(submitted(&world, by(narrow)).await?.into, Some(turn));
    assert_eq!(edit(narrow).await?.id, offered.id);
    check_lanes(&world).await
}
