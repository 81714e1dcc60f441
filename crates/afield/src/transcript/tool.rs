//! One line for the use of a tool, one for its result.

use afield_proto::agent::AgentMessage;
use owo_colors::OwoColorize as _;
use serde_json::Value;

use super::{RESULT_WIDTH, clean};
use crate::words::{count, one_line};

/// The inputs that say most about a tool, best first.
const TELLING: [&str; 9] = [
    "command",
    "file_path",
    "notebook_path",
    "pattern",
    "url",
    "query",
    "description",
    "path",
    "prompt",
];

/// `Bash  cargo test`
pub(super) fn used(message: &AgentMessage) -> String {
    let name = message.tool.as_ref().and_then(|tool| tool.name.as_deref()).unwrap_or("tool");
    let name = clean(name);
    let about = input(message).and_then(|input| telling(&input)).or(message.text.clone());
    match about.filter(|about| *about != name) {
        Some(about) => format!("{} {}", name.bold(), one_line(&clean(&about), RESULT_WIDTH)),
        None => name.bold().to_string(),
    }
}

/// `  └ 3 passed (2 lines)`
pub(super) fn answered(message: &AgentMessage, words: &str) -> String {
    let failed = message.tool.as_ref().and_then(|tool| tool.failed).unwrap_or(false);
    let first = words.lines().find(|line| !line.trim().is_empty()).unwrap_or("(nothing)");
    let first = one_line(first, RESULT_WIDTH);
    let more = match words.lines().count() {
        0 | 1 => String::new(),
        lines => format!(" ({})", count(lines, "line", "lines")),
    };
    if failed {
        format!("  {} {}{more}\n", "└ failed:".red(), first)
    } else {
        format!("  {}\n", format!("└ {first}{more}").dimmed())
    }
}

/// The tool's input, found in the agent's own frame.
fn input(message: &AgentMessage) -> Option<Value> {
    let frame: Value = serde_json::from_str(message.message.get()).ok()?;
    let id = message.tool.as_ref().map(|tool| tool.id.as_str());
    let content = frame.pointer("/message/content").or_else(|| frame.get("content"))?.as_array()?;
    let ours = |block: &&Value| id.is_none() || block.get("id").and_then(Value::as_str) == id;
    content.iter().find(ours)?.get("input").cloned()
}

/// The part of an input that says most.
pub(super) fn telling(input: &Value) -> Option<String> {
    let text = |key: &&str| input.get(key)?.as_str().map(str::to_owned);
    TELLING
        .iter()
        .find_map(text)
        .or_else(|| input.as_object()?.values().find_map(|value| value.as_str().map(str::to_owned)))
}
