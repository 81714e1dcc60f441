//! From the terminal: a runner and a laptop are paired, work, are thrown out, and go by themselves.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::*;

/// A running `afield` whose JSON lines are read.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(data_dir: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_afield"))
            .arg("--data-dir")
            .arg(data_dir)
            .arg("--json")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> Value {
        let line = tokio::time::timeout(std::time::Duration::from_secs(60), self.lines.next_line());
        serde_json::from_str(&line.await.unwrap().unwrap().unwrap()).unwrap()
    }

    async fn say(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    async fn code(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(std::time::Duration::from_secs(60), self.child.wait());
        ended.await.unwrap().unwrap().code()
    }
}

/// Lets a device in that `args` and the code or link start; the device's process.
async fn let_in(afield: &Afield, how: &[&str], device: &Path, args: &[&str], by: &str) -> Running {
    let mut pair = Running::start(&afield.data_dir(), how);
    let shown = pair.line().await;
    let given = shown[by].as_str().unwrap();
    let args: Vec<&str> =
        args.iter().map(|word| if *word == "GIVEN" { given } else { word }).collect();
    let device = Running::start(device, &args);
    let came = pair.line().await;
    assert_eq!(came["event"], "claimed");
    assert_eq!(came["digits"].as_str().unwrap().len(), 2);
    pair.say("y\n").await;
    assert_eq!(pair.line().await["pairing"]["state"], "approved");
    assert_eq!(pair.code().await, Some(0));
    device
}

#[tokio::test]
async fn a_runner_is_paired_by_its_code_and_thrown_out() {
    let afield = demo().await;
    let dir = tempfile::tempdir().unwrap();
    let start = ["runner", "--pair", "GIVEN", "--server", &afield.url, "--name", "box"];
    let mut runner = let_in(&afield, &["pair", "--runner"], dir.path(), &start, "code").await;
    assert_eq!(runner.line().await["event"], "connected");
    for file in ["device.key", "device.json"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600, "{file}");
    }
    let mut owner = afield.client().await;
    let listed = owner.ask("device_list", json!({})).await.unwrap();
    let listed = listed["devices"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&listed["name"], &listed["kind"]), (&json!("box"), &json!("runner")));
    assert_eq!((&listed["credential"], &listed["presence"]), (&json!("key"), &json!("online")));
    // Started again it needs no code.
    runner.child.kill().await.unwrap();
    let mut runner = Running::start(dir.path(), &["runner"]);
    assert_eq!(runner.line().await["event"], "connected");
    let gone = afield.cli(&["devices", "revoke", "box"]).await;
    assert_eq!(gone.code, Some(0), "{}", gone.stderr);
    assert_eq!(runner.code().await, Some(3), "it does not come back by itself");
    // Paired again it is the same device.
    let mut again = let_in(&afield, &["pair", "--runner"], dir.path(), &start, "code").await;
    assert_eq!(again.line().await["event"], "connected");
    let after = owner.ask("device_list", json!({})).await.unwrap();
    let after = after["devices"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&after["id"], &after["revoked_at"]), (&listed["id"], &Value::Null));
}

#[tokio::test]
async fn a_laptop_is_paired_by_the_link_and_goes_by_itself() {
    let afield = demo().await;
    let dir = tempfile::tempdir().unwrap();
    let how = ["pair", "--scopes", "view", "--name", "laptop"];
    let mut login = let_in(&afield, &how, dir.path(), &["login", "GIVEN"], "link").await;
    assert_eq!(login.line().await["server"], json!(afield.url));
    assert_eq!(login.code().await, Some(0));
    let on_laptop = async |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_afield"))
            .arg("--data-dir")
            .arg(dir.path())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap()
    };
    let listed = on_laptop(&["projects", "list", "--json"]).await;
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    assert_eq!(on_laptop(&["audit", "ls"]).await.status.code(), Some(3), "it may only look");
    let out = on_laptop(&["logout"]).await;
    assert!(String::from_utf8_lossy(&out.stdout).contains("has forgotten this machine"), "{out:?}");
    assert_eq!(on_laptop(&["projects", "list"]).await.status.code(), Some(4));
    let devices = afield.cli(&["devices", "list"]).await;
    assert!(!devices.stdout.contains("laptop"), "{}", devices.stdout);
    let check = afield.cli(&["audit", "verify"]).await;
    assert_eq!(check.code, Some(0), "{}", check.stderr);
    let noted = check.stdout.trim().to_owned();
    assert_eq!(afield.cli(&["audit", "verify", "--since", &noted]).await.code, Some(0));
    let other = format!("{}0", &noted[..noted.len() - 1]);
    let other = if other == noted { format!("{}1", &noted[..noted.len() - 1]) } else { other };
    assert_eq!(afield.cli(&["audit", "verify", "--since", &other]).await.code, Some(1));
    let log = afield.cli(&["audit", "ls", "--limit", "4"]).await.stdout;
    for action in ["pairing_started", "pairing_claimed", "device_paired", "device_revoked"] {
        assert!(log.contains(action), "{action}: {log}");
    }
}

#[tokio::test]
async fn a_link_is_for_a_terminal_too_and_asks_nobody() {
    let afield = demo().await;
    let dir = tempfile::tempdir().unwrap();
    let made = afield.cli(&["link", "--scopes", "view", "--json"]).await;
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let link = made["link"].as_str().unwrap();
    let mut login = Running::start(dir.path(), &["login", link]);
    assert_eq!(login.line().await["server"], json!(afield.url));
    assert_eq!(login.code().await, Some(0));
    let mut listed = Running::start(dir.path(), &["projects", "list"]);
    assert_eq!(listed.code().await, Some(0));
    let other = tempfile::tempdir().unwrap();
    assert_eq!(Running::start(other.path(), &["login", link]).code().await, Some(3), "it is used");
    let runner = afield.cli(&["link", "--scopes", "runner"]).await;
    assert_ne!(runner.code, Some(0), "runners are decided about");
}

#[tokio::test]
async fn a_device_that_is_refused_learns_it() {
    let afield = demo().await;
    let dir = tempfile::tempdir().unwrap();
    let mut pair = Running::start(&afield.data_dir(), &["pair"]);
    let code = pair.line().await["code"].as_str().unwrap().to_owned();
    let mut login = Running::start(dir.path(), &["login", &code, "--server", &afield.url]);
    pair.line().await;
    pair.say("\n").await;
    assert_eq!(pair.line().await["pairing"]["state"], "refused");
    assert_eq!(pair.code().await, Some(3));
    assert_eq!(login.code().await, Some(3));
    let wrong = Running::start(dir.path(), &["login", &code, "--server", &afield.url]).code().await;
    assert_eq!(wrong, Some(3));
}

#[tokio::test]
async fn a_laptop_throws_itself_out_only_when_that_is_meant() {
    let afield = demo().await;
    let dir = tempfile::tempdir().unwrap();
    let start = ["login", "GIVEN", "--server", &afield.url, "--name", "laptop"];
    let mut laptop = let_in(&afield, &["pair"], dir.path(), &start, "code").await;
    assert_eq!(laptop.code().await, Some(0));
    let mut asked = Running::start(dir.path(), &["devices", "revoke", "laptop"]);
    let error = asked.line().await;
    assert_eq!(asked.code().await, Some(2), "{error}");
    assert!(error["message"].as_str().unwrap().contains("paired again"), "{error}");
    let mut gone = Running::start(dir.path(), &["devices", "revoke", "laptop", "--yes"]);
    let device = gone.line().await;
    assert_eq!(gone.code().await, Some(0), "{device}");
    assert!(device["revoked_at"].is_string(), "{device}");
    assert_eq!(Running::start(dir.path(), &["devices"]).code().await, Some(3));
}
