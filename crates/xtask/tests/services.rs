//! The private services are there while a command runs, and gone however it ends.
//!
//! Starts the real programs through the built `xtask`; nothing of the machine's own is touched.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn services(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["services", "--", "sh", "-c", script]).stdout(Stdio::piped());
    command
}

/// The script's first line: the folders of both services.
const TELL: &str = r#"pg=${AFIELD_TEST_PG#host=}; pg=${pg%% *}
redis=${AFIELD_TEST_REDIS#unix://}
test -S "$pg/.s.PGSQL.5432" && test -S "$redis" && echo "$pg ${redis%/*}""#;

fn folders(child: &mut Child) -> (Vec<String>, BufReader<ChildStdout>) {
    let mut output = BufReader::new(child.stdout.take().expect("it was piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("the pipe can be read");
    let folders: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    assert_eq!(folders.len(), 2, "both sockets are there: {line:?}");
    (folders, output)
}

fn gone(folders: &[String]) -> bool {
    folders.iter().all(|folder| !Path::new(folder).exists())
}

/// Whether a process still works on one of the folders.
fn processes(folders: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        let service = words.contains("postgres") || words.contains("redis-server");
        if service && folders.iter().any(|folder| words.contains(folder.as_str())) {
            found.push(words);
        }
    }
    found
}

#[test]
fn a_command_finds_them_and_its_exit_code_is_kept() {
    let mut child = services(&format!("{TELL}; exit 7")).spawn().unwrap();
    let (folders, _output) = folders(&mut child);
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert!(gone(&folders), "{folders:?}");
    assert_eq!(processes(&folders), Vec::<String>::new());
}

#[test]
fn an_interrupt_stops_them() {
    // The pipe of `sleep` would keep the output open: it gets none.
    let script = format!("{TELL}; exec sleep 600 >/dev/null");
    let mut child = services(&script).spawn().unwrap();
    let (folders, _output) = folders(&mut child);
    assert!(!processes(&folders).is_empty());
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(child.wait()));
    let status = told.recv_timeout(Duration::from_secs(30)).expect("it ends").unwrap();
    assert!(!status.success());
    assert!(gone(&folders), "{folders:?}");
    assert_eq!(processes(&folders), Vec::<String>::new());
}
