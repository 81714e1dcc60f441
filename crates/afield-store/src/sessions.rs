//! Sessions: conversations of a project, and how a project comes to a new one.

pub(crate) mod known;

use afield_proto::fact::{Fact, SessionResetReason};
use afield_proto::project::Project;
use afield_proto::{OrgId, ProjectId, SessionId, Timestamp};

use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Refusal, Store, projects};

statements! {
    INSERT_SESSION = "INSERT INTO sessions (id, org_id, project_id, created_at) \
        VALUES (?1, ?2, ?3, ?4)";
    OF_PROJECT = "SELECT created_at FROM sessions WHERE id = ?1 AND org_id = ?2 AND project_id = ?3";
    SET_NATIVE = "UPDATE sessions SET native_id = ?2 WHERE id = ?1";
    SET_SESSION = "UPDATE projects SET session_id = ?2 WHERE number = ?1";
    MOVE = "UPDATE sessions SET project_id = ?2, native_id = NULL WHERE id = ?1";
    /// What runs, is tried again, or waits for nothing but its turn. What is held or for later, and was never
    /// begun, takes the conversation that its project has by then.
    NEXT = "SELECT c.id FROM projects p JOIN commands c ON c.project = p.number AND c.head = 1 \
        AND c.kind <> 'kill' WHERE p.id = ?1 AND (c.state <> 'queued' OR c.attempt > 0 \
        OR (c.held_by IS NULL AND (c.due_at IS NULL OR c.due_at <= ?2))) \
        ORDER BY CASE c.state WHEN 'queued' THEN 1 ELSE 0 END, c.id LIMIT 1";
    MARK_LOST = "UPDATE sessions SET lost_at = ?2 WHERE id = ?1";
}

impl Store {
    /// Makes the next prompt start a new conversation.
    ///
    /// **Errors**: [`Refusal::ProcessActive`] while a command of the project runs, is tried again or
    /// would start now. What is held or for later is no obstacle.
    pub async fn new_session(
        &self,
        org: OrgId,
        project_id: ProjectId,
        now: Timestamp,
    ) -> Result<SessionId, Error> {
        self.write((org, project_id, now), new_session).await
    }

    /// Goes on with a conversation in another project. What the agent itself remembers of it lies on
    /// the first machine: it begins anew there, under the same session.
    ///
    /// **Errors**: [`Refusal::SessionNotFound`] when it is not in `from`,
    /// [`Refusal::ProcessActive`] while a command of one of the projects is not final.
    pub async fn move_session(
        &self,
        org: OrgId,
        id: SessionId,
        from: ProjectId,
        to: ProjectId,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write((org, id, from, to, now), move_session).await
    }
}

async fn move_session(
    tx: &mut Tx,
    (org, id, from, to, now): &(OrgId, SessionId, ProjectId, ProjectId, Timestamp),
) -> Result<(), Error> {
    if from == to {
        let reason = "it is in this project already".to_owned();
        return Err(Refusal::NotPossible { reason }.into());
    }
    // In one order for everybody.
    let first = projects::locked(tx, *org, *from.min(to)).await?;
    let second = projects::locked(tx, *org, *from.max(to)).await?;
    let (mut here, mut there) = if first.id == *from { (first, second) } else { (second, first) };
    check(tx, *org, *from, *id).await?;
    projects::refuse_active(here.command_id.or(there.command_id))?;
    tx.execute(&MOVE, params![id, to]).await?;
    here.session_id = here.session_id.filter(|session| session != id);
    there.session_id = Some(*id);
    for project in [&mut here, &mut there] {
        project.last_active = *now;
        projects::save(tx, project).await?;
        tx.tell_org(*org, project.id, &Fact::ProjectState(project.clone()), *now);
    }
    Ok(())
}

async fn new_session(
    tx: &mut Tx,
    (org, project_id, now): &(OrgId, ProjectId, Timestamp),
) -> Result<SessionId, Error> {
    let mut project = projects::locked(tx, *org, *project_id).await?;
    let next = tx.opt(&NEXT, params![project_id, now], |row| row.id(0)).await?;
    projects::refuse_active(next)?;
    project.last_active = *now;
    let id = reset(tx, *org, &mut project, SessionResetReason::Requested, *now).await?;
    projects::save(tx, &project).await?;
    Ok(id)
}

/// **Errors**: [`Refusal::SessionNotFound`] for a session of another project, or none.
pub(crate) async fn check(
    tx: &mut Tx,
    org: OrgId,
    project_id: ProjectId,
    id: SessionId,
) -> Result<(), Error> {
    let found = tx.opt(&OF_PROJECT, params![id, org, project_id], |row| row.int(0)).await?;
    Ok(found.map(drop).ok_or(Refusal::SessionNotFound)?)
}

/// A new conversation, because somebody asked for it; saving the project is the caller's.
pub(crate) async fn renew(
    tx: &mut Tx,
    org: OrgId,
    project: &mut Project,
    now: Timestamp,
) -> Result<SessionId, Error> {
    reset(tx, org, project, SessionResetReason::Requested, now).await
}

/// The first conversation of a project.
pub(crate) async fn first(
    tx: &mut Tx,
    org: OrgId,
    project: i64,
    project_id: ProjectId,
    now: Timestamp,
) -> Result<SessionId, Error> {
    let id = start(tx, org, project_id, now).await?;
    tx.execute(&SET_SESSION, params![project, id]).await?;
    Ok(id)
}

/// Gives the project a new session and tells so; saving the project is the caller's.
async fn reset(
    tx: &mut Tx,
    org: OrgId,
    project: &mut Project,
    reason: SessionResetReason,
    now: Timestamp,
) -> Result<SessionId, Error> {
    let session_id = start(tx, org, project.id, now).await?;
    project.session_id = Some(session_id);
    tx.tell_project(org, project.id, &Fact::SessionReset { session_id, reason }, now);
    Ok(session_id)
}

/// A new session of a project.
pub(crate) async fn start(
    tx: &mut Tx,
    org: OrgId,
    project_id: ProjectId,
    now: Timestamp,
) -> Result<SessionId, Error> {
    let id = SessionId::generate();
    tx.execute(&INSERT_SESSION, params![id, org, project_id, now]).await?;
    Ok(id)
}

/// Keeps the agent's own id of a conversation.
pub(crate) async fn set_native(tx: &mut Tx, id: SessionId, native_id: &str) -> Result<(), Error> {
    tx.execute(&SET_NATIVE, params![id, native_id]).await.map(drop)
}

/// The agent no longer knows a conversation: the project goes on with a new one, unless it
/// already has.
pub(crate) async fn lose(
    tx: &mut Tx,
    org: OrgId,
    project: &mut Project,
    lost: SessionId,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(&MARK_LOST, params![lost, now]).await?;
    if project.session_id == Some(lost) {
        reset(tx, org, project, SessionResetReason::Lost, now).await?;
    }
    Ok(())
}
