//! The audit log of an org: append-only, each entry's hash covering the one before it.
//!
//! Operations tell entries to their [`Tx`]; they are numbered and written when the operation has
//! succeeded, before its events (one fixed order, so that two operations never wait for each other).

use afield_proto::audit::{AuditCheck, AuditEntry, AuditRecord, Audited};
use afield_proto::{DeviceId, OrgId, Timestamp, hex};
use aws_lc_rs::digest::{Context, SHA256, digest};

use crate::sql::{Row, params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Store};

statements! {
    INSERT_HEAD = "INSERT INTO audit_heads (org_id, number, hash) VALUES (?1, 0, ?2) \
        ON CONFLICT (org_id) DO NOTHING";
    HEAD_LOCKED = "SELECT number, hash FROM audit_heads WHERE org_id = ?1 FOR UPDATE";
    HEAD = "SELECT number, hash FROM audit_heads WHERE org_id = ?1";
    MOVE_HEAD = "UPDATE audit_heads SET number = ?2, hash = ?3 WHERE org_id = ?1";
    INSERT_ENTRY = "INSERT INTO audit (org_id, number, body, hash) VALUES (?1, ?2, ?3, ?4)";
    ENTRIES_BEFORE = "SELECT number, body, hash FROM audit WHERE org_id = ?1 AND number < ?2 \
        ORDER BY number DESC LIMIT ?3";
    ENTRIES_AFTER = "SELECT number, body, hash FROM audit WHERE org_id = ?1 AND number > ?2 \
        ORDER BY number LIMIT ?3";
}

/// Entries that are checked at a time.
const PAGE: u32 = 1000;

/// The hash in front of the first entry.
const BEGINNING: [u8; 32] = [0; 32];

/// An entry that was told and has no number yet.
pub(crate) struct Told {
    org: OrgId,
    by: Option<DeviceId>,
    at: Timestamp,
    what: Audited,
}

/// The end of an org's chain.
struct Head {
    number: u64,
    hash: [u8; 32],
}

/// A row as it is stored.
struct Stored {
    number: u64,
    body: String,
    hash: Vec<u8>,
}

/// An entry that must have a certain hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number.
    pub number: u64,
    /// The hash it had, in hexadecimal.
    pub hash: String,
}

impl Tx {
    /// Tells something for the audit log of an org.
    pub(crate) fn audit(&mut self, org: OrgId, by: Option<DeviceId>, what: Audited, at: Timestamp) {
        self.audited.push(Told { org, by, at, what });
    }
}

impl Store {
    /// Writes an entry that belongs to no other change.
    pub async fn record_audit(
        &self,
        org: OrgId,
        by: Option<DeviceId>,
        what: Audited,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write((org, by, what, now), record).await
    }

    /// The newest entries before this number, oldest first.
    pub async fn audit_entries(
        &self,
        org: OrgId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, Error> {
        self.read((org, before, limit), entries).await
    }

    /// Checks the whole chain: every entry's number and hash, the end, and a hash that was noted
    /// down before.
    pub async fn verify_audit(
        &self,
        org: OrgId,
        checkpoint: Option<Checkpoint>,
    ) -> Result<AuditCheck, Error> {
        self.read((org, checkpoint), verify).await
    }
}

async fn record(
    tx: &mut Tx,
    (org, by, what, now): &(OrgId, Option<DeviceId>, Audited, Timestamp),
) -> Result<(), Error> {
    tx.audit(*org, *by, what.clone(), *now);
    Ok(())
}

/// Numbers and writes what the operation told.
pub(crate) async fn flush(tx: &mut Tx) -> Result<(), Error> {
    let mut told = std::mem::take(&mut tx.audited);
    told.sort_by_key(|told| told.org);
    for of_org in told.chunk_by(|a, b| a.org == b.org) {
        append(tx, of_org).await?;
    }
    Ok(())
}

async fn append(tx: &mut Tx, told: &[Told]) -> Result<(), Error> {
    let org = told[0].org;
    tx.execute(&INSERT_HEAD, params![org, BEGINNING]).await?;
    let mut head = tx.one(&HEAD_LOCKED, params![org], head).await?;
    for Told { by, at, what, .. } in told {
        let number = head.number + 1;
        let body = to_json(&AuditEntry { number, at: *at, by: *by, what: what.clone() });
        let before = if planted::is("audit") { &BEGINNING } else { &head.hash };
        let hash = chained(before, org, number, &body);
        tx.execute(&INSERT_ENTRY, params![org, number, body, hash]).await?;
        head = Head { number, hash };
    }
    tx.execute(&MOVE_HEAD, params![org, head.number, head.hash]).await.map(drop)
}

/// SHA-256 of the hash before it, the org, the number and the entry's bytes.
fn chained(before: &[u8; 32], org: OrgId, number: u64, body: &str) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(org.uuid().as_bytes());
    context.update(&number.to_be_bytes());
    context.update(body.as_bytes());
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// SHA-256 of something, in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

async fn entries(
    tx: &mut Tx,
    (org, before, limit): &(OrgId, Option<u64>, u32),
) -> Result<Vec<AuditRecord>, Error> {
    let before = before.unwrap_or(u64::MAX);
    let mut found = tx.all(&ENTRIES_BEFORE, params![org, before, limit], stored).await?;
    found.reverse();
    found.into_iter().map(|row| record_of(&row)).collect()
}

fn record_of(row: &Stored) -> Result<AuditRecord, Error> {
    let entry = serde_json::from_str(&row.body).map_err(|error| {
        Error::corrupt(format!("audit entry {} can't be read: {error}", row.number))
    })?;
    Ok(AuditRecord { entry, hash: hex(&row.hash) })
}

async fn verify(
    tx: &mut Tx,
    (org, checkpoint): &(OrgId, Option<Checkpoint>),
) -> Result<AuditCheck, Error> {
    let mut at = Head { number: 0, hash: BEGINNING };
    loop {
        let page = tx.all(&ENTRIES_AFTER, params![org, at.number, PAGE], stored).await?;
        let is_last = page.len() < PAGE as usize;
        for row in page {
            match follows(*org, &at, &row, checkpoint.as_ref()) {
                Ok(next) => at = next,
                Err(broken) => return Ok(check(&at, Some(broken))),
            }
        }
        if is_last {
            break;
        }
    }
    let end = tx.opt(&HEAD, params![org], head).await?;
    let end = end.unwrap_or(Head { number: 0, hash: BEGINNING });
    Ok(check(&at, cut_off(&at, &end, checkpoint.as_ref())))
}

/// **Errors**: what is wrong with the row.
fn follows(
    org: OrgId,
    before: &Head,
    row: &Stored,
    checkpoint: Option<&Checkpoint>,
) -> Result<Head, String> {
    let number = before.number + 1;
    if row.number != number {
        return Err(format!("entry {number} is missing"));
    }
    let hash = chained(&before.hash, org, number, &row.body);
    if hash.as_slice() != row.hash {
        return Err(format!("entry {number} was changed"));
    }
    let noted = checkpoint.filter(|checkpoint| checkpoint.number == number);
    if noted.is_some_and(|noted| !noted.hash.eq_ignore_ascii_case(&hex(&hash))) {
        return Err(format!("entry {number} is not the one whose hash was noted down"));
    }
    Ok(Head { number, hash })
}

/// What is wrong with the end of the chain.
fn cut_off(at: &Head, end: &Head, checkpoint: Option<&Checkpoint>) -> Option<String> {
    if end.number != at.number || end.hash != at.hash {
        return Some(format!("the log was cut off or added to: entry {} was its last", end.number));
    }
    let noted = checkpoint.filter(|noted| noted.number > at.number)?;
    Some(format!("the log was cut off: entry {} was noted down", noted.number))
}

fn check(at: &Head, broken: Option<String>) -> AuditCheck {
    AuditCheck { entries: at.number, hash: hex(&at.hash), broken }
}

fn head(row: &Row<'_>) -> Result<Head, Error> {
    let hash = row.bytes(1)?.try_into().map_err(|_| Error::corrupt("no SHA-256"))?;
    Ok(Head { number: row.count(0)?, hash })
}

fn stored(row: &Row<'_>) -> Result<Stored, Error> {
    let (body, hash) = (row.text(1)?.to_owned(), row.bytes(2)?.to_vec());
    Ok(Stored { number: row.count(0)?, body, hash })
}
