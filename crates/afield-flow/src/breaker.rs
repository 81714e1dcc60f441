//! The circuit breaker of a runner: one that keeps failing by itself is left out of selection for a
//! while, and is then tried with one command.
//!
//! Only what the runner is to blame for counts (see [`Verdict::of`]). Commands that name the runner or
//! a project of it are not held up.

use std::time::Duration;

use afield_proto::Timestamp;
use afield_proto::command::OutcomeKind;

/// It opens for at most so many times its usual time.
const LONGEST: u32 = 16;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// So many failures in a row open it.
    pub failures: u32,
    /// For so long at first; each time it opens again without a success between, twice as long.
    pub open: Duration,
}

/// What an attempt says about its runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Success,
    /// It does not.
    Failure,
    /// Nothing.
    Neutral,
}

impl Verdict {
    /// What this end of an attempt says.
    pub fn of(kind: OutcomeKind) -> Self {
        match kind {
            OutcomeKind::NotStarted | OutcomeKind::MissingResult | OutcomeKind::Interrupted => {
                Self::Failure
            }
            OutcomeKind::Succeeded
            | OutcomeKind::Failed
            | OutcomeKind::SessionLost
            | OutcomeKind::LimitReached => Self::Success,
            OutcomeKind::Cancelled
            | OutcomeKind::Killed
            | OutcomeKind::TimedOut
            | OutcomeKind::AuthRequired
            | OutcomeKind::RateLimited
            | OutcomeKind::Transient => Self::Neutral,
        }
    }
}

/// The breaker of one runner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Failures since the last success.
    failures: u32,
    /// How often it opened since the last success.
    opened: u32,
    /// Nothing is sent there before.
    until: Option<Timestamp>,
}

impl Breaker {
    /// Whether a command may be sent there.
    ///
    /// **Errors**: until when not.
    pub fn admits(&self, now: Timestamp) -> Result<(), Timestamp> {
        match self.until {
            Some(until) if until > now => Err(until),
            _ => Ok(()),
        }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A command was sent there. The first one after the breaker was open is a trial: no other
    /// follows until it has ended, or for as long as the breaker was open.
    pub fn sent(&mut self, rule: Rule, now: Timestamp) {
        if self.opened > 0 {
            self.until = Some(now.plus(self.duration(rule)));
        }
    }

    /// An attempt ended there. Until when nothing more is sent there, if it opened by that.
    pub fn ended(&mut self, verdict: Verdict, rule: Rule, now: Timestamp) -> Option<Timestamp> {
        match verdict {
            Verdict::Success => *self = Self::default(),
            // A trial that says nothing: another may follow.
            Verdict::Neutral if self.failures >= rule.failures => self.until = Some(now),
            Verdict::Neutral => {}
            Verdict::Failure => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= rule.failures {
                    self.opened = self.opened.saturating_add(1);
                    self.until = Some(now.plus(self.duration(rule)));
                    return self.until;
                }
            }
        }
        None
    }

    fn duration(&self, rule: Rule) -> Duration {
        let doubled = 1_u32.checked_shl(self.opened.saturating_sub(1)).unwrap_or(LONGEST);
        rule.open * doubled.min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { failures: 3, open: Duration::from_secs(60) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(seconds * 1000)
    }

    fn opened(now: i64) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            breaker.ended(Verdict::Failure, RULE, at(now));
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_alone() {
        let mut breaker = Breaker::default();
        for verdict in [Verdict::Failure, Verdict::Failure, Verdict::Success, Verdict::Failure] {
            assert_eq!(breaker.ended(verdict, RULE, at(0)), None);
        }
        breaker.ended(Verdict::Neutral, RULE, at(0));
        assert_eq!(breaker.ended(Verdict::Failure, RULE, at(0)), None);
        assert_eq!(breaker.ended(Verdict::Failure, RULE, at(0)), Some(at(60)));
        assert_eq!(breaker.admits(at(59)), Err(at(60)));
    }

    #[test]
    fn after_a_while_one_command_tries_it() {
        let mut breaker = opened(0);
        assert_eq!(breaker.admits(at(60)), Ok(()));
        breaker.sent(RULE, at(60));
        assert!(breaker.admits(at(61)).is_err(), "the trial is under way");
        breaker.ended(Verdict::Success, RULE, at(62));
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn a_trial_that_fails_opens_it_for_longer_up_to_an_end() {
        let mut breaker = opened(0);
        assert_eq!(breaker.ended(Verdict::Failure, RULE, at(60)), Some(at(180)));
        let mut now = 180;
        for _ in 0..40 {
            let until = breaker.ended(Verdict::Failure, RULE, at(now)).unwrap();
            assert!(until <= at(now + 60 * i64::from(LONGEST)));
            now = until.unix_ms() / 1000;
        }
        breaker.sent(RULE, at(now));
        breaker.ended(Verdict::Neutral, RULE, at(now));
        assert_eq!(breaker.admits(at(now)), Ok(()), "it said nothing");
    }

    #[test]
    fn what_the_runner_is_not_to_blame_for_does_not_count() {
        assert_eq!(Verdict::of(OutcomeKind::Failed), Verdict::Success);
        assert_eq!(Verdict::of(OutcomeKind::RateLimited), Verdict::Neutral);
        assert_eq!(Verdict::of(OutcomeKind::NotStarted), Verdict::Failure);
    }
}
