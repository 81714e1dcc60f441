//! Who this machine is to a server it was paired with: its key and where that counts.
//!
//! `device.key` (the key, PKCS #8) and `device.json` (everything else) in the data directory, both
//! for their owner alone. The key stays when the device is forgotten, so that pairing again makes
//! it the same device and leaves no ghost behind.

use std::time::Duration;

use afield_client::{DeviceKey, Endpoint, Identity, Newcomer, PairStep, Trust, pair};
use afield_proto::device::{DeviceAbout, DeviceKind};
use afield_proto::pairing::{LINK_MARK, PairingState};
use afield_proto::{DeviceId, ErrorCode, Timestamp};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::data_dir::{DataDir, write_private};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;

const KEY_FILE: &str = "device.key";
const DEVICE_FILE: &str = "device.json";
/// How often a device that waits asks whether it was let in.
const ASK_INTERVAL: Duration = Duration::from_millis(500);

/// What a machine was paired with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PairedWith {
    /// The server's address.
    pub url: String,
    /// The server's key.
    pub server_key: String,
    /// This device.
    pub device_id: DeviceId,
    /// The fingerprint of the server's certificate, when that is how it is trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl DataDir {
    /// What this machine was paired with.
    pub(crate) fn paired_with(&self) -> Option<PairedWith> {
        let text = std::fs::read(self.file(DEVICE_FILE)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Who this machine is to that server.
    pub(crate) fn identity(&self, paired: PairedWith) -> Result<Identity, Failure> {
        let key = self.kept_key()?.ok_or_else(|| {
            Failure::new(Exit::Failed, "the key of this device is gone")
                .with_next("pair it again: afield login CODE --server URL")
        })?;
        Ok(Identity { device_id: paired.device_id, key, server_key: paired.server_key })
    }

    fn kept_key(&self) -> Result<Option<DeviceKey>, Failure> {
        let path = self.file(KEY_FILE);
        match std::fs::read(&path) {
            Ok(kept) => Ok(Some(DeviceKey::from_pkcs8(&kept).map_err(|error| {
                Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
                    .with_next("remove the file and pair this device anew")
            })?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(anyhow::Error::new(error).context(path.display().to_string()).into()),
        }
    }

    /// The key of this machine, made when there is none.
    fn key(&self) -> Result<DeviceKey, Failure> {
        if let Some(key) = self.kept_key()? {
            return Ok(key);
        }
        let (key, kept) = DeviceKey::generate();
        write_private(&self.file(KEY_FILE), &kept)?;
        Ok(key)
    }

    /// Forgets the server; the key stays.
    pub(crate) fn forget_server(&self) -> Result<(), Failure> {
        match std::fs::remove_file(self.file(DEVICE_FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(anyhow::Error::new(error).into())
            }
            _ => Ok(()),
        }
    }
}

/// A code as it was given: the link of a QR code, or typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// The server in the link.
    pub url: Option<String>,
    secret: String,
    /// SHA-256 of the server's key.
    pub server_fingerprint: Option<String>,
    /// SHA-256 of the server's certificate.
    certificate: Option<String>,
}

impl Given {
    /// Reads what was given.
    pub(crate) fn read(text: &str) -> Self {
        let text = text.trim();
        let Some((url, rest)) = text.split_once(LINK_MARK) else {
            let secret = text.to_owned();
            return Self { url: None, secret, server_fingerprint: None, certificate: None };
        };
        let mut parts = rest.split('&');
        let mut given = Self {
            url: Some(url.trim_end_matches('/').to_owned()),
            secret: parts.next().unwrap_or_default().to_owned(),
            server_fingerprint: None,
            certificate: None,
        };
        for part in parts {
            match part.split_once('=') {
                Some(("key", value)) => given.server_fingerprint = Some(value.to_owned()),
                Some(("cert", value)) => given.certificate = Some(value.to_owned()),
                _ => {}
            }
        }
        given
    }

    /// Whom to trust: as the flags say, or the certificate in the link.
    ///
    /// **Errors**: the link's is no fingerprint.
    pub(crate) fn trust(&self, stated: &Trust) -> Result<Trust, Failure> {
        match (stated, &self.certificate) {
            (Trust::System, Some(print)) => Ok(Trust::Fingerprint(print.parse()?)),
            (stated, _) => Ok(stated.clone()),
        }
    }
}

/// How this machine wants to be paired.
#[derive(Debug)]
pub(crate) struct Wish {
    /// The code or link.
    pub given: Given,
    /// The server, when it is not the one in the link.
    pub server: Option<String>,
    /// Whom to trust, when that was said.
    pub trust: Trust,
    /// The name for lists.
    pub name: Option<String>,
    /// What it is.
    pub kind: DeviceKind,
}

/// Pairs this machine and waits until it is let in.
///
/// **Errors**: refused, over, or the server is not the one that was meant.
pub(crate) async fn become_device(data_dir: &DataDir, wish: Wish) -> Result<PairedWith, Failure> {
    data_dir.ensure()?;
    let Wish { given, server, trust, name, kind } = wish;
    let (trust, url) = (given.trust(&trust)?, server.or(given.url));
    let url = url.ok_or_else(|| {
        Failure::usage("which server? a typed code does not say").with_next("add: --server URL")
    })?;
    let fingerprint = match &trust {
        Trust::Fingerprint(print) => Some(print.to_string()),
        Trust::System | Trust::CaFile(_) => None,
    };
    let endpoint = Endpoint::new(&url, "")?.with_trust(trust);
    let newcomer = Newcomer {
        key: data_dir.key()?,
        name: name.unwrap_or_else(host_name),
        kind,
        about: about(),
        secret: given.secret,
        server_fingerprint: given.server_fingerprint,
    };
    let step = wait(&endpoint, &newcomer).await?;
    let device_id = step.device_id.context("the server let this device in without an id")?;
    let url = endpoint.url();
    let paired = PairedWith { url, server_key: step.server_key, device_id, fingerprint };
    let json = serde_json::to_vec(&paired).context("a device file")?;
    write_private(&data_dir.file(DEVICE_FILE), &json)?;
    Ok(paired)
}

async fn wait(endpoint: &Endpoint, newcomer: &Newcomer) -> Result<PairStep, Failure> {
    let mut told = false;
    loop {
        let step = match pair(endpoint, newcomer).await {
            Ok(step) => step,
            Err(afield_client::RestError::Refused(error))
                if told && error.code == ErrorCode::Unauthorized =>
            {
                return Err(Failure::new(Exit::TimedOut, "nobody let this device in in time")
                    .with_next("start again on the trusted device: afield pair"));
            }
            Err(error) => return Err(error.into()),
        };
        match step.state {
            PairingState::Approved => return Ok(step),
            PairingState::Refused | PairingState::Locked => {
                return Err(Failure::new(Exit::Refused, "this device was not let in"));
            }
            PairingState::Open | PairingState::Claimed => {}
        }
        if !told {
            out::error_line(format!(
                "this device shows {}; let it in on the trusted device if that shows the same",
                step.digits
            ));
            told = true;
        }
        tokio::time::sleep(ASK_INTERVAL).await;
    }
}

fn about() -> DeviceAbout {
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    DeviceAbout { system, version: env!("CARGO_PKG_VERSION").to_owned() }
}

fn host_name() -> String {
    let host = || nix::unistd::gethostname().ok()?.into_string().ok();
    host().unwrap_or_else(|| "device".to_owned())
}

/// How long a pairing still waits, for people.
pub(crate) fn left(expires_at: Timestamp) -> String {
    let ms = expires_at.unix_ms().saturating_sub(Timestamp::now().unix_ms());
    crate::words::ahead(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_it_was_written() {
        let written = afield_proto::pairing::link("https://h:1", "afd_s", "aa", Some("AB:CD"));
        let given = Given::read(&written);
        assert_eq!(given.url.as_deref(), Some("https://h:1"));
        assert_eq!(given.secret, "afd_s");
        assert_eq!(given.server_fingerprint.as_deref(), Some("aa"));
        assert_eq!(given.certificate.as_deref(), Some("ABCD"));
        let typed = Given::read(" BCDF-GHJK ");
        assert_eq!((typed.url, typed.secret.as_str()), (None, "BCDF-GHJK"));
        assert!(!written.split_once('#').unwrap().0.contains("afd_s"), "in the fragment only");
    }

    #[test]
    fn the_key_stays_when_the_server_is_forgotten() {
        let outer = tempfile::tempdir().unwrap();
        let data_dir = DataDir::resolve(Some(outer.path().to_owned())).unwrap();
        let key = data_dir.key().unwrap();
        data_dir.forget_server().unwrap();
        assert_eq!(data_dir.key().unwrap().public(), key.public());
        let path = data_dir.file(KEY_FILE);
        assert_eq!(crate::data_dir::readable_by_others(&path), Some(false));
        std::fs::write(&path, b"x").unwrap();
        assert!(data_dir.key().is_err(), "a broken key is not replaced behind its owner's back");
    }
}
