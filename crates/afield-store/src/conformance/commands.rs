//! Commands: acceptance, repetition, leases, cancelling.

use afield_proto::command::{CommandState, OutcomeKind};
use afield_proto::{CommandId, DeviceId, SessionId, Topic};
use futures::future::join_all;

use super::world::{assert_refused, started};
use super::{Outcome, Place, World, at};
use crate::{Cancel, Refusal, SubmitCommand};

/// Row, session and events are there when it is accepted.
pub async fn a_command_is_accepted(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let command = world.submit(project.id, "say \"hi\"\nand\0 bye").await?;
    assert_eq!(command.state, CommandState::Queued);
    assert_eq!(command.waiting_for.as_deref(), Some("runner"));
    assert_eq!(world.store.command(world.org, command.id).await?, command);
    let project = world.store.project(world.org, project.id).await?;
    assert_eq!(project.command_id, Some(command.id));
    let topic = Topic::Project(project.id);
    assert_eq!(world.told(topic).await?, ["project_state", "command_state"]);
    let order = world.lease().await?;
    let told = ["project_state", "command_state", "agent_message", "command_state"];
    assert_eq!(world.told(topic).await?, told);
    let said = &world.events(topic).await?[2].body;
    assert!(said.contains(r#""message":{"prompt":"say \"hi\"\nand\u0000 bye"}"#), "{said}");
    let session = world.store.project(world.org, project.id).await?.session_id;
    assert_eq!(session, Some(order.session_id));
    assert_eq!(order.prompt, "say \"hi\"\nand\0 bye");
    assert_eq!((order.path.as_str(), order.attempt.fence), ("/a", 1));
    let missing = world.store.command(world.org, CommandId::generate()).await;
    assert_refused!(missing, Refusal::CommandNotFound);
    Ok(())
}

/// The same key from the same device is the same command, or a conflict.
pub async fn a_repetition_gives_the_first_command(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let submit =
        |prompt| world.store.submit_command(world.prompt(project.id, prompt, Some("k")), at(2));
    let first = submit("x").await?;
    let again = submit("x").await?;
    assert_eq!((first.duplicate, again.duplicate), (false, true));
    assert_eq!(first.command, again.command);
    assert_refused!(
        submit("y").await,
        Refusal::KeyConflict { command_id } if command_id == first.command.id
    );
    let mut other = world.prompt(project.id, "x", Some("k"));
    other.submitted_by = DeviceId::generate();
    assert_refused!(world.store.submit_command(other, at(2)).await, Refusal::ProcessActive { .. });
    assert_eq!(world.store.topic_head(Topic::Project(project.id)).await?.last, 2);
    Ok(())
}

/// While a command is not final, nothing else of the project begins.
pub async fn one_command_at_a_time(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let first = world.submit(project.id, "x").await?;
    let active = |command_id| command_id == first.id;
    assert_refused!(
        world.submit(project.id, "y").await,
        Refusal::ProcessActive { command_id } if active(command_id)
    );
    assert_refused!(
        world.store.delete_project(world.org, project.id, at(3)).await,
        Refusal::ProcessActive { command_id } if active(command_id)
    );
    assert_refused!(
        world.store.new_session(world.org, project.id, at(3)).await,
        Refusal::ProcessActive { command_id } if active(command_id)
    );
    let other = world.project("/b").await?;
    let second = world.submit(other.id, "y").await?;
    let listed = world.commands(None).await?;
    assert_eq!(listed.iter().map(|command| command.id).collect::<Vec<_>>(), [second.id, first.id]);
    let listed = world.commands(Some(project.id)).await?;
    assert_eq!(listed, [first]);
    Ok(())
}

/// Until its first record arrives, a lease is given again as it was.
pub async fn a_lease_is_given_again_until_it_starts(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    assert!(world.leases(3).await?.is_empty());
    let command = world.submit(project.id, "x").await?;
    let active = world.store.active_attempt(world.org, project.id).await?;
    assert_eq!(active, None, "what waits is not worked on");
    let first = world.lease().await?;
    assert_eq!((first.attempt.attempt, first.attempt.fence), (1, 1));
    assert!(world.leases(3).await?.is_empty(), "it is given once");
    let again = world.store.leased_commands(world.org, world.runner).await?;
    assert_eq!(again[0].attempt, first.attempt);
    let leased = world.store.command(world.org, command.id).await?;
    assert_eq!((leased.state, leased.attempt), (CommandState::Leased, 1));
    assert_eq!(leased.leased_at, Some(at(3)));
    let (active, attempt) =
        world.store.active_attempt(world.org, project.id).await?.ok_or("nothing is active")?;
    assert_eq!((active, attempt), (leased, first.attempt));
    world.apply(first.attempt, 1, vec![started()]).await?;
    assert!(world.leases(5).await?.is_empty());
    assert!(world.store.leased_commands(world.org, world.runner).await?.is_empty());
    let told = world.told(Topic::Project(project.id)).await?;
    assert_eq!(told.iter().filter(|name| *name == "command_state").count(), 3);
    Ok(())
}

/// What no runner has is cancelled at once; what one has must be stopped there.
pub async fn a_queued_command_is_cancelled(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let command = world.submit(project.id, "x").await?;
    let cancel = |id| world.store.cancel_command(world.org, id, world.phone, at(3));
    let Cancel::Cancelled(cancelled) = cancel(command.id).await? else {
        return Err("it was queued".into());
    };
    assert_eq!(cancelled.state, CommandState::Cancelled);
    assert_eq!(
        cancelled.outcome.as_ref().map(|outcome| outcome.kind),
        Some(OutcomeKind::Cancelled)
    );
    assert_eq!(cancel(command.id).await?, Cancel::Over(cancelled));
    assert!(world.leases(4).await?.is_empty());
    let attempt = world.leased(project.id).await?;
    let cancelled = cancel(attempt.command_id).await?;
    assert!(matches!(cancelled, Cancel::Active(_, active) if active == attempt));
    Ok(())
}

/// Of many submissions at the same time to one project, one is accepted.
pub async fn concurrent_submissions_start_one_command(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let submit = |n: i32| {
        let prompt = world.prompt(project.id, "x", Some(if n < 4 { "same" } else { "other" }));
        world.store.submit_command(prompt, at(2))
    };
    let results = join_all((0..8).map(submit)).await;
    let accepted: Vec<_> = results.iter().flatten().collect();
    assert_eq!(accepted.iter().filter(|submitted| !submitted.duplicate).count(), 1);
    assert_eq!(accepted.len(), 4, "the repetitions of the accepted one: {results:?}");
    assert_eq!(world.commands(None).await?.len(), 1);
    Ok(())
}

/// A command can continue a session of its own project and no other.
pub async fn a_session_is_of_its_project(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (one, two) = (world.project("/home/me/a").await?, world.project("/home/me/b").await?);
    let session = world.store.new_session(world.org, one.id, at(2)).await?;
    let naming =
        |project| SubmitCommand { session_id: Some(session), ..world.queued(project, "go on") };
    let foreign = world.store.submit_command(naming(two.id), at(3)).await;
    assert_refused!(foreign, Refusal::SessionNotFound);
    let nothing = SubmitCommand { session_id: Some(SessionId::generate()), ..naming(one.id) };
    assert_refused!(world.store.submit_command(nothing, at(3)).await, Refusal::SessionNotFound);
    world.store.submit_command(naming(one.id), at(3)).await?;
    Ok(())
}
