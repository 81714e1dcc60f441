//! Commands: accepted, leased, cancelled. What a runner reports about them is in `records`.

use afield_flow::command::{self as life, Known};
use afield_proto::command::{Command, CommandState, Outcome, OutcomeKind};
use afield_proto::fact::Fact;
use afield_proto::runner::{Attempt, RunnerExecute};
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, SessionId, Timestamp};

use crate::sql::{Row, params, statements, to_json, word};
use crate::tx::Tx;
use crate::{Error, Refusal, Store, projects};

macro_rules! command_columns {
    () => {
        "c.id, p.id, p.runner_id, c.session_id, c.kind, c.agent, c.state, c.waiting_for, \
         c.attempt, c.submitted_by, c.created_at, c.leased_at, c.started_at, c.finished_at, \
         c.outcome, c.org_id, c.fence, c.applied, c.kill_requested_by"
    };
}

/// Commands with their projects.
macro_rules! commands {
    () => {
        " FROM commands c JOIN projects p ON p.number = c.project"
    };
}

/// Commands that are not final, found through their projects.
macro_rules! active_commands {
    () => {
        " FROM projects p JOIN commands c ON c.project = p.number AND c.finished_at IS NULL"
    };
}

pub(crate) mod accept;

pub use accept::{SubmitCommand, Submitted};

use accept::Payload;

statements! {
    SAVE_COMMAND = "UPDATE commands SET state = ?2, waiting_for = ?3, attempt = ?4, fence = ?5, \
        applied = ?6, kill_requested_by = ?7, leased_at = ?8, started_at = ?9, finished_at = ?10, \
        outcome = ?11 WHERE id = ?1";
    /// A batch that only adds messages changes nothing else.
    SAVE_APPLIED = "UPDATE commands SET applied = ?2 WHERE id = ?1";
    COMMAND = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.id = ?2 AND c.org_id = ?1");
    COMMAND_LOCKED = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.id = ?2 AND c.org_id = ?1 FOR UPDATE OF c");
    COMMANDS = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.org_id = ?1 ORDER BY c.id DESC LIMIT ?2");
    FINISHED = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE p.id = ?2 AND p.org_id = ?1 AND c.finished_at IS NOT NULL \
        ORDER BY c.id DESC LIMIT ?3");
    ACTIVE = concat!("SELECT ", command_columns!(), active_commands!(),
        " WHERE p.id = ?2 AND p.org_id = ?1");
    /// What a runner should be doing and has not begun.
    TO_LEASE = concat!("SELECT ", command_columns!(), ", c.payload, c.request_id, p.path, \
        s.native_id", active_commands!(), " LEFT JOIN sessions s ON s.id = c.session_id \
        WHERE p.runner_id = ?2 AND p.org_id = ?1 AND p.deleted_at IS NULL \
        AND c.state IN ('queued', 'leased') ORDER BY c.id FOR UPDATE OF c");
    RUNNING = concat!("SELECT ", command_columns!(), active_commands!(),
        " WHERE p.runner_id = ?2 AND p.org_id = ?1 AND p.deleted_at IS NULL \
        AND c.state = 'running' ORDER BY c.id FOR UPDATE OF c");
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
        Some(id) => {
            let mut rows = tx.all(&ACTIVE, params![org, id], command_row).await?;
            rows.extend(tx.all(&FINISHED, params![org, id, limit], command_row).await?);
            rows.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
            rows
        }
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
