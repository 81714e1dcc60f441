//! Editing and moving a command that waits.

use afield_proto::command::{Command, CommandKind};
use afield_proto::device::Scopes;
use afield_proto::queue::{Place, Priority, RetryPolicy};
use afield_proto::{CommandId, OrgId, Timestamp};

use super::payload::{Carried, encode_payload, summary};
use super::{CommandRow, changed, lane, locked, not_possible, rights, save, waiting};
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Store, uploads};

statements! {
    SET_PAYLOAD = "UPDATE commands SET payload = ?2, summary = ?3, agent = ?4, edited = 1 \
        WHERE id = ?1";
}

/// What is changed of a waiting command; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct EditCommand {
    /// What it carries, whole.
    pub payload: Option<Carried>,
    /// How urgent it is.
    pub priority: Option<Priority>,
    /// It does not start before.
    pub not_before: Option<Timestamp>,
    /// It does not start after.
    pub expires_at: Option<Timestamp>,
    /// How it is tried again.
    pub retry: Option<RetryPolicy>,
    /// What whoever asks may do: as much as `payload` needs, where there is one.
    pub by: Scopes,
}

impl Store {
    /// Changes a command that waits.
    ///
    /// **Errors**: [`crate::Refusal::NotPossible`] when it does not wait; [`crate::Refusal::LacksShell`] when it is
    /// to begin more often or later than it was accepted, and whoever asks could not submit it;
    /// [`crate::Refusal::WiderTurn`] when its words are on their way into a turn that whoever asks could not have begun.
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
    /// **Errors**: [`crate::Refusal::NotPossible`] when it does not wait, is a kill, or the place is in
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
}

async fn edit_command(
    tx: &mut Tx,
    (org, id, edit, now): &(OrgId, CommandId, EditCommand, Timestamp),
) -> Result<Command, Error> {
    let mut row = waiting(tx, *org, *id).await?;
    match &edit.payload {
        Some(payload) => {
            if let Some(turn) = row.command.into {
                rights::check_words(tx, turn, edit.by).await?;
            }
            set_payload(tx, &mut row, payload, *now).await?;
        }
        None if edit.retry.is_some() || edit.expires_at.is_some() => {
            rights::check(tx, &row, edit.by).await?;
        }
        None => {}
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
    row.head = false;
    row.refresh();
    save(tx, &row).await?;
    lane::settle(tx, row.project, &from).await?;
    lane::settle(tx, row.project, &row.lane).await?;
    let row = locked(tx, row.org, row.command.id).await?;
    row.tell(tx, now);
    Ok(row.command)
}

pub(super) async fn set_payload(
    tx: &mut Tx,
    row: &mut CommandRow,
    carried: &Carried,
    now: Timestamp,
) -> Result<(), Error> {
    let Carried { prompt, options, attachments, agent } = carried;
    row.command.summary = summary(row.command.kind, prompt, options);
    row.command.agent = *agent;
    uploads::forget(tx, row.command.id).await?;
    uploads::attach(tx, row.org, row.command.id, attachments, now).await?;
    let (payload, agent) = (encode_payload(prompt, options, attachments), agent.name());
    let values = params![row.command.id, payload, row.command.summary, agent];
    tx.execute(&SET_PAYLOAD, values).await.map(drop)
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
    row.refresh();
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
