//! Accepting a command: the shortest way from a caller to the disk.
//!
//! Everything that can be made outside of the transaction is (see [`Draft`]); inside it one row is
//! read and two are written.

use std::sync::Arc;

use afield_flow::command as life;
use afield_proto::agent::{
    AgentKind, AgentMessage, Direction, ExecuteOptions, MessageFlags, MessageKind,
};
use afield_proto::command::{Command, CommandKind, CommandState};
use afield_proto::fact::Fact;
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, RequestId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::command_row;
use crate::sql::{Row, params, statements, to_json};
use crate::tx::{Tx, encoded};
use crate::{Error, Refusal, Store, projects, sessions};

statements! {
    /// What accepting a command needs to know of its project, and nothing more.
    SLOT = "SELECT p.number, p.runner_id, p.session_id, c.id FROM projects p \
        LEFT JOIN commands c ON c.project = p.number AND c.finished_at IS NULL \
        WHERE p.id = ?2 AND p.org_id = ?1 AND p.deleted_at IS NULL FOR UPDATE OF p";
    SET_SESSION = "UPDATE projects SET session_id = ?2 WHERE number = ?1";
    INSERT_COMMAND = "INSERT INTO commands (id, org_id, project, session_id, request_id, \
        submitted_by, key, kind, agent, payload, state, waiting_for, attempt, fence, applied, \
        created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'queued', ?11, 0, 0, 0, ?12)";
    BY_KEY = concat!("SELECT ", command_columns!(), ", c.payload", commands!(),
        " WHERE c.submitted_by = ?1 AND c.key = ?2");
}

/// A command to be accepted.
#[derive(Debug, Clone)]
pub struct SubmitCommand {
    /// The org.
    pub org: OrgId,
    /// The project.
    pub project_id: ProjectId,
    /// The device that asks.
    pub submitted_by: DeviceId,
    /// What it asks for.
    pub kind: CommandKind,
    /// The agent that works on it.
    pub agent: AgentKind,
    /// What to do.
    pub prompt: String,
    /// How, with the project's own options already in it.
    pub options: ExecuteOptions,
    /// The device's own mark; a repetition gives the first command.
    pub key: Option<String>,
    /// Follows the work through all logs.
    pub request_id: RequestId,
}

/// A command that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// The command.
    pub command: Command,
    /// It had been accepted before; nothing was changed.
    pub duplicate: bool,
}

/// What is carried out, as it is stored.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Payload {
    pub(super) prompt: String,
    pub(super) options: ExecuteOptions,
}

impl Store {
    /// Accepts a command: when this returns, it is on disk.
    ///
    /// **Errors**: [`Refusal::ProjectNotFound`], [`Refusal::KeyConflict`],
    /// [`Refusal::ProcessActive`].
    pub async fn submit_command(
        &self,
        submit: SubmitCommand,
        now: Timestamp,
    ) -> Result<Submitted, Error> {
        let draft = Draft::guess(&submit, self.last_slot(submit.project_id), now);
        let id = submit.project_id;
        let submitted = self.write((submit, draft, now), submit_command).await?;
        self.remember_slot(id, &submitted.command);
        Ok(submitted)
    }
}

/// What accepting a command needs to know of its project.
struct Slot {
    number: i64,
    runner_id: DeviceId,
    session_id: Option<SessionId>,
    active: Option<CommandId>,
}

/// A command as it will be accepted, encoded before its turn: the transaction is short.
///
/// Made from what the project's last command told about runner and session. The transaction
/// looks, and drafts anew when that is no longer so.
struct Draft {
    command: Command,
    payload: String,
    /// The prompt as a message, encoded.
    said: Arc<str>,
    /// The command's state, encoded.
    accepted: Arc<str>,
}

impl Draft {
    fn guess(
        submit: &SubmitCommand,
        slot: Option<(DeviceId, SessionId)>,
        now: Timestamp,
    ) -> Option<Self> {
        slot.map(|(runner_id, session_id)| Self::new(submit, runner_id, session_id, now))
    }

    fn new(
        submit: &SubmitCommand,
        runner_id: DeviceId,
        session_id: SessionId,
        now: Timestamp,
    ) -> Self {
        let command = accepted(submit, runner_id, session_id, now);
        let project = Some(submit.project_id);
        let said = Fact::AgentMessage(prompt_message(submit, &command, now));
        let fact = Fact::CommandState(command.clone());
        let (said, accepted) = (encoded(project, &said), encoded(project, &fact));
        Self { payload: payload(submit), said, accepted, command }
    }

    fn fits(&self, slot: &Slot) -> bool {
        self.command.runner_id == slot.runner_id && self.command.session_id == slot.session_id
    }
}

async fn submit_command(
    tx: &mut Tx,
    (submit, draft, now): &(SubmitCommand, Option<Draft>, Timestamp),
) -> Result<Submitted, Error> {
    let slot = tx.opt(&SLOT, params![submit.org, submit.project_id], slot).await?;
    let slot = slot.ok_or(Refusal::ProjectNotFound)?;
    if let Some(command) = repeated(tx, submit).await? {
        return Ok(Submitted { command, duplicate: true });
    }
    projects::refuse_active(slot.active)?;
    let command = match draft.as_ref().filter(|draft| draft.fits(&slot)) {
        Some(draft) => accept(tx, submit, draft, slot.number, *now).await?,
        None => {
            let session_id = session(tx, submit, &slot, *now).await?;
            let draft = Draft::new(submit, slot.runner_id, session_id, *now);
            accept(tx, submit, &draft, slot.number, *now).await?
        }
    };
    Ok(Submitted { command, duplicate: false })
}

async fn accept(
    tx: &mut Tx,
    submit: &SubmitCommand,
    draft: &Draft,
    project_number: i64,
    now: Timestamp,
) -> Result<Command, Error> {
    insert(tx, submit, project_number, draft).await?;
    tx.tell_encoded(submit.org, submit.project_id, &draft.said, now);
    tx.tell_encoded(submit.org, submit.project_id, &draft.accepted, now);
    Ok(draft.command.clone())
}

fn slot(row: &Row<'_>) -> Result<Slot, Error> {
    Ok(Slot {
        number: row.int(0)?,
        runner_id: row.id(1)?,
        session_id: row.opt_id(2)?,
        active: row.opt_id(3)?,
    })
}

/// The project's session, made when it has none.
async fn session(
    tx: &mut Tx,
    submit: &SubmitCommand,
    slot: &Slot,
    now: Timestamp,
) -> Result<SessionId, Error> {
    if let Some(id) = slot.session_id {
        return Ok(id);
    }
    let id = sessions::start(tx, submit.org, submit.project_id, now).await?;
    tx.execute(&SET_SESSION, params![slot.number, id]).await?;
    Ok(id)
}

/// The command this device already submitted with this key.
async fn repeated(tx: &mut Tx, submit: &SubmitCommand) -> Result<Option<Command>, Error> {
    let Some(key) = &submit.key else { return Ok(None) };
    let first = tx
        .opt(&BY_KEY, params![submit.submitted_by, key], |row| {
            Ok((command_row(row)?, row.json::<Payload>(19)?))
        })
        .await?;
    let Some((first, payload)) = first else { return Ok(None) };
    let asked = (submit.org, submit.project_id, submit.kind, submit.agent);
    let Command { project_id, kind, agent, .. } = first.command;
    let same = asked == (first.org, project_id, kind, agent)
        && payload.prompt == submit.prompt
        && payload.options == submit.options;
    match same {
        true => Ok(Some(first.command)),
        false => Err(Refusal::KeyConflict { command_id: first.command.id }.into()),
    }
}

fn accepted(
    submit: &SubmitCommand,
    runner_id: DeviceId,
    session_id: SessionId,
    now: Timestamp,
) -> Command {
    Command {
        id: CommandId::generate(),
        project_id: submit.project_id,
        runner_id,
        session_id: Some(session_id),
        kind: submit.kind,
        agent: submit.agent,
        state: CommandState::Queued,
        waiting_for: life::waiting_for(CommandState::Queued).map(str::to_owned),
        attempt: 0,
        submitted_by: submit.submitted_by,
        created_at: now,
        leased_at: None,
        started_at: None,
        finished_at: None,
        outcome: None,
    }
}

async fn insert(
    tx: &mut Tx,
    submit: &SubmitCommand,
    project_number: i64,
    draft: &Draft,
) -> Result<(), Error> {
    let command = &draft.command;
    let (kind, agent) = (kind_word(command.kind), command.agent.name());
    let values = params![
        command.id,
        submit.org,
        project_number,
        command.session_id,
        submit.request_id,
        command.submitted_by,
        submit.key,
        kind,
        agent,
        draft.payload,
        command.waiting_for,
        command.created_at,
    ];
    tx.execute(&INSERT_COMMAND, values).await.map(drop)
}

fn payload(submit: &SubmitCommand) -> String {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        prompt: &'a str,
        options: &'a ExecuteOptions,
    }
    to_json(&Borrowed { prompt: &submit.prompt, options: &submit.options })
}

fn kind_word(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Prompt => "prompt",
        CommandKind::Shell => "shell",
    }
}

/// What a person asked, as a message of the conversation.
fn prompt_message(submit: &SubmitCommand, command: &Command, now: Timestamp) -> AgentMessage {
    AgentMessage {
        timestamp: now,
        direction: Direction::Client,
        kind: MessageKind::Prompt,
        command_id: Some(command.id),
        session_id: command.session_id,
        text: Some(submit.prompt.clone()),
        tool: None,
        parent: None,
        flags: MessageFlags::default(),
        message: prompt_frame(&submit.prompt),
    }
}

fn prompt_frame(prompt: &str) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Frame<'a> {
        prompt: &'a str,
    }
    to_raw_value(&Frame { prompt }).expect("a text always serialises")
}
