//! The product as it is shipped: the release binary beside this one, started privately, spoken to
//! over its own protocol.

pub(crate) mod follower;
pub(crate) mod link;
pub(crate) mod runner;
pub(crate) mod worker;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::Killed;

/// Limits that protect a server from strangers and would stop a benchmark.
const ENVIRONMENT: [(&str, &str); 12] = [
    ("AFIELD_LIMITS__CONNECTIONS", "30000"),
    ("AFIELD_LIMITS__CONNECTIONS_PER_ADDRESS", "30000"),
    ("AFIELD_LIMITS__PROJECTS_PER_ORG", "1000000"),
    ("AFIELD_LIMITS__REQUESTS_PER_SECOND", "100000000"),
    ("AFIELD_LIMITS__SUBMISSIONS_PER_MINUTE", "4000000000"),
    ("AFIELD_LIMITS__QUEUED_PER_PROJECT", "10000000"),
    ("AFIELD_LIMITS__QUEUED_PER_DEVICE", "10000000"),
    ("AFIELD_LIMITS__QUEUED_PER_ORG", "10000000"),
    ("AFIELD_LIMITS__QUEUED_BYTES", "100000000000"),
    ("AFIELD_LIMITS__HTTP_REQUESTS_PER_SECOND", "1000000"),
    ("AFIELD_LOG__LEVEL", "warn"),
    ("RUST_BACKTRACE", "0"),
];

/// A running server with an empty database.
pub(crate) struct Server {
    pub(crate) process: Killed,
    /// Such as `http://127.0.0.1:40123`.
    pub(crate) url: String,
    /// A person's credential with every scope.
    pub(crate) token: String,
    /// A runner's credential.
    pub(crate) runner_token: String,
    // after the process
    folder: TempDir,
}

impl Server {
    /// Starts it with its data on the disk of `parent`.
    pub(crate) fn start(parent: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("afbench").tempdir_in(parent)?;
        let (process, url) = Self::spawn(folder.path())?;
        let token = make_token(folder.path(), "all")?;
        let runner_token = make_token(folder.path(), "runner")?;
        Ok(Self { process, url, token, runner_token, folder })
    }

    /// Kills it and starts it again with the data it has.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.process.0.kill()?;
        self.process.0.wait()?;
        (self.process, self.url) = Self::spawn(self.folder.path())?;
        Ok(())
    }

    fn spawn(folder: &Path) -> Result<(Killed, String)> {
        let mut command = Command::new(program()?);
        command
            .arg("--data-dir")
            .arg(folder)
            .args(["server", "--listen", "127.0.0.1:0", "--json"])
            .envs(ENVIRONMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Killed(command.spawn().context("the server can't be started")?);
        let output = process.0.stdout.take().context("it was piped")?;
        let ready = read_ready(BufReader::new(output))?;
        let url = ready["url"].as_str().context("the ready line names a url")?.to_owned();
        Ok((process, url))
    }
}

/// The release binary, which cargo puts beside this one.
pub(crate) fn program() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("afield");
    if !path.is_file() {
        bail!("{} is not there; build it with: make build", path.display());
    }
    Ok(path)
}

fn read_ready(output: impl BufRead) -> Result<Value> {
    for line in output.lines() {
        let line: Value = serde_json::from_str(&line?).context("the server speaks JSON")?;
        if line["event"] == "ready" {
            return Ok(line);
        }
    }
    bail!("the server ended before it was ready")
}

fn make_token(folder: &Path, scopes: &str) -> Result<String> {
    let made = Command::new(program()?)
        .arg("--data-dir")
        .arg(folder)
        .args(["token", "create", "--name", scopes, "--scopes", scopes, "--json"])
        .stderr(Stdio::inherit())
        .output()?;
    let told: Value = serde_json::from_slice(&made.stdout).context("afield token create")?;
    Ok(told["token"].as_str().context("the answer has a token")?.to_owned())
}
