//! What every part of the server reaches: store, topics, runner links, connections, figures.
//!
//! Holds no rule of its own. State that must survive lives in the store; what is here can be
//! rebuilt by connecting again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use afield_proto::fact::{ConnectionHealth, Fact};
use afield_proto::request::Verdict;
use afield_proto::{CommandId, DeviceId, ErrorBody, ErrorCode, OrgId, Timestamp, Topic, wire};
use afield_store::{Owner, Store};
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};

use crate::auth::key::ServerKey;
use crate::auth::replay::Replay;
use crate::auth::throttle::Throttle;
use crate::blobs;
use crate::error::from_store;
use crate::handoff::Leases;
use crate::messages::Mail;
use crate::options::{Limits, Options};
use crate::presence::Presences;
use crate::push::Push;
use crate::queue::clock::Clock;
use crate::queue::order::Order;
use crate::queue::quota::Quota;
use crate::rotation::Rotation;
use crate::routing::Routing;
use crate::runners::Runners;
use crate::socket::codec;
use crate::socket::conn::Conn;
use crate::state::ServerClock;
use crate::topics::{Fetch, FollowRequest, Form, Topics};

pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) store: Store,
    pub(crate) owner: Owner,
    pub(crate) topics: Topics,
    pub(crate) runners: Runners,
    pub(crate) routing: Routing,
    pub(crate) clock: Clock,
    /// Held by whoever takes a file.
    pub(crate) uploads: Semaphore,
    pub(crate) quota: Quota,
    pub(crate) rotation: Rotation,
    pub(crate) order: Order,
    pub(crate) counters: Counters,
    pub(crate) throttle: Throttle,
    pub(crate) key: ServerKey,
    pub(crate) replay: Replay,
    pub(crate) state_clock: ServerClock,
    pub(crate) leases: Leases,
    pub(crate) mail: Mail,
    pub(crate) presences: Presences,
    pub(crate) push: Push,
    pub(crate) started: Instant,
    conns: Mutex<HashMap<u64, Arc<Conn>>>,
    next_conn: AtomicU64,
    finals: Mutex<HashMap<CommandId, Vec<oneshot::Sender<()>>>>,
}

/// Counters since the start, kept apart from the metrics so that `server_stats` can show them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    received: AtomicU64,
    sent: AtomicU64,
    events: AtomicU64,
}

impl Counters {
    pub(crate) fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, frames: u64) {
        self.sent.fetch_add(frames, Ordering::Relaxed);
    }

    pub(crate) fn events(&self, events: u64) {
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    /// Frames received, frames sent, events written.
    pub(crate) fn read(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.received), read(&self.sent), read(&self.events))
    }
}

impl Core {
    pub(crate) fn new(
        options: Options,
        store: Store,
        owner: Owner,
        key: ServerKey,
        push: Push,
    ) -> Self {
        Self {
            throttle: Throttle::new(&options.limits),
            quota: Quota::new(&options.limits),
            rotation: Rotation::default(),
            routing: Routing::new(&options.limits),
            order: Order::default(),
            key,
            replay: Replay::default(),
            options,
            store,
            owner,
            topics: Topics::default(),
            runners: Runners::default(),
            clock: Clock::default(),
            counters: Counters::default(),
            state_clock: ServerClock::default(),
            leases: Leases::default(),
            mail: Mail::default(),
            presences: Presences::default(),
            push,
            uploads: Semaphore::new(blobs::UPLOADS_AT_ONCE),
            started: Instant::now(),
            conns: Mutex::default(),
            next_conn: AtomicU64::new(1),
            finals: Mutex::default(),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.options.limits
    }

    pub(crate) fn next_conn_id(&self) -> u64 {
        self.next_conn.fetch_add(1, Ordering::Relaxed)
    }

    fn conns(&self) -> MutexGuard<'_, HashMap<u64, Arc<Conn>>> {
        self.conns.lock().expect("nothing panics while it holds the connections")
    }

    pub(crate) fn connected(&self, conn: &Arc<Conn>) {
        self.conns().insert(conn.id(), Arc::clone(conn));
        crate::presence::connected(self, conn);
        tracing::debug!(conn = conn.id(), device = %conn.actor().device, "connected");
    }

    /// Undoes everything that refers to a connection.
    pub(crate) async fn disconnected(self: &Arc<Self>, conn: &Arc<Conn>) {
        conn.outbox().shut();
        for topic in conn.topics() {
            self.topics.unfollow(&topic, conn);
        }
        if conn.is_runner() {
            crate::runners::left(self, conn).await;
        }
        crate::handoff::left(self, conn);
        crate::messages::left(self, conn);
        crate::presence::left(self, conn);
        // Last: a stopping server waits for this before it closes the store.
        self.conns().remove(&conn.id());
        tracing::debug!(conn = conn.id(), device = %conn.actor().device, "disconnected");
    }

    pub(crate) fn all_conns(&self) -> Vec<Arc<Conn>> {
        self.conns().values().cloned().collect()
    }

    pub(crate) fn conn_count(&self) -> usize {
        self.conns().len()
    }

    /// Cuts every connection of a device whose credential ended.
    pub(crate) fn cut_device(&self, device: DeviceId) {
        self.conns_of(device).iter().for_each(|conn| conn.cut());
    }

    /// Has a device connect anew, with what it may do now.
    pub(crate) fn renew_device(&self, device: DeviceId) {
        self.conns_of(device).iter().for_each(|conn| conn.renew());
    }

    fn conns_of(&self, device: DeviceId) -> Vec<Arc<Conn>> {
        let conns = self.conns();
        conns.values().filter(|conn| conn.actor().device == device).cloned().collect()
    }

    /// Makes `conn` a follower of a topic and answers the request that asked for it.
    ///
    /// **Errors**: those of the store.
    pub(crate) async fn follow(
        &self,
        conn: &Arc<Conn>,
        topic: Topic,
        form: Form,
        after: Option<u64>,
        reply: impl FnOnce(u64, Verdict) -> Option<Bytes>,
    ) -> Result<(), ErrorBody> {
        self.topics.open(topic);
        conn.add_topic(topic);
        let head = match self.store.topic_head(topic).await {
            Ok(head) => head,
            Err(error) => {
                conn.remove_topic(&topic);
                self.topics.unfollow(&topic, conn);
                return Err(from_store(error));
            }
        };
        let request =
            FollowRequest { form, after, head: head.last, first_available: head.first_available };
        self.topics.follow(topic, conn, request, reply);
        Ok(())
    }

    pub(crate) fn unfollow(&self, conn: &Conn, topic: &Topic) {
        conn.remove_topic(topic);
        self.topics.unfollow(topic, conn);
    }

    /// Fetches events for a connection that is behind.
    pub(crate) async fn fetch(&self, fetch: Fetch, conn: &Conn, limit: usize) {
        match self.store.read_events(fetch.topic, fetch.after, limit).await {
            Ok(page) => self.topics.fetched(fetch, conn, &page.events, &page.gaps),
            Err(error) => {
                tracing::error!(%error, topic = %fetch.topic, "can't read events for a follower");
                conn.close(ErrorCode::Unavailable, "the log can't be read");
            }
        }
    }

    /// Sends a fact to one connection.
    pub(crate) fn tell(&self, conn: &Conn, fact: &Fact) {
        let body = wire::fact_body(None, fact);
        let frame = codec::pieces_frame(&wire::fact_frame(&body, None, Timestamp::now()));
        conn.outbox().push_ephemeral(&frame);
    }

    /// Writes a durable fact of the org; it reaches its followers through the commit stream.
    pub(crate) async fn record_org_fact(&self, org: OrgId, fact: &Fact) {
        let written = self.store.append_event(org, Topic::Org(org), fact, None, Timestamp::now());
        if let Err(error) = written.await {
            tracing::error!(%error, fact = fact.name(), "can't record a fact");
        }
    }

    /// A pong arrived: the connection learns how it does.
    pub(crate) fn ponged(&self, conn: &Conn) {
        let Some(round_trip) = conn.ponged() else { return };
        let health = ConnectionHealth {
            at: Timestamp::now(),
            round_trip_ms: Some(round_trip.as_secs_f64() * 1000.0),
            queued_bytes: conn.outbox().queued_bytes() as u64,
            dropped: conn.outbox().dropped(),
        };
        self.tell(conn, &Fact::ConnectionHealth(health));
    }

    /// Resolves when the command is final, or after `wait`.
    pub(crate) fn wait_final(
        &self,
        command: CommandId,
        wait: Duration,
    ) -> impl Future<Output = ()> + use<> {
        let (sender, receiver) = oneshot::channel();
        self.finals().entry(command).or_default().push(sender);
        async move {
            let _ = tokio::time::timeout(wait, receiver).await;
        }
    }

    /// The command is final: whoever waits for it goes on.
    pub(crate) fn is_final(&self, command: CommandId) {
        self.finals().remove(&command);
    }

    fn finals(&self) -> MutexGuard<'_, HashMap<CommandId, Vec<oneshot::Sender<()>>>> {
        self.finals.lock().expect("nothing panics while it holds the waiting")
    }
}
