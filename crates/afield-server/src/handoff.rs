//! Hand-off over the wire: a lease of the focus that lives as long as its holder's connection, and
//! a little longer.
//!
//! The store says who holds it; here is only which connection that is. A server that starts knows
//! no connection, and gives every holder the same time to come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use afield_flow::handoff::{Screen, Step};
use afield_proto::handoff::{Handoff, Holder};
use afield_proto::request::{HandoffMove, HandoffOffer, HandoffRelease, HandoffTake};
use afield_proto::{ErrorBody, OrgId, ReplicaId, Timestamp, UserId};

use crate::core::Core;
use crate::error::from_store;
use crate::socket::conn::{Actor, Conn};

/// Which connection holds each person's focus, and since which version.
#[derive(Default)]
pub(crate) struct Leases(Mutex<HashMap<UserId, Lease>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lease {
    version: u64,
    conn: u64,
}

impl Leases {
    fn all(&self) -> MutexGuard<'_, HashMap<UserId, Lease>> {
        self.0.lock().expect("nothing panics while it holds the leases")
    }

    /// A connection holds this version, unless a later one was taken since the store answered.
    fn begin(&self, user: UserId, lease: Lease) {
        let mut leases = self.all();
        if leases.get(&user).is_none_or(|other| other.version <= lease.version) {
            leases.insert(user, lease);
        }
    }

    /// Takes the lease of this connection out.
    fn cut(&self, user: UserId, conn: u64) -> Option<Lease> {
        let mut leases = self.all();
        leases.get(&user).filter(|lease| lease.conn == conn)?;
        leases.remove(&user)
    }

    /// Whether a connection holds this version.
    fn is_held(&self, user: UserId, version: u64) -> bool {
        self.all().get(&user).is_some_and(|lease| lease.version == version)
    }
}

/// `handoff_get`
pub(crate) async fn get(core: &Core, actor: &Actor) -> Result<Handoff, ErrorBody> {
    core.store.handoff(actor.org, actor.user).await.map_err(from_store)
}

/// `handoff_take`: the connection that asks holds it from now on.
pub(crate) async fn take(
    core: &Arc<Core>,
    conn: &Conn,
    ask: HandoffTake,
) -> Result<Handoff, ErrorBody> {
    let actor = conn.actor();
    let by = Holder {
        device_id: actor.device,
        device_name: actor.device_name.clone(),
        screen: ask.screen,
    };
    let step = Step::Take { from_version: ask.from_version, by, focus: ask.focus };
    let taken = self::step(core, actor, step).await?;
    core.leases.begin(actor.user, Lease { version: taken.version, conn: conn.id() });
    if conn.outbox().is_shut() {
        // It ended before it held anything.
        left(core, conn);
    }
    Ok(taken)
}

/// `handoff_move`
pub(crate) async fn move_to(
    core: &Core,
    actor: &Actor,
    ask: HandoffMove,
) -> Result<Handoff, ErrorBody> {
    step(core, actor, Step::Move { by: screen(actor, ask.screen), focus: ask.focus }).await
}

/// `handoff_offer`
pub(crate) async fn offer(
    core: &Core,
    actor: &Actor,
    ask: HandoffOffer,
) -> Result<Handoff, ErrorBody> {
    let devices = core.store.devices(actor.org).await.map_err(from_store)?;
    if !devices.iter().any(|device| device.id == ask.to && device.revoked_at.is_none()) {
        return Err(crate::error::not_found("device"));
    }
    step(core, actor, Step::Offer { by: screen(actor, ask.screen), to: ask.to }).await
}

/// `handoff_release`
pub(crate) async fn release(
    core: &Core,
    actor: &Actor,
    ask: HandoffRelease,
) -> Result<Handoff, ErrorBody> {
    step(core, actor, Step::Release { by: screen(actor, ask.screen) }).await
}

fn screen(actor: &Actor, screen: ReplicaId) -> Screen {
    Screen { device_id: actor.device, screen }
}

async fn step(core: &Core, actor: &Actor, step: Step) -> Result<Handoff, ErrorBody> {
    let stepped = core.store.step_handoff(actor.org, actor.user, step, Timestamp::now()).await;
    stepped.map_err(from_store)
}

/// A connection ended: what it held ends too, unless its screen comes back in time.
pub(crate) fn left(core: &Arc<Core>, conn: &Conn) {
    let actor = conn.actor();
    if let Some(lease) = core.leases.cut(actor.user, conn.id()) {
        tokio::spawn(end_later(Arc::clone(core), actor.org, actor.user, lease.version));
    }
}

/// Every focus held when the server last ran.
///
/// **Errors**: those of the store.
pub(crate) async fn begin(core: &Arc<Core>) -> Result<(), afield_store::Error> {
    for (org, user, handoff) in core.store.held_handoffs().await? {
        tokio::spawn(end_later(Arc::clone(core), org, user, handoff.version));
    }
    Ok(())
}

async fn end_later(core: Arc<Core>, org: OrgId, user: UserId, version: u64) {
    tokio::time::sleep(core.limits().handoff_grace).await;
    if core.leases.is_held(user, version) {
        return;
    }
    let ended = core.store.step_handoff(org, user, Step::End { version }, Timestamp::now()).await;
    if let Err(error) = ended {
        tracing::warn!(%error, %user, "the end of a focus can't be recorded");
    }
}
