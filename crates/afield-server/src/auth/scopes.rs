//! Whether a device may make a request: asked at both doors (WebSocket and REST).
//!
//! What each request needs stands in the table of requests. A handler asks for more only where that
//! depends on what a request says: plain commands need `shell`, and nobody gives a scope away that
//! it has not.

use afield_proto::ErrorBody;
use afield_proto::request::{Needs, Request};

use crate::socket::conn::Actor;

/// **Errors**: FORBIDDEN naming the scope that is missing.
pub(crate) fn check(actor: &Actor, request: &Request) -> Result<(), ErrorBody> {
    let about = match request {
        Request::DeviceRevoke(ask) => Some(ask.device_id),
        Request::DeviceForget(ask) => Some(ask.device_id),
        _ => None,
    };
    match request.needs() {
        Needs::Nothing => Ok(()),
        Needs::OwnOr(_) if about == Some(actor.device) => Ok(()),
        Needs::Scope(scope) | Needs::OwnOr(scope) => actor.require(scope),
    }
}
