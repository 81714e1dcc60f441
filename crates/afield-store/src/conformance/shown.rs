//! What is kept and shown of a command: its key, its long results, everything about it.

use afield_proto::OrgId;
use afield_proto::command::{CommandState, Outcome as Ended, OutcomeKind};
use afield_proto::queue::{ChainStep, RESULT_PREVIEW_BYTES, RetryPolicy};
use futures::future::join_all;

use super::world::{asks, assert_refused, started};
use super::{Outcome, Place, World, at};
use crate::sql::{Sql, params};
use crate::tx::Tx;
use crate::{Error, Refusal, SubmitCommand};

/// A key stays its command's for good, however many repeat it and whatever became of it.
pub async fn a_key_is_kept_for_good(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    world.enqueue(project.id, "before").await?;
    let submit =
        |prompt: &str| SubmitCommand { key: Some("k".into()), ..world.queued(project.id, prompt) };
    let many = join_all((0..8).map(|_| world.store.submit_command(submit("x"), at(2)))).await;
    let many = many.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(many.iter().filter(|submitted| !submitted.duplicate).count(), 1);
    assert!(many.iter().all(|submitted| submitted.command.id == many[0].command.id));
    let id = many[0].command.id;
    assert_eq!(world.drain(3).await?.len(), 2);
    let again = world.store.submit_command(submit("x"), at(9)).await?;
    assert_eq!((again.duplicate, again.command.id), (true, id));
    assert_eq!(again.command.state, CommandState::Succeeded);
    assert_refused!(
        world.store.submit_command(submit("y"), at(9)).await,
        Refusal::KeyConflict { command_id } if command_id == id
    );
    assert!(world.given(10).await?.is_empty(), "nothing was accepted again");
    Ok(())
}

static BLOBS: Sql = Sql::new("SELECT COUNT(*) FROM blobs");

async fn count_blobs(tx: &mut Tx, (): &()) -> Result<i64, Error> {
    tx.one(&BLOBS, params![], |row| row.int(0)).await
}

/// A long result is stored once; its command keeps the beginning; its org alone can read it.
pub async fn a_long_result_is_stored_once(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    // 40 KiB, with a character across the end of the preview.
    let text = format!("a{}", "é".repeat(20 * 1024));
    let mut kept = Vec::new();
    for message in [text.clone(), text.clone(), "short".into()] {
        let attempt = world.leased_behind(project.id).await?;
        let outcome = Ended::new(OutcomeKind::Succeeded).with_message(message);
        kept.push(world.run_until(attempt, outcome, 20).await?.outcome.ok_or("it ended")?);
    }
    assert_eq!(kept[0], kept[1]);
    let preview = kept[0].message.as_deref().unwrap_or_default();
    assert_eq!(preview.len(), RESULT_PREVIEW_BYTES - 1, "cut between two characters");
    assert!(text.starts_with(preview));
    assert_eq!((kept[2].message.as_deref(), &kept[2].blob), (Some("short"), &None));
    let blob = kept[0].blob.as_ref().ok_or("it was long")?;
    assert_eq!(blob.bytes, text.len() as u64);
    assert_eq!(world.store.read((), count_blobs).await?, 1);
    assert_eq!(world.store.blob(world.org, &blob.hash).await?, text);
    let foreign = world.store.blob(OrgId::generate(), &blob.hash).await;
    assert_refused!(foreign, Refusal::BlobNotFound);
    assert_refused!(world.store.blob(world.org, "none").await, Refusal::BlobNotFound);
    Ok(())
}

/// What is before a waiting command, what its project and its runner are busy with.
pub async fn what_is_around_a_command_is_shown(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let [project, other] = [world.project("/a").await?, world.project("/b").await?];
    let running = world.leased_behind(project.id).await?;
    world.leased_behind(other.id).await?;
    let waits = SubmitCommand { submitted_at: Some(at(-5)), ..world.queued(project.id, "waits") };
    let waits = world.accept(waits, 2).await?;
    let question = asks(afield_proto::ApprovalId::generate());
    world.apply(running, 1, vec![started(), question]).await?;
    let shown = world.store.show_command(world.org, waits).await?;
    assert_eq!(shown.command, world.command(waits).await?);
    assert_eq!((shown.payload.prompt.as_str(), shown.retry), ("waits", RetryPolicy::default()));
    let around = &shown.around;
    assert_eq!(around.head.as_ref().map(|head| head.id), Some(running.command_id));
    assert_eq!((around.active, around.busy), (Some(running.command_id), 2));
    assert_eq!((around.runner.as_str(), around.asks), ("a device", false));
    assert!(shown.attempts.is_empty());
    let chain: Vec<_> = shown.chain.iter().map(|link| (link.step, link.at)).collect();
    assert_eq!(chain, [(ChainStep::Submitted, at(-5)), (ChainStep::Accepted, at(2))]);
    let shown = world.store.show_command(world.org, running.command_id).await?;
    assert!(shown.around.asks && shown.around.head.is_none());
    let foreign = world.store.show_command(OrgId::generate(), waits).await;
    assert_refused!(foreign, Refusal::CommandNotFound);
    Ok(())
}

/// The chain of a command that ended is whole and in order, with who did each step.
pub async fn the_chain_of_a_command_is_shown(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased_behind(project.id).await?;
    world.run(attempt, OutcomeKind::Succeeded).await?;
    let shown = world.store.show_command(world.org, attempt.command_id).await?;
    let chain: Vec<_> = shown.chain.iter().map(|link| (link.step, link.at, link.by)).collect();
    let expected = [
        (ChainStep::Submitted, at(2), Some(world.phone)),
        (ChainStep::Accepted, at(2), Some(world.phone)),
        (ChainStep::Leased, at(3), Some(world.runner)),
        (ChainStep::Consumed, at(10), Some(world.runner)),
        (ChainStep::Finished, at(20), Some(world.runner)),
    ];
    assert_eq!(chain, expected);
    let [view] = &shown.attempts[..] else { return Err("there was one attempt".into()) };
    assert_eq!((view.attempt, view.runner_id), (1, world.runner));
    assert_eq!((view.leased_at, view.finished_at), (Some(at(3)), Some(at(20))));
    assert_eq!(view.outcome.as_ref().map(|end| end.kind), Some(OutcomeKind::Succeeded));
    let cancelled = world.enqueue(project.id, "x").await?;
    world.store.cancel_command(world.org, cancelled, world.phone, at(30)).await?;
    let shown = world.store.show_command(world.org, cancelled).await?;
    let last = shown.chain.last().ok_or("it was accepted")?;
    assert_eq!((last.step, last.at, last.by), (ChainStep::Finished, at(30), Some(world.phone)));
    assert!(shown.attempts.is_empty());
    let expires = SubmitCommand { expires_at: Some(at(40)), ..world.queued(project.id, "x") };
    let expired = world.accept(expires, 30).await?;
    world.store.sweep_queue(at(40)).await?;
    let shown = world.store.show_command(world.org, expired).await?;
    let last = shown.chain.last().ok_or("it was accepted")?;
    assert_eq!((last.step, last.at, last.by), (ChainStep::Finished, at(40), None), "by its clock");
    Ok(())
}

/// What was over long ago leaves the lists and its key, and is still shown whole; what waits, runs
/// or is dead stays.
pub async fn old_commands_are_archived(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?.id;
    let keyed = SubmitCommand { key: Some("k".into()), ..world.queued(project, "long ago") };
    let old = world.accept(keyed.clone(), 2).await?;
    let retried = RetryPolicy { attempts: 2, wait_ms: 0, ..RetryPolicy::default() };
    let dead = SubmitCommand { retry: Some(retried), ..world.queued(project, "dead") };
    let dead = world.accept(dead, 2).await?;
    let [recent, waits] =
        [world.enqueue(project, "recent").await?, world.enqueue(project, "waits").await?];
    let run = async |kind, ms| {
        let attempt = world.attempts(9, ms).await?[0];
        world.run_until(attempt, Ended::new(kind), ms).await
    };
    run(OutcomeKind::Succeeded, 10).await?;
    for ms in [11, 12] {
        run(OutcomeKind::NotStarted, ms).await?;
        world.store.sweep_queue(at(ms)).await?;
    }
    assert_eq!(world.state(dead).await?, CommandState::Dead);
    run(OutcomeKind::Failed, 90).await?;
    let before = world.store.show_command(world.org, old).await?;
    let found = world.store.old_commands(None, at(50)).await?;
    assert_eq!(found.old, [(world.org, old)]);
    assert_eq!((found.after, found.next), (None, Some(at(90))));
    let both = vec![(world.org, old), (world.org, recent), (world.org, dead), (world.org, waits)];
    assert_eq!(world.store.archive_commands(both.clone(), at(50)).await?, 1);
    assert_eq!(world.store.archive_commands(both, at(50)).await?, 0);
    let listed = world.commands(Some(project)).await?;
    let listed: Vec<_> = listed.iter().map(|command| command.id).collect();
    assert_eq!(listed, [waits, recent, dead]);
    let shown = world.store.show_command(world.org, old).await?;
    assert_eq!((&shown.command, &shown.payload), (&before.command, &before.payload));
    assert_eq!((shown.attempts, shown.chain), (before.attempts, before.chain));
    assert_eq!(shown.around.runner, before.around.runner);
    assert_eq!(world.command(old).await?, before.command);
    let foreign = world.store.show_command(OrgId::generate(), old).await;
    assert_refused!(foreign, Refusal::CommandNotFound);
    let again = world.store.submit_command(keyed, at(100)).await?;
    assert!(!again.duplicate, "its key went with it");
    let cancel = world.store.cancel_command(world.org, old, world.phone, at(100)).await;
    assert_refused!(cancel, Refusal::CommandNotFound);
    Ok(())
}
