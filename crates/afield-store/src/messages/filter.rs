//! Which messages of the log are asked for, and how they leave it. Pure.

use afield_proto::Timestamp;
use afield_proto::agent::{Direction, MessageKind};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a message has to be.
#[derive(Debug)]
pub(super) struct Filter {
    since: Option<Timestamp>,
    direction: Option<Direction>,
    kind: Option<MessageKind>,
    /// In small letters.
    text: Option<String>,
}

/// What a filter looks at.
#[derive(Deserialize)]
struct Looked<'a> {
    timestamp: Timestamp,
    direction: Direction,
    kind: MessageKind,
    #[serde(borrow, default)]
    text: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Filter {
    /// A filter of what is given; the text fits in any case of letters.
    pub(super) fn new(
        since: Option<Timestamp>,
        direction: Option<Direction>,
        kind: Option<MessageKind>,
        text: Option<&str>,
    ) -> Self {
        Self { since, direction, kind, text: text.map(str::to_lowercase) }
    }

    /// The data of an event that is a message asked for.
    pub(super) fn fitting<'a>(&self, body: &'a str) -> Option<&'a str> {
        if !body.starts_with("{\"type\":\"agent_message\"") {
            return None;
        }
        let data = serde_json::from_str::<Body<'a>>(body).ok()?.data.get();
        let everything = self.since.is_none()
            && self.direction.is_none()
            && self.kind.is_none()
            && self.text.is_none();
        let fits = everything || self.fits(&serde_json::from_str(data).ok()?);
        fits.then_some(data)
    }

    fn fits(&self, message: &Looked<'_>) -> bool {
        let text_fits = |wanted: &String| {
            message.text.as_ref().is_some_and(|text| text.to_lowercase().contains(wanted))
        };
        self.since.is_none_or(|since| message.timestamp >= since)
            && self.direction.is_none_or(|direction| message.direction == direction)
            && self.kind.is_none_or(|kind| message.kind == kind)
            && self.text.as_ref().is_none_or(text_fits)
    }
}

/// The message with its number in front.
pub(super) fn with_seq(seq: u64, data: &str) -> Option<Box<RawValue>> {
    with_fields(&format!("\"seq\":{seq}"), data)
}

/// The message with these fields, as JSON, in front of its own.
pub(super) fn with_fields(fields: &str, data: &str) -> Option<Box<RawValue>> {
    let own = data.strip_prefix('{')?;
    RawValue::from_string(format!("{{{fields},{own}")).ok()
}
