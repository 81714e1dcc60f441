//! The audit log as it is asked for; and who guessed until a limit stopped it.

use std::net::IpAddr;

use afield_proto::audit::{AuditCheck, Audited};
use afield_proto::request::{AuditList, AuditListReply, AuditVerify};
use afield_proto::{ErrorBody, Timestamp, limits};
use afield_store::Checkpoint;

use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::socket::conn::Actor;

/// `audit_list`
pub(crate) async fn list(
    core: &Core,
    actor: &Actor,
    ask: AuditList,
) -> Result<AuditListReply, ErrorBody> {
    let limit = ask.limit.unwrap_or(limits::PAGE_MESSAGES_DEFAULT).min(limits::PAGE_MESSAGES_MAX);
    let records = core.store.audit_entries(actor.org, ask.before, limit).await;
    Ok(AuditListReply { records: records.map_err(from_store)? })
}

/// `audit_verify`
pub(crate) async fn verify(
    core: &Core,
    actor: &Actor,
    ask: AuditVerify,
) -> Result<AuditCheck, ErrorBody> {
    let checkpoint = match (ask.number, ask.hash) {
        (Some(number), Some(hash)) => Some(Checkpoint { number, hash }),
        (None, None) => None,
        _ => return Err(invalid("number and hash go together")),
    };
    core.store.verify_audit(actor.org, checkpoint).await.map_err(from_store)
}

impl Core {
    /// A credential was bad: it counts for its address, and the log says so when that is locked.
    pub(crate) fn auth_failed(&self, address: IpAddr) {
        if self.throttle.auth_failed(address) {
            self.limit_hit("auth_failures", Some(address));
        }
    }

    /// Somebody tries to pair.
    ///
    /// **Errors**: RATE_LIMITED with the limit that is reached.
    pub(crate) fn pairing_try(&self, address: IpAddr) -> Result<(), ErrorBody> {
        self.throttle.pairing_try(address).map_err(|hit| {
            if hit.is_first {
                self.limit_hit(hit.limit, hit.address);
            }
            hit.error
        })
    }

    /// Guesses belong to no org; the log of the first one, the owner's, has them.
    fn limit_hit(&self, limit: &str, address: Option<IpAddr>) {
        tracing::warn!(limit, ?address, "a limit stopped guesses");
        let address = address.map(|address| address.to_string());
        let what = Audited::LimitHit { limit: limit.to_owned(), address };
        let (store, org) = (self.store.clone(), self.owner.org_id);
        tokio::spawn(async move {
            if let Err(error) = store.record_audit(org, None, what, Timestamp::now()).await {
                tracing::error!(%error, "can't write to the audit log");
            }
        });
    }
}
