//! The command line as a newcomer and a script use it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output, Stdio};

use super::*;

/// Runs `afield` with arguments as the operating system knows them.
fn raw(afield: &Afield, args: &[&[u8]], input: Stdio) -> Output {
    let args = args.iter().map(|argument| OsStr::from_bytes(argument));
    let mut command = Command::new(env!("CARGO_BIN_EXE_afield"));
    command.arg("--data-dir").arg(afield.data_dir()).args(args).stdin(input);
    command.current_dir(afield.root()).output().unwrap()
}

#[tokio::test]
async fn the_first_five_minutes() {
    let afield = demo().await;
    let dir = afield.make_dir("demo");
    let added = afield.cli(&["projects", "add", &dir, "--json"]).await;
    let project: Value = serde_json::from_str(&added.stdout).expect(&added.stderr);
    let listed = afield.cli(&["projects", "list"]).await;
    assert!(listed.stdout.contains("demo"), "{}", listed.stdout);
    let ran = afield.cli(&["run", "-p", &dir, "--agent", "demo", "hello"]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.trim().is_empty());
    assert!(!ran.stdout.contains('\u{1b}'), "no colours into a pipe");
    let failed = afield.cli(&["run", "-p", &dir, "--agent", "demo", "fail"]).await;
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    let id = project["id"].as_str().unwrap();
    let json = afield.cli(&["run", "-p", id, "--agent", "demo", "--json", "hello"]).await;
    let last: Value = serde_json::from_str(json.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["outcome"]["kind"]),
        (&json!("finished"), &json!("succeeded"))
    );
    let history = afield.cli(&["history", "-p", &dir]).await;
    assert!(history.stdout.contains("hello"), "{}", history.stdout);
    let ends: Vec<_> = history.stdout.lines().filter(|line| line.starts_with("done")).collect();
    assert_eq!(ends.len(), 2, "{}", history.stdout);
    assert!(history.stdout.lines().any(|line| line.starts_with("failed")), "{}", history.stdout);
    let health = afield.cli(&["health", "--json"]).await;
    let health: Value = serde_json::from_str(&health.stdout).expect(&health.stderr);
    assert_eq!(health["status"], "ok");
    let removed = afield.cli(&["projects", "rm", id]).await;
    assert_eq!(removed.code, Some(0), "{}", removed.stderr);
}

#[tokio::test]
async fn errors_say_what_to_do_next() {
    let afield = demo().await;
    let dir = afield.make_dir("p");
    afield.cli(&["projects", "add", &dir]).await;
    let missing = afield.cli(&["run", "-p", &dir, "hello"]).await;
    assert_ne!(missing.code, Some(0));
    assert!(missing.stderr.contains("CLAUDE_NOT_FOUND"), "{}", missing.stderr);
    assert!(missing.stderr.contains("explain"), "{}", missing.stderr);
    let page = afield.cli(&["explain", "CLAUDE_NOT_FOUND"]).await;
    assert!(page.stdout.contains("What to do"), "{}", page.stdout);
    let outside = afield.cli(&["projects", "add", "/etc"]).await;
    assert!(outside.stderr.contains("INVALID_PATH"), "{}", outside.stderr);
    assert!(outside.stderr.contains("error: /etc: "), "{}", outside.stderr);
    let root = std::fs::canonicalize(&dir).unwrap();
    let root = root.parent().unwrap().to_str().unwrap();
    assert!(outside.stderr.contains(root), "the roots are named: {}", outside.stderr);
    let program = afield.cli(&["run", "-p", &dir, "--", "nonexist", "-x"]).await;
    assert!(program.stderr.contains("the program \"nonexist\""), "{}", program.stderr);
    let long = "a".repeat(2_000_000);
    for how in [&["run", "-p", &dir, "-"][..], &["run", "-p", &dir, "-d", "-"]] {
        let refused = afield.cli_with_input(how, &long).await;
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains("the server takes 1047552"), "{}", refused.stderr);
    }
    let spaces = afield.make_dir("my shop");
    let added = afield.cli(&["projects", "add", &spaces]).await;
    assert!(added.stdout.contains(&format!("-p '{spaces}' ")), "{}", added.stdout);
}

#[tokio::test]
async fn attach_shows_history_and_takes_prompts() {
    let afield = demo().await;
    let dir = afield.make_dir("p");
    afield.cli(&["projects", "add", &dir]).await;
    let settings = afield.cli(&["projects", "set", &dir, "--agent", "demo"]).await;
    assert_eq!(settings.code, Some(0), "{}", settings.stderr);
    afield.cli(&["run", "-p", &dir, "first words"]).await;
    let attached = afield.cli_with_input(&["attach", "-p", &dir], "/help\n/quit\n").await;
    assert_eq!(attached.code, Some(0), "{}", attached.stderr);
    assert!(attached.stdout.contains("first words"), "{}", attached.stdout);
    assert!(attached.stdout.contains("/allow"), "{}", attached.stdout);
}

#[tokio::test]
async fn a_child_that_dies_is_restarted_and_says_so() {
    let mut afield = demo().await;
    afield.kill_child("runner").await;
    let line = afield.next_line().await;
    assert!(line["event"].is_string(), "{line}");
    let mut client = afield.client_again().await;
    loop {
        let list = client.ask("runner_list", json!({})).await.unwrap();
        if list["runners"][0]["online"] == true {
            break;
        }
    }
    assert!(afield.stop().await.success());
}

#[tokio::test]
async fn what_is_no_utf8_is_refused_like_any_other_wrong_use() {
    let afield = demo().await;
    for args in [
        &[&b"projects"[..], b"add", b"/x/bad\xff", b"--json"][..],
        &[b"run", b"--json", b"bad\xff"],
        &[b"--json", b"bad\xff"],
    ] {
        let output = raw(&afield, args, Stdio::null());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        let error: Value = serde_json::from_slice(&output.stdout).expect(&said);
        assert_eq!((&error["event"], &error["exit"]), (&json!("error"), &json!(2)), "{error}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_afield"));
    command.args(["config", "show"]).env("UNRELATED", OsStr::from_bytes(b"\xff"));
    let shown = command.arg("--data-dir").arg(afield.data_dir()).output().unwrap();
    assert!(shown.status.success(), "{shown:?}");
}

#[tokio::test]
async fn a_wrong_command_line_is_told_to_programs_as_well() {
    let afield = demo().await;
    for args in [&["--json", "projects", "lst"][..], &["token", "create", "--json"], &["--json"]] {
        let wrong = afield.cli(args).await;
        assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
        let error: Value = serde_json::from_str(&wrong.stdout).expect(&wrong.stderr);
        assert_eq!((&error["event"], &error["exit"]), (&json!("error"), &json!(2)), "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
        assert!(wrong.stderr.contains("Usage:"), "{}", wrong.stderr);
    }
    let wrong = afield.cli(&["projects", "lst"]).await;
    assert!(wrong.stdout.is_empty() && wrong.stderr.contains("list"), "{wrong:?}");
}

#[tokio::test]
async fn input_without_an_end_is_not_read_to_it() {
    let afield = demo().await;
    let pipe = afield.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for file in ["/dev/zero", pipe.to_str().unwrap()] {
        let refused = afield.cli(&["run", "--attach", file, "what is this?"]).await;
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains("it is no regular file"), "{}", refused.stderr);
    }
    let endless = Stdio::from(std::fs::File::open("/dev/zero").unwrap());
    let refused = raw(&afield, &[b"run", b"-"], endless);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("the server takes 1047552"), "{said}");
}

#[tokio::test]
async fn a_directory_whose_name_has_lines_has_one_row() {
    let afield = demo().await;
    let dir = afield.make_dir("two\nlines");
    let added = afield.cli(&["projects", "add", &dir, "--agent", "demo"]).await;
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    afield.cli(&["run", "-p", &dir, "-d", "--hold", "hello"]).await;
    for list in ["projects", "queue"] {
        let listed = afield.cli(&[list, "ls"]).await;
        assert!(listed.stdout.contains("two\\u{a}lines"), "{}", listed.stdout);
        assert_eq!(listed.stdout.trim_end().lines().count(), 2, "{}", listed.stdout);
    }
}

#[tokio::test]
async fn a_token_that_would_be_dead_at_once_is_not_made() {
    let afield = demo().await;
    let refused = afield.cli(&["token", "create", "--name", "dead", "--days", "0"]).await;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let made = afield.cli(&["token", "create", "--name", "short", "--days", "1"]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
}
