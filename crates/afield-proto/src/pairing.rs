//! Pairing: how a device with a key of its own becomes part of an org.
//!
//! A trusted device starts a pairing and shows its secret (as a QR code) or its code. The new
//! device claims it with its public key; both show two digits; a trusted device decides. A link is
//! a pairing that was decided when it was made: who comes with its secret is let in.

use serde::{Deserialize, Serialize};

use crate::device::{DeviceAbout, DeviceKind, Scopes};
use crate::{DeviceId, PairingId, Timestamp};

/// The letters of typed codes: no vowels that make words, none that looks like another or a digit.
pub const CODE_LETTERS: [char; 20] = [
    'B', 'C', 'D', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X',
    'Z',
];
/// Letters of a typed code: 8 of 20 are 34.5 bits.
pub const CODE_LENGTH: usize = 8;
/// Letters that find a code; the rest must then be right.
pub const CODE_FRONT: usize = 4;
/// Codes with the right first half and a wrong second one that a pairing endures.
pub const CODE_TRIES: u32 = 5;
/// What the secret stands behind in the link of a QR code.
pub const LINK_MARK: &str = "#pair=";

/// The link of a QR code. Its secret is in the fragment, which browsers send nowhere.
///
/// **Shape**: both fingerprints in hexadecimal; that of a self-signed certificate may have colons.
pub fn link(
    url: &str,
    secret: &str,
    server_fingerprint: &str,
    certificate: Option<&str>,
) -> String {
    let certificate = certificate.map(|print| format!("&cert={}", print.replace(':', "")));
    let certificate = certificate.unwrap_or_default();
    format!("{url}/{LINK_MARK}{secret}&key={server_fingerprint}{certificate}")
}

/// A typed code as it is compared: upper case, without spaces and hyphens; `None` when it can't be
/// one.
pub fn normal_code(typed: &str) -> Option<String> {
    let kept = typed.chars().filter(|letter| !matches!(letter, ' ' | '-'));
    let code: String = kept.map(|letter| letter.to_ascii_uppercase()).collect();
    let known = code.chars().all(|letter| CODE_LETTERS.contains(&letter));
    (known && code.len() == CODE_LENGTH).then_some(code)
}

/// How far a pairing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum PairingState {
    /// Nobody came yet.
    Open,
    /// A device came and waits to be let in.
    Claimed,
    /// It was let in.
    Approved,
    /// It was not.
    Refused,
    /// Too many wrong codes.
    Locked,
}

/// What a new device says about itself, and what the server saw of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Claim {
    /// The name it gives itself.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The machine it runs on.
    pub about: DeviceAbout,
    /// From where it came, as the server saw it.
    pub address: String,
}

/// A pairing as those see it who may decide about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Pairing {
    /// Its id.
    pub id: PairingId,
    /// How far it is.
    pub state: PairingState,
    /// The device that started it.
    pub created_by: DeviceId,
    /// What the new device may do.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Vec<crate::device::Scope>"),
        ts(as = "Vec<crate::device::Scope>")
    )]
    pub scopes: Scopes,
    /// The name it will have; its own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub name: Option<String>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// It is a link: who comes with its secret is let in without a decision.
    #[serde(default)]
    pub link: bool,
    /// Who came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub claim: Option<Claim>,
    /// The two digits the new device must show as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub digits: Option<String>,
    /// The device it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub device_id: Option<DeviceId>,
}

/// What a new device sends, without a credential: `POST /api/v1/pair`. Sent again it asks how far
/// the pairing is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PairClaim {
    /// The typed code, or the secret of the QR code.
    pub secret: String,
    /// Its Ed25519 public key.
    pub public_key: String,
    /// The challenge it answers.
    pub challenge: String,
    /// When it signed, by the server's clock.
    pub time: Timestamp,
    /// Random, for this message only.
    pub nonce: String,
    /// Over [`crate::proof::claim_statement`].
    pub signature: String,
    /// The name it gives itself.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The machine it runs on.
    #[serde(default)]
    pub about: DeviceAbout,
}

/// What it is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PairClaimReply {
    /// Which pairing.
    pub pairing_id: PairingId,
    /// How far it is.
    pub state: PairingState,
    /// What the device may do once it is let in.
    pub scopes: Scopes,
    /// When the pairing ends.
    pub expires_at: Timestamp,
    /// What it became, once it was let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// By the server's key, over [`crate::proof::server_statement`].
    pub server_signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        assert_eq!(normal_code("bcdf-ghjk").as_deref(), Some("BCDFGHJK"));
        assert_eq!(normal_code(" BCDF GHJK ").as_deref(), Some("BCDFGHJK"));
        for bad in ["", "BCDF", "BCDF-GHJA", "BCDFGHJKL", "ÄCDFGHJ"] {
            assert_eq!(normal_code(bad), None, "{bad}");
        }
    }
}
