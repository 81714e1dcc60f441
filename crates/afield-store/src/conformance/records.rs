//! Records: applied once, in order, by the right runner, and what they lead to.

use afield_proto::agent::MessageKind;
use afield_proto::command::{CommandState, Outcome as Ended, OutcomeKind};
use afield_proto::device::Scopes;
use afield_proto::output::{OutputLines, OutputStream};
use afield_proto::project::ProjectState;
use afield_proto::queue::Resolution;
use afield_proto::runner::{Attempt, AttemptReport, KilledProcess, Record, RunnerRecords};
use afield_proto::wire::HistoryMessage;
use afield_proto::{ApprovalId, CommandId, Topic};

use super::history::query;
use super::lanes::check_lanes;
use super::world::{asks, assert_refused, finished, says, started};
use super::{Outcome, Place, World, at, note};
use crate::{MessageQuery, Refusal};

/// The whole life of a command, with batches that repeat and overlap.
pub async fn records_are_applied_once(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let mut partial = note("part");
    partial.kind = afield_proto::agent::MessageKind::Partial;
    let native = Record::NativeSession { native_id: "native-1".into() };
    let first = vec![started(), native, says("one"), Record::Message(partial)];
    let applied = world.apply(attempt, 1, first.clone()).await?;
    assert_eq!((applied.acknowledged.last_record, applied.new_records), (4, 4));
    assert!(applied.executing_changed && !applied.acknowledged.closed);
    let executing = world.store.project(world.org, project.id).await?;
    assert_eq!(executing.state, ProjectState::Executing);
    let applied = world.apply(attempt, 1, first).await?;
    assert_eq!((applied.acknowledged.last_record, applied.new_records), (4, 0));
    let applied = world.apply(attempt, 4, vec![says("skipped"), says("two")]).await?;
    assert_eq!((applied.acknowledged.last_record, applied.new_records), (5, 1));
    assert!(!applied.executing_changed);
    let applied = world.apply(attempt, 6, vec![finished(OutcomeKind::Succeeded)]).await?;
    assert!(applied.executing_changed && applied.acknowledged.closed);
    let over = world.store.command(world.org, attempt.command_id).await?;
    assert_eq!(
        (over.state, over.started_at, over.finished_at),
        (CommandState::Succeeded, Some(at(10)), Some(at(20)))
    );
    let idle = world.store.project(world.org, project.id).await?;
    assert_eq!((idle.state, idle.command_id), (ProjectState::Idle, None));
    let expected = [
        "project_state",
        "command_state",
        "agent_message",
        "command_state",
        "command_state",
        "project_state",
        "agent_message",
        "agent_message",
        "command_state",
        "project_state",
    ];
    assert_eq!(world.told(Topic::Project(project.id)).await?, expected);
    let orgs = ["project_state", "project_state", "project_state"];
    let told = world.told(Topic::Org(world.org)).await?;
    assert_eq!(told[2..], orgs, "after its devices");
    world.submit(project.id, "more").await?;
    assert_eq!(world.lease().await?.native_session.as_deref(), Some("native-1"));
    Ok(())
}

/// Every line of a program is a message of its own, however many come in one record.
pub async fn lines_become_messages(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let texts: Vec<_> = (0..600).map(|n| format!("line \"{n}\"\n{}", "é".repeat(n))).collect();
    let record = |stream, texts: &[String]| {
        let mut lines = OutputLines::default();
        texts.iter().for_each(|text| lines.push(text));
        Record::Output { at: at(12), stream, lines }
    };
    let records = vec![
        started(),
        record(OutputStream::Stdout, &texts),
        record(OutputStream::Stdout, &[]),
        says("between"),
        record(OutputStream::Stderr, &texts[..1]),
    ];
    let before = world.store.topic_head(Topic::Project(project.id)).await?.last;
    assert_eq!(world.apply(attempt, 1, records.clone()).await?.acknowledged.last_record, 5);
    assert_eq!(world.apply(attempt, 1, records).await?.new_records, 0);
    // The start is told twice: of the command and of the project.
    let head = world.store.topic_head(Topic::Project(project.id)).await?;
    assert_eq!(head.last, before + 2 + 602);
    let of = |kind| MessageQuery { kind: Some(kind), limit: 1000, ..query(&world, project.id) };
    let page = world.store.messages(of(MessageKind::Stdout)).await?;
    let read = page.messages.iter().map(|message| serde_json::from_str(message.get()));
    let read = read.collect::<Result<Vec<HistoryMessage>, _>>()?;
    assert_eq!(read.iter().filter_map(|m| m.message.text.clone()).collect::<Vec<_>>(), texts);
    assert!(read.iter().all(|m| m.message.command_id == Some(attempt.command_id)));
    let errors = world.store.messages(of(MessageKind::Stderr)).await?.messages;
    assert_eq!(errors.len(), 1);
    Ok(())
}

/// Nothing is applied of what does not fit.
pub async fn gaps_and_foreign_records_are_refused(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    assert_refused!(
        world.apply(attempt, 2, vec![says("x")]).await,
        Refusal::RecordGap { expected: 1 }
    );
    assert_refused!(
        world.apply(attempt, 1, vec![says("too early")]).await,
        Refusal::RecordIllegal { number: 1, .. }
    );
    let records = RunnerRecords::new(attempt, 1, vec![started()]);
    assert_refused!(
        world.store.apply_records(world.org, world.phone, records, at(4)).await,
        Refusal::CommandNotFound
    );
    let unknown = Attempt { command_id: CommandId::generate(), ..attempt };
    assert_refused!(world.apply(unknown, 1, vec![started()]).await, Refusal::CommandNotFound);
    let id = ApprovalId::generate();
    assert_refused!(
        world.apply(attempt, 1, vec![started(), asks(id), asks(id)]).await,
        Refusal::RecordIllegal { number: 3, .. }
    );
    let command = world.store.command(world.org, attempt.command_id).await?;
    assert_eq!(command.state, CommandState::Leased, "nothing of the batch was applied");
    assert_eq!(world.store.topic_head(Topic::Project(project.id)).await?.last, 4);
    Ok(())
}

/// A stop somebody asked for is told with its processes.
pub async fn a_stop_is_told_with_its_processes(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    world.apply(attempt, 1, vec![started()]).await?;
    world.store.cancel_command(world.org, attempt.command_id, world.phone, at(5)).await?;
    world.store.cancel_command(world.org, attempt.command_id, world.runner, at(6)).await?;
    let killed = vec![KilledProcess { pid: 7, name: "claude".into(), signal: "TERM".into() }];
    let end = Record::Finished { at: at(7), outcome: Ended::new(OutcomeKind::Killed), killed };
    let applied = world.apply(attempt, 2, vec![end]).await?;
    assert_eq!(applied.command.state, CommandState::Cancelled);
    let events = world.events(Topic::Project(project.id)).await?;
    let told = events.iter().find(|event| event.body.contains("process_killed"));
    let told = &told.ok_or("it was not told")?.body;
    assert!(told.contains(&world.phone.to_string()) && told.contains("\"pid\":7"), "{told}");
    let idle = world.store.project(world.org, project.id).await?;
    assert_eq!(idle.state, ProjectState::Idle);
    Ok(())
}

/// When the agent lost the conversation, the next prompt begins another.
pub async fn a_lost_session_is_replaced(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    let before = world.store.project(world.org, project.id).await?.session_id;
    let native = Record::NativeSession { native_id: "gone".into() };
    world.apply(attempt, 1, vec![started(), native, finished(OutcomeKind::SessionLost)]).await?;
    let after = world.store.project(world.org, project.id).await?;
    assert!(after.session_id.is_some() && after.session_id != before);
    assert_eq!(after.reason.as_deref(), Some("session_lost"));
    assert!(world.told(Topic::Project(project.id)).await?.contains(&"session_reset".to_owned()));
    world.submit(project.id, "again").await?;
    let order = world.lease().await?;
    assert_eq!((Some(order.session_id), order.native_session), (after.session_id, None));
    Ok(())
}

/// Words about an attempt that is over, or was never leased, change nothing and say so.
pub async fn old_and_closed_attempts_are_told_so(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?;
    let attempt = world.leased(project.id).await?;
    world.apply(attempt, 1, vec![started()]).await?;
    for fence in [0, 2] {
        let applied = world.apply(Attempt { fence, ..attempt }, 2, vec![says("x")]).await?;
        assert!(applied.acknowledged.closed && applied.new_records == 0);
        assert_eq!(applied.acknowledged.last_record, 0);
    }
    world.apply(attempt, 2, vec![finished(OutcomeKind::Failed)]).await?;
    let applied = world.apply(attempt, 3, vec![says("late")]).await?;
    assert!(applied.acknowledged.closed && applied.new_records == 0);
    assert_eq!(applied.acknowledged.last_record, 2);
    let failed = world.store.project(world.org, project.id).await?;
    assert_eq!((failed.state, failed.reason.as_deref()), (ProjectState::Error, Some("failed")));
    Ok(())
}

/// A server that was put back to an earlier state never gets what it lost again: a person decides.
pub async fn reconciling_interrupts_what_the_server_has_lost(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let [begun, given] = [world.project("/begun").await?, world.project("/given").await?];
    let begun = world.leased(begun.id).await?;
    world.apply(begun, 1, vec![started(), says("x")]).await?;
    let given = world.leased(given.id).await?;
    let report = |attempt, acknowledged| AttemptReport {
        attempt,
        last_record: 9,
        acknowledged,
        alive: true,
    };
    for (acknowledged, closed) in [([2, 0], false), ([3, 1], true)] {
        let reports = [report(begun, acknowledged[0]), report(given, acknowledged[1])];
        let answers =
            world.store.reconcile_runner(world.org, world.runner, &reports, at(8)).await?;
        assert_eq!(answers.iter().map(|answer| answer.closed).collect::<Vec<_>>(), [closed; 2]);
    }
    for attempt in [begun, given] {
        let command = world.store.command(world.org, attempt.command_id).await?;
        assert_eq!(command.state, CommandState::Interrupted);
        let why = command.outcome.and_then(|outcome| outcome.message).unwrap_or_default();
        assert!(why.contains("earlier state"), "{why}");
    }
    check_lanes(&world).await
}

/// The same of what had not gone to the runner yet in that earlier state, or not for the last time: it is not
/// started again by itself, and the next lease is one the runner takes.
pub async fn reconciling_interrupts_what_the_server_forgot_it_gave(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let [queued, leased] = [world.project("/queued").await?, world.project("/leased").await?];
    let leased = world.leased(leased.id).await?;
    let queued = world.enqueue(queued.id, "x").await?;
    let behind = world.enqueue(world.command(queued).await?.project_id, "y").await?;
    let given = |command_id| AttemptReport {
        attempt: Attempt { command_id, attempt: 3, fence: 7 },
        last_record: 9,
        acknowledged: 9,
        alive: true,
    };
    let ids = [queued, leased.command_id];
    let reports = ids.map(given);
    for _ in 0..2 {
        let answers =
            world.store.reconcile_runner(world.org, world.runner, &reports, at(8)).await?;
        assert!(answers.iter().all(|answer| answer.closed));
        for id in ids {
            let command = world.command(id).await?;
            assert_eq!(command.state, CommandState::Interrupted);
            let why = command.outcome.and_then(|outcome| outcome.message).unwrap_or_default();
            assert!(why.contains("earlier state"), "{why}");
        }
    }
    check_lanes(&world).await?;
    assert_eq!(world.given(9).await?, [behind]);
    for id in ids {
        let requeue = Resolution::Requeue;
        world
            .store
            .resolve_command(world.org, id, requeue, (world.phone, Scopes::NONE), at(9))
            .await?;
    }
    let one = world.attempts(usize::MAX, 10).await?;
    let behind = Attempt { command_id: behind, attempt: 1, fence: 1 };
    world.run(behind, OutcomeKind::Succeeded).await?;
    let other = world.attempts(usize::MAX, 10).await?;
    let fences: Vec<_> = one.iter().chain(&other).map(|attempt| attempt.fence).collect();
    assert_eq!(fences, [8, 8]);
    Ok(())
}

/// A runner that refuses an order ends the attempt, and the next lease is one it takes.
pub async fn a_refused_order_is_interrupted_and_raises_the_fence(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/p").await?;
    let mut attempt = world.leased(project.id).await?;
    for (seen, next) in [(40, 41), (2, 42), (u64::MAX, 1_000_043)] {
        let refused = RunnerRecords {
            fence_seen: Some(seen),
            ..RunnerRecords::new(attempt, 1, vec![finished(OutcomeKind::Interrupted)])
        };
        for _ in 0..2 {
            let records = refused.clone();
            let applied =
                world.store.apply_records(world.org, world.runner, records, at(5)).await?;
            assert!(applied.acknowledged.closed);
            assert_eq!(applied.command.state, CommandState::Interrupted);
        }
        let id = attempt.command_id;
        let requeue = Resolution::Requeue;
        world
            .store
            .resolve_command(world.org, id, requeue, (world.phone, Scopes::NONE), at(6))
            .await?;
        attempt = world.attempts(1, 7).await?[0];
        assert_eq!(attempt.fence, next);
    }
    check_lanes(&world).await
}

/// What began and is no longer known to its runner was interrupted; what never began is kept.
pub async fn reconciling_interrupts_what_is_gone(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let [gone, kept, waits] = [
        world.project("/gone").await?,
        world.project("/kept").await?,
        world.project("/waits").await?,
    ];
    let gone_attempt = world.leased(gone.id).await?;
    world.apply(gone_attempt, 1, vec![started(), asks(ApprovalId::generate())]).await?;
    let kept_attempt = world.leased(kept.id).await?;
    world.apply(kept_attempt, 1, vec![started(), says("x")]).await?;
    let waits_attempt = world.leased(waits.id).await?;
    let unknown = Attempt { command_id: CommandId::generate(), ..kept_attempt };
    let old = Attempt { fence: 0, ..kept_attempt };
    let reports = [kept_attempt, unknown, old].map(|attempt| AttemptReport {
        attempt,
        last_record: 9,
        acknowledged: 2,
        alive: true,
    });
    let answers = world.store.reconcile_runner(world.org, world.runner, &reports, at(8)).await?;
    let answers: Vec<_> =
        answers.iter().map(|answer| (answer.last_record, answer.closed)).collect();
    assert_eq!(answers, [(2, false), (0, true), (0, true)]);
    let interrupted = world.store.command(world.org, gone_attempt.command_id).await?;
    assert_eq!(interrupted.state, CommandState::Interrupted);
    let shown = world.store.project(world.org, gone.id).await?;
    assert_eq!((shown.state, shown.reason.as_deref()), (ProjectState::Error, Some("interrupted")));
    assert!(world.store.approvals(world.org, None, false).await?.is_empty());
    let running = world.store.command(world.org, kept_attempt.command_id).await?;
    assert_eq!(running.state, CommandState::Running);
    let waits = world.store.leased_commands(world.org, world.runner).await?;
    assert_eq!(waits[0].attempt, waits_attempt);
    Ok(())
}
