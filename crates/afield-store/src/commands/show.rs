//! Everything known about one command, and about what may keep it from starting.

use afield_proto::command::{Command, CommandState};
use afield_proto::queue::{AttemptView, ChainLink, ChainStep, Hold, Payload, RetryPolicy};
use afield_proto::route::{Route, RouteCause};
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, Timestamp};

use super::payload::StoredPayload;
use super::{COLUMNS, CommandRow, archive, command_row, hold, lane, needs_no_runner, routes};
use crate::sql::{Row, params, statements};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

statements! {
    DETAIL = concat!("SELECT ", command_columns!(), ", c.payload", commands!(),
        " WHERE c.id = ?2 AND c.org_id = ?1");
    ATTEMPTS = "SELECT attempt, runner_id, leased_at, started_at, finished_at, outcome \
        FROM attempts WHERE command_id = ?1 ORDER BY attempt";
    ACTIVE_OF_PROJECT = "SELECT id FROM commands \
        WHERE project = ?1 AND state IN ('leased', 'running') AND into_id IS NULL";
    BUSY = "SELECT COUNT(*) FROM projects p JOIN commands c ON c.project = p.number \
        AND c.state IN ('leased', 'running') AND c.into_id IS NULL \
        WHERE p.runner_id = ?1 AND p.deleted_at IS NULL";
    RUNNER = "SELECT name, last_seen_at FROM devices WHERE id = ?1";
    USAGE = "SELECT COUNT(*), COALESCE(SUM(LENGTH(c.payload)), 0) FROM projects p \
        JOIN commands c ON c.project = p.number AND c.finished_at IS NULL WHERE p.org_id = ?1 \
        AND (CAST(?2 AS TEXT) IS NULL OR c.submitted_by = ?2)";
    /// A statement of its own: one for all would go through every project.
    USAGE_OF_PROJECT = "SELECT COUNT(*), COALESCE(SUM(LENGTH(c.payload)), 0) FROM projects p \
        JOIN commands c ON c.project = p.number AND c.finished_at IS NULL \
        WHERE p.org_id = ?1 AND p.id = ?2";
    ASKS = "SELECT id FROM approvals WHERE command_id = ?1 AND state = 'open' LIMIT 1";
}

/// A command with what is stored about it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The command.
    pub command: Command,
    /// What it carries.
    pub payload: Payload,
    /// How it is tried again.
    pub retry: RetryPolicy,
    /// Every attempt, the first one first.
    pub attempts: Vec<AttemptView>,
    /// How far it came, of its latest attempt.
    pub chain: Vec<ChainLink>,
    /// How it came to its runner, when it was sent to whichever fits.
    pub route: Option<Route>,
    /// What may keep it from starting.
    pub around: Detail,
}

/// What may keep a command from starting, as far as the store knows.
#[derive(Debug, Clone, Default)]
pub struct Detail {
    /// When it may start, with the wait of a retry.
    pub due_at: Option<Timestamp>,
    /// That wait is for the end of the agent's usage limit.
    pub for_limit: bool,
    /// The first command of its lane, when that is another.
    pub head: Option<Command>,
    /// The hold of its project, its runner or everything.
    pub hold: Option<Hold>,
    /// The command its project works on.
    pub active: Option<CommandId>,
    /// Commands its runner works on.
    pub busy: u64,
    /// The name of its runner.
    pub runner: String,
    /// When the runner gave its last sign of life that was written down.
    pub last_seen_at: Option<Timestamp>,
    /// Its agent asks a person.
    pub asks: bool,
}

impl Store {
    /// One command with everything known about it, archived or not.
    pub async fn show_command(&self, org: OrgId, id: CommandId) -> Result<Shown, Error> {
        self.read((org, id), show_command).await
    }

    /// Commands that are not over, and the bytes they carry: of an org, of one of its projects, or
    /// submitted by one device.
    pub async fn queue_usage(
        &self,
        org: OrgId,
        project_id: Option<ProjectId>,
        device_id: Option<DeviceId>,
    ) -> Result<(u64, u64), Error> {
        self.read((org, project_id, device_id), queue_usage).await
    }
}

async fn queue_usage(
    tx: &mut Tx,
    (org, project_id, device_id): &(OrgId, Option<ProjectId>, Option<DeviceId>),
) -> Result<(u64, u64), Error> {
    let counted = |row: &Row<'_>| Ok((row.count(0)?, row.count(1)?));
    match project_id {
        Some(id) => tx.one(&USAGE_OF_PROJECT, params![org, id], counted).await,
        None => tx.one(&USAGE, params![org, device_id], counted).await,
    }
}

async fn show_command(tx: &mut Tx, (org, id): &(OrgId, CommandId)) -> Result<Shown, Error> {
    match stored(tx, *org, *id).await {
        Err(Error::Refused(Refusal::CommandNotFound)) => archive::find(tx, *org, *id).await,
        other => other,
    }
}

/// One that is not archived.
pub(super) async fn stored(tx: &mut Tx, org: OrgId, id: CommandId) -> Result<Shown, Error> {
    let found = tx
        .opt(&DETAIL, params![org, id], |row| {
            Ok((command_row(row)?, row.json::<StoredPayload>(COLUMNS)?))
        })
        .await?;
    let (row, payload) = found.ok_or(Refusal::CommandNotFound)?;
    let around = around(tx, &row).await?;
    let attempts = attempts(tx, &row).await?;
    let payload = Payload {
        prompt: payload.prompt,
        options: Some(payload.options),
        agent: Some(row.command.agent),
        session_id: row.command.session_id,
        attachments: payload.attachments,
    };
    let route = routes::route(tx, &row.command).await?;
    let (chain, retry) = (chain(&row, route.as_ref()), row.policy());
    Ok(Shown { payload, retry, attempts, chain, route, around, command: row.command })
}

async fn attempts(tx: &mut Tx, row: &CommandRow) -> Result<Vec<AttemptView>, Error> {
    let command = &row.command;
    let mut attempts = tx
        .all(&ATTEMPTS, params![command.id], |row| {
            Ok(AttemptView {
                attempt: u32::try_from(row.int(0)?).unwrap_or(u32::MAX),
                runner_id: row.id(1)?,
                leased_at: row.opt_time(2)?,
                started_at: row.opt_time(3)?,
                finished_at: row.opt_time(4)?,
                outcome: row.opt_json(5)?,
            })
        })
        .await?;
    let kept = attempts.last().map_or(0, |last| last.attempt);
    if command.attempt > kept {
        attempts.push(AttemptView {
            attempt: command.attempt,
            runner_id: command.runner_id,
            leased_at: command.leased_at,
            started_at: command.started_at,
            finished_at: command.finished_at,
            outcome: command.outcome.clone(),
        });
    }
    Ok(attempts)
}

fn chain(row: &CommandRow, route: Option<&Route>) -> Vec<ChainLink> {
    let command = &row.command;
    let (sender, runner) = (command.submitted_by, command.runner_id);
    let ended_by = match (command.state, command.started_at) {
        (CommandState::Expired, _) => None,
        (_, Some(_)) => Some(runner).filter(|_| !needs_no_runner(command.kind)),
        (_, None) => command.kill_requested_by.or(Some(runner)),
    };
    let (sender, runner) = (Some(sender), Some(runner).filter(|_| !needs_no_runner(command.kind)));
    let moves = route.into_iter().flat_map(|route| &route.decisions);
    let moves = moves.filter(|decision| decision.cause != RouteCause::Submitted);
    let moves = moves.map(|decision| (ChainStep::Moved, Some(decision.at), None));
    let accepted = [
        (ChainStep::Submitted, row.submitted_at.or(Some(command.created_at)), sender),
        (ChainStep::Accepted, Some(command.created_at), sender),
    ];
    let worked_on = [
        (ChainStep::Leased, command.leased_at, runner),
        (ChainStep::Consumed, command.started_at, runner),
        (ChainStep::Finished, command.finished_at, ended_by),
    ];
    let steps = accepted.into_iter().chain(moves).chain(worked_on);
    steps.filter_map(|(step, at, by)| at.map(|at| ChainLink { step, at, by })).collect()
}

async fn around(tx: &mut Tx, row: &CommandRow) -> Result<Detail, Error> {
    let command = &row.command;
    let head = match row.head || command.state.is_final() {
        true => None,
        false => lane::head(tx, row.project, &row.lane).await?.map(|head| head.command),
    };
    let active = tx.opt(&ACTIVE_OF_PROJECT, params![row.project], |row| row.id(0)).await?;
    let busy = tx.one(&BUSY, params![command.runner_id], |row| row.count(0)).await?;
    let (runner, last_seen_at) = runner(tx, command.runner_id).await?;
    let asks = tx.opt(&ASKS, params![command.id], |_| Ok(())).await?.is_some();
    let hold = hold::holds(tx, &row.org).await?.into_iter().find(|hold| holds(hold, command));
    let (due_at, for_limit) = (row.due_at, row.for_limit);
    Ok(Detail { due_at, for_limit, head, hold, active, busy, runner, last_seen_at, asks })
}

/// The name of a runner, and when it was last seen.
pub(super) async fn runner(
    tx: &mut Tx,
    id: DeviceId,
) -> Result<(String, Option<Timestamp>), Error> {
    let named = |row: &Row<'_>| Ok((row.text(0)?.to_owned(), row.opt_time(1)?));
    Ok(tx.opt(&RUNNER, params![id], named).await?.unwrap_or_default())
}

fn holds(hold: &Hold, command: &Command) -> bool {
    match (hold.project_id, hold.runner_id) {
        (Some(project), _) => project == command.project_id,
        (None, Some(runner)) => runner == command.runner_id,
        (None, None) => true,
    }
}
