//! The values behind the placeholders `${…}`, and the counters that stand in for clocks and random numbers.
//!
//! | placeholder | value |
//! |---|---|
//! | `${sid} ${cwd} ${model} ${mode} ${prompt} ${user_uuid} …` | what the session knows by that name |
//! | `${uuid} ${ts}` | id and time of the frame; both count frames |
//! | `${req}` | in a control request a new request id, elsewhere the id of the latest |
//! | `${req:10} ${tool:04}` | a numbered request or tool id, moved by a hundred with each turn so that none repeats |
//! | `${msg} ${api}` | id of the current model message and of its API request |
//! | `${cost}` | the total cost, after adding this turn's |
//! | `${n}`, `${n:012x}` | the number within a burst, else the number of the turn |
//! | `"${=name}"` | the value as bare JSON, without the quotes |

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// Values that belong to one step or one frame.
pub(super) type With = BTreeMap<String, String>;

/// Stays in the text, for the writer of long lines.
const FILL: &str = "fill";

/// 2026-11-20T12:00:00Z, when every mock session takes place.
const EPOCH_SECONDS: i64 = 1_795_176_000;

/// How far apart the ids of two turns are.
const IDS_PER_TURN: u64 = 100;

/// A placeholder nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("unknown placeholder ${{{0}}}")]
pub(super) struct Unknown(String);

/// Named values and counters of a session.
#[derive(Debug, Default)]
pub(super) struct Values {
    named: BTreeMap<String, String>,
    frames: u64,
    requests: u64,
    messages: u64,
    /// The current message is complete; the next use of its id is about another.
    message_is_over: bool,
    turn: u64,
    cost_thousandths: u64,
    latest_request: String,
}

impl Values {
    /// Starts behind what a resumed session has used already; a new one has used nothing.
    pub(super) fn after(lines: u64, turns: u64) -> Self {
        let mut values = Self { frames: lines * 0x1000, turn: turns, ..Self::default() };
        values.messages = values.first_id();
        values
    }

    /// Gives a value a name.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.named.insert(name.to_owned(), value.into());
    }

    /// The value of that name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.named.get(name).map(String::as_str)
    }

    /// The value of that name, or nothing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// A turn begins: new message ids, new tool ids.
    pub(super) fn next_turn(&mut self) {
        self.turn += 1;
        self.messages = self.first_id();
        self.message_is_over = false;
        self.set("n", self.turn.to_string());
    }

    /// The model has said all of its message; what it says next is another.
    pub(super) fn end_message(&mut self) {
        self.message_is_over = true;
    }

    /// The conversation is cleared, and its cost with it.
    pub(super) fn reset_cost(&mut self) {
        self.cost_thousandths = 0;
    }

    /// The time of the latest frame.
    pub(super) fn timestamp(&self) -> String {
        let seconds = EPOCH_SECONDS.saturating_add_unsigned(self.frames);
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
    }

    /// The id of the latest frame.
    pub(super) fn uuid(&self) -> String {
        format!("b0000000-0000-4000-8000-{:012x}", self.frames)
    }

    /// Makes a line of JSON: advances the counters the template uses and escapes what is put in.
    pub(super) fn line(
        &mut self,
        template: &str,
        with: &With,
        cost: u64,
    ) -> Result<String, Unknown> {
        self.advance(template, cost);
        substitute(template, escape, |name| self.lookup(name, with))
    }

    /// Fills in the values of a step, which may use placeholders themselves.
    pub(super) fn filled(&self, with: &With) -> Result<With, Unknown> {
        with.iter().map(|(name, value)| Ok((name.clone(), self.plain(value)?))).collect()
    }

    /// Fills in a text that is not JSON.
    pub(super) fn plain(&self, template: &str) -> Result<String, Unknown> {
        substitute(template, str::to_owned, |name| self.lookup(name, &With::new()))
    }

    fn advance(&mut self, template: &str, cost: u64) {
        if template.contains("${uuid}") || template.contains("${ts}") {
            self.frames += 1;
        }
        if template.contains("${=cost}") || template.contains("${cost}") {
            self.cost_thousandths += cost;
        }
        if template.contains("${msg}") && std::mem::take(&mut self.message_is_over) {
            self.messages += 1;
        }
        if let Some(numbered) = numbered_request(template) {
            self.latest_request = self.request_id(numbered);
        } else if template.contains("\"${req}\"") && template.contains("\"control_request\"") {
            self.requests += 1;
            self.latest_request = self.request_id(self.requests);
        }
    }

    fn lookup(&self, name: &str, with: &With) -> Option<String> {
        let named = with.get(name).or_else(|| self.named.get(name));
        named.cloned().or_else(|| self.computed(name)).or_else(|| self.numbered(name))
    }

    fn computed(&self, name: &str) -> Option<String> {
        Some(match name {
            "uuid" => self.uuid(),
            "ts" => self.timestamp(),
            "req" => self.latest_request.clone(),
            "msg" => format!("msg_mock_{:02}", self.messages),
            "api" => format!("req_mock_{:02}", self.messages),
            "cost" => dollars(self.cost_thousandths),
            FILL => format!("${{{FILL}}}"),
            _ => return None,
        })
    }

    fn numbered(&self, name: &str) -> Option<String> {
        let (kind, number) = name.split_once(':')?;
        match kind {
            "req" => Some(self.request_id(u64::from_str_radix(number, 16).ok()?)),
            "tool" => {
                Some(format!("toolu_mock_{:02}", self.first_id() - 1 + number.parse::<u64>().ok()?))
            }
            _ => padded(self.get(kind)?.parse().ok()?, number),
        }
    }

    fn request_id(&self, number: u64) -> String {
        format!("5a1e0000-0000-4000-8000-{:012x}", self.turn.saturating_sub(1) * 0x100 + number)
    }

    /// The first number of the current turn.
    fn first_id(&self) -> u64 {
        self.turn.saturating_sub(1) * IDS_PER_TURN + 1
    }
}

fn numbered_request(template: &str) -> Option<u64> {
    let digits = template.split_once("${req:")?.1.split_once('}')?.0;
    u64::from_str_radix(digits, 16).ok()
}

/// Formats a number as `012x` or `012` ask for.
fn padded(number: u64, format: &str) -> Option<String> {
    match format.strip_suffix('x') {
        Some(width) => Some(format!("{number:0width$x}", width = width.parse().ok()?)),
        None => Some(format!("{number:0width$}", width = format.parse().ok()?)),
    }
}

fn dollars(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A text as the inside of a JSON string.
pub(super) fn escape(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn substitute(
    template: &str,
    escape: impl Fn(&str) -> String,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<String, Unknown> {
    let mut out = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else { break };
        out.push_str(before);
        let value = |name: &str| lookup(name).ok_or_else(|| Unknown(name.to_owned()));
        rest = match name.strip_prefix('=') {
            Some(name) => {
                out.pop();
                out.push_str(&value(name)?);
                tail.strip_prefix('"').unwrap_or(tail)
            }
            None => {
                out.push_str(&escape(&value(name)?));
                tail
            }
        };
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &mut Values, template: &str) -> String {
        values.line(template, &With::new(), 1).unwrap()
    }

    #[test]
    fn counters_stand_in_for_clocks_and_random_numbers() {
        let mut values = Values::default();
        assert_eq!(
            line(&mut values, "${uuid} ${ts}"),
            "b0000000-0000-4000-8000-000000000001 2026-11-20T12:00:01.000Z"
        );
        assert_eq!(line(&mut values, "${uuid}"), "b0000000-0000-4000-8000-000000000002");
    }

    #[test]
    fn texts_are_escaped_and_bare_values_lose_their_quotes() {
        let mut values = Values::default();
        values.set("prompt", "say \"hi\"\n");
        assert_eq!(
            line(&mut values, r#"{"p":"${prompt}","c":"${=cost}"}"#),
            r#"{"p":"say \"hi\"\n","c":0.001}"#
        );
        assert_eq!(
            values.plain("${prompt}$${n:03}").unwrap_err().to_string(),
            "unknown placeholder ${n:03}"
        );
    }

    #[test]
    fn numbered_ids_move_with_the_turn() {
        let mut values = Values::default();
        values.next_turn();
        assert_eq!(line(&mut values, "${tool:04} ${msg}"), "toolu_mock_04 msg_mock_01");
        values.next_turn();
        assert_eq!(
            line(&mut values, "${tool:04} ${msg} ${n:04x}"),
            "toolu_mock_104 msg_mock_101 0002"
        );
    }

    #[test]
    fn a_request_gets_a_new_id_and_what_follows_refers_to_it() {
        let mut values = Values::default();
        let request = r#"{"type":"control_request","request_id":"${req}"}"#;
        assert_eq!(line(&mut values, request), request.replace("${req}", &values.request_id(1)));
        assert_eq!(line(&mut values, "${req}"), values.request_id(1));
        assert_eq!(line(&mut values, "${req:1f}"), values.request_id(0x1f));
        assert_eq!(line(&mut values, "${req}"), values.request_id(0x1f));
    }

    #[test]
    fn dollars_have_no_trailing_zeros() {
        assert_eq!([0, 1, 20, 1010, 3000].map(dollars), ["0", "0.001", "0.02", "1.01", "3"]);
    }
}
