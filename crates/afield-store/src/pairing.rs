//! Pairings: started by a trusted device, claimed once by a new one, decided by a trusted one; or
//! decided when they are started, as links.
//!
//! Secrets and codes are here as hashes only; making them, and counting guesses per address, is
//! the server's part. What a pairing itself counts are codes whose first half is right.

mod admit;

use afield_proto::audit::Audited;
use afield_proto::device::{DeviceKind, Scope, Scopes};
use afield_proto::pairing::{CODE_TRIES, Claim, Pairing, PairingState};
use afield_proto::{DeviceId, OrgId, PairingId, Timestamp, UserId};

use crate::audit::sha256_hex;
use crate::identity;
use crate::sql::{Row, params, statements, to_json, word_of};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};
pub(crate) use admit::KeyedDevice;
use admit::{Admission, approve, maker_may};

macro_rules! pairing_columns {
    () => {
        "id, state, created_by, scopes, name, expires_at, claim, device_id, public_key, org_id, \
         user_id, code_hash, tries, link"
    };
}

statements! {
    OPEN_COUNT = "SELECT COUNT(*) FROM pairings WHERE org_id = ?1 AND expires_at > ?2 \
        AND state IN ('open', 'claimed')";
    INSERT_PAIRING = concat!("INSERT INTO pairings (id, org_id, user_id, created_by, secret_hash, \
        front_hash, code_hash, name, scopes, created_at, expires_at, link, tries, state) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, 'open') RETURNING ",
        pairing_columns!());
    BY_SECRET = concat!("SELECT ", pairing_columns!(), " FROM pairings WHERE secret_hash = ?1 \
        AND expires_at > ?2 FOR UPDATE");
    BY_FRONT = concat!("SELECT ", pairing_columns!(), " FROM pairings WHERE front_hash = ?1 \
        AND expires_at > ?2 ORDER BY id FOR UPDATE");
    BY_ID = concat!("SELECT ", pairing_columns!(), " FROM pairings WHERE org_id = ?1 AND id = ?2");
    BY_ID_LOCKED = concat!("SELECT ", pairing_columns!(), " FROM pairings \
        WHERE org_id = ?1 AND id = ?2 FOR UPDATE");
    LIVE = concat!("SELECT ", pairing_columns!(), " FROM pairings WHERE org_id = ?1 \
        AND expires_at > ?2 AND state IN ('open', 'claimed') ORDER BY id");
    MADE_BY = concat!("SELECT ", pairing_columns!(), " FROM pairings WHERE org_id = ?1 \
        AND created_by = ?2 AND expires_at > ?3 AND state IN ('open', 'claimed') FOR UPDATE");
    MISTYPED = "UPDATE pairings SET tries = ?2, state = ?3 WHERE id = ?1";
    CLAIM = "UPDATE pairings SET state = 'claimed', claimed_at = ?2, public_key = ?3, claim = ?4 \
        WHERE id = ?1";
    DECIDE = "UPDATE pairings SET state = ?2, device_id = ?3 WHERE id = ?1";
}

/// A pairing to be started.
#[derive(Debug, Clone)]
pub struct NewPairing {
    /// The org the new device will belong to.
    pub org: OrgId,
    /// Its owner.
    pub user: UserId,
    /// The device that starts it.
    pub created_by: DeviceId,
    /// SHA-256 of the secret.
    pub secret_hash: [u8; 32],
    /// How a device comes in.
    pub entry: Entry,
    /// The name the device will have.
    pub name: Option<String>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// How a device comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// With the secret or a typed code; then somebody decides.
    Decided {
        /// SHA-256 of the first half of the code.
        front_hash: [u8; 32],
        /// SHA-256 of the code.
        code_hash: [u8; 32],
    },
    /// With the secret alone, at once, as long as its maker may let it in.
    Link,
}

/// What a new device shows to claim a pairing.
#[derive(Debug, Clone, Copy)]
pub enum ShownSecret {
    /// SHA-256 of the secret of the QR code.
    Secret([u8; 32]),
    /// A typed code.
    Code {
        /// SHA-256 of its first half.
        front: [u8; 32],
        /// SHA-256 of the whole.
        whole: [u8; 32],
    },
}

/// A device that comes.
#[derive(Debug, Clone)]
pub struct Coming {
    /// What it shows.
    pub shown: ShownSecret,
    /// Its key.
    pub public_key: Vec<u8>,
    /// What it says about itself.
    pub claim: Claim,
    /// For the column that only tokens use: of a random value nobody has.
    pub token_hash: [u8; 32],
}

/// A pairing with what the server needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct PairingRecord {
    /// The pairing; without digits, which come from the server's key.
    pub pairing: Pairing,
    /// The key of the device that claimed it.
    pub public_key: Option<Vec<u8>>,
    /// Its org.
    pub org: OrgId,
    /// The owner of the new device.
    pub user: UserId,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claimed {
    /// The pairing waits for a decision, or was decided: for this very device.
    Yes(Box<PairingRecord>),
    /// It was a link: the device is let in, by this very claim.
    LetIn(Box<PairingRecord>),
    /// There is none like that, or not any more, or it is somebody else's.
    No,
}

/// A pairing as it is decided.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Its org.
    pub org: OrgId,
    /// Which.
    pub id: PairingId,
    /// Who decides.
    pub by: DeviceId,
    /// The key of the device that is let in, as the one who decides saw it; `None` to refuse.
    pub let_in: Option<Vec<u8>>,
    /// For the column that only tokens use: of a random value nobody has.
    pub token_hash: [u8; 32],
}

struct Stored {
    record: PairingRecord,
    code_hash: Vec<u8>,
    tries: u32,
}

impl Store {
    /// Starts a pairing.
    ///
    /// **Errors**: [`Refusal::PairingLimit`] while so many wait.
    pub async fn create_pairing(
        &self,
        new: NewPairing,
        open_max: u64,
        now: Timestamp,
    ) -> Result<Pairing, Error> {
        self.write((new, open_max, now), create).await
    }

    /// Claims a pairing with a key; again by the same key, how far it is. A code with the right
    /// first half and a wrong second one counts against the pairing it was near. A link whose maker
    /// was thrown out, or could not make it any more, is refused for good.
    ///
    /// **Errors**: [`Refusal::NotPossible`] for the wrong kind of device; [`Refusal::KeyTaken`].
    pub async fn claim_pairing(&self, coming: Coming, now: Timestamp) -> Result<Claimed, Error> {
        self.write((coming, now), claim_once).await
    }

    /// One pairing.
    ///
    /// **Errors**: [`Refusal::PairingNotFound`].
    pub async fn pairing(&self, org: OrgId, id: PairingId) -> Result<PairingRecord, Error> {
        self.read((org, id), pairing).await
    }

    /// The pairings that are not over, oldest first.
    pub async fn pairings(&self, org: OrgId, now: Timestamp) -> Result<Vec<PairingRecord>, Error> {
        self.read((org, now), pairings).await
    }

    /// Lets the device in that claimed a pairing, or not. A key that was paired before is the same
    /// device again, also when it was thrown out or forgotten.
    ///
    /// **Errors**: [`Refusal::PairingNotFound`], [`Refusal::NotPossible`] when it is over, nobody
    /// came, or somebody else than the one that was seen; [`Refusal::KeyTaken`].
    pub async fn decide_pairing(
        &self,
        decision: Decision,
        now: Timestamp,
    ) -> Result<PairingRecord, Error> {
        self.write((decision, now), decide).await
    }
}

async fn create(
    tx: &mut Tx,
    (new, open_max, now): &(NewPairing, u64, Timestamp),
) -> Result<Pairing, Error> {
    let open = tx.one(&OPEN_COUNT, params![new.org, now], |row| row.count(0)).await?;
    if open >= *open_max {
        return Err(Refusal::PairingLimit { limit: *open_max }.into());
    }
    let (id, scopes) = (PairingId::generate(), u32::from(new.scopes.bits()));
    // No typed text has the hash of a secret: a link has no code.
    let (front_hash, code_hash, link) = match new.entry {
        Entry::Decided { front_hash, code_hash } => (front_hash, code_hash, 0_u32),
        Entry::Link => (new.secret_hash, new.secret_hash, 1),
    };
    let values = params![
        id,
        new.org,
        new.user,
        new.created_by,
        new.secret_hash,
        front_hash,
        code_hash,
        new.name,
        scopes,
        now,
        new.expires_at,
        link,
    ];
    let made = tx.one(&INSERT_PAIRING, values, stored).await?;
    let what = match new.entry {
        Entry::Decided { .. } => Audited::PairingStarted { pairing_id: id, scopes: new.scopes },
        Entry::Link => Audited::LinkCreated { pairing_id: Some(id), scopes: new.scopes },
    };
    tx.audit(new.org, Some(new.created_by), what, *now);
    Ok(made.record.pairing)
}

async fn claim_once(tx: &mut Tx, (coming, now): &(Coming, Timestamp)) -> Result<Claimed, Error> {
    let Coming { shown, public_key, claim, token_hash } = coming;
    let found = match shown {
        ShownSecret::Secret(hash) => tx.opt(&BY_SECRET, params![hash, now], stored).await?,
        ShownSecret::Code { front, whole } => {
            by_code(tx, front, whole, &claim.address, *now).await?
        }
    };
    let Some(Stored { mut record, .. }) = found else { return Ok(Claimed::No) };
    let own = record.public_key.as_deref() == Some(public_key.as_slice());
    match record.pairing.state {
        PairingState::Open => {}
        PairingState::Locked => return Ok(Claimed::No),
        PairingState::Claimed | PairingState::Approved | PairingState::Refused => {
            return Ok(if own { Claimed::Yes(Box::new(record)) } else { Claimed::No });
        }
    }
    if (claim.kind == DeviceKind::Runner) != record.pairing.scopes.has(Scope::Runner) {
        return Err(not_possible("this code is for another kind of device (a runner, or not one)"));
    }
    if !record.pairing.link {
        come(tx, &mut record, public_key, claim, *now).await?;
        return Ok(Claimed::Yes(Box::new(record)));
    }
    if !maker_may(tx, &record.pairing, *now).await? {
        refuse(tx, &mut record, None, *now).await?;
        return Ok(Claimed::No);
    }
    come(tx, &mut record, public_key, claim, *now).await?;
    let by = record.pairing.created_by;
    approve(tx, &mut record, public_key, Admission { by, token_hash: *token_hash }, *now).await?;
    Ok(Claimed::LetIn(Box::new(record)))
}

/// Remembers who came.
async fn come(
    tx: &mut Tx,
    record: &mut PairingRecord,
    public_key: &[u8],
    claim: &Claim,
    now: Timestamp,
) -> Result<(), Error> {
    let pairing = &mut record.pairing;
    tx.execute(&CLAIM, params![pairing.id, now, public_key, to_json(claim)]).await?;
    let what = Audited::PairingClaimed {
        pairing_id: pairing.id,
        name: claim.name.clone(),
        address: claim.address.clone(),
        key_sha256: sha256_hex(public_key),
    };
    tx.audit(record.org, None, what, now);
    (pairing.state, pairing.claim) = (PairingState::Claimed, Some(claim.clone()));
    record.public_key = Some(public_key.to_vec());
    Ok(())
}

/// The pairing with this code. Those that only begin like it count the mistake.
async fn by_code(
    tx: &mut Tx,
    front: &[u8; 32],
    whole: &[u8; 32],
    address: &str,
    now: Timestamp,
) -> Result<Option<Stored>, Error> {
    let near = tx.all(&BY_FRONT, params![front, now], stored).await?;
    let (mut right, wrong): (Vec<_>, Vec<_>) =
        near.into_iter().partition(|found| found.code_hash == whole);
    if right.is_empty() {
        for found in wrong.iter().filter(|found| found.is_open()) {
            mistyped(tx, found, address, now).await?;
        }
    }
    Ok(right.pop())
}

async fn mistyped(tx: &mut Tx, found: &Stored, address: &str, now: Timestamp) -> Result<(), Error> {
    let (tries, pairing_id) = (found.tries + 1, found.record.pairing.id);
    let state = if tries >= CODE_TRIES { PairingState::Locked } else { PairingState::Open };
    tx.execute(&MISTYPED, params![pairing_id, tries, word_of(&state)]).await?;
    if state == PairingState::Locked {
        let what = Audited::PairingLocked { pairing_id, address: address.to_owned() };
        tx.audit(found.record.org, None, what, now);
    }
    Ok(())
}

async fn pairing(tx: &mut Tx, (org, id): &(OrgId, PairingId)) -> Result<PairingRecord, Error> {
    let found = tx.opt(&BY_ID, params![org, id], stored).await?;
    Ok(found.ok_or(Refusal::PairingNotFound)?.record)
}

async fn pairings(
    tx: &mut Tx,
    (org, now): &(OrgId, Timestamp),
) -> Result<Vec<PairingRecord>, Error> {
    tx.all(&LIVE, params![org, now], |row| Ok(stored(row)?.record)).await
}

async fn decide(
    tx: &mut Tx,
    (decision, now): &(Decision, Timestamp),
) -> Result<PairingRecord, Error> {
    let found = tx.opt(&BY_ID_LOCKED, params![decision.org, decision.id], stored).await?;
    let mut record = found.ok_or(Refusal::PairingNotFound)?.record;
    let over = record.pairing.expires_at <= *now;
    let open = matches!(record.pairing.state, PairingState::Open | PairingState::Claimed);
    if over || !open {
        return Err(not_possible("this pairing is over; start another one"));
    }
    let Some(seen) = &decision.let_in else {
        refuse(tx, &mut record, Some(decision.by), *now).await?;
        return Ok(record);
    };
    if record.public_key.as_ref() != Some(seen) {
        return Err(not_possible("no device has come yet, or another one than was seen"));
    }
    let Decision { by, token_hash, .. } = *decision;
    approve(tx, &mut record, seen, Admission { by, token_hash }, *now).await?;
    Ok(record)
}

fn not_possible(reason: &str) -> Error {
    Refusal::NotPossible { reason: reason.to_owned() }.into()
}

async fn save(tx: &mut Tx, pairing: &Pairing) -> Result<(), Error> {
    let state = word_of(&pairing.state);
    let values = params![pairing.id, state, pairing.device_id];
    tx.execute(&DECIDE, values).await.map(drop)
}

async fn refuse(
    tx: &mut Tx,
    record: &mut PairingRecord,
    by: Option<DeviceId>,
    now: Timestamp,
) -> Result<(), Error> {
    record.pairing.state = PairingState::Refused;
    save(tx, &record.pairing).await?;
    tx.audit(record.org, by, Audited::PairingRefused { pairing_id: record.pairing.id }, now);
    Ok(())
}

/// What a device that was thrown out had begun comes to nothing.
pub(crate) async fn refuse_made_by(
    tx: &mut Tx,
    org: OrgId,
    device: DeviceId,
    now: Timestamp,
) -> Result<(), Error> {
    for found in tx.all(&MADE_BY, params![org, device, now], stored).await? {
        let mut record = found.record;
        refuse(tx, &mut record, None, now).await?;
    }
    Ok(())
}

impl Stored {
    fn is_open(&self) -> bool {
        self.record.pairing.state == PairingState::Open
    }
}

fn stored(row: &Row<'_>) -> Result<Stored, Error> {
    let pairing = Pairing {
        id: row.id(0)?,
        state: row.word(1)?,
        created_by: row.id(2)?,
        scopes: identity::scopes(row, 3)?,
        name: row.opt_text(4)?.map(str::to_owned),
        expires_at: row.time(5)?,
        link: row.int(13)? != 0,
        claim: row.opt_json(6)?,
        digits: None,
        device_id: row.opt_id(7)?,
    };
    let public_key = row.opt_bytes(8)?.map(<[u8]>::to_vec);
    let record = PairingRecord { pairing, public_key, org: row.id(9)?, user: row.id(10)? };
    let tries = u32::try_from(row.int(12)?).unwrap_or(u32::MAX);
    Ok(Stored { record, code_hash: row.bytes(11)?.to_vec(), tries })
}
