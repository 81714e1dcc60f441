//! Damage: what was found unreadable, written down once and never touched.

use std::collections::HashSet;

use afield_proto::{Timestamp, Topic};

use crate::log::append::load_head;
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Store};

statements! {
    INSERT_DAMAGE = "INSERT INTO damage (topic, first_seq, last_seq, what, noticed_at) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (topic, first_seq, last_seq) DO NOTHING";
    COUNT_DAMAGE = "SELECT COUNT(*) FROM damage";
}

/// A part of a topic that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) what: String,
}

/// What this process has already written down.
pub(crate) type Noticed = std::sync::Mutex<HashSet<(Topic, u64, u64)>>;

impl Store {
    /// How many damaged parts of logs are known.
    pub async fn damaged_count(&self) -> Result<u64, Error> {
        self.read((), count).await
    }

    /// Writes down what a reading found damaged, each part once. The reading goes on whether this
    /// succeeds or not.
    pub(crate) async fn notice(&self, topic: Topic, found: Vec<Found>) {
        let new = self.not_noticed(topic, found);
        if new.is_empty() {
            return;
        }
        tracing::warn!(%topic, parts = new.len(), "parts of a log can't be read");
        // The readings that find damage have no `now`; when it was noticed is for people only.
        if let Err(error) = self.write((topic, new, Timestamp::now()), record).await {
            tracing::error!(%topic, %error, "damage could not be written down");
        }
    }

    fn not_noticed(&self, topic: Topic, found: Vec<Found>) -> Vec<Found> {
        let noticed = self.noticed().lock();
        let mut noticed = noticed.unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_new = |found: &Found| noticed.insert((topic, found.first_seq, found.last_seq));
        found.into_iter().filter(is_new).collect()
    }
}

async fn count(tx: &mut Tx, _: &()) -> Result<u64, Error> {
    tx.one(&COUNT_DAMAGE, params![], |row| row.count(0)).await
}

async fn record(
    tx: &mut Tx,
    (topic, found, now): &(Topic, Vec<Found>, Timestamp),
) -> Result<(), Error> {
    let Some(head) = load_head(tx, &topic.to_string()).await? else { return Ok(()) };
    for part in found {
        let values = params![head.number, part.first_seq, part.last_seq, part.what, now];
        tx.execute(&INSERT_DAMAGE, values).await?;
    }
    Ok(())
}
