//! Pairing the local runner: a credential of its own, kept in its own directory.

use afield_client::{Connection, ConnectionOptions, Endpoint, Trust};
use afield_proto::device::{DeviceKind, Scope};
use afield_proto::request::DeviceCreate;

use crate::connect::{Global, open};
use crate::data_dir::{DataDir, write_private};
use crate::failure::Failure;

/// The credential's file in the runner's directory.
pub(super) const TOKEN_FILE: &str = "token";

/// How the runner came by its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paired {
    /// It has had it.
    Already,
    /// It is new here.
    First,
    /// What it had is no longer valid.
    Anew,
}

/// Makes sure that the local runner has a valid credential.
pub(super) async fn local_runner(data_dir: &DataDir, name: &str) -> Result<Paired, Failure> {
    let path = data_dir.runner().file(TOKEN_FILE);
    let kept = std::fs::read_to_string(&path).ok();
    if let Some(token) = &kept
        && is_valid(data_dir, token.trim()).await?
    {
        return Ok(Paired::Already);
    }
    let global = Global { data_dir: Some(data_dir.path().to_owned()), ..Global::default() };
    let console = open(&global).await?;
    let request = DeviceCreate {
        name: name.to_owned(),
        kind: Some(DeviceKind::Runner),
        scopes: [Scope::Runner].into_iter().collect(),
        expires_at: None,
    };
    let made = console.ask(&request).await?;
    write_private(&path, made.token.as_bytes())?;
    Ok(if kept.is_some() { Paired::Anew } else { Paired::First })
}

async fn is_valid(data_dir: &DataDir, token: &str) -> Result<bool, Failure> {
    let global = Global { data_dir: Some(data_dir.path().to_owned()), ..Global::default() };
    let console = global.endpoint()?;
    let trust = match data_dir.server_file().and_then(|server| server.fingerprint) {
        Some(fingerprint) => Trust::Fingerprint(fingerprint.parse()?),
        None => Trust::System,
    };
    let endpoint = Endpoint::new(&console.url(), token)?.with_trust(trust);
    match Connection::open(&endpoint, &ConnectionOptions::default()).await {
        Ok((connection, _inbox)) => {
            connection.close();
            Ok(true)
        }
        Err(error) if error.terminal().is_some() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
