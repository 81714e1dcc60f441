//! A device with a key, written by hand: it can prove itself, and cheat in every way.

use afield_proto::proof::{Challenge, Proof, claim_statement, statement};
use afield_proto::{DeviceId, Timestamp};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::client::Client;
use crate::http::{self, send};

/// A key pair, and what it became.
pub struct Keyed {
    pair: Ed25519KeyPair,
    /// The device, once it is paired.
    pub device_id: DeviceId,
}

/// What the server asks to be signed.
///
/// # Panics
/// When it does not say.
pub async fn challenge(url: &str) -> Challenge {
    let response = send(url, "127.0.0.1", "GET /api/v1/challenge", "").await;
    serde_json::from_value(http::json(&response)).expect("a challenge")
}

impl Default for Keyed {
    fn default() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random bytes");
        let pair = Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key");
        Self { pair, device_id: DeviceId::generate() }
    }
}

impl Keyed {
    /// The public key.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    fn sign(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes()).as_ref())
    }

    /// The body of a claim.
    pub fn claim(&self, told: &Challenge, secret: &str, kind: &str) -> Value {
        let nonce = uuid::Uuid::new_v4().to_string();
        let Challenge { server_key, challenge, now } = told;
        let said = claim_statement(server_key, challenge, &self.public(), *now, &nonce, secret);
        json!({
            "secret": secret, "public_key": self.public(), "challenge": challenge, "time": now,
            "nonce": nonce, "signature": self.sign(&said), "name": "a keyed device", "kind": kind,
            "about": { "system": "linux", "version": "1" },
        })
    }

    /// Sends a claim from an address; the whole response.
    pub async fn come(&self, url: &str, from: &str, secret: &str, kind: &str) -> String {
        let body = self.claim(&challenge(url).await, secret, kind).to_string();
        send(url, from, "POST /api/v1/pair", &body).await
    }

    /// Is let in by a device that may; what it may do is `scopes`.
    ///
    /// # Panics
    /// When it is not.
    pub async fn pair(&mut self, url: &str, owner: &mut Client, scopes: Value) {
        let kind = if scopes == json!(["runner"]) { "runner" } else { "cli" };
        let started = owner.ask("device_pair_start", json!({ "scopes": scopes })).await;
        let started = started.expect("a pairing");
        let secret = started["secret"].as_str().expect("a secret").to_owned();
        let came = self.come(url, "127.0.0.1", &secret, kind).await;
        assert_eq!(http::status(&came), 200, "{came}");
        let id = &started["pairing"]["id"];
        let seen = owner.ask("device_pair_status", json!({ "pairing_id": id })).await;
        let digits = seen.expect("a claimed pairing")["digits"].clone();
        let decide = json!({ "pairing_id": id, "approve": true, "digits": digits });
        let decided = owner.ask("device_pair_decide", decide).await.expect("it is let in");
        self.device_id =
            decided["device_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    }

    /// Is let in by a link that a device makes which may; what it may do is `scopes`.
    ///
    /// # Panics
    /// When it is not.
    pub async fn open_link(&mut self, url: &str, owner: &mut Client, scopes: Value) {
        let made = owner.ask("device_link", json!({ "scopes": scopes })).await.expect("a link");
        let secret = made["secret"].as_str().expect("a secret");
        let came = http::json(&self.come(url, "127.0.0.1", secret, "browser").await);
        assert_eq!(came["state"], "approved", "{came}");
        self.device_id = came["device_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    }

    /// A proof for one request.
    pub fn proof(&self, told: &Challenge, method: &str, target: &str) -> Proof {
        self.proof_at(told, told.now, method, target)
    }

    /// The same, signed for another time.
    pub fn proof_at(&self, told: &Challenge, time: Timestamp, method: &str, target: &str) -> Proof {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let (challenge, signature) = (told.challenge.clone(), String::new());
        let mut proof = Proof { device_id: self.device_id, challenge, time, nonce, signature };
        proof.signature = self.sign(&statement(&told.server_key, &proof, method, target));
        proof
    }

    /// What a page offers with its upgrade.
    pub fn offer(&self, told: &Challenge, target: &str) -> String {
        format!("afield.v1, {}", self.proof(told, "GET", target).subprotocol())
    }

    /// A connection with a fresh proof.
    ///
    /// **Errors**: those of [`Client::connect_with`].
    pub async fn connect(&self, url: &str) -> Result<Client, crate::client::ClientError> {
        let proof = self.proof(&challenge(url).await, "GET", "/ws");
        Client::connect_with(url, &format!("Afield {proof}"), None).await
    }
}

/// A token that is right in form and known to nobody.
pub fn unknown_token() -> String {
    let mut bytes = uuid::Uuid::new_v4().as_bytes().repeat(2);
    let mut crc = u32::MAX;
    for byte in &bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    bytes.extend_from_slice(&(!crc).to_be_bytes());
    format!("afd_{}", URL_SAFE_NO_PAD.encode(bytes))
}
