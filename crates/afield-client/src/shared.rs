//! A copy of a person's shared state that is always being brought up to date, and takes writes
//! without a connection.
//!
//! [`Replica`] decides (no clock, no I/O); the task here follows the person's topic, asks for what
//! was missed, sends what waits, and keeps it in a file.

mod replica;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use afield_proto::fact::Fact;
use afield_proto::request::StateGet;
use afield_proto::state::{StateKey, check_value};
use afield_proto::{ErrorBody, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use crate::connection::AskError;
use crate::link::{Follow, Followed, Link, LinkState};
use crate::outbox::{KeptFile, OutboxError};

pub use replica::{Local, Replica, Unwritten};

/// How long after a refusal that may pass, a write is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How to keep a copy.
#[derive(Debug, Clone, Default)]
pub struct SharedOptions {
    /// The file in which writes wait that the server does not have yet. Without one they are lost
    /// with the process.
    pub file: Option<PathBuf>,
}

/// A copy of the shared state. Cheap to clone; it is kept up to date until the last clone is gone.
#[derive(Debug, Clone)]
pub struct SharedState {
    inner: Arc<Inner>,
    changes: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Inner {
    replica: Mutex<Replica>,
    file: Option<KeptFile>,
    /// Counts changes, for whoever shows the state and for the task that sends.
    changed: watch::Sender<u64>,
    /// All there was on the server has come.
    fetched: watch::Sender<bool>,
}

impl Inner {
    fn replica(&self) -> MutexGuard<'_, Replica> {
        self.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the copy, keeps what waits, and tells it.
    fn change<T>(&self, change: impl FnOnce(&mut Replica) -> T) -> Result<T, OutboxError> {
        let mut replica = self.replica();
        let waited = replica.changes();
        let outcome = change(&mut replica);
        let kept = match &self.file {
            Some(file) if replica.changes() != waited => file.keep(&*replica),
            _ => Ok(()),
        };
        drop(replica);
        self.changed.send_modify(|count| *count += 1);
        kept.map(|()| outcome)
    }
}

impl SharedState {
    /// Opens a copy over a link. What waited in the file is sent as soon as there is a connection.
    ///
    /// **Errors**: the file can't be read, or another process uses it.
    pub fn open(link: &Link, options: SharedOptions) -> Result<Self, OutboxError> {
        let file = options.file.map(KeptFile::open).transpose()?;
        let kept: Option<Replica> = file.as_ref().map(KeptFile::read).transpose()?.flatten();
        let (changed, changes) = watch::channel(0);
        let replica = Mutex::new(kept.map(Replica::reopened).unwrap_or_default());
        let inner = Arc::new(Inner { replica, file, changed, fetched: watch::channel(false).0 });
        tokio::spawn(run(link.clone(), Arc::downgrade(&inner), changes.clone()));
        Ok(Self { inner, changes })
    }

    /// Waits until this copy has everything the server had when it was opened.
    pub async fn fetched(&self) {
        // The sender lives in `inner`, as long as this does.
        let _ = self.inner.fetched.subscribe().wait_for(|fetched| *fetched).await;
    }

    /// A register as this copy knows it, what waits here included.
    pub fn get(&self, key: &StateKey) -> Option<Local> {
        self.inner.replica().get(key)
    }

    /// Every register, in the order of the keys.
    pub fn all(&self) -> Vec<Local> {
        self.inner.replica().all()
    }

    /// Writes a register; `None` deletes. When this returns, the write is kept here, and on disk
    /// when there is a file; it is sent by itself.
    ///
    /// **Errors**: the value is none for this key, or the file can't be written.
    pub fn set(&self, key: StateKey, value: Option<Value>) -> Result<(), SetError> {
        check_value(key.class(), value.as_ref()).map_err(SetError::Value)?;
        let now = Timestamp::now();
        Ok(self.inner.change(|replica| replica.set(key, value, now))?)
    }

    /// Every change of the copy.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Waits until the server has, or has refused, everything written here.
    pub async fn settled(&self) {
        let mut changes = self.changes.clone();
        let is_settled = |_: &u64| self.inner.replica().is_settled();
        // The sender lives in `inner`, as long as this does.
        let _ = changes.wait_for(is_settled).await;
    }
}

/// Why a write was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// No value for this key.
    #[error("{0}")]
    Value(ErrorBody),
    /// It can't be kept.
    #[error(transparent)]
    Kept(#[from] OutboxError),
}

type Weak = std::sync::Weak<Inner>;

/// Follows and sends until the last handle or the link is gone.
async fn run(link: Link, inner: Weak, changes: watch::Receiver<u64>) {
    tokio::select! {
        () = receive(&link, &inner) => {}
        () = send_all(&link, &inner, changes) => {}
    }
}

async fn receive(link: &Link, inner: &Weak) {
    let Some(mut follow) = begin(link, inner).await else { return };
    if let Some(inner) = inner.upgrade() {
        inner.fetched.send_replace(true);
    }
    while let Some(followed) = follow.next().await {
        match followed {
            Followed::Event(event) => {
                let Some(inner) = inner.upgrade() else { return };
                if let Ok(Some(Fact::StateChanged(register))) = event.fact() {
                    note(inner.change(|replica| replica.receive(register)));
                }
            }
            Followed::Gap(_) => {
                if fetch(link, inner).await.is_none() {
                    return;
                }
            }
            Followed::Ended(error) => {
                return tracing::warn!("the shared state is not followed any more: {error}");
            }
        }
    }
}

async fn send_all(link: &Link, inner: &Weak, mut changes: watch::Receiver<u64>) {
    let mut state = link.state();
    loop {
        let wait = send(link, inner).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = state.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

fn note(kept: Result<(), OutboxError>) {
    if let Err(error) = kept {
        tracing::warn!("what waits can't be kept: {error}");
    }
}

/// Follows the person's topic, then asks for all: what changes in between comes twice, which does
/// no harm.
async fn begin(link: &Link, inner: &Weak) -> Option<Follow> {
    let topic = loop {
        let nothing = StateGet { key: None, after: Some(i64::MAX.unsigned_abs()) };
        match link.ask_until_answered(&nothing, AGAIN_AFTER).await {
            Ok(reply) => break reply.topic,
            Err(AskError::Refused(error)) => {
                tracing::warn!("the shared state can't be read: {error}");
                return None;
            }
            Err(AskError::Disconnected) if ended(link) => return None,
            Err(_) if inner.strong_count() == 0 => return None,
            Err(_) => {}
        }
    };
    let follow = link.follow(topic, None).await.ok()?;
    fetch(link, inner).await?;
    Some(follow)
}

fn ended(link: &Link) -> bool {
    matches!(&*link.state().borrow(), LinkState::Ended(_))
}

/// Fetches what changed after all that has come. `None` when there is nobody to fetch for.
async fn fetch(link: &Link, inner: &Weak) -> Option<()> {
    loop {
        let through = inner.upgrade()?.replica().through();
        let after = (through > 0).then_some(through);
        match link.ask_until_answered(&StateGet { key: None, after }, AGAIN_AFTER).await {
            Ok(page) => {
                let inner = inner.upgrade()?;
                for register in page.registers {
                    note(inner.change(|replica| replica.receive(register)));
                }
                if !page.more {
                    return Some(());
                }
            }
            Err(AskError::Refused(error)) => {
                tracing::warn!("the shared state can't be read: {error}");
                return None;
            }
            Err(_) if ended(link) => return None,
            Err(_) => {}
        }
    }
}

/// Sends what waits while there is a connection. How long to wait before the next try, if
/// something was refused for now.
async fn send(link: &Link, inner: &Weak) -> Option<Duration> {
    if !matches!(&*link.state().borrow(), LinkState::Online { .. }) {
        return None;
    }
    let mut wait = None;
    let keys: Vec<_> = inner.upgrade()?.replica().waiting().keys().cloned().collect();
    for key in keys {
        let Some(write) = inner.upgrade()?.replica().unsent(&key) else { continue };
        let answer = link.ask(&write).await;
        let inner = inner.upgrade()?;
        match answer {
            Ok(reply) => note(inner.change(|replica| replica.written(&write, reply))),
            Err(AskError::Refused(error)) if error.code.retryable() => wait = Some(AGAIN_AFTER),
            Err(AskError::Refused(error)) => {
                note(inner.change(|replica| replica.refused(&write, error)));
            }
            // It is sent again, and done once.
            Err(AskError::Disconnected | AskError::Timeout) => return wait,
        }
    }
    wait
}
