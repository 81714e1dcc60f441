//! Scenarios whose point is how the process ends, or that it does not.

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use serde_json::json;

use super::{
    driver::{FIRST, Home, is},
    host::play,
};

#[test]
fn ends_without_a_result() {
    let outcome = play(&Home::new(), "exit_nonzero");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(7), "mock: fatal\n"));
    assert_eq!(outcome.kinds(), ["init", "text"]);
    assert_eq!(play(&Home::new(), "exit_nonzero,code=9").code, Some(9));
    let outcome = play(&Home::new(), "no_result");
    assert_eq!((outcome.code, outcome.kinds().len()), (Some(0), 2));
}

#[test]
fn dies_in_the_middle_of_a_line() {
    let home = Home::new();
    let outcome = play(&home, "crash_mid_line");
    assert_eq!((outcome.code, outcome.signal), (None, Some(9)));
    let tail = outcome.raw.rsplit(|byte| *byte == b'\n').next().unwrap();
    assert_eq!(
        tail,
        br#"{"type":"assistant","message":{"id":"msg_mock_02","content":[{"type":"te"#
    );
    assert!(home.journal("exit").is_empty());
}

#[test]
fn hangs_until_it_is_ended() {
    for (scenario, last) in [
        ("hang", "text"),
        ("hang_after_tool", "tool_result toolu_mock_01"),
        ("hang_after_result", "result/success"),
    ] {
        let home = Home::new();
        let outcome = play(&home, scenario);
        assert_eq!(
            (outcome.code, outcome.kinds().last().unwrap().as_str()),
            (Some(143), last),
            "{scenario}"
        );
        assert_eq!(home.journal("signal")[0]["name"], "SIGTERM");
    }
}

/// Neither a request nor the end of input gets a word out of it.
#[test]
fn a_hanging_process_is_deaf() {
    let home = Home::new();
    let mut mock = home.mock("hang").start();
    mock.prompt(FIRST, "go");
    mock.until("text");
    mock.control("afd-9", &json!({ "subtype": "interrupt" }));
    mock.close_stdin();
    while home.journal("stdin_eof").is_empty() {
        std::thread::yield_now();
    }
    mock.signal(Signal::SIGTERM);
    let outcome = mock.finish();
    assert_eq!((outcome.code, outcome.all("control_response").len()), (Some(143), 0));
}

#[test]
fn ignores_everything_but_a_kill() {
    let home = Home::new();
    let mut mock = home.mock("ignore_term").start();
    mock.prompt(FIRST, "go");
    mock.until("tool_progress");
    mock.signal(Signal::SIGTERM);
    mock.signal(Signal::SIGINT);
    mock.control("afd-9", &json!({ "subtype": "interrupt" }));
    mock.until("control_response");
    while home.journal("signal").len() < 2 {
        mock.until("tool_progress");
    }
    mock.until("tool_progress");
    mock.signal(Signal::SIGKILL);
    assert_eq!(mock.finish().signal, Some(9));
}

#[test]
fn flushes_a_last_message_before_it_obeys() {
    let outcome = play(&Home::new(), "slow_term");
    assert_eq!((outcome.code, outcome.kinds().len()), (Some(143), 3));
    let frames = outcome.frames();
    assert_eq!(frames.last().unwrap()["message"]["content"][0]["text"], "Last words.");
}

#[test]
fn closes_stdout_but_lives_on() {
    let home = Home::new();
    let mut mock = home.mock("close_stdout_early").start();
    mock.prompt(FIRST, "go");
    while mock.line().is_some() {}
    assert!(home.journal("exit").is_empty());
    assert_eq!(mock.wait().code(), Some(0));
}

#[test]
fn leaves_grandchildren_behind() {
    let home = Home::new();
    let mut mock = home.mock("grandchildren,n=4,secs=20").start();
    mock.prompt(FIRST, "go");
    assert_eq!(mock.until("result")["is_error"], false);
    assert_eq!(mock.wait().code(), Some(0));
    let left = Left::from(&home);
    assert_eq!(left.0.len(), 4);
    for entry in home.journal("spawned") {
        assert_eq!((&entry["pgid"], &entry["kind"]), (&entry["pid"], &json!("sleeper")));
    }
    for pid in &left.0 {
        signal::kill(*pid, Signal::SIGTERM).unwrap();
    }
    assert!(left.0.iter().all(|pid| is_deaf_to_term(*pid)));
    drop(left);
    assert!(is(&mock.frame().unwrap(), "command_lifecycle"));
    assert!(mock.line().is_none(), "stdout is closed once its last holder is gone");
}

#[test]
fn grandchildren_can_be_ordinary() {
    let home = Home::new();
    let mut mock = home.mock("grandchildren,n=1,setsid=0,ignore_term=0,secs=20").start();
    mock.prompt(FIRST, "go");
    while mock.line().is_some() {}
    let left = Left::from(&home);
    assert_eq!(home.journal("spawned")[0]["pgid"], home.journal("start")[0]["pgid"]);
    assert!(!is_deaf_to_term(left.0[0]));
}

#[test]
fn a_double_fork_loses_its_parent() {
    let home = Home::new();
    let script = r#"{"op":"spawn","kind":"orphan","secs":20,"double_fork":true}
{"op":"raw","text":"spawned"}
{"op":"await","what":"eof"}"#;
    let mut mock =
        home.mock("success").env("MOCK_CLAUDE_SCRIPT", home.file("script.jsonl", script)).start();
    assert_eq!(mock.line().unwrap(), b"spawned\n");
    let left = Left::from(&home);
    assert_ne!(status(left.0[0], "PPid"), mock.pid().to_string());
    assert_eq!(mock.finish().code, Some(0));
}

/// The processes a mock left behind; killed when dropped.
struct Left(Vec<Pid>);

impl Left {
    fn from(home: &Home) -> Self {
        let pids = home.journal("spawned").into_iter().map(|entry| entry["pid"].as_i64().unwrap());
        Self(pids.map(|pid| Pid::from_raw(pid.try_into().unwrap())).collect())
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = signal::kill(*pid, Signal::SIGKILL);
        }
    }
}

fn is_deaf_to_term(pid: Pid) -> bool {
    let blocked = u64::from_str_radix(&status(pid, "SigBlk"), 16).unwrap();
    blocked & (1 << (Signal::SIGTERM as u64 - 1)) != 0
}

fn status(pid: Pid, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":"));
    line.unwrap().trim().to_owned()
}
