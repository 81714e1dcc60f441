//! Links: pairings that are decided when they are made, because who can read them is trusted.
//!
//! A link has a secret and no code, so that it can't be guessed while it waits.

use afield_proto::device::{Scope, Scopes};
use afield_proto::request::{DeviceLink, DeviceLinkReply};
use afield_proto::{DeviceId, ErrorBody, OrgId, Timestamp, UserId};
use afield_store::{Entry, NewPairing};

use super::PAIRING_LIFE;
use crate::auth::token::Secret;
use crate::core::Core;
use crate::devices::check_scopes;
use crate::error::{from_store, invalid};
use crate::socket::conn::Actor;

/// `device_link`: for a device whose user can read what its maker shows.
pub(crate) async fn link(
    core: &Core,
    actor: &Actor,
    ask: DeviceLink,
) -> Result<DeviceLinkReply, ErrorBody> {
    let scopes = ask.scopes.unwrap_or(actor.scopes);
    check_scopes(actor, scopes)?;
    if scopes.has(Scope::Runner) {
        return Err(invalid("a link is not for runners; pair them with: afield pair --runner"));
    }
    let maker = Maker { org: actor.org, user: actor.user, device: actor.device };
    new_link(core, maker, scopes).await
}

/// In whose name a link is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maker {
    /// The org of the new device.
    pub(crate) org: OrgId,
    /// Its owner.
    pub(crate) user: UserId,
    /// The device that makes it.
    pub(crate) device: DeviceId,
}

/// Makes a link.
pub(crate) async fn new_link(
    core: &Core,
    maker: Maker,
    scopes: Scopes,
) -> Result<DeviceLinkReply, ErrorBody> {
    let (secret, now) = (Secret::generate(), Timestamp::now());
    let new = NewPairing {
        org: maker.org,
        user: maker.user,
        created_by: maker.device,
        secret_hash: secret.hash(),
        entry: Entry::Link,
        name: None,
        scopes,
        expires_at: now.plus(PAIRING_LIFE),
    };
    let open_max = core.limits().pairings_open;
    let made = core.store.create_pairing(new, open_max, now).await.map_err(from_store)?;
    tracing::info!(pairing = %made.id, by = %maker.device, "link made");
    let server_fingerprint = core.key.fingerprint();
    let (pairing_id, expires_at) = (made.id, made.expires_at);
    Ok(DeviceLinkReply { pairing_id, secret: secret.token(), server_fingerprint, expires_at })
}
