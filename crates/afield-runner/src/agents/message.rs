//! Messages as they are stored: stamped, and cut to what a record can hold.

use afield_proto::agent::{AgentMessage, Direction, MessageFlags, MessageKind, ToolRef};
use afield_proto::limits::STORED_MESSAGE_BYTES_MAX;
use afield_proto::runner::{Record, RunnerExecute};
use afield_proto::session::SessionNews;
use afield_proto::{CommandId, SessionId, Timestamp};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

/// Longest `text` of a message, in bytes. The whole words are in `message`.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Longest plain line stored whole, in bytes: written as JSON it may become six times as long.
const PLAIN_BYTES_MAX: usize = 1024 * 1024;
/// Longest string left in a trimmed frame, in bytes.
const STRING_BYTES_MAX: usize = 16 * 1024;
/// What is left of encoded images and files in a trimmed frame, in bytes.
const ENCODED_BYTES_MAX: usize = 64;

/// Marks every message of an attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// The command.
    pub(crate) command_id: CommandId,
    /// The session.
    pub(crate) session_id: SessionId,
}

impl Stamp {
    /// That of an order.
    pub(crate) fn of(order: &RunnerExecute) -> Self {
        Self { command_id: order.attempt.command_id, session_id: order.session_id }
    }
}

/// What a frame says, before it becomes a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    /// What it is.
    pub(crate) kind: MessageKind,
    /// The words in it.
    pub(crate) text: Option<String>,
    /// The tool.
    pub(crate) tool: Option<ToolRef>,
    /// The tool use it belongs to.
    pub(crate) parent: Option<String>,
    /// What it tells about its session.
    pub(crate) news: Option<SessionNews>,
}

impl Draft {
    /// A draft with words only.
    pub(crate) fn new(kind: MessageKind, text: Option<String>) -> Self {
        Self { kind, text, tool: None, parent: None, news: None }
    }
}

impl Stamp {
    /// A message out of a draft and the agent's own frame.
    pub(crate) fn message(
        self,
        draft: Draft,
        message: Box<RawValue>,
        flags: MessageFlags,
        now: Timestamp,
    ) -> AgentMessage {
        AgentMessage {
            timestamp: now,
            direction: Direction::Claude,
            kind: draft.kind,
            command_id: Some(self.command_id),
            session_id: Some(self.session_id),
            text: draft.text.map(|text| shortened(text, TEXT_BYTES_MAX)),
            tool: draft.tool,
            parent: draft.parent,
            news: draft.news.map(Box::new),
            flags,
            message,
        }
    }

    /// A plain line as a message, and the line itself when it had to be cut.
    pub(crate) fn plain(
        self,
        kind: MessageKind,
        mut line: String,
        mut flags: MessageFlags,
        now: Timestamp,
    ) -> (AgentMessage, Option<String>) {
        let mut whole = None;
        if line.len() > PLAIN_BYTES_MAX {
            flags.truncated = true;
            flags.original_bytes = Some(line.len() as u64);
            let short = prefix(&line, PLAIN_BYTES_MAX).to_owned();
            whole = Some(std::mem::replace(&mut line, short));
        }
        let frame = raw(&json!({ "text": line }));
        (self.message(Draft::new(kind, Some(line)), frame, flags, now), whole)
    }
}

/// Something the runner itself noticed, as a record.
pub(crate) fn warning(
    stamp: Stamp,
    code: &str,
    text: String,
    mut flags: MessageFlags,
    now: Timestamp,
) -> Record {
    flags.truncated |= flags.original_bytes.is_some();
    let frame = raw(&json!({ "code": code, "text": text }));
    Record::Message(stamp.message(Draft::new(MessageKind::Warning, Some(text)), frame, flags, now))
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("a JSON value is JSON")
}

/// The longest beginning of at most `bytes_max` bytes that is text.
pub(crate) fn prefix(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

fn shortened(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.shrink_to_fit();
    }
    text
}

/// A frame that fits a record, and the whole line when it had to be trimmed for that.
pub(crate) fn fit(
    frame: Box<RawValue>,
    flags: &mut MessageFlags,
) -> (Box<RawValue>, Option<String>) {
    let bytes = frame.get().len();
    if bytes <= STORED_MESSAGE_BYTES_MAX {
        return (frame, None);
    }
    flags.truncated = true;
    flags.original_bytes = Some(bytes as u64);
    let trimmed = trim(frame.get()).unwrap_or_default();
    let trimmed = to_raw_value(&trimmed).expect("a JSON value is JSON");
    let trimmed =
        if trimmed.get().len() <= STORED_MESSAGE_BYTES_MAX { trimmed } else { raw(&json!({})) };
    let whole: Box<str> = frame.into();
    (trimmed, Some(whole.into()))
}

/// The frame with its long strings cut, read without ever holding the long ones twice.
fn trim(json: &str) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_str(json);
    Trim.deserialize(&mut reader).ok()
}

#[derive(Clone, Copy)]
struct Trim;

impl<'de> DeserializeSeed<'de> for Trim {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Trim {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(trim_text(text).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            values.insert(key, map.next_value_seed(self)?);
        }
        Ok(Value::Object(values))
    }
}

fn trim_text(text: &str) -> String {
    if text.len() <= STRING_BYTES_MAX {
        return text.to_owned();
    }
    let encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    let bytes_max = if text.bytes().all(encoded) { ENCODED_BYTES_MAX } else { STRING_BYTES_MAX };
    format!("{}…", prefix(text, bytes_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_fits_stays_as_it_came() {
        let frame = RawValue::from_string(r#"{ "b":1.50, "a":1e2 }"#.into()).unwrap();
        let mut flags = MessageFlags::default();
        let (kept, whole) = fit(frame, &mut flags);
        assert_eq!(kept.get(), r#"{ "b":1.50, "a":1e2 }"#);
        assert!(whole.is_none() && flags.is_empty());
    }

    #[test]
    fn a_longer_one_keeps_its_shape_and_loses_its_long_strings() {
        let words = "word ".repeat(STORED_MESSAGE_BYTES_MAX / 5);
        let image = "QUJD".repeat(20_000);
        let line = json!({ "type": "user", "words": words, "image": image, "n": 7 }).to_string();
        let mut flags = MessageFlags::default();
        let (kept, whole) = fit(RawValue::from_string(line.clone()).unwrap(), &mut flags);
        assert_eq!(whole.as_deref(), Some(line.as_str()));
        assert_eq!((flags.truncated, flags.original_bytes), (true, Some(line.len() as u64)));
        let kept: Value = serde_json::from_str(kept.get()).unwrap();
        assert_eq!((&kept["type"], &kept["n"]), (&json!("user"), &json!(7)));
        assert!(kept["words"].as_str().unwrap().len() <= STRING_BYTES_MAX + 3);
        assert!(kept["image"].as_str().unwrap().len() <= ENCODED_BYTES_MAX + 3);
    }

    #[test]
    fn a_plain_line_is_cut_between_characters() {
        let stamp = Stamp { command_id: CommandId::generate(), session_id: SessionId::generate() };
        let line = "é".repeat(PLAIN_BYTES_MAX);
        let (message, whole) = stamp.plain(
            MessageKind::Stdout,
            line.clone(),
            MessageFlags::default(),
            Timestamp::now(),
        );
        assert_eq!(message.flags.original_bytes, Some(line.len() as u64));
        assert_eq!(whole, Some(line));
    }
}
