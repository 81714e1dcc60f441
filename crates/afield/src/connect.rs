//! Finding the server and connecting to it: flags, environment, or the one on this machine.

use std::path::PathBuf;

use afield_client::{Connection, ConnectionOptions, Endpoint, Link, LinkOptions, LinkState, Trust};
use afield_proto::DeviceId;
use afield_proto::request::Ask;
use clap::Args;

use crate::data_dir::{DataDir, ServerFile};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity::PairedWith;
use crate::out::Color;
use crate::unsent;

/// Flags every command understands.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Directory of this machine's Afield [default: ~/.local/share/afield]
    #[arg(long, global = true, env = "AFIELD_DATA_DIR", value_name = "DIR", hide_env = true)]
    pub data_dir: Option<PathBuf>,
    /// Address of the server [default: the one running on this machine]
    #[arg(long, global = true, env = "AFIELD_SERVER", value_name = "URL", hide_env = true)]
    pub server: Option<String>,
    /// Credential for the server (better: --token-file, or AFIELD_TOKEN)
    #[arg(long, global = true, env = "AFIELD_TOKEN", value_name = "TOKEN", hide_env = true)]
    pub token: Option<String>,
    /// File with the credential for the server
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// SHA-256 fingerprint of the server's certificate; no other is accepted
    #[arg(long, global = true, env = "AFIELD_FINGERPRINT", value_name = "HEX", hide_env = true)]
    pub fingerprint: Option<String>,
    /// Certificate authorities (PEM) that may vouch for the server; no others are accepted
    #[arg(long, global = true, env = "AFIELD_CA_FILE", value_name = "FILE", hide_env = true)]
    pub ca_file: Option<PathBuf>,
    /// Print JSON, one value per line
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Log more to standard error (twice for everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Global {
    /// The data directory these flags name.
    pub(crate) fn data_dir(&self) -> Result<DataDir, Failure> {
        Ok(DataDir::resolve(self.data_dir.clone())?)
    }

    /// The server these flags name, and whom to trust.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Failure> {
        let data_dir = self.data_dir()?;
        let local = data_dir.server_file();
        let token = self.token()?;
        if let (None, Some(paired)) = (&token, self.paired(&data_dir, local.as_ref())) {
            let trust = self.trust(paired.fingerprint.clone())?;
            let endpoint = Endpoint::new(&paired.url, "")?.with_trust(trust);
            return Ok(endpoint.with_identity(data_dir.identity(paired)?));
        }
        let (url, token, fingerprint) = match (&self.server, local) {
            (None, None) => return Err(nothing_runs()),
            (None, Some(local)) => (local.url, token.unwrap_or(local.token), local.fingerprint),
            (Some(url), local) => {
                // What is no address has no credential either; that is not what is wrong with it.
                Endpoint::new(url, "")?;
                let local = local.filter(|local| same_address(&local.url, url));
                let fingerprint = local.as_ref().and_then(|local| local.fingerprint.clone());
                let token = token.or(local.map(|local| local.token));
                (url.clone(), token.ok_or_else(|| no_token(url))?, fingerprint)
            }
        };
        let trust = self.trust(fingerprint)?;
        Ok(Endpoint::new(&url, token)?.with_trust(trust))
    }

    /// The server this machine was paired with, when that is the one that is meant: named, or the
    /// only one there is.
    fn paired(&self, data_dir: &DataDir, local: Option<&ServerFile>) -> Option<PairedWith> {
        let paired = data_dir.paired_with()?;
        let meant = match (&self.server, local) {
            (Some(url), Some(local)) if same_address(&local.url, url) => false,
            (Some(url), _) => same_address(&paired.url, url),
            (None, local) => local.is_none(),
        };
        meant.then_some(paired)
    }

    /// The device these flags speak for, where this machine knows its id: it was paired with that server.
    pub(crate) fn device_id(&self) -> Result<Option<DeviceId>, Failure> {
        if self.token()?.is_some() {
            return Ok(None);
        }
        let data_dir = self.data_dir()?;
        let paired = self.paired(&data_dir, data_dir.server_file().as_ref());
        Ok(paired.map(|paired| paired.device_id))
    }

    /// The fingerprint of the certificate of the server these flags name, where it is known.
    pub(crate) fn known_fingerprint(&self) -> Result<Option<String>, Failure> {
        let data_dir = self.data_dir()?;
        let local = data_dir.server_file();
        let paired = self.paired(&data_dir, local.as_ref()).and_then(|paired| paired.fingerprint);
        let local = local
            .filter(|local| self.server.as_ref().is_none_or(|url| same_address(&local.url, url)));
        let known = local.and_then(|local| local.fingerprint).or(paired);
        Ok(self.fingerprint.clone().or(known))
    }

    /// Whom to trust, as these flags say it.
    pub(crate) fn stated_trust(&self) -> Result<Trust, Failure> {
        self.trust(None)
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.token_file else { return Ok(self.token.clone()) };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("can't read the token file {}: {error}", path.display()))
        })?;
        Ok(Some(text.trim().to_owned()))
    }

    fn trust(&self, known: Option<String>) -> Result<Trust, Failure> {
        if let Some(path) = &self.ca_file {
            return Ok(Trust::CaFile(path.clone()));
        }
        match self.fingerprint.clone().or(known) {
            Some(fingerprint) => Ok(Trust::Fingerprint(fingerprint.parse()?)),
            None => Ok(Trust::System),
        }
    }
}

fn same_address(a: &str, b: &str) -> bool {
    let url = |text| Endpoint::new(text, "").map(|endpoint| endpoint.url());
    matches!((url(a), url(b)), (Ok(a), Ok(b)) if a == b)
}

fn nothing_runs() -> Failure {
    Failure::new(Exit::NoServer, "no server is running here; start one with: afield up")
        .with_next("for a server elsewhere: afield login CODE --server URL")
        .away()
}

fn no_token(url: &str) -> Failure {
    Failure::usage(format!("no credential for {url}"))
        .with_next("on a trusted device: afield pair; here: afield login CODE --server URL")
}

/// Connects once, and sends what waits in the outbox.
pub(crate) async fn connect(global: &Global) -> Result<Connection, Failure> {
    let connection = open(global).await?;
    unsent::deliver(global, &connection).await;
    Ok(connection)
}

/// Connects once.
pub(crate) async fn open(global: &Global) -> Result<Connection, Failure> {
    let endpoint = global.endpoint()?;
    match Connection::open(&endpoint, &ConnectionOptions::default()).await {
        // Nobody reads the inbox: nothing is subscribed to.
        Ok((connection, _inbox)) => Ok(connection),
        Err(afield_client::OpenError::Unreachable { .. }) if global.server.is_none() => {
            Err(nothing_runs())
        }
        Err(error) => Err(error.into()),
    }
}

/// Asks one thing and hangs up.
pub(crate) async fn ask<R: Ask>(global: &Global, request: &R) -> Result<R::Reply, Failure> {
    let connection = connect(global).await?;
    let reply = connection.ask(request).await;
    connection.close();
    Ok(reply?)
}

/// Connects, and stays connected from then on.
pub(crate) async fn link(global: &Global) -> Result<Link, Failure> {
    let link = Link::start(global.endpoint()?, LinkOptions::default());
    let mut state = link.state();
    let settled = state.wait_for(|state| !matches!(state, LinkState::Connecting)).await;
    let settled = settled.map(|state| state.clone());
    match settled {
        Ok(LinkState::Online { .. } | LinkState::Connecting) => {
            if let Ok(connection) = link.online().await {
                unsent::deliver(global, &connection).await;
            }
            Ok(link)
        }
        Ok(LinkState::Ended(error)) => Err(error.into()),
        Ok(LinkState::Offline { .. }) if global.server.is_none() => Err(nothing_runs()),
        Ok(LinkState::Offline { reason, .. }) => {
            Err(Failure::new(Exit::NoServer, format!("can't reach the server: {reason}"))
                .with_next("afield doctor"))
        }
        Err(_) => Err(Failure::new(Exit::NoServer, "the connection ended")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_server() -> (tempfile::TempDir, Global) {
        let dir = tempfile::tempdir().unwrap();
        let global = Global { data_dir: Some(dir.path().to_owned()), ..Global::default() };
        let server = ServerFile {
            url: "http://127.0.0.1:7433".into(),
            pid: 1,
            token: "afd_local".into(),
            fingerprint: None,
        };
        global.data_dir().unwrap().write_server_file(&server).unwrap();
        (dir, global)
    }

    #[test]
    fn the_server_of_this_machine_is_found() {
        let (_dir, global) = with_server();
        assert_eq!(global.endpoint().unwrap().url(), "http://127.0.0.1:7433");
    }

    #[test]
    fn without_a_server_it_says_how_to_start_one() {
        let dir = tempfile::tempdir().unwrap();
        let global = Global { data_dir: Some(dir.path().to_owned()), ..Global::default() };
        let failure = global.endpoint().unwrap_err();
        assert_eq!(failure.to_string(), "no server is running here; start one with: afield up");
        assert_eq!(failure.exit(), Exit::NoServer);
    }

    #[test]
    fn what_is_no_address_is_called_so() {
        let (_dir, mut global) = with_server();
        global.server = Some("foo".into());
        let failure = global.endpoint().unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("is no address of a server"), "{failure}");
    }

    #[test]
    fn a_named_server_needs_its_own_credential() {
        let (_dir, mut global) = with_server();
        global.server = Some("http://elsewhere.example:1".into());
        assert_eq!(global.endpoint().unwrap_err().exit(), Exit::Usage);
        global.token = Some("afd_x".into());
        assert_eq!(global.endpoint().unwrap().url(), "http://elsewhere.example:1");
        global.token = None;
        global.server = Some("http://127.0.0.1:7433/".into());
        assert!(global.endpoint().is_ok(), "the local one lends its credential to its own address");
    }
}
