//! Shared state of a person: one order of writes, decided upon by `afield-proto`'s merge.
//!
//! The row of the person's head is locked by every write, which makes this the sequencer: versions
//! are given one after the other, whichever device and server they come through.

use std::time::Duration;

use afield_proto::fact::Fact;
use afield_proto::request::StateSetReply;
use afield_proto::state::{DRAFT_TEXTS_MAX, Merged, StateKey, StateRegister, Stored, Write, merge};
use afield_proto::{OrgId, Timestamp, UserId};

use crate::sql::{Row, params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

/// How long a deleted register is remembered: longer than a device is left in a drawer.
const DELETED_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Most registers in one page.
const PAGE_REGISTERS: u32 = 256;
/// Bytes of content after which a page ends.
const PAGE_BYTES: usize = 512 * 1024;

statements! {
    INSERT_HEAD = "INSERT INTO state_heads (user_id, org_id, version) VALUES (?1, ?2, 0) \
        ON CONFLICT (user_id) DO NOTHING";
    SELECT_HEAD = "SELECT version FROM state_heads WHERE user_id = ?1 AND org_id = ?2 FOR UPDATE";
    SET_HEAD = "UPDATE state_heads SET version = ?2 WHERE user_id = ?1";
    SELECT_REGISTER = "SELECT key, version, changed_at, content, bytes FROM state_registers \
        WHERE user_id = ?1 AND org_id = ?2 AND key = ?3";
    PUT_REGISTER = "INSERT INTO state_registers (user_id, key, org_id, version, bytes, changed_at, \
        deleted_at, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
        ON CONFLICT (user_id, key) DO UPDATE SET version = ?4, bytes = ?5, changed_at = ?6, \
        deleted_at = ?7, content = ?8";
    USAGE = "SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM state_registers \
        WHERE user_id = ?1";
    FORGET_DELETED = "DELETE FROM state_registers WHERE user_id = ?1 AND deleted_at < ?2";
    CHANGED = "SELECT key, version, changed_at, content, bytes FROM state_registers \
        WHERE user_id = ?1 AND org_id = ?2 AND version > ?3 ORDER BY version LIMIT ?4";
    EXISTING = "SELECT key, version, changed_at, content, bytes FROM state_registers \
        WHERE user_id = ?1 AND org_id = ?2 AND deleted_at IS NULL ORDER BY version LIMIT ?3";
}

/// How much one person's state may hold.
#[derive(Debug, Clone, Copy)]
pub struct StateLimits {
    /// Registers; deleted ones count for 90 days.
    pub keys: u64,
    /// Bytes they hold together.
    pub bytes: u64,
}

/// A write that came.
#[derive(Debug, Clone)]
pub struct StateWrite {
    /// The org of the person.
    pub org: OrgId,
    /// The person.
    pub user: UserId,
    /// Which register.
    pub key: StateKey,
    /// What is written, and what its writer knew.
    pub write: Write,
    /// How much the person's state may hold.
    pub limits: StateLimits,
}

/// Registers of a person.
#[derive(Debug, Clone)]
pub struct StatePage {
    /// In the order they were changed.
    pub registers: Vec<StateRegister>,
    /// There are more after the last version.
    pub more: bool,
}

impl Store {
    /// Writes a register; what became of it. A repetition changes nothing.
    ///
    /// **Errors**: [`Refusal::StateLimit`], [`Refusal::DraftTexts`].
    pub async fn set_state(
        &self,
        write: StateWrite,
        now: Timestamp,
    ) -> Result<StateSetReply, Error> {
        self.write((write, now), set_state).await
    }

    /// A page of the registers that exist, or with `after` of those that changed after that
    /// version, deleted ones too.
    pub async fn state(
        &self,
        org: OrgId,
        user: UserId,
        after: Option<u64>,
    ) -> Result<StatePage, Error> {
        self.read((org, user, after), state).await
    }

    /// One register, also when it was deleted.
    pub async fn state_register(
        &self,
        org: OrgId,
        user: UserId,
        key: &StateKey,
    ) -> Result<Option<StateRegister>, Error> {
        self.look((org, user, key.clone()), state_register).await
    }
}

/// A register's row.
struct Found {
    key: StateKey,
    version: u64,
    changed_at: Timestamp,
    content: Stored,
    bytes: u64,
}

impl Found {
    fn register(self) -> StateRegister {
        shown(self.key, self.version, self.changed_at, self.content)
    }
}

fn shown(key: StateKey, version: u64, changed_at: Timestamp, content: Stored) -> StateRegister {
    let Stored { value, hlc, device_id, device_name, others, heads: _ } = content;
    StateRegister { key, version, value, hlc, device_id, device_name, changed_at, others }
}

fn found(row: &Row<'_>) -> Result<Found, Error> {
    let key = row.text(0)?;
    let key = key.parse().map_err(|error| Error::corrupt(format!("a register: {error}")))?;
    Ok(Found {
        key,
        version: row.count(1)?,
        changed_at: row.time(2)?,
        content: row.json(3)?,
        bytes: row.count(4)?,
    })
}

async fn set_state(
    tx: &mut Tx,
    (ask, now): &(StateWrite, Timestamp),
) -> Result<StateSetReply, Error> {
    let StateWrite { org, user, key, write, limits } = ask;
    tx.execute(&INSERT_HEAD, params![user, org]).await?;
    let head = tx.one(&SELECT_HEAD, params![user, org], |row| row.count(0)).await?;
    let before = tx.opt(&SELECT_REGISTER, params![user, org, key], found).await?;
    let known = before.as_ref().map(|found| (found.version, &found.content));
    let (verdict, content) = match merge(key.class(), known, write, *now) {
        Merged::Changed(verdict, content) => (verdict, content),
        Merged::Same(verdict) => {
            let before = before.ok_or_else(|| Error::corrupt("a register is there and is not"))?;
            return Ok(StateSetReply { verdict, register: before.register() });
        }
        Merged::Full => return Err(Refusal::DraftTexts { limit: DRAFT_TEXTS_MAX }.into()),
    };
    let (text, version) = (to_json(&content), head + 1);
    let bytes = text.len() as u64;
    let grown = bytes.saturating_sub(before.as_ref().map_or(0, |before| before.bytes));
    if content.value.is_some() && grown > 0 {
        check_room(tx, *user, *limits, (before.is_none(), grown), *now).await?;
    }
    let deleted_at = content.value.is_none().then_some(*now);
    let values = params![user, key, org, version, bytes, now, deleted_at, text];
    tx.execute(&PUT_REGISTER, values).await?;
    tx.execute(&SET_HEAD, params![user, version]).await?;
    let register = shown(key.clone(), version, *now, content);
    tx.tell_user(*org, *user, &Fact::StateChanged(register.clone()), *now);
    Ok(StateSetReply { verdict, register })
}

/// **Errors**: [`Refusal::StateLimit`]. What was deleted long ago makes room first.
async fn check_room(
    tx: &mut Tx,
    user: UserId,
    limits: StateLimits,
    (is_new, grown): (bool, u64),
    now: Timestamp,
) -> Result<(), Error> {
    let reached = |(keys, bytes): (u64, u64)| match () {
        () if keys + u64::from(is_new) > limits.keys => Some(("state_keys", limits.keys)),
        () if bytes + grown > limits.bytes => Some(("state_bytes", limits.bytes)),
        () => None,
    };
    if reached(usage(tx, user).await?).is_none() {
        return Ok(());
    }
    tx.execute(&FORGET_DELETED, params![user, now.minus(DELETED_KEPT)]).await?;
    match reached(usage(tx, user).await?) {
        Some((name, value)) => Err(Refusal::StateLimit { name, value }.into()),
        None => Ok(()),
    }
}

async fn usage(tx: &mut Tx, user: UserId) -> Result<(u64, u64), Error> {
    tx.one(&USAGE, params![user], |row| Ok((row.count(0)?, row.count(1)?))).await
}

async fn state(
    tx: &mut Tx,
    (org, user, after): &(OrgId, UserId, Option<u64>),
) -> Result<StatePage, Error> {
    let rows = match after {
        Some(after) => tx.all(&CHANGED, params![user, org, after, PAGE_REGISTERS], found).await?,
        None => tx.all(&EXISTING, params![user, org, PAGE_REGISTERS], found).await?,
    };
    let mut room = PAGE_BYTES;
    let fits = |row: &Found| {
        let fits = room > 0;
        room = room.saturating_sub(usize::try_from(row.bytes).unwrap_or(usize::MAX));
        fits
    };
    let count = rows.len();
    let registers: Vec<_> = rows.into_iter().take_while(fits).map(Found::register).collect();
    let more = registers.len() < count || count == PAGE_REGISTERS as usize;
    Ok(StatePage { registers, more })
}

async fn state_register(
    tx: &mut Tx,
    (org, user, key): &(OrgId, UserId, StateKey),
) -> Result<Option<StateRegister>, Error> {
    let found = tx.opt(&SELECT_REGISTER, params![user, org, key], found).await?;
    Ok(found.map(Found::register))
}
