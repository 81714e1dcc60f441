//! A connection as the rest of the server sees it: who it is, and how to reach it.
//!
//! The task that owns the socket is in `socket::drive`; everybody else holds an `Arc<Conn>`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use afield_proto::device::{DeviceKind, Scope, Scopes};
use afield_proto::{DeviceId, ErrorBody, ErrorCode, OrgId, ProjectId, Timestamp, Topic, UserId};

use super::codec;
use super::outbox::{Outbox, OutboxLimits};

/// Who makes a request, as the store knows them. Never taken from what a client claims.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Actor {
    pub(crate) org: OrgId,
    pub(crate) user: UserId,
    pub(crate) device: DeviceId,
    pub(crate) device_name: String,
    pub(crate) kind: DeviceKind,
    pub(crate) scopes: Scopes,
    /// When its credential ends by itself.
    pub(crate) expires_at: Option<Timestamp>,
    /// It connected a moment ago, and the store knows.
    pub(crate) was_seen: bool,
}

impl Actor {
    /// **Errors**: FORBIDDEN naming the scope that is missing.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), ErrorBody> {
        if self.scopes.has(scope) {
            return Ok(());
        }
        let message = format!("this device lacks the scope {scope} (it has: {})", self.scopes);
        Err(ErrorBody::new(ErrorCode::Forbidden, message)
            .with_details(serde_json::json!({ "scope": scope })))
    }
}

#[derive(Debug)]
pub(crate) struct Conn {
    id: u64,
    actor: Actor,
    outbox: Outbox,
    state: Mutex<State>,
    /// What its device may do was taken away or changed: nothing it asked for is begun any more.
    ended: AtomicBool,
    /// A followed topic has events that did not fit into the outbox.
    behind: AtomicBool,
    opened: Instant,
    /// Milliseconds after `opened` of the last byte received.
    heard_ms: AtomicU64,
    /// Milliseconds after `opened` since which the peer takes no bytes, plus one; 0 when it does.
    blocked_ms: AtomicU64,
    /// Milliseconds after `opened` of the ping that is not answered, plus one; 0 when none is.
    ping_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    joined: Option<ProjectId>,
    /// Somebody sees the screen behind it, as its client said.
    is_looking: bool,
    topics: Vec<Topic>,
}

impl Conn {
    pub(crate) fn new(id: u64, actor: Actor, limits: OutboxLimits) -> Self {
        Self {
            id,
            actor,
            outbox: Outbox::new(limits),
            state: Mutex::default(),
            ended: AtomicBool::new(false),
            behind: AtomicBool::new(false),
            opened: Instant::now(),
            heard_ms: AtomicU64::new(0),
            blocked_ms: AtomicU64::new(0),
            ping_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn is_runner(&self) -> bool {
        self.actor.scopes.has(Scope::Runner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds a connection's state")
    }

    pub(crate) fn joined(&self) -> Option<ProjectId> {
        self.state().joined
    }

    pub(crate) fn set_joined(&self, project: Option<ProjectId>) {
        self.state().joined = project;
    }

    pub(crate) fn is_looking(&self) -> bool {
        self.state().is_looking
    }

    pub(crate) fn set_looking(&self, is_looking: bool) {
        self.state().is_looking = is_looking;
    }

    pub(crate) fn topics(&self) -> Vec<Topic> {
        self.state().topics.clone()
    }

    pub(crate) fn follows(&self, topic: &Topic) -> bool {
        self.state().topics.contains(topic)
    }

    pub(crate) fn add_topic(&self, topic: Topic) {
        let mut state = self.state();
        if !state.topics.contains(&topic) {
            state.topics.push(topic);
        }
    }

    pub(crate) fn remove_topic(&self, topic: &Topic) {
        self.state().topics.retain(|followed| followed != topic);
    }

    pub(crate) fn set_behind(&self) {
        self.behind.store(true, Ordering::Release);
        self.outbox.wake();
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    pub(crate) fn take_behind(&self) -> bool {
        self.behind.swap(false, Ordering::AcqRel)
    }

    /// Sends a text frame that must arrive; closes a connection that can't be reading.
    pub(crate) fn reply(&self, text: &str) {
        if !self.outbox.push_reply(&codec::text_frame(text)) && !self.outbox.is_closing() {
            self.close_slow();
        }
    }

    /// Ends the connection for this reason, after what it was sent before.
    pub(crate) fn close(&self, code: ErrorCode, why: &str) {
        self.outbox.close(codec::close_frame(code.close_code(), why), false);
    }

    /// Ends the connection of a device that was thrown out.
    pub(crate) fn cut(&self) {
        self.ended.store(true, Ordering::Release);
        let why = "this device was thrown out, or its credential has ended";
        let code = ErrorCode::Unauthorized.close_code();
        self.outbox.close(codec::close_frame(code, why), true);
    }

    /// Ends the connection of a device that may do other things from now on; it comes back at once.
    pub(crate) fn renew(&self) {
        self.ended.store(true, Ordering::Release);
        self.outbox.close(codec::close_frame(1012, "{\"retry_in_ms\":0}"), true);
    }

    /// Whether requests that were not begun must not be any more.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Ends a connection whose client does not read. What waits is dropped: the client comes back
    /// with `after`.
    pub(crate) fn close_slow(&self) {
        tracing::info!(conn = self.id, device = %self.actor.device, "closing a slow consumer");
        let why = "nothing was taken for too long; come back with the last number seen";
        let code = ErrorCode::SlowConsumer.close_code();
        self.outbox.close(codec::close_frame(code, why), true);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn heard(&self) {
        self.heard_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// The peer's window is full: note since when.
    pub(crate) fn set_blocked(&self) {
        let now = self.now_ms() + 1;
        let _ = self.blocked_ms.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The peer took something.
    pub(crate) fn clear_blocked(&self) {
        self.blocked_ms.store(0, Ordering::Relaxed);
    }

    /// For how long the peer has taken nothing of what waits for it.
    pub(crate) fn blocked_for(&self) -> Option<Duration> {
        let since = self.blocked_ms.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(self.now_ms().saturating_sub(since)))
    }

    pub(crate) fn silent_for(&self) -> Duration {
        Duration::from_millis(self.now_ms().saturating_sub(self.heard_ms.load(Ordering::Relaxed)))
    }

    /// Notes that a ping was sent.
    pub(crate) fn pinged(&self) {
        self.ping_ms.store(self.now_ms() + 1, Ordering::Relaxed);
    }

    /// The time since the ping that this pong answers.
    pub(crate) fn ponged(&self) -> Option<Duration> {
        let sent = self.ping_ms.swap(0, Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(self.now_ms().saturating_sub(sent)))
    }
}
