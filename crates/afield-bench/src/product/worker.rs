//! A real runner, as it is shipped, with one project.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::link::Link;
use super::{Server, program};
use crate::process::Killed;

const START_DEADLINE: Duration = Duration::from_secs(20);

/// A running runner.
pub(crate) struct Worker {
    /// The project's id.
    pub(crate) project: String,
    _process: Killed,
    _folder: TempDir,
}

impl Worker {
    /// Starts it with its data on the disk of `parent`, and makes a project there.
    pub(crate) async fn start(server: &Server, parent: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("afbench").tempdir_in(parent)?;
        let (data, directory) = (folder.path().join("data"), folder.path().join("project"));
        std::fs::create_dir_all(&data)?;
        std::fs::create_dir_all(&directory)?;
        let token = folder.path().join("token");
        std::fs::write(&token, &server.runner_token)?;
        let mut command = Command::new(program()?);
        command
            .arg("--data-dir")
            .arg(&data)
            .args(["--server", &server.url, "--token-file"])
            .arg(&token)
            .args(["runner", "--name", "bench"])
            .env("AFIELD_RUNNER_ROOTS", folder.path())
            .env("AFIELD_LOG__LEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = Killed(command.spawn().context("the runner can't be started")?);
        let mut link = Link::connect(&server.url, &server.token).await?;
        let path = directory.to_str().context("a temporary folder has a plain name")?;
        let project = created(&mut link, path).await?;
        Ok(Self { project, _process: process, _folder: folder })
    }
}

/// Asks until the runner is there to answer.
async fn created(link: &mut Link, path: &str) -> Result<String> {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        match link.ask("project_create", &json!({ "path": path })).await {
            Ok(Value::Object(project)) => {
                return Ok(project["id"].as_str().context("a project has an id")?.to_owned());
            }
            Ok(other) => anyhow::bail!("project_create answers {other}"),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
