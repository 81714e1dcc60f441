//! Stopping: what waits never starts, of what runs it is remembered who asked.

use afield_proto::command::{Command, CommandState, Outcome, OutcomeKind};
use afield_proto::runner::Attempt;
use afield_proto::{CommandId, DeviceId, OrgId, Timestamp};

use super::{CommandRow, command_row, end, not_possible, save, with_lane};
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Store, projects};

statements! {
    ACTIVE = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.project = ?1 AND c.state IN ('leased', 'running') AND c.into_id IS NULL \
        FOR UPDATE OF c");
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
pub(super) fn in_a_turn(row: &CommandRow) -> Error {
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
