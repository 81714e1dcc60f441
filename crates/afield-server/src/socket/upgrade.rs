//! The WebSocket handshake (RFC 6455, section 4.2), after sign-in.

use std::net::IpAddr;
use std::sync::Arc;

use afield_proto::device::Scope;
use afield_proto::{DeviceId, ErrorBody, ErrorCode, Timestamp, limits};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::conn::{Actor, Conn};
use super::drive;
use super::outbox::OutboxLimits;
use crate::auth::throttle::Permit;
use crate::core::Core;
use crate::http::{Refused, client_address};
use crate::listen::Peer;

/// The text every server appends to the client's key.
const ACCEPT_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// `GET /ws`
pub(crate) async fn upgrade(
    State(core): State<Arc<Core>>,
    mut request: Request,
) -> Result<Response, Refused> {
    let key = check(request.headers())?;
    let missing = |what: &str| crate::error::internal(&format!("an upgrade without {what}"));
    let actor = request.extensions_mut().remove::<Actor>().ok_or_else(|| missing("actor"))?;
    if !(actor.scopes.has(Scope::View) || actor.scopes.has(Scope::Runner)) {
        actor.require(Scope::View)?;
    }
    let peer = request.extensions_mut().remove::<Peer>().ok_or_else(|| missing("peer"))?;
    if !actor.was_seen {
        let address = client_address(&core, &peer, request.headers());
        note_seen(&core, actor.device, address);
    }
    let upgraded =
        request.extensions_mut().remove::<OnUpgrade>().ok_or_else(|| missing("socket"))?;
    let limits = OutboxLimits::around(if actor.scopes.has(Scope::Runner) {
        core.limits().runner_message_bytes
    } else {
        core.limits().outbound_bytes
    });
    let conn = Arc::new(Conn::new(core.next_conn_id(), actor, limits));
    tokio::spawn(begin(core, conn, upgraded, peer.permit));
    Ok(switching(&key, request.headers()))
}

/// Remembers that a device was there, beside what it came for.
fn note_seen(core: &Core, device: DeviceId, address: IpAddr) {
    let store = core.store.clone();
    tokio::spawn(async move {
        let address = Some(address.to_string());
        if let Err(error) = store.record_device_seen(device, address, Timestamp::now()).await {
            tracing::warn!(%error, "can't record when a device was last seen");
        }
    });
}

async fn begin(core: Arc<Core>, conn: Arc<Conn>, upgraded: OnUpgrade, permit: Arc<Permit>) {
    match upgraded.await {
        Ok(upgraded) => split(core, conn, permit, upgraded),
        Err(error) => tracing::debug!(%error, "an upgrade did not happen"),
    }
}

/// Finds the socket under the HTTP machinery and starts a task for it. This task and that
/// machinery, with its read buffer of 8 KB, end here: an idle connection must not keep them.
fn split(core: Arc<Core>, conn: Arc<Conn>, permit: Arc<Permit>, upgraded: Upgraded) {
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => drive::start(core, conn, permit, parts.io.into_inner(), &parts.read_buf),
        Err(upgraded) => match upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>() {
            Ok(parts) => drive::start(core, conn, permit, parts.io.into_inner(), &parts.read_buf),
            Err(other) => drive::start(core, conn, permit, TokioIo::new(other), &[]),
        },
    }
}

/// **Errors**: VALIDATION_FAILED for a request that is no WebSocket handshake; PROTOCOL_MISMATCH
/// for subprotocols that are not ours.
fn check(headers: &HeaderMap) -> Result<String, ErrorBody> {
    let has = |name: header::HeaderName, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        return Err(crate::error::invalid("/ws is a WebSocket: connect with an upgrade"));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(crate::error::invalid("the WebSocket version must be 13"));
    }
    if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL)
        && !has(header::SEC_WEBSOCKET_PROTOCOL, limits::SUBPROTOCOL)
    {
        let message = format!("the server speaks the subprotocol {}, or none", limits::SUBPROTOCOL);
        return Err(ErrorBody::new(ErrorCode::ProtocolMismatch, message));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let key = key.filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16));
    key.map(str::to_owned)
        .ok_or_else(|| crate::error::invalid("Sec-WebSocket-Key must be 16 bytes in base64"))
}

fn switching(key: &str, headers: &HeaderMap) -> Response {
    let accept = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{ACCEPT_GUID}").as_bytes());
    let accept = HeaderValue::try_from(STANDARD.encode(accept)).expect("base64 is a header value");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let out = response.headers_mut();
    out.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    out.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    out.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        let protocol = HeaderValue::from_static(limits::SUBPROTOCOL);
        out.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_the_key_of_the_rfc() {
        let response = switching("dGhlIHNhbXBsZSBub25jZQ==", &HeaderMap::new());
        assert_eq!(
            response.headers()[header::SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
