//! Starts a mock in a home of its own and talks to it line by line.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    rc::Rc,
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough for any machine; only a mistake waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The arguments a runner uses.
pub(crate) const RECIPE: [&str; 5] = [
    "-p",
    "--output-format=stream-json",
    "--input-format=stream-json",
    "--verbose",
    "--permission-prompt-tool=stdio",
];

/// The id of the first prompt.
pub(crate) const FIRST: &str = "c0000000-0000-4000-8000-000000000001";

/// The id of the second prompt.
pub(crate) const SECOND: &str = "c0000000-0000-4000-8000-000000000002";

/// A configuration directory, a project and a journal.
pub(crate) struct Home {
    directory: Rc<TempDir>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = Rc::new(tempfile::tempdir().unwrap());
        let home = Self { directory };
        fs::create_dir(home.cwd()).unwrap();
        home
    }

    pub(crate) fn cwd(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join("demo")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn transcript(&self, session: &str) -> PathBuf {
        let key = testkit::mock_claude::project_key(self.cwd().to_str().unwrap());
        self.config().join("projects").join(key).join(format!("{session}.jsonl"))
    }

    /// The entries of the journal with this name.
    pub(crate) fn journal(&self, event: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.journal_path()).unwrap();
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|entry| entry["event"] == event).collect()
    }

    /// A mock with the recipe's arguments.
    pub(crate) fn mock(&self, scenario: &str) -> Mock {
        let mut mock = self.bare(&RECIPE);
        mock.command.env("MOCK_CLAUDE_SCENARIO", scenario);
        mock
    }

    /// A mock with just these arguments.
    pub(crate) fn bare(&self, args: &[&str]) -> Mock {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mock-claude"));
        command.args(args).current_dir(self.cwd()).env_clear();
        command.env("CLAUDE_CONFIG_DIR", self.config());
        command.env("MOCK_CLAUDE_JOURNAL", self.journal_path());
        command.env("MOCK_CLAUDE_TIME_SCALE", "0.02");
        Mock { command, home: Rc::clone(&self.directory) }
    }

    fn journal_path(&self) -> PathBuf {
        self.directory.path().join("journal.jsonl")
    }
}

/// A mock about to be started.
pub(crate) struct Mock {
    command: Command,
    home: Rc<TempDir>,
}

impl Mock {
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<Path>) -> Self {
        self.command.env(key, value.as_ref());
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let pipes =
            self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line).unwrap() > 0
                && sender.send(std::mem::take(&mut line)).is_ok()
            {}
        });
        let mut errors = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        Running {
            stdin: child.stdin.take(),
            child,
            lines,
            stderr: Some(stderr),
            raw: Vec::new(),
            _home: self.home,
        }
    }

    /// Starts it, gives it all of its input at once and waits for the end.
    pub(crate) fn run(self, input: &str) -> Outcome {
        let mut running = self.start();
        running.write(input);
        running.finish()
    }
}

/// A mock at work; killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    stderr: Option<JoinHandle<String>>,
    raw: Vec<u8>,
    _home: Rc<TempDir>,
}

impl Running {
    /// Writes to stdin. That nobody may read it any more is no concern of the writer.
    pub(crate) fn write(&mut self, text: &str) {
        let _ = self.stdin.as_mut().unwrap().write_all(text.as_bytes());
    }

    pub(crate) fn send(&mut self, frame: &Value) {
        self.write(&format!("{frame}\n"));
    }

    pub(crate) fn prompt(&mut self, uuid: &str, text: &str) {
        self.send(&prompt(uuid, text));
    }

    pub(crate) fn control(&mut self, id: &str, request: &Value) {
        self.send(&json!({ "type": "control_request", "request_id": id, "request": request }));
    }

    /// Answers a request of the mock.
    pub(crate) fn answer(&mut self, request: &Value, payload: &Value) {
        let response = json!({ "subtype": "success", "request_id": request["request_id"], "response": payload });
        self.send(&json!({ "type": "control_response", "response": response }));
    }

    /// The next line as it came; `None` at the end of stdout.
    pub(crate) fn line(&mut self) -> Option<Vec<u8>> {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("the mock is silent after:\n{}", self.so_far())
            }
        };
        self.raw.extend_from_slice(&line);
        Some(line)
    }

    /// The next line that is a frame.
    pub(crate) fn frame(&mut self) -> Option<Value> {
        loop {
            if let Ok(frame) = serde_json::from_slice(&self.line()?) {
                return Some(frame);
            }
        }
    }

    /// Reads until a frame is what [`is`] or [`kind`] call by this name.
    pub(crate) fn until(&mut self, name: &str) -> Value {
        loop {
            let Some(frame) = self.frame() else { panic!("no {name} in:\n{}", self.so_far()) };
            if is(&frame, name) || kind(&frame) == name {
                return frame;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal::kill(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for the exit, though stdout may stay open.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Closes stdin, reads what is left and waits for the end.
    pub(crate) fn finish(mut self) -> Outcome {
        self.close_stdin();
        while self.line().is_some() {}
        let status = self.wait();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        Outcome {
            code: status.code(),
            signal: status.signal(),
            raw: std::mem::take(&mut self.raw),
            stderr,
        }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a mock left behind.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) raw: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The frames; lines that are none are left out.
    pub(crate) fn frames(&self) -> Vec<Value> {
        self.raw
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }

    /// What the frames are, in short; see [`kind`]. Lifecycle frames and replies are left out.
    pub(crate) fn kinds(&self) -> Vec<String> {
        kinds(&self.frames())
    }

    /// The last result.
    pub(crate) fn result(&self) -> Value {
        self.frames().into_iter().rfind(|frame| is(frame, "result")).expect("there is no result")
    }

    /// All frames of a kind.
    pub(crate) fn all(&self, wanted: &str) -> Vec<Value> {
        self.frames().into_iter().filter(|frame| is(frame, wanted)).collect()
    }
}

pub(crate) fn kinds(frames: &[Value]) -> Vec<String> {
    let told = frames
        .iter()
        .filter(|frame| !is(frame, "command_lifecycle") && !is(frame, "control_response"));
    told.map(kind).collect()
}

/// A frame in a word or two: `init`, `text`, `tool_use toolu_mock_01`, `can_use_tool`, `result/success`.
pub(crate) fn kind(frame: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let block = &frame["message"]["content"][0];
    match (frame["type"].as_str(), block["type"].as_str()) {
        (Some("assistant" | "user"), Some("text")) => "text".to_owned(),
        (Some("assistant" | "user"), Some("tool_use")) => {
            format!("tool_use {}", text(&block["id"]))
        }
        (Some("assistant" | "user"), Some("tool_result")) => {
            format!("tool_result {}", text(&block["tool_use_id"]))
        }
        (Some("system"), _) => text(&frame["subtype"]),
        (Some("control_request"), _) => text(&frame["request"]["subtype"]),
        (Some("stream_event"), _) => text(&frame["event"]["type"]),
        (Some("result"), _) => format!("result/{}", text(&frame["subtype"])),
        _ => text(&frame["type"]),
    }
}

/// Whether a frame is of a kind: `type`, `type/subtype` or, for a control request, its subtype.
pub(crate) fn is(frame: &Value, kind: &str) -> bool {
    match kind.split_once('/') {
        Some((kind, subtype)) => frame["type"] == kind && frame["subtype"] == subtype,
        None => {
            frame["type"] == kind
                || (frame["type"] == "control_request" && frame["request"]["subtype"] == kind)
        }
    }
}

/// A `user` frame.
pub(crate) fn prompt(uuid: &str, text: &str) -> Value {
    let message = json!({ "role": "user", "content": text });
    json!({ "type": "user", "uuid": uuid, "message": message, "parent_tool_use_id": null })
}
