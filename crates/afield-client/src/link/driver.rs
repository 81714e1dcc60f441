//! The task behind a link: dials, subscribes anew, and deals events out to their followers.

use std::collections::HashMap;
use std::pin::pin;

use afield_proto::error::ErrorBody;
use afield_proto::fact::{Fact, LostEvents};
use afield_proto::request::{Subscribe, SubscribeReply, Unsubscribe};
use afield_proto::wire::Incoming;
use afield_proto::{Timestamp, Topic};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};

use super::cursor::{Cursor, Step};
use super::{Door, Followed, LinkState, Want, followed_twice};
use crate::connection::{Closed, Connection, Event, Inbound, Inbox, read_reply};
use crate::dialer::{Dialer, Terminal, Wait};
use crate::fact::read_fact;

/// Marks replies nobody waits for. Followers have tokens from 1.
const NO_TOKEN: u64 = 0;

struct Following {
    token: u64,
    cursor: Cursor,
    events: mpsc::Sender<Followed>,
    subscribed: Option<oneshot::Sender<Result<u64, ErrorBody>>>,
}

/// Why the driver stopped using a connection.
enum Stop {
    /// It ended, or must be made anew.
    Lost,
    /// Nobody holds the link any more.
    Unused,
}

pub(super) struct Driver {
    dialer: Dialer,
    wants: mpsc::Receiver<Want>,
    state: watch::Sender<LinkState>,
    door: watch::Sender<Door>,
    follows: HashMap<Topic, Following>,
    last_token: u64,
}

impl Driver {
    pub(super) fn new(
        dialer: Dialer,
        wants: mpsc::Receiver<Want>,
        state: watch::Sender<LinkState>,
        door: watch::Sender<Door>,
    ) -> Self {
        Self { dialer, wants, state, door, follows: HashMap::new(), last_token: NO_TOKEN }
    }

    /// Runs until the last handle is gone or the server refuses for good.
    pub(super) async fn run(mut self) {
        if let Err(Terminal(error)) = self.keep_connected().await {
            self.state.send_replace(LinkState::Ended(error.clone()));
            self.door.send_replace(Door::Ended(error.clone()));
            for (_, follow) in self.follows.drain() {
                match follow.subscribed {
                    Some(subscribed) => drop(subscribed.send(Err(error.clone()))),
                    None => drop(follow.events.send(Followed::Ended(error.clone())).await),
                }
            }
        }
    }

    async fn keep_connected(&mut self) -> Result<(), Terminal> {
        while let Some((connection, inbox)) = self.dial().await? {
            self.door.send_replace(Door::Open(connection.clone()));
            self.state.send_replace(LinkState::Online { since: Timestamp::now() });
            let stop = self.attend(&connection, inbox).await;
            self.door.send_replace(Door::Shut);
            connection.close();
            let Stop::Lost = stop else { return Ok(()) };
            let why = connection.closed().await;
            self.offline(&why);
            self.dialer.ended(&why)?;
        }
        Ok(())
    }

    fn offline(&self, why: &Closed) {
        tracing::info!(reason = %why, "connection to the server lost");
        let since = Timestamp::now();
        self.state.send_replace(LinkState::Offline { since, reason: why.to_string() });
    }

    /// The next connection; `None` when nobody holds the link any more.
    async fn dial(&mut self) -> Result<Option<(Connection, Inbox)>, Terminal> {
        let mut dialing = pin!(dial(&mut self.dialer, &self.state));
        loop {
            tokio::select! {
                opened = &mut dialing => return opened.map(Some),
                want = self.wants.recv() => match want {
                    Some(want) => drop(register(&mut self.follows, &mut self.last_token, want)),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Uses a connection until it ends.
    async fn attend(&mut self, connection: &Connection, mut inbox: Inbox) -> Stop {
        for (topic, follow) in &self.follows {
            subscribe(connection, *topic, follow).await;
        }
        loop {
            tokio::select! {
                inbound = inbox.next() => match inbound {
                    Some(inbound) => {
                        if let Some(stop) = self.take(connection, inbound).await {
                            return stop;
                        }
                    }
                    None => return Stop::Lost,
                },
                want = self.wants.recv() => {
                    let Some(want) = want else { return Stop::Unused };
                    let topic = register(&mut self.follows, &mut self.last_token, want);
                    if let Some(follow) = topic.as_ref().and_then(|topic| self.follows.get(topic)) {
                        let topic = topic.expect("a follow was just found under it");
                        subscribe(connection, topic, follow).await;
                    }
                },
            }
        }
    }

    async fn take(&mut self, connection: &Connection, inbound: Inbound) -> Option<Stop> {
        match inbound {
            Inbound::Event(event) => {
                self.event(connection, event).await;
                None
            }
            Inbound::Reply(token, reply) => self.subscribed(token, reply).await,
            Inbound::Fact(frame) => {
                self.lost(&frame).await;
                None
            }
            // Orders are for runners.
            Inbound::Order(_) => None,
        }
    }

    /// Of the facts outside topics only one matters to followers: that events can't be read.
    async fn lost(&mut self, frame: &Incoming) {
        let Ok(Some(Fact::Gap(LostEvents { topic, first, last }))) = read_fact(frame) else {
            return;
        };
        let Some(follow) = self.follows.get_mut(&topic) else { return };
        if let Some(gap) = follow.cursor.lost(first, last) {
            // A follower that gave up is noticed with the next event.
            let _ = follow.events.send(Followed::Gap(gap)).await;
        }
    }

    async fn event(&mut self, connection: &Connection, event: Event) {
        let topic = event.topic;
        let Some(follow) = self.follows.get_mut(&topic) else { return };
        let delivered = match event.seq.map(|seq| follow.cursor.event(seq)) {
            Some(Step::Skip) => Ok(()),
            Some(Step::Deliver) => follow.events.send(Followed::Event(event)).await.map_err(drop),
            Some(Step::DeliverAfter(gap)) => {
                tracing::debug!(%topic, after = gap.after, until = gap.until, "events are missing");
                // When this fails the next one fails too.
                let _ = follow.events.send(Followed::Gap(gap)).await;
                follow.events.send(Followed::Event(event)).await.map_err(drop)
            }
            None => offer(&follow.events, event),
        };
        if delivered.is_err() {
            self.follows.remove(&topic);
            let leave = Unsubscribe { topic };
            // The connection may have ended, which ends the subscription as well.
            let _ = connection.ask_into_inbox(&leave, NO_TOKEN).await;
        }
    }

    async fn subscribed(
        &mut self,
        token: u64,
        reply: Result<Box<RawValue>, ErrorBody>,
    ) -> Option<Stop> {
        let topic = self.follows.iter().find(|(_, f)| f.token == token).map(|(topic, _)| *topic)?;
        let follow = self.follows.get_mut(&topic)?;
        match read(reply) {
            Ok(reply) => {
                let gap = follow.cursor.subscribed(&reply);
                if let Some(subscribed) = follow.subscribed.take() {
                    // A follower that gave up is noticed with the next event.
                    let _ = subscribed.send(Ok(reply.seq));
                }
                if let Some(gap) = gap {
                    let _ = follow.events.send(Followed::Gap(gap)).await;
                }
                None
            }
            // A refusal that may pass is tried again on the next connection.
            Err(error) if error.code.retryable() => Some(Stop::Lost),
            Err(error) => {
                if let Some(follow) = self.follows.remove(&topic) {
                    refuse(follow, error).await;
                }
                None
            }
        }
    }
}

/// Hands on an event that is worth nothing later: dropped when the follower is behind.
fn offer(events: &mpsc::Sender<Followed>, event: Event) -> Result<(), ()> {
    match events.try_send(Followed::Event(event)) {
        Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
        Err(mpsc::error::TrySendError::Closed(_)) => Err(()),
    }
}

async fn refuse(follow: Following, error: ErrorBody) {
    match follow.subscribed {
        Some(subscribed) => drop(subscribed.send(Err(error))),
        None => drop(follow.events.send(Followed::Ended(error)).await),
    }
}

fn read(reply: Result<Box<RawValue>, ErrorBody>) -> Result<SubscribeReply, ErrorBody> {
    use crate::connection::AskError;
    read_reply::<Subscribe>(&reply?).map_err(|error| match error {
        AskError::Refused(error) => error,
        AskError::Disconnected | AskError::Timeout => {
            unreachable!("reading a reply waits for nothing")
        }
    })
}

async fn subscribe(connection: &Connection, topic: Topic, follow: &Following) {
    let request = Subscribe { topic, after: follow.cursor.after() };
    // When the connection has ended the next one subscribes again.
    let _ = connection.ask_into_inbox(&request, follow.token).await;
}

/// Adds a follower; `None` when the topic is followed already.
fn register(
    follows: &mut HashMap<Topic, Following>,
    last_token: &mut u64,
    want: Want,
) -> Option<Topic> {
    let Want { topic, after, events, subscribed } = want;
    if follows.get(&topic).is_some_and(|follow| !follow.events.is_closed()) {
        let _ = subscribed.send(Err(followed_twice(topic)));
        return None;
    }
    *last_token += 1;
    let follow = Following {
        token: *last_token,
        cursor: Cursor::new(after),
        events,
        subscribed: Some(subscribed),
    };
    follows.insert(topic, follow);
    Some(topic)
}

/// Dials until there is a connection, and shows how it goes.
async fn dial(
    dialer: &mut Dialer,
    state: &watch::Sender<LinkState>,
) -> Result<(Connection, Inbox), Terminal> {
    loop {
        let Wait(wait) = dialer.wait();
        tokio::time::sleep(wait).await;
        match dialer.try_once().await {
            Ok(opened) => return Ok(opened),
            Err(error) => {
                let reason = error.to_string();
                dialer.refused(error)?;
                state.send_modify(|state| note_failure(state, reason));
            }
        }
    }
}

/// Keeps the time since when there is no connection, and takes the newest reason.
fn note_failure(state: &mut LinkState, reason: String) {
    let since = match state {
        LinkState::Offline { since, .. } => *since,
        LinkState::Connecting | LinkState::Online { .. } | LinkState::Ended(_) => Timestamp::now(),
    };
    *state = LinkState::Offline { since, reason };
}
