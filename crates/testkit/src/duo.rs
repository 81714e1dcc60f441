//! A server and a runner as two processes of the real binary, each killed and started on its own.
//!
//! For tests under faults: nothing revives them but the test. Everything is killed by process id
//! when the value is dropped.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::ready::{Printed, ready};

/// Longest wait for a process to do what it must.
const PATIENCE: Duration = Duration::from_secs(60);
/// An outside program tells nobody when its runner is connected: it is asked this often.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How to start.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The `afield` binary.
    pub binary: PathBuf,
    /// Further environment of server and runner.
    pub env: Vec<(String, String)>,
    /// The bug that is on in both, in a binary that has them; none when empty.
    pub planted: String,
    /// What stands in the server's configuration.
    pub config: String,
    /// What stands in the runner's policy.
    pub policy: String,
}

impl Setup {
    /// The environment of server and runner.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        let env = self.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let planted = Some(self.planted.as_str()).filter(|bug| !bug.is_empty());
        env.chain(planted.map(|bug| ("AFIELD_PLANTED", bug)))
    }
}

/// The two, in a temporary directory.
pub struct Duo {
    setup: Setup,
    dir: TempDir,
    server: Option<(Child, Printed)>,
    runner: Option<Child>,
    address: String,
    /// Where the runner connects, when that is not the server itself.
    pub runner_url: Option<String>,
    /// A token with all scopes.
    pub token: String,
}

impl Duo {
    /// Starts the server on a free port. The runner is not started yet.
    ///
    /// A planted bug is on only once there are tokens: without them there is nothing to see.
    pub async fn server(mut setup: Setup) -> Self {
        let planted = std::mem::take(&mut setup.planted);
        let dir = TempDir::with_prefix("afield-duo-").expect("a temporary directory");
        for name in ["root", "server", "runner"] {
            std::fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        std::fs::write(dir.path().join("server/afield.toml"), &setup.config).expect("a file");
        std::fs::write(dir.path().join("runner/runner.toml"), &setup.policy).expect("a file");
        let mut this = Self {
            setup,
            dir,
            server: None,
            runner: None,
            address: "127.0.0.1:0".into(),
            runner_url: None,
            token: String::new(),
        };
        this.start_server().await;
        this.token = this.make_token("test", "all").await;
        let runner = this.make_token("runner", "runner").await;
        std::fs::write(this.path("runner-token"), runner).expect("a file");
        if !planted.is_empty() {
            this.kill_server().await;
            this.setup.planted = planted;
            this.start_server().await;
        }
        this
    }

    /// Starts both.
    pub async fn start(setup: Setup) -> Self {
        let mut this = Self::server(setup).await;
        this.start_runner();
        this.runner_connected().await;
        this
    }

    /// A path in the temporary directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The server's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same, for a proxy.
    pub fn socket_address(&self) -> SocketAddr {
        self.address.parse().expect("an address")
    }

    /// What the two logged.
    pub fn logs(&self) -> String {
        let read = |name| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        format!("server:\n{}\nrunner:\n{}", read("server.log"), read("runner.log"))
    }

    fn command(&self, data: &str) -> Command {
        let log = self.path(&format!("{data}.log"));
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let mut command = Command::new(&self.setup.binary);
        command
            .arg("--data-dir")
            .arg(self.path(data))
            .stdin(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        command
    }

    async fn make_token(&self, name: &str, scopes: &str) -> String {
        let words = ["token", "create", "--name", name, "--scopes", scopes, "--json"];
        let made = self.command("server").args(words).output().await.expect("it starts");
        let made: Value = serde_json::from_slice(&made.stdout).expect("it prints the token");
        made["token"].as_str().expect("a token").to_owned()
    }

    /// Starts the server, on the port it had before, and waits until it is ready.
    ///
    /// # Panics
    /// When it is not ready in time.
    pub async fn start_server(&mut self) {
        let mut server = self
            .command("server")
            .args(["server", "--listen", &self.address, "--json"])
            .envs(self.setup.environment())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let (url, output) = ready(&mut server, || self.logs()).await;
        self.address = url.trim_start_matches("http://").to_owned();
        self.server = Some((server, output));
    }

    /// Has the server answer to the addresses of proxies, too: it starts anew with that.
    ///
    /// # Panics
    /// When the server does not start again.
    pub async fn behind(&mut self, proxies: &[SocketAddr]) {
        let names: Vec<String> = proxies.iter().map(SocketAddr::to_string).collect();
        let config = format!("{}\n[server]\nallowed_hosts = {names:?}\n", self.setup.config);
        std::fs::write(self.path("server/afield.toml"), config).expect("a file");
        self.kill_server().await;
        self.start_server().await;
    }

    /// Starts the runner.
    pub fn start_runner(&mut self) {
        let url = self.runner_url.clone().unwrap_or_else(|| self.url());
        let runner = self
            .command("runner")
            .args(["--server", &url, "--token-file"])
            .arg(self.path("runner-token"))
            .args(["runner", "--name", "duo"])
            .env("AFIELD_RUNNER_ROOTS", self.path("root"))
            .envs(self.setup.environment())
            .stdout(Stdio::null())
            .spawn()
            .expect("the runner starts");
        self.runner = Some(runner);
    }

    /// kill -9.
    pub async fn kill_server(&mut self) {
        if let Some((mut server, _)) = self.server.take() {
            kill(&mut server).await;
        }
    }

    /// kill -9.
    pub async fn kill_runner(&mut self) {
        if let Some(mut runner) = self.runner.take() {
            kill(&mut runner).await;
        }
    }

    /// Whether nothing was started since it was killed.
    pub fn runner_is_down(&self) -> bool {
        self.runner.is_none()
    }

    /// Copies what lies in the temporary directory itself (history, effects, logs), for people.
    pub fn keep(&self, to: &Path) {
        let _ = std::fs::create_dir_all(to);
        for entry in std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten() {
            let _ = std::fs::copy(entry.path(), to.join(entry.file_name()));
        }
    }

    /// A connection with all scopes.
    pub async fn client(&self) -> Client {
        Client::connect(&self.url(), &self.token).await.expect("the server takes the token")
    }

    /// Makes a project of a fresh directory and returns its id.
    pub async fn project(&self, name: &str) -> String {
        let path = self.path("root").join(name);
        std::fs::create_dir(&path).expect("a directory");
        make_project(&mut self.client().await, &path).await
    }

    /// Waits until the runner is connected.
    ///
    /// # Panics
    /// When it does not connect in time.
    pub async fn runner_connected(&self) {
        let mut client = self.client().await;
        let start = Instant::now();
        loop {
            let runners = client.ask("runner_list", json!({})).await.expect("a list");
            let runners = runners["runners"].as_array().cloned().unwrap_or_default();
            if runners.iter().any(|runner| runner["online"] == true) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "the runner does not connect\n{}", self.logs());
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

async fn make_project(client: &mut Client, path: &Path) -> String {
    let project = client.ask("project_create", json!({ "path": path })).await;
    project.expect("a project")["id"].as_str().expect("an id").to_owned()
}

async fn kill(child: &mut Child) {
    child.start_kill().expect("it can be killed");
    child.wait().await.expect("it is dead");
}
