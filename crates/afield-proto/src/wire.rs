//! Frames: the one envelope both ways, checked before anything acts on it.
//!
//! ```text
//! {"type": "execute", "id": "c1", "project_id": "…", "data": {…}}                    request
//! {"type": "execute", "id": "c1", "project_id": "…", "data": {…}}                    reply
//! {"type": "error", "id": "c1", "data": {"code": "…", "message": "…"}}               refusal
//! {"type": "project_state", "project_id": "…", "seq": 42, "at": "…", "data": {…}}    fact
//! {"type": "event", "topic": "project:…", "seq": 42, "at": "…", "data": {fact}}      event
//! ```

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{ErrorBody, ErrorCode};
use crate::fact::Fact;
use crate::{ProjectId, Timestamp, Topic, limits};

/// A client's own mark on a request, echoed in its reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(untagged)]
pub enum CorrelationId {
    /// A text of up to 128 bytes.
    Text(String),
    /// A whole number.
    Number(i64),
}

/// A frame as it arrives, its `data` not yet read.
///
/// Used by both sides: the server reads requests and a runner's replies, a client reads replies,
/// facts and events.
#[derive(Debug, Clone, Deserialize)]
pub struct Incoming {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The mark of the request it belongs to.
    #[serde(default)]
    pub id: Option<CorrelationId>,
    /// The project it is about.
    #[serde(default)]
    pub project_id: Option<ProjectId>,
    /// The topic, on events.
    #[serde(default)]
    pub topic: Option<Topic>,
    /// The number in the topic, on durable events and facts.
    #[serde(default)]
    pub seq: Option<u64>,
    /// When it happened, on events and facts.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// The rest.
    #[serde(default)]
    pub data: Option<Box<RawValue>>,
}

impl Incoming {
    /// Reads a frame.
    ///
    /// **Errors**: MESSAGE_TOO_LARGE over `bytes_max`; VALIDATION_FAILED for anything that is no
    /// JSON object of this shape, or nested deeper than [`limits::JSON_DEPTH_MAX`].
    pub fn parse(text: &str, bytes_max: usize) -> Result<Self, ErrorBody> {
        if text.len() > bytes_max {
            return Err(too_large(text.len(), bytes_max));
        }
        if json_depth_exceeds(text.as_bytes(), limits::JSON_DEPTH_MAX) {
            return Err(ErrorBody::new(
                ErrorCode::ValidationFailed,
                format!(
                    "the JSON is nested deeper than {} levels (limit json_depth)",
                    limits::JSON_DEPTH_MAX
                ),
            ));
        }
        Self::read(text)
    }

    /// Reads a frame from a side whose frames are not limited in depth: a server, as its clients
    /// see it, relays what agents say.
    ///
    /// **Errors**: VALIDATION_FAILED for anything that is no JSON object of this shape.
    pub fn read(text: &str) -> Result<Self, ErrorBody> {
        let frame: Self = serde_json::from_str(text).map_err(|error| {
            ErrorBody::new(
                ErrorCode::ValidationFailed,
                format!("the frame is no valid request: {error}"),
            )
        })?;
        match &frame.id {
            Some(CorrelationId::Text(id)) if id.len() > limits::CORRELATION_BYTES_MAX => {
                let limit = limits::CORRELATION_BYTES_MAX;
                Err(ErrorBody::new(
                    ErrorCode::ValidationFailed,
                    format!("id is longer than {limit} bytes"),
                ))
            }
            _ => Ok(frame),
        }
    }

    /// Reads `data` as a `T`.
    ///
    /// **Errors**: VALIDATION_FAILED saying what was expected.
    pub fn data<T: for<'de> Deserialize<'de>>(&self) -> Result<T, ErrorBody> {
        let text = self.data.as_deref().map_or("{}", RawValue::get);
        serde_json::from_str(text).map_err(|error| {
            ErrorBody::new(ErrorCode::ValidationFailed, format!("data of {:?}: {error}", self.kind))
        })
    }
}

/// The refusal of a frame that is too large.
pub fn too_large(bytes: usize, bytes_max: usize) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::MessageTooLarge,
        format!("the frame has {bytes} bytes, the limit message_bytes is {bytes_max}"),
    )
    .with_details(serde_json::json!({ "limit": "message_bytes", "value": bytes_max }))
}

/// Whether JSON text nests objects and arrays deeper than `depth_max`. Looks at brackets outside
/// strings only; whether the text is valid is for the parser to say.
pub fn json_depth_exceeds(text: &[u8], depth_max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[derive(Serialize)]
struct Outgoing<'a, T: ?Sized> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a CorrelationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<Topic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<ProjectId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    data: &'a T,
}

impl<'a, T: Serialize + ?Sized> Outgoing<'a, T> {
    fn new(kind: &'a str, data: &'a T) -> Self {
        Self { kind, id: None, topic: None, project_id: None, seq: None, at: None, data }
    }

    fn text(&self) -> String {
        serde_json::to_string(self).expect("Afield's own types always serialise")
    }
}

/// A request frame, as a client writes it.
pub fn request_frame(name: &str, id: &CorrelationId, data: &impl Serialize) -> String {
    Outgoing { id: Some(id), ..Outgoing::new(name, data) }.text()
}

/// A request frame around data that is JSON already; a large text is copied once.
pub fn raw_request_frame(name: &str, id: &CorrelationId, data: &RawValue) -> String {
    let id = serde_json::to_string(id).expect("a mark always serialises");
    // One piece of memory of the right size: the data may be long.
    [r#"{"type":""#, name, r#"","id":"#, &id, r#","data":"#, data.get(), "}"].concat()
}

/// A frame that expects no reply.
pub fn notice_frame(name: &str, data: &impl Serialize) -> String {
    Outgoing::new(name, data).text()
}

/// A reply frame.
pub fn reply_frame(
    name: &str,
    id: Option<&CorrelationId>,
    project_id: Option<ProjectId>,
    data: &impl Serialize,
) -> String {
    Outgoing { id, project_id, ..Outgoing::new(name, data) }.text()
}

/// A refusal frame.
pub fn error_frame(id: Option<&CorrelationId>, error: &ErrorBody) -> String {
    Outgoing { id, ..Outgoing::new("error", error) }.text()
}

/// The stored form of a fact: the text between the braces of its frames that never changes.
///
/// **Shape**: `{"type":…,"project_id":…,"data":{…}}`. [`fact_frame`] and [`event_frame`] are made
/// from it by splicing, so that a fact is encoded once however many follow it.
pub fn fact_body(project_id: Option<ProjectId>, fact: &Fact) -> String {
    // Written piece by piece: serde's adjacent tagging would buffer the data, which a raw agent
    // frame does not survive.
    let mut text = Vec::with_capacity(512 + agent_frame_bytes(fact));
    text.extend_from_slice(format!("{{\"type\":\"{}\",", fact.name()).as_bytes());
    if let Some(id) = project_id {
        text.extend_from_slice(format!("\"project_id\":\"{id}\",").as_bytes());
    }
    text.extend_from_slice(b"\"data\":");
    write_data(fact, &mut text);
    text.push(b'}');
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// How long the agent's own frame in a fact is, so that a large one is copied once.
fn agent_frame_bytes(fact: &Fact) -> usize {
    match fact {
        Fact::AgentMessage(message) => message.message.get().len(),
        _ => 0,
    }
}

fn write_data(fact: &Fact, text: &mut Vec<u8>) {
    let written = match fact {
        Fact::ProjectState(data) | Fact::ProjectUpdate(data) => serde_json::to_writer(text, data),
        Fact::AgentMessage(data) => serde_json::to_writer(text, data),
        Fact::CommandState(data) => serde_json::to_writer(text, data),
        Fact::ApprovalState(data) => serde_json::to_writer(text, data),
        Fact::RunnerState(data) => serde_json::to_writer(text, data),
        Fact::DeviceState(data) => serde_json::to_writer(text, data),
        Fact::HoldState(data) => serde_json::to_writer(text, data),
        Fact::StateChanged(data) => serde_json::to_writer(text, data),
        Fact::HandoffState(data) => serde_json::to_writer(text, data),
        Fact::DeviceMessage(data) => serde_json::to_writer(text, data),
        Fact::DeviceMessageState(data) => serde_json::to_writer(text, data),
        Fact::DevicePresence(data) => serde_json::to_writer(text, data),
        Fact::ServerStats(data) => serde_json::to_writer(text, data),
        Fact::HealthCheck(data) => serde_json::to_writer(text, data),
        Fact::ConnectionHealth(data) => serde_json::to_writer(text, data),
        Fact::Gap(data) => serde_json::to_writer(text, data),
        Fact::ProjectDeleted { .. }
        | Fact::SessionReset { .. }
        | Fact::ProcessKilled { .. }
        | Fact::CommandGone { .. }
        | Fact::DeviceGone { .. } => {
            serde_json::to_value(fact).and_then(|value| serde_json::to_writer(text, &value["data"]))
        }
    };
    written.expect("Afield's own types always serialise");
}

/// A fact as it is sent to those who joined a project, made from its stored form: the pieces of
/// the text, in order.
pub fn fact_frame(body: &str, seq: Option<u64>, at: Timestamp) -> [Cow<'_, str>; 3] {
    let inner = body.strip_suffix('}').unwrap_or(body);
    let rest = match seq {
        Some(seq) => format!(",\"seq\":{seq},\"at\":\"{at}\"}}"),
        None => format!(",\"at\":\"{at}\"}}"),
    };
    ["".into(), inner.into(), rest.into()]
}

/// A fact as it is sent to those who subscribed to its topic, made from its stored form: the
/// pieces of the text, in order.
pub fn event_frame<'a>(
    topic: &Topic,
    body: &'a str,
    seq: Option<u64>,
    at: Timestamp,
) -> [Cow<'a, str>; 3] {
    let seq = seq.map(|seq| format!("\"seq\":{seq},")).unwrap_or_default();
    let start =
        format!("{{\"type\":\"event\",\"topic\":\"{topic}\",{seq}\"at\":\"{at}\",\"data\":");
    [start.into(), body.into(), "}".into()]
}

/// The frames of consecutive events that were written at one time: what they share is put into
/// words once.
#[derive(Debug, Clone)]
pub struct EventFrames {
    /// Of frames for subscribers, everything before the number.
    start: Option<String>,
    /// Everything between the number and the data, or behind the number.
    at: String,
}

impl EventFrames {
    /// As [`fact_frame`].
    pub fn facts(at: Timestamp) -> Self {
        Self { start: None, at: format!(",\"at\":\"{at}\"}}") }
    }

    /// As [`event_frame`].
    pub fn events(topic: &Topic, at: Timestamp) -> Self {
        let start = format!("{{\"type\":\"event\",\"topic\":\"{topic}\",\"seq\":");
        Self { start: Some(start), at: format!(",\"at\":\"{at}\",\"data\":") }
    }

    /// The pieces of one frame, in order.
    pub fn pieces<'a>(&'a self, body: &'a str, seq: &'a str) -> [&'a str; 5] {
        match &self.start {
            Some(start) => [start, seq, &self.at, body, "}"],
            None => [body.strip_suffix('}').unwrap_or(body), ",\"seq\":", seq, &self.at, ""],
        }
    }
}

/// One message of a page of history: an `agent_message` with its number.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct HistoryMessage {
    /// Its number in the project's topic.
    pub seq: u64,
    /// The message.
    #[serde(flatten)]
    pub message: crate::agent::AgentMessage,
}

/// A message as a search gives it back.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct FoundMessage {
    /// The project it was said in.
    pub project_id: ProjectId,
    /// The message.
    #[serde(flatten)]
    pub message: HistoryMessage,
}

impl<'de> Deserialize<'de> for FoundMessage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Place {
            project_id: ProjectId,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let place: Place = serde_json::from_str(text.get()).map_err(serde::de::Error::custom)?;
        let message = HistoryMessage::read(text.get()).map_err(serde::de::Error::custom)?;
        Ok(Self { project_id: place.project_id, message })
    }
}

/// Read in two passes, so that the agent's frame inside is kept as it came.
impl<'de> Deserialize<'de> for HistoryMessage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(text.get()).map_err(serde::de::Error::custom)
    }
}

impl HistoryMessage {
    fn read(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Number {
            seq: u64,
        }
        let Number { seq } = serde_json::from_str(text)?;
        Ok(Self { seq, message: serde_json::from_str(text)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{AgentMessage, Direction, MessageFlags, MessageKind};
    use crate::request::Request;
    use proptest::prelude::*;

    fn message(raw: &str) -> AgentMessage {
        AgentMessage {
            timestamp: Timestamp::from_unix_ms(0),
            direction: Direction::Claude,
            kind: MessageKind::Text,
            command_id: None,
            session_id: None,
            text: None,
            tool: None,
            parent: None,
            news: None,
            flags: MessageFlags::default(),
            message: RawValue::from_string(raw.to_owned()).unwrap(),
        }
    }

    #[test]
    fn a_request_of_the_older_set_needs_nothing_new() {
        let frame = Incoming::parse(r#"{"type":"project_list"}"#, 100).unwrap();
        let request = Request::parse(&frame.kind, frame.data.as_deref()).unwrap();
        assert_eq!(request.name(), "project_list");
        let frame = Incoming::parse(
            r#"{"type":"execute","project_id":"01890a5d-ac96-774b-bcce-b302099a8057","data":{"prompt":"hi"}}"#,
            1000,
        )
        .unwrap();
        assert!(frame.project_id.is_some());
        assert!(
            matches!(Request::parse("execute", frame.data.as_deref()), Ok(Request::Execute(e)) if e.prompt == "hi")
        );
    }

    #[test]
    fn bad_requests_are_named() {
        for (text, word) in [
            ("", "no valid request"),
            ("[]", "no valid request"),
            (r#"{"id":"x"}"#, "type"),
            (r#"{"type":7}"#, "invalid type"),
            (r#"{"type":"x","project_id":"nope"}"#, "no valid request"),
        ] {
            let error = Incoming::parse(text, 1000).unwrap_err();
            assert_eq!(error.code, ErrorCode::ValidationFailed);
            assert!(error.message.contains(word), "{text}: {}", error.message);
        }
        let error = Incoming::parse(r#"{"type":"project_list"}"#, 10).unwrap_err();
        assert_eq!(error.code, ErrorCode::MessageTooLarge);
        let error = Request::parse("project_lst", None).unwrap_err();
        assert!(error.message.contains("did you mean \"project_list\""), "{}", error.message);
        let error = Request::parse("project_create", None).unwrap_err();
        assert!(error.message.contains("missing field `path`"), "{}", error.message);
    }

    #[test]
    fn depth_is_counted_outside_strings_only() {
        let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
        assert!(json_depth_exceeds(deep.as_bytes(), 32));
        assert!(!json_depth_exceeds(br#"{"a":"[[[[[[\"[[["}"#, 2));
        let text = format!(r#"{{"type":"execute","data":{deep}}}"#);
        assert_eq!(Incoming::parse(&text, 10_000).unwrap_err().code, ErrorCode::ValidationFailed);
    }

    #[test]
    fn one_stored_body_serves_both_frames() {
        let project_id = ProjectId::generate();
        let fact = Fact::AgentMessage(message(r#"{"b":1, "a":[1.0]}"#));
        let body = fact_body(Some(project_id), &fact);
        let at = Timestamp::from_unix_ms(5);
        let bare = Incoming::read(&fact_frame(&body, Some(7), at).concat()).unwrap();
        assert_eq!(
            (bare.kind.as_str(), bare.seq, bare.project_id),
            ("agent_message", Some(7), Some(project_id))
        );
        let event =
            Incoming::read(&event_frame(&Topic::Project(project_id), &body, Some(7), at).concat())
                .unwrap();
        assert_eq!((event.seq, event.at), (Some(7), Some(at)));
        let frames = EventFrames::facts(at);
        assert_eq!(frames.pieces(&body, "7").concat(), fact_frame(&body, Some(7), at).concat());
        let (topic, frames) =
            (Topic::Project(project_id), EventFrames::events(&Topic::Project(project_id), at));
        assert_eq!(
            frames.pieces(&body, "7").concat(),
            event_frame(&topic, &body, Some(7), at).concat()
        );
        let inner: Incoming = event.data().unwrap();
        let back: AgentMessage = inner.data().unwrap();
        assert_eq!(back.message.get(), r#"{"b":1, "a":[1.0]}"#, "the agent's bytes are kept");
    }

    #[test]
    fn what_carries_an_agents_frame_can_be_read_back() {
        use crate::runner::{Attempt, Record, RunnerRecords};
        let raw = r#"{"z":1, "a":[1.0]}"#;
        let batch = RunnerRecords::new(
            Attempt { command_id: crate::CommandId::generate(), attempt: 1, fence: 2 },
            1,
            vec![Record::Started { at: Timestamp::from_unix_ms(0) }, Record::Message(message(raw))],
        );
        let text = serde_json::to_string(&batch).unwrap();
        let back: RunnerRecords = serde_json::from_str(&text).unwrap();
        assert!(matches!(&back.records[1], Record::Message(m) if m.message.get() == raw));
        let text =
            serde_json::to_string(&HistoryMessage { seq: 3, message: message(raw) }).unwrap();
        let back: HistoryMessage = serde_json::from_str(&text).unwrap();
        assert_eq!((back.seq, back.message.message.get()), (3, raw));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}") {
            let _ = Incoming::parse(&text, 1000);
        }

        #[test]
        fn no_data_makes_a_request_panic(name in prop::sample::select(Request::NAMES), json in "[\\[\\]{}\":,a-z0-9 ]{0,60}") {
            if let Ok(raw) = RawValue::from_string(json) {
                let _ = Request::parse(name, Some(&raw));
            }
        }
    }
}
