//! Commands that were over long ago leave the table that is worked on. What was known of them
//! stays, compressed, and is shown by its id. Dead ones stay until a person puts them back or
//! purges them.

use afield_proto::command::{Command, CommandState};
use afield_proto::queue::{AttemptView, ChainLink, Payload, RetryPolicy};
use afield_proto::route::Route;
use afield_proto::{CommandId, OrgId, Timestamp};
use serde::{Deserialize, Serialize};

use super::back::forget;
use super::show::{Detail, Shown, stored};
use super::{find_locked, show};
use crate::sql::{params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

/// Commands looked at in one transaction.
const LOOKED_AT_MAX: i64 = 2000;
/// How strongly an archived command is compressed: they are many and seldom read.
const ZSTD_LEVEL: i32 = 3;
/// Clocks are put back by so much, in milliseconds: what was made later was not over earlier.
const CLOCK_BACK_MAX_MS: i64 = 24 * 3600 * 1000;

statements! {
    OVER = "SELECT id, org_id, finished_at, created_at FROM commands WHERE id > ?1 \
        AND finished_at IS NOT NULL AND state <> 'dead' ORDER BY id LIMIT ?2";
    INSERT = "INSERT INTO archive (id, org_id, finished_at, body) VALUES (?1, ?2, ?3, ?4)";
    ARCHIVED = "SELECT body FROM archive WHERE id = ?2 AND org_id = ?1";
}

/// A part of the commands that are over, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldCommands {
    /// Those that were over by then.
    pub old: Vec<(OrgId, CommandId)>,
    /// Look on behind this one.
    pub after: Option<CommandId>,
    /// The first of the others that is over, or a time before it.
    pub next: Option<Timestamp>,
}

/// A command as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Archived {
    command: Command,
    payload: Payload,
    retry: RetryPolicy,
    attempts: Vec<AttemptView>,
    chain: Vec<ChainLink>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    route: Option<Route>,
}

impl Store {
    /// Commands that were over at `by`; page by page, from `after` on.
    pub async fn old_commands(
        &self,
        after: Option<CommandId>,
        by: Timestamp,
    ) -> Result<OldCommands, Error> {
        self.read((after, by), old_commands).await
    }

    /// Puts these into the archive, if they were over at `by`. How many there were.
    pub async fn archive_commands(
        &self,
        old: Vec<(OrgId, CommandId)>,
        by: Timestamp,
    ) -> Result<u64, Error> {
        self.write((old, by), archive_commands).await
    }
}

async fn old_commands(
    tx: &mut Tx,
    (after, by): &(Option<CommandId>, Timestamp),
) -> Result<OldCommands, Error> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let over = tx
        .all(&OVER, params![after, LOOKED_AT_MAX], |row| {
            let (id, org): (CommandId, OrgId) = (row.id(0)?, row.id(1)?);
            Ok((id, org, row.time(2)?, row.time(3)?))
        })
        .await?;
    let mut found = OldCommands::default();
    let whole = over.len() as i64 == LOOKED_AT_MAX;
    for (id, org, finished_at, created_at) in over {
        if finished_at <= *by {
            found.old.push((org, id));
        } else {
            found.next = found.next.map_or(Some(finished_at), |next| Some(next.min(finished_at)));
        }
        // What was made after that was not over by then.
        if created_at.unix_ms() > by.unix_ms().saturating_add(CLOCK_BACK_MAX_MS) {
            found.after = None;
            return Ok(found);
        }
        found.after = whole.then_some(id);
    }
    Ok(found)
}

async fn archive_commands(
    tx: &mut Tx,
    (old, by): &(Vec<(OrgId, CommandId)>, Timestamp),
) -> Result<u64, Error> {
    let mut archived = 0;
    for (org, id) in old {
        let row = find_locked(tx, *org, *id).await?;
        let end = row.as_ref().and_then(|row| row.command.finished_at);
        let is_dead = row.is_some_and(|row| row.command.state == CommandState::Dead);
        // Somebody may have put it back meanwhile.
        let Some(finished_at) = end.filter(|end| end <= by && !is_dead) else { continue };
        let body = body(stored(tx, *org, *id).await?)?;
        tx.execute(&INSERT, params![id, org, finished_at, body]).await?;
        forget(tx, *id).await?;
        archived += 1;
    }
    Ok(archived)
}

fn body(shown: Shown) -> Result<Vec<u8>, Error> {
    let Shown { command, payload, retry, attempts, chain, route, .. } = shown;
    let json = to_json(&Archived { command, payload, retry, attempts, chain, route });
    zstd::encode_all(json.as_bytes(), ZSTD_LEVEL)
        .map_err(|error| Error::corrupt(format!("a command can't be compressed: {error}")))
}

/// An archived command.
///
/// **Errors**: [`Refusal::CommandNotFound`] when there is none.
pub(super) async fn find(tx: &mut Tx, org: OrgId, id: CommandId) -> Result<Shown, Error> {
    let body = tx.opt(&ARCHIVED, params![org, id], |row| Ok(row.bytes(0)?.to_vec())).await?;
    let body = body.ok_or(Refusal::CommandNotFound)?;
    let unreadable = |why: &dyn std::fmt::Display| Error::corrupt(format!("command {id}: {why}"));
    let json = zstd::decode_all(body.as_slice()).map_err(|error| unreadable(&error))?;
    let kept: Archived = serde_json::from_slice(&json).map_err(|error| unreadable(&error))?;
    let (runner, last_seen_at) = show::runner(tx, kept.command.runner_id).await?;
    let Archived { command, payload, retry, attempts, chain, route } = kept;
    let around = Detail { runner, last_seen_at, ..Detail::default() };
    Ok(Shown { command, payload, retry, attempts, chain, route, around })
}
