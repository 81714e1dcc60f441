//! A whole Afield in a temporary directory, driven through its real binary.
//!
//! Everything is stopped by process id when the value is dropped.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::client::{Client, ClientError};
use crate::ready::{Printed, ready};

/// Longest wait for a process to do what it must.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the runners of tests allow beside the defaults: the variables of the double.
const RUNNER_POLICY: &str = "pass_environment = [\"CLAUDE_CONFIG_DIR\", \"MOCK_CLAUDE_*\"]\n";

/// How to start.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The `afield` binary.
    pub binary: PathBuf,
    /// Further environment, for the runner mostly.
    pub env: Vec<(String, String)>,
    /// Further arguments of `afield up`.
    pub args: Vec<String>,
}

/// A running `afield up`.
pub struct Afield {
    setup: Setup,
    child: Child,
    lines: Printed,
    dir: TempDir,
    /// The server's address.
    pub url: String,
    /// A token with all scopes.
    pub token: String,
}

impl Afield {
    /// Starts it on a free port, with a fresh data directory and one allowed root.
    pub async fn up(setup: Setup) -> Self {
        let dir = TempDir::with_prefix("afield-e2e-").expect("a temporary directory");
        std::fs::create_dir(dir.path().join("root")).expect("the root of projects");
        let runner = dir.path().join("data/runner");
        std::fs::create_dir_all(&runner).expect("the runner's directory");
        std::fs::write(runner.join("runner.toml"), RUNNER_POLICY).expect("the runner's policy");
        Self::start(setup, dir, "127.0.0.1:0").await
    }

    async fn start(setup: Setup, dir: TempDir, listen: &str) -> Self {
        let log = std::fs::File::create(dir.path().join("up.log")).expect("a log file");
        let mut command = Command::new(&setup.binary);
        command
            .args(["up", "--data-dir"])
            .arg(dir.path().join("data"))
            .args(["--listen", listen, "--json"])
            .args(&setup.args)
            .env("AFIELD_RUNNER_ROOTS", dir.path().join("root"))
            .env("AFIELD_DEMO_PACE", "0.02")
            .env("MOCK_CLAUDE_TIME_SCALE", "0.02")
            .env("CLAUDE_CONFIG_DIR", dir.path().join("claude"))
            .envs(setup.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().expect("afield starts");
        let log = || std::fs::read_to_string(dir.path().join("up.log")).unwrap_or_default();
        let (url, lines) = ready(&mut child, log).await;
        let mut this = Self { setup, child, lines, dir, url, token: String::new() };
        if this.token.is_empty() {
            let made =
                this.cli(&["token", "create", "--name", "test", "--scopes", "all", "--json"]);
            let made: Value = serde_json::from_str(&made.await.stdout).expect("the token as JSON");
            this.token = made["token"].as_str().expect("a token").to_owned();
        }
        this
    }

    /// The directory projects may lie in.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A path inside the temporary directory, outside the root.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a directory under the root.
    pub fn make_dir(&self, name: &str) -> String {
        let path = self.root().join(name);
        std::fs::create_dir_all(&path).expect("a project's directory");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// What the processes logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("up.log")).unwrap_or_default()
    }

    /// A connection with all scopes.
    pub async fn client(&self) -> Client {
        Client::connect(&self.url, &self.token).await.expect("the server takes the token")
    }

    /// A connection, tried again while the server starts anew.
    pub async fn client_again(&self) -> Client {
        let start = Instant::now();
        loop {
            match Client::connect(&self.url, &self.token).await {
                Ok(client) => return client,
                Err(error) if start.elapsed() > PATIENCE => panic!("no server again: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Makes a project of a fresh directory and returns its id.
    pub async fn project(&self, client: &mut Client, name: &str) -> String {
        let path = self.make_dir(name);
        let project = client.ask("project_create", json!({ "path": path })).await;
        project.expect("the project is made")["id"].as_str().expect("an id").to_owned()
    }

    /// Runs the binary with this data directory.
    pub async fn cli(&self, args: &[&str]) -> Output {
        self.cli_with_input(args, "").await
    }

    /// Runs the binary with this data directory and standard input.
    pub async fn cli_with_input(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new(&self.setup.binary)
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(args)
            .current_dir(self.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("afield starts");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let input = input.to_owned();
        let write = async move {
            // A program that does not read its input is fine.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stdin, input.as_bytes()).await;
        };
        let (output, ()) =
            tokio::join!(tokio::time::timeout(PATIENCE, child.wait_with_output()), write,);
        let output = output.expect("the command ends").expect("its output can be read");
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The next line `afield up --json` prints.
    pub async fn next_line(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("a line in time").expect("a readable line").expect("not the end");
        serde_json::from_str(&line).expect("JSON")
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// The process id of a child of `up`, `server` or `runner`, while there is one.
    pub fn find_child(&self, word: &str) -> Option<u32> {
        children(self.pid()).into_iter().find(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|part| part == word.as_bytes())
        })
    }

    /// The process id of a child of `up` that must be there.
    pub fn child_pid(&self, word: &str) -> u32 {
        self.find_child(word).unwrap_or_else(|| panic!("no {word} below {}", self.pid()))
    }

    /// kill -9 for one of the children, once it is there: `server` or `runner`.
    pub async fn kill_child(&self, word: &str) {
        until(&format!("there is a {word}"), || self.find_child(word).is_some()).await;
        signal(self.child_pid(word), Signal::SIGKILL);
    }

    /// Ends everything in order and returns the exit status.
    pub async fn stop(&mut self) -> std::process::ExitStatus {
        signal(self.pid(), Signal::SIGTERM);
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("it stops")
            .expect("it can be waited for")
    }

    /// Stops it in order and starts it again on the same port and data.
    pub async fn restart(self) -> Self {
        self.restart_after(|_| ()).await
    }

    /// The same, with something done to its data directory in between.
    pub async fn restart_after(mut self, change: impl FnOnce(&Path)) -> Self {
        self.stop().await;
        change(&self.data_dir());
        let listen = self.url.trim_start_matches("http://").to_owned();
        let Parts { setup, dir, token } = self.dismantle();
        let mut again = Self::start(setup, dir, &listen).await;
        again.token = token;
        again
    }

    fn dismantle(self) -> Parts {
        // `Afield` has no `Drop` of its own: the child is killed when it is dropped.
        Parts { setup: self.setup, dir: self.dir, token: self.token }
    }
}

struct Parts {
    setup: Setup,
    dir: TempDir,
    token: String,
}

/// What a command printed.
#[derive(Debug)]
pub struct Output {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("process ids are small"));
    kill(pid, signal).expect("the process is there");
}

/// Direct children of a process.
pub fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Processes whose environment holds this text.
pub fn processes_marked(mark: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    })
    .collect()
}

/// Waits until a condition of the outside world holds.
///
/// # Panics
/// When it does not within a minute.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "not so within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Where another binary of the workspace is, built when it is not there yet.
pub fn workspace_binary(beside: &Path, package: &str, name: &str) -> PathBuf {
    let path = beside.with_file_name(name);
    if !path.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = std::process::Command::new(cargo)
            .args(["build", "--quiet", "--package", package, "--bin", name])
            .status();
        assert!(built.is_ok_and(|status| status.success()), "{name} can be built");
    }
    path
}

/// The refusal's code, for assertions.
pub fn code(outcome: Result<Value, ClientError>) -> String {
    match outcome {
        Err(ClientError::Refused(data)) => data["code"].as_str().unwrap_or("?").to_owned(),
        other => format!("not refused: {other:?}"),
    }
}
