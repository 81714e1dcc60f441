//! Links to runners: who is connected, orders to them, and what they report.
//!
//! A runner's words are untrusted: the store checks every record against the command, the attempt
//! and the fence, and a runner reaches only commands of its own.
//!
//! Here is what goes to a runner; how it comes and goes is in [`hello`], what it says in [`reports`].

mod hello;
mod reports;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use afield_proto::live::RunnerBeat;
use afield_proto::runner::{RunnerExecute, RunnerFacts, RunnerKill, RunnerSteered};
use afield_proto::wire::{self, CorrelationId, Incoming};
use afield_proto::{CommandId, DeviceId, ErrorBody, ErrorCode, ProjectId, Timestamp};
use afield_store::SteerOrder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{Notify, oneshot};

use crate::blobs;
use crate::core::Core;
use crate::error::internal;
use crate::registry::Agreed;
use crate::socket::conn::Conn;

pub(crate) use self::hello::{hello, left};
pub(crate) use self::reports::{beat_now, partial, partial_now, records};

/// How long an order with a reply may take, unless said otherwise.
pub(crate) const ORDER_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Runners {
    links: Mutex<HashMap<DeviceId, Arc<Link>>>,
}

type Reply = Result<Box<RawValue>, ErrorBody>;

/// One runner's live connection.
pub(crate) struct Link {
    pub(crate) conn: Arc<Conn>,
    /// What was agreed with it.
    pub(crate) agreed: Agreed,
    /// What it said about itself, its last beat in it.
    facts: Mutex<Arc<RunnerFacts>>,
    pending: Mutex<HashMap<i64, oneshot::Sender<Reply>>>,
    next_order: AtomicI64,
    /// The projects of the commands it works on, for relaying without asking the store.
    projects: Mutex<HashMap<CommandId, ProjectId>>,
    /// Something may wait to go into a turn it works on.
    steers: AtomicBool,
    deliver: Notify,
    /// Held by whoever leases for it.
    leasing: tokio::sync::Mutex<()>,
    /// Something may be leased to it that it was not sent.
    unsent: AtomicBool,
}

impl Runners {
    fn links(&self) -> MutexGuard<'_, HashMap<DeviceId, Arc<Link>>> {
        self.links.lock().expect("nothing panics while it holds the links")
    }

    pub(crate) fn get(&self, runner: DeviceId) -> Option<Arc<Link>> {
        self.links().get(&runner).cloned()
    }

    /// **Errors**: RUNNER_OFFLINE.
    pub(crate) fn require(&self, runner: DeviceId) -> Result<Arc<Link>, ErrorBody> {
        self.get(runner).ok_or_else(|| {
            ErrorBody::new(
                ErrorCode::RunnerOffline,
                "the project's runner is not connected; start it on its machine with: afield runner",
            )
            .with_details(serde_json::json!({ "runner_id": runner }))
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.links().len()
    }

    /// Takes a runner's link out, if it still is this connection.
    fn remove(&self, runner: DeviceId, conn: &Conn) -> Option<Arc<Link>> {
        let mut links = self.links();
        links.get(&runner).filter(|link| link.conn.id() == conn.id())?;
        links.remove(&runner)
    }

    /// Every connected runner may have something new to carry out.
    pub(crate) fn deliver_all(&self) {
        self.links().values().for_each(|link| link.deliver.notify_one());
    }

    /// A runner has something new to carry out.
    pub(crate) fn deliver(&self, runner: DeviceId) {
        if let Some(link) = self.get(runner) {
            link.deliver.notify_one();
        }
    }

    /// Something is to go into a turn of this runner.
    pub(crate) fn steer(&self, runner: DeviceId) {
        if let Some(link) = self.get(runner) {
            link.steers.store(true, Ordering::Relaxed);
            link.deliver.notify_one();
        }
    }

    /// A turn of this runner began: what was to go into it may.
    fn turn_began(&self, runner: DeviceId) {
        if let Some(link) = self.get(runner)
            && link.steers.load(Ordering::Relaxed)
        {
            link.deliver.notify_one();
        }
    }
}

impl Link {
    fn new(conn: Arc<Conn>, agreed: Agreed, facts: RunnerFacts) -> Self {
        Self {
            conn,
            agreed,
            facts: Mutex::new(Arc::new(facts)),
            pending: Mutex::default(),
            next_order: AtomicI64::new(1),
            projects: Mutex::default(),
            steers: AtomicBool::new(true),
            deliver: Notify::new(),
            leasing: tokio::sync::Mutex::default(),
            unsent: AtomicBool::new(true),
        }
    }

    /// What it said about itself, and how busy it is.
    pub(crate) fn facts(&self) -> Arc<RunnerFacts> {
        Arc::clone(&self.facts.lock().expect("nothing panics while it holds the facts"))
    }

    /// Takes a beat: nothing is written.
    pub(crate) fn beat(&self, beat: RunnerBeat) {
        let mut facts = self.facts.lock().expect("nothing panics while it holds the facts");
        let facts = Arc::make_mut(&mut facts);
        facts.load = Some(beat.load);
        if let Some(agents) = beat.agents {
            facts.agents = agents;
        }
    }

    /// Whether the runner said that its disk takes no writes.
    pub(crate) fn disk_refuses(&self) -> bool {
        self.facts().load.is_some_and(|load| load.disk_refuses)
    }

    /// How many commands the runner takes at once.
    pub(crate) fn slots(&self) -> usize {
        usize::try_from(self.facts().concurrency).unwrap_or(usize::MAX).max(1)
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<i64, oneshot::Sender<Reply>>> {
        self.pending.lock().expect("nothing panics while it holds the orders")
    }

    fn projects(&self) -> MutexGuard<'_, HashMap<CommandId, ProjectId>> {
        self.projects.lock().expect("nothing panics while it holds the projects")
    }

    fn project(&self, command: CommandId) -> Option<ProjectId> {
        self.projects().get(&command).copied()
    }

    /// Sends an order that has no reply.
    pub(crate) fn order(&self, name: &str, data: &impl Serialize) {
        self.conn.reply(&wire::notice_frame(name, data));
    }

    /// Sends the order to carry a command out.
    fn execute(self: &Arc<Self>, core: &Arc<Core>, order: &RunnerExecute) {
        if !order.attachments.is_empty() && !blobs::takes(self) {
            let (core, link, order) = (Arc::clone(core), Arc::clone(self), order.clone());
            tokio::spawn(async move { blobs::refuse(&core, &link, &order).await });
            return;
        }
        // Before the order: what is said about it is relayed at once, in its order.
        self.projects().insert(order.attempt.command_id, order.project_id);
        self.order("runner_execute", order);
    }

    /// Sends an order and waits for its reply.
    ///
    /// **Errors**: what the runner answers; RUNNER_OFFLINE when it goes away or does not answer.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        name: &str,
        data: &impl Serialize,
        timeout: Duration,
    ) -> Result<T, ErrorBody> {
        let number = self.next_order.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.pending().insert(number, sender);
        self.conn.reply(&wire::request_frame(name, &CorrelationId::Number(number), data));
        let answer = tokio::time::timeout(timeout, receiver).await;
        self.pending().remove(&number);
        let data = answer.ok().and_then(Result::ok).ok_or_else(no_answer)??;
        serde_json::from_str(data.get()).map_err(|error| internal(&error))
    }

    fn answered(&self, frame: Incoming) {
        let Some(CorrelationId::Number(number)) = frame.id else { return };
        let Some(waiting) = self.pending().remove(&number) else { return };
        let reply = if frame.kind == "error" {
            Err(frame.data().unwrap_or_else(|error| error))
        } else {
            Ok(frame.data.unwrap_or_else(|| RawValue::NULL.to_owned()))
        };
        // The one who asked may have given up meanwhile.
        let _ = waiting.send(reply);
    }
}

fn no_answer() -> ErrorBody {
    ErrorBody::new(ErrorCode::RunnerOffline, "the runner did not answer in time or went away")
}

/// A runner's reply to an order arrived.
pub(crate) fn replied(core: &Core, conn: &Conn, frame: Incoming) {
    if let Some(link) = core.runners.get(conn.actor().device)
        && link.conn.id() == conn.id()
    {
        link.answered(frame);
    }
}

/// Gives a runner again what it was given before and has not begun, then leases what waits and
/// sends it, whenever there is something new.
async fn deliver(core: Arc<Core>, link: Arc<Link>) {
    loop {
        link.deliver.notified().await;
        if !is_current(&core, &link) {
            return;
        }
        if link.unsent.swap(false, Ordering::Relaxed)
            && let Err(error) = redeliver(&core, &link).await
        {
            link.unsent.store(true, Ordering::Relaxed);
            tracing::error!(%error, "can't read what a runner was given");
        }
        let leasing = link.leasing.lock().await;
        lease(&core, &link).await;
        drop(leasing);
        if link.steers.swap(false, Ordering::Relaxed) {
            offer_steers(&core, &link).await;
        }
    }
}

/// Leases to a runner what is being accepted for it right now, in the same write, if it is there
/// and nobody leases for it already.
pub(crate) async fn lease_at_once(core: &Arc<Core>, runner: DeviceId) {
    let Some(link) = core.runners.get(runner) else { return };
    let Ok(_leasing) = link.leasing.try_lock() else { return };
    lease(core, &link).await;
}

async fn lease(core: &Arc<Core>, link: &Arc<Link>) {
    let (org, runner) = (link.conn.actor().org, link.conn.actor().device);
    match core.store.lease_commands(org, runner, link.slots(), Timestamp::now()).await {
        Ok(orders) => hand_over(core, link, &orders),
        Err(error) => tracing::error!(%error, %runner, "can't lease commands"),
    }
}

/// Sends what was leased. The runner may have connected anew meanwhile, as another version, and have
/// been given again what was leased until then: its new connection looks once more.
fn hand_over(core: &Arc<Core>, link: &Arc<Link>, orders: &[RunnerExecute]) {
    if orders.is_empty() {
        return;
    }
    if is_current(core, link) {
        return orders.iter().for_each(|order| link.execute(core, order));
    }
    if let Some(current) = core.runners.get(link.conn.actor().device) {
        current.unsent.store(true, Ordering::Relaxed);
        current.deliver.notify_one();
    }
}

fn is_current(core: &Core, link: &Arc<Link>) -> bool {
    let current = core.runners.get(link.conn.actor().device);
    current.is_some_and(|current| Arc::ptr_eq(&current, link))
}

/// Gives the runner the words that go into its turns.
async fn offer_steers(core: &Arc<Core>, link: &Arc<Link>) {
    let (org, runner) = (link.conn.actor().org, link.conn.actor().device);
    let offers = match core.store.offer_steers(org, runner, Timestamp::now()).await {
        Ok(offers) => offers,
        Err(error) => {
            link.steers.store(true, Ordering::Relaxed);
            return tracing::error!(%error, %runner, "can't read what goes into its turns");
        }
    };
    if offers.more {
        link.steers.store(true, Ordering::Relaxed);
    }
    for offer in offers.orders {
        tokio::spawn(offer_steer(Arc::clone(core), Arc::clone(link), offer));
    }
}

/// One of them. A record says when the agent was given it; what nobody hears of is offered again
/// to the runner's next connection, or is over with the turn.
async fn offer_steer(core: Arc<Core>, link: Arc<Link>, offer: SteerOrder) {
    let id = offer.order.command_id;
    let answer = match offer.order.attachments.is_empty() || blobs::takes(&link) {
        true => link.ask::<RunnerSteered>("runner_steer", &offer.order, ORDER_TIMEOUT).await,
        false => Ok(RunnerSteered { taken: false }),
    };
    match answer {
        Ok(RunnerSteered { taken: true }) => return,
        Ok(RunnerSteered { taken: false }) => {}
        // A runner of an earlier version does not know the order.
        Err(error) if error.code == ErrorCode::ValidationFailed => {}
        Err(error) => return tracing::debug!(command = %id, %error, "nobody knows yet"),
    }
    let org = link.conn.actor().org;
    let refused = core.store.refuse_steer(org, id, offer.fence, Timestamp::now()).await;
    if let Err(error) = refused {
        tracing::error!(%error, command = %id, "can't put it back into the queue");
    }
    link.deliver.notify_one();
}

/// What the runner was given before this connection: started or stopped meanwhile, or not begun.
async fn redeliver(core: &Arc<Core>, link: &Arc<Link>) -> Result<(), afield_store::Error> {
    let (org, runner) = (link.conn.actor().org, link.conn.actor().device);
    hand_over(core, link, &core.store.leased_commands(org, runner).await?);
    for attempt in core.store.kills_to_deliver(org, runner).await? {
        link.order("runner_kill", &RunnerKill { attempt });
    }
    Ok(())
}
