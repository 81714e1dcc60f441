//! An event as one line of JSON, the agent's own bytes untouched.

use afield_client::Event;
use afield_proto::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::out;

/// `{"event":"agent_message","seq":7,"at":"…","data":{…}}`
#[derive(Serialize)]
struct Line<'a> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    at: Timestamp,
    data: Option<&'a RawValue>,
}

/// Prints it.
pub(crate) fn print(event: &Event) {
    let data = event.frame.data.as_deref();
    out::json(&Line { event: &event.frame.kind, seq: event.seq, at: event.at, data });
}
