//! The server's own key, and checking what devices sign with theirs.

use std::path::Path;

use afield_proto::proof::Challenge;
use afield_proto::{Timestamp, hex};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Error;
use crate::files;

/// Bytes of an Ed25519 public key.
const PUBLIC_KEY_BYTES: usize = 32;
/// Random bytes of a challenge.
const CHALLENGE_BYTES: usize = 16;

/// The key devices are paired with, and the challenge of this life of the server.
pub(crate) struct ServerKey {
    pair: Ed25519KeyPair,
    public: String,
    challenge: String,
}

impl ServerKey {
    /// The key in the data directory, made at the first start.
    ///
    /// **Errors**: [`Error::File`]; [`Error::Configuration`] for a file that holds no key.
    pub(crate) fn load(data_dir: &Path) -> Result<Self, Error> {
        let path = data_dir.join("server.key");
        let pkcs8 = files::load_or_make(&path, || {
            let made = Ed25519KeyPair::generate_pkcs8(&rand::SystemRandom::new());
            made.expect("the operating system gives random bytes").as_ref().to_vec()
        })?;
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|error| {
            let path = path.display();
            Error::Configuration(format!(
                "{path} holds no key ({error}); restore it, or remove it and pair every device anew"
            ))
        })?;
        let mut challenge = [0; CHALLENGE_BYTES];
        rand::fill(&mut challenge).expect("the operating system gives random bytes");
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { pair, public, challenge: URL_SAFE_NO_PAD.encode(challenge) })
    }

    /// The public key, as it is written.
    pub(crate) fn public(&self) -> &str {
        &self.public
    }

    /// SHA-256 of the public key as it is written, in hexadecimal.
    pub(crate) fn fingerprint(&self) -> String {
        hex(&sha256(self.public.as_bytes()))
    }

    /// What a proof must answer.
    pub(crate) fn challenge(&self, now: Timestamp) -> Challenge {
        let (server_key, challenge) = (self.public.clone(), self.challenge.clone());
        Challenge { server_key, challenge, now }
    }

    /// Whether this is the challenge of this life of the server.
    pub(crate) fn is_current(&self, challenge: &str) -> bool {
        self.challenge == challenge
    }

    /// Its signature, as it is written.
    pub(crate) fn sign(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes()).as_ref())
    }
}

/// The bytes of a public key as it is written.
pub(crate) fn public_key(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() == PUBLIC_KEY_BYTES).then_some(bytes)
}

/// A public key as it is written.
pub(crate) fn written(public_key: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(public_key)
}

/// Whether the holder of this key signed this text.
pub(crate) fn signed(public_key: &[u8], text: &str, signature: &str) -> bool {
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    UnparsedPublicKey::new(&ED25519, public_key).verify(text.as_bytes(), &signature).is_ok()
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_challenges_change() {
        let dir = tempfile::tempdir().unwrap();
        let first = ServerKey::load(dir.path()).unwrap();
        let second = ServerKey::load(dir.path()).unwrap();
        assert_eq!(first.public(), second.public());
        assert!(first.is_current(&first.challenge) && !first.is_current(&second.challenge));
        let key = public_key(first.public()).unwrap();
        let signature = second.sign("text");
        assert!(signed(&key, "text", &signature));
        assert!(!signed(&key, "Text", &signature) && !signed(&key, "text", "AAAA"));
        assert!(!signed(&key[1..], "text", &signature) && !signed(&key, "text", "not base64 !"));
        std::fs::write(dir.path().join("server.key"), b"x").unwrap();
        assert!(ServerKey::load(dir.path()).is_err());
    }
}
