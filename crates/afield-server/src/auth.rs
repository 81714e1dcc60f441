//! Who is there: credentials of requests and upgrades.
//!
//! Deny by default. A credential is a proof in `Authorization: Afield`, signed with the device's
//! key for this one request; a token in `Authorization: Bearer`; or a browser's cookie.
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
use axum::http::{HeaderMap, header};

use crate::core::Core;
use crate::error::from_store;
use crate::socket::conn::Actor;
use replay::Stale;

/// Name of the browser's cookie over plain HTTP (loopback only).
const COOKIE_PLAIN: &str = "afield_session";
/// Name of the browser's cookie over TLS: the prefix makes browsers insist on `Secure`, no domain.
const COOKIE_SECURE: &str = "__Host-afield_session";
/// How long a browser stays signed in.
pub(crate) const COOKIE_SECONDS: u32 = 60 * 60 * 24 * 30;
/// A device that connects again within this time is not noted down again: a herd that comes back
/// must not become a herd of writes.
const SEEN_INTERVAL: Duration = Duration::from_secs(60);

/// A credential as a request brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// From `Authorization: Afield`.
    Proof(Proof),
    /// From `Authorization: Bearer`.
    Bearer(String),
    /// From the cookie: sent by the browser without being asked, so the origin must be checked.
    Cookie(String),
}

/// The credential of a request, if it brings one.
pub(crate) fn credential(headers: &HeaderMap) -> Option<Credential> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case(proof::SCHEME) {
            return Proof::parse(token).map(Credential::Proof);
        }
        let bearer = scheme.eq_ignore_ascii_case("bearer");
        return bearer.then(|| Credential::Bearer(token.trim().to_owned()));
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(name, _)| matches!(name.trim(), COOKIE_PLAIN | COOKIE_SECURE));
    found.map(|(_, value)| Credential::Cookie(value.trim().to_owned()))
}

/// The `Set-Cookie` value that signs a browser in, or out (`token` empty).
pub(crate) fn set_cookie(token: &str, secure: bool) -> String {
    let (name, secure) = if secure { (COOKIE_SECURE, "; Secure") } else { (COOKIE_PLAIN, "") };
    let age = if token.is_empty() { 0 } else { COOKIE_SECONDS };
    format!("{name}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
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
        Some(Credential::Bearer(token) | Credential::Cookie(token)) => match token::hash(token) {
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
        assert_eq!(credential(&bearer), Some(Credential::Bearer("afd_x".into())));
        let cookie = headers(&[(header::COOKIE, "a=b; afield_session=afd_y")]);
        assert_eq!(credential(&cookie), Some(Credential::Cookie("afd_y".into())));
        let basic =
            headers(&[(header::AUTHORIZATION, "Basic eDp5"), (header::COOKIE, "afield_session=z")]);
        assert_eq!(credential(&basic), None, "a wrong header is not papered over by a cookie");
        assert_eq!(credential(&HeaderMap::new()), None);
    }

    #[test]
    fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
        let cookie = set_cookie("afd_t", true);
        for word in ["__Host-", "HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        assert!(set_cookie("", false).contains("Max-Age=0"));
    }
}
