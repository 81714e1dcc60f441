//! Commands: what a row of them is, and reading them. Accepting, leasing and changing them are in
//! the modules below; what a runner reports about them is in `records`.

use afield_flow::command::{self as life, Known};
use afield_flow::queue::waiting_for;
use afield_proto::command::{Command, CommandKind, CommandState, Outcome};
use afield_proto::fact::Fact;
use afield_proto::queue::{Priority, RetryPolicy, WaitReason};
use afield_proto::runner::Attempt;
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, Timestamp};

use crate::sql::{Row, params, statements, word};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

macro_rules! command_columns {
    () => {
        "c.id, p.id, p.runner_id, c.session_id, c.kind, c.agent, c.state, c.summary, \
         c.attempt, c.submitted_by, c.created_at, c.leased_at, c.started_at, c.finished_at, \
         c.outcome, c.org_id, c.fence, c.applied, c.kill_requested_by, c.project, c.lane, \
         c.position, c.head, c.due_at, c.for_limit, c.expires_at, c.wake_at, c.priority, \
         c.held_by, c.key, c.retry, c.attempts_before, c.submitted_at, c.since, c.steer, \
         c.into_id"
    };
}

/// Columns in front of those a statement adds.
const COLUMNS: usize = 36;

/// Commands with their projects.
macro_rules! commands {
    () => {
        " FROM commands c JOIN projects p ON p.number = c.project"
    };
}

pub(crate) mod accept;
pub(crate) mod archive;
pub(crate) mod back;
pub(crate) mod edit;
pub(crate) mod hold;
pub(crate) mod lane;
pub(crate) mod lease;
mod payload;
pub(crate) mod resolve;
pub(crate) mod rights;
pub(crate) mod room;
pub(crate) mod routes;
pub(crate) mod save;
pub(crate) mod show;
pub(crate) mod steer;
pub(crate) mod stop;
pub(crate) mod sweep;

pub(crate) use save::save;

pub use accept::{Accept, SubmitCommand, Submitted};
pub use archive::OldCommands;
pub use back::WhichDead;
pub use edit::EditCommand;
pub use payload::Carried;
pub use routes::{NewRoute, PlaceCommand, PlaceRow, WaitingRoute, WaitingRoutes};
pub use show::{Detail, Shown};
pub use steer::{Offers, SteerOrder};
pub use stop::Cancel;
pub use sweep::Swept;

statements! {
    COMMAND = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.id = ?2 AND c.org_id = ?1");
    COMMAND_LOCKED = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.id = ?2 AND c.org_id = ?1 FOR UPDATE OF c");
    COMMANDS = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.org_id = ?1 AND (CAST(?2 AS TEXT) IS NULL OR c.id < ?2) AND (CAST(?3 AS TEXT) IS NULL OR c.state = ?3) \
        AND (CAST(?4 AS TEXT) IS NULL OR p.runner_id = ?4) ORDER BY c.id DESC LIMIT ?5");
    DEAD = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.org_id = ?1 AND c.state = 'dead' AND (CAST(?2 AS TEXT) IS NULL OR c.id < ?2) \
        AND (CAST(?3 AS TEXT) IS NULL OR p.id = ?3) \
        AND (CAST(?5 AS TEXT) IS NULL OR p.runner_id = ?5) ORDER BY c.id DESC LIMIT ?4");
    FINISHED = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE p.id = ?2 AND p.org_id = ?1 AND c.finished_at IS NOT NULL \
        AND (CAST(?4 AS TEXT) IS NULL OR c.id < ?4) AND (CAST(?5 AS TEXT) IS NULL OR c.state = ?5) \
        ORDER BY c.id DESC LIMIT ?3");
    UNFINISHED = concat!("SELECT ", command_columns!(), " FROM projects p JOIN commands c \
        ON c.project = p.number AND c.finished_at IS NULL WHERE p.id = ?2 AND p.org_id = ?1 \
        AND (CAST(?4 AS TEXT) IS NULL OR c.id < ?4) AND (CAST(?5 AS TEXT) IS NULL OR c.state = ?5) \
        ORDER BY c.id DESC LIMIT ?3");
    /// In the order they will run, as far as their own lanes tell.
    WAITING = concat!("SELECT ", command_columns!(), " FROM projects p JOIN commands c \
        ON c.project = p.number AND c.finished_at IS NULL WHERE p.org_id = ?1 \
        AND (CAST(?2 AS TEXT) IS NULL OR p.runner_id = ?2) \
        ORDER BY c.project, c.lane, c.position LIMIT ?3");
    WAITING_IN_PROJECT = concat!("SELECT ", command_columns!(), " FROM projects p JOIN commands c \
        ON c.project = p.number AND c.finished_at IS NULL WHERE p.org_id = ?1 AND p.id = ?2 \
        AND (CAST(?3 AS TEXT) IS NULL OR p.runner_id = ?3) \
        ORDER BY c.lane, c.position LIMIT ?4");
    ACTIVE = concat!("SELECT ", command_columns!(), " FROM projects p JOIN commands c \
        ON c.project = p.number AND c.state IN ('leased', 'running') AND c.into_id IS NULL \
        WHERE p.id = ?2 AND p.org_id = ?1");
    RUNNING = concat!("SELECT ", command_columns!(), " FROM projects p JOIN commands c \
        ON c.project = p.number AND c.state IN ('leased', 'running') AND c.into_id IS NULL \
        WHERE p.runner_id = ?2 AND p.org_id = ?1 AND p.deleted_at IS NULL \
        ORDER BY c.id FOR UPDATE OF c");
}

/// Which commands are listed.
#[derive(Debug, Clone, Default)]
pub struct CommandFilter {
    /// Only those of this project.
    pub project_id: Option<ProjectId>,
    /// Only those of this runner.
    pub runner_id: Option<DeviceId>,
    /// Only those that are not over, lane by lane in their order; otherwise newest first.
    pub waiting: bool,
    /// Only those in this state.
    pub state: Option<CommandState>,
    /// Only those made before this one.
    pub before: Option<CommandId>,
    /// At most so many.
    pub limit: u32,
}

/// How far a runner's word raises a fence: more leases than a command has between two backups.
const FENCES_AHEAD_MAX: u64 = 1_000_000;

/// A command with what only the store and its operations know of it.
#[derive(Debug, Clone)]
pub(crate) struct CommandRow {
    pub(crate) command: Command,
    pub(crate) org: OrgId,
    pub(crate) fence: u64,
    pub(crate) applied: u64,
    /// `projects.number`
    pub(crate) project: i64,
    pub(crate) lane: String,
    pub(crate) position: i64,
    /// It is the first of its lane.
    pub(crate) head: bool,
    /// It does not start before: as asked, or the wait of a retry.
    pub(crate) due_at: Option<Timestamp>,
    /// That wait is for the end of the agent's usage limit.
    pub(crate) for_limit: bool,
    pub(crate) wake_at: Option<Timestamp>,
    pub(crate) retry: Option<RetryPolicy>,
    /// Attempts that no longer count.
    pub(crate) attempts_before: u32,
    pub(crate) submitted_at: Option<Timestamp>,
    /// What waits longer rises: since it came, was due or was put back.
    pub(crate) since: Timestamp,
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

    /// The runner has seen this fence: the next lease gets a higher one. Believed within bounds, because it is
    /// the runner's word.
    pub(crate) fn has_seen(&mut self, fence: u64) {
        self.fence = fence.clamp(self.fence, self.fence.saturating_add(FENCES_AHEAD_MAX));
    }

    /// Moves on to another state. The caller has asked `afield-flow` whether it may.
    pub(crate) fn enter(&mut self, state: CommandState) {
        debug_assert!(life::may_follow(self.command.state, state));
        self.command.state = state;
        self.refresh();
    }

    /// Brings up to date what follows from the rest.
    pub(crate) fn refresh(&mut self) {
        let queued = self.command.state == CommandState::Queued;
        self.wake_at = match (queued, self.head) {
            (false, _) => None,
            (true, true) => [self.due_at, self.command.expires_at].into_iter().flatten().min(),
            // What waits behind others may run out of time all the same.
            (true, false) => self.command.expires_at,
        };
        self.command.waiting_for = self.waiting_for().map(|reason| reason.name().to_owned());
    }

    fn waiting_for(&self) -> Option<WaitReason> {
        let command = &self.command;
        let held = command.held_by.is_some();
        match (self.due_at, self.for_limit) {
            (Some(_), true) if command.state == CommandState::Queued && !held && self.head => {
                Some(WaitReason::Limit)
            }
            (due, _) => {
                let reason = waiting_for(command.state, held, due.is_some(), self.head);
                steer::reason(command.steer, reason)
            }
        }
    }

    /// The session it works in, once it was leased.
    pub(crate) fn session(&self) -> Result<afield_proto::SessionId, Error> {
        self.command.session_id.ok_or_else(|| Error::corrupt("a leased command has no session"))
    }

    /// How it is tried again.
    pub(crate) fn policy(&self) -> RetryPolicy {
        self.retry.clone().unwrap_or_default()
    }

    /// Tells its state to those who follow the project.
    pub(crate) fn tell(&self, tx: &mut Tx, now: Timestamp) {
        let fact = Fact::CommandState(self.command.clone());
        tx.tell_project(self.org, self.command.project_id, &fact, now);
    }
}

impl Store {
    /// One command, archived or not.
    pub async fn command(&self, org: OrgId, id: CommandId) -> Result<Command, Error> {
        self.read((org, id), command).await
    }

    /// The commands of an org.
    pub async fn commands(&self, org: OrgId, filter: CommandFilter) -> Result<Vec<Command>, Error> {
        self.read((org, filter), commands).await
    }

    /// The command a project works on (given to its runner, or running there), with its attempt.
    pub async fn active_attempt(
        &self,
        org: OrgId,
        project_id: ProjectId,
    ) -> Result<Option<(Command, Attempt)>, Error> {
        self.look((org, project_id), active_attempt).await
    }
}

async fn command(tx: &mut Tx, (org, id): &(OrgId, CommandId)) -> Result<Command, Error> {
    match tx.opt(&COMMAND, params![org, id], command_row).await? {
        Some(row) => Ok(row.command),
        None => Ok(archive::find(tx, *org, *id).await?.command),
    }
}

async fn commands(
    tx: &mut Tx,
    (org, filter): &(OrgId, CommandFilter),
) -> Result<Vec<Command>, Error> {
    let CommandFilter { project_id, runner_id, before, limit, .. } = filter;
    let state = filter.state.map(CommandState::name);
    let rows = match (filter.waiting, filter.state, project_id) {
        (true, _, Some(id)) => {
            tx.all(&WAITING_IN_PROJECT, params![org, id, runner_id, limit], command_row).await?
        }
        (true, _, None) => tx.all(&WAITING, params![org, runner_id, limit], command_row).await?,
        (false, Some(CommandState::Dead), _) => {
            let values = params![org, before, project_id, limit, runner_id];
            tx.all(&DEAD, values, command_row).await?
        }
        (false, _, None) => {
            tx.all(&COMMANDS, params![org, before, state, runner_id, limit], command_row).await?
        }
        (false, _, Some(id)) => of_project(tx, *org, *id, filter).await?,
    };
    Ok(rows.into_iter().map(|row| row.command).collect())
}

/// Those that are over and those that are not, newest first.
async fn of_project(
    tx: &mut Tx,
    org: OrgId,
    id: ProjectId,
    filter: &CommandFilter,
) -> Result<Vec<CommandRow>, Error> {
    let CommandFilter { before, limit, state, .. } = filter;
    let state = state.map(CommandState::name);
    let values = params![org, id, limit, before, state];
    let mut rows = tx.all(&UNFINISHED, values, command_row).await?;
    rows.extend(tx.all(&FINISHED, values, command_row).await?);
    rows.sort_by_key(|row| std::cmp::Reverse(row.command.id));
    rows.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
    Ok(rows)
}

async fn active_attempt(
    tx: &mut Tx,
    (org, project_id): &(OrgId, ProjectId),
) -> Result<Option<(Command, Attempt)>, Error> {
    let row = tx.opt(&ACTIVE, params![org, project_id], command_row).await?;
    Ok(row.map(|row| (row.command.clone(), row.attempt())))
}

fn not_possible(reason: impl Into<String>) -> Error {
    Refusal::NotPossible { reason: reason.into() }.into()
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

/// A command, with its lanes kept from changing.
pub(crate) async fn with_lane(tx: &mut Tx, org: OrgId, id: CommandId) -> Result<CommandRow, Error> {
    let project = locked(tx, org, id).await?.project;
    lane::lock(tx, project).await?;
    locked(tx, org, id).await
}

/// A command that waits, with its lanes kept from changing.
async fn waiting(tx: &mut Tx, org: OrgId, id: CommandId) -> Result<CommandRow, Error> {
    let row = with_lane(tx, org, id).await?;
    match row.command.state {
        CommandState::Queued => Ok(row),
        state => Err(not_possible(format!("the command is {}, it does not wait", state.name()))),
    }
}

/// Every command a runner was given that is not over.
pub(crate) async fn with_runner(
    tx: &mut Tx,
    org: OrgId,
    runner_id: DeviceId,
) -> Result<Vec<CommandRow>, Error> {
    tx.all(&RUNNING, params![org, runner_id], command_row).await
}

/// Writes and tells what was changed of a command that waits.
async fn changed(tx: &mut Tx, mut row: CommandRow, now: Timestamp) -> Result<Command, Error> {
    row.refresh();
    save(tx, &row).await?;
    row.tell(tx, now);
    Ok(row.command)
}

/// A command of a row that begins with the command's columns.
pub(crate) fn command_row(row: &Row<'_>) -> Result<CommandRow, Error> {
    let lane = row.text(20)?.to_owned();
    let (due_at, for_limit) = (row.opt_time(23)?, row.int(24)? != 0);
    let attempt = small(row, 8)?;
    let command = Command {
        id: row.id(0)?,
        project_id: row.id(1)?,
        runner_id: row.id(2)?,
        session_id: row.opt_id(3)?,
        kind: row.word(4)?,
        agent: row.word(5)?,
        state: word(row.text(6)?)?,
        waiting_for: None,
        summary: row.text(7)?.to_owned(),
        attempt,
        submitted_by: row.id(9)?,
        created_at: row.time(10)?,
        leased_at: row.opt_time(11)?,
        started_at: row.opt_time(12)?,
        finished_at: row.opt_time(13)?,
        outcome: row.opt_json(14)?,
        kill_requested_by: row.opt_id(18)?,
        not_before: due_at,
        expires_at: row.opt_time(25)?,
        priority: Priority::from_level(row.int(27)?).unwrap_or_default(),
        held_by: row.opt_id(28)?,
        key: row.opt_text(29)?.map(str::to_owned),
        order: lane::order_of(&lane).map(str::to_owned),
        steer: row.opt_text(34)?.map(word).transpose()?,
        into: row.opt_id(35)?,
    };
    let mut row = CommandRow {
        command,
        org: row.id(15)?,
        fence: row.count(16)?,
        applied: row.count(17)?,
        project: row.int(19)?,
        position: row.int(21)?,
        head: row.int(22)? != 0,
        due_at,
        for_limit,
        wake_at: row.opt_time(26)?,
        retry: row.opt_json(30)?,
        attempts_before: small(row, 31)?,
        submitted_at: row.opt_time(32)?,
        since: row.time(33)?,
        lane,
    };
    row.command.waiting_for = row.waiting_for().map(|reason| reason.name().to_owned());
    Ok(row)
}

fn small(row: &Row<'_>, column: usize) -> Result<u32, Error> {
    Ok(u32::try_from(row.int(column)?).unwrap_or(u32::MAX))
}

/// Ends a command: it leaves its lane, the next one comes to the front, what it waits with goes.
pub(crate) async fn end(
    tx: &mut Tx,
    row: &mut CommandRow,
    state: CommandState,
    outcome: Option<Outcome>,
    at: Timestamp,
) -> Result<(), Error> {
    row.command.finished_at = Some(at);
    if outcome.is_some() {
        row.command.outcome = outcome;
    }
    let was_head = std::mem::take(&mut row.head);
    (row.due_at, row.for_limit, row.command.held_by) = (None, false, None);
    row.enter(state);
    save(tx, row).await?;
    match was_head {
        true => lane::promote(tx, row.project, &row.lane).await,
        false => Ok(()),
    }
}

/// Ends a command whose time is over and that nothing works on. What is expired was never started;
/// what was, and waited for another attempt, is a dead letter with what became of the last one.
pub(crate) async fn run_out(
    tx: &mut Tx,
    row: &mut CommandRow,
    now: Timestamp,
) -> Result<(), Error> {
    let unbegun = u32::from(row.command.state == CommandState::Leased);
    let begun = row.command.attempt > row.attempts_before + unbegun || row.for_limit;
    let state = if begun { CommandState::Dead } else { CommandState::Expired };
    end(tx, row, state, None, now).await?;
    row.tell(tx, now);
    Ok(())
}

/// Whether it is carried out by the server alone.
pub(crate) fn needs_no_runner(kind: CommandKind) -> bool {
    match kind {
        CommandKind::NewSession | CommandKind::Kill => true,
        CommandKind::Prompt | CommandKind::Shell => false,
    }
}
