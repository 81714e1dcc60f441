//! From committed facts to notifications.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use afield_flow::push::gather::{Due, Gather};
use afield_flow::push::{Asked, Change, Listener, Notice, Subject, is_told, words};
use afield_flow::push::{of_approval, of_command, of_runner};
use afield_proto::push::PushKind;
use afield_proto::{ApprovalId, Timestamp, Topic};
use afield_store::{CommittedEvents, OneTapToken, PushListener, PushListeners};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::deliver::{Patience, deliver};
use super::{NOTED_MAX, Push, zone};
use crate::auth::token::Secret;
use crate::core::Core;

/// Notifications under way at the same time, those that wait to be sent again included. More are left
/// out: each is a connection to a service that does not answer.
const UNDER_WAY_MAX: usize = 1000;

/// A fact that may be worth telling.
pub(crate) struct Noted {
    topic: Topic,
    change: Change,
}

/// The stored form of a fact, its data unread.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    name: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Push {
    /// Looks at what was committed. Never waits: it stands in the way of those who follow live.
    pub(crate) fn note(&self, events: &CommittedEvents) {
        for line in events.body.split('\n') {
            let Some(change) = change(line) else { continue };
            let noted = Noted { topic: events.topic, change };
            // A closed queue is that of a server that stops.
            if let Err(TrySendError::Full(_)) = self.noted.try_send(noted) {
                self.left_out.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// What follows from a fact. Most lines are told apart by their first letters.
fn change(line: &str) -> Option<Change> {
    let told = line.strip_prefix("{\"type\":\"")?;
    let is_over = || told.contains("\"finished_at\":");
    let is_told = told.starts_with("approval_state\"")
        || told.starts_with("runner_state\"")
        || (told.starts_with("command_state\"") && is_over());
    if !is_told {
        return None;
    }
    let Line { name, data } = serde_json::from_str(line).ok()?;
    match name {
        "approval_state" => Some(of_approval(&serde_json::from_str(data.get()).ok()?)),
        "command_state" => of_command(&serde_json::from_str(data.get()).ok()?).map(Change::Tell),
        _ => Some(Change::Tell(of_runner(&serde_json::from_str(data.get()).ok()?))),
    }
}

/// Follows until `shutdown`.
pub(crate) async fn run(
    core: Arc<Core>,
    mut noted: mpsc::Receiver<Noted>,
    shutdown: CancellationToken,
) {
    let mut gather = Gather::default();
    let mut heard = Vec::new();
    // What is under way ends with this.
    let mut under_way = JoinSet::new();
    loop {
        let wait = gather.next().map(|due| due.since(Timestamp::now()));
        tokio::select! {
            1.. = noted.recv_many(&mut heard, NOTED_MAX) => {
                hear(&core, &mut gather, &mut heard).await;
            }
            () = rest(wait) => {}
            Some(_) = under_way.join_next() => {}
            () = shutdown.cancelled() => return,
        }
        for due in gather.due(Timestamp::now()) {
            if under_way.len() >= UNDER_WAY_MAX {
                tracing::warn!(device = %due.device, "too many notifications are under way");
                continue;
            }
            under_way.spawn(tell(Arc::clone(&core), due));
        }
    }
}

async fn rest(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// What came at once is looked at together: who is notified is read once for all of it.
async fn hear(core: &Core, gather: &mut Gather, heard: &mut Vec<Noted>) {
    let left_out = core.push.left_out.swap(0, Ordering::Relaxed);
    if left_out > 0 {
        tracing::warn!(left_out, "more happens than can be looked at for notifications");
    }
    let now = Timestamp::now();
    let told = heard.iter().filter(|noted| matches!(noted.change, Change::Tell(_)));
    let listeners = listeners(core, told.map(|noted| noted.topic).collect(), now).await;
    for Noted { topic, change } in heard.drain(..) {
        let notice = match change {
            Change::Over(approval) => {
                gather.forget(approval);
                continue;
            }
            Change::Tell(notice) => notice,
        };
        for listener in listeners.get(&topic).into_iter().flat_map(|listeners| listeners.iter()) {
            if wants(core, listener, notice.kind, now) {
                gather.add(listener.device, notice.clone(), now);
            }
        }
    }
}

async fn listeners(core: &Core, topics: HashSet<Topic>, now: Timestamp) -> PushListeners {
    if topics.is_empty() {
        return PushListeners::new();
    }
    core.store.push_listeners(topics, now).await.unwrap_or_else(|error| {
        tracing::error!(%error, "can't read who is notified");
        PushListeners::new()
    })
}

fn wants(core: &Core, listener: &PushListener, kind: PushKind, now: Timestamp) -> bool {
    let settings = &listener.settings;
    let quiet = settings.quiet.as_ref();
    let known = Listener {
        settings,
        scopes: listener.scopes,
        is_looking: core.presences.is_looking(listener.device, core.limits().ping_interval),
        local: quiet.and_then(|quiet| zone::time_of_day(&quiet.time_zone, now)),
    };
    is_told(known, kind)
}

/// Notifies a device, unless it is looking by now.
async fn tell(core: Arc<Core>, mut due: Due) {
    let now = Timestamp::now();
    let listener = match core.store.push_listener(due.device, now).await {
        Ok(Some(listener)) => listener,
        Ok(None) => return,
        Err(error) => return tracing::error!(%error, "can't read who is notified"),
    };
    due.notices.retain(|notice: &Notice| wants(&core, &listener, notice.kind, now));
    if due.notices.is_empty() {
        return;
    }
    let Some(name) = name(&core, &listener, due.subject).await else { return };
    let mut message = words::message(&due, &name, now);
    if let [Notice { approval: Some(Asked { id, is_plain: true, .. }), .. }] = due.notices[..] {
        message.token = one_tap(&core, &listener, id, now).await;
    }
    deliver(&core, &listener, &message, Patience::Retries).await;
}

/// Makes what answers this approval from the notification; without it, the page has to be opened.
async fn one_tap(
    core: &Core,
    listener: &PushListener,
    approval: ApprovalId,
    now: Timestamp,
) -> Option<String> {
    let secret = Secret::generate();
    let token = OneTapToken {
        hash: secret.hash(),
        approval,
        org: listener.org,
        device: listener.device,
        expires_at: now.plus(words::URGENT_LIFE),
    };
    match core.store.new_one_tap(token, now).await {
        Ok(()) => Some(secret.token()),
        Err(error) => {
            tracing::error!(%error, "can't make what answers an approval from its notification");
            None
        }
    }
}

/// What the subject is called; `None` when it is gone.
async fn name(core: &Core, listener: &PushListener, subject: Subject) -> Option<String> {
    match subject {
        Subject::Runner(id) => core.store.device_name(listener.org, id).await.ok()?,
        Subject::Project(id) => {
            let project = core.store.project(listener.org, id).await.ok()?;
            let last = project.path.rsplit(['/', '\\']).find(|part| !part.is_empty());
            Some(project.settings.name.clone().or(last.map(str::to_owned)).unwrap_or(project.path))
        }
    }
}
