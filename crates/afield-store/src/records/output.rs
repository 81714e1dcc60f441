//! Lines of a plain program as events: a row of the log at a time, written in one go.
//!
//! Called for records of output, inside their transaction.

use std::iter::Peekable;

use afield_proto::output::{LineBodies, OutputLines, Speaker};
use afield_proto::{OrgId, Timestamp};

use crate::log::row::{ROW_BYTES_MAX, ROW_EVENTS_MAX};
use crate::tx::Tx;

/// Tells each line as a message.
pub(super) fn tell(
    tx: &mut Tx,
    (org, speaker): (OrgId, Speaker),
    bodies: &LineBodies,
    lines: &OutputLines,
    now: Timestamp,
) {
    let bytes = (bodies.bytes(0) * lines.len() + 2 * lines.bytes()).min(ROW_BYTES_MAX);
    let mut rest = lines.json().peekable();
    while rest.peek().is_some() {
        let mut text = String::with_capacity(bytes);
        let events = write_row(bodies, &mut rest, &mut text);
        tx.tell_lines(org, speaker.project_id, (text.into(), events), now);
    }
}

/// Writes as many of the next lines as a row takes, and says how many.
fn write_row<'a>(
    bodies: &LineBodies,
    lines: &mut Peekable<impl Iterator<Item = &'a str>>,
    text: &mut String,
) -> usize {
    let mut events = 0;
    while let Some(line) = lines.next_if(|line| {
        let full =
            events == ROW_EVENTS_MAX || text.len() + bodies.bytes(line.len()) > ROW_BYTES_MAX;
        events == 0 || !full
    }) {
        if events > 0 {
            text.push('\n');
        }
        bodies.write(line, text);
        events += 1;
    }
    events
}
