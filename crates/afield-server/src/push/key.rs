//! The key by which push services know this server (VAPID, RFC 8292).

use std::path::Path;
use std::time::Duration;

use afield_proto::Timestamp;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Error;
use crate::files;

/// How long a token for a push service is good; RFC 8292 allows a day.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// Made once: subscriptions are bound to it.
pub(super) struct PushKey {
    pair: EcdsaKeyPair,
    public: String,
}

impl PushKey {
    /// The key in the data directory, made at the first start.
    ///
    /// **Errors**: [`Error::File`]; [`Error::Configuration`] for a file that holds no key.
    pub(super) fn load(data_dir: &Path) -> Result<Self, Error> {
        let path = data_dir.join("push.key");
        let pkcs8 = files::load_or_make(&path, || {
            let random = SystemRandom::new();
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
            made.expect("the operating system gives random bytes").as_ref().to_vec()
        })?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8);
        let pair = pair.map_err(|error| {
            let path = path.display();
            Error::Configuration(format!(
                "{path} holds no key ({error}); restore it, or remove it and let every device \
                 subscribe anew"
            ))
        })?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// The public key, as browsers take it.
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// The `Authorization` for the push service at `origin`; `contact` is whom it may write to.
    pub(super) fn authorization(&self, origin: &str, contact: &str, now: Timestamp) -> String {
        let ends = now.plus(TOKEN_LIFE).unix_ms() / 1000;
        let said = statement(origin, ends, contact);
        let signature = self.pair.sign(&SystemRandom::new(), said.as_bytes());
        let signature = signature.expect("a key that was loaded signs");
        format!("vapid t={said}.{}, k={}", URL_SAFE_NO_PAD.encode(signature.as_ref()), self.public)
    }
}

/// What is signed.
fn statement(origin: &str, ends: i64, contact: &str) -> String {
    let claims = Claims { aud: origin, exp: ends, sub: contact };
    let claims = serde_json::to_vec(&claims).expect("texts and a number serialise");
    let header = br#"{"typ":"JWT","alg":"ES256"}"#;
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

#[derive(serde::Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: i64,
    sub: &'a str,
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn verify(key: &str, said: &str, signature: &str) -> bool {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(key));
        key.verify(said.as_bytes(), &decode(signature)).is_ok()
    }

    /// The example of RFC 8292, section 2.4: the same statement, and a signature of the same kind.
    #[test]
    fn the_rfcs_example_is_what_is_made_here() {
        let said = statement("https://push.example.net", 1_453_523_768, "mailto:push@example.com");
        assert_eq!(
            said,
            "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLC\
             JleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0"
        );
        let signature = "i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9O\
                         kSSHzvoD1oA";
        let key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2\
                   EmClBPs";
        assert!(verify(key, &said, signature));
        assert!(!verify(key, &said.replace('J', "K"), signature));
    }

    #[test]
    fn a_key_is_made_once_and_signs() {
        let dir = tempfile::tempdir().unwrap();
        let first = PushKey::load(dir.path()).unwrap();
        let second = PushKey::load(dir.path()).unwrap();
        assert_eq!(first.public(), second.public());
        let header = second.authorization("https://a", "mailto:b@c", Timestamp::from_unix_ms(0));
        let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (said, signature) = token.rsplit_once('.').unwrap();
        assert_eq!(key, first.public());
        assert_eq!(said, statement("https://a", 43_200, "mailto:b@c"));
        assert!(verify(key, said, signature));
        std::fs::write(dir.path().join("push.key"), b"x").unwrap();
        assert!(PushKey::load(dir.path()).is_err());
    }
}
