//! The audit log: what is in it, and that no change of it stays unnoticed.

use afield_proto::OrgId;
use afield_proto::agent::AgentKind;
use afield_proto::approval::{Answer, ApprovalState};
use afield_proto::audit::Audited;
use afield_proto::command::OutcomeKind;
use afield_proto::{ApprovalId, DeviceId};

use super::world::{asks, finished, started};
use super::{Outcome, Place, World, at};
use crate::Checkpoint;

async fn guess(world: &World, number: usize) -> Outcome {
    let what = Audited::LimitHit { limit: format!("l{number}"), address: None };
    Ok(world.store.record_audit(world.org, None, what, at(9)).await?)
}

/// Work and approvals are in it, with the hash of what was approved.
pub async fn the_audit_log_tells_what_was_done(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/home/me/a").await?;
    let attempt = world.leased(project.id).await?;
    let approval = ApprovalId::generate();
    world.apply(attempt, 1, vec![started(), asks(approval)]).await?;
    let answer: Answer = serde_json::from_str(r#"{"behavior": "allow"}"#)?;
    world.store.answer_approval(world.org, approval, world.phone, &answer, at(16)).await?;
    let before = world.store.verify_audit(world.org, None).await?.entries;
    // Nothing is written twice for what is told twice.
    world.apply(attempt, 1, vec![started(), asks(approval)]).await?;
    world.apply(attempt, 3, vec![finished(OutcomeKind::Succeeded)]).await?;
    let found = world.store.audit_entries(world.org, None, 3).await?;
    assert_eq!(found.last().map(|last| last.entry.number), Some(before + 1));
    let said: Vec<_> = found.into_iter().map(|found| (found.entry.by, found.entry.what)).collect();
    let (command_id, runner_id) = (attempt.command_id, world.runner);
    let (project_id, agent) = (project.id, AgentKind::Claude);
    let expected = [
        (
            Some(world.phone),
            Audited::WorkStarted { command_id, project_id, runner_id, attempt: 1, agent },
        ),
        (
            Some(world.phone),
            Audited::ApprovalAnswered {
                approval_id: approval,
                command_id,
                state: ApprovalState::Allowed,
                tool: "Bash".into(),
                // Of {"command": "ls  -l"}, byte by byte.
                input_sha256: crate::audit::sha256_hex(br#"{"command": "ls  -l"}"#),
                one_tap: false,
                rules: Vec::new(),
            },
        ),
        (
            None,
            Audited::WorkEnded {
                command_id,
                attempt: 1,
                outcome: OutcomeKind::Succeeded,
                killed: 0,
            },
        ),
    ];
    assert_eq!(said, expected);
    Ok(())
}

/// The log goes in pages; each org has its own.
pub async fn the_audit_log_goes_in_pages(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let first = world.store.verify_audit(world.org, None).await?;
    for number in 0..5 {
        guess(&world, number).await?;
    }
    let numbers = |records: Vec<afield_proto::audit::AuditRecord>| -> Vec<u64> {
        records.into_iter().map(|record| record.entry.number).collect()
    };
    let newest = world.store.audit_entries(world.org, None, 2).await?;
    assert_eq!(numbers(newest), [first.entries + 4, first.entries + 5]);
    let before = world.store.audit_entries(world.org, Some(first.entries + 4), 2).await?;
    assert_eq!(numbers(before), [first.entries + 2, first.entries + 3]);
    let other = OrgId::generate();
    assert!(world.store.audit_entries(other, None, 9).await?.is_empty());
    assert_eq!(world.store.verify_audit(other, None).await?.broken, None);
    Ok(())
}

/// A refused operation leaves nothing in it, and the chain stays whole under many writers.
pub async fn the_audit_chain_is_whole_under_many_writers(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let before = world.store.verify_audit(world.org, None).await?;
    let writers = (0..20).map(|number| guess(&world, number));
    let refused =
        world.store.revoke_device(world.org, DeviceId::generate(), world.phone, false, at(1));
    let (written, refused) = futures::join!(futures::future::join_all(writers), refused);
    written.into_iter().collect::<Outcome>()?;
    assert!(refused.is_err());
    let after = world.store.verify_audit(world.org, None).await?;
    assert_eq!((after.entries, after.broken), (before.entries + 20, None));
    Ok(())
}

/// Changing, removing, swapping and cutting off are all found.
pub async fn tampering_with_the_audit_log_is_found(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    for number in 0..6 {
        guess(&world, number).await?;
    }
    let whole = world.store.verify_audit(world.org, None).await?;
    assert_eq!(whole.broken, None);
    let last = whole.entries;
    let noted = Some(Checkpoint { number: last, hash: whole.hash.clone() });
    assert_eq!(world.store.verify_audit(world.org, noted.clone()).await?.broken, None);
    let third = last - 3;
    for (sql, undo, says) in [
        (
            format!("UPDATE audit SET body = REPLACE(body, '\"l', '\"m') WHERE number = {third}"),
            format!("UPDATE audit SET body = REPLACE(body, '\"m', '\"l') WHERE number = {third}"),
            format!("entry {third} was changed"),
        ),
        (
            format!("UPDATE audit SET number = 1000000 WHERE number = {third}"),
            format!("UPDATE audit SET number = {third} WHERE number = 1000000"),
            format!("entry {third} is missing"),
        ),
        (
            format!("UPDATE audit SET number = {last} + 1 WHERE number = {last}"),
            format!("UPDATE audit SET number = {last} WHERE number = {last} + 1"),
            format!("entry {last} is missing"),
        ),
        (
            format!(
                "UPDATE audit SET number = -number WHERE number IN ({third}, {third} + 1); \
                 UPDATE audit SET number = 2 * {third} + 1 + number WHERE number < 0"
            ),
            format!(
                "UPDATE audit SET number = -number WHERE number IN ({third}, {third} + 1); \
                 UPDATE audit SET number = 2 * {third} + 1 + number WHERE number < 0"
            ),
            format!("entry {third} was changed"),
        ),
    ] {
        if sql.contains("-number") {
            unlocked(&place, &world).await?;
        }
        place.raw(&world.store, &sql, &sql).await?;
        let found = world.store.verify_audit(world.org, None).await?;
        assert_eq!(found.broken, Some(says), "{sql}");
        place.raw(&world.store, &undo, &undo).await?;
        assert_eq!(world.store.verify_audit(world.org, None).await?.broken, None, "{undo}");
    }
    let cut = format!("DELETE FROM audit WHERE number = {last}");
    place.raw(&world.store, &cut, &cut).await?;
    let found = world.store.verify_audit(world.org, None).await?;
    assert!(found.broken.is_some_and(|broken| broken.contains("cut off")));
    // Also by somebody who moves the end: what was noted down elsewhere tells.
    let moved = format!(
        "UPDATE audit_heads SET number = {last} - 1, hash = (SELECT hash FROM audit \
         WHERE number = {last} - 1)"
    );
    place.raw(&world.store, &moved, &moved).await?;
    assert_eq!(world.store.verify_audit(world.org, None).await?.broken, None);
    assert!(world.store.verify_audit(world.org, noted).await?.broken.is_some());
    Ok(())
}

/// Lets numbers be negative for a moment where the database checks them.
async fn unlocked(place: &Place, world: &World) -> Outcome {
    let sqlite = "PRAGMA ignore_check_constraints = ON";
    let postgres = "ALTER TABLE audit DROP CONSTRAINT audit_numbered";
    Ok(place.raw(&world.store, sqlite, postgres).await?)
}
