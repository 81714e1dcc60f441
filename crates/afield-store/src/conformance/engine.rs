//! What the engine promises: durability in groups, undoing one of many, order of publication.

use afield_proto::command::OutcomeKind;
use afield_proto::fact::Fact;
use afield_proto::{ApprovalId, Topic};
use futures::future::join_all;
use tokio::sync::mpsc;

use super::world::{asks, assert_refused, finished, started};
use super::{Outcome, Place, World, at, note};
use crate::tx::Tx;
use crate::{Error, Refusal, sql};

/// Every statement of the crate is understood by the database.
pub async fn every_statement_prepares(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let count = world.store.read((), prepare_all).await?;
    assert!(count > 40, "only {count} statements are registered");
    Ok(())
}

async fn prepare_all(tx: &mut Tx, _: &()) -> Result<usize, Error> {
    let mut count = 0;
    for statement in sql::all() {
        tx.prepare(statement).await?;
        count += 1;
    }
    Ok(count)
}

/// Numbers, commands and projects go on where they stood.
pub async fn opening_again_continues(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let topic = Topic::Project(project.id);
    let attempt = world.leased(project.id).await?;
    let before = world.store.topic_head(topic).await?;
    world.store.rotate(topic, at(5)).await?;
    world.store.close().await;
    let again = World { ..World::open(&place).await? };
    assert_eq!(again.org, world.org, "the owner is the same");
    assert_eq!(again.store.topic_head(topic).await?, before);
    world_applies(&again, &world, attempt).await?;
    let seqs: Vec<_> = again.events(topic).await?.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=before.last + 2).collect::<Vec<_>>());
    Ok(())
}

async fn world_applies(
    again: &World,
    first: &World,
    attempt: afield_proto::runner::Attempt,
) -> Outcome {
    let attempt_records = afield_proto::runner::RunnerRecords::new(attempt, 1, vec![started()]);
    again.store.apply_records(first.org, first.runner, attempt_records, at(6)).await?;
    Ok(())
}

/// Operations that fail after having written are undone alone; the numbers have no gap.
pub async fn a_failed_operation_leaves_the_others_of_its_group(place: Place) -> Outcome {
    let (sender, mut committed) = mpsc::channel(1);
    let mut options = place.options();
    options.committed = Some(sender);
    let opening = tokio::spawn(World::open_with(options));
    // Its two devices.
    committed.recv().await;
    committed.recv().await;
    let world = opening.await??;
    let project_future = world.project("/a");
    let project = project_future.await?;
    committed.recv().await;
    let (submitted, _) = tokio::join!(world.submit(project.id, "x"), committed.recv());
    submitted?;
    let (leased, _) = tokio::join!(world.lease(), committed.recv());
    let attempt = leased?.attempt;
    let (running, _) = tokio::join!(world.apply(attempt, 1, vec![started()]), committed.recv());
    running?;
    group_with_a_failure(&world, &mut committed, attempt, project.id).await
}

async fn group_with_a_failure(
    world: &World,
    committed: &mut mpsc::Receiver<Vec<crate::CommittedEvents>>,
    attempt: afield_proto::runner::Attempt,
    project_id: afield_proto::ProjectId,
) -> Outcome {
    let topic = Topic::Project(project_id);
    let before = world.store.topic_head(topic).await?.last;
    let fact = Fact::AgentMessage(note("beside"));
    let beside = || world.store.append_event(world.org, topic, &fact, Some(project_id), at(5));
    // Two commits fill the channel and hold the writer; what follows waits and becomes one group.
    let asked = ApprovalId::generate();
    let failing = || world.apply(attempt, 2, vec![asks(asked), started()]);
    let drain = async {
        let mut events = Vec::new();
        while events.len() < 20 {
            let rows = committed.recv().await.unwrap_or_default();
            events.extend(rows.iter().flat_map(|row| row.first_seq..=row.last_seq));
        }
        events
    };
    let many = async {
        let (first, refused, second) = tokio::join!(
            join_all((0..10).map(|_| beside())),
            failing(),
            join_all((0..10).map(|_| beside()))
        );
        (first, refused, second)
    };
    let ((first, refused, second), events) = tokio::join!(many, drain);
    assert_refused!(refused, Refusal::RecordIllegal { number: 3, .. });
    let mut seqs = first.into_iter().chain(second).collect::<Result<Vec<_>, _>>()?;
    seqs.sort_unstable();
    assert_eq!(seqs, (before + 1..=before + 20).collect::<Vec<_>>());
    assert_eq!(events, seqs);
    assert!(world.store.approvals(world.org, None, true).await?.is_empty(), "it was undone");
    let applying = world.apply(attempt, 2, vec![asks(asked), finished(OutcomeKind::Succeeded)]);
    let (applied, _) = tokio::join!(applying, committed.recv());
    assert_eq!(applied?.acknowledged.last_record, 3);
    Ok(())
}

/// Who is told of a success finds its events already handed on, topic by topic in order.
pub async fn events_come_before_the_answer(place: Place) -> Outcome {
    let mut world = World::open(&place).await?;
    let project = world.project("/a").await?;
    world.submit(project.id, "x").await?;
    let mut seen = Vec::new();
    while let Ok(events) = world.committed.try_recv() {
        for row in events {
            seen.extend(row.events().map(|event| (row.topic, event.seq, event.project_id)));
        }
    }
    let (topic, org, id) = (Topic::Project(project.id), Topic::Org(world.org), Some(project.id));
    let devices = [(org, 1, None), (org, 2, None)];
    assert_eq!(seen[..2], devices);
    assert_eq!(seen[2..], [(topic, 1, id), (org, 3, id), (topic, 2, id)]);
    Ok(())
}

/// The write is timed.
pub async fn a_probe_is_a_durable_write(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    assert!(world.store.probe_write(at(1)).await? > std::time::Duration::ZERO);
    world.store.probe_write(at(2)).await?;
    let engine = world.store.engine();
    let word = if place.is_sqlite() { "sqlite 3." } else { "postgres 1" };
    assert!(engine.starts_with(word), "{engine}");
    Ok(())
}
