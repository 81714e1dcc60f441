//! What is known of conversations: kept from what runners report, listed for people.

use afield_proto::command::{Command, CommandKind};
use afield_proto::session::{AgentSetup, Session, SessionFacts, SessionNews, SessionState};
use afield_proto::{OrgId, ProjectId, SessionId, Timestamp};

use crate::sql::{Row, params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

macro_rules! session_columns {
    () => {
        "SELECT s.id, s.project_id, s.title, s.agent, s.created_at, s.last_used_at, s.lost_at, \
         s.facts, p.session_id"
    };
}

macro_rules! live_sessions {
    () => {
        " FROM sessions s JOIN projects p ON p.id = s.project_id \
         WHERE s.org_id = ?1 AND p.deleted_at IS NULL"
    };
}

/// The page before a session, or the first one.
macro_rules! a_page {
    () => {
        " AND s.last_used_at IS NOT NULL AND (s.last_used_at, s.id) < \
         (SELECT COALESCE(MAX(b.last_used_at), 9223372036854775807), COALESCE(MAX(b.id), '') \
         FROM sessions b WHERE b.id = ?2 AND b.org_id = ?1) \
         ORDER BY s.last_used_at DESC, s.id DESC LIMIT ?3"
    };
}

statements! {
    OF_ORG = concat!(session_columns!(), live_sessions!(), a_page!());
    OF_PROJECT = concat!(session_columns!(), live_sessions!(), " AND s.project_id = ?4", a_page!());
    ONE = concat!(session_columns!(), ", s.setup", live_sessions!(), " AND s.id = ?2");
    USED = "UPDATE sessions SET title = COALESCE(title, ?2), agent = ?3, last_used_at = ?4 \
        WHERE id = ?1";
    FACTS = "SELECT facts FROM sessions WHERE id = ?1";
    SET_FACTS = "UPDATE sessions SET facts = ?2, setup = COALESCE(?3, setup) WHERE id = ?1";
}

/// Which sessions, the last used first.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Only those of this project.
    pub project_id: Option<ProjectId>,
    /// Only those used before this one was.
    pub before: Option<SessionId>,
    /// At most so many.
    pub limit: u64,
}

impl Store {
    /// The sessions of an org's live projects that a prompt was started in, and whether there are more.
    pub async fn sessions(
        &self,
        org: OrgId,
        filter: SessionFilter,
    ) -> Result<(Vec<Session>, bool), Error> {
        self.read((org, filter), sessions).await
    }

    /// One session, with what its agent announced.
    ///
    /// **Errors**: [`Refusal::SessionNotFound`]
    pub async fn session(&self, org: OrgId, id: SessionId) -> Result<Session, Error> {
        self.read((org, id), session).await
    }
}

async fn sessions(
    tx: &mut Tx,
    (org, filter): &(OrgId, SessionFilter),
) -> Result<(Vec<Session>, bool), Error> {
    // Without one, and with one that is not there, it is the first page.
    let before = filter.before.map(|id| id.to_string()).unwrap_or_default();
    let wanted = filter.limit.saturating_add(1);
    let found = match filter.project_id {
        Some(project) => tx.all(&OF_PROJECT, params![org, before, wanted, project], read).await?,
        None => tx.all(&OF_ORG, params![org, before, wanted], read).await?,
    };
    let more = found.len() as u64 > filter.limit;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    Ok((found.into_iter().take(limit).collect(), more))
}

async fn session(tx: &mut Tx, (org, id): &(OrgId, SessionId)) -> Result<Session, Error> {
    let whole = |row: &Row<'_>| Ok(Session { setup: row.opt_json(9)?, ..read(row)? });
    Ok(tx.opt(&ONE, params![org, id], whole).await?.ok_or(Refusal::SessionNotFound)?)
}

fn read(row: &Row<'_>) -> Result<Session, Error> {
    let id: SessionId = row.id(0)?;
    let state = match (row.opt_time(6)?, row.opt_id(8)?) {
        (Some(_), _) => SessionState::Lost,
        (None, Some(present)) if id == present => SessionState::Active,
        (None, _) => SessionState::Ended,
    };
    Ok(Session {
        id,
        project_id: row.id(1)?,
        state,
        title: row.opt_text(2)?.map(str::to_owned),
        agent: row.opt_text(3)?.map(crate::sql::word).transpose()?,
        created_at: row.time(4)?,
        last_used_at: row.opt_time(5)?,
        facts: row.opt_json(7)?.unwrap_or_default(),
        setup: None,
    })
}

/// A command was started in it.
pub(crate) async fn used(
    tx: &mut Tx,
    id: SessionId,
    command: &Command,
    at: Timestamp,
) -> Result<(), Error> {
    // A program is no part of the conversation.
    if command.kind != CommandKind::Prompt {
        return Ok(());
    }
    let agent = command.agent.name();
    tx.execute(&USED, params![id, command.summary, agent, at]).await.map(drop)
}

/// Its agent told something about it.
pub(crate) async fn learn(tx: &mut Tx, id: SessionId, news: &SessionNews) -> Result<(), Error> {
    let known = tx.opt(&FACTS, params![id], |row| row.opt_json::<SessionFacts>(0)).await?;
    let mut facts = known.flatten().unwrap_or_default();
    let setup = match news {
        SessionNews::Began(setup) => {
            // What a runner says is as long as it likes.
            let setup: AgentSetup = setup.clone().limited();
            facts.begin(&setup);
            Some(to_json(&setup))
        }
        SessionNews::Ended(turn) => {
            facts.end(turn);
            None
        }
    };
    tx.execute(&SET_FACTS, params![id, to_json(&facts), setup]).await.map(drop)
}
