//! What is over waits again, or is forgotten.

use afield_flow::command as life;
use afield_proto::command::{Command, CommandState, Outcome, OutcomeKind};
use afield_proto::device::Scopes;
use afield_proto::fact::Fact;
use afield_proto::queue::AttemptView;
use afield_proto::{CommandId, OrgId, ProjectId, Timestamp};

use super::edit::set_payload;
use super::payload::Carried;
use super::{CommandRow, lane, locked, not_possible, rights, routes, save, steer, with_lane};
use crate::sql::{params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Store, uploads};

statements! {
    INSERT_ATTEMPT = "INSERT INTO attempts (command_id, attempt, runner_id, leased_at, \
        started_at, finished_at, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
        ON CONFLICT (command_id, attempt) DO NOTHING";
    DEAD_IDS = "SELECT c.id FROM commands c JOIN projects p ON p.number = c.project \
        WHERE c.org_id = ?1 AND c.state = 'dead' AND (CAST(?2 AS TEXT) IS NULL OR p.id = ?2) \
        ORDER BY c.id LIMIT ?3";
    FORGET = "DELETE FROM commands WHERE id = ?1";
    FORGET_ATTEMPTS = "DELETE FROM attempts WHERE command_id = ?1";
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
    /// Puts commands that are over back behind their lanes, with their attempts counted anew, and
    /// with another payload where one is given; whoever asks may submit that.
    ///
    /// **Errors**: [`crate::Refusal::NotPossible`] for one that waits, runs or succeeded, and for a kill;
    /// [`crate::Refusal::LacksShell`] for one that whoever asks could not submit as it was.
    pub async fn put_back(
        &self,
        org: OrgId,
        which: WhichDead,
        payload: Option<Carried>,
        by: Scopes,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Command>, Error> {
        self.write((org, which, payload, by, expires_at, now), put_back).await
    }

    /// Forgets dead commands; their events stay.
    ///
    /// **Errors**: [`crate::Refusal::NotPossible`] for one that is not dead.
    pub async fn purge(
        &self,
        org: OrgId,
        which: WhichDead,
        now: Timestamp,
    ) -> Result<Vec<Command>, Error> {
        self.write((org, which, now), purge).await
    }
}

async fn which(tx: &mut Tx, org: OrgId, which: &WhichDead) -> Result<Vec<CommandId>, Error> {
    match which {
        WhichDead::Named(ids) => Ok(ids.clone()),
        WhichDead::All(project_id, limit) => {
            tx.all(&DEAD_IDS, params![org, project_id, limit], |row| row.id(0)).await
        }
    }
}

/// Which, the new payload, what whoever asks may do, when they expire, now.
type PutBack = (OrgId, WhichDead, Option<Carried>, Scopes, Timestamp, Timestamp);

async fn put_back(
    tx: &mut Tx,
    (org, dead, payload, by, expires_at, now): &PutBack,
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
        match payload {
            Some(payload) => set_payload(tx, &mut row, payload, *now).await?,
            None => rights::check(tx, &row, *by).await?,
        }
        back.push(again(tx, row, *expires_at, *now).await?);
    }
    Ok(back)
}

/// A command that is over waits again, behind the others of its lane.
pub(super) async fn again(
    tx: &mut Tx,
    mut row: CommandRow,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Command, Error> {
    keep_attempt(tx, &row).await?;
    // One that was never given to a runner may go to another.
    routes::set_waits(tx, row.command.id, true).await?;
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

async fn purge(
    tx: &mut Tx,
    (org, dead, now): &(OrgId, WhichDead, Timestamp),
) -> Result<Vec<Command>, Error> {
    let mut purged = Vec::new();
    for id in which(tx, *org, dead).await? {
        let row = locked(tx, *org, id).await?;
        if row.command.state != CommandState::Dead {
            let state = row.command.state.name();
            return Err(not_possible(format!("command {id} is {state}, not dead")));
        }
        forget(tx, id).await?;
        let gone = Fact::CommandGone { command_id: id };
        tx.tell_project(*org, row.command.project_id, &gone, *now);
        purged.push(row.command);
    }
    Ok(purged)
}

/// Takes a command out; its events stay.
pub(crate) async fn forget(tx: &mut Tx, id: CommandId) -> Result<(), Error> {
    tx.execute(&FORGET_ATTEMPTS, params![id]).await?;
    routes::forget(tx, id).await?;
    uploads::forget(tx, id).await?;
    tx.execute(&FORGET, params![id]).await.map(drop)
}
