//! The circuit breakers of runners, in memory: a server that starts trusts everybody.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use afield_flow::breaker::{Breaker, Rule, Verdict};
use afield_proto::command::OutcomeKind;
use afield_proto::{DeviceId, Timestamp};

use crate::options::Limits;

pub(crate) struct Breakers {
    rule: Rule,
    /// Those that have something to tell.
    all: Mutex<HashMap<DeviceId, Breaker>>,
}

impl Breakers {
    pub(super) fn new(limits: &Limits) -> Self {
        let rule = Rule { failures: limits.breaker_failures, open: limits.breaker_open };
        Self { rule, all: Mutex::default() }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<DeviceId, Breaker>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when a runner is left out, and after how many failures.
    pub(super) fn broken(&self, runner: DeviceId, now: Timestamp) -> Option<(Timestamp, u32)> {
        let breaker = *self.all().get(&runner).filter(|_| !planted::is("breaker"))?;
        breaker.admits(now).err().map(|until| (until, breaker.failures()))
    }

    /// A command was placed there.
    pub(super) fn sent(&self, runner: DeviceId, now: Timestamp) {
        if let Some(breaker) = self.all().get_mut(&runner) {
            breaker.sent(self.rule, now);
        }
    }

    /// An attempt ended there. Until when the runner is left out, if it is from now on.
    pub(crate) fn ended(
        &self,
        runner: DeviceId,
        outcome: OutcomeKind,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let mut all = self.all();
        let mut breaker = all.remove(&runner).unwrap_or_default();
        let until = breaker.ended(Verdict::of(outcome), self.rule, now);
        if breaker != Breaker::default() {
            all.insert(runner, breaker);
        }
        until
    }
}
