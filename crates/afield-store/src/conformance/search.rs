//! A search through many projects: newest first, over pages and segments, bounded, tenancy.

use afield_proto::agent::MessageKind;
use afield_proto::fact::Fact;
use afield_proto::wire::FoundMessage;
use afield_proto::{OrgId, ProjectId, Topic};

use super::world::assert_refused;
use super::{Outcome, Place, World, at, note};
use crate::{Error, MessageSearch, Refusal, SearchPage};

fn query(world: &World) -> MessageSearch {
    MessageSearch {
        org: world.org,
        project_ids: None,
        text: Some("NEEDLE".into()),
        kind: None,
        direction: None,
        cursor: None,
        limit: 100,
        looked_bytes_max: usize::MAX,
    }
}

async fn say(world: &World, id: ProjectId, text: &str, minute: i64) -> Result<(), Error> {
    let fact = Fact::AgentMessage(note(text));
    let topic = Topic::Project(id);
    world.store.append_event(world.org, topic, &fact, Some(id), at(minute * 60_000)).await?;
    Ok(())
}

type Found = Vec<(ProjectId, String)>;

fn read(page: &SearchPage) -> Result<Found, serde_json::Error> {
    let read = |raw: &serde_json::value::RawValue| {
        let found: FoundMessage = serde_json::from_str(raw.get())?;
        Ok((found.project_id, found.message.message.text.unwrap_or_default()))
    };
    page.messages.iter().map(|raw| read(raw)).collect()
}

/// Three projects that spoke in turn, parts of it in segments; what a search finds.
async fn filled(world: &World) -> Result<Found, Box<dyn std::error::Error>> {
    let mut found = Vec::new();
    let ids = [
        world.project("/a").await?.id,
        world.project("/b").await?.id,
        world.project("/c").await?.id,
    ];
    for minute in 0..60 {
        let id = ids[usize::try_from(minute * 7 % 3)?];
        if minute % 5 == 0 {
            let text = format!("a needle, minute {minute}");
            say(world, id, &text, minute).await?;
            found.insert(0, (id, text));
        } else {
            say(world, id, "hay", minute).await?;
        }
        if minute == 20 || minute == 40 {
            world.store.rotate(Topic::Project(id), at(minute * 60_000)).await?;
        }
    }
    Ok(found)
}

/// Every message once, the newest first, however the pages are cut.
pub async fn a_search_goes_through_all_projects(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let expected = filled(&world).await?;
    let whole = world.store.search_messages(query(&world)).await?;
    assert_eq!(read(&whole)?, expected);
    assert_eq!((whole.cursor, whole.reached), (None, None));
    for (limit, looked_bytes_max) in [(1, usize::MAX), (3, usize::MAX), (100, 1), (2, 1)] {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let asked = MessageSearch { limit, looked_bytes_max, cursor, ..query(&world) };
            let page = world.store.search_messages(asked).await?;
            assert!(page.messages.len() <= limit);
            assert!(found.is_empty() || page.cursor.is_none() || page.reached.is_some());
            found.extend(read(&page)?);
            let Some(next) = page.cursor else { break };
            cursor = Some(next.to_string().parse()?);
            // What is said meanwhile is newer than the search.
            say(&world, expected[0].0, "another needle", 90).await?;
        }
        assert_eq!(found.iter().filter(|(_, text)| text != "another needle").count(), 12);
        found.retain(|(_, text)| text != "another needle");
        assert_eq!(found, expected, "pages of {limit}, {looked_bytes_max} bytes at once");
    }
    Ok(())
}

/// Projects, kinds; what can't be read is said; nobody else's.
pub async fn a_search_is_narrowed_and_stays_in_its_org(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let expected = filled(&world).await?;
    let one = expected[0].0;
    let only = MessageSearch { project_ids: Some(vec![one]), ..query(&world) };
    let found = read(&world.store.search_messages(only).await?)?;
    let of_one: Found = expected.iter().filter(|(id, _)| *id == one).cloned().collect();
    assert!(!of_one.is_empty());
    assert_eq!(found, of_one);
    let thoughts = MessageSearch { kind: Some(MessageKind::Thinking), ..query(&world) };
    assert!(world.store.search_messages(thoughts).await?.messages.is_empty());
    let foreign = MessageSearch { org: OrgId::generate(), ..query(&world) };
    let page = world.store.search_messages(foreign.clone()).await?;
    assert!(page.messages.is_empty() && page.cursor.is_none());
    let named = MessageSearch { project_ids: Some(vec![one]), ..foreign };
    assert_refused!(world.store.search_messages(named).await, Refusal::ProjectNotFound);
    let broken = "UPDATE segments SET body = x'00'";
    place.raw(&world.store, broken, "UPDATE segments SET body = '\\x00'::bytea").await?;
    let page = world.store.search_messages(query(&world)).await?;
    assert!(!page.gaps.is_empty() && page.messages.len() < expected.len(), "{:?}", page.gaps);
    world.store.delete_project(world.org, one, at(5)).await?;
    let page = world.store.search_messages(query(&world)).await?;
    assert!(read(&page)?.iter().all(|(id, _)| *id != one));
    Ok(())
}
