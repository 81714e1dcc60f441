//! Holds: what keeps a command, a project, a runner or everything from starting.

use afield_proto::command::Command;
use afield_proto::fact::{Fact, HoldState};
use afield_proto::queue::Hold;
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, Timestamp};

use super::{changed, waiting};
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Store};

statements! {
    HOLD = "INSERT INTO holds (org_id, target, kind, held_by, held_at) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (org_id, target) DO NOTHING";
    RELEASE = "DELETE FROM holds WHERE org_id = ?1 AND target = ?2";
    HOLDS = "SELECT target, kind, held_by, held_at FROM holds WHERE org_id = ?1 ORDER BY held_at";
}

impl Store {
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
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.write((org, project_id, runner_id, now), release).await
    }

    /// Holds of projects, runners and everything, oldest first.
    pub async fn holds(&self, org: OrgId) -> Result<Vec<Hold>, Error> {
        self.read(org, holds).await
    }
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
    let held = tx.execute(&HOLD, params![org, target, kind, hold.by, hold.at]).await? > 0;
    if held {
        let Hold { project_id, runner_id, at, .. } = *hold;
        let state = HoldState { project_id, runner_id, hold: Some(hold.clone()) };
        tx.tell_org_only(*org, &Fact::HoldState(state), at);
    }
    Ok(held)
}

async fn release(
    tx: &mut Tx,
    (org, project_id, runner_id, now): &(OrgId, Option<ProjectId>, Option<DeviceId>, Timestamp),
) -> Result<bool, Error> {
    let (project_id, runner_id) = (*project_id, *runner_id);
    let (target, _) = target(project_id, runner_id);
    let released = tx.execute(&RELEASE, params![org, target]).await? > 0;
    if released {
        let state = HoldState { project_id, runner_id, hold: None };
        tx.tell_org_only(*org, &Fact::HoldState(state), *now);
    }
    Ok(released)
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
