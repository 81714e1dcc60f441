//! What a command carries: as it is stored, in a list, and in the conversation.

use afield_proto::Timestamp;
use afield_proto::agent::{
    AgentKind, AgentMessage, Direction, ExecuteOptions, MessageFlags, MessageKind,
};
use afield_proto::attachment::Attachment;
use afield_proto::command::{Command, CommandKind};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::sql::to_json;

/// What is carried out, as it is stored.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredPayload {
    pub(crate) prompt: String,
    pub(crate) options: ExecuteOptions,
    #[serde(default)]
    pub(crate) attachments: Vec<Attachment>,
}

/// What a command carries, as a person changes it.
#[derive(Debug, Clone)]
pub struct Carried {
    /// What to do.
    pub prompt: String,
    /// How, with the project's own options in it.
    pub options: ExecuteOptions,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
    /// Who does it.
    pub agent: AgentKind,
}

impl Carried {
    /// Words for an agent, and nothing else.
    pub fn words(prompt: impl Into<String>, agent: AgentKind) -> Self {
        let (options, attachments) = (ExecuteOptions::default(), Vec::new());
        Self { prompt: prompt.into(), options, attachments, agent }
    }
}

/// The stored form of what is carried out.
pub(crate) fn encode_payload(
    prompt: &str,
    options: &ExecuteOptions,
    attachments: &[Attachment],
) -> String {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        prompt: &'a str,
        options: &'a ExecuteOptions,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        attachments: &'a [Attachment],
    }
    to_json(&Borrowed { prompt, options, attachments })
}

/// The beginning of what a command asks for: one line for lists.
pub(crate) fn summary(kind: CommandKind, prompt: &str, options: &ExecuteOptions) -> String {
    /// As much as fits beside the other columns of a list.
    const CHARS: usize = 80;
    let text = match (kind, &options.argv) {
        (CommandKind::Shell, Some(argv)) => argv.join(" "),
        _ => prompt.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned(),
    };
    let text = text.trim();
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a person asked, as a message of the conversation.
pub(crate) fn prompt_message(
    command: &Command,
    payload: &StoredPayload,
    now: Timestamp,
) -> AgentMessage {
    AgentMessage {
        timestamp: now,
        direction: Direction::Client,
        kind: MessageKind::Prompt,
        command_id: Some(command.id),
        session_id: command.session_id,
        text: Some(payload.prompt.clone()),
        tool: None,
        parent: None,
        news: None,
        flags: MessageFlags::default(),
        message: prompt_frame(payload),
    }
}

fn prompt_frame(payload: &StoredPayload) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Frame<'a> {
        prompt: &'a str,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        attachments: &'a [Attachment],
    }
    let StoredPayload { prompt, attachments, .. } = payload;
    to_raw_value(&Frame { prompt, attachments }).expect("texts and numbers always serialise")
}
