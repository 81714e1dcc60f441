//! What an org is told of its devices. Called where their rows are written.

use afield_proto::device::{Device, DeviceKind};
use afield_proto::fact::Fact;
use afield_proto::{DeviceId, OrgId, Timestamp};

use crate::tx::Tx;

/// A device was let in, changed or thrown out. What changes without being told is left out; of a runner also what
/// it said when it was paired, for it says that anew with each connection.
pub(super) fn changed(tx: &mut Tx, org: OrgId, device: &Device, now: Timestamp) {
    let about = device.about.clone().filter(|_| device.kind != DeviceKind::Runner);
    let told = Device { about, last_address: None, last_seen_at: None, ..device.clone() };
    tx.tell_org_only(org, &Fact::DeviceState(told), now);
}

/// A device is shown no more.
pub(super) fn gone(tx: &mut Tx, org: OrgId, device_id: DeviceId, now: Timestamp) {
    tx.tell_org_only(org, &Fact::DeviceGone { device_id }, now);
}
