//! What happens by itself: commands expire, and waits end.

use afield_proto::command::{Command, CommandState};
use afield_proto::{CommandId, DeviceId, OrgId, Timestamp};

use super::{CommandRow, lane, locked, run_out, save};
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Store};

/// Commands looked at in one transaction.
const SWEPT_MAX: i64 = 500;

statements! {
    DUE = "SELECT id, org_id FROM commands WHERE wake_at <= ?1 ORDER BY wake_at LIMIT ?2";
    NEXT = "SELECT MIN(wake_at) FROM commands WHERE wake_at IS NOT NULL";
}

/// What a sweep did.
#[derive(Debug, Clone, Default)]
pub struct Swept {
    /// Commands that are over now.
    pub expired: Vec<Command>,
    /// Runners that something new may start on.
    pub ready: Vec<(OrgId, DeviceId)>,
    /// When to sweep again.
    pub next: Option<Timestamp>,
}

impl Store {
    /// Ends what has waited too long and lets go what has waited long enough.
    pub async fn sweep_queue(&self, now: Timestamp) -> Result<Swept, Error> {
        self.write(now, sweep_queue).await
    }

    /// When the queue must be swept next although nothing happens.
    pub async fn next_sweep(&self) -> Result<Option<Timestamp>, Error> {
        self.look((), next_sweep).await
    }
}

async fn next_sweep(tx: &mut Tx, (): &()) -> Result<Option<Timestamp>, Error> {
    tx.one(&NEXT, params![], |row| row.opt_time(0)).await
}

async fn sweep_queue(tx: &mut Tx, now: &Timestamp) -> Result<Swept, Error> {
    let due = tx
        .all(&DUE, params![now, SWEPT_MAX], |row| {
            Ok((row.id::<CommandId>(0)?, row.id::<OrgId>(1)?))
        })
        .await?;
    let mut swept = Swept::default();
    for (id, org) in due {
        let project = locked(tx, org, id).await?.project;
        lane::lock(tx, project).await?;
        let row = locked(tx, org, id).await?;
        swept.ready.push((org, row.command.runner_id));
        sweep(tx, row, *now, &mut swept).await?;
    }
    swept.next = next_sweep(tx, &()).await?;
    Ok(swept)
}

async fn sweep(
    tx: &mut Tx,
    mut row: CommandRow,
    now: Timestamp,
    swept: &mut Swept,
) -> Result<(), Error> {
    let over = row.command.expires_at.is_some_and(|at| at <= now) && !planted::is("expiry");
    if row.command.state == CommandState::Queued && over {
        run_out(tx, &mut row, now).await?;
        swept.expired.push(row.command);
        return Ok(());
    }
    if let Some(due) = row.due_at.filter(|at| *at <= now) {
        row.since = due.max(row.since);
        (row.due_at, row.for_limit, row.command.not_before) = (None, false, None);
        row.refresh();
        save(tx, &row).await?;
        row.tell(tx, now);
        return Ok(());
    }
    row.refresh();
    if row.wake_at.is_some_and(|at| at <= now) {
        row.wake_at = None;
    }
    save(tx, &row).await
}
