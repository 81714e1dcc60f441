//! A database that fails: nothing is acknowledged any more, and the process can learn of it.

use afield_proto::fact::Fact;
use afield_proto::{ProjectId, Topic};
use afield_store::conformance::{Place, World, at, note};
use afield_store::{Error, Location};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new(Location::Sqlite(directory.path().join("afield.db")));
    let world = World::open(&place).await.unwrap();
    let id = ProjectId::generate();
    let append = async |text: &str| {
        let fact = Fact::AgentMessage(note(text));
        world.store.append_event(world.org, Topic::Project(id), &fact, Some(id), at(1)).await
    };
    append("before").await.unwrap();
    place.raw(&world.store, "PRAGMA max_page_count = 1", "").await.unwrap();
    let large = "x".repeat(1024 * 1024);
    assert!(matches!(append(&large).await, Err(Error::Broken { .. })));
    assert!(world.store.broken().await.contains("full"));
    assert!(matches!(append("after").await, Err(Error::Broken { .. })), "nothing more is taken");
    let kept = world.events(Topic::Project(id)).await.unwrap();
    assert_eq!(kept.iter().map(|event| event.seq).collect::<Vec<_>>(), [1]);
    world.store.close().await;
    let again = World::open(&place).await.unwrap();
    assert_eq!(again.store.topic_head(Topic::Project(id)).await.unwrap().last, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_store_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new(Location::Sqlite(directory.path().join("afield.db")));
    let world = World::open(&place).await.unwrap();
    world.store.close().await;
    assert!(matches!(world.store.probe_write(at(1)).await, Err(Error::Database { .. })));
    assert!(matches!(world.store.projects(world.org).await, Err(Error::Database { .. })));
}
