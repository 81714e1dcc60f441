//! The checker is worth what it finds: a sound run passes, and each planted fault is named.

use std::collections::BTreeMap;

use afield_proto::ProjectId;
use afield_proto::Timestamp;
use afield_proto::Topic;
use afield_proto::command::CommandState::{self, Expired, Leased, Queued, Running, Succeeded};
use afield_proto::wire::{Incoming, event_frame};
use testkit::checker::{
    Evidence, FinalCommand, FinalState, Follower, Line, Seen, Start, Step, Violation, check,
};

const TOPIC: &str = "project:1";

fn line(mark: &str, step: Step) -> Line {
    Line { at_us: 0, client: "a".into(), mark: mark.into(), step }
}

fn ok(id: &str) -> Step {
    Step::Ok { id: id.into() }
}

fn info() -> Step {
    Step::Info { reason: "reset".into() }
}

fn start(command: &str, attempt: u32) -> Start {
    Start { command: command.into(), attempt, pid: 1 }
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
    Follower { name: name.into(), topic: TOPIC.into(), after, seen }
}

/// Two commands, one acknowledged and done, one whose answer was lost and which is there; a third
/// whose answer was lost and which is not; a fourth that was refused.
fn sound() -> Evidence {
    let command =
        |id: &str, mark: &str, state| FinalCommand { id: id.into(), mark: mark.into(), state };
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
        followers: vec![follower("phone", 0), follower("late", 3)],
        end: FinalState {
            commands: vec![command("c1", "m1", Succeeded), command("c2", "m2", Queued)],
            topics: BTreeMap::from([(TOPIC.into(), log())]),
        },
        retried: Vec::new(),
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
        let command = FinalCommand { id: id.clone(), mark: mark.into(), state: Queued };
        let found = planted(|run| run.end.commands.push(command));
        assert_eq!(found, [Violation::Phantom { id, mark: mark.into() }]);
    }
}

#[test]
fn a_refusal_followed_by_a_lost_answer_is_no_phantom() {
    let found = planted(|run| {
        run.history.push(line("m4", Step::Invoke));
        run.history.push(line("m4", info()));
        run.end.commands.push(FinalCommand { id: "c4".into(), mark: "m4".into(), state: Queued });
    });
    assert_eq!(found, []);
}

#[test]
fn one_submission_that_became_two_commands() {
    let twin = FinalCommand { id: "c8".into(), mark: "m1".into(), state: Queued };
    let found = planted(|run| run.end.commands.push(twin));
    assert_eq!(
        found,
        [Violation::Doubled { mark: "m1".into(), ids: vec!["c1".into(), "c8".into()] }]
    );
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
