//! The steps by which an attempt is stopped, from a polite word to the last one.
//!
//! Pure: [`Climb`] says which step is next and how long to wait after it; the owner of the attempt
//! carries the steps out and keeps reading the agent's output meanwhile.

use std::time::Duration;

/// How long each step has before the next one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// After the agent was asked to interrupt its turn.
    pub interrupt: Duration,
    /// After its standard input was closed.
    pub close: Duration,
    /// After SIGTERM to its process.
    pub term_leader: Duration,
    /// After SIGTERM to everything it started.
    pub term_group: Duration,
}

impl Ladder {
    /// Somebody pressed stop: everything is dead within half a second, whatever it does. The
    /// fifth of a second after SIGTERM lets an agent write the end of its conversation.
    pub const KILL: Self = Self {
        interrupt: Duration::from_millis(20),
        close: Duration::from_millis(30),
        term_leader: Duration::from_millis(200),
        term_group: Duration::from_millis(100),
    };

    /// A time limit passed or the runner ends: nobody waits, so the agent may finish its words.
    pub const GENTLE: Self = Self {
        interrupt: Duration::from_secs(3),
        close: Duration::from_secs(5),
        term_leader: Duration::from_secs(5),
        term_group: Duration::from_secs(5),
    };
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask the agent to end its turn.
    Interrupt,
    /// Close its standard input.
    Close,
    /// SIGTERM to its process.
    TermLeader,
    /// SIGTERM to everything it started.
    TermGroup,
    /// SIGKILL to everything.
    Kill,
}

/// A climb up the ladder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Climb {
    ladder: Ladder,
    next: Step,
}

impl Climb {
    /// Begins at the first step.
    pub(crate) fn new(ladder: Ladder) -> Self {
        Self { ladder, next: Step::Interrupt }
    }

    /// Begins with closing the input: for agents that have nothing left to interrupt.
    pub(crate) fn without_interrupt(ladder: Ladder) -> Self {
        Self { ladder, next: Step::Close }
    }

    /// The same place on a faster ladder.
    pub(crate) fn hurry(&mut self, ladder: Ladder) {
        self.ladder = ladder;
    }

    /// The step to take now, and how long to wait before the one after it.
    pub(crate) fn step(&mut self) -> (Step, Duration) {
        let step = self.next;
        let (next, wait) = match step {
            Step::Interrupt => (Step::Close, self.ladder.interrupt),
            Step::Close => (Step::TermLeader, self.ladder.close),
            Step::TermLeader => (Step::TermGroup, self.ladder.term_leader),
            Step::TermGroup => (Step::Kill, self.ladder.term_group),
            Step::Kill => (Step::Kill, Duration::from_millis(100)),
        };
        self.next = next;
        (step, wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kill_ladder_reaches_the_last_step_in_under_half_a_second() {
        let mut climb = Climb::new(Ladder::KILL);
        let mut waited = Duration::ZERO;
        let steps: Vec<Step> = std::iter::from_fn(|| {
            let (step, wait) = climb.step();
            waited += wait;
            (step != Step::Kill).then_some(step)
        })
        .collect();
        assert_eq!(steps, [Step::Interrupt, Step::Close, Step::TermLeader, Step::TermGroup]);
        assert!(waited < Duration::from_millis(500), "{waited:?}");
    }
}
