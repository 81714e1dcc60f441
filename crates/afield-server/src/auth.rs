//! Who is there: credentials of requests and upgrades.
//!
//! Deny by default. A credential is a proof, signed with the device's key for this one request, or
//! a token in `Authorization: Bearer`. A proof stands in `Authorization: Afield`; an upgrade may
//! offer it as a subprotocol instead, since pages can't set headers there. Nothing that browsers
//! send unasked is a credential.
//! What it may do is what the store says of its device, never what the client claims.

pub(crate) mod key;
pub(crate) mod origin;
pub(crate) mod replay;
pub(crate) mod scopes;
pub(crate) mod throttle;
pub(crate) mod token;

use std::net::IpAddr;
use std::time::Duration;

use afield_proto::proof::{self, Proof};
use afield_proto::{ErrorBody, ErrorCode, Timestamp};
use afield_store::DeviceRecord;
use axum::http::{HeaderMap, HeaderValue, header};

use crate::core::Core;
use crate::error::from_store;
use crate::socket::conn::Actor;
use replay::Stale;

/// Where WebSockets are opened.
pub(crate) const SOCKET_PATH: &str = "/ws";
/// A device that connects again within this time is not noted down again: a herd that comes back
/// must not become a herd of writes.
const SEEN_INTERVAL: Duration = Duration::from_secs(60);

/// A credential as a request brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// From `Authorization: Afield`, or from the subprotocols of an upgrade.
    Proof(Proof),
    /// From `Authorization: Bearer`.
    Bearer(String),
}

/// The credential of a request, if it brings one, and one only.
pub(crate) fn credential(path: &str, headers: &HeaderMap) -> Option<Credential> {
    let stated: Vec<_> = headers.get_all(header::AUTHORIZATION).iter().collect();
    let offered = if path == SOCKET_PATH { offered_proofs(headers) } else { Vec::new() };
    match (stated.as_slice(), offered.as_slice()) {
        ([value], []) => from_authorization(value),
        ([], [proof]) => Proof::from_subprotocol(proof).map(Credential::Proof),
        _ => None,
    }
}

fn from_authorization(value: &HeaderValue) -> Option<Credential> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case(proof::SCHEME) {
        return Proof::parse(token).map(Credential::Proof);
    }
    let bearer = scheme.eq_ignore_ascii_case("bearer");
    bearer.then(|| Credential::Bearer(token.trim().to_owned()))
}

/// The subprotocols that are meant as proofs, well-formed or not.
fn offered_proofs(headers: &HeaderMap) -> Vec<&str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offered = values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    offered.map(str::trim).filter(|word| word.starts_with(proof::SUBPROTOCOL_MARK)).collect()
}

/// Finds out who makes a request.
///
/// **Errors**: UNAUTHORIZED, the same for every kind of bad credential; RATE_LIMITED after too
/// many of them from one address.
pub(crate) async fn authenticate(
    core: &Core,
    credential: Option<&Credential>,
    line: RequestLine<'_>,
    address: IpAddr,
) -> Result<Actor, ErrorBody> {
    core.throttle.check_auth(address)?;
    let now = Timestamp::now();
    let found = match credential {
        Some(Credential::Bearer(token)) => match token::hash(token) {
            Some(hash) => core.store.device_by_token(hash).await.map_err(from_store)?,
            None => None,
        },
        Some(Credential::Proof(proof)) => proven(core, proof, line, now).await?,
        None => return Err(unauthorized("a credential is needed, on this machine too")),
    };
    let valid = found.filter(|record| {
        let device = &record.device;
        device.revoked_at.is_none() && device.expires_at.is_none_or(|end| end > now)
    });
    let Some(record) = valid else {
        core.auth_failed(address);
        tracing::warn!(%address, "a bad credential was refused");
        return Err(unauthorized("the credential is not valid (any more)"));
    };
    Ok(Actor {
        org: record.org,
        user: record.user,
        device: record.device.id,
        device_name: record.device.name,
        kind: record.device.kind,
        scopes: record.device.scopes,
        expires_at: record.device.expires_at,
        was_seen: record.device.last_seen_at.is_some_and(|seen| seen.plus(SEEN_INTERVAL) > now),
    })
}

/// What a proof is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLine<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// Path and query, as they came.
    pub(crate) target: &'a str,
}

/// The device that proved itself; `None` when it did not.
///
/// **Errors**: UNAUTHORIZED with a [`proof::Challenge`] for a proof of another time or another life
/// of the server: nothing was guessed, and a fresh one may do; RATE_LIMITED.
async fn proven(
    core: &Core,
    proof: &Proof,
    line: RequestLine<'_>,
    now: Timestamp,
) -> Result<Option<DeviceRecord>, ErrorBody> {
    if !core.key.is_current(&proof.challenge) || replay::check_time(proof.time, now).is_err() {
        return Err(stale(core, now));
    }
    let found = core.store.device_by_id(proof.device_id).await.map_err(from_store)?;
    let said = proof::statement(core.key.public(), proof, line.method, line.target);
    let holds = |record: &DeviceRecord| {
        let key = record.public_key.as_deref();
        key.is_some_and(|key| key::signed(key, &said, &proof.signature))
    };
    let Some(record) = found.filter(holds) else { return Ok(None) };
    match core.replay.take(&proof.nonce) {
        Ok(()) => Ok(Some(record)),
        Err(Stale::Full) => {
            let message = "too many connections and requests within two minutes; try again later";
            Err(ErrorBody::new(ErrorCode::RateLimited, message)
                .with_details(serde_json::json!({ "retry_after_ms": 10_000 })))
        }
        Err(Stale::Replayed | Stale::Time) => Ok(None),
    }
}

/// A proof that may have been good at another time, with what a fresh one needs.
pub(crate) fn stale(core: &Core, now: Timestamp) -> ErrorBody {
    let message = "the proof is not for now; sign the challenge and the time in the details";
    let challenge = serde_json::to_value(core.key.challenge(now)).unwrap_or_default();
    ErrorBody::new(ErrorCode::Unauthorized, message).with_details(challenge)
}

fn unauthorized(what: &str) -> ErrorBody {
    let hint = "pair this device: afield pair on a trusted one, afield login here";
    ErrorBody::new(ErrorCode::Unauthorized, format!("{what}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn credentials_come_from_two_places_only() {
        let bearer = headers(&[(header::AUTHORIZATION, "bearer  afd_x")]);
        assert_eq!(credential("/", &bearer), Some(Credential::Bearer("afd_x".into())));
        for other in [
            headers(&[(header::AUTHORIZATION, "Basic eDp5")]),
            headers(&[(header::COOKIE, "afield_session=afd_y")]),
            HeaderMap::new(),
        ] {
            assert_eq!(credential("/", &other), None, "{other:?}");
            assert_eq!(credential(SOCKET_PATH, &other), None, "{other:?}");
        }
    }

    #[test]
    fn only_an_upgrade_offers_a_proof_and_only_one() {
        const OFFERED: header::HeaderName = header::SEC_WEBSOCKET_PROTOCOL;
        let proof = "0193b3f0-0000-7000-8000-000000000001.c.5.n.s";
        let proof = &*format!("afield.proof.{proof}").leak();
        let both: &'static str = format!("afield.v1, {proof}").leak();
        let one = headers(&[(OFFERED, both)]);
        assert!(matches!(credential(SOCKET_PATH, &one), Some(Credential::Proof(_))));
        assert_eq!(credential("/api/v1/projects", &one), None);
        for (what, bad) in [
            ("none", headers(&[(OFFERED, "afield.v1")])),
            ("a broken one", headers(&[(OFFERED, "afield.v1, afield.proof.x")])),
            ("a header as well", headers(&[(OFFERED, both), (header::AUTHORIZATION, "Bearer x")])),
        ] {
            assert_eq!(credential(SOCKET_PATH, &bad), None, "{what}");
        }
        let mut two = one;
        two.append(OFFERED, HeaderValue::from_static(proof));
        assert_eq!(credential(SOCKET_PATH, &two), None, "two");
    }
}
