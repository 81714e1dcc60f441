//! A device's own key, and the proofs it makes with it.
//!
//! The key is made on the device and never leaves it; where it is kept is the caller's matter.

use std::sync::{Arc, Mutex, PoisonError};

use afield_proto::proof::{Challenge, Proof, statement};
use afield_proto::{DeviceId, Timestamp};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Random bytes of a nonce.
const NONCE_BYTES: usize = 16;

/// Bytes that hold no key.
#[derive(Debug, Clone, thiserror::Error)]
#[error("this is no Ed25519 key: {0}")]
pub struct KeyError(String);

/// An Ed25519 key pair. Cheap to clone; never shown.
#[derive(Clone)]
pub struct DeviceKey(Arc<Ed25519KeyPair>);

impl DeviceKey {
    /// Makes a key, and what is to be kept of it (PKCS #8).
    pub fn generate() -> (Self, Vec<u8>) {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let made = made.expect("the operating system gives random bytes").as_ref().to_vec();
        let key = Self::from_pkcs8(&made).expect("it was just made");
        (key, made)
    }

    /// The key that was kept.
    ///
    /// **Errors**: [`KeyError`]
    pub fn from_pkcs8(kept: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(kept).map_err(|error| KeyError(error.to_string()))?;
        Ok(Self(Arc::new(pair)))
    }

    /// The public key, as it is written.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref())
    }

    pub(crate) fn sign(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.0.sign(text.as_bytes()).as_ref())
    }
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceKey({})", self.public())
    }
}

/// Whether the holder of a key, as it is written, signed this text.
pub(crate) fn signed(public_key: &str, text: &str, signature: &str) -> bool {
    let decoded = (URL_SAFE_NO_PAD.decode(public_key), URL_SAFE_NO_PAD.decode(signature));
    let (Ok(key), Ok(signature)) = decoded else { return false };
    UnparsedPublicKey::new(&ED25519, &key).verify(text.as_bytes(), &signature).is_ok()
}

/// Something no one else has chosen.
pub(crate) fn nonce() -> String {
    let mut bytes = [0; NONCE_BYTES];
    rand::fill(&mut bytes).expect("the operating system gives random bytes");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Who a paired device is: its id, its key, and the server it was paired with.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its id.
    pub device_id: DeviceId,
    /// Its key.
    pub key: DeviceKey,
    /// The key of the server it was paired with; it proves nothing to any other.
    pub server_key: String,
}

/// What the server asks to be signed now.
#[derive(Debug, Clone)]
struct Asked {
    challenge: String,
    /// The server's clock less this one's, in milliseconds.
    ahead_ms: i64,
}

/// An identity, and what is known of the server's present life.
#[derive(Debug)]
pub(crate) struct Prover {
    identity: Identity,
    asked: Mutex<Option<Asked>>,
}

impl Prover {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, asked: Mutex::default() }
    }

    /// Keeps what the server asks for. `false` for a server with another key.
    pub(crate) fn learn(&self, told: Challenge) -> bool {
        if told.server_key != self.identity.server_key {
            return false;
        }
        let ahead_ms = told.now.unix_ms().saturating_sub(Timestamp::now().unix_ms());
        let asked = Asked { challenge: told.challenge, ahead_ms };
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        true
    }

    /// A proof for one request; `None` before the server was asked what to sign.
    pub(crate) fn proof(&self, method: &str, target: &str) -> Option<Proof> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let Identity { device_id, key, server_key } = &self.identity;
        let time = by_the_server(asked.ahead_ms);
        let (challenge, signature) = (asked.challenge, String::new());
        let mut proof = Proof { device_id: *device_id, challenge, time, nonce: nonce(), signature };
        proof.signature = key.sign(&statement(server_key, &proof, method, target));
        Some(proof)
    }
}

fn by_the_server(ahead_ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(Timestamp::now().unix_ms().saturating_add(ahead_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_and_never_shown() {
        let (key, kept) = DeviceKey::generate();
        let again = DeviceKey::from_pkcs8(&kept).unwrap();
        assert_eq!(key.public(), again.public());
        assert!(signed(&key.public(), "text", &again.sign("text")));
        assert!(!signed(&key.public(), "other", &again.sign("text")));
        assert!(DeviceKey::from_pkcs8(b"x").is_err());
    }

    #[test]
    fn nothing_is_proven_to_another_server_and_wrong_clocks_do_not_matter() {
        let (key, _) = DeviceKey::generate();
        let server_key = "mine".to_owned();
        let prover = Prover::new(Identity { device_id: DeviceId::generate(), key, server_key });
        assert!(prover.proof("GET", "/ws").is_none());
        let told = |server_key: &str, now| Challenge {
            server_key: server_key.into(),
            challenge: "c".into(),
            now,
        };
        assert!(!prover.learn(told("other", Timestamp::now())));
        assert!(prover.proof("GET", "/ws").is_none());
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        let theirs = Timestamp::from_unix_ms(Timestamp::now().unix_ms() - DAY_MS);
        assert!(prover.learn(told("mine", theirs)));
        let proof = prover.proof("GET", "/ws").unwrap();
        assert!(proof.time.unix_ms().abs_diff(theirs.unix_ms()) < 60_000);
        assert_ne!(prover.proof("GET", "/ws").unwrap().nonce, proof.nonce);
    }
}
