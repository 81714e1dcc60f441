//! Projects: places, limits, life.

use afield_proto::project::{ProjectSettings, ProjectState};
use afield_proto::{OrgId, Topic};
use futures::future::join_all;

use super::world::assert_refused;
use super::{Outcome, Place, World, at};
use crate::Refusal;

/// Neither twice, nor inside, nor around; letter case as the runner folds it.
pub async fn projects_do_not_nest(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let first = world.project("/home/me/app").await?;
    assert_refused!(
        world.project("/home/me/APP/").await,
        Refusal::ProjectExists { project_id, path } if project_id == first.id && path == "/home/me/app"
    );
    for path in ["/home/me/app/web", "/home/me", "/"] {
        assert_refused!(
            world.project(path).await,
            Refusal::ProjectNested { project_id, .. } if project_id == first.id
        );
    }
    world.project("/home/me/apple").await?;
    let mut foreign = world.new_project("/x");
    foreign.runner_id = world.phone;
    assert_refused!(world.store.create_project(foreign, 100, at(1)).await, Refusal::DeviceNotFound);
    Ok(())
}

/// The limit counts live projects.
pub async fn projects_are_limited(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let first = world.project("/a").await?;
    world.project("/b").await?;
    let third = || world.store.create_project(world.new_project("/c"), 2, at(2));
    assert_refused!(third().await, Refusal::ProjectLimit { limit: 2 });
    world.store.delete_project(world.org, first.id, at(3)).await?;
    third().await?;
    Ok(())
}

/// Made, changed, forgotten; told to those who follow it and to the org.
pub async fn a_project_lives_and_goes(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let made = world.project("/a").await?;
    assert_eq!((made.state, made.session_id), (ProjectState::Idle, None));
    assert_eq!(world.store.project(world.org, made.id).await?, made);
    let settings = ProjectSettings { name: Some("App".into()), ..ProjectSettings::default() };
    let changed = world.store.update_project(world.org, made.id, settings.clone(), at(2)).await?;
    assert_eq!((&changed.settings, changed.last_active), (&settings, at(2)));
    let (found, key) = world.store.project_place(world.org, made.id).await?;
    assert_eq!((found, key.as_str()), (changed.clone(), "/a"));
    assert_eq!(world.store.projects(world.org).await?, [changed]);
    let session = world.store.new_session(world.org, made.id, at(3)).await?;
    assert_eq!(world.store.project(world.org, made.id).await?.session_id, Some(session));
    let foreign = world.store.project(OrgId::generate(), made.id).await;
    assert_refused!(foreign, Refusal::ProjectNotFound);
    world.store.delete_project(world.org, made.id, at(4)).await?;
    assert_refused!(world.store.project(world.org, made.id).await, Refusal::ProjectNotFound);
    assert_refused!(
        world.store.delete_project(world.org, made.id, at(4)).await,
        Refusal::ProjectNotFound
    );
    let own = ["project_state", "project_update", "session_reset", "project_deleted"];
    assert_eq!(world.told(Topic::Project(made.id)).await?, own);
    let orgs = ["project_state", "project_update", "project_deleted"];
    let told = world.told(Topic::Org(world.org)).await?;
    assert_eq!(told[2..], orgs, "after its devices");
    world.project("/a").await?;
    Ok(())
}

/// Of projects made at the same time inside one another, one is made.
pub async fn concurrent_projects_do_not_nest(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let paths: Vec<_> = (1..=8).map(|depth| "/n".repeat(depth)).collect();
    let made = join_all(paths.iter().map(|path| world.project(path))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
    Ok(())
}
