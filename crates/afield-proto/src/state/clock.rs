//! Hybrid logical clocks: wall time as far as it goes, and never against what was seen.

use serde::{Deserialize, Serialize};

use super::AHEAD_MS_MAX;
use crate::{ReplicaId, Timestamp};

/// A point on a hybrid logical clock. What was written knowing another write is always later.
///
/// **Shape**: compared field by field, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Hlc {
    /// Unix milliseconds of the wall clock, or of the latest write seen if that is ahead.
    pub ms: i64,
    /// Tells writes of one millisecond apart.
    pub count: u32,
    /// The copy it was written in: no two have the same, so no two points are equal.
    pub node: ReplicaId,
}

impl Hlc {
    /// The next point of `node` after this one.
    #[must_use]
    pub fn next(self, node: ReplicaId) -> Self {
        match self.count.checked_add(1) {
            Some(count) => Self { count, node, ..self },
            None => Self { ms: self.ms.saturating_add(1), count: 0, node },
        }
    }

    /// The same point, or the present one when it lies further ahead than clocks are apart.
    #[must_use]
    pub fn clamped(self, now: Timestamp) -> Self {
        match self.ms > now.unix_ms().saturating_add(AHEAD_MS_MAX) {
            true => Self { ms: now.unix_ms(), ..self },
            false => self,
        }
    }
}

/// The clock of one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    last: Hlc,
}

impl Clock {
    /// A clock that has seen nothing.
    pub fn new(node: ReplicaId) -> Self {
        Self { last: Hlc { ms: i64::MIN, count: 0, node } }
    }

    /// The same time on the clock of another copy.
    #[must_use]
    pub fn of(self, node: ReplicaId) -> Self {
        Self { last: Hlc { node, ..self.last } }
    }

    /// Whose clock it is.
    pub fn node(&self) -> ReplicaId {
        self.last.node
    }

    /// The point of a new write: after everything seen, at the wall clock if that is later.
    pub fn tick(&mut self, now: Timestamp) -> Hlc {
        let node = self.last.node;
        let wall = Hlc { ms: now.unix_ms(), count: 0, node };
        self.last = if wall.ms > self.last.ms { wall } else { self.last.next(node) };
        self.last
    }

    /// A write was seen: what is written from now on is later.
    pub fn observe(&mut self, seen: Hlc) {
        if (seen.ms, seen.count) > (self.last.ms, self.last.count) {
            self.last = Hlc { node: self.last.node, ..seen };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    #[test]
    fn a_write_is_later_than_all_its_writer_saw() {
        let mut here = Clock::new(ReplicaId::generate());
        let mut there = Clock::new(ReplicaId::generate());
        let first = here.tick(at(1_000));
        there.observe(first);
        let second = there.tick(at(5));
        assert!(second > first, "although the other clock is slow");
        here.observe(second);
        let third = here.tick(at(1_000));
        assert!(third > second && here.tick(at(1_000)) > third);
        assert_eq!(here.tick(at(9_000)).count, 0, "the wall clock takes over again");
    }

    #[test]
    fn a_clock_far_ahead_counts_as_now() {
        let node = ReplicaId::generate();
        let ahead = |ms| Hlc { ms, count: 7, node };
        assert_eq!(ahead(86_400_000).clamped(at(5)), ahead(5));
        assert_eq!(ahead(AHEAD_MS_MAX).clamped(at(5)), ahead(AHEAD_MS_MAX));
        let end = Hlc { ms: i64::MAX, count: u32::MAX, node };
        assert!(end.next(node).ms == i64::MAX, "the end of time is no panic");
    }
}
