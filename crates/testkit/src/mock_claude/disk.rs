//! What the real program keeps under its configuration directory: transcripts and the registry of live sessions.
//!
//! Owned by the session. Transcript lines are not stream frames; the mock writes the few keys that tools look at.

mod key;

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

pub use key::project_key;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};

/// Marks a transcript that ends in a tool put off by a hook.
const DEFERRED: &str = "deferred-tool";

/// The files of one project.
#[derive(Debug)]
pub(super) struct Disk {
    /// The configuration directory; `None` without a home directory.
    config: Option<PathBuf>,
    key: String,
    /// Whether anything is written; transcripts are read in any case.
    persists: bool,
}

/// What the transcript of a session tells about it.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) lines: u64,
    /// The ids of the prompts, in order.
    pub(super) prompts: Vec<String>,
    /// A hook put a tool off and nothing came after.
    pub(super) deferred: bool,
}

/// A transcript line about a message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    /// `user` or `assistant`.
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) uuid: &'a str,
    pub(super) session_id: &'a str,
    pub(super) cwd: &'a str,
    pub(super) version: &'a str,
    pub(super) timestamp: String,
    pub(super) is_sidechain: bool,
    /// Set on what a person wrote, as opposed to tool results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt_id: Option<&'a str>,
    pub(super) message: &'a RawValue,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    prompt_id: Option<String>,
    title: Option<String>,
}

impl Disk {
    /// The files of the project in `cwd`, as the environment says.
    pub(super) fn from_env(cwd: &str, persists: bool) -> Self {
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".claude"));
        let key =
            std::env::var("CLAUDE_CODE_PROJECT_DIR_NAME").unwrap_or_else(|_| project_key(cwd));
        Self {
            config: std::env::var_os("CLAUDE_CONFIG_DIR").map(PathBuf::from).or_else(home),
            key,
            persists,
        }
    }

    /// The directory of the transcripts.
    pub(super) fn project(&self) -> Option<PathBuf> {
        Some(self.config.as_ref()?.join("projects").join(&self.key))
    }

    /// Where the transcript of a session is or would be.
    pub(super) fn transcript(&self, session: &str) -> Option<PathBuf> {
        Some(self.project()?.join(format!("{session}.jsonl")))
    }

    /// Whether the session has a transcript.
    pub(super) fn exists(&self, session: &str) -> bool {
        self.transcript(session).is_some_and(|path| path.exists())
    }

    /// Reads what is known about a session; an unreadable line counts as a line and no more.
    pub(super) fn history(&self, session: &str) -> History {
        let mut history = History::default();
        for line in self.lines(session) {
            history.lines += 1;
            history.deferred = line.as_ref().is_some_and(|line| line.kind == DEFERRED);
            history.prompts.extend(line.and_then(|line| line.prompt_id));
        }
        history
    }

    /// The session with this title, if there is one.
    pub(super) fn titled(&self, title: &str) -> Option<String> {
        self.sessions().into_iter().find(|id| {
            self.lines(id).into_iter().flatten().any(|line| line.title.as_deref() == Some(title))
        })
    }

    /// The session to continue: the last by name, for there is no clock here.
    pub(super) fn latest(&self) -> Option<String> {
        self.sessions().pop()
    }

    /// The first id of the family `<prefix>…000n` without a transcript; if `current` is one of the family, behind it.
    pub(super) fn fresh_id(&self, prefix: &str, current: &str) -> String {
        let family = format!("{prefix}-0000-4000-8000-");
        let number = current.strip_prefix(&family).and_then(|n| u64::from_str_radix(n, 16).ok());
        let mut ids = (number.unwrap_or(0) + 1..).map(|n| format!("{family}{n:012x}"));
        ids.find(|id| !self.exists(id)).unwrap_or_default()
    }

    /// Appends a message.
    pub(super) fn append(&self, entry: &Entry<'_>) -> io::Result<()> {
        self.append_line(entry.session_id, &serde_json::to_string(entry)?)
    }

    /// Records the title of a session.
    pub(super) fn append_title(&self, session: &str, title: &str) -> io::Result<()> {
        self.append_line(
            session,
            &json!({ "type": "custom-title", "title": title, "sessionId": session }).to_string(),
        )
    }

    /// Records that a hook put a tool off.
    pub(super) fn append_deferred(&self, session: &str) -> io::Result<()> {
        self.append_line(session, &json!({ "type": DEFERRED, "sessionId": session }).to_string())
    }

    /// Starts `to` with all that `from` contains.
    pub(super) fn copy(&self, from: &str, to: &str) -> io::Result<()> {
        match (self.transcript(from), self.transcript(to)) {
            (Some(from), Some(to)) if self.persists && from.exists() => {
                fs::copy(from, to).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Writes the entry of this process in the registry of live sessions.
    pub(super) fn register(
        &self,
        session: &str,
        cwd: &str,
        status: &str,
        name: Option<&str>,
    ) -> io::Result<()> {
        let Some(path) = self.registry().filter(|_| self.persists) else { return Ok(()) };
        let pid = std::process::id();
        create_parent(&path)?;
        fs::write(
            path,
            json!({ "pid": pid, "sessionId": session, "cwd": cwd, "status": status, "name": name })
                .to_string(),
        )
    }

    /// Removes that entry. After a kill it stays, as it does with the real program.
    pub(super) fn unregister(&self) {
        if let Some(path) = self.registry() {
            let _ = fs::remove_file(path);
        }
    }

    fn registry(&self) -> Option<PathBuf> {
        Some(self.config.as_ref()?.join("sessions").join(format!("{}.json", std::process::id())))
    }

    fn append_line(&self, session: &str, line: &str) -> io::Result<()> {
        let Some(path) = self.transcript(session).filter(|_| self.persists) else { return Ok(()) };
        create_parent(&path)?;
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)?
            .write_all(format!("{line}\n").as_bytes())
    }

    fn lines(&self, session: &str) -> Vec<Option<Line>> {
        let text = self
            .transcript(session)
            .and_then(|path| fs::read_to_string(path).ok())
            .unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The known sessions, sorted by id.
    fn sessions(&self) -> Vec<String> {
        let known = self.project().and_then(|path| fs::read_dir(path).ok());
        let names = known
            .into_iter()
            .flatten()
            .flatten()
            .map(|file| file.file_name().to_string_lossy().into_owned());
        let ids: BTreeSet<String> =
            names.filter_map(|name| Some(name.strip_suffix(".jsonl")?.to_owned())).collect();
        ids.into_iter().collect()
    }
}

fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}
