//! The waiting room of an org: where commands wait that no runner fits. To everything else it is a
//! project on a runner; nothing is leased from it, and no list of projects or devices has it.

use afield_proto::{DeviceId, OrgId, ProjectId, Timestamp, UserId};

use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Store};

statements! {
    ROOM = "SELECT id FROM projects WHERE org_id = ?1 AND path = ''";
    LOCK_ORG = "SELECT id FROM orgs WHERE id = ?1 FOR UPDATE";
    /// Revoked and forgotten from the beginning; the hash is of no credential.
    INSERT_NOBODY = "INSERT INTO devices (id, org_id, user_id, name, kind, scopes, token_hash, \
        created_at, revoked_at, forgotten_at) \
        VALUES (?2, ?1, ?3, 'no runner yet', 'runner', 0, ?4, ?5, ?5, ?5)";
    SOMEBODY = "SELECT id FROM users WHERE org_id = ?1 ORDER BY id LIMIT 1";
    INSERT_ROOM = "INSERT INTO projects (id, org_id, runner_id, path, path_key, state, settings, \
        created_at, last_active, deleted_at) VALUES (?2, ?1, ?3, '', '', 'IDLE', '{}', ?4, ?4, ?4)";
}

impl Store {
    /// The waiting room of an org, made when it is needed first.
    pub async fn waiting_room(&self, org: OrgId, now: Timestamp) -> Result<ProjectId, Error> {
        match self.read(org, room).await? {
            Some(room) => Ok(room),
            None => self.write((org, now), make_room).await,
        }
    }
}

/// The waiting room of an org, if it was ever needed.
pub(crate) async fn room(tx: &mut Tx, org: &OrgId) -> Result<Option<ProjectId>, Error> {
    tx.opt(&ROOM, params![org], |row| row.id(0)).await
}

async fn make_room(tx: &mut Tx, (org, now): &(OrgId, Timestamp)) -> Result<ProjectId, Error> {
    tx.lock(&LOCK_ORG, params![org]).await?;
    if let Some(room) = room(tx, org).await? {
        return Ok(room);
    }
    let (id, nobody) = (ProjectId::generate(), DeviceId::generate());
    let hash = [*id.uuid().as_bytes(), *nobody.uuid().as_bytes()].concat();
    let user: UserId = tx.one(&SOMEBODY, params![org], |row| row.id(0)).await?;
    tx.execute(&INSERT_NOBODY, params![org, nobody, user, hash, now]).await?;
    tx.execute(&INSERT_ROOM, params![org, id, nobody, now]).await?;
    Ok(id)
}
