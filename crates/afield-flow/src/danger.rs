//! How dangerous what an agent asks is, and why.
//!
//! A help for the eye of who approves, not a guard: what is rated harmless is asked all the same, and
//! a program can do anything. So the rules err to one side: what can't be read with certainty is
//! destructive. Asked by the store for every approval it shows.

mod place;
mod programs;
mod shell;

use afield_proto::approval::{ApprovalAsk, ApprovalKind, Danger, DangerLevel};
use serde_json::Value;

/// Tools that only look at files.
const LOOKING: [&str; 5] = ["Read", "Glob", "Grep", "LS", "NotebookRead"];
/// Tools that write the file they name.
const WRITING: [&str; 4] = ["Write", "Edit", "MultiEdit", "NotebookEdit"];
/// Fields in which tools name a file or directory.
const PATHS: [&str; 3] = ["file_path", "notebook_path", "path"];

/// What was found out about one part of what is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    /// It only looks.
    Looks,
    /// Nothing is known for or against it.
    Works,
    /// It destroys or gives away; the reason.
    Destroys(String),
}

/// The rating of what is asked.
pub fn rate(ask: &ApprovalAsk) -> Danger {
    let findings = match ask.kind {
        ApprovalKind::Question => vec![Finding::Looks],
        ApprovalKind::Plan => vec![Finding::Works],
        ApprovalKind::Tool => tool(ask),
    };
    let looks = findings.iter().all(|finding| *finding == Finding::Looks);
    let mut reasons: Vec<String> = Vec::new();
    for finding in findings {
        if let Finding::Destroys(reason) = finding
            && !reasons.contains(&reason)
        {
            reasons.push(reason);
        }
    }
    let level = match (reasons.is_empty(), looks) {
        (false, _) => DangerLevel::Destructive,
        (true, true) => DangerLevel::Harmless,
        (true, false) => DangerLevel::Normal,
    };
    Danger { level, reasons }
}

fn tool(ask: &ApprovalAsk) -> Vec<Finding> {
    let input: Value = serde_json::from_str(ask.input.get()).unwrap_or_default();
    if let Some(command) = input["command"].as_str() {
        return shell::rate(command, &ask.directory);
    }
    let paths = || PATHS.iter().filter_map(|field| input[*field].as_str());
    match ask.tool.as_str() {
        tool if LOOKING.contains(&tool) => match paths().all(|path| is_inside(ask, path)) {
            true => vec![Finding::Looks],
            false => vec![Finding::Works],
        },
        tool if WRITING.contains(&tool) => {
            paths().map(|path| place::write(path, &ask.directory)).collect()
        }
        _ => vec![Finding::Works],
    }
}

fn is_inside(ask: &ApprovalAsk, path: &str) -> bool {
    place::is_inside(path, &ask.directory)
}

#[cfg(test)]
mod tests;
