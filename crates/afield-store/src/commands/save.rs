//! Writing what changed of a command.

use afield_proto::command::CommandState;

use super::CommandRow;
use crate::Error;
use crate::sql::{params, statements, to_json};
use crate::tx::Tx;

statements! {
    SAVE = "UPDATE commands SET state = ?2, attempt = ?3, fence = ?4, applied = ?5, \
        kill_requested_by = ?6, leased_at = ?7, started_at = ?8, finished_at = ?9, outcome = ?10, \
        session_id = ?11, lane = ?12, position = ?13, head = ?14, due_at = ?15, for_limit = ?16, \
        expires_at = ?17, wake_at = ?18, priority = ?19, held_by = ?20, retry = ?21, \
        attempts_before = ?22, since = ?23 WHERE id = ?1";
    /// Most indexes know none of these columns and are left alone.
    SAVE_LEASED = "UPDATE commands SET state = 'leased', attempt = ?2, fence = ?3, applied = 0, \
        leased_at = ?4, session_id = ?5, due_at = NULL, for_limit = 0, wake_at = NULL WHERE id = ?1";
    SAVE_STARTED = "UPDATE commands SET state = 'running', started_at = ?2, applied = ?3 WHERE id = ?1";
    SAVE_APPLIED = "UPDATE commands SET applied = ?2 WHERE id = ?1";
}

/// Writes what can change of a command.
pub(crate) async fn save(tx: &mut Tx, row: &CommandRow) -> Result<(), Error> {
    let command = &row.command;
    let (state, outcome) = (command.state.name(), command.outcome.as_ref().map(to_json));
    let (head, for_limit) = (i64::from(row.head), i64::from(row.for_limit));
    let (retry, level) = (row.retry.as_ref().map(to_json), command.priority.level());
    let values = params![
        command.id,
        state,
        command.attempt,
        row.fence,
        row.applied,
        command.kill_requested_by,
        command.leased_at,
        command.started_at,
        command.finished_at,
        outcome,
        command.session_id,
        row.lane,
        row.position,
        head,
        row.due_at,
        for_limit,
        command.expires_at,
        row.wake_at,
        level,
        command.held_by,
        retry,
        row.attempts_before,
        row.since,
    ];
    tx.execute(&SAVE, values).await.map(drop)
}

/// Writes a lease: it waits for nothing any more.
pub(super) async fn leased(tx: &mut Tx, row: &CommandRow) -> Result<(), Error> {
    let CommandRow { command, fence, .. } = row;
    debug_assert_eq!((command.state, row.applied, row.wake_at), (CommandState::Leased, 0, None));
    let values = params![command.id, command.attempt, fence, command.leased_at, command.session_id];
    tx.execute(&SAVE_LEASED, values).await.map(drop)
}

/// Writes a start.
pub(crate) async fn started(tx: &mut Tx, row: &CommandRow) -> Result<(), Error> {
    debug_assert_eq!(row.command.state, CommandState::Running);
    let values = params![row.command.id, row.command.started_at, row.applied];
    tx.execute(&SAVE_STARTED, values).await.map(drop)
}

/// Writes only how far its records are applied: a batch that only adds messages changes nothing else.
pub(crate) async fn applied(tx: &mut Tx, row: &CommandRow) -> Result<(), Error> {
    tx.execute(&SAVE_APPLIED, params![row.command.id, row.applied]).await.map(drop)
}
