//! History: pages in both directions, filters, tenancy.

use afield_proto::agent::{Direction, MessageKind};
use afield_proto::wire::HistoryMessage;
use afield_proto::{OrgId, ProjectId, Topic};

use afield_proto::command::OutcomeKind;

use super::world::{assert_refused, finished, says, started};
use super::{Outcome, Place, World, at, note};
use crate::{MessagePage, MessageQuery, Refusal};

pub(super) fn query(world: &World, project_id: ProjectId) -> MessageQuery {
    MessageQuery {
        org: world.org,
        project_id,
        since: None,
        after: None,
        before: None,
        limit: 100,
        direction: None,
        kind: None,
        text: None,
    }
}

pub(super) fn read(page: &MessagePage) -> Result<Vec<(u64, String)>, serde_json::Error> {
    let mut messages = Vec::new();
    for raw in &page.messages {
        let HistoryMessage { seq, message } = serde_json::from_str(raw.get())?;
        messages.push((seq, message.text.unwrap_or_default()));
    }
    Ok(messages)
}

/// A project with the prompt at 2 and messages n0… from 7 on, the first of them in segments.
async fn filled(world: &World) -> Result<ProjectId, Box<dyn std::error::Error>> {
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let batch = |from: u64, to: u64| (from..to).map(|n| says(&format!("n{n}"))).collect::<Vec<_>>();
    world.apply(attempt, 1, vec![started()]).await?;
    world.apply(attempt, 2, batch(0, 40)).await?;
    world.store.rotate(Topic::Project(project.id), at(5)).await?;
    world.apply(attempt, 42, batch(40, 60)).await?;
    world.store.rotate(Topic::Project(project.id), at(5)).await?;
    world.apply(attempt, 62, batch(60, 80)).await?;
    world.apply(attempt, 82, batch(80, 90)).await?;
    Ok(project.id)
}

/// Every message once, whichever way one turns the pages.
pub async fn history_goes_both_ways_across_segments(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let id = filled(&world).await?;
    let all = world.store.messages(MessageQuery { limit: 1000, ..query(&world, id) }).await?;
    let all_read = read(&all)?;
    assert_eq!(all_read.len(), 91);
    assert_eq!((all_read[0].0, all_read[1].clone()), (3, (7, "n0".to_owned())));
    assert_eq!((all.seq, all.more, all_read[90].0), (96, false, 96));
    let (mut forwards, mut after) = (Vec::new(), 0);
    loop {
        let asked = MessageQuery { after: Some(after), limit: 13, ..query(&world, id) };
        let page = world.store.messages(asked).await?;
        forwards.extend(read(&page)?);
        after = forwards.last().map_or(after, |(seq, _)| *seq);
        if !page.more {
            break;
        }
    }
    assert_eq!(forwards, all_read);
    let (mut backwards, mut before) = (Vec::new(), None);
    loop {
        let page =
            world.store.messages(MessageQuery { before, limit: 13, ..query(&world, id) }).await?;
        let mut read = read(&page)?;
        before = read.first().map(|(seq, _)| *seq);
        read.append(&mut backwards);
        backwards = read;
        if !page.more {
            break;
        }
    }
    assert_eq!(backwards, all_read);
    let between = MessageQuery { after: Some(10), before: Some(14), ..query(&world, id) };
    let seqs: Vec<_> =
        read(&world.store.messages(between).await?)?.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [11, 12, 13]);
    Ok(())
}

/// Direction, kind, words and time.
pub async fn history_is_filtered(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let id = filled(&world).await?;
    let mut late = note("Ünder the TREE");
    late.timestamp = at(5000);
    late.kind = MessageKind::Thinking;
    let fact = afield_proto::fact::Fact::AgentMessage(late);
    world.store.append_event(world.org, Topic::Project(id), &fact, Some(id), at(6)).await?;
    let asked = |change: fn(&mut MessageQuery)| {
        let mut query = query(&world, id);
        change(&mut query);
        let store = &world.store;
        async move { Ok::<_, Box<dyn std::error::Error>>(read(&store.messages(query).await?)?) }
    };
    let prompts = asked(|query| query.direction = Some(Direction::Client)).await?;
    assert_eq!(prompts, [(3, "do it".to_owned())]);
    let thinking = asked(|query| query.kind = Some(MessageKind::Thinking)).await?;
    assert_eq!(thinking.len(), 1);
    assert_eq!(asked(|query| query.text = Some("ÜNDER the tr".into())).await?, thinking);
    assert_eq!(asked(|query| query.since = Some(at(5000))).await?, thinking);
    let found = asked(|query| query.text = Some("N7".into())).await?;
    assert_eq!(found.len(), 11, "n7 and n70 to n79: {found:?}");
    assert!(asked(|query| query.text = Some("nowhere".into())).await?.is_empty());
    Ok(())
}

/// Another org sees nothing; a deleted project's history stays.
pub async fn history_belongs_to_its_org(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let foreign = MessageQuery { org: OrgId::generate(), ..query(&world, project.id) };
    assert_refused!(world.store.messages(foreign).await, Refusal::ProjectNotFound);
    world.apply(attempt, 1, vec![started(), finished(OutcomeKind::Succeeded)]).await?;
    world.store.delete_project(world.org, project.id, at(4)).await?;
    assert_eq!(world.store.messages(query(&world, project.id)).await?.messages.len(), 1);
    Ok(())
}
