//! Tokens: 256 random bits, recognisable, with a checksum; only their hash is stored.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What secret scanners look for.
const PREFIX: &str = "afd_";
/// Bytes of the secret part.
const SECRET_BYTES: usize = 32;
/// Bytes of the CRC-32 behind it: a mistyped token is told from a wrong one without the store.
const CHECKSUM_BYTES: usize = 4;

/// A freshly made secret, not yet given to anybody.
pub(crate) struct Secret([u8; SECRET_BYTES]);

impl Secret {
    pub(crate) fn generate() -> Self {
        let mut bytes = [0; SECRET_BYTES];
        rand::fill(&mut bytes).expect("the operating system gives random bytes");
        Self(bytes)
    }

    /// **Shape**: `afd_` and 48 characters of base64url (32 bytes of secret, 4 of CRC-32).
    pub(crate) fn token(&self) -> String {
        let mut bytes = self.0.to_vec();
        bytes.extend_from_slice(&crc32fast::hash(&self.0).to_be_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What is stored.
    pub(crate) fn hash(&self) -> [u8; 32] {
        hash_bytes(&self.0)
    }
}

fn hash_bytes(secret: &[u8]) -> [u8; 32] {
    digest(&SHA256, secret).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The stored hash of a token, or `None` for anything that is not one of ours.
pub(crate) fn hash(token: &str) -> Option<[u8; 32]> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
    if bytes.len() != SECRET_BYTES + CHECKSUM_BYTES {
        return None;
    }
    let (secret, checksum) = bytes.split_at(SECRET_BYTES);
    (crc32fast::hash(secret).to_be_bytes() == checksum).then(|| hash_bytes(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_tokens_have_a_hash() {
        let secret = Secret::generate();
        let token = secret.token();
        assert_eq!(token.len(), PREFIX.len() + 48);
        assert_eq!(hash(&token), Some(secret.hash()));
        let mut mistyped = token.clone().into_bytes();
        mistyped[10] = if mistyped[10] == b'A' { b'B' } else { b'A' };
        let mistyped = String::from_utf8(mistyped).unwrap();
        let longer = format!("{token}A");
        for bad in ["", "afd_", "afd_short", &token[1..], &token[..50], &mistyped, &longer] {
            assert_eq!(hash(bad), None, "{bad}");
        }
    }
}
