//! Output that nobody reads or that can't be written: services go on, lists end quietly, a turn's end is told by
//! the exit code, and what can't be had again is not lost without a word.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::harness::until;

use super::*;

/// `afield` on a data directory, its output into pipes.
fn command(data_dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afield"));
    command.arg("--data-dir").arg(data_dir).args(args);
    command.env("AFIELD_DEMO_PACE", "0.02");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A process whose readers leave after its first line; killed when dropped.
struct Unread(Child);

impl Unread {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let errors = child.stderr.take().unwrap();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        std::io::BufRead::read_line(&mut out, &mut first).unwrap();
        assert!(first.contains("ready"), "{first}");
        drop((out, errors));
        Self(child)
    }

    fn stop(mut self) -> Option<i32> {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process id of the server that runs on a data directory.
fn server_pid(data_dir: &Path) -> Option<i32> {
    let file = std::fs::read(data_dir.join("server.json")).ok()?;
    let server: Value = serde_json::from_slice(&file).ok()?;
    server["pid"].as_i64()?.try_into().ok()
}

/// How a command ends whose reader left before it wrote anything.
fn code_unread(afield: &Afield, args: &[&str]) -> Option<i32> {
    let mut command = command(&afield.data_dir(), args);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    // Its input stays open: nobody says that it should end.
    let _input = child.stdin.take();
    child.wait().unwrap().code()
}

/// What a command does whose output the disk has no room for.
fn on_a_full_disk(afield: &Afield, args: &[&str]) -> (Option<i32>, String) {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command(&afield.data_dir(), args).stdout(full).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn up_restarts_its_parts_when_nobody_reads_about_it() {
    let dir = tempfile::tempdir().unwrap();
    let up = Unread::start(command(dir.path(), &["up", "--listen", "127.0.0.1:0", "--json"]));
    let first = server_pid(dir.path()).unwrap();
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    let again = || server_pid(dir.path()).is_some_and(|pid| pid != first);
    until("the server is started again", again).await;
    let listed = command(dir.path(), &["projects", "list"]).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    assert_eq!(up.stop(), Some(0));
}

#[tokio::test]
async fn a_server_answers_when_nobody_reads_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["-vv", "server", "--listen", "127.0.0.1:0", "--json"];
    let server = Unread::start(command(dir.path(), &args));
    for _ in 0..3 {
        let listed = command(dir.path(), &["projects", "list"]).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
    }
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test]
async fn the_exit_code_of_a_turn_is_true_when_nobody_reads_it() {
    let afield = demo().await;
    let dir = afield.make_dir("p");
    afield.cli(&["projects", "add", &dir, "--agent", "demo"]).await;
    for json in [&[][..], &["--json"]] {
        let run = |prompt| [&["run", "-p", &dir, prompt], json].concat();
        assert_eq!(code_unread(&afield, &run("please fail")), Some(1));
        assert_eq!(code_unread(&afield, &run("hello")), Some(0));
    }
    // These are over when nobody wants more of them.
    for args in [&["projects", "list"][..], &["history", "-p", &dir], &["attach", "-p", &dir]] {
        assert_eq!(code_unread(&afield, args), Some(0), "{args:?}");
    }
    // What went wrong is told by the code alone.
    let unknown = ["history", "-p", "/nowhere", "--json"];
    assert_eq!(code_unread(&afield, &unknown), Some(3));
}

#[tokio::test]
async fn a_result_that_can_not_be_written_is_an_error() {
    let afield = demo().await;
    for json in [&[][..], &["--json"]] {
        let create = ["token", "create", "--name", "full", "--scopes", "view"];
        let (code, said) = on_a_full_disk(&afield, &[&create, json].concat());
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("can't write to standard output: No space left"), "{said}");
        assert!(said.contains("throw it out: afield token revoke"), "{said}");
        let (code, said) = on_a_full_disk(&afield, &[&["devices"], json].concat());
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("can't write to standard output: No space left"), "{said}");
    }
    let (code, said) = on_a_full_disk(&afield, &["--help"]);
    assert_eq!(code, Some(1), "{said}");
    let unread = code_unread(&afield, &["token", "create", "--name", "unread"]);
    assert_eq!(unread, Some(1), "nobody has the token");
}
