//! Commands: accepted, leased, cancelled. What a runner reports about them is in `records`.

use afield_flow::command::{self as life, Known};
use afield_proto::agent::{
    AgentKind, AgentMessage, Direction, ExecuteOptions, MessageFlags, MessageKind,
};
use afield_proto::command::{Command, CommandKind, CommandState, Outcome, OutcomeKind};
use afield_proto::fact::Fact;
use afield_proto::project::Project;
use afield_proto::runner::{Attempt, RunnerExecute};
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, RequestId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::sql::{Row, params, statements, to_json, word};
use crate::tx::Tx;
use crate::{Error, Refusal, Store, projects, sessions};

macro_rules! command_columns {
    () => {
        "c.id, c.project_id, c.runner_id, c.session_id, c.kind, c.agent, c.state, c.waiting_for, \
         c.attempt, c.submitted_by, c.created_at, c.leased_at, c.started_at, c.finished_at, \
         c.outcome, c.org_id, c.fence, c.applied, c.kill_requested_by"
    };
}

statements! {
    INSERT_COMMAND = "INSERT INTO commands (id, org_id, project_id, runner_id, session_id, \
        request_id, submitted_by, key, kind, agent, payload, state, waiting_for, attempt, fence, \
        applied, created_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'queued', ?12, 0, 0, 0, ?13)";
    SAVE_COMMAND = "UPDATE commands SET state = ?2, waiting_for = ?3, attempt = ?4, fence = ?5, \
        applied = ?6, kill_requested_by = ?7, leased_at = ?8, started_at = ?9, finished_at = ?10, \
        outcome = ?11 WHERE id = ?1";
    /// A batch that only adds messages changes nothing else.
    SAVE_APPLIED = "UPDATE commands SET applied = ?2 WHERE id = ?1";
    BY_KEY = concat!("SELECT ", command_columns!(), ", c.payload FROM commands c \
        WHERE c.submitted_by = ?1 AND c.key = ?2");
    COMMAND = concat!("SELECT ", command_columns!(), " FROM commands c WHERE c.id = ?2 AND c.org_id = ?1");
    COMMAND_LOCKED = concat!("SELECT ", command_columns!(), " FROM commands c \
        WHERE c.id = ?2 AND c.org_id = ?1 FOR UPDATE");
    COMMANDS = concat!("SELECT ", command_columns!(), " FROM commands c WHERE c.org_id = ?1 \
        ORDER BY c.id DESC LIMIT ?2");
    COMMANDS_OF_PROJECT = concat!("SELECT ", command_columns!(), " FROM commands c \
        WHERE c.project_id = ?3 AND c.org_id = ?1 ORDER BY c.id DESC LIMIT ?2");
    ACTIVE = concat!("SELECT ", command_columns!(), " FROM projects p \
        JOIN commands c ON c.id = p.command_id WHERE p.id = ?2 AND p.org_id = ?1");
    /// What a runner should be doing and has not begun.
    TO_LEASE = concat!("SELECT ", command_columns!(), ", c.payload, c.request_id, p.path, s.native_id \
        FROM projects p JOIN commands c ON c.id = p.command_id \
        LEFT JOIN sessions s ON s.id = c.session_id \
        WHERE p.runner_id = ?2 AND p.org_id = ?1 AND p.deleted_at IS NULL \
        AND c.state IN ('queued', 'leased') ORDER BY c.id FOR UPDATE OF c");
    RUNNING = concat!("SELECT ", command_columns!(), " FROM projects p \
        JOIN commands c ON c.id = p.command_id \
        WHERE p.runner_id = ?2 AND p.org_id = ?1 AND p.deleted_at IS NULL \
        AND c.state = 'running' ORDER BY c.id FOR UPDATE OF c");
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

/// What became of a wish to cancel.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancel {
    /// It had not begun and never will.
    Cancelled(Box<Command>),
    /// A runner has it and must stop it.
    Active(Attempt),
    /// It was over before.
    Over(Box<Command>),
}

/// What is carried out, as it is stored.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Payload {
    prompt: String,
    options: ExecuteOptions,
}

/// A command with what only the store and its operations know of it.
#[derive(Debug, Clone)]
pub(crate) struct CommandRow {
    pub(crate) command: Command,
    pub(crate) org: OrgId,
    pub(crate) session_id: SessionId,
    pub(crate) fence: u64,
    pub(crate) applied: u64,
    pub(crate) kill_requested_by: Option<DeviceId>,
}

impl CommandRow {
    /// The attempt that was leased last.
    pub(crate) fn attempt(&self) -> Attempt {
        let (command_id, attempt) = (self.command.id, self.command.attempt);
        Attempt { command_id, attempt, fence: self.fence }
    }

    /// What a runner's words are measured by.
    pub(crate) fn known(&self) -> Known {
        let (state, applied) = (self.command.state, self.applied);
        Known { state, attempt: self.attempt(), applied }
    }

    /// Moves on to another state. The caller has asked `afield-flow` whether it may.
    pub(crate) fn enter(&mut self, state: CommandState) {
        debug_assert!(life::may_follow(self.command.state, state));
        self.command.state = state;
        self.command.waiting_for = life::waiting_for(state).map(str::to_owned);
    }

    /// Moves on to the end.
    pub(crate) fn finish(&mut self, outcome: Outcome, at: Timestamp) {
        self.enter(outcome.kind.final_state());
        self.command.finished_at = Some(at);
        self.command.outcome = Some(outcome);
    }

    /// Tells its state to those who follow the project.
    pub(crate) fn tell(&self, tx: &mut Tx, now: Timestamp) {
        let fact = Fact::CommandState(self.command.clone());
        tx.tell_project(self.org, self.command.project_id, &fact, now);
    }
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
        self.write((submit, now), submit_command).await
    }

    /// Gives a runner everything that waits for it, and again what it was given and has not
    /// begun: the latter with the same attempt and fence.
    pub async fn lease_commands(
        &self,
        org: OrgId,
        runner_id: DeviceId,
        now: Timestamp,
    ) -> Result<Vec<RunnerExecute>, Error> {
        self.write((org, runner_id, now), lease_commands).await
    }

    /// One command.
    pub async fn command(&self, org: OrgId, id: CommandId) -> Result<Command, Error> {
        self.read((org, id), command).await
    }

    /// The latest commands of an org or of one project, newest first.
    pub async fn commands(
        &self,
        org: OrgId,
        project_id: Option<ProjectId>,
        limit: u32,
    ) -> Result<Vec<Command>, Error> {
        self.read((org, project_id, limit), commands).await
    }

    /// The command of a project that is not final, with its latest attempt (0 when it was never
    /// leased).
    pub async fn active_attempt(
        &self,
        org: OrgId,
        project_id: ProjectId,
    ) -> Result<Option<(Command, Attempt)>, Error> {
        self.read((org, project_id), active_attempt).await
    }

    /// Cancels a command that no runner has yet.
    pub async fn cancel_queued(
        &self,
        org: OrgId,
        id: CommandId,
        by: DeviceId,
        now: Timestamp,
    ) -> Result<Cancel, Error> {
        self.write((org, id, by, now), cancel_queued).await
    }

    /// Remembers who asked to stop a command, the first time.
    pub async fn request_kill(
        &self,
        org: OrgId,
        id: CommandId,
        by: DeviceId,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write((org, id, by, now), request_kill).await
    }
}

async fn submit_command(
    tx: &mut Tx,
    (submit, now): &(SubmitCommand, Timestamp),
) -> Result<Submitted, Error> {
    let mut project = projects::locked(tx, submit.org, submit.project_id).await?;
    if let Some(command) = repeated(tx, submit).await? {
        return Ok(Submitted { command, duplicate: true });
    }
    projects::refuse_active(project.command_id)?;
    let session_id = match project.session_id {
        Some(id) => id,
        None => sessions::start(tx, submit.org, project.id, *now).await?,
    };
    let command = accepted(submit, &project, session_id, *now);
    insert(tx, submit, &command, session_id).await?;
    project.session_id = Some(session_id);
    project.command_id = Some(command.id);
    project.last_active = *now;
    projects::save(tx, &project).await?;
    let said = Fact::AgentMessage(prompt_message(submit, &command, *now));
    tx.tell_project(submit.org, project.id, &said, *now);
    tx.tell_project(submit.org, project.id, &Fact::CommandState(command.clone()), *now);
    Ok(Submitted { command, duplicate: false })
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
    project: &Project,
    session_id: SessionId,
    now: Timestamp,
) -> Command {
    Command {
        id: CommandId::generate(),
        project_id: project.id,
        runner_id: project.runner_id,
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
    command: &Command,
    session_id: SessionId,
) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        prompt: &'a str,
        options: &'a ExecuteOptions,
    }
    let payload = to_json(&Borrowed { prompt: &submit.prompt, options: &submit.options });
    let (kind, agent) = (kind_word(command.kind), command.agent.name());
    let values = params![
        command.id,
        submit.org,
        command.project_id,
        command.runner_id,
        session_id,
        submit.request_id,
        command.submitted_by,
        submit.key,
        kind,
        agent,
        payload,
        command.waiting_for,
        command.created_at,
    ];
    tx.execute(&INSERT_COMMAND, values).await.map(drop)
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

async fn lease_commands(
    tx: &mut Tx,
    (org, runner_id, now): &(OrgId, DeviceId, Timestamp),
) -> Result<Vec<RunnerExecute>, Error> {
    let mut orders = tx
        .all(&TO_LEASE, params![org, runner_id], |row| Ok((command_row(row)?, order(row)?)))
        .await?;
    for (row, order) in &mut orders {
        if row.command.state == CommandState::Queued {
            lease(tx, row, *now).await?;
        }
        order.attempt = row.attempt();
    }
    Ok(orders.into_iter().map(|(_, order)| order).collect())
}

async fn lease(tx: &mut Tx, row: &mut CommandRow, now: Timestamp) -> Result<(), Error> {
    row.enter(CommandState::Leased);
    row.command.attempt += 1;
    row.fence += 1;
    row.applied = 0;
    row.command.leased_at = Some(now);
    save(tx, row).await?;
    row.tell(tx, now);
    Ok(())
}

async fn command(tx: &mut Tx, (org, id): &(OrgId, CommandId)) -> Result<Command, Error> {
    let row = tx.opt(&COMMAND, params![org, id], command_row).await?;
    Ok(row.ok_or(Refusal::CommandNotFound)?.command)
}

async fn commands(
    tx: &mut Tx,
    (org, project_id, limit): &(OrgId, Option<ProjectId>, u32),
) -> Result<Vec<Command>, Error> {
    let rows = match project_id {
        None => tx.all(&COMMANDS, params![org, limit], command_row).await?,
        Some(id) => tx.all(&COMMANDS_OF_PROJECT, params![org, limit, id], command_row).await?,
    };
    Ok(rows.into_iter().map(|row| row.command).collect())
}

async fn active_attempt(
    tx: &mut Tx,
    (org, project_id): &(OrgId, ProjectId),
) -> Result<Option<(Command, Attempt)>, Error> {
    let row = tx.opt(&ACTIVE, params![org, project_id], command_row).await?;
    Ok(row.map(|row| (row.command.clone(), row.attempt())))
}

async fn cancel_queued(
    tx: &mut Tx,
    (org, id, by, now): &(OrgId, CommandId, DeviceId, Timestamp),
) -> Result<Cancel, Error> {
    let mut row = locked(tx, *org, *id).await?;
    match row.command.state {
        CommandState::Queued => {}
        CommandState::Leased | CommandState::Running => return Ok(Cancel::Active(row.attempt())),
        _ => return Ok(Cancel::Over(Box::new(row.command))),
    }
    row.kill_requested_by = Some(*by);
    row.finish(Outcome::new(OutcomeKind::Cancelled), *now);
    save(tx, &row).await?;
    let mut project = projects::locked(tx, *org, row.command.project_id).await?;
    project.command_id = None;
    project.last_active = *now;
    projects::save(tx, &project).await?;
    row.tell(tx, *now);
    Ok(Cancel::Cancelled(Box::new(row.command)))
}

async fn request_kill(
    tx: &mut Tx,
    (org, id, by, _now): &(OrgId, CommandId, DeviceId, Timestamp),
) -> Result<(), Error> {
    let mut row = locked(tx, *org, *id).await?;
    if row.command.state.is_final() || row.kill_requested_by.is_some() {
        return Ok(());
    }
    row.kill_requested_by = Some(*by);
    save(tx, &row).await
}

/// A command, to be changed by this operation.
pub(crate) async fn locked(tx: &mut Tx, org: OrgId, id: CommandId) -> Result<CommandRow, Error> {
    find_locked(tx, org, id).await?.ok_or_else(|| Refusal::CommandNotFound.into())
}

/// A command, to be changed by this operation, if there is one.
pub(crate) async fn find_locked(
    tx: &mut Tx,
    org: OrgId,
    id: CommandId,
) -> Result<Option<CommandRow>, Error> {
    tx.opt(&COMMAND_LOCKED, params![org, id], command_row).await
}

/// Every command a runner is believed to work on.
pub(crate) async fn running(
    tx: &mut Tx,
    org: OrgId,
    runner_id: DeviceId,
) -> Result<Vec<CommandRow>, Error> {
    tx.all(&RUNNING, params![org, runner_id], command_row).await
}

/// Writes what can change of a command.
pub(crate) async fn save(tx: &mut Tx, row: &CommandRow) -> Result<(), Error> {
    let command = &row.command;
    let (state, outcome) = (command.state.name(), command.outcome.as_ref().map(to_json));
    let values = params![
        command.id,
        state,
        command.waiting_for,
        command.attempt,
        row.fence,
        row.applied,
        row.kill_requested_by,
        command.leased_at,
        command.started_at,
        command.finished_at,
        outcome,
    ];
    tx.execute(&SAVE_COMMAND, values).await.map(drop)
}

/// Writes only how far its records are applied.
pub(crate) async fn save_applied(tx: &mut Tx, row: &CommandRow) -> Result<(), Error> {
    tx.execute(&SAVE_APPLIED, params![row.command.id, row.applied]).await.map(drop)
}

/// A command of a row that begins with the command's columns.
fn command_row(row: &Row<'_>) -> Result<CommandRow, Error> {
    let session_id: SessionId = row.id(3)?;
    let command = Command {
        id: row.id(0)?,
        project_id: row.id(1)?,
        runner_id: row.id(2)?,
        session_id: Some(session_id),
        kind: row.word(4)?,
        agent: row.word(5)?,
        state: word(row.text(6)?)?,
        waiting_for: row.opt_text(7)?.map(str::to_owned),
        attempt: u32::try_from(row.int(8)?).unwrap_or(u32::MAX),
        submitted_by: row.id(9)?,
        created_at: row.time(10)?,
        leased_at: row.opt_time(11)?,
        started_at: row.opt_time(12)?,
        finished_at: row.opt_time(13)?,
        outcome: row.opt_json(14)?,
    };
    Ok(CommandRow {
        command,
        org: row.id(15)?,
        session_id,
        fence: row.count(16)?,
        applied: row.count(17)?,
        kill_requested_by: row.opt_id(18)?,
    })
}

/// The order to carry a command out; its attempt is filled in when it is leased.
fn order(row: &Row<'_>) -> Result<RunnerExecute, Error> {
    let Payload { prompt, options } = row.json(19)?;
    Ok(RunnerExecute {
        attempt: Attempt { command_id: row.id(0)?, attempt: 0, fence: 0 },
        request_id: row.id(20)?,
        project_id: row.id(1)?,
        path: row.text(21)?.to_owned(),
        session_id: row.id(3)?,
        native_session: row.opt_text(22)?.map(str::to_owned),
        agent: row.word(5)?,
        prompt,
        options,
    })
}
