//! The two files a test under faults writes past the product: the history of client calls and the
//! effects of the agent's double.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What a sender asked for with a command, as far as it can be held against what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Commands of one lane (a project and an ordering key) start in the order they were sent.
    pub lane: Option<String>,
    /// It must not start before, in unix milliseconds.
    pub not_before_ms: Option<i64>,
    /// It must not start after, in unix milliseconds.
    pub expires_ms: Option<i64>,
    /// It was held from the beginning.
    pub held: bool,
    /// How often it may be started in all, until somebody decides to put it back.
    pub starts_max: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { lane: None, not_before_ms: None, expires_ms: None, held: false, starts_max: 1 }
    }
}

/// What became of a client's call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// It is about to be sent.
    Invoke,
    /// It was acknowledged.
    Ok {
        /// The command's id in the acknowledgement.
        id: String,
    },
    /// It was refused: it must have had no effect.
    Fail {
        /// The error code.
        code: String,
    },
    /// Nobody knows: the connection broke. It may have had its effect or not.
    Info {
        /// What happened.
        reason: String,
    },
    /// What is asked for; written before the first `Invoke` of its mark.
    Terms(Terms),
    /// A cancel was acknowledged: it does not run, and never will again.
    Cancelled {
        /// How many attempts it had by then.
        attempts: u32,
    },
    /// Its release from a hold is about to be sent.
    Release,
    /// A person is about to put it back, or to say what became of it.
    Decide,
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Microseconds since the history began.
    pub at_us: u64,
    /// The same moment by the wall clock, in unix milliseconds.
    #[serde(default)]
    pub unix_ms: i64,
    /// Who called.
    pub client: String,
    /// What tells this submission from all others; goes with the command.
    pub mark: String,
    /// What became of it.
    #[serde(flatten)]
    pub step: Step,
}

/// Writes a history, line by line, each with one append.
#[derive(Debug)]
pub struct HistoryLog {
    file: File,
    began: Instant,
}

impl HistoryLog {
    /// Opens a history for appending.
    ///
    /// **Errors**: the file can't be made.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file, began: Instant::now() })
    }

    /// Writes one line. Call it before sending and after receiving.
    ///
    /// **Errors**: the file can't be written.
    pub fn write(&self, client: &str, mark: &str, step: Step) -> std::io::Result<()> {
        let at_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (client, mark) = (client.to_owned(), mark.to_owned());
        let line = Line { at_us, unix_ms: unix_ms(), client, mark, step };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        (&self.file).write_all(&text)
    }
}

/// The wall clock, in unix milliseconds.
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A start as the agent's double wrote it: `START command attempt pid [unix_ms]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The command's id, or its mark where the double knows no more.
    pub command: String,
    /// The attempt.
    pub attempt: u32,
    /// The process.
    pub pid: u32,
    /// When, in unix milliseconds, where the double says it.
    pub at_ms: Option<i64>,
}

/// Why a record can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file can't be read.
    #[error("{0} can't be read")]
    Io(PathBuf, #[source] std::io::Error),
    /// A line is none: the record itself is broken, and nothing can be said.
    #[error("{path}, line {line} is no record: {text:?}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
}

/// Reads a history.
///
/// **Errors**: see [`ReadError`].
pub fn read_history(path: &Path) -> Result<Vec<Line>, ReadError> {
    read(path, |text| serde_json::from_str(text).ok().map(Some))
}

/// Reads the starts of an effects file; other lines that begin with a word in capitals are skipped.
///
/// **Errors**: see [`ReadError`]. A file that is not there is an empty one: nothing was started.
pub fn read_effects(path: &Path) -> Result<Vec<Start>, ReadError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    read(path, effect)
}

/// `None`: no line of an effects file. `Some(None)`: one that is no start.
fn effect(text: &str) -> Option<Option<Start>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["START", command, attempt, pid, at @ ..] if at.len() < 2 => {
            let at_ms = at.first().map(|at| at.parse()).transpose().ok()?;
            let (attempt, pid) = (attempt.parse().ok()?, pid.parse().ok()?);
            Some(Some(Start { command: (*command).to_owned(), attempt, pid, at_ms }))
        }
        ["START", ..] | [] => None,
        [word, ..] => word.bytes().all(|byte| byte.is_ascii_uppercase()).then_some(None),
    }
}

/// Reads line by line. A last line without its end was being written when its writer was killed.
pub(super) fn read<T>(
    path: &Path,
    parse: impl Fn(&str) -> Option<Option<T>>,
) -> Result<Vec<T>, ReadError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ReadError::Io(path.to_owned(), error))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut found = Vec::new();
    for (at, line) in whole.lines().enumerate() {
        let broken =
            || ReadError::Line { path: path.to_owned(), line: at + 1, text: line.to_owned() };
        found.extend(parse(line).ok_or_else(broken)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let log = HistoryLog::open(&path).unwrap();
        let steps = [
            Step::Invoke,
            Step::Ok { id: "1".into() },
            Step::Fail { code: "X".into() },
            Step::Info { reason: "reset".into() },
            Step::Terms(Terms { lane: Some("p/k".into()), held: true, ..Terms::default() }),
            Step::Cancelled { attempts: 1 },
            Step::Release,
            Step::Decide,
        ];
        for step in &steps {
            log.write("a", "m", step.clone()).unwrap();
        }
        (&log.file).write_all(b"{\"at_us\":1,\"cli").unwrap();
        let read = read_history(&path).unwrap();
        assert_eq!(read.iter().map(|line| line.step.clone()).collect::<Vec<_>>(), steps);
        assert!(read.is_sorted_by_key(|line| line.at_us));
    }

    #[test]
    fn effects_are_starts_and_nothing_is_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("effects");
        assert!(read_effects(&path).unwrap().is_empty());
        std::fs::write(&path, "START c1 1 77\nEND c1 1 77\nSTART c2 2 78 9\nSTART c3").unwrap();
        let starts = read_effects(&path).unwrap();
        assert_eq!(starts.len(), 2);
        assert_eq!((starts[1].command.as_str(), starts[1].attempt, starts[1].pid), ("c2", 2, 78));
        assert_eq!((starts[0].at_ms, starts[1].at_ms), (None, Some(9)));
        std::fs::write(&path, "START c1 one 77\n").unwrap();
        assert!(matches!(read_effects(&path), Err(ReadError::Line { line: 1, .. })));
    }
}
