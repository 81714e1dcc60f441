//! Leasing: what waits is given to its runner, the most urgent first, one command of a project at
//! a time, never more than the runner takes at once.

use afield_flow::queue::{Candidate, choose};
use afield_proto::command::{CommandKind, CommandState, Outcome, OutcomeKind};
use afield_proto::fact::Fact;
use afield_proto::queue::Priority;
use afield_proto::runner::{Attempt, RunnerExecute};
use afield_proto::{CommandId, DeviceId, OrgId, SessionId, Timestamp};

use super::payload::{StoredPayload, prompt_message};
use super::{COLUMNS, CommandRow, command_row, lane};
use crate::sql::{Row, params, statements};
use crate::sqlite::writer::Turn;
use crate::tx::Tx;
use crate::{Error, Store, commands, projects, sessions};

statements! {
    /// The heads of projects nothing works on. What is held does not show.
    CANDIDATES = "SELECT c.id, c.project, c.priority, c.since, c.due_at, c.expires_at, c.kind \
        FROM projects p JOIN commands c ON c.project = p.number AND c.head = 1 \
        WHERE p.runner_id = ?2 AND p.org_id = ?1 AND p.deleted_at IS NULL \
        AND c.state = 'queued' AND c.kind <> 'kill' AND c.held_by IS NULL \
        AND NOT EXISTS (SELECT 1 FROM commands a WHERE a.project = p.number \
            AND a.state IN ('leased', 'running') AND a.into_id IS NULL) \
        AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.org_id = ?1 \
            AND h.target IN ('', p.runner_id, p.id))";
    WORKED_ON = "SELECT COUNT(*) FROM projects p JOIN commands c ON c.project = p.number \
        AND c.state IN ('leased', 'running') AND c.into_id IS NULL \
        WHERE p.runner_id = ?2 AND p.org_id = ?1 AND p.deleted_at IS NULL";
    TO_LEASE = concat!("SELECT ", command_columns!(), ", c.payload, c.request_id, p.path, \
        p.session_id, c.told", commands!(), " WHERE c.id = ?1");
    LEASED = concat!("SELECT ", command_columns!(), ", c.payload, c.request_id, p.path, \
        p.session_id, c.told FROM projects p JOIN commands c ON c.project = p.number \
        AND c.state = 'leased' AND c.into_id IS NULL WHERE p.runner_id = ?2 AND p.org_id = ?1 \
        AND p.deleted_at IS NULL ORDER BY c.id");
    KILLS = "SELECT c.id, c.attempt, c.fence FROM projects p JOIN commands c \
        ON c.project = p.number AND c.state IN ('leased', 'running') AND c.into_id IS NULL \
        WHERE p.runner_id = ?2 AND p.org_id = ?1 AND p.deleted_at IS NULL \
        AND c.kill_requested_by IS NOT NULL";
    NATIVE = "SELECT native_id FROM sessions WHERE id = ?1";
}

impl Store {
    /// Gives a runner what waits for it and may start, at most so much that it works on `slots`
    /// commands. Commands that need no runner are carried out when their turn comes.
    ///
    /// What is accepted at the same time is leased with it, in one write.
    pub async fn lease_commands(
        &self,
        org: OrgId,
        runner_id: DeviceId,
        slots: usize,
        now: Timestamp,
    ) -> Result<Vec<RunnerExecute>, Error> {
        self.write_in(Turn::Last, (org, runner_id, slots, now), lease_commands).await
    }

    /// What a runner was given and has not begun, with the same attempts and fences.
    pub async fn leased_commands(
        &self,
        org: OrgId,
        runner_id: DeviceId,
    ) -> Result<Vec<RunnerExecute>, Error> {
        self.read((org, runner_id), leased_commands).await
    }

    /// What a runner works on that somebody asked to stop.
    pub async fn kills_to_deliver(
        &self,
        org: OrgId,
        runner_id: DeviceId,
    ) -> Result<Vec<Attempt>, Error> {
        self.look((org, runner_id), kills_to_deliver).await
    }
}

async fn kills_to_deliver(
    tx: &mut Tx,
    (org, runner_id): &(OrgId, DeviceId),
) -> Result<Vec<Attempt>, Error> {
    tx.all(&KILLS, params![org, runner_id], |row| {
        let attempt = u32::try_from(row.int(1)?).unwrap_or(u32::MAX);
        Ok(Attempt { command_id: row.id(0)?, attempt, fence: row.count(2)? })
    })
    .await
}

/// A row to be leased.
struct Waiting {
    row: CommandRow,
    payload: StoredPayload,
    request_id: afield_proto::RequestId,
    path: String,
    project_session: Option<SessionId>,
    /// Its prompt is in the transcript already.
    told: bool,
}

fn waiting(row: &Row<'_>) -> Result<Waiting, Error> {
    Ok(Waiting {
        row: command_row(row)?,
        payload: row.json(COLUMNS)?,
        request_id: row.id(COLUMNS + 1)?,
        path: row.text(COLUMNS + 2)?.to_owned(),
        project_session: row.opt_id(COLUMNS + 3)?,
        told: row.int(COLUMNS + 4)? != 0,
    })
}

async fn lease_commands(
    tx: &mut Tx,
    (org, runner_id, slots, now): &(OrgId, DeviceId, usize, Timestamp),
) -> Result<Vec<RunnerExecute>, Error> {
    let worked_on = tx.one(&WORKED_ON, params![org, runner_id], |row| row.count(0)).await?;
    let mut free = slots.saturating_sub(usize::try_from(worked_on).unwrap_or(usize::MAX));
    let mut orders = Vec::new();
    loop {
        let (candidates, without): (Vec<_>, Vec<_>) = candidates(tx, *org, *runner_id)
            .await?
            .into_iter()
            .partition(|(_, kind)| !commands::needs_no_runner(*kind));
        let without: Vec<_> = without.into_iter().map(|(candidate, _)| candidate).collect();
        let carried_out = carry_out(tx, &without, *now).await?;
        let candidates: Vec<_> = candidates.into_iter().map(|(candidate, _)| candidate).collect();
        // One of each project: the head behind what the server carried out comes next time.
        for id in choose(&candidates, free, *now) {
            let Some(found) = claim(tx, &candidates, id, *now).await? else { continue };
            orders.push(lease(tx, found, *now).await?);
            free -= 1;
        }
        if !carried_out {
            return Ok(orders);
        }
    }
}

async fn candidates(
    tx: &mut Tx,
    org: OrgId,
    runner_id: DeviceId,
) -> Result<Vec<(Candidate, CommandKind)>, Error> {
    tx.all(&CANDIDATES, params![org, runner_id], |row| {
        let candidate = Candidate {
            id: row.id(0)?,
            project: row.int(1)?,
            priority: Priority::from_level(row.int(2)?).unwrap_or_default(),
            since: row.time(3)?,
            due_at: row.opt_time(4)?.filter(|_| !planted::is("early")),
            expires_at: row.opt_time(5)?.filter(|_| !planted::is("expiry")),
            held: false,
        };
        Ok((candidate, row.word(6)?))
    })
    .await
}

/// One of the candidates, its project kept from changing; `None` when it may no longer start:
/// others may have been at it since the candidates were read.
async fn claim(
    tx: &mut Tx,
    candidates: &[Candidate],
    id: CommandId,
    now: Timestamp,
) -> Result<Option<Waiting>, Error> {
    let candidate = candidates.iter().find(|candidate| candidate.id == id);
    let Some(candidate) = candidate else { return Ok(None) };
    lane::lock(tx, candidate.project).await?;
    let found = tx.opt(&TO_LEASE, params![id], waiting).await?;
    // It may have been given another place since.
    let here = |found: &Waiting| found.row.project == candidate.project;
    Ok(found.filter(|found| here(found) && may_start(&found.row, now)))
}

fn may_start(row: &CommandRow, now: Timestamp) -> bool {
    let command = &row.command;
    let waits = command.state == CommandState::Queued && command.held_by.is_none();
    let due = row.due_at.is_none_or(|due| due <= now) || planted::is("early");
    let in_time = command.expires_at.is_none_or(|end| end > now) || planted::is("expiry");
    row.head && waits && due && in_time
}

/// Carries out what needs no runner. Whether there was anything.
async fn carry_out(tx: &mut Tx, candidates: &[Candidate], now: Timestamp) -> Result<bool, Error> {
    let ready: Vec<CommandId> = choose(candidates, usize::MAX, now);
    for id in &ready {
        let Some(found) = claim(tx, candidates, *id, now).await? else { continue };
        new_session(tx, found.row, now).await?;
    }
    Ok(!ready.is_empty())
}

async fn new_session(tx: &mut Tx, mut row: CommandRow, now: Timestamp) -> Result<(), Error> {
    let mut project = projects::locked(tx, row.org, row.command.project_id).await?;
    project.last_active = now;
    let session = sessions::renew(tx, row.org, &mut project, now).await?;
    projects::save(tx, &project).await?;
    row.command.session_id = Some(session);
    row.command.started_at = Some(now);
    let outcome = Outcome::new(OutcomeKind::Succeeded);
    commands::end(tx, &mut row, CommandState::Succeeded, Some(outcome), now).await?;
    row.tell(tx, now);
    Ok(())
}

async fn lease(tx: &mut Tx, found: Waiting, now: Timestamp) -> Result<RunnerExecute, Error> {
    let Waiting { mut row, payload, request_id, path, project_session, told } = found;
    let session_id = match row.command.session_id.or(project_session) {
        Some(session_id) => session_id,
        None => sessions::first(tx, row.org, row.project, row.command.project_id, now).await?,
    };
    row.command.session_id = Some(session_id);
    row.command.attempt += 1;
    row.command.leased_at = Some(now);
    row.fence += 1;
    row.applied = 0;
    (row.due_at, row.for_limit, row.command.not_before) = (None, false, None);
    row.enter(CommandState::Leased);
    commands::save::leased(tx, &row).await?;
    if row.command.attempt == 1 && !told {
        let said = prompt_message(&row.command, &payload, now);
        tx.tell_project(row.org, row.command.project_id, &Fact::AgentMessage(said), now);
    }
    row.tell(tx, now);
    order(tx, &row, payload, request_id, path).await
}

async fn order(
    tx: &mut Tx,
    row: &CommandRow,
    payload: StoredPayload,
    request_id: afield_proto::RequestId,
    path: String,
) -> Result<RunnerExecute, Error> {
    let session_id = row.session()?;
    let native_session = tx
        .opt(&NATIVE, params![session_id], |row| Ok(row.opt_text(0)?.map(str::to_owned)))
        .await?
        .flatten();
    let attempt: Attempt = row.attempt();
    Ok(RunnerExecute {
        attempt,
        request_id,
        project_id: row.command.project_id,
        path,
        session_id,
        native_session,
        agent: row.command.agent,
        prompt: payload.prompt,
        options: payload.options,
        attachments: payload.attachments,
    })
}

async fn leased_commands(
    tx: &mut Tx,
    (org, runner_id): &(OrgId, DeviceId),
) -> Result<Vec<RunnerExecute>, Error> {
    let mut orders = Vec::new();
    for found in tx.all(&LEASED, params![org, runner_id], waiting).await? {
        let Waiting { row, payload, request_id, path, .. } = found;
        orders.push(order(tx, &row, payload, request_id, path).await?);
    }
    Ok(orders)
}
