//! Orphans: processes whose parents ended come to the runner, which collects them when they end.
//!
//! Works beside tokio's own waiting: what the runner started itself is claimed from the moment it
//! exists until it has been waited for, and the reaper leaves claimed processes alone. It also
//! waits for a second look before it collects anything, in case an owner is only slow.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use tokio::process::{Child, Command};

use super::table;

/// Process ids this process started and has not waited for yet. One per process, as the kernel's
/// list of children is.
static CLAIMED: LazyLock<Mutex<HashSet<u32>>> = LazyLock::new(Mutex::default);

fn claimed() -> std::sync::MutexGuard<'static, HashSet<u32>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the reaper away from one child. Drop it after the child has been waited for.
#[derive(Debug)]
pub(crate) struct Claim(u32);

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().remove(&self.0);
    }
}

/// Starts a child that the reaper leaves alone.
pub(super) fn spawn(command: &mut Command) -> std::io::Result<(Child, Claim)> {
    let mut claimed = claimed();
    let child = command.spawn()?;
    let pid = child.id().expect("a child that was not waited for has an id");
    claimed.insert(pid);
    Ok((child, Claim(pid)))
}

/// Asks the kernel to hand orphaned descendants to this process instead of to init.
#[cfg(target_os = "linux")]
pub(crate) fn adopt_orphans() {
    let own = rustix::process::getpid();
    if let Err(error) = rustix::process::set_child_subreaper(Some(own)) {
        tracing::debug!(%error, "orphans go to init");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn adopt_orphans() {}

/// Collects ended orphans.
#[derive(Debug, Default)]
pub(crate) struct OrphanReaper {
    seen: HashSet<(u32, u64)>,
}

impl OrphanReaper {
    /// Collects the orphans that had ended at the last look too. Blocking.
    pub(crate) fn look(&mut self) {
        let ended = ended_orphans();
        for pid in ended.intersection(&self.seen).map(|&(pid, _)| pid) {
            collect(pid);
        }
        self.seen = ended;
    }
}

fn ended_orphans() -> HashSet<(u32, u64)> {
    let own = std::process::id();
    let all = table::all();
    let claimed = claimed();
    all.into_iter()
        .filter(|entry| entry.zombie && entry.parent == own && !claimed.contains(&entry.pid))
        .map(|entry| (entry.pid, entry.started))
        .collect()
}

/// Collects one process that was killed, if it has become a child of this one.
pub(super) fn collect(pid: u32) {
    let claimed = claimed();
    if claimed.contains(&pid) {
        return;
    }
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return;
    };
    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
}
