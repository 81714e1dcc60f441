//! Prompts and turns: a prompt is accepted when it arrives, and its turn begins when a script takes it.

use afield_proto::hex;
use aws_lc_rs::digest;
use serde_json::{Value, value::RawValue};

use super::{End, Session, intake::Incoming};
use crate::mock_claude::{disk::Entry, output, values::With};

/// An accepted prompt.
#[derive(Debug)]
pub(super) struct Prompt {
    id: String,
    /// Whether the host gave it its id; only then is the host told what becomes of it.
    tracked: bool,
    pub(super) text: String,
    /// The message as it came.
    message: Box<RawValue>,
}

/// A turn that goes on.
#[derive(Debug)]
pub(super) struct Turn {
    prompt: String,
    tracked: bool,
}

impl Prompt {
    /// A prompt from the command line.
    pub(super) fn text(text: String) -> Self {
        let message = serde_json::json!({ "role": "user", "content": text });
        let message =
            serde_json::value::to_raw_value(&message).expect("a JSON value is valid JSON");
        Self { id: format!("{MADE_UP}{:012x}", 0), tracked: false, text, message }
    }
}

impl Session {
    /// Accepts a `user` frame.
    pub(super) fn accept(&mut self, incoming: &Incoming<'_>) -> Result<(), End> {
        let Some(message) = incoming.message.filter(|message| role(message) == "user") else {
            output::stderr("Error: Expected message role 'user'");
            return Err(End::Exit(1));
        };
        if let Some(uuid) = &incoming.uuid
            && self.known.contains(uuid)
        {
            self.journal.dup(uuid);
            return Ok(());
        }
        let id = incoming.uuid.clone().unwrap_or_else(|| self.next_prompt_id());
        self.known.insert(id.clone());
        let tracked = incoming.uuid.is_some();
        self.lifecycle(&id, tracked, "queued")?;
        self.replay(&id, message)?;
        if incoming.should_query == Some(false) {
            return self.write_prompt(&id, message);
        }
        self.queue.push_back(Prompt {
            id,
            tracked,
            text: text_of(message),
            message: message.to_owned(),
        });
        Ok(())
    }

    /// Begins the turn of the next prompt; `false` if there is none.
    pub(in crate::mock_claude) fn begin_turn(&mut self) -> Result<bool, End> {
        let Some(prompt) = self.queue.pop_front() else { return Ok(false) };
        self.turns += 1;
        self.values.next_turn();
        self.ledger.clear();
        self.open_tools.clear();
        for (name, value) in [
            ("user_uuid", prompt.id.clone()),
            ("prompt_len", prompt.text.len().to_string()),
            ("prompt_sha256", sha256(prompt.text.as_bytes())),
            ("denials", "[]".to_owned()),
            ("prompt", prompt.text),
        ] {
            self.values.set(name, value);
        }
        self.lifecycle(&prompt.id, prompt.tracked, "started")?;
        self.write_prompt(&prompt.id, &prompt.message)?;
        self.turn = Some(Turn { prompt: prompt.id, tracked: prompt.tracked });
        self.session_state("running")?;
        self.register("busy")?;
        Ok(true)
    }

    /// Takes the next waiting prompt into the turn that goes on.
    pub(in crate::mock_claude) fn absorb(&mut self) -> Result<(), End> {
        let Some(prompt) = self.queue.pop_front() else { return Ok(()) };
        self.lifecycle(&prompt.id, prompt.tracked, "started")?;
        self.write_prompt(&prompt.id, &prompt.message)?;
        self.values.set("said", prompt.text);
        self.lifecycle(&prompt.id, prompt.tracked, "completed")
    }

    /// Ends the turn, if there is one: a result was printed.
    pub(super) fn end_turn(&mut self) -> Result<(), End> {
        let Some(turn) = self.turn.take() else { return Ok(()) };
        self.ledger.clear();
        self.lifecycle(&turn.prompt, turn.tracked, "completed")?;
        self.session_state("idle")?;
        self.register("idle")?;
        Ok(())
    }

    /// Takes a waiting prompt back; `false` if it does not wait.
    pub(super) fn cancel_prompt(&mut self, uuid: &str) -> Result<bool, End> {
        let Some(at) = self.queue.iter().position(|prompt| prompt.id == uuid) else {
            return Ok(false);
        };
        self.queue.remove(at);
        self.lifecycle(uuid, true, "cancelled")?;
        Ok(true)
    }

    /// The ids of the prompts that wait.
    pub(super) fn queued(&self) -> Vec<String> {
        self.queue.iter().map(|prompt| prompt.id.clone()).collect()
    }

    /// Whether a prompt waits.
    pub(in crate::mock_claude) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Tells the host about a prompt it gave an id to.
    fn lifecycle(&mut self, prompt: &str, tracked: bool, state: &str) -> Result<(), End> {
        if !tracked {
            return Ok(());
        }
        self.emit("lifecycle", &with([("command_uuid", prompt), ("state", state)]))
    }

    fn replay(&mut self, id: &str, message: &RawValue) -> Result<(), End> {
        if !self.args.has("replay-user-messages") {
            return Ok(());
        }
        let line =
            self.render("replay", &with([("command_uuid", id), ("message", message.get())]))?;
        Ok(self.print(&line)?)
    }

    fn session_state(&mut self, state: &str) -> Result<(), End> {
        if std::env::var_os("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS")
            .is_none_or(|value| value != "1")
        {
            return Ok(());
        }
        self.emit("session_state", &with([("state", state)]))
    }

    fn write_prompt(&self, id: &str, message: &RawValue) -> Result<(), End> {
        Ok(self.disk.append(&self.entry("user", id, Some(id), message))?)
    }

    /// A transcript line about a message of this session.
    pub(super) fn entry<'a>(
        &'a self,
        kind: &'a str,
        uuid: &'a str,
        prompt_id: Option<&'a str>,
        message: &'a RawValue,
    ) -> Entry<'a> {
        Entry {
            kind,
            uuid,
            prompt_id,
            message,
            session_id: self.values.text("sid"),
            cwd: self.values.text("cwd"),
            version: self.values.text("version"),
            timestamp: self.values.timestamp(),
            is_sidechain: false,
        }
    }

    /// An id for a prompt that came without.
    fn next_prompt_id(&self) -> String {
        format!("{MADE_UP}{:012x}", self.known.len() + 1)
    }
}

/// The beginning of such ids.
const MADE_UP: &str = "c1000000-0000-4000-8000-";

/// Some values for a frame.
pub(super) fn with<const N: usize>(values: [(&str, &str); N]) -> With {
    values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn role(message: &RawValue) -> String {
    let message: Value = serde_json::from_str(message.get()).unwrap_or_default();
    message["role"].as_str().unwrap_or_default().to_owned()
}

/// The text of a message, be its content a string or blocks.
fn text_of(message: &RawValue) -> String {
    let message: Value = serde_json::from_str(message.get()).unwrap_or_default();
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}
