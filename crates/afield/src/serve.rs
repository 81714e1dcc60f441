//! `afield server`: a server alone, from configuration to the last goodbye.

mod flags;
mod options;

use std::fs::File;
use std::time::Duration;

use afield_server::{Options, Running, Tls};
use anyhow::Context as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::load_config;
use crate::config::{Discovery, Loaded};
use crate::connect::Global;
use crate::data_dir::{DataDir, ServerFile};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::nearby::{self, Announced, Subject};
use crate::parent::{self, News};
use crate::stop::{Signals, survive_file_size_limit};
use crate::{Outcome, logging, out};

pub(crate) use flags::{Flags, LogFlags};

/// A server whose parent died has noticed it after this time.
const NOTICES: Duration = Duration::from_secs(2);
/// A server that ends has let go of its directory after this time.
const ENDS: Duration = Duration::from_secs(10);
/// Between two looks whether it has.
const LOOKS_AGAIN: Duration = Duration::from_millis(50);

/// `afield server`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is set.
    #[command(flatten)]
    pub flags: Flags,
    /// Ends with its parent, tells it what happens
    #[arg(long, hide = true)]
    supervised: bool,
}

/// What a server is told by a configuration.
///
/// **Errors**: what it would refuse to start with, as far as the configuration alone tells.
pub(crate) fn options(loaded: &Loaded, data_dir: &DataDir) -> Result<Options, Failure> {
    logging::filter(&loaded.config.log)?;
    let options = options::options(loaded, data_dir)?;
    let discovery = &loaded.config.discovery;
    if discovery.announce {
        nearby::check(options.listen, &discovery.name)?;
    }
    Ok(options)
}

/// Does it.
pub(crate) async fn run(global: &Global, args: Args) -> Outcome {
    let loaded = load_config(global, args.flags.config.clone(), args.flags.values())?;
    logging::start_service(&loaded.config.log, global.verbose)?;
    survive_file_size_limit()?;
    let data_dir = global.data_dir()?;
    data_dir.ensure()?;
    let _lock = lock(&data_dir).await?;
    let options = options(&loaded, &data_dir)?;
    let discovery = loaded.config.discovery;
    let secure = options.tls != Tls::Off;
    let mut signals = Signals::listen()?;
    let parent = if args.supervised { parent::watch()? } else { CancellationToken::new() };
    let running = afield_server::start(options).await.map_err(failed)?;
    data_dir.write_server_file(&server_file(&running))?;
    let announced = match discovery.announce {
        true => announce(&running, secure, &discovery),
        false => None,
    };
    welcome(&running, global.json, args.supervised);
    let broken = tokio::select! {
        () = running.broken() => true,
        () = signals.next() => false,
        () = parent.cancelled() => false,
    };
    data_dir.remove_server_file();
    if let Some(announced) = announced {
        announced.goodbye().await;
    }
    tokio::select! {
        () = running.shutdown() => {}
        () = signals.next() => return Ok(Exit::Signalled),
    }
    if broken {
        return Err(Failure::new(Exit::Failed, "the store failed, and nothing more is accepted")
            .with_next("see the log; check the disk, its free space and the limit on file sizes (ulimit -f), then start again"));
    }
    Ok(Exit::Done)
}

fn failed(error: afield_server::Error) -> Failure {
    match error {
        afield_server::Error::Configuration(text) => Failure::usage(text),
        afield_server::Error::Listen { .. } => Failure::new(Exit::Failed, error.to_string())
            .with_next("take another address: --listen 127.0.0.1:0"),
        other => Failure::new(Exit::Failed, other.to_string()),
    }
}

/// One server per data directory. The lock goes with the process, however it ends. Waits for a server that
/// is ending.
async fn lock(data_dir: &DataDir) -> Result<File, Failure> {
    let path = data_dir.file("server.lock");
    let file = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
    let began = Instant::now();
    while file.try_lock().is_err() {
        // What ends takes its file away first.
        let patience = if data_dir.server_file().is_some() { NOTICES } else { ENDS };
        if began.elapsed() < patience {
            tokio::time::sleep(LOOKS_AGAIN).await;
            continue;
        }
        let who = data_dir
            .server_file()
            .map(|server| format!(" (process {}, {})", server.pid, server.url));
        let who = who.unwrap_or_default();
        return Err(Failure::new(
            Exit::Failed,
            format!("a server already runs on {}{who}", data_dir.path().display()),
        )
        .with_next("use it as it is, stop it, or take another directory: --data-dir DIR"));
    }
    Ok(file)
}

fn server_file(running: &Running) -> ServerFile {
    ServerFile {
        url: running.url.clone(),
        pid: std::process::id(),
        token: running.console_token.clone(),
        fingerprint: running.fingerprint.clone(),
    }
}

/// A server that can't be announced serves all the same.
fn announce(running: &Running, secure: bool, settings: &Discovery) -> Option<Announced> {
    let key = &running.key_fingerprint;
    let subject = Subject { address: running.local_addr, secure, key };
    let started = Announced::start(settings, &subject);
    started.inspect_err(|failure| tracing::warn!(%failure, "not announced")).ok()
}

fn welcome(running: &Running, json: bool, supervised: bool) {
    let ready = News::Ready {
        url: running.url.clone(),
        listen: supervised.then(|| running.local_addr.to_string()),
        fingerprint: running.fingerprint.clone().filter(|_| supervised),
        link: running.first_link.clone().filter(|_| supervised),
    };
    if json || supervised {
        ready.tell();
        return;
    }
    out::line(format!("Afield's server is running at {}", running.url));
    if let Some(fingerprint) = &running.fingerprint {
        out::line(format!("certificate SHA-256: {fingerprint}"));
    }
    if let Some(link) = &running.first_link {
        if let Some(code) = crate::qr::render(link) {
            out::line(code);
        }
        out::line(format!("in a browser (works once, within ten minutes): {link}"));
    }
    out::line(
        "connect a runner from the machine that works:\n  afield runner --server URL --token-file FILE --name NAME",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_server_on_the_same_directory_is_refused_unless_the_first_ends() {
        let outer = tempfile::tempdir().unwrap();
        let data_dir = DataDir::resolve(Some(outer.path().to_owned())).unwrap();
        let held = lock(&data_dir).await.unwrap();
        assert!(lock(&data_dir).await.unwrap_err().to_string().contains("already runs"));
        let ends = async {
            tokio::time::sleep(ENDS / 2).await;
            drop(held);
        };
        let (second, ()) = tokio::join!(lock(&data_dir), ends);
        assert!(second.is_ok());
    }
}
