//! Projects: directories on a runner, no two of them inside one another.

use std::sync::Arc;

use afield_flow::path::{Relation, relation};
use afield_proto::fact::Fact;
use afield_proto::project::{Project, ProjectSettings, ProjectState};
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, Timestamp};

use crate::sql::{Row, params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, PlaceRow, Refusal, Store};

macro_rules! live_projects {
    () => {
        " FROM projects p WHERE p.org_id = ?1 AND p.deleted_at IS NULL"
    };
}

/// The command that is worked on, or else the first that waits; and when the last of those that
/// could be next was accepted.
macro_rules! project_columns {
    () => {
        "p.id, p.path, p.runner_id, p.state, p.reason, p.session_id, \
         (SELECT c.id FROM commands c WHERE c.project = p.number AND c.head = 1 \
            AND c.kind <> 'kill' \
            ORDER BY CASE c.state WHEN 'queued' THEN 1 ELSE 0 END, c.id LIMIT 1), \
         p.settings, p.created_at, p.last_active, \
         (SELECT MAX(c.created_at) FROM commands c WHERE c.project = p.number AND c.head = 1), \
         p.path_key"
    };
}

statements! {
    PROJECT = concat!("SELECT ", project_columns!(), live_projects!(), " AND p.id = ?2");
    PROJECTS = concat!("SELECT ", project_columns!(), live_projects!(), " ORDER BY p.id");
    /// What follows in the same operation sees everything that was done before to this project.
    LOCK_PROJECT = "SELECT number FROM projects WHERE id = ?1 FOR UPDATE";
    /// Two projects are never made at the same time: each sees the other.
    LOCK_ORG = "SELECT id FROM orgs WHERE id = ?1 FOR UPDATE";
    COUNT_PROJECTS = "SELECT COUNT(*) FROM projects WHERE org_id = ?1 AND deleted_at IS NULL";
    PLACES = "SELECT id, path, path_key FROM projects WHERE runner_id = ?1 AND deleted_at IS NULL";
    IS_RUNNER = "SELECT id FROM devices WHERE org_id = ?1 AND id = ?2 AND kind = 'runner'";
    INSERT_PROJECT = "INSERT INTO projects (id, org_id, runner_id, path, path_key, state, settings, \
        created_at, last_active) VALUES (?1, ?2, ?3, ?4, ?5, 'IDLE', ?6, ?7, ?7)";
    SAVE_PROJECT = "UPDATE projects SET state = ?2, reason = ?3, session_id = ?4, settings = ?5, \
        last_active = ?6 WHERE id = ?1";
    TOUCH = "UPDATE projects SET last_active = ?2 WHERE number = ?1";
    SETTINGS = "SELECT settings FROM projects WHERE org_id = ?1 AND id = ?2 \
        AND (deleted_at IS NULL OR path = '')";
    DELETE_PROJECT = "UPDATE projects SET deleted_at = ?2 WHERE id = ?1";
}

/// A project to be made, its path as the runner resolved it.
#[derive(Debug, Clone)]
pub struct NewProject {
    /// Its org.
    pub org: OrgId,
    /// The runner that hosts it.
    pub runner_id: DeviceId,
    /// The canonical path.
    pub path: String,
    /// Equal for two spellings of one directory.
    pub path_key: String,
    /// What the owner chose.
    pub settings: ProjectSettings,
}

impl Store {
    /// Makes a project.
    ///
    /// **Errors**: [`Refusal::ProjectExists`] and [`Refusal::ProjectNested`] among the live projects
    /// of the same runner, [`Refusal::ProjectLimit`], [`Refusal::DeviceNotFound`] for a runner the
    /// org does not have.
    pub async fn create_project(
        &self,
        new: NewProject,
        limit: u64,
        now: Timestamp,
    ) -> Result<Project, Error> {
        self.write((new, limit, now), create_project).await
    }

    /// The live projects of an org, oldest first.
    pub async fn projects(&self, org: OrgId) -> Result<Vec<Project>, Error> {
        self.read(org, projects).await
    }

    /// A live project.
    pub async fn project(&self, org: OrgId, id: ProjectId) -> Result<Project, Error> {
        Ok(self.project_place(org, id).await?.0)
    }

    /// Where a project is and what its owner chose. Read once where this process is the only one that changes
    /// projects, until it changes one.
    ///
    /// **Errors**: [`Refusal::ProjectNotFound`].
    pub async fn place(&self, org: OrgId, id: ProjectId) -> Result<Arc<PlaceRow>, Error> {
        // Before it is read: what changes meanwhile counts as not seen.
        let version = self.fleet_version();
        if let Some(place) = self.known_place(org, id, version) {
            return Ok(place);
        }
        let Project { runner_id, path, settings, .. } = self.project(org, id).await?;
        let place = Arc::new(PlaceRow { id, runner_id, path, settings });
        self.remember_place(org, version, &place);
        Ok(place)
    }

    /// What the owner of a project chose; nothing for the waiting room.
    pub async fn settings(&self, org: OrgId, id: ProjectId) -> Result<ProjectSettings, Error> {
        self.look((org, id), settings).await
    }

    /// A live project and the key of its path.
    pub async fn project_place(
        &self,
        org: OrgId,
        id: ProjectId,
    ) -> Result<(Project, String), Error> {
        self.look((org, id), project_place).await
    }

    /// Replaces a project's settings.
    pub async fn update_project(
        &self,
        org: OrgId,
        id: ProjectId,
        settings: ProjectSettings,
        now: Timestamp,
    ) -> Result<Project, Error> {
        self.write((org, id, settings, now), update_project).await
    }

    /// Forgets a project; its history stays.
    ///
    /// **Errors**: [`Refusal::ProcessActive`] while a command of it is not final.
    pub async fn delete_project(
        &self,
        org: OrgId,
        id: ProjectId,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write((org, id, now), delete_project).await
    }
}

async fn create_project(
    tx: &mut Tx,
    (new, limit, now): &(NewProject, u64, Timestamp),
) -> Result<Project, Error> {
    tx.lock(&LOCK_ORG, params![new.org]).await?;
    tx.opt(&IS_RUNNER, params![new.org, new.runner_id], |_| Ok(()))
        .await?
        .ok_or(Refusal::DeviceNotFound)?;
    check_place(tx, new).await?;
    let count = tx.one(&COUNT_PROJECTS, params![new.org], |row| row.count(0)).await?;
    if count >= *limit {
        return Err(Refusal::ProjectLimit { limit: *limit }.into());
    }
    let project = fresh(new, *now);
    let settings = to_json(&new.settings);
    let values = params![project.id, new.org, new.runner_id, new.path, new.path_key, settings, now];
    tx.fleet_changed = true;
    tx.execute(&INSERT_PROJECT, values).await?;
    tx.tell_org(new.org, project.id, &Fact::ProjectState(project.clone()), *now);
    Ok(project)
}

fn fresh(new: &NewProject, now: Timestamp) -> Project {
    Project {
        id: ProjectId::generate(),
        path: new.path.clone(),
        runner_id: new.runner_id,
        state: ProjectState::Idle,
        reason: None,
        session_id: None,
        command_id: None,
        settings: new.settings.clone(),
        created_at: now,
        last_active: now,
    }
}

/// Refuses a directory that is a project already, or lies inside or around one.
async fn check_place(tx: &mut Tx, new: &NewProject) -> Result<(), Error> {
    let places = tx
        .all(&PLACES, params![new.runner_id], |row| {
            Ok((row.id(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned()))
        })
        .await?;
    for (project_id, path, key) in places {
        match relation(&new.path_key, &key) {
            Relation::Same => return Err(Refusal::ProjectExists { project_id, path }.into()),
            Relation::Inside | Relation::Around => {
                return Err(Refusal::ProjectNested { project_id, path }.into());
            }
            Relation::Apart => {}
        }
    }
    Ok(())
}

async fn projects(tx: &mut Tx, org: &OrgId) -> Result<Vec<Project>, Error> {
    tx.all(&PROJECTS, params![org], project).await
}

async fn project_place(
    tx: &mut Tx,
    (org, id): &(OrgId, ProjectId),
) -> Result<(Project, String), Error> {
    let place = |row: &Row<'_>| Ok((project(row)?, row.text(11)?.to_owned()));
    Ok(tx.opt(&PROJECT, params![org, id], place).await?.ok_or(Refusal::ProjectNotFound)?)
}

async fn settings(tx: &mut Tx, (org, id): &(OrgId, ProjectId)) -> Result<ProjectSettings, Error> {
    let found = tx.opt(&SETTINGS, params![org, id], |row| row.json(0)).await?;
    Ok(found.ok_or(Refusal::ProjectNotFound)?)
}

async fn update_project(
    tx: &mut Tx,
    (org, id, settings, now): &(OrgId, ProjectId, ProjectSettings, Timestamp),
) -> Result<Project, Error> {
    let mut project = locked(tx, *org, *id).await?;
    tx.fleet_changed = true;
    project.settings = settings.clone();
    project.last_active = *now;
    save(tx, &project).await?;
    tx.tell_org(*org, *id, &Fact::ProjectUpdate(project.clone()), *now);
    Ok(project)
}

async fn delete_project(
    tx: &mut Tx,
    (org, id, now): &(OrgId, ProjectId, Timestamp),
) -> Result<(), Error> {
    let project = locked(tx, *org, *id).await?;
    refuse_active(project.command_id)?;
    tx.fleet_changed = true;
    tx.execute(&DELETE_PROJECT, params![id, now]).await?;
    tx.tell_org(*org, *id, &Fact::ProjectDeleted { project_id: *id }, *now);
    Ok(())
}

/// Refuses while a command is not final.
pub(crate) fn refuse_active(command_id: Option<CommandId>) -> Result<(), Refusal> {
    match command_id {
        Some(command_id) => Err(Refusal::ProcessActive { command_id }),
        None => Ok(()),
    }
}

/// A live project, to be changed by this operation.
pub(crate) async fn locked(tx: &mut Tx, org: OrgId, id: ProjectId) -> Result<Project, Error> {
    tx.lock(&LOCK_PROJECT, params![id]).await?;
    let project = tx.opt(&PROJECT, params![org, id], project).await?;
    Ok(project.ok_or(Refusal::ProjectNotFound)?)
}

/// Something happened in a project, or in the waiting room.
pub(crate) async fn touch(tx: &mut Tx, number: i64, now: Timestamp) -> Result<(), Error> {
    tx.execute(&TOUCH, params![number, now]).await.map(drop)
}

/// Writes what can change of a project.
pub(crate) async fn save(tx: &mut Tx, project: &Project) -> Result<(), Error> {
    let (state, settings) = (state_word(project.state), to_json(&project.settings));
    let values = params![
        project.id,
        state,
        project.reason,
        project.session_id,
        settings,
        project.last_active,
    ];
    tx.execute(&SAVE_PROJECT, values).await.map(drop)
}

fn state_word(state: ProjectState) -> &'static str {
    match state {
        ProjectState::Idle => "IDLE",
        ProjectState::Executing => "EXECUTING",
        ProjectState::Error => "ERROR",
    }
}

/// A project of a row that begins with the project's columns.
fn project(row: &Row<'_>) -> Result<Project, Error> {
    Ok(Project {
        id: row.id(0)?,
        path: row.text(1)?.to_owned(),
        runner_id: row.id(2)?,
        state: row.word(3)?,
        reason: row.opt_text(4)?.map(str::to_owned),
        session_id: row.opt_id(5)?,
        command_id: row.opt_id(6)?,
        settings: row.json(7)?,
        created_at: row.time(8)?,
        last_active: row.time(9)?.max(row.opt_time(10)?.unwrap_or(row.time(9)?)),
    })
}
