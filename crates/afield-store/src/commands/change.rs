//! What people do with commands: stop, edit, move, hold, put back, forget, decide.

use afield_flow::command as life;
use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::command::{Command, CommandKind, CommandState, Outcome, OutcomeKind};
use afield_proto::fact::Fact;
use afield_proto::queue::{AttemptView, EXPIRY, Hold, Place, Priority, Resolution, RetryPolicy};
use afield_proto::runner::Attempt;
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, Timestamp};

use super::accept::{encode_payload, summary};
use super::{CommandRow, command_row, end, lane, locked, routes, save, steer};
use crate::sql::{params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Refusal, Store, approvals, projects};

statements! {
    ACTIVE = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.project = ?1 AND c.state IN ('leased', 'running') AND c.into_id IS NULL \
        FOR UPDATE OF c");
    SET_PAYLOAD = "UPDATE commands SET payload = ?2, summary = ?3, agent = ?4, edited = 1 \
        WHERE id = ?1";
    INSERT_ATTEMPT = "INSERT INTO attempts (command_id, attempt, runner_id, leased_at, \
        started_at, finished_at, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
        ON CONFLICT (command_id, attempt) DO NOTHING";
    DEAD_IDS = "SELECT c.id FROM commands c JOIN projects p ON p.number = c.project \
        WHERE c.org_id = ?1 AND c.state = 'dead' AND (CAST(?2 AS TEXT) IS NULL OR p.id = ?2) \
        ORDER BY c.id LIMIT ?3";
    FORGET = "DELETE FROM commands WHERE id = ?1";
    FORGET_ATTEMPTS = "DELETE FROM attempts WHERE command_id = ?1";
    HOLD = "INSERT INTO holds (org_id, target, kind, held_by, held_at) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (org_id, target) DO NOTHING";
    RELEASE = "DELETE FROM holds WHERE org_id = ?1 AND target = ?2";
    HOLDS = "SELECT target, kind, held_by, held_at FROM holds WHERE org_id = ?1 ORDER BY held_at";
    KILLS = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.project = ?1 AND c.finished_at IS NULL AND c.kind = 'kill' AND c.head = 1");
}

/// What became of a wish to cancel.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancel {
    /// It had not begun and never will.
    Cancelled(Box<Command>),
    /// A runner has it and must stop it.
    Active(Box<Command>, Attempt),
    /// It is on its way into a running turn, and is cancelled unless it was given to the agent.
    OnItsWay(Box<Command>),
    /// It was over before.
    Over(Box<Command>),
}

/// What is changed of a waiting command; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct EditCommand {
    /// Prompt, options with the project's own in them, agent.
    pub payload: Option<(String, ExecuteOptions, AgentKind)>,
    /// How urgent it is.
    pub priority: Option<Priority>,
    /// It does not start before.
    pub not_before: Option<Timestamp>,
    /// It does not start after.
    pub expires_at: Option<Timestamp>,
    /// How it is tried again.
    pub retry: Option<RetryPolicy>,
}

/// Which commands are put back or forgotten.
#[derive(Debug, Clone)]
pub enum WhichDead {
    /// These.
    Named(Vec<CommandId>),
    /// All that are dead, of one project when one is named; at most so many at once.
    All(Option<ProjectId>, u32),
}

impl Store {
    /// Cancels a command that no runner has yet; of one that a runner has it remembers who asked.
    pub async fn cancel_command(
        &self,
        org: OrgId,
        id: CommandId,
        by: DeviceId,
        now: Timestamp,
    ) -> Result<Cancel, Error> {
        self.write((org, id, by, now), cancel_command).await
    }

    /// Changes a command that waits.
    ///
    /// **Errors**: [`Refusal::NotPossible`] when it does not wait.
    pub async fn edit_command(
        &self,
        org: OrgId,
        id: CommandId,
        edit: EditCommand,
        now: Timestamp,
    ) -> Result<Command, Error> {
        self.write((org, id, edit, now), edit_command).await
    }

    /// Moves a waiting command.
    ///
    /// **Errors**: [`Refusal::NotPossible`] when it does not wait, is a kill, or the place is in
    /// another project or beside a kill.
    pub async fn move_command(
        &self,
        org: OrgId,
        id: CommandId,
        to: Place,
        now: Timestamp,
    ) -> Result<Command, Error> {
        self.write((org, id, to, now), move_command).await
    }

    /// Holds (`Some`) or releases a command. Whether that changed anything.
    pub async fn hold_command(
        &self,
        org: OrgId,
        id: CommandId,
        by: Option<DeviceId>,
        now: Timestamp,
    ) -> Result<(Command, bool), Error> {
        self.write((org, id, by, now), hold_command).await
    }

    /// Holds a project, a runner or everything. Whether that changed anything.
    pub async fn hold(&self, org: OrgId, hold: Hold) -> Result<bool, Error> {
        self.write((org, hold), insert_hold).await
    }

    /// Ends such a hold. Whether there was one.
    pub async fn release(
        &self,
        org: OrgId,
        project_id: Option<ProjectId>,
        runner_id: Option<DeviceId>,
    ) -> Result<bool, Error> {
        self.write((org, target(project_id, runner_id)), release).await
    }

    /// Holds of projects, runners and everything, oldest first.
    pub async fn holds(&self, org: OrgId) -> Result<Vec<Hold>, Error> {
        self.read(org, holds).await
    }

    /// Puts commands that are over back behind their lanes, with their attempts counted anew, and
    /// with another payload where one is given.
    ///
    /// **Errors**: [`Refusal::NotPossible`] for one that waits, runs or succeeded, and for a kill.
    pub async fn put_back(
        &self,
        org: OrgId,
        which: WhichDead,
        payload: Option<(String, ExecuteOptions, AgentKind)>,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Command>, Error> {
        self.write((org, which, payload, expires_at, now), put_back).await
    }

    /// Forgets dead commands; their events stay.
    ///
    /// **Errors**: [`Refusal::NotPossible`] for one that is not dead.
    pub async fn purge(&self, org: OrgId, which: WhichDead) -> Result<Vec<Command>, Error> {
        self.write((org, which), purge).await
    }

    /// Decides what became of a command that a runner was given and nobody hears of, or that was
    /// interrupted.
    ///
    /// **Errors**: [`Refusal::NotPossible`] in any other state.
    pub async fn resolve_command(
        &self,
        org: OrgId,
        id: CommandId,
        resolution: Resolution,
        by: DeviceId,
        now: Timestamp,
    ) -> Result<Command, Error> {
        self.write((org, id, resolution, by, now), resolve_command).await
    }
}

fn not_possible(reason: impl Into<String>) -> Error {
    Refusal::NotPossible { reason: reason.into() }.into()
}

/// A command, with its lanes kept from changing.
pub(crate) async fn with_lane(tx: &mut Tx, org: OrgId, id: CommandId) -> Result<CommandRow, Error> {
    let project = locked(tx, org, id).await?.project;
    lane::lock(tx, project).await?;
    locked(tx, org, id).await
}

async fn waiting(tx: &mut Tx, org: OrgId, id: CommandId) -> Result<CommandRow, Error> {
    let row = with_lane(tx, org, id).await?;
    match row.command.state {
        CommandState::Queued => Ok(row),
        state => Err(not_possible(format!("the command is {}, it does not wait", state.name()))),
    }
}

async fn cancel_command(
    tx: &mut Tx,
    (org, id, by, now): &(OrgId, CommandId, DeviceId, Timestamp),
) -> Result<Cancel, Error> {
    let mut row = with_lane(tx, *org, *id).await?;
    match row.command.state {
        CommandState::Queued => {}
        CommandState::Running if row.command.into.is_some() => return Err(in_a_turn(&row)),
        CommandState::Leased | CommandState::Running => {
            if row.command.kill_requested_by.is_none() {
                row.command.kill_requested_by = Some(*by);
                save(tx, &row).await?;
                row.tell(tx, *now);
            }
            if row.command.into.is_some() {
                return Ok(Cancel::OnItsWay(Box::new(row.command)));
            }
            let attempt = row.attempt();
            return Ok(Cancel::Active(Box::new(row.command), attempt));
        }
        _ => return Ok(Cancel::Over(Box::new(row.command))),
    }
    row.command.kill_requested_by = Some(*by);
    if planted::is("cancel") {
        row.command.state = CommandState::Cancelled;
        return Ok(Cancel::Cancelled(Box::new(row.command)));
    }
    cancelled(tx, &mut row, *now).await?;
    Ok(Cancel::Cancelled(Box::new(row.command)))
}

/// Ends a command that never started.
pub(crate) async fn cancelled(
    tx: &mut Tx,
    row: &mut CommandRow,
    now: Timestamp,
) -> Result<(), Error> {
    let outcome = Outcome::new(OutcomeKind::Cancelled);
    end(tx, row, CommandState::Cancelled, Some(outcome), now).await?;
    projects::touch(tx, row.project, now).await?;
    row.tell(tx, now);
    Ok(())
}

/// Words that an agent was given can't be taken back.
fn in_a_turn(row: &CommandRow) -> Error {
    let turn = row.command.into.map(|id| id.to_string()).unwrap_or_default();
    not_possible(format!("its words are in the turn of command {turn}; cancel that one instead"))
}

/// Remembers, and tells, that what a project works on is to be stopped. Whether there is such work.
pub(crate) async fn mark_killed(
    tx: &mut Tx,
    project: i64,
    by: DeviceId,
    now: Timestamp,
) -> Result<bool, Error> {
    let active = tx.all(&ACTIVE, params![project], command_row).await?;
    let any = !active.is_empty();
    for mut row in active {
        if row.command.kill_requested_by.is_none() {
            row.command.kill_requested_by = Some(by);
            save(tx, &row).await?;
            row.tell(tx, now);
        }
    }
    Ok(any)
}

/// Ends the kills that waited for the end of what a project worked on.
pub(crate) async fn end_kills(tx: &mut Tx, project: i64, now: Timestamp) -> Result<(), Error> {
    for mut row in tx.all(&KILLS, params![project], command_row).await? {
        let outcome = Outcome::new(OutcomeKind::Succeeded);
        end(tx, &mut row, CommandState::Succeeded, Some(outcome), now).await?;
        row.tell(tx, now);
    }
    Ok(())
}

async fn edit_command(
    tx: &mut Tx,
    (org, id, edit, now): &(OrgId, CommandId, EditCommand, Timestamp),
) -> Result<Command, Error> {
    let mut row = waiting(tx, *org, *id).await?;
    if let Some((prompt, options, agent)) = &edit.payload {
        set_payload(tx, &mut row, prompt, options, *agent).await?;
    }
    row.command.priority = edit.priority.unwrap_or(row.command.priority);
    row.command.expires_at = edit.expires_at.or(row.command.expires_at);
    row.retry = edit.retry.clone().or(row.retry);
    let Some(at) = edit.not_before else { return changed(tx, row, *now).await };
    if row.command.into.is_some() {
        return Err(not_possible("it is on its way into the running turn, which is now"));
    }
    row.due_at = Some(at).filter(|at| at > now);
    row.for_limit = false;
    row.command.not_before = row.due_at;
    match lane_by_time(&row) {
        Some(lane) => change_lane(tx, row, lane, *now).await,
        None => changed(tx, row, *now).await,
    }
}

/// The lane a command would be in, had it been sent as it is now, when that is another one: what
/// waits for a time keeps nobody waiting, unless it was given an ordering key.
fn lane_by_time(row: &CommandRow) -> Option<String> {
    let command = &row.command;
    if lane::order_of(&row.lane).is_some() || command.kind == CommandKind::Kill {
        return None;
    }
    let own = lane::lane_of(None, None, Some(command.id));
    match (row.due_at.is_some(), row.lane == own) {
        (true, false) => Some(own),
        (false, true) => {
            // Once it was leased, its session need not be one that was asked for.
            let asked = command.session_id.filter(|_| command.attempt == 0);
            Some(lane::lane_of(None, asked, None))
        }
        _ => None,
    }
}

/// Behind all others of another lane.
async fn change_lane(
    tx: &mut Tx,
    mut row: CommandRow,
    to: String,
    now: Timestamp,
) -> Result<Command, Error> {
    let from = std::mem::replace(&mut row.lane, to);
    row.position = lane::last(tx, row.project, &row.lane).await?;
    (row.head, row.wake_at) = (false, None);
    save(tx, &row).await?;
    lane::settle(tx, row.project, &from).await?;
    lane::settle(tx, row.project, &row.lane).await?;
    let row = locked(tx, row.org, row.command.id).await?;
    row.tell(tx, now);
    Ok(row.command)
}

async fn set_payload(
    tx: &mut Tx,
    row: &mut CommandRow,
    prompt: &str,
    options: &ExecuteOptions,
    agent: AgentKind,
) -> Result<(), Error> {
    row.command.summary = summary(row.command.kind, prompt, options);
    row.command.agent = agent;
    let (payload, agent) = (encode_payload(prompt, options), agent.name());
    let values = params![row.command.id, payload, row.command.summary, agent];
    tx.execute(&SET_PAYLOAD, values).await.map(drop)
}

async fn changed(tx: &mut Tx, mut row: CommandRow, now: Timestamp) -> Result<Command, Error> {
    row.refresh();
    save(tx, &row).await?;
    row.tell(tx, now);
    Ok(row.command)
}

async fn move_command(
    tx: &mut Tx,
    (org, id, to, now): &(OrgId, CommandId, Place, Timestamp),
) -> Result<Command, Error> {
    let mut row = waiting(tx, *org, *id).await?;
    lane::refuse_kill(&row)?;
    if matches!(to, Place::Before(other) | Place::After(other) if other == id) {
        return Ok(row.command);
    }
    let (project, from) = (row.project, row.lane.clone());
    let (lane, position) = lane::find(tx, *org, project, &from, *to, Some(*id)).await?;
    row.head = false;
    row.wake_at = None;
    (row.lane, row.position) = (lane, position);
    save(tx, &row).await?;
    lane::settle(tx, project, &row.lane).await?;
    if row.lane != from {
        lane::settle(tx, project, &from).await?;
    }
    let row = locked(tx, *org, *id).await?;
    row.tell(tx, *now);
    Ok(row.command)
}

async fn hold_command(
    tx: &mut Tx,
    (org, id, by, now): &(OrgId, CommandId, Option<DeviceId>, Timestamp),
) -> Result<(Command, bool), Error> {
    let mut row = waiting(tx, *org, *id).await?;
    if row.command.held_by.is_some() == by.is_some() {
        return Ok((row.command, false));
    }
    row.command.held_by = *by;
    Ok((changed(tx, row, *now).await?, true))
}

fn target(project_id: Option<ProjectId>, runner_id: Option<DeviceId>) -> (String, &'static str) {
    match (project_id, runner_id) {
        (Some(id), _) => (id.to_string(), "project"),
        (None, Some(id)) => (id.to_string(), "runner"),
        (None, None) => (String::new(), "all"),
    }
}

async fn insert_hold(tx: &mut Tx, (org, hold): &(OrgId, Hold)) -> Result<bool, Error> {
    let (target, kind) = target(hold.project_id, hold.runner_id);
    Ok(tx.execute(&HOLD, params![org, target, kind, hold.by, hold.at]).await? > 0)
}

async fn release(
    tx: &mut Tx,
    (org, (target, _)): &(OrgId, (String, &'static str)),
) -> Result<bool, Error> {
    Ok(tx.execute(&RELEASE, params![org, target]).await? > 0)
}

pub(crate) async fn holds(tx: &mut Tx, org: &OrgId) -> Result<Vec<Hold>, Error> {
    tx.all(&HOLDS, params![org], |row| {
        let kind = row.text(1)?;
        Ok(Hold {
            command_id: None,
            project_id: if kind == "project" { row.opt_id(0)? } else { None },
            runner_id: if kind == "runner" { row.opt_id(0)? } else { None },
            by: row.id(2)?,
            at: row.time(3)?,
        })
    })
    .await
}

async fn which(tx: &mut Tx, org: OrgId, which: &WhichDead) -> Result<Vec<CommandId>, Error> {
    match which {
        WhichDead::Named(ids) => Ok(ids.clone()),
        WhichDead::All(project_id, limit) => {
            tx.all(&DEAD_IDS, params![org, project_id, limit], |row| row.id(0)).await
        }
    }
}

/// Which, the new payload, when they expire, now.
type PutBack =
    (OrgId, WhichDead, Option<(String, ExecuteOptions, AgentKind)>, Timestamp, Timestamp);

async fn put_back(
    tx: &mut Tx,
    (org, dead, payload, expires_at, now): &PutBack,
) -> Result<Vec<Command>, Error> {
    let mut back = Vec::new();
    for id in which(tx, *org, dead).await? {
        let mut row = with_lane(tx, *org, id).await?;
        if !life::may_put_back(row.command.state) {
            let state = row.command.state.name();
            return Err(not_possible(format!(
                "command {id} is {state}; only what failed, expired, \
                was cancelled or interrupted, or is dead can be put back"
            )));
        }
        lane::refuse_kill(&row)?;
        if let Some((prompt, options, agent)) = payload {
            set_payload(tx, &mut row, prompt, options, *agent).await?;
        }
        // One that was never given to a runner may go to another.
        routes::set_waits(tx, id, true).await?;
        back.push(again(tx, row, *expires_at, *now).await?);
    }
    Ok(back)
}

/// A command that is over waits again, behind the others of its lane.
async fn again(
    tx: &mut Tx,
    mut row: CommandRow,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Command, Error> {
    keep_attempt(tx, &row).await?;
    row.position = lane::last(tx, row.project, &row.lane).await?;
    row.attempts_before = row.command.attempt;
    (row.due_at, row.for_limit, row.head) = (None, false, false);
    row.since = now;
    let command = &mut row.command;
    let lost = |outcome: &Outcome| outcome.kind == OutcomeKind::SessionLost;
    if command.outcome.as_ref().is_some_and(lost) {
        // The agent no longer knows its conversation: it goes on in the project's own.
        command.session_id = None;
    }
    if command.steer.is_some() {
        (command.steer, command.into) = (None, None);
        steer::save_aim(tx, command.id, steer::Aim::default()).await?;
    }
    command.not_before = None;
    command.expires_at = Some(expires_at);
    command.kill_requested_by = None;
    (command.leased_at, command.started_at, command.finished_at) = (None, None, None);
    command.state = CommandState::Queued;
    row.refresh();
    save(tx, &row).await?;
    lane::settle(tx, row.project, &row.lane).await?;
    let row = locked(tx, row.org, row.command.id).await?;
    row.tell(tx, now);
    Ok(row.command)
}

/// Keeps an attempt that is followed by another.
pub(crate) async fn keep_attempt(tx: &mut Tx, row: &CommandRow) -> Result<(), Error> {
    let command = &row.command;
    if command.attempt == row.attempts_before {
        return Ok(());
    }
    let view = AttemptView {
        attempt: command.attempt,
        runner_id: command.runner_id,
        leased_at: command.leased_at,
        started_at: command.started_at,
        finished_at: command.finished_at,
        outcome: command.outcome.clone(),
    };
    let outcome = view.outcome.as_ref().map(to_json);
    let values = params![
        command.id,
        view.attempt,
        view.runner_id,
        view.leased_at,
        view.started_at,
        view.finished_at,
        outcome,
    ];
    tx.execute(&INSERT_ATTEMPT, values).await.map(drop)
}

async fn purge(tx: &mut Tx, (org, dead): &(OrgId, WhichDead)) -> Result<Vec<Command>, Error> {
    let mut purged = Vec::new();
    for id in which(tx, *org, dead).await? {
        let row = locked(tx, *org, id).await?;
        if row.command.state != CommandState::Dead {
            let state = row.command.state.name();
            return Err(not_possible(format!("command {id} is {state}, not dead")));
        }
        forget(tx, id).await?;
        purged.push(row.command);
    }
    Ok(purged)
}

/// Takes a command out; its events stay.
pub(crate) async fn forget(tx: &mut Tx, id: CommandId) -> Result<(), Error> {
    tx.execute(&FORGET_ATTEMPTS, params![id]).await?;
    routes::forget(tx, id).await?;
    tx.execute(&FORGET, params![id]).await.map(drop)
}

async fn resolve_command(
    tx: &mut Tx,
    (org, id, resolution, by, now): &(OrgId, CommandId, Resolution, DeviceId, Timestamp),
) -> Result<Command, Error> {
    let mut row = with_lane(tx, *org, *id).await?;
    let state = row.command.state;
    match state {
        CommandState::Interrupted if *resolution == Resolution::Requeue => {
            let expires_at = row.command.expires_at.filter(|at| at > now);
            let expires_at = expires_at.unwrap_or(now.plus(EXPIRY));
            return again(tx, row, expires_at, *now).await;
        }
        CommandState::Interrupted | CommandState::Leased | CommandState::Running => {}
        _ => {
            return Err(not_possible(format!(
                "the command is {}: only what is leased, running or interrupted needs a decision",
                state.name()
            )));
        }
    }
    let outcome = resolved(*resolution, *by);
    if state == CommandState::Interrupted {
        row.command.state = outcome.kind.final_state();
        row.command.outcome = Some(outcome);
        let command = changed(tx, row.clone(), *now).await?;
        let project = projects::locked(tx, *org, command.project_id).await?;
        // What ended in between tells more about the project than this.
        if project.reason.as_deref() == Some(OutcomeKind::Interrupted.name()) {
            release_project(tx, &row, *now).await?;
        }
        return Ok(command);
    }
    if row.command.into.is_some() {
        return Err(in_a_turn(&row));
    }
    steer::turn_over(tx, &row, outcome.kind, *now).await?;
    let requeue = *resolution == Resolution::Requeue;
    let end_state = if requeue { CommandState::Interrupted } else { outcome.kind.final_state() };
    end(tx, &mut row, end_state, Some(outcome), *now).await?;
    release_project(tx, &row, *now).await?;
    row.tell(tx, *now);
    match requeue {
        true => again(tx, row, now.plus(EXPIRY), *now).await,
        false => Ok(row.command),
    }
}

fn resolved(resolution: Resolution, by: DeviceId) -> Outcome {
    let (kind, what) = match resolution {
        Resolution::Succeeded => (OutcomeKind::Succeeded, "as done"),
        Resolution::Failed => (OutcomeKind::Failed, "as failed"),
        Resolution::Requeue => (OutcomeKind::Interrupted, "to start again"),
    };
    Outcome::new(kind).with_message(format!("decided {what} by device {by}"))
}

/// Nothing works on the project any more.
async fn release_project(tx: &mut Tx, row: &CommandRow, now: Timestamp) -> Result<(), Error> {
    approvals::withdraw(tx, row.org, row.command.id, approvals::Withdraw::All, now).await?;
    end_kills(tx, row.project, now).await?;
    let mut project = projects::locked(tx, row.org, row.command.project_id).await?;
    let outcome = row.command.outcome.clone();
    let outcome = outcome.unwrap_or_else(|| Outcome::new(OutcomeKind::Interrupted));
    let (state, reason) = life::project_after(&outcome);
    (project.state, project.reason, project.last_active) = (state, reason, now);
    projects::save(tx, &project).await?;
    tx.tell_org(row.org, project.id, &Fact::ProjectState(project.clone()), now);
    Ok(())
}
