//! Delivers the records of one attempt, in order, until the server has all of them.
//!
//! Reads what is on disk for certain, keeps a few batches on their way, and begins again after
//! the last acknowledged record whenever the connection was lost. One task per attempt.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use afield_proto::runner::Acknowledged;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt as _};
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::journal::{AttemptLog, Batch, BatchLimit, Cursor, JournalError, OnDisk};
use crate::link::Link;
use crate::uplink::{AskError, Uplink};

/// Bytes of records in one batch.
const BATCH_BYTES: usize = 256 * 1024;
/// Records in one batch.
const BATCH_RECORDS: usize = 512;
/// Batches on their way at once.
const BATCHES_ON_THE_WAY: usize = 3;
/// First wait after the server or the disk refused; doubles up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest wait after a refusal.
const RETRY_LAST: Duration = Duration::from_secs(30);

/// How delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The server has everything, the end included.
    Everything,
    /// The server will never take more of it.
    Closed,
}

type Answer = Result<Box<RawValue>, AskError>;

/// Why a stretch of sending ended.
enum Stretch {
    Over(Delivered),
    Disconnected,
    Again,
}

/// Delivers an attempt.
pub(crate) struct Sender {
    /// Its records.
    pub(crate) log: AttemptLog,
    /// The way to the server.
    pub(crate) uplink: Arc<dyn Uplink>,
    /// Whether there is one.
    pub(crate) link: watch::Receiver<Link>,
}

impl Sender {
    /// Works until the server has everything or wants no more.
    ///
    /// **Cancel safety**: may be dropped at any time; what was not acknowledged is sent again.
    pub(crate) async fn run(mut self) -> Delivered {
        let mut retry = RETRY_FIRST;
        loop {
            let Ok(link) = self.link.wait_for(|link| link.up).await.map(|link| *link) else {
                return std::future::pending().await;
            };
            let before = self.log.acknowledged();
            match self.stretch(link).await {
                Ok(Stretch::Over(delivered)) => return delivered,
                Ok(Stretch::Disconnected) => {
                    retry = RETRY_FIRST;
                    self.next_connection(link).await;
                }
                Ok(Stretch::Again) => {
                    retry = if self.log.acknowledged() > before { RETRY_FIRST } else { retry };
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(RETRY_LAST);
                }
                Err(error) => {
                    tracing::error!(%error, "the records can't be read");
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(RETRY_LAST);
                }
            }
        }
    }

    /// Waits until the connection that was lost is known to be lost.
    async fn next_connection(&mut self, lost: Link) {
        if self.link.wait_for(|link| link.generation != lost.generation).await.is_err() {
            std::future::pending().await
        }
    }

    /// Sends over one connection.
    async fn stretch(&mut self, link: Link) -> Result<Stretch, JournalError> {
        let mut on_disk = self.log.on_disk();
        if let Some(delivered) = self.already(*on_disk.borrow()) {
            return Ok(Stretch::Over(delivered));
        }
        let mut cursor = self.log.cursor(self.log.acknowledged() + 1).await?;
        let mut lasts = VecDeque::new();
        let uplink = Arc::clone(&self.uplink);
        let mut answers: FuturesOrdered<BoxFuture<'_, Answer>> = FuturesOrdered::new();
        loop {
            let ready = *on_disk.borrow_and_update();
            while answers.len() < BATCHES_ON_THE_WAY && cursor.number <= ready.last {
                let batch = self.next_batch(cursor, ready).await?;
                cursor = batch.next;
                lasts.push_back(cursor.number - 1);
                answers.push_back(uplink.ask("runner_records", self.body(batch)?));
            }
            tokio::select! {
                Some(answer) = answers.next() => {
                    let last = lasts.pop_front().unwrap_or(0);
                    if let Some(end) = self.answered(answer, last).await {
                        return Ok(end);
                    }
                }
                Ok(()) = on_disk.changed(), if answers.len() < BATCHES_ON_THE_WAY => {}
                Ok(()) = self.link.changed() => {
                    if *self.link.borrow_and_update() != link {
                        return Ok(Stretch::Disconnected);
                    }
                }
            }
        }
    }

    /// Whether the server said on connecting that there is nothing left to send.
    fn already(&self, on_disk: OnDisk) -> Option<Delivered> {
        let everything = on_disk.finished && self.log.acknowledged() >= on_disk.last;
        match () {
            () if self.log.is_closed() => Some(Delivered::Closed),
            () if everything => Some(Delivered::Everything),
            () => None,
        }
    }

    async fn next_batch(&self, cursor: Cursor, ready: OnDisk) -> Result<Batch, JournalError> {
        let limit = BatchLimit { count: BATCH_RECORDS, bytes: BATCH_BYTES, up_to: ready.last };
        let batch = self.log.read(cursor, limit).await?;
        if batch.records.is_empty() {
            return Err(std::io::Error::other("records are missing").into());
        }
        Ok(batch)
    }

    /// The body of a batch, put together from the records as they are on disk.
    fn body(&self, batch: Batch) -> Result<Box<RawValue>, JournalError> {
        let attempt = serde_json::to_string(&self.log.attempt)?;
        let bytes: usize = batch.records.iter().map(|record| record.len() + 1).sum();
        let mut body = String::with_capacity(bytes + attempt.len() + 64);
        body.push_str(r#"{"attempt":"#);
        body.push_str(&attempt);
        body.push_str(&format!(r#","first_record":{},"records":["#, batch.first));
        for (index, record) in batch.records.into_iter().enumerate() {
            if index > 0 {
                body.push(',');
            }
            body.push_str(&record);
        }
        body.push_str("]}");
        Ok(RawValue::from_string(body)?)
    }

    /// Takes an answer; `last` is the last record of the batch it belongs to.
    async fn answered(&self, answer: Answer, last: u64) -> Option<Stretch> {
        let acknowledged = match answer {
            Ok(data) => serde_json::from_str::<Acknowledged>(data.get()),
            Err(AskError::Disconnected) => return Some(Stretch::Disconnected),
            Err(AskError::Refused(error)) => {
                tracing::warn!(code = %error.code, %error.message, "the server refuses records");
                return Some(Stretch::Again);
            }
        };
        match acknowledged {
            Ok(acknowledged) if acknowledged.attempt == self.log.attempt => {
                self.acknowledged(acknowledged, last).await
            }
            _ => {
                tracing::warn!("the server's acknowledgement is none of this attempt");
                Some(Stretch::Again)
            }
        }
    }

    async fn acknowledged(&self, acknowledged: Acknowledged, last: u64) -> Option<Stretch> {
        if acknowledged.closed {
            return Some(Stretch::Over(Delivered::Closed));
        }
        let on_disk = *self.log.on_disk().borrow();
        self.log.acknowledge(acknowledged.last_record.min(on_disk.last)).await;
        if on_disk.finished && acknowledged.last_record >= on_disk.last {
            return Some(Stretch::Over(Delivered::Everything));
        }
        (acknowledged.last_record < last).then_some(Stretch::Again)
    }
}
