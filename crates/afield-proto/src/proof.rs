//! What a device signs to show that it holds its key.
//!
//! Pure texts and their parts; signing is the client's matter, checking the server's. Keys, nonces
//! and signatures are base64url without padding: also legal between the dots of a subprotocol.

use serde::{Deserialize, Serialize};

use crate::{DeviceId, PairingId, Timestamp};

/// The scheme of the `Authorization` header.
pub const SCHEME: &str = "Afield";
/// What a proof stands behind among the subprotocols that an upgrade offers: pages can't set
/// headers there.
pub const SUBPROTOCOL_MARK: &str = "afield.proof.";

/// What the server tells anybody who wants to prove something to it.
///
/// **Shape**: the body of `GET /api/v1/challenge`, and `details` of an UNAUTHORIZED that a fresh
/// proof can overcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The server's own key; a device paired with another one signs nothing for this server.
    pub server_key: String,
    /// To be signed. It changes with every start of the server: what was signed before is worthless.
    pub challenge: String,
    /// The server's clock. A device whose clock differs signs this time instead of its own.
    pub now: Timestamp,
}

/// A proof as it travels: `Authorization: Afield <device> <challenge> <time> <nonce> <signature>`,
/// or for an upgrade `Sec-WebSocket-Protocol: afield.v1, afield.proof.<the same, joined by dots>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The device that claims to be there.
    pub device_id: DeviceId,
    /// The challenge it answers.
    pub challenge: String,
    /// When it was signed, by the server's clock.
    pub time: Timestamp,
    /// Random; a proof is good for one request.
    pub nonce: String,
    /// Over [`statement`].
    pub signature: String,
}

impl Proof {
    /// From what stands behind the scheme.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_words(text.split_ascii_whitespace())
    }

    /// From an offered subprotocol.
    pub fn from_subprotocol(offered: &str) -> Option<Self> {
        Self::from_words(offered.strip_prefix(SUBPROTOCOL_MARK)?.split('.'))
    }

    /// As a subprotocol to be offered.
    pub fn subprotocol(&self) -> String {
        format!("{SUBPROTOCOL_MARK}{}", self.to_string().replace(' ', "."))
    }

    fn from_words<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut next = || words.next();
        let device_id = next()?.parse().ok()?;
        let challenge = next()?.to_owned();
        let time = Timestamp::from_unix_ms(next()?.parse().ok()?);
        let (nonce, signature) = (next()?.to_owned(), next()?.to_owned());
        words.next().is_none().then_some(Self { device_id, challenge, time, nonce, signature })
    }
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = self.time.unix_ms();
        let Self { device_id, challenge, nonce, signature, .. } = self;
        write!(f, "{device_id} {challenge} {time} {nonce} {signature}")
    }
}

/// What a device signs for one request: bound to the server, its present life, the device, the
/// time, and the request line.
pub fn statement(server_key: &str, proof: &Proof, method: &str, target: &str) -> String {
    let Proof { device_id, challenge, time, nonce, .. } = proof;
    let time = time.unix_ms();
    format!(
        "afield-proof-v1\n{server_key}\n{challenge}\n{device_id}\n{time}\n{nonce}\n{method} {target}"
    )
}

/// What a new device signs when it claims a pairing: that it holds the key it names.
pub fn claim_statement(
    server_key: &str,
    challenge: &str,
    public_key: &str,
    time: Timestamp,
    nonce: &str,
    secret_or_code: &str,
) -> String {
    let time = time.unix_ms();
    format!(
        "afield-claim-v1\n{server_key}\n{challenge}\n{public_key}\n{time}\n{nonce}\n{secret_or_code}"
    )
}

/// What the server signs in its answer to a claim: that it holds the key the new device was told.
pub fn server_statement(
    server_key: &str,
    public_key: &str,
    nonce: &str,
    pairing_id: PairingId,
) -> String {
    format!("afield-server-v1\n{server_key}\n{public_key}\n{nonce}\n{pairing_id}")
}

/// What the two digits are made from that both screens show: SHA-256 of this, its first eight
/// bytes as a number, modulo 100.
pub fn match_text(server_key: &str, public_key: &str, pairing_id: PairingId) -> String {
    format!("afield-match-v1\n{server_key}\n{public_key}\n{pairing_id}")
}

/// The two digits of a SHA-256.
pub fn match_digits(sha256: &[u8]) -> String {
    let number = sha256.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{:02}", number % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        Proof {
            device_id: DeviceId::generate(),
            challenge: "c".into(),
            time: Timestamp::from_unix_ms(5),
            nonce: "n".into(),
            signature: "s".into(),
        }
    }

    #[test]
    fn a_proof_is_read_as_it_was_written() {
        let proof = proof();
        assert_eq!(Proof::parse(&proof.to_string()), Some(proof.clone()));
        let device = proof.device_id;
        for bad in ["", "x c 5 n s", &format!("{device} c 5 n"), &format!("{device} c z n s")] {
            assert_eq!(Proof::parse(bad), None, "{bad}");
        }
        assert_eq!(Proof::parse(&format!("{proof} more")), None);
    }

    #[test]
    fn a_proof_is_a_subprotocol_too() {
        let proof = proof();
        let offered = proof.subprotocol();
        assert_eq!(offered, format!("afield.proof.{}.c.5.n.s", proof.device_id));
        assert_eq!(Proof::from_subprotocol(&offered), Some(proof.clone()));
        let spaced = offered.replace('.', " ");
        for bad in ["afield.proof.", "afield.v1", &format!("{offered}.more"), &spaced] {
            assert_eq!(Proof::from_subprotocol(bad), None, "{bad}");
        }
        assert_eq!(Proof::from_subprotocol(&proof.to_string()), None);
    }

    #[test]
    fn everything_that_matters_is_signed() {
        let one = proof();
        let said = |key: &str, proof: &Proof, target: &str| statement(key, proof, "GET", target);
        let base = said("k", &one, "/ws");
        assert_ne!(said("other", &one, "/ws"), base);
        assert_ne!(said("k", &one, "/metrics"), base);
        assert_ne!(said("k", &Proof { challenge: "d".into(), ..one.clone() }, "/ws"), base);
        assert_ne!(said("k", &Proof { nonce: "m".into(), ..one.clone() }, "/ws"), base);
        let later = Proof { time: Timestamp::from_unix_ms(6), ..one.clone() };
        assert_ne!(said("k", &later, "/ws"), base);
        let other = Proof { device_id: DeviceId::generate(), ..one };
        assert_ne!(said("k", &other, "/ws"), base);
    }

    #[test]
    fn digits_are_two() {
        assert_eq!(match_digits(&[0; 32]), "00");
        assert_eq!(match_digits(&[0, 0, 0, 0, 0, 0, 0, 207, 9]), "07");
    }
}
