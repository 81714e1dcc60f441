//! The queue's clock: one timer for everything that happens by itself. It asks the store only when
//! something is due or has changed; at rest there are no statements.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use afield_proto::Timestamp;
use afield_proto::command::{Command, CommandState};
use tokio::sync::Notify;

use crate::core::Core;

/// The longest sleep: the wall clock may jump, and is looked at again after this.
const SLEEP_MAX: Duration = Duration::from_secs(10);
/// How long changes are gathered before the store is asked what is due next.
const GATHERED: Duration = Duration::from_millis(200);
/// The wait after the store refused.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// When the queue must be swept next.
#[derive(Default)]
pub(crate) struct Clock {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    next: Option<Timestamp>,
    /// Something left its lane: what is behind it may be due at a time nobody noted.
    stale: bool,
}

impl Clock {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the clock")
    }

    /// A command waits: look when it is due or expires.
    pub(crate) fn note(&self, command: &Command) {
        if command.state != CommandState::Queued {
            return self.look_again();
        }
        let Some(at) = command.not_before.or(command.expires_at) else { return };
        let mut state = self.state();
        if state.next.is_none_or(|next| at < next) {
            state.next = Some(at);
            self.changed.notify_one();
        }
    }

    /// What waited behind a command may be due at another time.
    pub(crate) fn look_again(&self) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.stale, true) {
            self.changed.notify_one();
        }
    }
}

/// Runs until it is dropped.
pub(crate) async fn run(core: &Core) {
    core.clock.look_again();
    loop {
        let now = Timestamp::now();
        let (stale, due) = {
            let mut state = core.clock.state();
            let due = state.next.is_some_and(|next| next <= now);
            (std::mem::take(&mut state.stale), due)
        };
        let looked = match (due, stale) {
            (true, _) => sweep(core, now).await,
            (false, true) => look(core).await,
            (false, false) => {
                sleep(core, now).await;
                continue;
            }
        };
        if let Err(error) = looked {
            tracing::error!(%error, "the queue can't be swept");
            tokio::time::sleep(AFTER_ERROR).await;
            core.clock.look_again();
        }
    }
}

async fn sleep(core: &Core, now: Timestamp) {
    let next = core.clock.state().next;
    let wait = next.map_or(SLEEP_MAX, |next| {
        let ms = next.unix_ms().saturating_sub(now.unix_ms());
        Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(SLEEP_MAX)
    });
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = core.clock.changed.notified() => {}
    }
}

/// Asks when something is due next, after changes were gathered for a moment.
async fn look(core: &Core) -> Result<(), afield_store::Error> {
    tokio::time::sleep(GATHERED).await;
    let before = core.clock.state().next;
    let next = core.store.next_sweep().await?;
    let mut state = core.clock.state();
    // What was noted meanwhile is not forgotten.
    state.next = match state.next == before {
        true => next,
        false => [state.next, next].into_iter().flatten().min(),
    };
    Ok(())
}

async fn sweep(core: &Core, now: Timestamp) -> Result<(), afield_store::Error> {
    core.clock.state().next = None;
    let swept = core.store.sweep_queue(now).await?;
    let mut state = core.clock.state();
    state.next = [state.next, swept.next].into_iter().flatten().min();
    drop(state);
    for command in &swept.expired {
        tracing::info!(command = %command.id, "expired");
    }
    for (_, runner) in swept.ready {
        core.runners.deliver(runner);
    }
    Ok(())
}
