//! The log: numbers, rotation, and reading equal to a plain list.

use afield_proto::fact::Fact;
use afield_proto::{ProjectId, Topic};
use futures::future::join_all;

use super::world::Steps;
use super::world::{says, started};
use super::{Outcome, Place, World, at, note};
use crate::{Error, Head};

async fn append(world: &World, id: ProjectId, text: &str) -> Result<u64, Error> {
    let fact = Fact::AgentMessage(note(text));
    world.store.append_event(world.org, Topic::Project(id), &fact, Some(id), at(1)).await
}

/// Appending to several topics at the same time leaves no number out and gives none twice.
pub async fn numbers_have_no_gaps(place: Place) -> Outcome {
    let mut world = World::open(&place).await?;
    let topics: Vec<_> = (0..4).map(|_| ProjectId::generate()).collect();
    let each = (0..120).map(|n| (n, topics[n % 4]));
    let appended = join_all(each.map(|(n, id)| {
        let world = &world;
        async move { append(world, id, &n.to_string()).await.map(|seq| (id, seq)) }
    }))
    .await;
    let appended = appended.into_iter().collect::<Result<Vec<_>, _>>()?;
    for id in &topics {
        let mut seqs: Vec<_> =
            appended.iter().filter(|(topic, _)| topic == id).map(|(_, seq)| *seq).collect();
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=30).collect::<Vec<_>>());
        let read: Vec<_> =
            world.events(Topic::Project(*id)).await?.iter().map(|event| event.seq).collect();
        assert_eq!(read, seqs);
    }
    let mut published = Vec::new();
    while let Ok(events) = world.committed.try_recv() {
        published.extend(
            events
                .iter()
                .flat_map(|row| (row.first_seq..=row.last_seq).map(|seq| (row.topic, seq))),
        );
    }
    for id in topics {
        let topic = Topic::Project(id);
        let seqs = published.iter().filter(|(of, _)| *of == topic).map(|(_, seq)| *seq);
        assert!(seqs.eq(1..=30), "handed on in order");
    }
    let nothing = world.store.topic_head(Topic::Project(ProjectId::generate())).await?;
    assert_eq!(nothing, Head { last: 0, first_available: 1 });
    Ok(())
}

/// Segments hold what the live part held, to the byte; a large batch becomes several rows.
pub async fn rotation_keeps_every_event(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let topic = Topic::Project(project.id);
    let attempt = world.leased(project.id).await?;
    let batch: Vec<_> =
        std::iter::once(started()).chain((0..2100).map(|n| says(&n.to_string()))).collect();
    world.apply(attempt, 1, batch).await?;
    let before = world.events(topic).await?;
    let head = world.store.topic_head(topic).await?;
    assert_eq!(before.len() as u64, head.last);
    let segments = world.store.rotate(topic, at(9)).await?;
    assert!(segments.len() >= 3 && segments.iter().all(|segment| segment.events <= 1000));
    assert_eq!(segments.iter().map(|segment| segment.events).sum::<u64>(), head.last);
    assert!(segments.iter().all(|segment| segment.bytes < segment.raw_bytes));
    assert_eq!(world.store.topic_head(topic).await?, head);
    assert!(world.store.rotate(topic, at(9)).await?.is_empty(), "never an empty segment");
    append(&world, project.id, "live").await?;
    let after = world.events(topic).await?;
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(after.last().map(|event| event.seq), Some(head.last + 1));
    let page = world.store.read_events(topic, 998, 5).await?;
    assert_eq!(
        page.events.iter().map(|event| event.seq).collect::<Vec<_>>(),
        [999, 1000, 1001, 1002, 1003]
    );
    assert!(page.more && page.gaps.is_empty() && page.through == 1003);
    assert_eq!(world.store.damaged_count().await?, 0);
    Ok(())
}

/// What lies outside of segments is known, topic by topic, and nothing of a topic once it is rotated.
pub async fn what_is_not_rotated_is_known(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let [many, large] = [(); 2].map(|()| ProjectId::generate());
    for n in 0..11 {
        append(&world, many, &n.to_string()).await?;
    }
    append(&world, large, &"x".repeat(5000)).await?;
    let live = async |id| -> Result<_, Error> {
        let logs = world.store.live_logs().await?;
        Ok(logs.into_iter().find(|log| log.topic == Topic::Project(id)))
    };
    let [first, second] = [live(many).await?, live(large).await?].map(Option::unwrap);
    assert_eq!((first.events, second.events), (11, 1));
    assert!(first.bytes < 5000 && second.bytes > 5000, "{first:?} {second:?}");
    world.store.rotate(Topic::Project(many), at(2)).await?;
    assert_eq!((live(many).await?, live(large).await?), (None, Some(second)));
    assert_eq!(world.events(Topic::Project(many)).await?.len(), 11);
    Ok(())
}

/// Appends, rotations and readings in any order read like a plain list.
pub async fn random_walks_equal_a_list(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let mut steps = Steps(7);
    let topics = [(); 2].map(|()| ProjectId::generate());
    let mut model = [Vec::new(), Vec::new()];
    for n in 0..150_u64 {
        let which = usize::try_from(steps.next(2))?;
        let (id, list) = (topics[which], &mut model[which]);
        match steps.next(8) {
            0 => drop(world.store.rotate(Topic::Project(id), at(2)).await?),
            1..=4 => {
                let text = format!("{n}\n{}", "y".repeat(usize::try_from(steps.next(300))?));
                list.push(text.clone());
                assert_eq!(append(&world, id, &text).await?, list.len() as u64);
            }
            _ => {
                let (after, limit) = (steps.next(list.len() as u64 + 2), steps.next(9) + 1);
                compare(&world, id, list, after, limit).await?;
            }
        }
    }
    Ok(())
}

async fn compare(world: &World, id: ProjectId, list: &[String], after: u64, limit: u64) -> Outcome {
    let page = world.store.read_events(Topic::Project(id), after, usize::try_from(limit)?).await?;
    let expected = (after + 1..=list.len() as u64).take(usize::try_from(limit)?);
    assert!(page.events.iter().map(|event| event.seq).eq(expected), "after {after}: {page:?}");
    for event in &page.events {
        let text = serde_json::to_string(&list[usize::try_from(event.seq - 1)?])?;
        assert!(event.body.contains(&text), "{} lacks {text}", event.body);
    }
    assert!(page.gaps.is_empty() && page.more == (after + limit < list.len() as u64));
    Ok(())
}
