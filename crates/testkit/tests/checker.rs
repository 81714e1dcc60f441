//! The checker is worth what it finds: a sound run passes, and each planted fault is named.

use std::collections::BTreeMap;

use afield_proto::ProjectId;
use afield_proto::Timestamp;
use afield_proto::Topic;
use afield_proto::command::CommandState::{
    self, Cancelled, Dead, Expired, Interrupted, Leased, Queued, Running, Succeeded,
};
use afield_proto::queue::Steer;
use afield_proto::wire::{Incoming, event_frame};
use testkit::checker::{
    Evidence, FinalCommand, FinalState, Follower, Heard, Line, Seen, Start, Step, Terms, Violation,
    check,
};

const TOPIC: &str = "project:1";

fn line(mark: &str, step: Step) -> Line {
    Line { at_us: 0, unix_ms: 0, client: "a".into(), mark: mark.into(), step }
}

fn ok(id: &str) -> Step {
    Step::Ok { id: id.into() }
}

fn info() -> Step {
    Step::Info { reason: "reset".into() }
}

fn start(command: &str, attempt: u32) -> Start {
    Start { command: command.into(), attempt, pid: 1, at_ms: None }
}

fn told(seq: u64, id: &str, state: CommandState) -> Seen {
    Seen { seq, body: format!("{id} {state:?}"), command: Some((id.into(), state)) }
}

fn log() -> Vec<Seen> {
    vec![
        told(1, "c1", Queued),
        told(2, "c1", Leased),
        told(3, "c2", Queued),
        told(4, "c1", Running),
        told(5, "c1", Succeeded),
    ]
}

fn follower(name: &str, after: u64) -> Follower {
    let seen = log().into_iter().filter(|event| event.seq > after).collect();
    Follower { name: name.into(), topic: TOPIC.into(), after, head: 5, seen }
}

/// Two commands, one acknowledged and done, one whose answer was lost and which is there; a third
/// whose answer was lost and which is not; a fourth that was refused.
fn sound() -> Evidence {
    let command = FinalCommand::new;
    Evidence {
        history: vec![
            line("m1", Step::Invoke),
            line("m1", ok("c1")),
            line("m2", Step::Invoke),
            line("m2", info()),
            line("m3", Step::Invoke),
            line("m3", info()),
            line("m4", Step::Invoke),
            line("m4", Step::Fail { code: "PROCESS_ACTIVE".into() }),
        ],
        starts: vec![start("m1", 1)],
        heard: Vec::new(),
        followers: vec![follower("phone", 0), follower("late", 3)],
        end: FinalState {
            commands: vec![command("c1", "m1", Succeeded), command("c2", "m2", Queued)],
            topics: BTreeMap::from([(TOPIC.into(), log())]),
            heads: BTreeMap::from([(TOPIC.into(), 5)]),
        },
        retried: Vec::new(),
        settled: false,
    }
}

/// What the checker says about a sound run after `plant` spoilt it.
fn planted(plant: impl FnOnce(&mut Evidence)) -> Vec<Violation> {
    let mut evidence = sound();
    plant(&mut evidence);
    check(&evidence)
}

fn events(evidence: &mut Evidence) -> &mut Vec<Seen> {
    evidence.end.topics.get_mut(TOPIC).expect("the topic is there")
}

#[test]
fn a_sound_run_has_nothing_to_say() {
    assert_eq!(check(&sound()), []);
}

#[test]
fn an_acknowledged_command_that_is_gone() {
    let found = planted(|run| {
        run.history.push(line("m5", Step::Invoke));
        run.history.push(line("m5", ok("c5")));
    });
    assert_eq!(found, [Violation::Lost { id: "c5".into(), mark: "m5".into() }]);
}

#[test]
fn an_acknowledgement_repeated_with_another_id() {
    let found = planted(|run| run.history.push(line("m1", ok("c9"))));
    let swapped =
        Violation::Swapped { mark: "m1".into(), acknowledged: "c9".into(), found: "c1".into() };
    assert_eq!(found, [swapped]);
}

#[test]
fn commands_nobody_submitted() {
    for mark in ["nobody", "m4"] {
        let id = "c7".to_owned();
        let command = FinalCommand::new(&id, mark, Queued);
        let found = planted(|run| run.end.commands.push(command));
        assert_eq!(found, [Violation::Phantom { id, mark: mark.into() }]);
    }
}

#[test]
fn a_refusal_followed_by_a_lost_answer_is_no_phantom() {
    let found = planted(|run| {
        run.history.push(line("m4", Step::Invoke));
        run.history.push(line("m4", info()));
        run.end.commands.push(FinalCommand::new("c4", "m4", Queued));
    });
    assert_eq!(found, []);
}

#[test]
fn one_submission_that_became_two_commands() {
    let twin = FinalCommand::new("c8", "m1", Queued);
    let found = planted(|run| run.end.commands.push(twin));
    assert_eq!(
        found,
        [Violation::Doubled { mark: "m1".into(), ids: vec!["c1".into(), "c8".into()] }]
    );
}

#[test]
fn a_submission_the_product_broke_down_over() {
    let code = "INTERNAL_ERROR".to_owned();
    let found = planted(|run| {
        run.history.push(line("m4", Step::Invoke));
        run.history.push(line("m4", Step::Fail { code: code.clone() }));
    });
    assert_eq!(found, [Violation::BrokeDown { mark: "m4".into(), code }]);
}

#[test]
fn events_that_are_said_to_be_there_and_never_came() {
    let (topic, last, head) = (TOPIC.to_owned(), 5, 6);
    let found = planted(|run| run.end.heads = BTreeMap::from([(topic.clone(), head)]));
    let who = "the log".to_owned();
    assert_eq!(found, [Violation::CutShort { who, topic: topic.clone(), last, head }]);
    let found = planted(|run| run.followers[0].head = head);
    let who = "phone".to_owned();
    assert_eq!(found, [Violation::CutShort { who, topic, last, head }]);
}

#[test]
fn an_attempt_started_twice() {
    let found = planted(|run| run.starts.push(start("c1", 1)));
    assert_eq!(found, [Violation::StartedTwice { id: "c1".into(), attempt: 1, count: 2 }]);
}

#[test]
fn a_command_started_again_unasked() {
    let found = planted(|run| run.starts.push(start("c1", 2)));
    assert_eq!(found, [Violation::StartedAgain { id: "c1".into(), attempts: vec![1, 2] }]);
    let asked = planted(|run| {
        run.starts.push(start("c1", 2));
        run.retried.push("c1".into());
    });
    assert_eq!(asked, []);
}

#[test]
fn a_start_of_something_unknown() {
    let found = planted(|run| run.starts.push(start("c99", 1)));
    assert_eq!(found, [Violation::UnknownStart { command: "c99".into() }]);
}

/// The second command's words went into a turn, as the product says; they were said like this.
fn words(steer: Steer, said: &[bool]) -> Vec<Violation> {
    planted(|run| {
        let command = &mut run.end.commands[1];
        (command.state, command.steer) = (Succeeded, Some(steer));
        for (seq, state) in [(6, Leased), (7, Running), (8, Succeeded)] {
            events(run).push(told(seq, "c2", state));
        }
        run.end.heads.insert(TOPIC.into(), 8);
        run.starts.extend((steer != Steer::Taken).then(|| start("c2", 1)));
        run.heard =
            said.iter().map(|in_turn| Heard { mark: "m2".into(), in_turn: *in_turn }).collect();
    })
}

#[test]
fn words_are_said_once_and_where_the_product_says() {
    let id = || "c2".to_owned();
    assert_eq!(words(Steer::Taken, &[true]), []);
    assert_eq!(words(Steer::Missed, &[false]), []);
    for steer in [Steer::Taken, Steer::Missed] {
        let both = words(steer, &[true, false]);
        assert_eq!(both, [Violation::SaidTwice { id: id(), count: 2 }]);
        let elsewhere = words(steer, &[steer != Steer::Taken]);
        assert_eq!(elsewhere, [Violation::SaidElsewhere { id: id(), steer }]);
    }
    assert_eq!(words(Steer::Taken, &[]), [Violation::SucceededWithoutStart { id: id() }]);
}

#[test]
fn an_expired_command_that_ran() {
    let found = planted(|run| {
        run.end.commands[1].state = Expired;
        run.starts.push(start("c2", 1));
        events(run).push(told(6, "c2", Expired));
    });
    assert_eq!(found, [Violation::StartedExpired { id: "c2".into() }]);
}

#[test]
fn a_success_without_a_start() {
    let found = planted(|run| run.starts.clear());
    assert_eq!(found, [Violation::SucceededWithoutStart { id: "c1".into() }]);
}

#[test]
fn a_follower_that_missed_an_event() {
    let found = planted(|run| {
        run.followers[0].seen.remove(2);
    });
    let (who, topic) = ("phone".to_owned(), TOPIC.to_owned());
    assert_eq!(found, [Violation::Gap { who, topic, after: 2, next: 4 }]);
}

#[test]
fn a_follower_that_resumed_one_too_late_or_too_early() {
    let found = planted(|run| {
        run.followers[1].seen.remove(0);
    });
    assert!(matches!(found[..], [Violation::Gap { after: 3, next: 5, .. }]), "{found:?}");
    let found = planted(|run| {
        let again = run.followers[0].seen[2].clone();
        run.followers[0].seen.insert(3, again);
    });
    assert!(matches!(found[..], [Violation::Repeated { seq: 3, last: 3, .. }]), "{found:?}");
}

#[test]
fn followers_that_saw_different_things() {
    let found = planted(|run| run.followers[1].seen[0].body = "something else".into());
    assert!(matches!(&found[..], [Violation::Different { who, seq: 4, .. }] if who == "late"));
}

#[test]
fn an_event_that_was_shown_and_is_no_more() {
    let found = planted(|run| {
        run.followers[0].seen.push(told(6, "c2", Leased));
    });
    assert!(matches!(found[..], [Violation::Vanished { seq: 6, .. }]), "{found:?}");
}

#[test]
fn a_log_with_a_hole() {
    let found = planted(|run| {
        events(run).remove(2);
        run.followers.clear();
    });
    assert!(matches!(found[..], [Violation::Gap { after: 2, next: 4, .. }]), "{found:?}");
}

#[test]
fn a_command_that_comes_back_to_life() {
    let found = planted(|run| {
        events(run).push(told(6, "c1", Running));
        run.end.commands[0].state = Running;
    });
    let (id, from) = ("c1".to_owned(), Some(Succeeded));
    assert_eq!(found, [Violation::IllegalStep { id, from, to: Running, seq: 6 }]);
}

#[test]
fn a_command_that_skips_its_lease() {
    let found = planted(|run| {
        events(run).push(told(6, "c2", Running));
        run.end.commands[1].state = Running;
    });
    assert!(matches!(found[..], [Violation::IllegalStep { from: Some(Queued), .. }]), "{found:?}");
}

#[test]
fn a_state_the_log_does_not_tell() {
    let found = planted(|run| run.end.commands[1].state = Leased);
    let (id, found_state, told) = ("c2".to_owned(), Leased, Queued);
    assert_eq!(found, [Violation::StaleState { id, found: found_state, told }]);
}

#[test]
fn events_are_read_from_frames() {
    let topic = Topic::Project(ProjectId::generate());
    let at = Timestamp::from_unix_ms(0);
    let body = r#"{"type":"project_deleted","data":{}}"#;
    let frame = Incoming::read(&event_frame(&topic, body, Some(4), at).concat()).unwrap();
    assert_eq!(Seen::of(&frame), Some(Seen { seq: 4, body: body.into(), command: None }));
    let ephemeral = Incoming::read(&event_frame(&topic, body, None, at).concat()).unwrap();
    assert_eq!(Seen::of(&ephemeral), None);
}

/// c2 of the sound run, sent with these terms, started in these attempts at these times.
fn sent(terms: Terms, state: CommandState, starts: &[(u32, i64)]) -> Evidence {
    let mut run = sound();
    run.history.push(line("m2", Step::Terms(terms)));
    for (attempt, at_ms) in starts {
        run.starts.push(Start { at_ms: Some(*at_ms), ..start("c2", *attempt) });
    }
    run.end.topics.clear();
    run.followers.clear();
    run.end.commands[1].state = state;
    run.end.commands[1].finished_ms = state.is_final().then_some(5_000);
    run
}

#[test]
fn a_start_before_its_time() {
    let terms = Terms { not_before_ms: Some(1_000), ..Terms::default() };
    assert_eq!(check(&sent(terms.clone(), Succeeded, &[(1, 1_000)])), []);
    let found = check(&sent(terms, Succeeded, &[(1, 999)]));
    assert!(matches!(found[..], [Violation::StartedEarly { at_ms: 999, .. }]), "{found:?}");
}

#[test]
fn a_start_long_after_its_end() {
    let terms = Terms { expires_ms: Some(1_000), ..Terms::default() };
    assert_eq!(check(&sent(terms.clone(), Succeeded, &[(1, 1_200)])), []);
    let found = check(&sent(terms, Succeeded, &[(1, 9_000)]));
    assert!(matches!(found[..], [Violation::StartedLate { at_ms: 9_000, .. }]), "{found:?}");
}

#[test]
fn an_end_before_its_time() {
    for expires_ms in [Some(5_001), None] {
        let found = check(&sent(Terms { expires_ms, ..Terms::default() }, Expired, &[]));
        assert!(matches!(found[..], [Violation::ExpiredEarly { at_ms: 5_000, .. }]), "{found:?}");
    }
    let terms = Terms { expires_ms: Some(5_000), ..Terms::default() };
    assert_eq!(check(&sent(terms, Expired, &[])), []);
}

#[test]
fn a_cancelled_command_that_started() {
    let cancelled = |attempts, started: &[(u32, i64)]| {
        let mut run = sent(Terms { starts_max: 3, ..Terms::default() }, Cancelled, started);
        run.history.push(line("m2", Step::Cancelled { attempts }));
        check(&run)
    };
    assert_eq!(cancelled(0, &[]), []);
    assert_eq!(cancelled(1, &[(1, 0)]), []);
    let found = cancelled(0, &[(1, 0)]);
    let id = "c2".to_owned();
    assert_eq!(found, [Violation::StartedCancelled { id: id.clone(), attempts: 0, attempt: 1 }]);
    let found = cancelled(1, &[(1, 0), (2, 0)]);
    assert_eq!(found, [Violation::StartedCancelled { id, attempts: 1, attempt: 2 }]);
}

#[test]
fn a_held_command_that_started() {
    let held = Terms { held: true, ..Terms::default() };
    let found = check(&sent(held.clone(), Succeeded, &[(1, 700)]));
    assert_eq!(found, [Violation::StartedHeld { id: "c2".into() }]);
    let mut released = sent(held, Succeeded, &[(1, 700)]);
    released.history.push(Line { unix_ms: 700, ..line("m2", Step::Release) });
    assert_eq!(check(&released), []);
    released.starts[1].at_ms = Some(699);
    assert_eq!(check(&released), [Violation::StartedHeld { id: "c2".into() }]);
}

#[test]
fn a_policy_or_a_person_allows_another_start_and_nothing_else_does() {
    let twice = [(1, 0), (2, 0)];
    let again = Violation::StartedAgain { id: "c2".into(), attempts: vec![1, 2] };
    assert_eq!(check(&sent(Terms::default(), Succeeded, &twice)), [again]);
    let allowed = Terms { starts_max: 2, ..Terms::default() };
    assert_eq!(check(&sent(allowed, Succeeded, &twice)), []);
    let mut decided = sent(Terms::default(), Succeeded, &twice);
    decided.history.push(line("m2", Step::Decide));
    assert_eq!(check(&decided), []);
}

/// Two commands of one lane, sent one after the other or at once, started in this order.
fn lane(second_sent: u64, started: [&str; 2]) -> Vec<Violation> {
    let at = |at_us, mark: &str, step| Line { at_us, ..line(mark, step) };
    let terms = Terms { lane: Some("p".into()), ..Terms::default() };
    let history = vec![
        line("a", Step::Terms(terms.clone())),
        line("b", Step::Terms(terms)),
        at(10, "a", Step::Invoke),
        at(20, "a", ok("ca")),
        at(second_sent, "b", Step::Invoke),
        at(40, "b", ok("cb")),
    ];
    let commands =
        vec![FinalCommand::new("ca", "a", Succeeded), FinalCommand::new("cb", "b", Succeeded)];
    let starts = started.into_iter().map(|id| start(id, 1)).collect();
    let end = FinalState { commands, ..FinalState::default() };
    check(&Evidence { history, starts, end, ..Evidence::default() })
}

#[test]
fn a_lane_out_of_order() {
    assert_eq!(lane(30, ["ca", "cb"]), []);
    assert_eq!(lane(15, ["cb", "ca"]), [], "they were sent at once: either order is fine");
    let (lane_name, first, second) = ("p".to_owned(), "a".to_owned(), "b".to_owned());
    let expected = Violation::OutOfOrder { lane: lane_name, first, second };
    assert_eq!(lane(30, ["cb", "ca"]), [expected]);
}

#[test]
fn a_command_that_never_ends() {
    let mut run = sent(Terms::default(), Queued, &[]);
    run.settled = true;
    let (id, mark) = ("c2".to_owned(), "m2".to_owned());
    assert_eq!(check(&run), [Violation::Stuck { id, mark, state: Queued }]);
    let mut held = sent(Terms { held: true, ..Terms::default() }, Queued, &[]);
    held.settled = true;
    assert_eq!(check(&held), []);
}

#[test]
fn only_a_recorded_decision_brings_a_command_back() {
    for ended in [Interrupted, Dead, Expired, Cancelled] {
        let back = |decided: bool| {
            let mut run = sound();
            run.followers.clear();
            let log = vec![told(1, "c2", Queued), told(2, "c2", Leased), told(3, "c2", Running)];
            let log = match ended {
                Expired | Cancelled => log[..1].to_vec(),
                _ => log,
            };
            let next = log.len() as u64 + 1;
            let more = [told(next, "c2", ended), told(next + 1, "c2", Queued)];
            run.end.topics.insert(TOPIC.into(), log.into_iter().chain(more).collect());
            run.end.heads.clear();
            if decided {
                run.history.push(line("m2", Step::Decide));
            }
            check(&run)
        };
        assert_eq!(back(true), []);
        let found = back(false);
        assert!(matches!(&found[..], [Violation::IllegalStep { to: Queued, .. }]), "{found:?}");
    }
}
