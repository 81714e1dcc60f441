//! Devices and runners: made, listed, thrown out.

use afield_proto::device::{Device, DeviceKind, Scope, Scopes, is_name};
use afield_proto::request::{
    DeviceCreate, DeviceCreateReply, DeviceForget, DeviceListReply, DeviceRename, DeviceRevoke,
    DeviceRevokeOthers, DeviceSetScopes,
};
use afield_proto::{DeviceId, ErrorBody, ErrorCode, Timestamp, limits};
use afield_store::NewDevice;

use crate::auth::token::Secret;
use crate::core::Core;
use crate::error::{from_store, invalid, not_found};
use crate::socket::conn::Actor;
use crate::{presence, registry};

/// `device_create`: the credential is shown once, in the reply.
pub(crate) async fn create(
    core: &Core,
    actor: &Actor,
    ask: DeviceCreate,
) -> Result<DeviceCreateReply, ErrorBody> {
    if !is_name(&ask.name) {
        return Err(bad_name());
    }
    check_scopes(actor, ask.scopes)?;
    let kind = ask.kind.unwrap_or(if ask.scopes.has(Scope::Runner) {
        DeviceKind::Runner
    } else {
        DeviceKind::Cli
    });
    if (kind == DeviceKind::Runner) != ask.scopes.has(Scope::Runner) {
        return Err(invalid("a device of kind runner has the scope runner, and no other has it"));
    }
    let secret = Secret::generate();
    let new = NewDevice {
        org: actor.org,
        user: actor.user,
        name: ask.name,
        kind,
        scopes: ask.scopes,
        token_hash: secret.hash(),
        expires_at: ask.expires_at,
        created_by: Some(actor.device),
    };
    let device = core.store.create_device(new, Timestamp::now()).await.map_err(from_store)?;
    tracing::info!(device = %device.id, kind = ?kind, by = %actor.device, "device created");
    Ok(DeviceCreateReply { device, token: secret.token() })
}

/// The refusal of a name that can't be shown in a line.
pub(crate) fn bad_name() -> ErrorBody {
    let max = limits::NAME_BYTES_MAX;
    let message = format!(
        "name must have 1 to {max} bytes, and no characters that control, turn or hide text"
    );
    invalid(message)
}

/// A device gives no more than it has. Whoever administers may make runners.
pub(crate) fn check_scopes(actor: &Actor, scopes: Scopes) -> Result<(), ErrorBody> {
    if scopes == Scopes::NONE {
        return Err(invalid("name at least one scope"));
    }
    let wanted: Scopes = scopes.iter().filter(|scope| *scope != Scope::Runner).collect();
    if !actor.scopes.includes(wanted) {
        let message =
            format!("this device has the scopes {}, and can give no others", actor.scopes);
        return Err(ErrorBody::new(ErrorCode::Forbidden, message));
    }
    Ok(())
}

/// `device_list`
pub(crate) async fn list(core: &Core, actor: &Actor) -> Result<DeviceListReply, ErrorBody> {
    let mut devices = core.store.devices(actor.org).await.map_err(from_store)?;
    let runners = core.store.runners(actor.org).await.map_err(from_store)?;
    registry::describe(core, &mut devices, &runners);
    presence::show(core, &mut devices);
    Ok(DeviceListReply { devices })
}

/// `device_revoke`: its connections are cut before the reply.
pub(crate) async fn revoke(
    core: &Core,
    actor: &Actor,
    ask: DeviceRevoke,
) -> Result<Device, ErrorBody> {
    throw_out(core, actor, ask.device_id, false).await
}

/// `device_forget`
pub(crate) async fn forget(
    core: &Core,
    actor: &Actor,
    ask: DeviceForget,
) -> Result<Device, ErrorBody> {
    throw_out(core, actor, ask.device_id, true).await
}

async fn throw_out(
    core: &Core,
    actor: &Actor,
    id: DeviceId,
    forget: bool,
) -> Result<Device, ErrorBody> {
    let now = Timestamp::now();
    let device = core.store.revoke_device(actor.org, id, actor.device, forget, now).await;
    let device = device.map_err(from_store)?;
    core.cut_device(device.id);
    tracing::info!(device = %device.id, by = %actor.device, forget, "device thrown out");
    Ok(device)
}

/// `device_revoke_others`
pub(crate) async fn revoke_others(
    core: &Core,
    actor: &Actor,
    ask: DeviceRevokeOthers,
) -> Result<DeviceListReply, ErrorBody> {
    let mut devices = Vec::new();
    for device in core.store.devices(actor.org).await.map_err(from_store)? {
        let goes = match device.kind {
            DeviceKind::Console => false,
            DeviceKind::Runner => ask.runners,
            DeviceKind::Cli | DeviceKind::Browser | DeviceKind::Editor => true,
        };
        if goes && device.id != actor.device && device.revoked_at.is_none() {
            devices.push(throw_out(core, actor, device.id, false).await?);
        }
    }
    Ok(DeviceListReply { devices })
}

/// `device_set_scopes`: its connections begin anew before the reply.
pub(crate) async fn set_scopes(
    core: &Core,
    actor: &Actor,
    ask: DeviceSetScopes,
) -> Result<Device, ErrorBody> {
    check_scopes(actor, ask.scopes)?;
    let devices = core.store.devices(actor.org).await.map_err(from_store)?;
    let device = devices.into_iter().find(|device| device.id == ask.device_id);
    let device = device.ok_or_else(|| not_found("device"))?;
    // What it has is not taken away or given by somebody with less.
    check_scopes(actor, device.scopes)?;
    if (device.kind == DeviceKind::Runner) != ask.scopes.has(Scope::Runner) {
        return Err(invalid("a runner has the scope runner, and no other device has it"));
    }
    let (org, by, now) = (actor.org, actor.device, Timestamp::now());
    let DeviceSetScopes { scopes, base_scopes: base, .. } = ask;
    let changed = core.store.set_device_scopes(org, device.id, by, base, scopes, now).await;
    let changed = changed.map_err(from_store)?;
    core.renew_device(changed.id);
    tracing::info!(device = %changed.id, %by, scopes = %changed.scopes, "scopes changed");
    Ok(changed)
}

/// `device_rename`
pub(crate) async fn rename(
    core: &Core,
    actor: &Actor,
    ask: DeviceRename,
) -> Result<Device, ErrorBody> {
    if !is_name(&ask.name) {
        return Err(bad_name());
    }
    let (org, by, now) = (actor.org, actor.device, Timestamp::now());
    let renamed = core.store.rename_device(org, ask.device_id, by, &ask.name, now).await;
    renamed.map_err(from_store)
}
