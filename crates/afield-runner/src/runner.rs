//! The runner itself: orders in, attempts started, their records delivered.
//!
//! One entry per attempt that is not forgotten. Orders are untrusted: an attempt seen before is
//! answered from the journal, a lower fence is refused, and everything is held against the policy
//! right before it starts.
//!
//! How the connection comes and goes is in [`hello`], how orders are read and answered in
//! [`orders`], how what was done is delivered in [`delivery`], how what never began ends in [`unbegun`],
//! what is asked beside the work in [`questions`].

mod delivery;
mod hello;
mod orders;
mod questions;
mod unbegun;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use afield_proto::runner::{
    Acknowledged, Attempt, AttemptReport, KilledProcess, Record, RunnerExecute,
};
use afield_proto::{CommandId, ErrorBody, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use self::orders::not_running;
use crate::attachments::{self, File, Source};
use crate::facts::Facts;
use crate::journal::{self, AttemptLog, Journal, JournalError, Writer};
use crate::link::Link;
use crate::policy::Policy;
use crate::process::{self, OrphanReaper};
use crate::timing::Timing;
use crate::uplink::Uplink;
use crate::work::{DISK_RETRY, Shared, Wish, Work};

/// Wishes that may wait for one attempt.
const WISHES_MAX: usize = 64;
/// How often ended orphans are collected.
const REAP_INTERVAL: Duration = Duration::from_secs(1);
/// Attempts that may wait for a slot; the server leases no project twice, so this is many projects.
const ATTEMPTS_MAX: usize = 1000;

/// What a runner is told when it starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where journal and policy lie.
    pub data_dir: PathBuf,
    /// What this machine allows.
    pub policy: Policy,
    /// Program and first arguments of the demonstration agent.
    pub demo: Vec<OsString>,
    /// The version to tell.
    pub version: String,
    /// Waiting times.
    pub timing: Timing,
}

/// A runner that has opened its journal, to be run.
pub struct Runner {
    inner: Arc<Inner>,
    writer: Writer,
    left: Vec<AttemptLog>,
}

/// Reaches a running [`Runner`]. Cheap to clone.
#[derive(Clone)]
pub struct RunnerHandle(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    journal: Journal,
    uplink: Arc<dyn Uplink>,
    link: watch::Sender<Link>,
    entries: Mutex<HashMap<CommandId, Entry>>,
    /// The last fence of commands that are forgotten.
    fences: Mutex<BTreeMap<CommandId, u64>>,
    slots: Semaphore,
    tasks: TaskTracker,
}

/// Who asked for a stop, and is told what was killed.
type Killed = oneshot::Sender<Vec<KilledProcess>>;

/// An attempt that is not forgotten.
struct Entry {
    attempt: Attempt,
    /// Absent while it waits for a slot.
    log: Option<AttemptLog>,
    /// Absent when its process is gone.
    wishes: Option<mpsc::Sender<Wish>>,
    /// A later attempt of the same command: begins when this one is delivered and forgotten.
    next: Option<RunnerExecute>,
}

impl Runner {
    /// Opens the journal and finds what an earlier runner left. Blocking.
    ///
    /// **Errors**: another runner uses the directory; the disk refuses.
    pub fn open(
        options: Options,
        uplink: Arc<dyn Uplink>,
    ) -> Result<(Self, RunnerHandle), JournalError> {
        process::adopt_orphans();
        let opened = journal::open(&options.data_dir, options.policy.spool_bytes_max)?;
        let folders = options.data_dir.join("attachments");
        attachments::remove_left(&folders);
        let policy = options.policy;
        let demo = !options.demo.is_empty();
        let slots =
            Semaphore::new(usize::try_from(policy.concurrency).unwrap_or(usize::MAX).max(1));
        let shared = Shared {
            facts: Arc::new(Facts::new(Arc::new(policy.clone()), options.version, demo)),
            policy,
            attachments: folders,
            demo: options.demo,
            timing: options.timing,
            shutdown: CancellationToken::new(),
        };
        let left = opened.logs.iter().map(|log| {
            let entry =
                Entry { attempt: log.attempt, log: Some(log.clone()), wishes: None, next: None };
            (log.attempt.command_id, entry)
        });
        let inner = Arc::new(Inner {
            shared: Arc::new(shared),
            journal: opened.journal,
            uplink,
            link: watch::Sender::new(Link::default()),
            entries: Mutex::new(left.collect()),
            fences: Mutex::new(opened.fences),
            slots,
            tasks: TaskTracker::new(),
        });
        let runner = Self { inner: Arc::clone(&inner), writer: opened.writer, left: opened.logs };
        Ok((runner, RunnerHandle(inner)))
    }

    /// Works until the shutdown, then stops its agents and writes what is left to write.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { inner, writer, left } = self;
        let written = CancellationToken::new();
        let writer = tokio::spawn(writer.run(written.clone()));
        for log in left {
            inner.tasks.spawn(Arc::clone(&inner).resume(log));
        }
        let mut reaper = OrphanReaper::default();
        let mut tick = tokio::time::interval(REAP_INTERVAL);
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    let looked = tokio::task::spawn_blocking(move || {
                        reaper.look();
                        reaper
                    });
                    reaper = looked.await.unwrap_or_default();
                }
                () = shutdown.cancelled() => break,
            }
        }
        inner.shared.shutdown.cancel();
        inner.tasks.close();
        inner.tasks.wait().await;
        inner.entries().clear();
        written.cancel();
        if let Err(error) = writer.await {
            tracing::error!(%error, "the journal's writer failed");
        }
    }
}

impl Inner {
    fn entries(&self) -> MutexGuard<'_, HashMap<CommandId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A later attempt of the same command has been ordered: the earlier one ends.
    fn make_way(self: &Arc<Self>, earlier: Attempt) {
        let inner = Arc::clone(self);
        self.tasks.spawn(async move { inner.stop(earlier).await });
    }

    /// Stops an attempt the server has closed, and waits for its end.
    async fn stop(&self, attempt: Attempt) {
        let wishes = self.wishes(attempt);
        let (done, stopped) = oneshot::channel();
        if let Some(wishes) = wishes
            && wishes.send(Wish::Kill(done)).await.is_ok()
        {
            let _ = stopped.await;
        }
    }

    fn wishes(&self, attempt: Attempt) -> Option<mpsc::Sender<Wish>> {
        let entries = self.entries();
        let entry = entries.get(&attempt.command_id).filter(|entry| entry.attempt == attempt)?;
        entry.wishes.clone()
    }

    /// Takes an order to carry out a command.
    ///
    /// One with a fence that was seen before may be late, which the server ignores to be told, or of a server
    /// that was put back to an earlier state and waits for an answer.
    fn execute(self: &Arc<Self>, order: RunnerExecute) {
        let attempt = order.attempt;
        let fences = self.fences.lock().unwrap_or_else(PoisonError::into_inner);
        let over = fences.get(&attempt.command_id).copied();
        let over = over.filter(|_| !planted::is("runner_fence"));
        drop(fences);
        let mut entries = self.entries();
        let known = entries.get(&attempt.command_id).map(|entry| entry.attempt);
        if known == Some(attempt) && !planted::is("redelivery") {
            return tracing::debug!(command = %attempt.command_id, "an order was repeated");
        }
        let seen = known.map(|known| known.fence).max(over);
        if let Some(seen) = seen.filter(|seen| *seen >= attempt.fence && !planted::is("redelivery"))
        {
            drop(entries);
            return self.refuse(attempt, seen);
        }
        if let Some(entry) = entries.get_mut(&attempt.command_id) {
            let earlier = entry.attempt;
            if entry.next.as_ref().is_none_or(|next| next.attempt.fence < attempt.fence) {
                entry.next = Some(order);
            }
            drop(entries);
            return self.make_way(earlier);
        }
        if entries.len() >= ATTEMPTS_MAX {
            return tracing::error!(command = %attempt.command_id, "too many attempts; an order was refused");
        }
        let (wishes, receiver) = mpsc::channel(WISHES_MAX);
        let entry = Entry { attempt, log: None, wishes: Some(wishes), next: None };
        entries.insert(attempt.command_id, entry);
        drop(entries);
        let span = tracing::info_span!(
            "attempt",
            command = %attempt.command_id,
            attempt = attempt.attempt,
            request_id = %order.request_id,
        );
        self.tasks.spawn(Arc::clone(self).attempt(order, receiver).instrument(span));
    }

    /// One attempt: waits for a slot, writes that it starts, works, delivers.
    async fn attempt(self: Arc<Self>, order: RunnerExecute, mut wishes: mpsc::Receiver<Wish>) {
        let attempt = order.attempt;
        let mut stop = Vec::new();
        let (slot, files) = tokio::select! {
            ready = self.ready(&order) => ready,
            done = stopped(&mut wishes) => {
                stop.extend(done);
                (None, Ok(Vec::new()))
            }
            () = self.shared.shutdown.cancelled() => {
                // Nothing is started or written: the server sends the order again.
                self.entries().remove(&attempt.command_id);
                return;
            }
        };
        let Some(log) = self.begin(&order, &mut wishes, &mut stop).await else {
            return self.never_began(attempt, stop).await;
        };
        if let Some(entry) = self.entries().get_mut(&attempt.command_id) {
            entry.log = Some(log.clone());
        }
        self.count();
        let delivery = tokio::spawn(Arc::clone(&self).deliver(log.clone()).in_current_span());
        let uplink = Arc::clone(&self.uplink);
        let (partials, relay) = crate::partials::start(attempt, uplink, self.link.subscribe());
        let shared = Arc::clone(&self.shared);
        let work = Work { shared, order, files, log: log.clone(), wishes, partials, stop };
        let worked = tokio::spawn(work.run().in_current_span()).await;
        if let Err(error) = worked {
            tracing::error!(%error, "the owner of an attempt failed");
            self.bury(&log).await;
        }
        drop(slot);
        self.process_gone(attempt);
        self.count();
        let _ = relay.await;
        let _ = delivery.await;
    }

    /// Waits for a slot, and for the files that go with an order: what is said to have started has
    /// everything it needs.
    async fn ready(
        &self,
        order: &RunnerExecute,
    ) -> (Option<SemaphorePermit<'_>>, Result<Vec<File>, ErrorBody>) {
        let slot = self.slots.acquire().await.ok();
        (slot, self.source(order.attempt.command_id).fetch(&order.attachments).await)
    }

    /// The way to the files of a command.
    fn source(&self, command_id: CommandId) -> Source<'_> {
        Source { uplink: self.uplink.as_ref(), link: self.link.subscribe(), command_id }
    }

    /// Writes that an attempt starts. While the disk refuses nothing is started, the server is told so,
    /// and whoever wants the attempt stopped is heard.
    async fn begin(
        &self,
        order: &RunnerExecute,
        wishes: &mut mpsc::Receiver<Wish>,
        stop: &mut Vec<Killed>,
    ) -> Option<AttemptLog> {
        let mut refuses = None;
        loop {
            let started = Record::Started { at: Timestamp::now() };
            match self.journal.begin(order, &started).await {
                Ok(log) => return Some(log),
                Err(JournalError::Io(error)) => {
                    tracing::error!(%error, "the start can't be written; not starting");
                }
                Err(error) => {
                    tracing::error!(%error, "the journal refuses; nothing is started");
                    return None;
                }
            }
            if !stop.is_empty() {
                return None;
            }
            refuses.get_or_insert_with(|| self.shared.facts.disk_refuses());
            tokio::select! {
                () = tokio::time::sleep(DISK_RETRY) => {}
                done = stopped(wishes) => {
                    stop.extend(done);
                    return None;
                }
                () = self.shared.shutdown.cancelled() => return None,
            }
        }
    }

    fn process_gone(&self, attempt: Attempt) {
        let mut entries = self.entries();
        let entry = entries.get_mut(&attempt.command_id).filter(|entry| entry.attempt == attempt);
        if let Some(entry) = entry {
            entry.wishes = None;
        }
    }

    fn count(&self) {
        let works = |entry: &&Entry| entry.wishes.is_some() && entry.log.is_some();
        let executing = self.entries().values().filter(works).count();
        self.shared.facts.set_executing(executing);
    }

    /// What is here, begun or not: the server decides about the rest as never begun.
    fn reports(&self) -> Vec<AttemptReport> {
        let last = |log: &AttemptLog| log.on_disk().borrow().last;
        let report = |entry: &Entry| AttemptReport {
            attempt: entry.attempt,
            last_record: entry.log.as_ref().map_or(0, last),
            acknowledged: entry.log.as_ref().map_or(0, AttemptLog::acknowledged),
            alive: entry.wishes.is_some(),
        };
        self.entries().values().map(report).collect()
    }

    /// Takes what the server has of an attempt.
    async fn welcomed(self: &Arc<Self>, acknowledged: Acknowledged) {
        let Acknowledged { attempt, last_record, closed } = acknowledged;
        let log = {
            let entries = self.entries();
            let entry = entries.get(&attempt.command_id).filter(|entry| entry.attempt == attempt);
            entry.and_then(|entry| entry.log.clone())
        };
        let Some(log) = log else {
            // It has not begun, and need not any more.
            return if closed {
                self.make_way(attempt)
            };
        };
        if closed {
            // The delivery sees it when the link is up, and forgets the attempt.
            log.close();
            return;
        }
        let on_disk = *log.on_disk().borrow();
        if last_record <= on_disk.last {
            return log.acknowledge(last_record).await;
        }
        tracing::warn!(last_record, on_disk.last, "the server has records this disk lost");
        let _ = log.skip_to(last_record).await;
        if on_disk.finished {
            self.write_interrupted(&log, Vec::new()).await;
        }
    }
}

/// Resolves when somebody wants the attempt stopped before it began.
async fn stopped(wishes: &mut mpsc::Receiver<Wish>) -> Option<Killed> {
    loop {
        match wishes.recv().await {
            Some(Wish::Kill(done)) => return Some(done),
            Some(Wish::SetMode(_, done)) => {
                let _ = done.send(Err(not_running()));
            }
            Some(Wish::Answer(..) | Wish::Interrupt | Wish::Steer(..)) => {}
            None => std::future::pending().await,
        }
    }
}
