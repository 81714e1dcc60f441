//! A private Redis: on a Unix socket, empty.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;

use super::{Daemon, Durability};

/// Where it listens.
pub fn socket(daemon: &Daemon) -> PathBuf {
    daemon.folder().join("redis.sock")
}

/// Starts it in a folder of its own below `parent`.
///
/// **Errors**: it is not installed or does not start; its log is part of the message.
pub async fn start(parent: &Path, durability: Durability) -> Result<Daemon> {
    let folder = tempfile::Builder::new().prefix("afrd").tempdir_in(parent)?;
    let mut server = Command::new("redis-server");
    server
        .current_dir(folder.path())
        .args(["--port", "0", "--save", "", "--daemonize", "no"])
        .arg("--unixsocket")
        .arg(folder.path().join("redis.sock"));
    match durability {
        Durability::None => server.args(["--appendonly", "no"]),
        Durability::Full => server.args(["--appendonly", "yes", "--appendfsync", "always"]),
    };
    let daemon = Daemon::spawn("Redis", server, Signal::SIGTERM, folder)
        .context("is redis-server installed? run `make setup`")?;
    daemon.wait_ready(|folder| UnixStream::connect(folder.join("redis.sock")).is_ok()).await
}
