//! Sessions: what is kept of them from records, lists, tenancy.

use afield_proto::agent::{AgentKind, MessageKind, PermissionMode};
use afield_proto::command::{CommandKind, OutcomeKind};
use afield_proto::runner::Record;
use afield_proto::session::{
    AgentSetup, ContextUse, SessionNews, SessionState, TokenUsage, TurnUsage,
};
use afield_proto::{OrgId, ProjectId, SessionId};

use super::world::{assert_refused, finished, started};
use super::{Outcome, Place, World, at, note};
use crate::{Error, Refusal, SessionFilter, SubmitCommand};

fn tells(kind: MessageKind, news: SessionNews) -> Record {
    let mut message = note("");
    (message.kind, message.news) = (kind, Some(Box::new(news)));
    Record::Message(message)
}

fn began(model: &str) -> Record {
    let setup = AgentSetup {
        model: Some(model.into()),
        permission_mode: Some(PermissionMode::Plan),
        slash_commands: vec!["compact".into(), "x".repeat(10_000)],
        ..AgentSetup::default()
    };
    tells(MessageKind::Init, SessionNews::Began(setup))
}

fn used(input_tokens: u64) -> Record {
    let usage = TokenUsage { input_tokens, cost_usd: Some(0.5), ..TokenUsage::default() };
    let context = Some(ContextUse { used_tokens: input_tokens, window_tokens: Some(100) });
    tells(MessageKind::Result, SessionNews::Ended(TurnUsage { usage, context }))
}

/// What is submitted starts at this time and ends, with these records between; its session.
async fn turn(
    world: &World,
    submit: SubmitCommand,
    time: i64,
    mut said: Vec<Record>,
) -> Result<SessionId, Box<dyn std::error::Error>> {
    world.store.submit_command(submit, at(2)).await?;
    let order = world.lease().await?;
    said.insert(0, Record::Started { at: at(time) });
    said.push(finished(OutcomeKind::Succeeded));
    world.apply(order.attempt, 1, said).await?;
    Ok(order.session_id)
}

async fn listed(world: &World, project_id: Option<ProjectId>) -> Result<Vec<SessionId>, Error> {
    let filter = SessionFilter { project_id, before: None, limit: 100 };
    Ok(world.store.sessions(world.org, filter).await?.0.into_iter().map(|one| one.id).collect())
}

/// What prompts and their agents tell about a conversation is kept.
pub async fn a_session_is_known_by_its_turns(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?.id;
    assert_eq!(listed(&world, None).await?, []);
    let prompt = |words: &str| world.prompt(project, words, None);
    let id = turn(&world, prompt("first\nwords"), 9, vec![began("small"), used(3)]).await?;
    let again = turn(&world, prompt("second"), 10, vec![began("big"), used(4)]).await?;
    assert_eq!(id, again);
    let program = SubmitCommand {
        kind: CommandKind::Shell,
        agent: AgentKind::Command,
        ..prompt("make test")
    };
    turn(&world, program, 11, Vec::new()).await?;
    let session = world.store.session(world.org, id).await?;
    assert_eq!((session.title.as_deref(), session.agent), (Some("first"), Some(AgentKind::Claude)));
    assert_eq!((session.project_id, session.state), (project, SessionState::Active));
    assert_eq!(session.last_used_at, Some(at(10)), "a program is no prompt");
    let facts = &session.facts;
    assert_eq!((facts.turns, facts.usage.input_tokens), (2, 7));
    assert_eq!((facts.usage.cost_usd, facts.model.as_deref()), (Some(1.0), Some("big")));
    assert_eq!(facts.permission_mode, Some(PermissionMode::Plan));
    assert_eq!(facts.context.map(|context| context.used_tokens), Some(4));
    let commands = session.setup.map(|setup| setup.slash_commands);
    assert_eq!(commands, Some(vec!["compact".to_owned()]), "what is too long is not kept");
    assert_refused!(world.store.session(OrgId::generate(), id).await, Refusal::SessionNotFound);
    Ok(())
}

/// The last used first, in pages, of one project or all; ended, lost, forgotten.
pub async fn sessions_are_listed(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let (one, two) = (world.project("/a").await?.id, world.project("/b").await?.id);
    let mut expected = Vec::new();
    for (time, project) in [(11, one), (12, two), (13, one)] {
        let prompt = world.prompt(project, "x", None);
        let id = turn(&world, prompt, time, Vec::new()).await?;
        world.store.new_session(world.org, project, at(5)).await?;
        expected.insert(0, id);
    }
    assert_eq!(listed(&world, None).await?, expected);
    assert_eq!(listed(&world, Some(one)).await?, [expected[0], expected[2]]);
    assert_eq!(world.store.session(world.org, expected[0]).await?.state, SessionState::Ended);
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let filter = SessionFilter { project_id: None, before, limit: 1 };
        let (page, more) = world.store.sessions(world.org, filter).await?;
        paged.extend(page.iter().map(|session| session.id));
        before = paged.last().copied();
        if !more {
            break;
        }
    }
    assert_eq!(paged, expected);
    world.store.submit_command(world.prompt(two, "gone", None), at(6)).await?;
    let order = world.lease().await?;
    let records = vec![started(), finished(OutcomeKind::SessionLost)];
    world.apply(order.attempt, 1, records).await?;
    let lost = world.store.session(world.org, order.session_id).await?;
    assert_eq!(lost.state, SessionState::Lost);
    let filter = SessionFilter { project_id: None, before: None, limit: 9 };
    assert!(world.store.sessions(OrgId::generate(), filter).await?.0.is_empty());
    world.store.delete_project(world.org, two, at(7)).await?;
    assert_eq!(listed(&world, None).await?, [expected[0], expected[2]]);
    Ok(())
}
