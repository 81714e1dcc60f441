//! The queue's clock: one timer for everything that happens by itself. It asks the store only when
//! something is due or has changed; at rest there are no statements.
//!
//! Commands that were over long ago are archived by it as well, and files that none needs removed. When that is due next is known from
//! the last look; the first command that is over after a look that found none tells by itself.

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
/// The shortest time between two looks for commands to archive: they leave together.
const ARCHIVE_STEP: Duration = Duration::from_hours(1);
/// Commands archived in one transaction: others wait no longer than for a lease.
const ARCHIVED_AT_ONCE: usize = 100;
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
    /// When commands must be archived next.
    archive: Option<Timestamp>,
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

    /// A command is over: some day it leaves.
    pub(crate) fn is_over(&self, command: &Command, kept: Duration) {
        let Some(at) = command.finished_at else { return };
        let mut state = self.state();
        state.archive.get_or_insert(at.plus(kept));
    }

    /// A file was taken, or is no longer needed: it may go at this time.
    pub(crate) fn uploaded(&self, may_go_at: Timestamp) {
        let mut state = self.state();
        if state.archive.is_none_or(|next| may_go_at < next) {
            state.archive = Some(may_go_at);
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
    core.clock.state().archive = Some(Timestamp::now());
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
            (false, false) if core.clock.state().archive.is_some_and(|at| at <= now) => {
                archive(core, now).await
            }
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
    let next = {
        let state = core.clock.state();
        [state.next, state.archive].into_iter().flatten().min()
    };
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
        core.clock.is_over(command, core.limits().finished_kept);
    }
    for (_, runner) in swept.ready {
        core.runners.deliver(runner);
    }
    Ok(())
}

/// Archives what was over long enough ago.
async fn archive(core: &Core, now: Timestamp) -> Result<(), afield_store::Error> {
    let kept = core.limits().finished_kept;
    core.clock.state().archive = None;
    let archived = archive_until(core, now.minus(kept)).await;
    let removed = remove_unused(core, now).await;
    let mut state = core.clock.state();
    let step = now.plus(ARCHIVE_STEP);
    let (next, result) = match (archived, removed) {
        (Ok(first), Ok(unused)) => {
            let due = [first.map(|first| first.plus(kept)), unused].into_iter().flatten().min();
            (due.map(|due| due.max(step)), Ok(()))
        }
        (Err(error), _) | (_, Err(error)) => (Some(step), Err(error)),
    };
    // What was over or uploaded meanwhile is not forgotten.
    state.archive = [next, state.archive].into_iter().flatten().min();
    result
}

/// Removes files that no command needs any more. Says when the next may go.
async fn remove_unused(
    core: &Core,
    now: Timestamp,
) -> Result<Option<Timestamp>, afield_store::Error> {
    let kept = core.limits().attachments_kept;
    let oldest = core.store.remove_unused_uploads(now.minus(kept)).await?;
    Ok(oldest.map(|oldest| oldest.plus(kept)))
}

/// Archives what was over at `by`. Says when the first of the others was, if there are any.
async fn archive_until(
    core: &Core,
    by: Timestamp,
) -> Result<Option<Timestamp>, afield_store::Error> {
    let (mut after, mut first, mut archived) = (None, None::<Timestamp>, 0);
    loop {
        let found = core.store.old_commands(after, by).await?;
        for old in found.old.chunks(ARCHIVED_AT_ONCE) {
            archived += core.store.archive_commands(old.to_vec(), by).await?;
        }
        first = [first, found.next].into_iter().flatten().min();
        after = found.after;
        if after.is_none() {
            if archived > 0 {
                tracing::info!(archived, "commands that were over long ago were archived");
            }
            return Ok(first);
        }
    }
}
