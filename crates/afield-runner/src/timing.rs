//! How long the runner waits for programs. Not for users to change; tests shorten it.

use std::time::Duration;

use crate::process::Ladder;

/// Waiting times around an agent's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For the agent to say that it is ready; the prompt is sent then anyway.
    pub ready: Duration,
    /// For an interrupt to have an effect, before it is repeated and then enforced.
    pub interrupt: Duration,
    /// For something more to happen after the answer, when a background task has just ended.
    pub settle: Duration,
    /// For the program to end after its work.
    pub exit: Duration,
    /// The same while its background tasks are at work.
    pub exit_with_tasks: Duration,
    /// For the rest of the output after every process is gone.
    pub drain: Duration,
    /// For processes left over after a normal end, between SIGTERM and SIGKILL.
    pub sweep_grace: Duration,
    /// The ladder when a time limit passes or the runner ends.
    pub gentle: Ladder,
    /// The ladder when a person stops the work.
    pub kill: Ladder,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ready: Duration::from_secs(2),
            interrupt: Duration::from_secs(5),
            settle: Duration::from_secs(2),
            exit: Duration::from_secs(15),
            exit_with_tasks: Duration::from_secs(600),
            drain: Duration::from_secs(1),
            sweep_grace: Duration::from_millis(500),
            gentle: Ladder::GENTLE,
            kill: Ladder::KILL,
        }
    }
}
