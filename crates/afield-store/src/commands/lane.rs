//! Lanes: commands of one ordering key, one behind the other. The first that is not over is the
//! head; only heads are looked at when something is to be started.

use afield_flow::queue::{POSITION_STEP, between};
use afield_proto::command::CommandKind;
use afield_proto::queue::Place;
use afield_proto::{CommandId, OrgId, SessionId};

use super::{CommandRow, command_row, locked};
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Refusal};

/// Most commands of a lane that are given new places when there is no room between two.
const RESPACED_MAX: usize = 10_000;
/// What a lane's name begins with, when its ordering key was given by a person.
const KEY: &str = "key:";

statements! {
    FIRST = "SELECT id, due_at, expires_at, state FROM commands \
        WHERE project = ?1 AND lane = ?2 AND finished_at IS NULL ORDER BY position LIMIT 1";
    PROMOTE = "UPDATE commands SET head = 1, wake_at = ?2 WHERE id = ?1";
    DEMOTE = "UPDATE commands SET head = 0, wake_at = expires_at \
        WHERE project = ?1 AND lane = ?2 AND head = 1 AND state = 'queued'";
    PLACES = "SELECT id, position, state FROM commands \
        WHERE project = ?1 AND lane = ?2 AND finished_at IS NULL ORDER BY position LIMIT ?3";
    LAST = "SELECT MAX(position) FROM commands \
        WHERE project = ?1 AND lane = ?2 AND finished_at IS NULL";
    SET_POSITION = "UPDATE commands SET position = ?2 WHERE id = ?1";
    LOCK_PROJECT = "SELECT number FROM projects WHERE number = ?1 FOR UPDATE";
    HEAD_ROW = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.project = ?1 AND c.lane = ?2 AND c.head = 1");
}

/// The lane of an ordering key, of a session, or the project's own.
pub(crate) fn lane_of(
    order: Option<&str>,
    session_id: Option<SessionId>,
    own: Option<CommandId>,
) -> String {
    match (order, session_id, own) {
        (Some(order), ..) => format!("{KEY}{order}"),
        (None, _, Some(id)) => format!("command:{id}"),
        (None, Some(session), None) => format!("session:{session}"),
        (None, None, None) => String::new(),
    }
}

/// The ordering key a lane was made for, when a person gave it.
pub(crate) fn order_of(lane: &str) -> Option<&str> {
    lane.strip_prefix(KEY)
}

/// Keeps others from changing the lanes of a project until the operation is over.
pub(crate) async fn lock(tx: &mut Tx, project: i64) -> Result<(), Error> {
    tx.lock(&LOCK_PROJECT, params![project]).await
}

/// Makes the first command of a lane its head. One that is worked on is that already.
pub(crate) async fn promote(tx: &mut Tx, project: i64, lane: &str) -> Result<(), Error> {
    let first = tx
        .opt(&FIRST, params![project, lane], |row| {
            let wake_at = [row.opt_time(1)?, row.opt_time(2)?].into_iter().flatten().min();
            Ok((row.id::<CommandId>(0)?, wake_at, row.text(3)? == "queued"))
        })
        .await?;
    match first.filter(|_| !planted::is("promote")) {
        Some((id, wake_at, true)) => tx.execute(&PROMOTE, params![id, wake_at]).await.map(drop),
        Some((_, _, false)) | None => Ok(()),
    }
}

/// The head of a lane goes back among the others, unless it is worked on. Whether it did.
pub(crate) async fn demote(tx: &mut Tx, project: i64, lane: &str) -> Result<bool, Error> {
    Ok(tx.execute(&DEMOTE, params![project, lane]).await? > 0)
}

/// Makes the head right again after places have changed.
pub(crate) async fn settle(tx: &mut Tx, project: i64, lane: &str) -> Result<(), Error> {
    demote(tx, project, lane).await?;
    promote(tx, project, lane).await
}

/// The place behind all others of a lane.
pub(crate) async fn last(tx: &mut Tx, project: i64, lane: &str) -> Result<i64, Error> {
    let last = tx.one(&LAST, params![project, lane], |row| row.opt_int(0)).await?;
    Ok(last.unwrap_or(0) + POSITION_STEP)
}

/// The command at the front of a lane.
pub(crate) async fn head(
    tx: &mut Tx,
    project: i64,
    lane: &str,
) -> Result<Option<CommandRow>, Error> {
    tx.opt(&HEAD_ROW, params![project, lane], command_row).await
}

struct Taken {
    id: CommandId,
    position: i64,
    waits: bool,
}

/// The lane and position of a place, seen from the lane `lane` of `project`; `moved` itself does
/// not count. What is worked on stays before everything.
pub(crate) async fn find(
    tx: &mut Tx,
    org: OrgId,
    project: i64,
    lane: &str,
    place: Place,
    moved: Option<CommandId>,
) -> Result<(String, i64), Error> {
    let lane = match place {
        Place::First | Place::Last => lane.to_owned(),
        Place::Before(other) | Place::After(other) => neighbour(tx, org, project, other).await?,
    };
    if place == Place::Last {
        let position = last(tx, project, &lane).await?;
        return Ok((lane, position));
    }
    for _ in 0..2 {
        let taken = places(tx, project, &lane, moved).await?;
        if let Some(position) = position(&taken, place) {
            return Ok((lane, position));
        }
        respace(tx, project, &lane).await?;
    }
    Err(Error::corrupt("a lane has no room after it was given some"))
}

async fn neighbour(
    tx: &mut Tx,
    org: OrgId,
    project: i64,
    other: CommandId,
) -> Result<String, Error> {
    let other = locked(tx, org, other).await?;
    if other.project != project || other.command.state.is_final() {
        let reason = "a command is moved only among the waiting ones of its own project";
        return Err(Refusal::NotPossible { reason: reason.into() }.into());
    }
    refuse_kill(&other)?;
    Ok(other.lane)
}

/// Refuses a kill: it waits for what it stops, in nobody's order.
pub(crate) fn refuse_kill(row: &CommandRow) -> Result<(), Refusal> {
    match row.command.kind {
        CommandKind::Kill => {
            let reason = "a kill waits for what it stops; nothing is moved to it, from it or back";
            Err(Refusal::NotPossible { reason: reason.into() })
        }
        CommandKind::Prompt | CommandKind::Shell | CommandKind::NewSession => Ok(()),
    }
}

async fn places(
    tx: &mut Tx,
    project: i64,
    lane: &str,
    moved: Option<CommandId>,
) -> Result<Vec<Taken>, Error> {
    // The one that is moved does not count, and the last one needs the place of the one behind it.
    let limit = RESPACED_MAX as i64 + 2;
    let mut taken = tx
        .all(&PLACES, params![project, lane, limit], |row| {
            Ok(Taken { id: row.id(0)?, position: row.int(1)?, waits: row.text(2)? == "queued" })
        })
        .await?;
    taken.retain(|other| Some(other.id) != moved);
    Ok(taken)
}

fn position(taken: &[Taken], place: Place) -> Option<i64> {
    let fixed = taken.iter().take_while(|other| !other.waits).count();
    let index = |id| taken.iter().take(RESPACED_MAX).position(|other| other.id == id);
    let before = match place {
        Place::First => fixed,
        Place::Before(id) => index(id)?.max(fixed),
        Place::After(id) => (index(id)? + 1).max(fixed),
        Place::Last => taken.len(),
    };
    let at = |index: usize| taken.get(index).map(|other| other.position);
    between(before.checked_sub(1).and_then(at), at(before))
}

/// Gives every command of a lane a new place, with room around it.
async fn respace(tx: &mut Tx, project: i64, lane: &str) -> Result<(), Error> {
    let taken = places(tx, project, lane, None).await?;
    if taken.len() >= RESPACED_MAX {
        let reason = format!("an order of {RESPACED_MAX} commands or more can't be rearranged");
        return Err(Refusal::NotPossible { reason }.into());
    }
    let mut position = last(tx, project, lane).await?;
    for other in taken {
        tx.execute(&SET_POSITION, params![other.id, position]).await?;
        position += POSITION_STEP;
    }
    Ok(())
}
