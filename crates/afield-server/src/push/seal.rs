//! A message only the subscribed browser can read (RFC 8291, in the one record of RFC 8188).

use afield_proto::push::PushKeys;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};

/// Bytes of an uncompressed point of P-256.
const POINT_BYTES: usize = 65;
/// Bytes of a subscription's secret.
const AUTH_BYTES: usize = 16;
/// Bytes of the salt of a message.
const SALT_BYTES: usize = 16;
/// Size of a record; a message is one.
const RECORD_BYTES: u32 = 4096;
/// The mark behind the last record's text.
const LAST: u8 = 2;
/// Bytes a record has beside its text: the mark, and the tag of the cipher.
const AROUND_BYTES: usize = 17;
/// Longest text: push services take 4096 bytes in all.
pub(super) const TEXT_BYTES_MAX: usize =
    RECORD_BYTES as usize - SALT_BYTES - 4 - 1 - POINT_BYTES - AROUND_BYTES;

/// Some browsers pad what they give, most do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Keys that no subscription has.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unfit(&'static str);

/// Who can read it.
pub(super) struct Receiver {
    public: Vec<u8>,
    auth: Vec<u8>,
}

impl Receiver {
    /// Reads the keys of a subscription.
    pub(super) fn read(keys: &PushKeys) -> Result<Self, Unfit> {
        let of_length = |text: &str, bytes: usize| {
            BASE64.decode(text).ok().filter(|decoded| decoded.len() == bytes)
        };
        let public = of_length(&keys.p256dh, POINT_BYTES);
        let public = public.ok_or(Unfit("p256dh is no public key of P-256 in base64url"))?;
        let auth = of_length(&keys.auth, AUTH_BYTES);
        let auth = auth.ok_or(Unfit("auth is no secret of 16 bytes in base64url"))?;
        let receiver = Self { public, auth };
        // A point that is not on the curve is found by using it.
        receiver.seal(b"").map_err(|_| Unfit("p256dh is no public key of P-256 in base64url"))?;
        Ok(receiver)
    }

    /// The body for the push service.
    ///
    /// **Errors**: for a key that is no point of the curve, and a text that is too long.
    pub(super) fn seal(&self, text: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt)?;
        self.seal_with(text, &PrivateKey::generate(&ECDH_P256)?, &salt)
    }

    fn seal_with(
        &self,
        text: &[u8],
        own: &PrivateKey,
        salt: &[u8; SALT_BYTES],
    ) -> Result<Vec<u8>, Unspecified> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Unspecified);
        }
        let own_public = own.compute_public_key()?;
        let peer = UnparsedPublicKey::new(&ECDH_P256, &self.public);
        let shared = agree(own, peer, Unspecified, |secret| Ok(secret.to_vec()))?;
        let info = [b"WebPush: info\0".as_slice(), &self.public, own_public.as_ref()].concat();
        let input = derive(&self.auth, &shared, &info);
        let key = derive(salt, &input, b"Content-Encoding: aes128gcm\0");
        let nonce = derive(salt, &input, b"Content-Encoding: nonce\0");
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key[..16])?);
        let mut sealed = [text, &[LAST]].concat();
        let nonce = Nonce::try_assume_unique_for_key(&nonce[..12])?;
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)?;
        let mut body = salt.to_vec();
        body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
        body.push(u8::try_from(POINT_BYTES).expect("65 is a byte"));
        body.extend_from_slice(own_public.as_ref());
        body.extend_from_slice(&sealed);
        Ok(body)
    }
}

/// HKDF with SHA-256 for one block of output.
fn derive(salt: &[u8], input: &[u8], info: &[u8]) -> [u8; 32] {
    let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let extracted = mac(salt, input);
    let block = mac(extracted.as_ref(), &[info, &[1]].concat());
    block.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Vec<u8> {
        BASE64.decode(text).unwrap()
    }

    fn receiver() -> Receiver {
        let p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpk\
                      NtoIAiw4";
        let keys = PushKeys { p256dh: p256dh.into(), auth: "BTBZMqHH6r4Tts7J_aSIgg==".into() };
        Receiver::read(&keys).unwrap()
    }

    /// RFC 8291, section 5 and appendix A.
    #[test]
    fn the_rfcs_example_comes_out_to_the_byte() {
        let own = decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let own = PrivateKey::from_private_key(&ECDH_P256, &own).unwrap();
        let salt = decode("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let text = b"When I grow up, I want to be a watermelon";
        let sealed = receiver().seal_with(text, &own, &salt).unwrap();
        assert_eq!(
            BASE64.encode(sealed).trim_end_matches('='),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocIn\
             mYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNW\
             QexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn messages_differ_and_fit_the_services() {
        let receiver = receiver();
        let long = vec![b'x'; TEXT_BYTES_MAX];
        let (one, other) = (receiver.seal(&long).unwrap(), receiver.seal(&long).unwrap());
        assert_ne!(one, other, "each has keys of its own");
        assert_eq!(one.len(), RECORD_BYTES as usize);
        assert!(receiver.seal(&vec![b'x'; TEXT_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn keys_of_no_subscription_are_refused() {
        let good = receiver();
        let (key, auth) = (BASE64.encode(&good.public), BASE64.encode(&good.auth));
        let off_curve = BASE64.encode([&[4_u8][..], &[7; 64]].concat());
        for (p256dh, auth) in [
            ("", auth.as_str()),
            (&key[4..], &auth),
            (&off_curve, &auth),
            (&key, "AAAA"),
            ("!", "!"),
        ] {
            let keys = PushKeys { p256dh: p256dh.to_owned(), auth: auth.to_owned() };
            assert!(Receiver::read(&keys).is_err(), "{p256dh} {auth}");
        }
    }
}
