//! What agents were told, as the double of Claude wrote it down: the prompt each process began with,
//! and the words that came into its turn. And what was promised about those words.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use afield_proto::command::CommandState;
use afield_proto::queue::Steer;
use serde_json::Value;

use super::records::{ReadError, Start, read};
use super::{Evidence, FinalCommand, Violation};

/// Something an agent was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The mark in it: its last word.
    pub mark: String,
    /// It came into a turn; otherwise a process began with it.
    pub in_turn: bool,
}

/// The starts and the words in a journal of the double.
///
/// **Errors**: a line is no record.
pub fn read_conversations(path: &Path) -> Result<(Vec<Start>, Vec<Heard>), ReadError> {
    let records: Vec<Value> = read(path, |line| serde_json::from_str(line).ok().map(Some))?;
    let mut begun = HashSet::new();
    let (mut starts, mut heard) = (Vec::new(), Vec::new());
    for record in records {
        let words = words(&record);
        starts.extend(start(&record));
        heard.extend(words.map(|words| Heard {
            mark: words.rsplit(' ').next().unwrap_or_default().to_owned(),
            in_turn: !begun.insert(record["by"].as_u64()),
        }));
    }
    Ok((starts, heard))
}

fn start(record: &Value) -> Option<Start> {
    let variable = |name: &str| record["env"][name].as_str();
    let (command, attempt) = (variable("AFIELD_RUN_ID")?, variable("AFIELD_ATTEMPT")?);
    (record["event"] == "start").then_some(Start {
        command: command.to_owned(),
        attempt: attempt.parse().ok()?,
        pid: u32::try_from(record["by"].as_u64()?).ok()?,
        at_ms: None,
    })
}

fn words(record: &Value) -> Option<String> {
    let line = record["line"].as_str().filter(|_| record["event"] == "stdin")?;
    let frame: Value = serde_json::from_str(line).ok()?;
    let content = frame["message"]["content"].as_str().filter(|_| frame["type"] == "user");
    content.map(str::to_owned)
}

/// Words for a running turn are said once: into it, or first in the queue instead, never both.
pub(super) fn said(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut heard: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for said in &evidence.heard {
        heard.entry(&said.mark).or_default().push(said.in_turn);
    }
    for command in &evidence.end.commands {
        if let Some(steer) = command.steer {
            let times = heard.get(command.mark.as_str()).map_or(&[][..], Vec::as_slice);
            found.extend(misplaced(command, steer, times));
        }
    }
}

fn misplaced(command: &FinalCommand, steer: Steer, heard: &[bool]) -> Option<Violation> {
    let (id, taken) = (command.id.clone(), steer == Steer::Taken);
    if heard.len() > 1 {
        return Some(Violation::SaidTwice { id, count: heard.len() });
    }
    if heard.iter().any(|in_turn| *in_turn != taken) {
        return Some(Violation::SaidElsewhere { id, steer });
    }
    let never = command.state == CommandState::Succeeded && heard.is_empty();
    (taken && never).then_some(Violation::SucceededWithoutStart { id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_read_as_starts_and_words() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("journal");
        let user = |words: &str| {
            let frame = serde_json::json!({ "type": "user", "message": { "content": words } });
            serde_json::json!({ "event": "stdin", "by": 7, "line": frame.to_string() })
        };
        let began = serde_json::json!({
            "event": "start", "by": 7, "env": { "AFIELD_RUN_ID": "c1", "AFIELD_ATTEMPT": "2" } });
        let other = serde_json::json!({ "event": "stdin", "by": 7, "line": "{\"type\":\"x\"}" });
        let records = [began, other, user("[[mock:steer]] m1"), user("m2")];
        let text: String = records.iter().map(|record| format!("{record}\n")).collect();
        std::fs::write(&path, text).expect("a file");
        let (starts, heard) = read_conversations(&path).expect("it can be read");
        let start = Start { command: "c1".into(), attempt: 2, pid: 7, at_ms: None };
        assert_eq!(starts, [start]);
        let said = |mark: &str, in_turn| Heard { mark: mark.into(), in_turn };
        assert_eq!(heard, [said("m1", false), said("m2", true)]);
    }
}
