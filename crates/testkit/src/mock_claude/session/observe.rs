//! Takes note of what the mock itself prints, so that scripts need not say it twice: transcripts, open requests, tools
//! and tasks, the end of the turn.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{End, Session};

/// A frame that was printed, as far as anybody cares.
#[derive(Deserialize)]
struct Printed<'a> {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    subtype: String,
    #[serde(default)]
    uuid: String,
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    is_error: bool,
    parent_tool_use_id: Option<String>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    origin: Option<Value>,
    result: Option<String>,
    deferred_tool_use: Option<Value>,
    terminal_reason: Option<String>,
}

impl Session {
    /// Takes note of a frame; what is no frame is left alone.
    pub(in crate::mock_claude) fn observe(&mut self, line: &str) -> Result<(), End> {
        let Ok(printed) = serde_json::from_str::<Printed<'_>>(line) else { return Ok(()) };
        match (printed.kind.as_str(), printed.subtype.as_str()) {
            ("system", "init") => self.announced = true,
            ("system", "task_started" | "task_updated" | "task_notification") => self.task(line),
            ("control_request", _) => {
                self.ledger.asked(
                    &printed.request_id,
                    printed.request.map_or("", RawValue::get),
                    line,
                );
            }
            ("control_cancel_request", _) => self.ledger.withdrawn(&printed.request_id),
            ("assistant" | "user", _) => self.message(&printed)?,
            ("result", _) => self.result(&printed)?,
            _ => {}
        }
        Ok(())
    }

    fn message(&mut self, printed: &Printed<'_>) -> Result<(), End> {
        let Some(message) = printed.message else { return Ok(()) };
        let content: Value = serde_json::from_str(message.get()).unwrap_or_default();
        for block in content["content"].as_array().into_iter().flatten() {
            match (block["type"].as_str(), block["id"].as_str(), block["tool_use_id"].as_str()) {
                (Some("tool_use"), Some(id), _) => drop(self.open_tools.insert(id.to_owned())),
                (Some("tool_result"), _, Some(id)) => drop(self.open_tools.remove(id)),
                _ => {}
            }
        }
        if printed.parent_tool_use_id.is_some() {
            return Ok(());
        }
        if printed.kind == "user" {
            self.values.end_message();
        }
        Ok(self.disk.append(&self.entry(&printed.kind, &printed.uuid, None, message))?)
    }

    fn result(&mut self, printed: &Printed<'_>) -> Result<(), End> {
        let asked_for =
            printed.terminal_reason.as_ref().is_some_and(|reason| reason.starts_with("aborted_"));
        self.failed = printed.is_error && !asked_for;
        self.values.end_message();
        if printed.deferred_tool_use.is_some() {
            self.disk.append_deferred(self.values.text("sid"))?;
        }
        let woken =
            printed.origin.as_ref().is_some_and(|origin| origin["kind"] == "task-notification");
        if woken { Ok(()) } else { self.end_turn() }
    }

    fn task(&mut self, line: &str) {
        let frame: Value = serde_json::from_str(line).unwrap_or_default();
        if frame["subtype"] == "task_started" {
            let (id, kind, description) =
                (&frame["task_id"], &frame["task_type"], &frame["description"]);
            self.tasks.push(
                serde_json::json!({ "task_id": id, "task_type": kind, "description": description }),
            );
            return;
        }
        let status =
            frame["status"].as_str().or(frame["patch"]["status"].as_str()).unwrap_or_default();
        if ["completed", "failed", "killed", "stopped"].contains(&status) {
            self.tasks.retain(|task| task["task_id"] != frame["task_id"]);
        }
    }
}

/// The text of a `result` frame; `None` for any other frame.
pub(super) fn result_text(line: &str) -> Option<String> {
    let printed: Printed<'_> = serde_json::from_str(line).ok()?;
    (printed.kind == "result").then(|| printed.result.unwrap_or_default())
}

/// The inner part of a `control_request` frame.
pub(super) fn request(line: &str) -> Option<String> {
    let printed: Printed<'_> = serde_json::from_str(line).ok()?;
    Some(printed.request?.get().to_owned())
}

/// The tool use a `control_request` frame is about.
pub(super) fn tool_use_id(line: &str) -> String {
    let frame: Value = serde_json::from_str(line).unwrap_or_default();
    frame["request"]["tool_use_id"].as_str().unwrap_or_default().to_owned()
}
