//! Signals to the processes of an attempt, and the sweep that leaves none of them.

use std::collections::BTreeMap;
use std::time::Duration;

use afield_proto::runner::KilledProcess;
use rustix::process::{Pid, Signal};
use tokio::time::Instant;

use super::table::Entry;
use super::{Kin, reaper};

/// How often the sweep looks for survivors.
const LOOK: Duration = Duration::from_millis(10);
/// When the sweep gives up on processes the kernel itself can't end (stuck in a dead disk).
const GIVE_UP: Duration = Duration::from_secs(30);

/// The processes that were stopped, with the last signal each was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Killed(BTreeMap<u32, KilledProcess>);

impl Killed {
    fn note(&mut self, entry: &Entry, signal: &str) {
        let killed =
            KilledProcess { pid: entry.pid, name: entry.name.clone(), signal: signal.to_owned() };
        self.0.insert(entry.pid, killed);
    }

    /// The list, by process id.
    pub(crate) fn list(&self) -> Vec<KilledProcess> {
        self.0.values().cloned().collect()
    }

    /// Adds what another step stopped.
    pub(crate) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

/// Whom a signal of the ladder goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Leader,
    All,
}

impl Kin {
    /// SIGTERM to the leader. Blocking.
    pub(crate) fn term_leader(&mut self) -> Killed {
        self.send(Whom::Leader, Signal::TERM, "TERM")
    }

    /// SIGTERM to all. Blocking.
    pub(crate) fn term_all(&mut self) -> Killed {
        self.send(Whom::All, Signal::TERM, "TERM")
    }

    /// SIGINT to all: what a terminal sends when a person presses Ctrl-C. Blocking.
    pub(crate) fn interrupt_all(&mut self) {
        self.send(Whom::All, Signal::INT, "INT");
    }

    /// SIGKILL to all. Blocking.
    pub(crate) fn kill_all(&mut self) -> Killed {
        let killed = self.send(Whom::All, Signal::KILL, "KILL");
        self.kill_leaf();
        killed
    }

    fn send(&mut self, whom: Whom, signal: Signal, word: &str) -> Killed {
        let leader = self.leader();
        let living = self.living();
        let mut killed = Killed::default();
        for entry in living.iter().filter(|entry| whom == Whom::All || Some(entry.pid) == leader) {
            if signal_process(entry, signal) {
                killed.note(entry, word);
            }
        }
        killed
    }
}

/// Signals exactly this process: never another one that was given its process id since.
#[cfg(target_os = "linux")]
fn signal_process(entry: &Entry, signal: Signal) -> bool {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let Some(pid) = to_pid(entry.pid) else { return false };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    let same = super::table::one(entry.pid).is_some_and(|now| now.started == entry.started);
    same && pidfd_send_signal(&handle, signal).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn signal_process(entry: &Entry, signal: Signal) -> bool {
    to_pid(entry.pid).is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
}

fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Stops whatever is left of an attempt: SIGTERM, `grace`, then SIGKILL until nothing is found.
///
/// Called when the leader is gone; also after a restart, for what an earlier runner left behind.
pub(crate) async fn sweep(kin: Kin, grace: Duration) -> Killed {
    let begin = Instant::now();
    let mut round = Round { kin, killed: Killed::default(), left: 0, action: Action::Term };
    loop {
        round = tokio::task::spawn_blocking(move || round.carry_out())
            .await
            .expect("a round neither panics nor is cancelled");
        if round.left == 0 {
            return round.killed;
        }
        if begin.elapsed() > GIVE_UP {
            tracing::error!(left = round.left, "processes survive SIGKILL");
            return round.killed;
        }
        tokio::time::sleep(LOOK).await;
        round.action = if begin.elapsed() < grace { Action::Look } else { Action::Kill };
    }
}

/// What a round of the sweep does to those it finds.
#[derive(Debug, Clone, Copy)]
enum Action {
    Term,
    Look,
    Kill,
}

/// One look for survivors.
struct Round {
    kin: Kin,
    killed: Killed,
    left: usize,
    action: Action,
}

impl Round {
    fn carry_out(mut self) -> Self {
        match self.action {
            Action::Term => self.killed.extend(self.kin.term_all()),
            Action::Look => {}
            Action::Kill => self.killed.extend(self.kin.kill_all()),
        }
        self.left = self.kin.living().len();
        if self.left == 0 {
            self.killed.0.keys().copied().for_each(reaper::collect);
        }
        self
    }
}
