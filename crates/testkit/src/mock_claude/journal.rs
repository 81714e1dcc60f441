//! The journal: what this process was given and what happened to it, for tests to assert on.
//!
//! One JSON object per line, appended in a single write, so that several processes can share a file; `by` is the one
//! that wrote it. Values of
//! environment variables are recorded for a short list of names only; no secret ends up here.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
};

use afield_proto::hex;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::unistd;
use serde::Serialize;
use serde_json::{Value, json};

/// Longer lines of input are recorded by their size.
const LINE_BYTES_MAX: usize = 4096;

/// The open journal, or nothing when none was asked for.
#[derive(Debug)]
pub(super) struct Journal {
    file: Option<File>,
}

/// How the process was started, without what differs from run to run.
#[derive(Debug, Serialize)]
pub(super) struct Start {
    argv: Vec<String>,
    pub(super) cwd: String,
    env_keys: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Start {
    /// Looks at the running process.
    pub(super) fn of_this_process(argv: &[String]) -> Self {
        let vars: BTreeMap<String, String> = std::env::vars_os()
            .map(|(key, value)| {
                (key.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .collect();
        Self {
            argv: argv.to_vec(),
            cwd: std::env::current_dir()
                .map(|path| path.to_string_lossy().into_owned())
                .unwrap_or_default(),
            env_keys: vars.keys().cloned().collect(),
            env: vars.into_iter().filter(|(key, _)| is_harmless(key)).collect(),
        }
    }
}

/// An image as it arrived: what it is called, and its bytes by their hash.
fn image(source: &Value) -> Value {
    let bytes = STANDARD.decode(source["data"].as_str().unwrap_or_default()).unwrap_or_default();
    let sha256 = hex(digest(&SHA256, &bytes).as_ref());
    json!({ "media_type": source["media_type"], "bytes": bytes.len(), "sha256": sha256 })
}

fn is_harmless(key: &str) -> bool {
    key.starts_with("AFIELD_")
        || key.starts_with("CLAUDE_CODE_E")
        || key == "NO_COLOR"
        || key == "PWD"
}

impl Journal {
    /// Opens the file named by `MOCK_CLAUDE_JOURNAL`.
    pub(super) fn from_env() -> io::Result<Self> {
        let open = |path| OpenOptions::new().append(true).create(true).open(path);
        Ok(Self { file: std::env::var_os("MOCK_CLAUDE_JOURNAL").map(open).transpose()? })
    }

    /// The process began.
    pub(super) fn start(&self, start: &Start) {
        let mut record = json!(start);
        record["pid"] = std::process::id().into();
        record["pgid"] = unistd::getpgrp().as_raw().into();
        record["sid"] = unistd::getsid(None).map_or(0, unistd::Pid::as_raw).into();
        record["ppid"] = unistd::getppid().as_raw().into();
        self.record("start", record);
    }

    /// A line arrived on stdin; `n` counts from 1.
    pub(super) fn stdin(&self, n: u64, line: &[u8]) {
        match std::str::from_utf8(line) {
            Ok(text) if text.len() <= LINE_BYTES_MAX => {
                self.record("stdin", json!({ "n": n, "line": text }))
            }
            _ => self.record("stdin", json!({ "n": n, "bytes": line.len() })),
        }
        let frame: Value = serde_json::from_slice(line).unwrap_or_default();
        let blocks = frame["message"]["content"].as_array();
        for block in blocks.into_iter().flatten().filter(|block| block["type"] == "image") {
            self.record("image", image(&block["source"]));
        }
    }

    /// Stdin was closed.
    pub(super) fn stdin_eof(&self) {
        self.record("stdin_eof", json!({}));
    }

    /// A prompt came a second time and was dropped.
    pub(super) fn dup(&self, uuid: &str) {
        self.record("dup", json!({ "uuid": uuid }));
    }

    /// The host answered a request that was not open: late, twice, or made up.
    pub(super) fn unmatched_response(&self, request_id: &str) {
        self.record("unmatched_response", json!({ "request_id": request_id }));
    }

    /// A signal arrived, whatever is then done about it.
    pub(super) fn signal(&self, name: &str) {
        self.record("signal", json!({ "name": name }));
    }

    /// A process was left behind.
    pub(super) fn spawned(&self, pid: i32, pgid: i32, kind: &str) {
        self.record("spawned", json!({ "pid": pid, "pgid": pgid, "kind": kind }));
    }

    /// The process is about to exit; missing after an abort.
    pub(super) fn exit(&self, code: i32) {
        self.record("exit", json!({ "code": code }));
    }

    fn record(&self, event: &str, mut record: Value) {
        let Some(mut file) = self.file.as_ref() else { return };
        record["event"] = event.into();
        record["by"] = std::process::id().into();
        if let Err(error) = file.write_all(format!("{record}\n").as_bytes()) {
            super::output::stderr(&format!("mock: cannot write the journal: {error}"));
        }
    }
}
