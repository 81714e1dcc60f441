//! A server and a runner whose power can be cut.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use powercut_shim::{LYING_DISK, Mode, Report, environment, rollback};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::client::Client;
use testkit::duo::Setup;
use testkit::ready::{Printed, ready};
use tokio::process::{Child, Command};

/// Longest wait for a process to do what it must.
const PATIENCE: Duration = Duration::from_secs(60);
/// An outside program tells nobody when its runner is connected: it is asked this often.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Whether a sync keeps what it says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Honest,
    Lying,
}

/// The folders of a test.
pub(crate) struct World {
    dir: TempDir,
    setup: Setup,
}

/// Where a server answers, and with which credential.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Address {
    pub(crate) async fn connect(&self) -> Client {
        Client::connect(&self.url, &self.token).await.expect("the server takes the token")
    }
}

/// A running server and runner.
pub(crate) struct Running {
    server: Child,
    runner: Child,
    address: Address,
    _output: Printed,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let dir = TempDir::with_prefix("afield-cut-").expect("a temporary directory");
        for name in ["disk/projects", "disk/runner", "journal"] {
            std::fs::create_dir_all(dir.path().join(name)).expect("a directory");
        }
        std::fs::create_dir(dir.path().join("disk/server")).expect("a directory");
        std::fs::write(dir.path().join("disk/server/afield.toml"), &setup.config).expect("a file");
        Self { dir, setup }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The history of the clients. Not on the disk that loses power.
    pub(crate) fn history(&self) -> PathBuf {
        self.path("history")
    }

    /// What was really started. Not on that disk, either.
    pub(crate) fn effects(&self) -> PathBuf {
        self.path("effects")
    }

    fn command(&self, disk: Disk, log: &str) -> Command {
        let log = File::options().create(true).append(true).open(self.path(log)).expect("a log");
        let shim = environment(&self.path("disk"), &self.path("journal")).expect("the library");
        let mut command = Command::new(&self.setup.binary);
        command
            .envs(shim)
            .envs(self.setup.environment())
            .stdin(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        if disk == Disk::Lying {
            command.env(LYING_DISK.0, LYING_DISK.1);
        }
        command
    }

    /// Starts server and runner, and waits until the runner is connected.
    pub(crate) async fn start(&self, disk: Disk) -> Running {
        let mut server = self
            .command(disk, "server.log")
            .arg("--data-dir")
            .arg(self.path("disk/server"))
            .args(["server", "--listen", "127.0.0.1:0", "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let (url, output) = ready(&mut server, || self.log("server.log")).await;
        let address = Address { url, token: self.token("token", "all").await };
        let runner_token = self.token("runner-token", "runner").await;
        std::fs::write(self.path("runner-token"), runner_token).expect("a file");
        let runner = self
            .command(disk, "runner.log")
            .arg("--data-dir")
            .arg(self.path("disk/runner"))
            .args(["--server", &address.url, "--token-file"])
            .arg(self.path("runner-token"))
            .args(["runner", "--name", "cut"])
            .env("AFIELD_RUNNER_ROOTS", self.path("disk/projects"))
            .stdout(Stdio::null())
            .spawn()
            .expect("the runner starts");
        let running = Running { server, runner, address, _output: output };
        running.runner_connected(self).await;
        running
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A credential, made once and kept past all cuts.
    async fn token(&self, file: &str, scopes: &str) -> String {
        let path = self.path(file);
        if let Ok(token) = std::fs::read_to_string(&path) {
            return token;
        }
        let made = Command::new(&self.setup.binary)
            .arg("--data-dir")
            .arg(self.path("disk/server"))
            .args(["token", "create", "--name", file, "--scopes", scopes, "--json"])
            .output()
            .await
            .expect("the command line starts");
        let made: Value = serde_json::from_slice(&made.stdout).expect("it prints the token");
        let token = made["token"].as_str().expect("a token").to_owned();
        std::fs::write(path, &token).expect("a file");
        token
    }
}

impl Running {
    pub(crate) fn address(&self) -> Address {
        self.address.clone()
    }

    /// Makes the project of a worker.
    pub(crate) async fn project(&self, world: &World, number: u64) -> String {
        let path = world.path("disk/projects").join(number.to_string());
        std::fs::create_dir(&path).expect("a directory");
        let mut client = self.address.connect().await;
        let project = client.ask("project_create", json!({ "path": path })).await;
        project.expect("a project")["id"].as_str().expect("an id").to_owned()
    }

    async fn runner_connected(&self, world: &World) {
        let mut client = self.address.connect().await;
        let poll = async {
            loop {
                let runners = client.ask("runner_list", json!({})).await.expect("a list");
                let runners = runners["runners"].as_array().cloned().unwrap_or_default();
                if runners.iter().any(|runner| runner["online"] == true) {
                    return;
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let connected = tokio::time::timeout(PATIENCE, poll).await;
        assert!(connected.is_ok(), "the runner does not connect\n{}", world.log("runner.log"));
    }

    /// Ends both in order; there is nothing to take back.
    pub(crate) async fn stop(mut self, world: &World) {
        for child in [&mut self.runner, &mut self.server] {
            terminate(child);
            let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
            assert!(ended.is_ok_and(|status| status.is_ok()), "it does not stop");
        }
        clear(&world.path("journal"));
    }

    /// Cuts the power of both.
    pub(crate) async fn cut(mut self, world: &World, mode: Mode) -> Report {
        self.server.start_kill().expect("it can be killed");
        self.runner.start_kill().expect("it can be killed");
        self.server.wait().await.expect("it is dead");
        self.runner.wait().await.expect("it is dead");
        rollback(&world.path("journal"), mode).expect("there is a journal")
    }
}

fn terminate(child: &Child) {
    use nix::sys::signal::{Signal, kill};
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).expect("it still runs");
    kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).expect("it can be told");
}

fn clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        std::fs::remove_file(entry.path()).expect("a file");
    }
}
