//! Letting a device in that came: by a decision, or by a link.

use afield_proto::audit::Audited;
use afield_proto::device::{Device, DeviceAbout, DeviceKind, Scope, Scopes};
use afield_proto::pairing::{Pairing, PairingState};
use afield_proto::{DeviceId, OrgId, Timestamp, UserId};

use super::{PairingRecord, save};
use crate::identity::{self, DeviceRecord};
use crate::tx::Tx;
use crate::{Error, Refusal};

/// Who lets a device in, and what fills the column of its token.
#[derive(Clone, Copy)]
pub(super) struct Admission {
    pub(super) by: DeviceId,
    pub(super) token_hash: [u8; 32],
}

/// Lets the device in that came.
pub(super) async fn approve(
    tx: &mut Tx,
    record: &mut PairingRecord,
    key: &[u8],
    admission: Admission,
    now: Timestamp,
) -> Result<(), Error> {
    let device = admit(tx, admission, record, key, now).await?;
    record.pairing.state = PairingState::Approved;
    record.pairing.device_id = Some(device.id);
    save(tx, &record.pairing).await
}

/// Whether the device that made a link could make it now.
pub(super) async fn maker_may(
    tx: &mut Tx,
    pairing: &Pairing,
    now: Timestamp,
) -> Result<bool, Error> {
    let maker = identity::device_by_id(tx, &pairing.created_by).await?;
    Ok(maker.is_some_and(|DeviceRecord { device: maker, .. }| {
        let there = maker.revoked_at.is_none() && maker.expires_at.is_none_or(|end| end > now);
        there && maker.scopes.has(Scope::Admin) && maker.scopes.includes(pairing.scopes)
    }))
}

/// The device of this key, made or found again.
async fn admit(
    tx: &mut Tx,
    admission: Admission,
    record: &PairingRecord,
    key: &[u8],
    now: Timestamp,
) -> Result<Device, Error> {
    let claim = record.pairing.claim.clone();
    let claim = claim.ok_or_else(|| Error::corrupt("a claimed pairing without a claim"))?;
    let known = identity::owner_of_key(tx, key).await?;
    let again = known.is_some();
    if known.is_some_and(|(_, org, user)| (org, user) != (record.org, record.user)) {
        return Err(Refusal::KeyTaken.into());
    }
    let keyed = KeyedDevice {
        id: known.map_or_else(DeviceId::generate, |(id, ..)| id),
        org: record.org,
        user: record.user,
        name: record.pairing.name.clone().unwrap_or(claim.name),
        kind: claim.kind,
        scopes: record.pairing.scopes,
        about: claim.about,
        public_key: key.to_vec(),
        token_hash: admission.token_hash,
        created_by: admission.by,
    };
    let device = identity::put_keyed(tx, &keyed, again, now).await?;
    let what = Audited::DevicePaired {
        pairing_id: record.pairing.id,
        device_id: device.id,
        name: device.name.clone(),
        kind: device.kind,
        scopes: device.scopes,
        again,
    };
    tx.audit(record.org, Some(admission.by), what, now);
    Ok(device)
}

/// A device with a key, to be written.
pub(crate) struct KeyedDevice {
    pub(crate) id: DeviceId,
    pub(crate) org: OrgId,
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) kind: DeviceKind,
    pub(crate) scopes: Scopes,
    pub(crate) about: DeviceAbout,
    pub(crate) public_key: Vec<u8>,
    pub(crate) token_hash: [u8; 32],
    pub(crate) created_by: DeviceId,
}
