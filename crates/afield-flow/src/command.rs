//! The life of a command: which state may follow which, and what makes it follow.
//!
//! Called by the store inside its transactions. Decides only; rows and events are the store's.

use afield_proto::command::{CommandState, Outcome, OutcomeKind};
use afield_proto::project::ProjectState;
use afield_proto::runner::{Attempt, Record};

/// A record that can't follow on what is known of its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{record} can't follow while the command is {}", state.name())]
pub struct Illegal {
    /// How far the command is.
    pub state: CommandState,
    /// The record's word.
    pub record: &'static str,
}

/// Whether a command may go from one state to another in one step.
pub fn may_follow(from: CommandState, to: CommandState) -> bool {
    use CommandState::{
        Cancelled, Dead, Expired, Failed, Interrupted, Leased, Queued, Running, Succeeded,
    };
    match from {
        // At once to its end: a command the server carries out by itself.
        Queued => matches!(to, Leased | Succeeded | Failed | Cancelled | Expired | Dead),
        Leased => matches!(
            to,
            Running | Queued | Succeeded | Failed | Cancelled | Expired | Interrupted | Dead
        ),
        // Back to queued: it failed and is tried again, or nobody knows and a person decides so.
        Running => {
            matches!(to, Queued | Succeeded | Failed | Cancelled | Interrupted | Dead)
        }
        Succeeded | Failed | Cancelled | Expired | Interrupted | Dead => false,
    }
}

/// Whether a person may put a command back that is over. One that succeeded is sent anew instead.
pub fn may_put_back(state: CommandState) -> bool {
    state.is_final() && state != CommandState::Succeeded
}

/// The state a command is in after a record, or why the record can't be.
///
/// A leased command hears first that it started, or that it ended without having started; what
/// an agent says comes only in between.
pub fn after_record(state: CommandState, record: &Record) -> Result<CommandState, Illegal> {
    match (state, record) {
        (CommandState::Leased, Record::Started { .. }) => Ok(CommandState::Running),
        (CommandState::Leased | CommandState::Running, Record::Finished { outcome, .. }) => {
            Ok(outcome.kind.final_state())
        }
        (
            CommandState::Running,
            Record::Message(_)
            | Record::Output { .. }
            | Record::NativeSession { .. }
            | Record::Asked { .. }
            | Record::Withdrawn { .. }
            | Record::Steered { .. },
        ) => Ok(CommandState::Running),
        _ => Err(Illegal { state, record: record_name(record) }),
    }
}

fn record_name(record: &Record) -> &'static str {
    match record {
        Record::Started { .. } => "started",
        Record::Message(_) => "message",
        Record::Output { .. } => "output",
        Record::NativeSession { .. } => "native_session",
        Record::Asked { .. } => "asked",
        Record::Withdrawn { .. } => "withdrawn",
        Record::Steered { .. } => "steered",
        Record::Finished { .. } => "finished",
    }
}

/// What the server knows of a command when a runner speaks about an attempt of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// How far the command is.
    pub state: CommandState,
    /// The attempt that was leased last.
    pub attempt: Attempt,
    /// The last record on the server's disk.
    pub applied: u64,
}

/// Whether nothing more is taken about `attempt`: its command is over, or was not leased to it.
pub fn is_closed(known: &Known, attempt: &Attempt) -> bool {
    known.state.is_final() || known.state == CommandState::Queued || known.attempt != *attempt
}

/// What to do with consecutive records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// Leave out this many from the front (they are known) and apply the rest.
    Apply {
        /// How many are known.
        skip: usize,
    },
    /// Records between the last known one and the first of these are missing.
    Gap {
        /// The number that must come next.
        expected: u64,
    },
}

/// How records numbered from `first_record` fit to those already applied.
pub fn fit(applied: u64, first_record: u64) -> Batch {
    let expected = applied.saturating_add(1);
    if first_record > expected {
        return Batch::Gap { expected };
    }
    let known = expected - first_record.max(1);
    Batch::Apply { skip: usize::try_from(known).unwrap_or(usize::MAX) }
}

/// What a project is after a command with this outcome, with the reason of an ERROR.
pub fn project_after(outcome: &Outcome) -> (ProjectState, Option<String>) {
    match outcome.kind {
        OutcomeKind::Succeeded | OutcomeKind::Cancelled | OutcomeKind::Killed => {
            (ProjectState::Idle, None)
        }
        kind => (ProjectState::Error, Some(kind.name().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::{CommandId, Timestamp};
    use proptest::prelude::*;

    fn started() -> Record {
        Record::Started { at: Timestamp::from_unix_ms(1) }
    }

    fn finished(kind: OutcomeKind) -> Record {
        let at = Timestamp::from_unix_ms(2);
        Record::Finished { at, outcome: Outcome::new(kind), killed: Vec::new() }
    }

    fn native() -> Record {
        Record::NativeSession { native_id: "n".into() }
    }

    #[test]
    fn the_usual_life() {
        let running = after_record(CommandState::Leased, &started()).unwrap();
        assert_eq!(running, CommandState::Running);
        assert_eq!(after_record(running, &native()).unwrap(), CommandState::Running);
        let over = after_record(running, &finished(OutcomeKind::Killed)).unwrap();
        assert_eq!(over, CommandState::Cancelled);
    }

    #[test]
    fn what_comes_too_early_or_too_late_is_refused() {
        assert!(after_record(CommandState::Leased, &native()).is_err());
        assert!(after_record(CommandState::Running, &started()).is_err());
        assert!(after_record(CommandState::Queued, &started()).is_err());
        assert!(after_record(CommandState::Succeeded, &native()).is_err());
    }

    #[test]
    fn final_states_stay() {
        for from in CommandState::ALL.into_iter().filter(|state| state.is_final()) {
            assert!(CommandState::ALL.into_iter().all(|to| !may_follow(from, to)), "{from:?}");
        }
    }

    #[test]
    fn an_attempt_is_closed_by_the_end_and_by_any_other_lease() {
        let attempt = Attempt { command_id: CommandId::generate(), attempt: 2, fence: 2 };
        let known = Known { state: CommandState::Running, attempt, applied: 3 };
        assert!(!is_closed(&known, &attempt));
        assert!(is_closed(&known, &Attempt { fence: 1, attempt: 1, ..attempt }));
        assert!(is_closed(&known, &Attempt { fence: 3, attempt: 3, ..attempt }));
        assert!(is_closed(&Known { state: CommandState::Failed, ..known }, &attempt));
    }

    #[test]
    fn a_bad_end_is_shown_with_its_reason() {
        let (state, reason) = project_after(&Outcome::new(OutcomeKind::Interrupted));
        assert_eq!((state, reason.as_deref()), (ProjectState::Error, Some("interrupted")));
        assert_eq!(project_after(&Outcome::new(OutcomeKind::Killed)).0, ProjectState::Idle);
    }

    fn any_state() -> impl Strategy<Value = CommandState> {
        prop::sample::select(&CommandState::ALL[..])
    }

    fn any_record() -> impl Strategy<Value = Record> {
        use OutcomeKind::{Cancelled, Failed, Interrupted, Killed, NotStarted, Succeeded};
        let kind = prop::sample::select(vec![
            Succeeded,
            Failed,
            Cancelled,
            Killed,
            Interrupted,
            NotStarted,
        ]);
        prop_oneof![Just(started()), Just(native()), kind.prop_map(finished)]
    }

    proptest! {
        #[test]
        fn records_only_make_legal_steps(state in any_state(), record in any_record()) {
            if let Ok(next) = after_record(state, &record) {
                prop_assert!(next == state || may_follow(state, next));
            }
        }

        #[test]
        fn however_batches_overlap_each_record_is_applied_once(
            batches in prop::collection::vec((0_u64..12, 0_usize..6), 0..20),
        ) {
            let (mut applied, mut seen) = (0_u64, Vec::new());
            for (first, count) in batches {
                let first = first + 1;
                match fit(applied, first) {
                    Batch::Gap { expected } => prop_assert_eq!(expected, applied + 1),
                    Batch::Apply { skip } => {
                        for number in (first..).take(count).skip(skip) {
                            seen.push(number);
                            applied = number;
                        }
                    }
                }
            }
            prop_assert_eq!(seen, (1..=applied).collect::<Vec<_>>());
        }
    }
}
