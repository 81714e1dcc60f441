//! The log against a plain list: whatever is appended, rotated, closed and opened again, reading
//! from any place gives what the list gives.

#![expect(clippy::unwrap_used, reason = "a failure of the harness fails the test")]

use afield_proto::fact::Fact;
use afield_proto::{ProjectId, Topic};
use afield_store::Location;
use afield_store::conformance::{Place, World, at, note};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Append { bytes: usize },
    Rotate,
    Reopen,
    Read { after: u64, limit: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..2000).prop_map(|bytes| Step::Append { bytes }),
        2 => Just(Step::Rotate),
        1 => Just(Step::Reopen),
        4 => (0_u64..40, 1_usize..12).prop_map(|(after, limit)| Step::Read { after, limit }),
    ]
}

async fn run(steps: Vec<Step>) {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new(Location::Sqlite(directory.path().join("afield.db")));
    let mut world = World::open(&place).await.unwrap();
    let id = ProjectId::generate();
    let topic = Topic::Project(id);
    let mut list: Vec<String> = Vec::new();
    for step in steps {
        match step {
            Step::Append { bytes } => {
                let text = format!("{} {}", list.len(), "é".repeat(bytes));
                let fact = Fact::AgentMessage(note(&text));
                let seq = world.store.append_event(world.org, topic, &fact, Some(id), at(1)).await;
                list.push(text);
                assert_eq!(seq.unwrap(), list.len() as u64);
            }
            Step::Rotate => drop(world.store.rotate(topic, at(2)).await.unwrap()),
            Step::Reopen => {
                world.store.close().await;
                world = World::open(&place).await.unwrap();
            }
            Step::Read { after, limit } => {
                let page = world.store.read_events(topic, after, limit).await.unwrap();
                let skip = usize::try_from(after).unwrap();
                let expected: Vec<_> =
                    (after + 1..).zip(list.iter().skip(skip)).take(limit).collect();
                assert!(page.gaps.is_empty());
                assert_eq!(page.events.len(), expected.len());
                for (event, (seq, text)) in page.events.iter().zip(expected) {
                    assert_eq!((event.seq, event.project_id), (seq, Some(id)));
                    assert!(event.body.contains(&format!("\"{text}\"")));
                }
            }
        }
    }
    world.store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn reads_like_a_list(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(run(steps));
    }
}
