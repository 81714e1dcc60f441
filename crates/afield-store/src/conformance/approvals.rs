//! Approvals: one answer counts, and nobody is left asking.

use std::collections::BTreeMap;

use afield_proto::approval::{
    Answer, ApprovalState, Behavior, DangerLevel, PermissionRule, RuleDestination,
};
use afield_proto::audit::Audited;
use afield_proto::command::OutcomeKind;
use afield_proto::runner::Record;
use afield_proto::{ApprovalId, OrgId, Topic};
use futures::future::join_all;
use serde_json::value::RawValue;

use super::world::{asks, assert_refused, finished, started};
use super::{Outcome, Place, World, at};
use crate::{OneTapToken, Refusal};

fn answer(behavior: Behavior) -> Answer {
    let answers = BTreeMap::from([("which?".to_owned(), "that".to_owned())]);
    Answer { answers: Some(answers), ..Answer::plain(behavior) }
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

/// An answer's rules are of what was asked, and the audit log says which they are.
pub async fn rules_are_checked_and_told(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let id = ApprovalId::generate();
    world.apply(attempt, 1, vec![started(), asks(id)]).await?;
    let rule = |tool: &str| {
        let (tool, content) = (tool.to_owned(), Some("ls *".to_owned()));
        PermissionRule { tool, content, destination: RuleDestination::LocalSettings }
    };
    let with = |tool| Answer { rules: vec![rule(tool)], ..Answer::plain(Behavior::Allow) };
    let world = &world;
    let answer = |tool| {
        let answer = with(tool);
        async move { world.store.answer_approval(world.org, id, world.phone, &answer, at(5)).await }
    };
    assert_refused!(answer("Write").await, Refusal::AnswerRefused { .. });
    let answered = answer("Bash").await?;
    assert_eq!(answered.approval.answer, Some(with("Bash")));
    let told = world.store.audit_entries(world.org, None, 100).await?;
    let rules = told.into_iter().find_map(|record| match record.entry.what {
        Audited::ApprovalAnswered { rules, .. } => Some(rules),
        _ => None,
    });
    assert_eq!(rules, Some(vec![rule("Bash")]));
    let [again] = &world.store.answers_to_deliver(world.org, world.runner).await?[..] else {
        return Err("it is told again".into());
    };
    assert_eq!(again.answer, with("Bash"));
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

fn token(world: &World, approval: ApprovalId, byte: u8) -> OneTapToken {
    let (org, device) = (world.org, world.phone);
    OneTapToken { hash: [byte; 32], approval, org, device, expires_at: at(100) }
}

/// A question about a shell line.
fn asks_to_run(approval_id: ApprovalId, line: &str) -> Record {
    let Record::Asked { at, mut ask } = asks(approval_id) else { unreachable!("it asks") };
    let input = serde_json::json!({ "command": line }).to_string();
    ask.input = RawValue::from_string(input).expect("it is JSON");
    Record::Asked { at, ask }
}

/// A token shows and answers its approval until somebody has; a destructive yes must be meant.
pub async fn a_token_answers_one_approval_once(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let (harmless, other) = (ApprovalId::generate(), ApprovalId::generate());
    let records = vec![started(), asks(harmless), asks_to_run(other, "rm -rf /home")];
    world.apply(attempt, 1, records).await?;
    let store = &world.store;
    store.new_one_tap(token(&world, harmless, 1), at(5)).await?;
    store.new_one_tap(token(&world, other, 2), at(5)).await?;
    let shown = store.show_one_tap([1; 32], at(6)).await?;
    assert_eq!((shown.ask.approval_id, shown.state), (harmless, ApprovalState::Open));
    let answered = store.answer_one_tap([1; 32], Behavior::Allow, false, at(7)).await?;
    assert_eq!((answered.approval.resolved_by, answered.attempt), (Some(world.phone), attempt));
    assert_eq!(answered.approval.answer, Some(Answer::plain(Behavior::Allow)));
    let again = store.answer_one_tap([1; 32], Behavior::Deny, true, at(8)).await;
    assert_refused!(again, Refusal::ApprovalResolved { .. });
    assert_refused!(store.show_one_tap([1; 32], at(8)).await, Refusal::ApprovalResolved { .. });
    let unmeant = store.answer_one_tap([2; 32], Behavior::Allow, false, at(8)).await;
    assert_refused!(unmeant, Refusal::NotConfirmed { danger } if danger.reasons.len() == 1);
    let meant = store.answer_one_tap([2; 32], Behavior::Allow, true, at(9)).await?;
    assert_eq!(meant.approval.state, ApprovalState::Allowed);
    let audited = store.audit_entries(world.org, None, 9).await?;
    let one_taps = audited
        .iter()
        .filter(|it| matches!(it.entry.what, Audited::ApprovalAnswered { one_tap: true, .. }));
    assert_eq!(one_taps.count(), 2);
    Ok(())
}

/// It ends with its time, and is worth no more than its device may do when it is used.
pub async fn a_token_is_worth_what_its_device_is(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let id = ApprovalId::generate();
    world.apply(attempt, 1, vec![started(), asks(id)]).await?;
    let store = &world.store;
    store.new_one_tap(token(&world, id, 1), at(5)).await?;
    let use_it = |hash: [u8; 32], now| store.answer_one_tap(hash, Behavior::Allow, true, at(now));
    assert_refused!(use_it([9; 32], 6).await, Refusal::TokenUnknown);
    assert_refused!(use_it([1; 32], 100).await, Refusal::TokenUnknown);
    let (org, phone, runner) = (world.org, world.phone, world.runner);
    store.set_device_scopes(org, phone, runner, None, "view,prompt".parse()?, at(7)).await?;
    assert_refused!(use_it([1; 32], 8).await, Refusal::TokenUnknown);
    store.set_device_scopes(org, phone, runner, None, "approve".parse()?, at(9)).await?;
    assert!(store.show_one_tap([1; 32], at(10)).await.is_ok());
    store.revoke_device(org, phone, runner, false, at(11)).await?;
    assert_refused!(use_it([1; 32], 12).await, Refusal::TokenUnknown);
    let foreign = OneTapToken { org: OrgId::generate(), ..token(&world, id, 3) };
    store.new_one_tap(foreign, at(12)).await?;
    assert_refused!(use_it([3; 32], 13).await, Refusal::TokenUnknown);
    Ok(())
}
