//! When a command that failed is tried again.

use std::collections::HashSet;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::command::OutcomeKind;

/// Attempts when a policy names none: a command runs once.
pub const ATTEMPTS_DEFAULT: u32 = 1;
/// Most attempts a policy may ask for.
pub const ATTEMPTS_MAX: u32 = 100;
/// Most exit codes a policy names: a program has a handful, and each waiting command keeps them.
pub const EXIT_CODES_MAX: usize = 64;

/// A kind of failure a retry policy can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The program could not be started, or ended without saying how.
    Infrastructure,
    /// The time limit, or the stall watchdog.
    Timeout,
    /// The agent or program reported failure; narrowed by `exit_codes`.
    Failed,
    /// The agent's service was overloaded or failed for a moment.
    Overloaded,
    /// The agent's usage limit; waits for its end when `wait_for_limit` allows that.
    RateLimited,
}

impl Failure {
    /// The failures that are worth another try without being asked about each.
    pub const USUAL: [Self; 4] =
        [Self::Infrastructure, Self::Timeout, Self::Overloaded, Self::RateLimited];

    /// The failure an outcome is, if a policy can name it. `interrupted` is none: its outcome is
    /// unknown, see [`RetryPolicy::safe`].
    pub fn of(kind: OutcomeKind) -> Option<Self> {
        match kind {
            OutcomeKind::NotStarted | OutcomeKind::MissingResult => Some(Self::Infrastructure),
            OutcomeKind::TimedOut => Some(Self::Timeout),
            OutcomeKind::Failed => Some(Self::Failed),
            OutcomeKind::Transient => Some(Self::Overloaded),
            OutcomeKind::RateLimited => Some(Self::RateLimited),
            OutcomeKind::Succeeded
            | OutcomeKind::Cancelled
            | OutcomeKind::Killed
            | OutcomeKind::Interrupted
            | OutcomeKind::AuthRequired
            | OutcomeKind::SessionLost
            | OutcomeKind::LimitReached => None,
        }
    }
}

/// When a command that failed is tried again.
///
/// The wait before attempt `n + 1` is `wait_ms * factor^(n - 1)`, at most `wait_max_ms`, and of
/// that a random part between half and all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Attempts in all, 1 to 100.
    pub attempts: u32,
    /// The first wait, in milliseconds.
    pub wait_ms: u64,
    /// What each wait is multiplied by for the next.
    pub factor: f64,
    /// The longest wait, in milliseconds.
    pub wait_max_ms: u64,
    /// Which failures are tried again, each once.
    pub on: Vec<Failure>,
    /// With `failed`: only these exit codes, at most 64, each once; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<i32>>"))]
    pub exit_codes: Vec<i32>,
    /// Starting it twice does no harm: it is also tried again when it was interrupted, its outcome
    /// unknown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
    pub safe: bool,
    /// When the agent's usage limit is reached, wait until it ends.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", ts(as = "Option<bool>"))]
    pub wait_for_limit: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: ATTEMPTS_DEFAULT,
            wait_ms: 1000,
            factor: 2.0,
            wait_max_ms: 5 * 60 * 1000,
            on: Failure::USUAL.to_vec(),
            exit_codes: Vec::new(),
            safe: false,
            wait_for_limit: false,
        }
    }
}

impl RetryPolicy {
    /// Why the policy is none, if so.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=ATTEMPTS_MAX).contains(&self.attempts) {
            return Err(format!("retry.attempts must be 1 to {ATTEMPTS_MAX}"));
        }
        if !(1.0..=10.0).contains(&self.factor) {
            return Err("retry.factor must be 1 to 10".into());
        }
        if self.wait_ms > self.wait_max_ms {
            return Err("retry.wait_ms must not be greater than retry.wait_max_ms".into());
        }
        if self.exit_codes.len() > EXIT_CODES_MAX {
            let most = format!("retry.exit_codes names more than {EXIT_CODES_MAX} codes");
            return Err(format!("{most} (limit exit_codes)"));
        }
        if names_one_twice(&self.exit_codes) {
            return Err("retry.exit_codes names a code twice".into());
        }
        match names_one_twice(&self.on) {
            true => Err("retry.on names a failure twice".into()),
            false => Ok(()),
        }
    }
}

fn names_one_twice<T: Eq + Hash>(names: &[T]) -> bool {
    let mut seen = HashSet::new();
    !names.iter().all(|name| seen.insert(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_a_bounded_number_of_things_each_once() {
        let codes = |codes: Vec<i32>| RetryPolicy { exit_codes: codes, ..RetryPolicy::default() };
        let most = i32::try_from(EXIT_CODES_MAX).unwrap();
        assert_eq!(codes((0..most).collect()).check(), Ok(()));
        let refused = codes((0..=most).collect()).check().unwrap_err();
        assert!(refused.contains("64") && refused.contains("limit exit_codes"), "{refused}");
        assert!(codes(vec![1, 2, 1]).check().unwrap_err().contains("retry.exit_codes"));
        let on = vec![Failure::Timeout, Failure::Failed, Failure::Timeout];
        let twice = RetryPolicy { on, ..RetryPolicy::default() };
        assert!(twice.check().unwrap_err().contains("retry.on"));
        assert_eq!(RetryPolicy::default().check(), Ok(()));
    }
}
