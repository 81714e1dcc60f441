//! Topics: who follows what, and how every follower gets each event once, in order.
//!
//! Each follower has a cursor, the number of the last event put into its outbox. A live event goes
//! straight to the followers that are exactly one behind it and have room; all others are *behind*
//! and fetch what they miss, from the ring of recent events or from the store, when their outbox
//! drains. A slow follower therefore costs nobody anything, and a replay after a reconnect is the
//! same mechanism as falling behind. Gaps and duplicates can't arise: a cursor moves by one.
//!
//! Fed by the store's commit stream through [`Topics::publish`]; never decides what is an event.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use afield_proto::fact::LostEvents;
use afield_proto::request::Verdict;
use afield_proto::wire::{self, EventFrames};
use afield_proto::{Timestamp, Topic};
use afield_store::{CommittedEvents, StoredEvent};
use bytes::{Bytes, BytesMut};

use crate::socket::codec;
use crate::socket::conn::Conn;
use crate::socket::outbox::Parcel;

/// Rows of events kept in memory per followed topic, for followers that are a little behind.
const RING_ROWS_MAX: usize = 512;
/// Bytes of event bodies kept per followed topic.
const RING_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of events handed to a follower at once when they come from the store.
const PARCEL_BYTES: usize = 64 * 1024;
/// Parcels from the store kept per followed topic: followers that are behind are so together.
const REPLAYED_MAX: usize = 64;
/// More than a frame adds to the body of its event.
const FRAME_BYTES: usize = 192;

/// How a follower wants to see events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As bare facts: those who joined a project.
    Fact,
    /// Wrapped with topic and number: those who subscribed.
    Event,
}

#[derive(Debug, Default)]
pub(crate) struct Topics {
    topics: Mutex<HashMap<Topic, Arc<Mutex<State>>>>,
}

#[derive(Debug, Default)]
struct State {
    /// The last event known to be committed; `None` until the store was asked.
    published: Option<u64>,
    ring: VecDeque<Arc<Recent>>,
    ring_bytes: usize,
    /// What one follower read from the store, for others that need it next.
    replayed: VecDeque<Arc<Recent>>,
    followers: Vec<Follower>,
}

#[derive(Debug)]
struct Follower {
    conn: Arc<Conn>,
    form: Form,
    cursor: u64,
}

/// A recent row of events with their frames, in each form encoded at most once.
#[derive(Debug)]
struct Recent {
    events: CommittedEvents,
    fact: OnceLock<Frames>,
    event: OnceLock<Frames>,
}

/// The frames of a row, one behind the other.
#[derive(Debug)]
struct Frames {
    bytes: Bytes,
    /// Where each begins.
    starts: Box<[usize]>,
}

impl Recent {
    fn new(events: CommittedEvents) -> Self {
        Self { events, fact: OnceLock::new(), event: OnceLock::new() }
    }

    fn has(&self, seq: u64) -> bool {
        (self.events.first_seq..=self.events.last_seq).contains(&seq)
    }

    /// The frames of the events after this one.
    fn after(&self, seq: u64, form: Form) -> Parcel {
        let cell = match form {
            Form::Fact => &self.fact,
            Form::Event => &self.event,
        };
        let frames = cell.get_or_init(|| encode_row(form, &self.events));
        let skip = (seq + 1).saturating_sub(self.events.first_seq);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(frames.starts.len());
        let start = frames.starts.get(skip).copied().unwrap_or(frames.bytes.len());
        let left = u32::try_from(frames.starts.len() - skip).expect("a row has few events");
        Parcel { bytes: frames.bytes.slice(start..), frames: left }
    }
}

fn framing(form: Form, topic: &Topic, at: Timestamp) -> EventFrames {
    match form {
        Form::Fact => EventFrames::facts(at),
        Form::Event => EventFrames::events(topic, at),
    }
}

fn encode_row(form: Form, events: &CommittedEvents) -> Frames {
    let framing = framing(form, &events.topic, events.at);
    let count = usize::try_from(events.count()).unwrap_or(0);
    let mut starts = Vec::with_capacity(count);
    let mut bytes = BytesMut::with_capacity(events.body.len() + count * FRAME_BYTES);
    for (seq, body) in (events.first_seq..=events.last_seq).zip(events.body.split('\n')) {
        starts.push(bytes.len());
        codec::put_text_frame(&mut bytes, &framing.pieces(body, &seq.to_string()));
    }
    Frames { bytes: bytes.freeze(), starts: starts.into() }
}

fn encode(form: Form, topic: &Topic, body: &str, at: Timestamp) -> Bytes {
    codec::pieces_frame(&match form {
        Form::Fact => wire::fact_frame(body, None, at),
        Form::Event => wire::event_frame(topic, body, None, at),
    })
}

/// What a follower must fetch from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) topic: Topic,
    pub(crate) after: u64,
}

impl Follower {
    /// Puts what it misses of a row into its outbox, if there is room.
    fn take(&mut self, recent: &Recent) -> bool {
        let taken = self.conn.outbox().push_durable(recent.after(self.cursor, self.form));
        if taken {
            self.cursor = recent.events.last_seq;
        }
        taken
    }
}

impl Topics {
    fn get(&self, topic: &Topic) -> Option<Arc<Mutex<State>>> {
        lock(&self.topics).get(topic).cloned()
    }

    /// Opens a topic for following. The caller then asks the store for the head and calls
    /// [`Self::follow`]; events committed in between are seen by one of the two.
    pub(crate) fn open(&self, topic: Topic) {
        lock(&self.topics).entry(topic).or_default();
    }

    /// Makes `conn` a follower and sends it the reply, in one step: the reply comes before the
    /// first event. A connection follows a topic once; a second time replaces the first.
    pub(crate) fn follow(
        &self,
        topic: Topic,
        conn: &Arc<Conn>,
        request: FollowRequest,
        reply: impl FnOnce(u64, Verdict) -> Option<Bytes>,
    ) {
        // Held to the end: a topic without followers is forgotten under the same lock.
        let mut topics = lock(&self.topics);
        let mut state = lock(topics.entry(topic).or_default());
        let published = *state.published.get_or_insert(request.head);
        let published = published.max(request.head);
        state.published = Some(published);
        let (cursor, verdict) = start(request, published);
        state.followers.retain(|follower| follower.conn.id() != conn.id());
        if let Some(frame) = reply(published, verdict)
            && !conn.outbox().push_reply(&frame)
        {
            conn.close_slow();
        }
        state.followers.push(Follower { conn: Arc::clone(conn), form: request.form, cursor });
        if cursor < published {
            conn.set_behind();
        }
    }

    /// Ends following. The topic is forgotten with its last follower.
    pub(crate) fn unfollow(&self, topic: &Topic, conn: &Conn) {
        let mut topics = lock(&self.topics);
        let Some(state) = topics.get(topic) else { return };
        let mut guard = lock(state);
        guard.followers.retain(|follower| follower.conn.id() != conn.id());
        let empty = guard.followers.is_empty();
        drop(guard);
        if empty {
            topics.remove(topic);
        }
    }

    /// Hands committed events to their followers. Called by one task, in commit order per topic.
    pub(crate) fn publish(&self, events: &CommittedEvents) {
        let Some(state) = self.get(&events.topic) else { return };
        let mut state = lock(&state);
        let state = &mut *state;
        if state.published.is_some_and(|published| events.last_seq <= published) {
            return;
        }
        let recent = Arc::new(Recent::new(events.clone()));
        for follower in &mut state.followers {
            // One that stands inside the row has read ahead in the store.
            let next = follower.cursor + 1 == events.first_seq;
            if next && follower.take(&recent) {
                continue;
            }
            follower.conn.set_behind();
        }
        state.remember(recent);
    }

    /// Hands an ephemeral fact to the followers that are up to date.
    pub(crate) fn relay(&self, topic: Topic, body: &str, at: Timestamp) {
        let Some(state) = self.get(&topic) else { return };
        let state = lock(&state);
        let (mut fact, mut event) = (None, None);
        for follower in &state.followers {
            if state.published.is_some_and(|published| follower.cursor < published) {
                continue;
            }
            let frame = match follower.form {
                Form::Fact => &mut fact,
                Form::Event => &mut event,
            };
            let frame = frame.get_or_insert_with(|| encode(follower.form, &topic, body, at));
            follower.conn.outbox().push_ephemeral(frame);
        }
    }

    /// Whether anybody follows the topic (so that an ephemeral fact need not be encoded).
    pub(crate) fn is_followed(&self, topic: &Topic) -> bool {
        lock(&self.topics).contains_key(topic)
    }

    /// Gives a follower that is behind what the ring still has. Returns what it must fetch from
    /// the store first, if anything.
    pub(crate) fn catch_up(&self, topic: Topic, conn: &Conn) -> Option<Fetch> {
        let state = self.get(&topic)?;
        let mut state = lock(&state);
        let State { published, ring, replayed, followers, .. } = &mut *state;
        let follower = followers.iter_mut().find(|follower| follower.conn.id() == conn.id())?;
        let published = (*published)?;
        while follower.cursor < published {
            let wanted = follower.cursor + 1;
            let index = ring.partition_point(|recent| recent.events.last_seq < wanted);
            let mut recent = ring.get(index).into_iter().chain(replayed.iter());
            let Some(recent) = recent.find(|recent| recent.has(wanted)) else {
                return Some(Fetch { topic, after: follower.cursor });
            };
            if !follower.take(recent) {
                conn.set_behind();
                return None;
            }
        }
        if followers.iter().all(|follower| follower.cursor >= published) {
            replayed.clear();
        }
        None
    }

    /// Gives a follower what was fetched from the store. `last` is the last number the page
    /// covers, unreadable parts (`gaps`) included.
    pub(crate) fn fetched(
        &self,
        fetch: Fetch,
        conn: &Conn,
        events: &[StoredEvent],
        gaps: &[(u64, u64)],
    ) {
        let Some(state) = self.get(&fetch.topic) else { return };
        let mut state = lock(&state);
        let State { replayed, followers, .. } = &mut *state;
        let shared = followers.len() > 1;
        let follower = followers.iter_mut().find(|follower| follower.conn.id() == conn.id());
        let Some(follower) = follower else { return };
        if follower.cursor != fetch.after {
            return;
        }
        conn.set_behind();
        let mut gaps = gaps.iter().copied().peekable();
        let mut rest = events;
        while let Some(next) = rest.first() {
            while let Some(gap) = gaps.next_if(|gap| gap.0 <= next.seq) {
                if !send_gap(follower, fetch.topic, gap) {
                    return;
                }
            }
            let until = gaps.peek().map_or(u64::MAX, |gap| gap.0);
            let (now, later) = rest.split_at(parcel_length(rest, until));
            let row = Arc::new(Recent::new(joined(fetch.topic, now)));
            if shared {
                keep_replayed(replayed, &row);
            }
            if !follower.take(&row) {
                return;
            }
            rest = later;
        }
        for gap in gaps {
            if !send_gap(follower, fetch.topic, gap) {
                return;
            }
        }
    }
}

/// How many of these go into one parcel: at least one, written at one time, before `until`.
fn parcel_length(events: &[StoredEvent], until: u64) -> usize {
    let (first, mut bytes) = (&events[0], 0);
    let fits = |event: &&StoredEvent| {
        bytes += event.body.len();
        let beside = bytes <= PARCEL_BYTES && event.at == first.at && event.seq < until;
        beside || event.seq == first.seq
    };
    events.iter().take_while(fits).count()
}

fn keep_replayed(replayed: &mut VecDeque<Arc<Recent>>, row: &Arc<Recent>) {
    replayed.push_back(Arc::clone(row));
    let mut bytes: usize = replayed.iter().map(|row| row.events.body.len()).sum();
    while replayed.len() > REPLAYED_MAX || bytes > RING_BYTES_MAX {
        let Some(oldest) = replayed.pop_front() else { break };
        bytes -= oldest.events.body.len();
    }
}

/// Events that were written at one time, put together again.
fn joined(topic: Topic, events: &[StoredEvent]) -> CommittedEvents {
    let (first, last) = (&events[0], &events[events.len() - 1]);
    let body = match events {
        // A large one is not copied.
        [only] => Arc::clone(&only.body),
        several => lines(several).into(),
    };
    CommittedEvents { topic, first_seq: first.seq, last_seq: last.seq, at: first.at, body }
}

fn lines(events: &[StoredEvent]) -> String {
    let mut text = String::with_capacity(events.iter().map(|event| event.body.len() + 1).sum());
    for event in events {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&event.body);
    }
    text
}

/// Tells a follower that a part of the log can't be read, and moves past it.
fn send_gap(follower: &mut Follower, topic: Topic, (first, last): (u64, u64)) -> bool {
    let data = LostEvents { topic, first, last };
    let frame = codec::text_frame(&wire::notice_frame("gap", &data));
    let sent = follower.conn.outbox().push_durable(frame.into());
    if sent {
        follower.cursor = last;
    }
    sent
}

/// Where and how a follower begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FollowRequest {
    pub(crate) form: Form,
    /// Send what came after this event first.
    pub(crate) after: Option<u64>,
    /// The topic's head as the store had it after [`Topics::open`].
    pub(crate) head: u64,
    /// The oldest event the store still has.
    pub(crate) first_available: u64,
}

fn start(request: FollowRequest, published: u64) -> (u64, Verdict) {
    match request.after {
        None => (published, Verdict::Ok),
        Some(after) if after > published => (published, Verdict::Gap),
        Some(after) if after + 1 < request.first_available => {
            (request.first_available - 1, Verdict::Gap)
        }
        Some(after) if planted::is("resume") => (after + 1, Verdict::Ok),
        Some(after) if planted::is("repeat") => (after.saturating_sub(1), Verdict::Ok),
        Some(after) => (after, Verdict::Ok),
    }
}

impl State {
    fn remember(&mut self, recent: Arc<Recent>) {
        let first = recent.events.first_seq;
        let contiguous = self.published.is_none_or(|published| published + 1 == first);
        if !contiguous {
            self.ring.clear();
            self.ring_bytes = 0;
        }
        self.published = Some(recent.events.last_seq);
        self.ring_bytes += recent.events.body.len();
        self.ring.push_back(recent);
        while self.ring.len() > RING_ROWS_MAX || self.ring_bytes > RING_BYTES_MAX {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.ring_bytes -= oldest.events.body.len();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds a topic")
}
