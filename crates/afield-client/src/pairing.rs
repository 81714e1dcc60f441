//! A new device's side of pairing.

use afield_proto::device::{DeviceAbout, DeviceKind, Scopes};
use afield_proto::pairing::{PairClaim, PairClaimReply, PairingState};
use afield_proto::proof::{Challenge, claim_statement, match_digits, match_text, server_statement};
use afield_proto::{DeviceId, PairingId, Timestamp, hex};
use aws_lc_rs::digest::{SHA256, digest};

use crate::endpoint::Endpoint;
use crate::key::{DeviceKey, nonce, signed};
use crate::rest::{RestBody, RestError, rest};
use crate::socket::OpenError;

/// A device that wants in.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// Its key.
    pub key: DeviceKey,
    /// The name it gives itself.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The machine it runs on.
    pub about: DeviceAbout,
    /// What it was shown: the secret of a QR code, or a typed code.
    pub secret: String,
    /// SHA-256 of the server's key, in hexadecimal, when the QR code said so; no other server will do.
    pub server_fingerprint: Option<String>,
}

/// How far it is.
#[derive(Debug, Clone)]
pub struct PairStep {
    /// Which pairing.
    pub pairing_id: PairingId,
    /// How far.
    pub state: PairingState,
    /// The two digits the other screen must show as well.
    pub digits: String,
    /// What the device may do once it is let in.
    pub scopes: Scopes,
    /// When the pairing ends.
    pub expires_at: Timestamp,
    /// What it became.
    pub device_id: Option<DeviceId>,
    /// The server's key, to be kept.
    pub server_key: String,
}

/// What the server asks to be signed.
pub(crate) async fn ask_challenge(endpoint: &Endpoint) -> Result<Challenge, RestError> {
    let reply = rest(&endpoint.without_credential(), "GET", "/api/v1/challenge", None).await?;
    serde_json::from_slice(&reply.body).map_err(|error| RestError::Broken(error.to_string()))
}

/// SHA-256 of the key a server says it has, in hexadecimal.
///
/// **Errors**: no server answers there, or not the one `endpoint` trusts.
pub async fn server_fingerprint(endpoint: &Endpoint) -> Result<String, RestError> {
    Ok(key_fingerprint(&ask_challenge(endpoint).await?.server_key))
}

/// Comes to be paired, or asks how far it is: send it again until it is decided. `endpoint` needs no
/// credential.
///
/// **Errors**: [`RestError::Refused`] for a code that is wrong, used or over;
/// [`OpenError::Trust`] for a server that does not hold the key it should.
pub async fn pair(endpoint: &Endpoint, newcomer: &Newcomer) -> Result<PairStep, RestError> {
    let told = ask_challenge(endpoint).await?;
    let expected = newcomer.server_fingerprint.as_deref();
    if expected
        .is_some_and(|expected| !expected.eq_ignore_ascii_case(&key_fingerprint(&told.server_key)))
    {
        return Err(not_the_server());
    }
    let ask = claim(newcomer, &told);
    let body = serde_json::to_string(&ask).map_err(|error| RestError::Broken(error.to_string()))?;
    let answer =
        rest(&endpoint.without_credential(), "POST", "/api/v1/pair", Some(RestBody::json(body)))
            .await?;
    let reply: PairClaimReply = serde_json::from_slice(&answer.body)
        .map_err(|error| RestError::Broken(error.to_string()))?;
    let said = server_statement(&told.server_key, &ask.public_key, &ask.nonce, reply.pairing_id);
    if !signed(&told.server_key, &said, &reply.server_signature) {
        return Err(not_the_server());
    }
    let text = match_text(&told.server_key, &ask.public_key, reply.pairing_id);
    Ok(PairStep {
        pairing_id: reply.pairing_id,
        state: reply.state,
        digits: match_digits(digest(&SHA256, text.as_bytes()).as_ref()),
        scopes: reply.scopes,
        expires_at: reply.expires_at,
        device_id: reply.device_id,
        server_key: told.server_key,
    })
}

fn claim(newcomer: &Newcomer, told: &Challenge) -> PairClaim {
    let Newcomer { key, name, kind, about, secret, .. } = newcomer;
    let (public_key, nonce) = (key.public(), nonce());
    let Challenge { server_key, challenge, now } = told;
    let said = claim_statement(server_key, challenge, &public_key, *now, &nonce, secret);
    PairClaim {
        secret: secret.clone(),
        public_key,
        challenge: challenge.clone(),
        time: *now,
        nonce,
        signature: key.sign(&said),
        name: name.clone(),
        kind: *kind,
        about: about.clone(),
    }
}

fn not_the_server() -> RestError {
    let message = "the server does not hold the key the code was made for".to_owned();
    RestError::Open(OpenError::Trust(message))
}

/// SHA-256 of a server's key as it is written, in hexadecimal.
pub fn key_fingerprint(server_key: &str) -> String {
    hex(digest(&SHA256, server_key.as_bytes()).as_ref())
}
