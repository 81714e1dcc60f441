//! Approvals: one answer counts, and nobody is left asking.

use std::collections::BTreeMap;

use afield_proto::approval::{Answer, ApprovalState, Behavior, DangerLevel};
use afield_proto::command::OutcomeKind;
use afield_proto::runner::Record;
use afield_proto::{ApprovalId, Topic};
use futures::future::join_all;

use super::world::{asks, assert_refused, finished, started};
use super::{Outcome, Place, World, at};
use crate::Refusal;

fn answer(behavior: Behavior) -> Answer {
    let answers = BTreeMap::from([("which?".to_owned(), "that".to_owned())]);
    Answer { behavior, for_session: false, message: None, interrupt: false, answers: Some(answers) }
}

/// Of many answers at the same time, the first counts and the others see it.
pub async fn the_first_answer_counts(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let id = ApprovalId::generate();
    world.apply(attempt, 1, vec![started(), asks(id)]).await?;
    let open = world.store.approvals(world.org, Some(project.id), false).await?;
    assert_eq!(open[0].ask.input.get(), r#"{"command": "ls  -l"}"#, "exactly as it was asked");
    let danger = open[0].danger.as_ref().map(|danger| danger.level);
    assert_eq!(danger, Some(DangerLevel::Harmless));
    let (yes, no) = (answer(Behavior::Allow), answer(Behavior::Deny));
    let tell = |n: usize| {
        let chosen = if n.is_multiple_of(2) { &yes } else { &no };
        world.store.answer_approval(world.org, id, world.phone, chosen, at(5))
    };
    let results = join_all((0..6).map(tell)).await;
    let counted: Vec<_> = results.iter().flatten().collect();
    assert_eq!(counted.len(), 1);
    assert_eq!((counted[0].attempt, counted[0].runner_id), (attempt, world.runner));
    let state = counted[0].approval.state;
    for refused in results.iter().filter_map(|result| result.as_ref().err()) {
        let Some(Refusal::ApprovalResolved { approval }) = refused.refusal() else {
            return Err(format!("{refused:?}").into());
        };
        assert_eq!((approval.state, approval.resolved_by), (state, Some(world.phone)));
    }
    let missing = ApprovalId::generate();
    let refused = world.store.answer_approval(world.org, missing, world.phone, &yes, at(5)).await;
    assert_refused!(refused, Refusal::ApprovalNotFound);
    let told = world.told(Topic::Project(project.id)).await?;
    assert_eq!(told.iter().filter(|name| *name == "approval_state").count(), 2);
    Ok(())
}

/// The agent's own withdrawal and the end of the command close what is open, and only that.
pub async fn unanswered_approvals_are_withdrawn(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let [one, two, three] = [(); 3].map(|()| ApprovalId::generate());
    world.apply(attempt, 1, vec![started(), asks(one), asks(two), asks(three)]).await?;
    world
        .store
        .answer_approval(world.org, one, world.phone, &answer(Behavior::Deny), at(5))
        .await?;
    let withdrawn = [one, two].map(|approval_id| Record::Withdrawn { at: at(6), approval_id });
    world.apply(attempt, 5, withdrawn.to_vec()).await?;
    let open = world.store.approvals(world.org, None, false).await?;
    assert_eq!(open.iter().map(|open| open.ask.approval_id).collect::<Vec<_>>(), [three]);
    world.apply(attempt, 7, vec![finished(OutcomeKind::Failed)]).await?;
    let all = world.store.approvals(world.org, Some(project.id), true).await?;
    let states: Vec<_> = all.iter().map(|approval| approval.state).collect();
    let expected = [ApprovalState::Denied, ApprovalState::Withdrawn, ApprovalState::Withdrawn];
    assert_eq!(states, expected);
    let yes = answer(Behavior::Allow);
    let late = world.store.answer_approval(world.org, three, world.phone, &yes, at(9)).await;
    assert_refused!(late, Refusal::ApprovalResolved { .. });
    Ok(())
}

/// An answer is told again until its command is over.
pub async fn answers_are_delivered_again(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let id = ApprovalId::generate();
    world.apply(attempt, 1, vec![started(), asks(id)]).await?;
    let deliver = || world.store.answers_to_deliver(world.org, world.runner);
    assert!(deliver().await?.is_empty());
    let said = answer(Behavior::Allow);
    world.store.answer_approval(world.org, id, world.phone, &said, at(5)).await?;
    let waiting = deliver().await?;
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].attempt, waiting[0].approval_id), (attempt, id));
    assert_eq!(waiting[0].answer, said);
    world.apply(attempt, 3, vec![finished(OutcomeKind::Succeeded)]).await?;
    assert!(deliver().await?.is_empty());
    Ok(())
}
