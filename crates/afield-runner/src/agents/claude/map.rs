//! Frames of Claude Code as messages every client understands.
//!
//! Pure. One frame holds one content block; should it hold several, each becomes a message with
//! its own block, so that no tool use is lost.

use afield_proto::agent::{MessageKind, ToolRef};
use afield_proto::session::SessionNews;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::frame::Fields;
use super::usage;
use crate::agents::message::{Draft, prefix};

/// Longest one-line summary of a tool's input, in bytes.
const SUMMARY_BYTES_MAX: usize = 500;

/// A message of a frame: the draft, and the frame cut down to its block where there are several.
pub(super) type Mapped = (Draft, Option<Box<RawValue>>);

/// The messages of a frame. None for frames that only repeat what was sent.
pub(super) fn map(frame: &Fields<'_>) -> Vec<Mapped> {
    let parent = frame.text("parent_tool_use_id");
    let mut drafts = match frame.text("type").as_deref() {
        Some("assistant") => blocks(frame, assistant_block),
        Some("user") if frame.flag("isReplay") => Vec::new(),
        Some("user") => blocks(frame, user_block),
        kind => vec![(single(kind, frame), None)],
    };
    for (draft, _) in &mut drafts {
        draft.parent.clone_from(&parent);
    }
    drafts
}

fn single(kind: Option<&str>, frame: &Fields<'_>) -> Draft {
    match kind {
        Some("stream_event") => Draft::new(MessageKind::Partial, partial_text(frame)),
        Some("result") => Draft::new(MessageKind::Result, frame.text("result")),
        Some("system") => system(frame),
        Some("tool_progress") => {
            let tool = frame.text("tool_use_id").map(|id| ToolRef {
                id,
                name: frame.text("tool_name"),
                failed: None,
            });
            Draft { tool, ..Draft::new(MessageKind::Progress, None) }
        }
        Some("command_lifecycle" | "keep_alive" | "transcript_mirror") => {
            Draft::new(MessageKind::Progress, None)
        }
        Some("tool_use_summary") => Draft::new(MessageKind::System, frame.text("summary")),
        Some("prompt_suggestion") => Draft::new(MessageKind::System, frame.text("suggestion")),
        Some("auth_status") => Draft::new(MessageKind::System, frame.text("error")),
        Some("rate_limit_event" | "conversation_reset") => Draft::new(MessageKind::System, None),
        _ => Draft::new(MessageKind::Unknown, None),
    }
}

fn system(frame: &Fields<'_>) -> Draft {
    match frame.text("subtype").as_deref() {
        Some("init") => Draft {
            news: Some(SessionNews::Began(usage::setup(frame))),
            ..Draft::new(MessageKind::Init, None)
        },
        Some(
            "thinking_tokens" | "hook_progress" | "task_progress" | "control_request_progress",
        ) => Draft::new(MessageKind::Progress, None),
        _ => {
            let text = ["content", "message", "summary", "description"];
            let text = text.into_iter().find_map(|name| frame.text(name));
            Draft::new(MessageKind::System, text)
        }
    }
}

/// The piece of text in a stream event, where it is one of the answer.
fn partial_text(frame: &Fields<'_>) -> Option<String> {
    let event = frame.inner("event");
    event.is("type", "content_block_delta").then(|| event.inner("delta"))?.text("text")
}

/// The blocks of a frame's content, each as a draft.
fn blocks(frame: &Fields<'_>, draft: fn(&Fields<'_>) -> Draft) -> Vec<Mapped> {
    let content = frame.inner("message");
    if let Some(text) = content.text("content") {
        return vec![(
            draft(&Fields::of(&json!({ "type": "text", "text": text }).to_string())),
            None,
        )];
    }
    match content.list("content").as_slice() {
        [] => vec![(Draft::new(MessageKind::System, None), None)],
        [one] => vec![(draft(&Fields::of(one.get())), None)],
        several => several
            .iter()
            .map(|block| (draft(&Fields::of(block.get())), frame_of(frame, block)))
            .collect(),
    }
}

/// The frame with one of its blocks only.
fn frame_of(frame: &Fields<'_>, block: &RawValue) -> Option<Box<RawValue>> {
    let mut fields: serde_json::Map<String, Value> = serde_json::Map::new();
    let mut message: Value = frame.get("message")?;
    message["content"] = Value::Array(vec![serde_json::from_str(block.get()).ok()?]);
    for name in ["type", "uuid", "session_id", "parent_tool_use_id"] {
        fields.extend(frame.get::<Value>(name).map(|value| (name.to_owned(), value)));
    }
    fields.insert("message".to_owned(), message);
    serde_json::value::to_raw_value(&fields).ok()
}

fn assistant_block(block: &Fields<'_>) -> Draft {
    match block.text("type").as_deref() {
        Some("text") => Draft::new(MessageKind::Text, block.text("text")),
        Some("thinking" | "redacted_thinking") => {
            Draft::new(MessageKind::Thinking, block.text("thinking"))
        }
        Some("tool_use" | "server_tool_use") => Draft {
            tool: block.text("id").map(|id| ToolRef { id, name: block.text("name"), failed: None }),
            ..Draft::new(MessageKind::ToolUse, summary(&block.inner("input")))
        },
        Some(kind) if kind.ends_with("tool_result") => tool_result(block),
        _ => Draft::new(MessageKind::Unknown, None),
    }
}

fn user_block(block: &Fields<'_>) -> Draft {
    match block.text("type").as_deref() {
        Some("tool_result") => tool_result(block),
        Some("text") => Draft::new(MessageKind::System, block.text("text")),
        _ => Draft::new(MessageKind::System, None),
    }
}

fn tool_result(block: &Fields<'_>) -> Draft {
    let failed = Some(block.flag("is_error"));
    Draft {
        tool: block.text("tool_use_id").map(|id| ToolRef { id, name: None, failed }),
        ..Draft::new(MessageKind::ToolResult, result_text(block))
    }
}

/// A tool's result as text: a string, or the texts of its blocks.
fn result_text(block: &Fields<'_>) -> Option<String> {
    if let Some(text) = block.text("content") {
        return Some(text);
    }
    let texts =
        block.list("content").into_iter().filter_map(|item| Fields::of(item.get()).text("text"));
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// What a tool is about to do, in one line.
fn summary(input: &Fields<'_>) -> Option<String> {
    let telling =
        ["command", "file_path", "path", "pattern", "url", "query", "description", "prompt"];
    let text = telling.into_iter().find_map(|name| input.text(name))?;
    Some(prefix(&text, SUMMARY_BYTES_MAX).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(frame: &str) -> Draft {
        let mut mapped = map(&Fields::of(frame));
        assert_eq!(mapped.len(), 1, "{frame}");
        mapped.remove(0).0
    }

    #[test]
    fn each_kind_of_frame_becomes_its_kind_of_message() {
        use MessageKind as Kind;
        let table = [
            (
                r#"{"type":"assistant","message":{"content":[{"type":"text","text":"hi"}]}}"#,
                Kind::Text,
                Some("hi"),
            ),
            (
                r#"{"type":"assistant","message":{"content":[{"type":"thinking","thinking":"hm"}]}}"#,
                Kind::Thinking,
                Some("hm"),
            ),
            (
                r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"ls"}}]}}"#,
                Kind::ToolUse,
                Some("ls"),
            ),
            (
                r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t","content":"out"}]}}"#,
                Kind::ToolResult,
                Some("out"),
            ),
            (
                r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}}"#,
                Kind::ToolResult,
                Some("a\nb"),
            ),
            (
                r#"{"type":"user","message":{"content":"woken"},"isSynthetic":true}"#,
                Kind::System,
                Some("woken"),
            ),
            (
                r#"{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"text_delta","text":"All "}}}"#,
                Kind::Partial,
                Some("All "),
            ),
            (r#"{"type":"stream_event","event":{"type":"message_stop"}}"#, Kind::Partial, None),
            (
                r#"{"type":"result","subtype":"success","result":"done"}"#,
                Kind::Result,
                Some("done"),
            ),
            (r#"{"type":"system","subtype":"init"}"#, Kind::Init, None),
            (
                r#"{"type":"system","subtype":"informational","content":"soon"}"#,
                Kind::System,
                Some("soon"),
            ),
            (r#"{"type":"system","subtype":"thinking_tokens"}"#, Kind::Progress, None),
            (r#"{"type":"tool_progress","tool_use_id":"t"}"#, Kind::Progress, None),
            (r#"{"type":"rate_limit_event"}"#, Kind::System, None),
            (r#"{"type":"brand_new","payload":{}}"#, Kind::Unknown, None),
            (r#"{"no":"type"}"#, Kind::Unknown, None),
        ];
        for (frame, kind, text) in table {
            let draft = only(frame);
            assert_eq!((draft.kind, draft.text.as_deref()), (kind, text), "{frame}");
        }
    }

    #[test]
    fn tools_are_paired_and_failures_shown() {
        let used = only(
            r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t1","name":"Read","input":{}}]},"parent_tool_use_id":"t0"}"#,
        );
        assert_eq!(
            used.tool.unwrap(),
            ToolRef { id: "t1".into(), name: Some("Read".into()), failed: None }
        );
        assert_eq!(used.parent.as_deref(), Some("t0"));
        let result = only(
            r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"no","is_error":true}]}}"#,
        );
        assert_eq!(
            result.tool.unwrap(),
            ToolRef { id: "t1".into(), name: None, failed: Some(true) }
        );
    }

    #[test]
    fn a_replayed_prompt_is_not_stored_again() {
        assert!(
            map(&Fields::of(r#"{"type":"user","message":{"content":"x"},"isReplay":true}"#))
                .is_empty()
        );
    }

    #[test]
    fn several_blocks_become_several_messages_with_their_own_block() {
        let frame = r#"{"type":"assistant","uuid":"u","message":{"id":"m","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"Bash","input":{}}]}}"#;
        let mapped = map(&Fields::of(frame));
        let kinds: Vec<_> = mapped.iter().map(|(draft, _)| draft.kind).collect();
        assert_eq!(kinds, [MessageKind::Text, MessageKind::ToolUse]);
        let second: Value = serde_json::from_str(mapped[1].1.as_ref().unwrap().get()).unwrap();
        assert_eq!(second["message"]["content"].as_array().unwrap().len(), 1);
        assert_eq!((&second["uuid"], &second["message"]["id"]), (&json!("u"), &json!("m")));
    }
}
