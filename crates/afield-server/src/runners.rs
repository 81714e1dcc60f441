//! Links to runners: who is connected, orders to them, and what they report.
//!
//! A runner's words are untrusted: the store checks every record against the command, the attempt
//! and the fence, and a runner reaches only commands of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use afield_proto::agent::AgentMessage;
use afield_proto::command::Command;
use afield_proto::fact::{Fact, RunnerState};
use afield_proto::live::RunnerBeat;
use afield_proto::runner::{
    Acknowledged, RunnerExecute, RunnerFacts, RunnerHello, RunnerKill, RunnerPartial,
    RunnerRecords, RunnerSteered, RunnerWelcome,
};
use afield_proto::wire::{self, CorrelationId, Incoming};
use afield_proto::{CommandId, DeviceId, ErrorBody, ErrorCode, ProjectId, Timestamp, Topic};
use afield_store::SteerOrder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{Notify, oneshot};

use crate::blobs;
use crate::core::Core;
use crate::error::{from_store, internal, invalid};
use crate::registry::{self, Agreed};
use crate::socket::conn::Conn;

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

/// First request of a runner: agree on what each side has, then deliver.
///
/// Answers by itself, so that the reply comes before the first order.
pub(crate) async fn hello(
    core: &Arc<Core>,
    conn: &Arc<Conn>,
    id: Option<&CorrelationId>,
    hello: RunnerHello,
) -> Result<(), ErrorBody> {
    let agreed = Agreed::with(&hello)?;
    hello.facts.check().map_err(|reason| invalid(format!("facts: {reason}")))?;
    let (org, runner) = (conn.actor().org, conn.actor().device);
    let now = Timestamp::now();
    // How busy it is now says nothing about it once it is away.
    let lasting = RunnerFacts { load: None, ..hello.facts.clone() };
    core.store.record_runner_facts(org, runner, &lasting, now).await.map_err(from_store)?;
    let acknowledged =
        core.store.reconcile_runner(org, runner, &hello.attempts, now).await.map_err(from_store)?;
    // What ended by that may have kept others waiting.
    core.clock.look_again();
    let link = Arc::new(Link::new(Arc::clone(conn), agreed, hello.facts));
    let before = core.runners.links().insert(runner, Arc::clone(&link));
    if let Some(before) = before {
        before.deliver.notify_one();
        if before.conn.id() != conn.id() {
            before.conn.close(ErrorCode::Conflict, "this runner has connected again");
        }
    }
    let welcome = RunnerWelcome {
        runner_id: runner,
        protocol: link.agreed.protocol,
        features: link.agreed.features.clone(),
        acknowledged,
        ping_interval_ms: u64::try_from(core.limits().ping_interval.as_millis())
            .unwrap_or(u64::MAX),
    };
    conn.reply(&wire::reply_frame("runner_hello", id, None, &welcome));
    tracing::info!(%runner, name = conn.actor().device_name, "runner connected");
    announce(core, conn, Some(&link)).await;
    redeliver_answers(core, &link).await;
    tokio::spawn(deliver(Arc::clone(core), Arc::clone(&link)));
    link.deliver.notify_one();
    core.routing.again.look(org, Duration::ZERO);
    Ok(())
}

async fn announce(core: &Core, conn: &Conn, link: Option<&Link>) {
    let mut state = RunnerState {
        name: conn.actor().device_name.clone(),
        last_seen_at: Some(Timestamp::now()),
        ..RunnerState::unknown(conn.actor().device)
    };
    if let Some(link) = link {
        registry::connected(core, &mut state, link);
    }
    core.record_org_fact(conn.actor().org, &Fact::RunnerState(state)).await;
}

/// Answers the runner may not have received.
async fn redeliver_answers(core: &Core, link: &Link) {
    let actor = link.conn.actor();
    match core.store.answers_to_deliver(actor.org, actor.device).await {
        Ok(answers) => {
            for answer in answers {
                link.order("runner_answer", &answer);
            }
        }
        Err(error) => tracing::error!(%error, "can't read the answers of a runner"),
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

/// Sends what was leased. The runner may have connected anew meanwhile, and have been given again
/// what was leased until then: the new connection looks once more.
fn hand_over(core: &Arc<Core>, link: &Arc<Link>, orders: &[RunnerExecute]) {
    orders.iter().for_each(|order| link.execute(core, order));
    if orders.is_empty() || is_current(core, link) {
        return;
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
    for order in core.store.leased_commands(org, runner).await? {
        link.execute(core, &order);
    }
    for attempt in core.store.kills_to_deliver(org, runner).await? {
        link.order("runner_kill", &RunnerKill { attempt });
    }
    Ok(())
}

/// A runner's connection ended.
pub(crate) async fn left(core: &Core, conn: &Conn) {
    let runner = conn.actor().device;
    let Some(link) = core.runners.remove(runner, conn) else { return };
    link.pending().clear();
    link.deliver.notify_one();
    tracing::info!(%runner, name = conn.actor().device_name, "runner disconnected");
    announce(core, conn, None).await;
    core.routing.again.look(conn.actor().org, core.limits().failover_grace);
    let seen = core.store.record_device_seen(runner, None, Timestamp::now()).await;
    if let Err(error) = seen {
        tracing::warn!(%error, "can't record when a runner was last seen");
    }
}

/// Records of an attempt: applied, then acknowledged.
pub(crate) async fn records(
    core: &Core,
    conn: &Conn,
    batch: RunnerRecords,
) -> Result<Acknowledged, ErrorBody> {
    let command = batch.attempt.command_id;
    let (org, runner) = (conn.actor().org, conn.actor().device);
    let applied = core.store.apply_records(org, runner, batch, Timestamp::now()).await;
    let applied = applied.map_err(from_store)?;
    if applied.attempt_over {
        judge(core, conn, &applied.command);
        core.is_final(command);
        core.released(&applied.command);
    } else if applied.executing_changed {
        core.runners.turn_began(runner);
    }
    Ok(applied.acknowledged)
}

/// What the end of an attempt says about its runner.
fn judge(core: &Core, conn: &Conn, command: &Command) {
    let Some(outcome) = &command.outcome else { return };
    let (runner, now) = (conn.actor().device, Timestamp::now());
    if let Some(until) = core.routing.breakers.ended(runner, outcome.kind, now) {
        tracing::warn!(%runner, %until, "it keeps failing; no more is sent there by selector");
    }
    // A success may have closed its breaker.
    core.routing.again.beat(conn.actor().org);
}

/// How busy a runner is, at once. `false` for one that may not say so here.
pub(crate) fn beat_now(core: &Core, conn: &Conn, beat: &RunnerBeat) -> bool {
    let link = conn.is_runner().then(|| core.runners.get(conn.actor().device)).flatten();
    let link = link.filter(|link| link.conn.id() == conn.id() && registry::is_sound(beat));
    core.routing.again.beat(conn.actor().org);
    link.map(|link| link.beat(beat.clone())).is_some()
}

/// Messages to relay, of a command this runner works on.
pub(crate) async fn partial(
    core: &Core,
    conn: &Conn,
    partial: RunnerPartial,
) -> Result<(), ErrorBody> {
    let project = command_project(core, conn, partial.attempt.command_id).await?;
    relay(core, project, partial.messages);
    Ok(())
}

/// The same, at once, when the command's project is known. `false` when it must be asked for.
pub(crate) fn partial_now(core: &Core, conn: &Conn, partial: &mut RunnerPartial) -> bool {
    let link = conn.is_runner().then(|| core.runners.get(conn.actor().device)).flatten();
    let project = link.and_then(|link| link.project(partial.attempt.command_id));
    let Some(project) = project else { return false };
    relay(core, project, std::mem::take(&mut partial.messages));
    true
}

fn relay(core: &Core, project: ProjectId, messages: Vec<AgentMessage>) {
    let topic = Topic::Project(project);
    if core.topics.is_followed(&topic) {
        let now = Timestamp::now();
        for message in messages {
            let body = wire::fact_body(Some(project), &Fact::AgentMessage(message));
            core.topics.relay(topic, &body, now);
        }
    }
}

/// The project of a command of this runner.
///
/// **Errors**: NOT_FOUND for commands of others.
async fn command_project(
    core: &Core,
    conn: &Conn,
    command: CommandId,
) -> Result<ProjectId, ErrorBody> {
    let actor = conn.actor();
    let link = core.runners.require(actor.device)?;
    if let Some(project) = link.project(command) {
        return Ok(project);
    }
    let found = core.store.command(actor.org, command).await.map_err(from_store)?;
    if found.runner_id != actor.device {
        return Err(crate::error::not_found("command"));
    }
    link.projects().insert(command, found.project_id);
    Ok(found.project_id)
}
