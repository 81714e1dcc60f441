//! What follows on the end of an attempt: the command's end, another attempt, or the dead letters.

use std::time::Duration;

use afield_proto::Timestamp;
use afield_proto::command::{CommandState, Outcome, OutcomeKind};
use afield_proto::queue::{Failure, RetryPolicy};

/// How long after the end of a usage limit the next attempt is made: clocks differ.
const AFTER_LIMIT: Duration = Duration::from_secs(1);

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The command is over.
    Over(CommandState),
    /// It is tried again, not before this.
    Again {
        /// When.
        at: Timestamp,
        /// What it waits for is the end of the agent's usage limit.
        for_limit: bool,
    },
}

/// Decides what follows on an attempt that ended.
///
/// `used` counts the attempts since the command was accepted or put back, this one included;
/// `chance` is between 0 and 1 and spreads the waits.
pub fn after(
    policy: &RetryPolicy,
    outcome: &Outcome,
    used: u32,
    chance: f64,
    now: Timestamp,
) -> Next {
    if outcome.kind == OutcomeKind::RateLimited
        && policy.wait_for_limit
        && let Some(at) = outcome.resets_at.filter(|at| *at > now)
    {
        // Waiting for a limit uses no attempt up: nothing was tried.
        return Next::Again { at: at.plus(AFTER_LIMIT), for_limit: true };
    }
    if !is_retried(policy, outcome) {
        return Next::Over(outcome.kind.final_state());
    }
    let limit = limit_left(outcome, now);
    // An attempt before the limit ends is in vain, and to wait for that end was not allowed.
    let in_vain = limit > Duration::from_millis(policy.wait_max_ms);
    if used >= policy.attempts || in_vain {
        return Next::Over(exhausted(policy, outcome));
    }
    let asked = Duration::from_millis(outcome.retry_after_ms.unwrap_or(0)).max(limit);
    Next::Again { at: now.plus(wait(policy, used, chance).max(asked)), for_limit: false }
}

/// How long the agent's usage limit lasts from now on, where that is known.
fn limit_left(outcome: &Outcome, now: Timestamp) -> Duration {
    let end = outcome.resets_at.filter(|_| outcome.kind == OutcomeKind::RateLimited);
    end.map_or(Duration::ZERO, |at| at.since(now))
}

/// A command whose retries are used up is dead; one that had none simply failed.
fn exhausted(policy: &RetryPolicy, outcome: &Outcome) -> CommandState {
    match policy.attempts > 1 {
        true => CommandState::Dead,
        false => outcome.kind.final_state(),
    }
}

fn is_retried(policy: &RetryPolicy, outcome: &Outcome) -> bool {
    if outcome.kind == OutcomeKind::Interrupted {
        return policy.safe;
    }
    let Some(failure) = Failure::of(outcome.kind) else { return false };
    let by_code = || {
        policy.exit_codes.is_empty()
            || outcome.exit_code.is_some_and(|code| policy.exit_codes.contains(&code))
    };
    policy.on.contains(&failure) && (failure != Failure::Failed || by_code())
}

/// The wait before the attempt after `used`.
fn wait(policy: &RetryPolicy, used: u32, chance: f64) -> Duration {
    let exponent = i32::try_from(used.saturating_sub(1)).unwrap_or(i32::MAX);
    let full = policy.wait_ms as f64 * policy.factor.powi(exponent);
    let full = full.min(policy.wait_max_ms as f64);
    Duration::from_millis((full * (0.5 + 0.5 * chance.clamp(0.0, 1.0))) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(attempts: u32) -> RetryPolicy {
        RetryPolicy { attempts, ..RetryPolicy::default() }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    #[test]
    fn without_a_policy_nothing_is_tried_again() {
        let timed_out = Outcome::new(OutcomeKind::TimedOut);
        let next = after(&policy(1), &timed_out, 1, 0.5, at(0));
        assert_eq!(next, Next::Over(CommandState::Failed));
    }

    #[test]
    fn waits_grow_and_end_among_the_dead() {
        let failed = Outcome::new(OutcomeKind::NotStarted);
        let next = |used| after(&policy(3), &failed, used, 1.0, at(0));
        assert_eq!(next(1), Next::Again { at: at(1000), for_limit: false });
        assert_eq!(next(2), Next::Again { at: at(2000), for_limit: false });
        assert_eq!(next(3), Next::Over(CommandState::Dead));
    }

    #[test]
    fn what_was_interrupted_is_tried_again_only_where_that_is_safe() {
        let interrupted = Outcome::new(OutcomeKind::Interrupted);
        let unsafe_next = after(&policy(5), &interrupted, 1, 0.0, at(0));
        assert_eq!(unsafe_next, Next::Over(CommandState::Interrupted));
        let safe = RetryPolicy { safe: true, ..policy(5) };
        assert!(matches!(after(&safe, &interrupted, 1, 0.0, at(0)), Next::Again { .. }));
    }

    #[test]
    fn a_usage_limit_is_waited_for_only_when_allowed() {
        let limited =
            Outcome { resets_at: Some(at(60_000)), ..Outcome::new(OutcomeKind::RateLimited) };
        assert_eq!(after(&policy(1), &limited, 1, 0.0, at(0)), Next::Over(CommandState::Failed));
        let soon = after(&policy(2), &limited, 1, 0.0, at(0));
        assert_eq!(
            soon,
            Next::Again { at: at(60_000), for_limit: false },
            "within the longest wait"
        );
        let short = RetryPolicy { wait_max_ms: 59_000, ..policy(2) };
        assert_eq!(after(&short, &limited, 1, 0.0, at(0)), Next::Over(CommandState::Dead));
        let waits = RetryPolicy { wait_for_limit: true, ..policy(1) };
        let next = after(&waits, &limited, 1, 0.0, at(0));
        assert_eq!(next, Next::Again { at: at(61_000), for_limit: true });
    }

    #[test]
    fn the_service_may_ask_for_a_longer_wait() {
        let overloaded =
            Outcome { retry_after_ms: Some(30_000), ..Outcome::new(OutcomeKind::Transient) };
        let next = after(&policy(2), &overloaded, 1, 0.0, at(0));
        assert_eq!(next, Next::Again { at: at(30_000), for_limit: false });
    }

    #[test]
    fn exit_codes_narrow_failures() {
        let only = RetryPolicy { on: vec![Failure::Failed], exit_codes: vec![75], ..policy(2) };
        let ended = |code| Outcome { exit_code: Some(code), ..Outcome::new(OutcomeKind::Failed) };
        assert!(matches!(after(&only, &ended(75), 1, 0.0, at(0)), Next::Again { .. }));
        let other = after(&only, &ended(1), 1, 0.0, at(0));
        assert_eq!(other, Next::Over(CommandState::Failed));
    }

    proptest! {
        #[test]
        fn waits_stay_between_half_and_all_of_the_cap(
            used in 1_u32..100, chance in 0.0..1.0_f64, wait_ms in 0_u64..10_000,
        ) {
            let policy = RetryPolicy { wait_ms, wait_max_ms: 20_000, ..policy(100) };
            let wait = super::wait(&policy, used, chance);
            prop_assert!(wait <= Duration::from_secs(20));
            prop_assert!(wait >= Duration::from_millis(wait_ms / 2));
        }
    }
}
