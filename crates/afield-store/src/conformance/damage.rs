//! Damage: what can't be read is a gap that is reported and recorded; the rest loads.

use afield_proto::fact::Fact;
use afield_proto::{ProjectId, Topic};

use super::history::{query, read};
use super::{Outcome, Place, World, at, note};
use crate::{Error, MessageQuery};

const FLIP_SQLITE: &str = "CAST(substr(body, 1, 20) || '~' || substr(body, 22) AS BLOB)";
const FLIP_POSTGRES: &str = "overlay(body placing '~'::bytea from 21)";

/// Damages one row of a table.
async fn flip(place: &Place, world: &World, table: &str, rule: &str) -> Result<(), Error> {
    let text = |flip: &str| format!("UPDATE {table} SET body = {flip} WHERE {rule}");
    place.raw(&world.store, &text(FLIP_SQLITE), &text(FLIP_POSTGRES)).await
}

/// A project with 6 messages from 2 on, each in a row of its own.
async fn filled(world: &World) -> Result<(ProjectId, Topic), Error> {
    let project = world.project("/a").await?;
    let topic = Topic::Project(project.id);
    for n in 0..6 {
        let fact = Fact::AgentMessage(note(&format!("n{n}")));
        world.store.append_event(world.org, topic, &fact, Some(project.id), at(1)).await?;
    }
    Ok((project.id, topic))
}

/// Reads both ways and checks what is left, twice: the second time nothing new is recorded.
async fn check(
    world: &World,
    (id, topic): (ProjectId, Topic),
    left: &[u64],
    gap: (u64, u64),
) -> Outcome {
    let page = world.store.read_events(topic, 0, 100).await?;
    assert_eq!(page.events.iter().map(|event| event.seq).collect::<Vec<_>>(), left);
    assert_eq!((&page.gaps[..], page.through, page.more), (&[gap][..], 7, false));
    let messages: Vec<_> = left.iter().copied().filter(|seq| *seq > 1).collect();
    for after in [None, Some(0)] {
        let page = world.store.messages(MessageQuery { after, ..query(world, id) }).await?;
        let seqs: Vec<_> = read(&page)?.iter().map(|(seq, _)| *seq).collect();
        assert_eq!((seqs, page.gaps), (messages.clone(), vec![gap]), "after {after:?}");
    }
    assert_eq!(world.store.damaged_count().await?, 1);
    Ok(())
}

/// A live row: the gap is its events; rotation leaves it where it is.
pub async fn a_corrupt_row_is_a_gap(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let filled = filled(&world).await?;
    flip(&place, &world, "events", "first_seq = 4").await?;
    check(&world, filled, &[1, 2, 3, 5, 6, 7], (4, 4)).await?;
    let segments = world.store.rotate(filled.1, at(5)).await?;
    let ranges: Vec<_> = segments.iter().map(|made| (made.first_seq, made.last_seq)).collect();
    assert_eq!(ranges, [(1, 3), (5, 7)]);
    check(&world, filled, &[1, 2, 3, 5, 6, 7], (4, 4)).await?;
    assert_eq!(world.store.topic_head(filled.1).await?.last, 7);
    let fact = Fact::AgentMessage(note("after"));
    let seq = world.store.append_event(world.org, filled.1, &fact, None, at(6)).await?;
    assert_eq!(seq, 8, "writing goes on");
    Ok(())
}

/// A segment: the gap is its events, the next segments load.
pub async fn a_corrupt_segment_is_a_gap(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let topic = Topic::Project(project.id);
    for n in 0..3 {
        for m in 0..2 {
            let fact = Fact::AgentMessage(note(&format!("n{n}{m}")));
            world.store.append_event(world.org, topic, &fact, Some(project.id), at(1)).await?;
        }
        world.store.rotate(topic, at(2)).await?;
    }
    flip(&place, &world, "segments", "first_seq = 4").await?;
    check(&world, (project.id, topic), &[1, 2, 3, 6, 7], (4, 5)).await?;
    world.store.close().await;
    let again = World::open(&place).await?;
    check(&World { org: world.org, ..again }, (project.id, topic), &[1, 2, 3, 6, 7], (4, 5)).await
}

/// Numbers that are nowhere are a gap too, at the beginning, between, and at the end.
pub async fn a_missing_row_is_a_gap(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let filled = filled(&world).await?;
    let delete = "DELETE FROM events WHERE first_seq = 5";
    place.raw(&world.store, delete, delete).await?;
    check(&world, filled, &[1, 2, 3, 4, 6, 7], (5, 5)).await?;
    let delete = "DELETE FROM events WHERE first_seq IN (1, 2)";
    place.raw(&world.store, delete, delete).await?;
    let page = world.store.read_events(filled.1, 0, 2).await?;
    assert_eq!((&page.gaps[..], page.through), (&[(1, 2), (5, 5)][..], 5));
    assert_eq!(world.store.topic_head(filled.1).await?.first_available, 3);
    Ok(())
}
