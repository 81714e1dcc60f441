//! Lines of a plain program, many in one record.
//!
//! A program may write a hundred thousand lines a second. They travel and are stored as the JSON
//! texts they became on the runner: nobody on the way takes them apart and puts them together.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::agent::{AgentMessage, Direction, MessageFlags, MessageKind};
use crate::fact::Fact;
use crate::{CommandId, ProjectId, SessionId, Timestamp, wire};

/// Where a program wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl OutputStream {
    /// What a message with such a line is.
    pub fn kind(self) -> MessageKind {
        match self {
            Self::Stdout => MessageKind::Stdout,
            Self::Stderr => MessageKind::Stderr,
        }
    }
}

/// Whole lines without their ends, as JSON texts.
///
/// **Shape**: a list of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputLines {
    /// The texts with their quotes, a comma between two.
    json: String,
    /// Where each ends in `json`.
    ends: Vec<usize>,
}

impl OutputLines {
    /// Adds a line.
    pub fn push(&mut self, line: &str) {
        let mut json = Vec::with_capacity(line.len() + line.len() / 8 + 16);
        serde_json::to_writer(&mut json, line).expect("a text always serialises");
        self.push_json(std::str::from_utf8(&json).expect("JSON is UTF-8"));
    }

    fn push_json(&mut self, text: &str) {
        if !self.json.is_empty() {
            self.json.push(',');
        }
        self.json.push_str(text);
        self.ends.push(self.json.len());
    }

    /// How many lines.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Length of all of them as JSON, in bytes.
    pub fn bytes(&self) -> usize {
        self.json.len()
    }

    /// The lines as JSON texts, in order.
    pub fn json(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| end + 1));
        starts.zip(&self.ends).map(|(start, end)| &self.json[start..*end])
    }

    /// The lines themselves, in order.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.json().map(|json| serde_json::from_str(json).expect("it was checked on the way in"))
    }

    /// All of them between the brackets of a list.
    pub(crate) fn listed(&self) -> &str {
        &self.json
    }
}

impl Serialize for OutputLines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let list = format!("[{}]", self.json);
        let list = RawValue::from_string(list).expect("a list of JSON texts is JSON");
        list.serialize(serializer)
    }
}

/// Only from text in memory: the lines are taken over as they stand there.
impl<'de> Deserialize<'de> for OutputLines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Texts)
    }
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = OutputLines;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OutputLines, A::Error> {
        let mut lines = OutputLines::default();
        while let Some(raw) = list.next_element::<&'de RawValue>()? {
            check(raw.get()).map_err(A::Error::custom)?;
            lines.push_json(raw.get());
        }
        Ok(lines)
    }
}

/// Whether a JSON value is a text that everybody can read.
fn check(json: &str) -> Result<(), String> {
    if !json.starts_with('"') {
        return Err("a line is no text".to_owned());
    }
    // Half a surrogate pair is no character, and the only thing the reader lets pass.
    let mut escapes = json.match_indices("\\u");
    if escapes.any(|(at, _)| matches!(json.as_bytes().get(at + 2), Some(b'd' | b'D'))) {
        serde_json::from_str::<String>(json).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for OutputLines {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OutputLines".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<String>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Whose words lines are, when they become messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaker {
    /// The project.
    pub project_id: ProjectId,
    /// The command.
    pub command_id: CommandId,
    /// The session.
    pub session_id: Option<SessionId>,
}

impl Speaker {
    /// The stored form of a message, as [`wire::fact_body`] would write it of this speaker. A large
    /// frame of an agent is copied once.
    pub fn body(self, message: &AgentMessage) -> String {
        let words = AgentMessage {
            command_id: Some(self.command_id),
            session_id: self.session_id,
            text: message.text.clone(),
            tool: message.tool.clone(),
            parent: message.parent.clone(),
            news: message.news.clone(),
            message: RawValue::NULL.to_owned(),
            ..*message
        };
        let mut body = wire::fact_body(Some(self.project_id), &Fact::AgentMessage(words));
        body.truncate(body.strip_suffix("null}}").expect("the frame comes last").len());
        body.reserve_exact(message.message.get().len() + "}}".len());
        body.push_str(message.message.get());
        body.push_str("}}");
        body
    }
}

/// Makes the stored forms of messages out of lines, each as [`wire::fact_body`] would.
#[derive(Debug, Clone)]
pub struct LineBodies {
    /// Everything before the words.
    head: String,
}

impl LineBodies {
    /// For the lines of one record.
    pub fn new(speaker: Speaker, stream: OutputStream, at: Timestamp) -> Self {
        let message = AgentMessage {
            timestamp: at,
            direction: Direction::Claude,
            kind: stream.kind(),
            command_id: Some(speaker.command_id),
            session_id: speaker.session_id,
            text: None,
            tool: None,
            parent: None,
            news: None,
            flags: MessageFlags::default(),
            message: RawValue::NULL.to_owned(),
        };
        let mut head = wire::fact_body(Some(speaker.project_id), &Fact::AgentMessage(message));
        let words = "\"message\":null}}";
        head.truncate(head.strip_suffix(words).expect("the words come last").len());
        Self { head }
    }

    /// Bytes of a body around a line of so many bytes.
    pub fn bytes(&self, line: usize) -> usize {
        self.head.len() + 2 * line + 32
    }

    /// Adds the body of one line to `to`.
    pub fn write(&self, line: &str, to: &mut String) {
        for piece in [&self.head, "\"text\":", line, ",\"message\":{\"text\":", line, "}}}"] {
            to.push_str(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runner::Record;

    fn lines(texts: &[&str]) -> OutputLines {
        let mut lines = OutputLines::default();
        texts.iter().for_each(|text| lines.push(text));
        lines
    }

    #[test]
    fn what_is_no_list_of_texts_is_refused() {
        for json in [r#"["a",1]"#, r#"{"a":"b"}"#, r#"["a",null]"#, r#"["\ud800"]"#, r#"["a"#] {
            assert!(serde_json::from_str::<OutputLines>(json).is_err(), "{json}");
        }
        let pair = r#"["\ud83d\ude00", "\\ud"]"#;
        let read: OutputLines = serde_json::from_str(pair).unwrap();
        assert_eq!(read.texts().collect::<Vec<_>>(), ["😀", "\\ud"]);
        assert!(serde_json::from_str::<OutputLines>("[]").unwrap().is_empty());
    }

    #[test]
    fn a_body_is_the_one_the_message_would_have() {
        let (at, text) = (Timestamp::from_unix_ms(7), "a \"b\"\n\u{1b}[1m é");
        let speaker = Speaker {
            project_id: ProjectId::generate(),
            command_id: CommandId::generate(),
            session_id: Some(SessionId::generate()),
        };
        let message = AgentMessage {
            timestamp: at,
            direction: Direction::Claude,
            kind: MessageKind::Stderr,
            command_id: Some(speaker.command_id),
            session_id: speaker.session_id,
            text: Some(text.to_owned()),
            tool: None,
            parent: None,
            news: None,
            flags: MessageFlags::default(),
            message: serde_json::value::to_raw_value(&serde_json::json!({ "text": text })).unwrap(),
        };
        assert_eq!(
            speaker.body(&AgentMessage { command_id: None, session_id: None, ..message.clone() }),
            wire::fact_body(Some(speaker.project_id), &Fact::AgentMessage(message.clone()))
        );
        let whole = wire::fact_body(Some(speaker.project_id), &Fact::AgentMessage(message));
        let mut body = String::new();
        let bodies = LineBodies::new(speaker, OutputStream::Stderr, at);
        bodies.write(lines(&[text]).json().next().unwrap(), &mut body);
        assert_eq!(body, whole);
    }

    proptest! {
        #[test]
        fn lines_come_back_as_they_were(texts in prop::collection::vec(".{0,20}", 0..5)) {
            let mut lines = OutputLines::default();
            texts.iter().for_each(|text| lines.push(text));
            let at = Timestamp::from_unix_ms(1);
            let record = Record::Output { at, stream: OutputStream::Stdout, lines };
            let json = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(&record.to_json().unwrap(), json.as_bytes());
            let back: Record = serde_json::from_str(&json).unwrap();
            let Record::Output { lines, .. } = back else { panic!("{json}") };
            prop_assert_eq!(lines.texts().collect::<Vec<_>>(), texts);
        }
    }
}
