//! Commands one device sends without waiting for the answers are accepted in the order it sent them.
//!
//! What a command needs to know is read before it is accepted, and reading takes as long as it
//! takes: each waits at a gate until the one before it is on its way to the store.

use std::hash::{BuildHasher as _, RandomState};

use afield_proto::{DeviceId, ProjectId};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::unconstrained;

/// So many that strangers seldom meet at one; it would only cost them time.
const GATES: usize = 256;

/// The gates.
pub(crate) struct Order {
    gates: Vec<Mutex<()>>,
    hash: RandomState,
}

/// Held until the next may follow.
pub(crate) type Turn<'a> = MutexGuard<'a, ()>;

impl Default for Order {
    fn default() -> Self {
        let gates = (0..GATES).map(|_| Mutex::default()).collect();
        Self { gates, hash: RandomState::new() }
    }
}

impl Order {
    /// Waits for the turn, in the order of asking.
    pub(crate) async fn turn(&self, device: DeviceId, project: Option<ProjectId>) -> Turn<'_> {
        let hash = self.hash.hash_one((device, project));
        let gate = usize::try_from(hash % GATES as u64).unwrap_or_default();
        // A task that has done much is made to wait elsewhere: not between arriving and queueing.
        unconstrained(self.gates[gate].lock()).await
    }
}
