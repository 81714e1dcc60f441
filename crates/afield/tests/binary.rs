//! The real binary: what scripts rely on, and what must not be left behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

fn afield(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afield"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home);
    command.env("AFIELD_DEMO_PACE", "0").env("AFIELD_RUNNER_ROOTS", home);
    command.arg("--data-dir").arg(home.join("data"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The same with a limit on the size of files: 2 or 4 MB, as shells count in blocks of 512 or 1024 bytes.
fn limited(home: &Path) -> Command {
    let plain = afield(home);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -f 4000; exec \"$0\" \"$@\""]).arg(plain.get_program());
    command.args(plain.get_args()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// `afield up`, killed with everything it started when dropped.
struct Up {
    home: TempDir,
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Up {
    fn start(arguments: &[&str]) -> Self {
        Self::start_as(afield, arguments)
    }

    fn start_as(afield: fn(&Path) -> Command, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("shop")).unwrap();
        std::fs::write(home.path().join("shop/readme.txt"), "hello").unwrap();
        let mut command = afield(home.path());
        command.args(["up", "--listen", "127.0.0.1:0", "--json"]).args(arguments);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.next().unwrap_or_else(|| panic!("up ended: {}", errors(&mut process)));
        let ready = ready.unwrap();
        let news: Value = serde_json::from_str(&ready).unwrap();
        let url = news["url"].as_str().unwrap().to_owned();
        assert_eq!(ready, format!(r#"{{"event":"ready","url":"{url}"}}"#));
        Self { home, process, lines, url }
    }

    fn shop(&self) -> PathBuf {
        self.home.path().join("shop")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = afield(self.home.path());
        command.args(arguments).current_dir(self.shop());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints with `--json`, when it succeeds.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    fn server_pid(&self) -> Pid {
        let file = std::fs::read(self.home.path().join("data/server.json")).unwrap();
        let server: Value = serde_json::from_slice(&file).unwrap();
        Pid::from_raw(server["pid"].as_i64().unwrap().try_into().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().try_into().unwrap()), signal).unwrap();
    }

    /// Every process that was started holds the other end of standard error: its end is the end
    /// of the last of them.
    fn all_gone(&mut self) -> String {
        let said = errors(&mut self.process);
        self.process.wait().unwrap();
        said
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn errors(process: &mut Child) -> String {
    let mut text = Vec::new();
    process.stderr.take().unwrap().read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_limit_that_lets_nobody_in_is_refused_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    for part in ["server", "up"] {
        let mut command = afield(home.path());
        command.env("AFIELD_LIMITS__CONNECTIONS", "0").args([part, "--listen", "127.0.0.1:0"]);
        let refused = command.output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{part}: {said}");
        assert!(said.contains("limits.connections (in $AFIELD_LIMITS__CONNECTIONS)"), "{said}");
        assert!(
            said.contains("write 1 or more, or leave it out for the default of 10000"),
            "{said}"
        );
    }
}

#[test]
fn a_file_past_the_limit_of_the_process_is_said_and_kills_nothing() {
    let mut up = Up::start_as(limited, &[]);
    let added = up.run(&["projects", "add", "."]);
    assert!(added.status.success(), "{added:?}");
    let ran = stdout(&up.run(&["run", "--", "grep", "SigIgn", "/proc/self/status"]));
    let ignored = ran.split_whitespace().find_map(|word| u64::from_str_radix(word, 16).ok());
    let bit = 1 << (Signal::SIGXFSZ as u32 - 1);
    assert_eq!(ignored.map(|signals| signals & bit), Some(0), "programs get the default: {ran}");
    up.run(&["queue", "hold", "--all"]);
    let prompt = "x".repeat(100_000);
    let refused = (0..60)
        .map(|_| up.run(&["run", "--detach", "--agent", "demo", &prompt]))
        .find(|sent| !sent.status.success() || !sent.stderr.is_empty());
    let refused = refused.expect("6 MB do not fit into the limit");
    let event: Value = serde_json::from_str(&up.lines.next().unwrap().unwrap()).unwrap();
    let (word, message) = (&event["event"], event["message"].as_str().unwrap());
    assert_eq!(word, "restarting", "{refused:?}");
    assert!(message.contains("the server ended (exit code 1)"), "{message}");
    up.signal(Signal::SIGTERM);
    let said = up.all_gone();
    assert!(said.contains("the database failed, nothing is acknowledged any more"), "{said}");
    assert!(said.contains("ulimit -f"), "{said}");
}

#[test]
fn the_main_job_from_add_to_history() {
    let up = Up::start(&[]);
    let token = up.json(&["token", "create", "--name", "N", "--scopes", "all"]);
    assert!(token["token"].as_str().unwrap().starts_with("afd_") && token["device_id"].is_string());
    let project = up.json(&["projects", "add", "."]);
    assert_eq!(project["path"], up.shop().canonicalize().unwrap().to_str().unwrap());
    let done = up.run(&["run", "--agent", "demo", "hello from a script"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(stdout(&done).contains("You said: “hello from a script”"), "{}", stdout(&done));
    let failed = up.run(&["run", "--agent", "demo", "--json", "please fail"]);
    assert_eq!(failed.status.code(), Some(1));
    let last: Value = serde_json::from_str(stdout(&failed).lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["outcome"]["kind"]), (&"finished".into(), &"failed".into()));
    let history = stdout(&up.run(&["history", "--search", "FROM A SCRIPT"]));
    assert!(history.contains("› hello from a script"), "{history}");
    let missing = up.run(&["run", "-p", "nowhere", "hello"]);
    assert_eq!(missing.status.code(), Some(3));
    // A token given by hand reaches the same server.
    let mut elsewhere = Command::new(env!("CARGO_BIN_EXE_afield"));
    elsewhere.env_clear().env("HOME", "/nonexistent");
    elsewhere.args(["--server", &up.url, "--json", "projects", "list"]);
    elsewhere.env("AFIELD_TOKEN", token["token"].as_str().unwrap());
    assert!(stdout(&elsewhere.output().unwrap()).contains(project["id"].as_str().unwrap()));
}

#[test]
fn a_command_survives_the_death_of_the_server() {
    let mut up = Up::start(&[]);
    up.json(&["projects", "add", ".", "--agent", "demo"]);
    // It asks, so that it is certainly in the middle.
    let mut run = up.command(&["run", "--json", "please ask"]).spawn().unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let mut until = |word: &str| {
        let fits = |line: &String| line.contains(word);
        lines.by_ref().map(Result::unwrap).find(fits).unwrap_or_else(|| panic!("no {word}"))
    };
    until(r#""event":"approval_state""#);
    kill(up.server_pid(), Signal::SIGKILL).unwrap();
    until(r#""event":"offline""#);
    assert_eq!(up.next()["event"], "restarting");
    assert_eq!(up.next()["event"], "restarted");
    until(r#""event":"online""#);
    let answered = up.run(&["approvals", "answer", "--deny", "--reason", "not today"]);
    assert!(answered.status.success(), "{answered:?}");
    until(r#""event":"finished""#);
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn nothing_survives_a_sudden_end() {
    let mut up = Up::start(&[]);
    up.signal(Signal::SIGKILL);
    let said = up.all_gone();
    assert!(!said.contains("panicked"), "{said}");
    let after = up.run(&["projects", "list"]);
    assert_eq!(after.status.code(), Some(4));
    let words = String::from_utf8(after.stderr).unwrap();
    assert!(words.contains("no server is running here; start one with: afield up"), "{words}");
}

#[test]
fn an_orderly_end_is_quiet() {
    let mut up = Up::start(&["--tls", "self-signed"]);
    assert!(up.url.starts_with("https://"));
    // The fingerprint is found where the server left it.
    assert!(up.run(&["health"]).status.success());
    assert!(up.run(&["doctor"]).status.code().is_some_and(|code| code <= 1));
    up.signal(Signal::SIGTERM);
    let said = up.all_gone();
    assert!(!said.contains("ERROR") && !said.contains("panicked"), "{said}");
    assert!(!up.home.path().join("data/server.json").exists());
}

#[test]
fn what_the_server_refuses_to_start_with_is_not_called_valid() {
    for (key, file) in [
        ("limits.finished_kept_hours", "[limits]\nfinished_kept_hours = 0\n"),
        ("limits.handoff_grace_seconds", "[limits]\nhandoff_grace_seconds = -1\n"),
        ("log.level", "[log]\nlevel = \"silly=bogus=x\"\n"),
        ("server.allowed_hosts", "[server]\nallowed_hosts = [\"\"]\n"),
    ] {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("data")).unwrap();
        std::fs::write(home.path().join("data/afield.toml"), file).unwrap();
        for arguments in [&["doctor"][..], &["config", "show"]] {
            let Output { status, stdout, stderr } =
                afield(home.path()).args(arguments).output().unwrap();
            let said = String::from_utf8([stdout, stderr].concat()).unwrap();
            assert!(!status.success() && !said.contains("valid; "), "{arguments:?}: {said}");
            let refusal = said.lines().filter(|line| !line.trim_start().starts_with(key));
            let refusal: Vec<_> = refusal.filter(|line| line.contains(key)).collect();
            assert_eq!(refusal.len(), 1, "{arguments:?}: {said}");
        }
    }
}

#[test]
fn a_runner_that_was_thrown_out_stays_out() {
    let mut up = Up::start(&["--name", "box"]);
    up.json(&["token", "revoke", "box"]);
    let news = up.next();
    assert_eq!((&news["event"], &news["part"]), (&"refused".into(), &"runner".into()), "{news}");
    // Others join with a credential of their own.
    let made = up.json(&["token", "create", "--name", "far", "--scopes", "runner"]);
    let file = up.home.path().join("far.token");
    std::fs::write(&file, made["token"].as_str().unwrap()).unwrap();
    let mut far = Command::new(env!("CARGO_BIN_EXE_afield"));
    far.env_clear().env("HOME", up.home.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    far.args(["runner", "--name", "far", "--json", "--server", &up.url, "--token-file"]).arg(&file);
    far.arg("--data-dir").arg(up.home.path().join("far"));
    let mut far = far.spawn().unwrap();
    let first = BufReader::new(far.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert_eq!(first, r#"{"event":"connected"}"#);
    let project = up.json(&["projects", "add", "--runner", "far", "."]);
    assert!(project["id"].is_string());
    kill(Pid::from_raw(far.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(far.wait().unwrap().code(), Some(0));
}

#[test]
fn wrong_use_says_what_is_right() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = afield(home.path()).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["projects", "lst"]);
    assert!(code == 2 && said.contains("list"), "{said}");
    let (code, said) = run(&["up", "--listen", "0.0.0.0:0"]);
    assert!(code == 2 && said.contains("--behind-proxy"), "{said}");
    let (code, said) = run(&["explain", "NO_SUCH_CODE"]);
    assert!(code == 2 && said.contains("afield explain"), "{said}");
    std::fs::create_dir_all(home.path().join("data")).unwrap();
    std::fs::write(home.path().join("data/afield.toml"), "[server]\nlisen = \"x\"\n").unwrap();
    let (code, said) = run(&["server"]);
    assert!(code == 2 && said.contains("did you mean server.listen?"), "{said}");
}
