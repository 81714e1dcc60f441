//! `afield runner`: this machine works for a server, near or far.
//!
//! Joins the runner, which dials nowhere itself, to a connection: requests and notices go out
//! through [`Wire`], orders come in through `RunnerHandle`.

mod orders;

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afield_client::{AskError, Connection, DialOptions, Dialer, Inbound, Inbox, Terminal};
use afield_proto::device::DeviceKind;
use afield_proto::{ErrorBody, ErrorCode};
use afield_runner::policy::FILE_NAME;
use afield_runner::{Options, Policy, Runner, RunnerHandle, Timing, Uplink, demo};
use anyhow::Context as _;
use futures::future::BoxFuture;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::cli::load_config;
use crate::config::Discovery;
use crate::connect::Global;
use crate::data_dir::DataDir;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity::{Given, Wish, become_device};
use crate::nearby::server_for;
use crate::parent::{self, News};
use crate::serve::LogFlags;
use crate::stop::{Signals, survive_file_size_limit};
use crate::{Outcome, logging, out};
use orders::Orders;

/// How long the server may take to answer the runner. Records are acknowledged when they are on
/// its disk.
const ASK_TIMEOUT: Duration = Duration::from_secs(60);

/// `afield runner`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name for the log; lists show the name its credential was made with
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Pair first: the code that `afield pair --runner` shows on a trusted device, or its link
    #[arg(long, value_name = "CODE")]
    pair: Option<String>,
    /// How logs are written.
    #[command(flatten)]
    log: LogFlags,
    /// Ends with its parent, tells it what happens
    #[arg(long, hide = true)]
    supervised: bool,
}

/// Does it.
pub(crate) async fn run(global: &Global, args: Args) -> Outcome {
    let loaded = load_config(global, None, args.log.values())?;
    logging::start_service(&loaded.config.log, global.verbose)?;
    survive_file_size_limit()?;
    let data_dir = global.data_dir()?;
    data_dir.ensure()?;
    if let Some(code) = &args.pair {
        pair(global, &loaded.config.discovery, code, args.name.clone()).await?;
    }
    let endpoint = global.endpoint()?;
    let mut signals = Signals::listen()?;
    let parent = if args.supervised { parent::watch()? } else { CancellationToken::new() };
    let wire = Arc::new(Wire::default());
    let (runner, handle) = open(&data_dir, Arc::clone(&wire)).await?;
    let shutdown = CancellationToken::new();
    let working = tokio::spawn(runner.run(shutdown.clone()));
    tracing::info!(server = %endpoint.url(), name = args.name, "joining");
    let tell = Tell { news: args.supervised || global.json, url: endpoint.url() };
    let joined =
        Joined { dialer: Dialer::new(endpoint, DialOptions::default()), wire, handle, tell };
    let outcome = tokio::select! {
        Terminal(error) = joined.stay() => Err(Failure::from(error)),
        () = signals.next() => Ok(Exit::Done),
        () = parent.cancelled() => Ok(Exit::Done),
    };
    shutdown.cancel();
    tokio::select! {
        ended = working => ended.context("the runner failed")?,
        () = signals.next() => return Ok(Exit::Signalled),
    }
    outcome
}

/// Makes this machine a runner of a server.
async fn pair(
    global: &Global,
    discovery: &Discovery,
    code: &str,
    name: Option<String>,
) -> Result<(), Failure> {
    let (given, trust) = (Given::read(code), global.stated_trust()?);
    let server = match &global.server {
        Some(named) => Some(named.clone()),
        None => server_for(discovery, &given, &trust).await?,
    };
    let wish = Wish { given, server, trust, name, kind: DeviceKind::Runner };
    let paired = become_device(&global.data_dir()?, wish).await?;
    tracing::info!(server = %paired.url, device = %paired.device_id, "paired");
    Ok(())
}

async fn open(data_dir: &DataDir, wire: Arc<Wire>) -> Result<(Runner, RunnerHandle), Failure> {
    write_default_policy(&data_dir.path().join(FILE_NAME))
        .context("writing the runner's policy")?;
    let policy = Policy::load(data_dir.path()).map_err(|error| {
        Failure::usage(format!("the runner's policy: {:#}", anyhow::Error::new(error)))
            .with_next("see runner.toml in the runner's data directory")
    })?;
    let program = std::env::current_exe().context("where is this program?")?;
    let options = Options {
        data_dir: data_dir.path().to_owned(),
        policy,
        demo: vec![program.into_os_string(), OsString::from(DEMO_COMMAND)],
        version: env!("CARGO_PKG_VERSION").to_owned(),
        timing: Timing::default(),
    };
    let opened = tokio::task::spawn_blocking(move || Runner::open(options, wire)).await;
    let opened = opened.context("opening the runner's journal")?;
    opened.map_err(|error| Failure::new(Exit::Failed, format!("{:#}", anyhow::Error::new(error))))
}

/// Puts the policy with its defaults and reasons where its owner will look for it.
fn write_default_policy(path: &Path) -> std::io::Result<()> {
    match File::create_new(path) {
        Ok(mut file) => file.write_all(Policy::default_text().as_bytes()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is said about the connection, and to whom.
struct Tell {
    news: bool,
    url: String,
}

impl Tell {
    fn connected(&self) {
        if self.news {
            News::Connected.tell();
        } else {
            out::error_line(format!("connected to {}; Ctrl-C stops", self.url));
        }
    }

    fn disconnected(&self, reason: String) {
        if self.news {
            News::Disconnected { reason }.tell();
        } else {
            out::error_line(format!("connection lost ({reason}); the work goes on, coming back"));
        }
    }
}

/// A runner and its way to the server.
struct Joined {
    dialer: Dialer,
    wire: Arc<Wire>,
    handle: RunnerHandle,
    tell: Tell,
}

impl Joined {
    /// Stays connected until the server refuses for good.
    async fn stay(mut self) -> Terminal {
        loop {
            let (connection, inbox) = match self.dialer.next().await {
                Ok(opened) => opened,
                Err(terminal) => return terminal,
            };
            self.wire.set(Some(connection.clone()));
            let attended = self.attend(&connection, inbox).await;
            self.wire.set(None);
            connection.close();
            self.handle.disconnected();
            let why = connection.closed().await;
            if let Err(terminal) = attended.and(self.dialer.ended(&why)) {
                return terminal;
            }
            self.tell.disconnected(why.to_string());
        }
    }

    /// Uses one connection until it ends.
    ///
    /// **Errors**: the server refuses this runner for good.
    async fn attend(&self, connection: &Connection, mut inbox: Inbox) -> Result<(), Terminal> {
        match self.handle.connected().await {
            Ok(()) => self.tell.connected(),
            Err(afield_runner::AskError::Refused(error)) => return refused(error),
            Err(afield_runner::AskError::Disconnected) => return Ok(()),
        }
        let mut orders = Orders::new(self.handle.clone());
        while let Some(inbound) = inbox.next().await {
            if let Inbound::Order(order) = inbound {
                orders.take(order).await;
            }
        }
        tracing::debug!(reason = %connection.closed().await, "no more orders");
        Ok(())
    }
}

/// A refusal that may pass is tried again on the next connection.
fn refused(error: ErrorBody) -> Result<(), Terminal> {
    let final_codes = [ErrorCode::Unauthorized, ErrorCode::Forbidden, ErrorCode::ProtocolMismatch];
    tracing::warn!(%error, "the server refuses this runner");
    if final_codes.contains(&error.code) { Err(Terminal(error)) } else { Ok(()) }
}

/// The runner's way to the server: the connection there is, if there is one.
#[derive(Default)]
struct Wire(Mutex<Option<Connection>>);

impl Wire {
    fn set(&self, connection: Option<Connection>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    fn get(&self) -> Option<Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Uplink for Wire {
    fn ask(
        &self,
        name: &'static str,
        data: Box<RawValue>,
    ) -> BoxFuture<'_, Result<Box<RawValue>, afield_runner::AskError>> {
        let connection = self.get();
        Box::pin(async move {
            let connection = connection.ok_or(afield_runner::AskError::Disconnected)?;
            match connection.ask_raw(name, data, ASK_TIMEOUT).await {
                Ok(reply) => Ok(reply),
                Err(AskError::Refused(error)) => Err(afield_runner::AskError::Refused(error)),
                Err(AskError::Disconnected) => Err(afield_runner::AskError::Disconnected),
                Err(AskError::Timeout) => {
                    // A server that does not answer is no better than none: begin anew.
                    tracing::warn!(request = name, "the server did not answer; connecting anew");
                    connection.close();
                    Err(afield_runner::AskError::Disconnected)
                }
            }
        })
    }

    fn notice(&self, name: &'static str, data: Box<RawValue>) -> bool {
        self.get().is_some_and(|connection| connection.notice(name, &*data))
    }
}

/// The hidden command the runner starts its demonstration agent with.
pub(crate) const DEMO_COMMAND: &str = "demo-agent";

/// `afield demo-agent`: everything behind it is for the agent.
pub(crate) fn demo_agent(arguments: &[OsString]) -> std::process::ExitCode {
    let lossy = |argument: &OsString| argument.to_string_lossy().into_owned();
    let arguments: Vec<_> = arguments.iter().map(lossy).collect();
    let pace = std::env::var(demo::PACE_VARIABLE).ok().and_then(|pace| pace.parse().ok());
    let input = std::io::BufReader::new(std::io::stdin());
    demo::run(input, std::io::stdout(), &arguments, pace.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_written_once_and_is_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        write_default_policy(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), Policy::default_text());
        std::fs::write(&path, "shell = true\n").unwrap();
        write_default_policy(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "shell = true\n");
    }
}
