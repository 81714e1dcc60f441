//! Exit codes: what a script learns from `afield` without reading a line.

use afield_proto::ErrorCode;
use afield_proto::command::{CommandState, Outcome, OutcomeKind};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It worked; the agent finished its turn.
    Done = 0,
    /// The agent or program reported failure, or `afield` itself failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The server said no: not found, not allowed, already running.
    Refused = 3,
    /// No server, or the connection could not be made.
    NoServer = 4,
    /// The time limit, or the stall watchdog.
    TimedOut = 5,
    /// Somebody stopped it, or it waited too long.
    Stopped = 6,
    /// Somebody must sign in on the runner, or the agent is not installed there.
    AgentMissing = 7,
    /// The machine failed in the middle: nobody knows how far it came.
    Unknown = 8,
    /// The agent's service refuses for now; later it may work.
    TryLater = 9,
    /// Left by a further Ctrl-C before it was done.
    Signalled = 130,
}

/// Shown by `afield help` and in the manual.
pub(crate) const TABLE: &str = "\
Exit codes:
  0    done; the agent finished its turn
  1    the agent or program reported failure, or afield itself failed
  2    the command line or the configuration is wrong
  3    refused by the server: not found, not allowed, already running
  4    no server, or no connection to it
  5    timed out
  6    stopped: cancelled, killed, or expired while it waited
  7    the agent is not installed on the runner, or somebody must sign in there
  8    interrupted by a failure of the machine: outcome unknown
  9    the agent's service refuses for now (usage limit, overload)
  130  left by a further Ctrl-C before it was done";

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// What a script is told about a command that is final.
    pub fn of(state: CommandState, outcome: Option<&Outcome>) -> Self {
        if let Some(outcome) = outcome {
            return Self::of_outcome(outcome);
        }
        match state {
            CommandState::Succeeded => Self::Done,
            CommandState::Cancelled | CommandState::Expired => Self::Stopped,
            CommandState::Interrupted => Self::Unknown,
            CommandState::Failed
            | CommandState::Dead
            | CommandState::Queued
            | CommandState::Leased
            | CommandState::Running => Self::Failed,
        }
    }

    fn of_outcome(outcome: &Outcome) -> Self {
        match outcome.kind {
            OutcomeKind::Succeeded => Self::Done,
            OutcomeKind::Cancelled | OutcomeKind::Killed => Self::Stopped,
            OutcomeKind::TimedOut => Self::TimedOut,
            OutcomeKind::Interrupted | OutcomeKind::MissingResult => Self::Unknown,
            OutcomeKind::AuthRequired => Self::AgentMissing,
            OutcomeKind::RateLimited | OutcomeKind::Transient => Self::TryLater,
            OutcomeKind::Failed
            | OutcomeKind::SessionLost
            | OutcomeKind::LimitReached
            | OutcomeKind::NotStarted => match outcome.code {
                Some(ErrorCode::ClaudeNotFound | ErrorCode::AgentUnavailable) => Self::AgentMissing,
                _ => Self::Failed,
            },
        }
    }

    /// What a script is told about a refusal.
    pub fn of_code(code: ErrorCode) -> Self {
        match code {
            ErrorCode::ClaudeNotFound | ErrorCode::AgentUnavailable => Self::AgentMissing,
            ErrorCode::ExecutionTimeout => Self::TimedOut,
            ErrorCode::Unavailable
            | ErrorCode::RequestTimeout
            | ErrorCode::SlowConsumer
            | ErrorCode::ProtocolMismatch => Self::NoServer,
            ErrorCode::InternalError => Self::Failed,
            ErrorCode::ValidationFailed
            | ErrorCode::MessageTooLarge
            | ErrorCode::Unauthorized
            | ErrorCode::Forbidden
            | ErrorCode::RateLimited
            | ErrorCode::ResourceLimit
            | ErrorCode::NotFound
            | ErrorCode::Conflict
            | ErrorCode::InvalidPath
            | ErrorCode::ProjectNesting
            | ErrorCode::ProjectNotFound
            | ErrorCode::ProcessActive
            | ErrorCode::ProcessNotFound
            | ErrorCode::SessionLost
            | ErrorCode::RunnerOffline
            | ErrorCode::DeviceOffline
            | ErrorCode::PolicyRefused => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_the_documented_code() {
        let exit = |kind| Exit::of(CommandState::Failed, Some(&Outcome::new(kind))) as u8;
        let expected = [
            (OutcomeKind::Succeeded, 0),
            (OutcomeKind::Failed, 1),
            (OutcomeKind::Cancelled, 6),
            (OutcomeKind::Killed, 6),
            (OutcomeKind::TimedOut, 5),
            (OutcomeKind::Interrupted, 8),
            (OutcomeKind::AuthRequired, 7),
            (OutcomeKind::SessionLost, 1),
            (OutcomeKind::RateLimited, 9),
            (OutcomeKind::Transient, 9),
            (OutcomeKind::LimitReached, 1),
            (OutcomeKind::MissingResult, 8),
            (OutcomeKind::NotStarted, 1),
        ];
        for (kind, code) in expected {
            assert_eq!(exit(kind), code, "{}", kind.name());
        }
        let mut missing = Outcome::new(OutcomeKind::NotStarted);
        missing.code = Some(ErrorCode::ClaudeNotFound);
        assert_eq!(Exit::of(CommandState::Failed, Some(&missing)), Exit::AgentMissing);
    }

    #[test]
    fn a_state_without_an_outcome_still_tells() {
        assert_eq!(Exit::of(CommandState::Expired, None), Exit::Stopped);
        assert_eq!(Exit::of(CommandState::Interrupted, None), Exit::Unknown);
        assert_eq!(Exit::of(CommandState::Succeeded, None), Exit::Done);
    }

    #[test]
    fn the_table_names_every_code() {
        for code in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130] {
            let line = format!("\n  {code:<4} ");
            assert!(TABLE.contains(&line), "{code}");
        }
    }
}
