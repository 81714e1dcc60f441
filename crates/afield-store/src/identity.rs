//! Who may connect: the owner, devices and their credentials, runners' facts.
//!
//! Credentials are stored as hashes only; making and checking them is the server's part. What their
//! org is told of devices is in [`told`].

mod told;

use afield_proto::audit::Audited;
use afield_proto::device::{CredentialKind, Device, DeviceKind, Scopes};
use afield_proto::runner::RunnerFacts;
use afield_proto::{DeviceId, OrgId, Timestamp, UserId};

use crate::pairing::{self, KeyedDevice};
use crate::sql::{Row, params, statements, to_json, word_of};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

macro_rules! device_columns {
    () => {
        "id, name, kind, scopes, created_at, last_seen_at, expires_at, revoked_at, public_key, about, \
         last_address, labels, priority"
    };
}

statements! {
    INSERT_ORG = "INSERT INTO orgs (id, name, created_at) VALUES (?1, 'default', ?2) \
        ON CONFLICT (name) DO NOTHING";
    SELECT_ORG = "SELECT id FROM orgs WHERE name = 'default'";
    INSERT_USER = "INSERT INTO users (id, org_id, name, created_at) VALUES (?1, ?2, 'owner', ?3) \
        ON CONFLICT (org_id, name) DO NOTHING";
    SELECT_USER = "SELECT id FROM users WHERE org_id = ?1 AND name = 'owner'";
    INSERT_DEVICE = concat!("INSERT INTO devices (id, org_id, user_id, name, kind, scopes, token_hash, \
        created_by, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
        RETURNING ", device_columns!());
    DEVICE_BY_TOKEN = concat!("SELECT ", device_columns!(), ", org_id, user_id FROM devices \
        WHERE token_hash = ?1 AND public_key IS NULL");
    DEVICE_BY_ID = concat!("SELECT ", device_columns!(), ", org_id, user_id FROM devices \
        WHERE id = ?1");
    DEVICE_OF_ORG = concat!("SELECT ", device_columns!(), " FROM devices \
        WHERE org_id = ?1 AND id = ?2 FOR UPDATE");
    OWNER_OF_KEY = "SELECT id, org_id, user_id FROM devices WHERE public_key = ?1 FOR UPDATE";
    INSERT_KEYED = concat!("INSERT INTO devices (id, org_id, user_id, name, kind, scopes, token_hash, \
        created_by, created_at, public_key, about) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING ", device_columns!());
    REVIVE_KEYED = concat!("UPDATE devices SET name = ?2, kind = ?3, scopes = ?4, created_by = ?5, \
        about = ?6, revoked_at = NULL, forgotten_at = NULL, expires_at = NULL \
        WHERE id = ?1 RETURNING ", device_columns!());
    SET_SCOPES = concat!("UPDATE devices SET scopes = ?3 WHERE org_id = ?1 AND id = ?2 \
        AND forgotten_at IS NULL RETURNING ", device_columns!());
    RENAME = concat!("UPDATE devices SET name = ?3 WHERE org_id = ?1 AND id = ?2 \
        AND forgotten_at IS NULL RETURNING ", device_columns!());
    LABEL = concat!("UPDATE devices SET labels = ?3, priority = ?4 WHERE org_id = ?1 AND id = ?2 \
        AND forgotten_at IS NULL RETURNING ", device_columns!());
    FORGET = "UPDATE devices SET forgotten_at = ?3 WHERE org_id = ?1 AND id = ?2 \
        AND forgotten_at IS NULL";
    DEVICES = concat!("SELECT ", device_columns!(), " FROM devices WHERE org_id = ?1 \
        AND forgotten_at IS NULL ORDER BY id");
    DEVICES_OF = concat!("SELECT ", device_columns!(), " FROM devices WHERE org_id = ?1 \
        AND user_id = ?2 AND forgotten_at IS NULL ORDER BY id");
    REVOKE_DEVICE = concat!("UPDATE devices SET revoked_at = COALESCE(revoked_at, ?3) \
        WHERE org_id = ?1 AND id = ?2 RETURNING ", device_columns!());
    DEVICE_SEEN = "UPDATE devices SET last_seen_at = ?2, \
        last_address = COALESCE(?3, last_address) WHERE id = ?1";
    SET_FACTS = "UPDATE devices SET facts = ?3, last_seen_at = ?4 \
        WHERE org_id = ?1 AND id = ?2 AND kind = 'runner'";
    RUNNERS = concat!("SELECT ", device_columns!(), ", facts FROM devices \
        WHERE org_id = ?1 AND kind = 'runner' AND forgotten_at IS NULL ORDER BY id");
}

/// The first org and its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The org.
    pub org_id: OrgId,
    /// The person.
    pub user_id: UserId,
    /// Whether this call made them.
    pub created: bool,
}

/// A device to be made.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// Its org.
    pub org: OrgId,
    /// Its owner.
    pub user: UserId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// What it may do.
    pub scopes: Scopes,
    /// SHA-256 of its credential.
    pub token_hash: [u8; 32],
    /// When its credential ends by itself.
    pub expires_at: Option<Timestamp>,
    /// The device that made it.
    pub created_by: Option<DeviceId>,
}

/// A device with what the server needs to know when it connects.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceRecord {
    /// The device; it may be revoked or expired.
    pub device: Device,
    /// Its org.
    pub org: OrgId,
    /// Its owner.
    pub user: UserId,
    /// Its Ed25519 public key, when it has one.
    pub public_key: Option<Vec<u8>>,
}

/// What is changed of a device's labels and rank; what is absent stays.
#[derive(Debug, Clone)]
pub struct LabelDevice {
    /// Which device.
    pub id: DeviceId,
    /// Its labels, all of them.
    pub labels: Option<Vec<String>>,
    /// The labels it has now, if whoever asks says so.
    pub base_labels: Option<Vec<String>>,
    /// Its rank.
    pub priority: Option<i32>,
}

/// A runner: its device, and what it said about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RunnerRow {
    /// The device.
    pub device: Device,
    /// Facts about the machine, once it has connected.
    pub facts: Option<RunnerFacts>,
}

impl Store {
    /// The first org and its owner, made when they are missing.
    pub async fn bootstrap(&self, now: Timestamp) -> Result<Owner, Error> {
        self.write(now, bootstrap).await
    }

    /// Makes a device.
    pub async fn create_device(&self, new: NewDevice, now: Timestamp) -> Result<Device, Error> {
        self.write((new, now), create_device).await
    }

    /// The device with this credential, revoked and expired ones too.
    pub async fn device_by_token(&self, hash: [u8; 32]) -> Result<Option<DeviceRecord>, Error> {
        self.look(hash, device_by_token).await
    }

    /// The device with this id, in whatever org; revoked and expired ones too.
    pub async fn device_by_id(&self, id: DeviceId) -> Result<Option<DeviceRecord>, Error> {
        self.look(id, device_by_id).await
    }

    /// Changes what a device may do; with `base`, only if it may do exactly that now.
    ///
    /// **Errors**: [`Refusal::DeviceNotFound`], [`Refusal::ScopesChanged`]
    pub async fn set_device_scopes(
        &self,
        org: OrgId,
        id: DeviceId,
        by: DeviceId,
        base: Option<Scopes>,
        scopes: Scopes,
        now: Timestamp,
    ) -> Result<Device, Error> {
        self.write((org, id, by, base, scopes, now), set_scopes).await
    }

    /// Gives a device another name.
    ///
    /// **Errors**: [`Refusal::DeviceNotFound`]
    pub async fn rename_device(
        &self,
        org: OrgId,
        id: DeviceId,
        by: DeviceId,
        name: &str,
        now: Timestamp,
    ) -> Result<Device, Error> {
        self.write((org, id, by, name.to_owned(), now), rename).await
    }

    /// Changes a device's labels and its rank when work is placed; what is absent stays.
    ///
    /// **Errors**: [`Refusal::DeviceNotFound`], [`Refusal::LabelsChanged`]
    pub async fn label_device(
        &self,
        org: OrgId,
        by: DeviceId,
        label: LabelDevice,
        now: Timestamp,
    ) -> Result<Device, Error> {
        self.write((org, by, label, now), label_device).await
    }

    /// The devices of an org that were not forgotten, oldest first.
    pub async fn devices(&self, org: OrgId) -> Result<Vec<Device>, Error> {
        self.read(org, devices).await
    }

    /// The devices of a person that were not forgotten, oldest first.
    pub async fn devices_of(&self, org: OrgId, user: UserId) -> Result<Vec<Device>, Error> {
        self.read((org, user), devices_of).await
    }

    /// Throws a device out: its credential, and the pairings it started, work no more.
    /// Doing it again changes nothing. With `forget` it is not shown any more either.
    ///
    /// **Errors**: [`Refusal::DeviceNotFound`]
    pub async fn revoke_device(
        &self,
        org: OrgId,
        id: DeviceId,
        by: DeviceId,
        forget: bool,
        now: Timestamp,
    ) -> Result<Device, Error> {
        self.write((org, id, by, forget, now), revoke_device).await
    }

    /// Remembers that a device was there, and from where.
    pub async fn record_device_seen(
        &self,
        id: DeviceId,
        address: Option<String>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write((id, address, now), record_device_seen).await
    }

    /// Keeps what a runner said about itself.
    ///
    /// **Errors**: [`Refusal::DeviceNotFound`] when the device is no runner of this org.
    pub async fn record_runner_facts(
        &self,
        org: OrgId,
        id: DeviceId,
        facts: &RunnerFacts,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write((org, id, to_json(facts), now), record_runner_facts).await
    }

    /// The runners of an org, oldest first; revoked ones too.
    pub async fn runners(&self, org: OrgId) -> Result<Vec<RunnerRow>, Error> {
        self.read(org, runners).await
    }
}

async fn bootstrap(tx: &mut Tx, now: &Timestamp) -> Result<Owner, Error> {
    let made = tx.execute(&INSERT_ORG, params![OrgId::generate(), now]).await?;
    let org_id: OrgId = tx.one(&SELECT_ORG, params![], |row| row.id(0)).await?;
    tx.execute(&INSERT_USER, params![UserId::generate(), org_id, now]).await?;
    let user_id = tx.one(&SELECT_USER, params![org_id], |row| row.id(0)).await?;
    Ok(Owner { org_id, user_id, created: made > 0 })
}

async fn create_device(tx: &mut Tx, (new, now): &(NewDevice, Timestamp)) -> Result<Device, Error> {
    let made = insert_device(tx, DeviceId::generate(), new, *now).await?;
    let Device { id: device_id, kind, scopes, .. } = made;
    let what = Audited::DeviceCreated { device_id, name: made.name.clone(), kind, scopes };
    tx.audit(new.org, new.created_by, what, *now);
    told::changed(tx, new.org, &made, *now);
    Ok(made)
}

async fn insert_device(
    tx: &mut Tx,
    id: DeviceId,
    new: &NewDevice,
    now: Timestamp,
) -> Result<Device, Error> {
    let (kind, scopes) = (word_of(&new.kind), u32::from(new.scopes.bits()));
    let values = params![
        id,
        new.org,
        new.user,
        new.name,
        kind,
        scopes,
        new.token_hash,
        new.created_by,
        now,
        new.expires_at,
    ];
    tx.fleet_changed = true;
    tx.one(&INSERT_DEVICE, values, device).await
}

async fn device_by_token(tx: &mut Tx, hash: &[u8; 32]) -> Result<Option<DeviceRecord>, Error> {
    tx.opt(&DEVICE_BY_TOKEN, params![hash], device_record).await
}

pub(crate) async fn device_by_id(
    tx: &mut Tx,
    id: &DeviceId,
) -> Result<Option<DeviceRecord>, Error> {
    tx.opt(&DEVICE_BY_ID, params![id], device_record).await
}

/// The device with this key, its org and its owner.
pub(crate) async fn owner_of_key(
    tx: &mut Tx,
    key: &[u8],
) -> Result<Option<(DeviceId, OrgId, UserId)>, Error> {
    tx.opt(&OWNER_OF_KEY, params![key], |row| Ok((row.id(0)?, row.id(1)?, row.id(2)?))).await
}

/// Makes a device with a key, or takes the one that is there back in.
pub(crate) async fn put_keyed(
    tx: &mut Tx,
    keyed: &KeyedDevice,
    again: bool,
    now: Timestamp,
) -> Result<Device, Error> {
    tx.fleet_changed = true;
    let (kind, scopes) = (word_of(&keyed.kind), u32::from(keyed.scopes.bits()));
    let about = to_json(&keyed.about);
    if again {
        let values = params![keyed.id, keyed.name, kind, scopes, keyed.created_by, about];
        let back = tx.one(&REVIVE_KEYED, values, device).await?;
        told::changed(tx, keyed.org, &back, now);
        return Ok(back);
    }
    let values = params![
        keyed.id,
        keyed.org,
        keyed.user,
        keyed.name,
        kind,
        scopes,
        keyed.token_hash,
        keyed.created_by,
        now,
        keyed.public_key,
        about,
    ];
    let made = tx.one(&INSERT_KEYED, values, device).await?;
    told::changed(tx, keyed.org, &made, now);
    Ok(made)
}

async fn of_org(tx: &mut Tx, org: OrgId, id: DeviceId) -> Result<Device, Error> {
    let found = tx.opt(&DEVICE_OF_ORG, params![org, id], device).await?;
    Ok(found.ok_or(Refusal::DeviceNotFound)?)
}

/// Org, device, who asks, what they saw, what they want, now.
type SetScopes = (OrgId, DeviceId, DeviceId, Option<Scopes>, Scopes, Timestamp);

async fn set_scopes(
    tx: &mut Tx,
    (org, id, by, base, scopes, now): &SetScopes,
) -> Result<Device, Error> {
    let before = of_org(tx, *org, *id).await?.scopes;
    if base.is_some_and(|base| base != before) {
        return Err(Refusal::ScopesChanged { scopes: before }.into());
    }
    let bits = u32::from(scopes.bits());
    let changed = tx.opt(&SET_SCOPES, params![org, id, bits], device).await?;
    let changed = changed.ok_or(Refusal::DeviceNotFound)?;
    let what = Audited::ScopesChanged { device_id: *id, before, after: *scopes };
    tx.audit(*org, Some(*by), what, *now);
    told::changed(tx, *org, &changed, *now);
    Ok(changed)
}

async fn rename(
    tx: &mut Tx,
    (org, id, by, name, now): &(OrgId, DeviceId, DeviceId, String, Timestamp),
) -> Result<Device, Error> {
    tx.fleet_changed = true;
    let renamed = tx.opt(&RENAME, params![org, id, name], device).await?;
    let renamed = renamed.ok_or(Refusal::DeviceNotFound)?;
    let what = Audited::DeviceRenamed { device_id: *id, name: name.clone() };
    tx.audit(*org, Some(*by), what, *now);
    told::changed(tx, *org, &renamed, *now);
    Ok(renamed)
}

async fn label_device(
    tx: &mut Tx,
    (org, by, label, now): &(OrgId, DeviceId, LabelDevice, Timestamp),
) -> Result<Device, Error> {
    let before = of_org(tx, *org, label.id).await?;
    if label.base_labels.as_ref().is_some_and(|base| *base != before.labels) {
        return Err(Refusal::LabelsChanged { labels: before.labels }.into());
    }
    let labels = label.labels.clone().unwrap_or(before.labels);
    let priority = label.priority.unwrap_or(before.priority);
    let (words, rank) = (to_json(&labels), i64::from(priority));
    tx.fleet_changed = true;
    let changed = tx.opt(&LABEL, params![org, label.id, words, rank], device).await?;
    let changed = changed.ok_or(Refusal::DeviceNotFound)?;
    let what = Audited::DeviceLabelled { device_id: label.id, labels, priority };
    tx.audit(*org, Some(*by), what, *now);
    told::changed(tx, *org, &changed, *now);
    Ok(changed)
}

async fn devices(tx: &mut Tx, org: &OrgId) -> Result<Vec<Device>, Error> {
    tx.all(&DEVICES, params![org], device).await
}

async fn devices_of(tx: &mut Tx, (org, user): &(OrgId, UserId)) -> Result<Vec<Device>, Error> {
    tx.all(&DEVICES_OF, params![org, user], device).await
}

async fn revoke_device(
    tx: &mut Tx,
    (org, id, by, forget, now): &(OrgId, DeviceId, DeviceId, bool, Timestamp),
) -> Result<Device, Error> {
    let before = of_org(tx, *org, *id).await?;
    tx.fleet_changed = true;
    let revoked = tx.one(&REVOKE_DEVICE, params![org, id, now], device).await?;
    pairing::refuse_made_by(tx, *org, *id, *now).await?;
    if *forget {
        if tx.execute(&FORGET, params![org, id, now]).await? > 0 {
            told::gone(tx, *org, *id, *now);
        }
    } else if before.revoked_at.is_none() {
        told::changed(tx, *org, &revoked, *now);
    }
    if *forget || before.revoked_at.is_none() {
        let what = Audited::DeviceRevoked { device_id: *id, forgotten: *forget };
        tx.audit(*org, Some(*by), what, *now);
    }
    Ok(revoked)
}

async fn record_device_seen(
    tx: &mut Tx,
    (id, address, now): &(DeviceId, Option<String>, Timestamp),
) -> Result<(), Error> {
    tx.execute(&DEVICE_SEEN, params![id, now, address]).await.map(drop)
}

async fn record_runner_facts(
    tx: &mut Tx,
    (org, id, facts, now): &(OrgId, DeviceId, String, Timestamp),
) -> Result<(), Error> {
    tx.fleet_changed = true;
    match tx.execute(&SET_FACTS, params![org, id, facts, now]).await? {
        0 => Err(Refusal::DeviceNotFound.into()),
        _ => Ok(()),
    }
}

async fn runners(tx: &mut Tx, org: &OrgId) -> Result<Vec<RunnerRow>, Error> {
    tx.all(&RUNNERS, params![org], |row| {
        Ok(RunnerRow { device: device(row)?, facts: row.opt_json(13)? })
    })
    .await
}

fn device_record(row: &Row<'_>) -> Result<DeviceRecord, Error> {
    let public_key = row.opt_bytes(8)?.map(<[u8]>::to_vec);
    Ok(DeviceRecord { device: device(row)?, org: row.id(13)?, user: row.id(14)?, public_key })
}

fn device(row: &Row<'_>) -> Result<Device, Error> {
    let credential = match row.opt_bytes(8)? {
        Some(_) => CredentialKind::Key,
        None => CredentialKind::Token,
    };
    Ok(Device {
        id: row.id(0)?,
        name: row.text(1)?.to_owned(),
        kind: row.word(2)?,
        scopes: scopes(row, 3)?,
        credential,
        about: row.opt_json(9)?,
        labels: row.opt_json(11)?.unwrap_or_default(),
        priority: i32::try_from(row.int(12)?).unwrap_or_default(),
        skew: None,
        presence: None,
        silent_ms: None,
        last_address: row.opt_text(10)?.map(str::to_owned),
        created_at: row.time(4)?,
        last_seen_at: row.opt_time(5)?,
        expires_at: row.opt_time(6)?,
        revoked_at: row.opt_time(7)?,
    })
}

pub(crate) fn scopes(row: &Row<'_>, column: usize) -> Result<Scopes, Error> {
    let bits = u8::try_from(row.int(column)?)
        .map_err(|_| Error::corrupt(format!("column {column}: no set of scopes")))?;
    Ok(Scopes::from_bits(bits))
}
