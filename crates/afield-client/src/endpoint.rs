//! Where a server is, which credential to show it, and whom to trust for TLS.

use std::path::PathBuf;
use std::sync::Arc;

use afield_proto::proof;
use aws_lc_rs::digest;
use tokio_tungstenite::tungstenite::http::Uri;

use crate::key::{Identity, Prover};

/// A server to connect to.
#[derive(Clone)]
pub struct Endpoint {
    host: String,
    port: u16,
    secure: bool,
    prefix: String,
    credential: Credential,
    trust: Trust,
}

/// What a server is shown.
#[derive(Clone)]
enum Credential {
    /// A token; empty where none is needed.
    Token(String),
    /// A proof, made anew for each request.
    Key(Arc<Prover>),
}

/// Whom to believe that a TLS server is the one that is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// The certificate authorities the operating system trusts.
    #[default]
    System,
    /// Exactly this certificate, whoever signed it and whatever name it bears.
    Fingerprint(Fingerprint),
    /// The certificate authorities in this PEM file, and no others.
    CaFile(PathBuf),
}

/// An address that can't be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL.
    #[error("{0:?} is no address of a server (such as http://127.0.0.1:7433)")]
    NotAUrl(String),
    /// It is a URL of another kind.
    #[error("{0:?} is neither http, https, ws nor wss")]
    Scheme(String),
    /// It is no SHA-256 fingerprint.
    #[error("{0:?} is no SHA-256 fingerprint (64 hexadecimal digits)")]
    Fingerprint(String),
}

impl Endpoint {
    /// A server at an `http`, `https`, `ws` or `wss` address, with the system's trust.
    ///
    /// **Errors**: [`EndpointError`] when the address is none.
    pub fn new(url: &str, token: impl Into<String>) -> Result<Self, EndpointError> {
        let bad = || EndpointError::NotAUrl(url.chars().take(200).collect());
        let uri: Uri = url.trim().parse().map_err(|_| bad())?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            Some(other) => return Err(EndpointError::Scheme(other.to_owned())),
            None => return Err(bad()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            secure,
            prefix: uri.path().trim_end_matches("/ws").trim_end_matches('/').to_owned(),
            credential: Credential::Token(token.into()),
            trust: Trust::System,
        })
    }

    /// The same server, believed on other grounds.
    #[must_use]
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// The same server, approached as a paired device.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.credential = Credential::Key(Arc::new(Prover::new(identity)));
        self
    }

    /// The same server, for what it answers to anybody.
    pub(crate) fn without_credential(&self) -> Self {
        Self { credential: Credential::Token(String::new()), ..self.clone() }
    }

    /// The value of `Authorization` for one request; `None` when there is no credential, or the
    /// server must first be asked what to sign (see [`Self::prover`]).
    pub(crate) fn authorization(&self, method: &str, target: &str) -> Option<String> {
        match &self.credential {
            Credential::Token(token) if token.is_empty() => None,
            Credential::Token(token) => Some(format!("Bearer {token}")),
            Credential::Key(prover) => {
                let proof = prover.proof(method, target)?;
                Some(format!("{} {proof}", proof::SCHEME))
            }
        }
    }

    /// Who makes the proofs, for a paired device.
    pub(crate) fn prover(&self) -> Option<&Prover> {
        match &self.credential {
            Credential::Token(_) => None,
            Credential::Key(prover) => Some(prover),
        }
    }

    /// The address people write: `http://host:port`.
    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}:{}{}", self.host, self.port, self.prefix)
    }

    /// Whether the connection is encrypted.
    pub fn secure(&self) -> bool {
        self.secure
    }

    pub(crate) fn socket_url(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        format!("{scheme}://{}:{}{}/ws", self.host, self.port, self.prefix)
    }

    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The host without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url()).field("trust", &self.trust).finish()
    }
}

/// SHA-256 of a certificate in DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(certificate_der: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, certificate_der);
        Self(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = EndpointError;

    /// Hexadecimal digits in any case, with or without colons, spaces and a `sha256:` in front.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let bad = || EndpointError::Fingerprint(text.chars().take(100).collect());
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.strip_prefix("sha256:").unwrap_or(&lower).replace([':', ' '], "");
        let digits = digits.as_bytes();
        if digits.len() != 64 {
            return Err(bad());
        }
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_of_every_scheme() {
        let endpoint = |url| Endpoint::new(url, "t").unwrap();
        assert_eq!(endpoint("http://127.0.0.1:7433").socket_url(), "ws://127.0.0.1:7433/ws");
        assert_eq!(endpoint("https://a.example/").socket_url(), "wss://a.example:443/ws");
        assert_eq!(endpoint("wss://a.example/ws").url(), "https://a.example:443");
        assert_eq!(endpoint("http://h/base/").socket_url(), "ws://h:80/base/ws");
        assert_eq!(endpoint("ws://[::1]:9").host(), "::1");
        for bad in ["", "127.0.0.1", "ftp://x", "http://", "not a url"] {
            assert!(Endpoint::new(bad, "t").is_err(), "{bad}");
        }
    }

    #[test]
    fn never_shows_its_token() {
        let endpoint = Endpoint::new("http://h:1", "afd_secret").unwrap();
        assert!(!format!("{endpoint:?}").contains("secret"));
    }

    #[test]
    fn fingerprints_are_read_in_every_common_spelling() {
        let print = Fingerprint::of(b"x");
        let text = print.to_string();
        for spelling in [
            text.clone(),
            text.to_lowercase().replace(':', ""),
            format!("SHA256:{text}"),
            text.replace(':', " "),
        ] {
            assert_eq!(spelling.parse::<Fingerprint>().unwrap(), print);
        }
        assert!("zz".parse::<Fingerprint>().is_err());
        assert!("é".repeat(32).parse::<Fingerprint>().is_err());
    }
}
