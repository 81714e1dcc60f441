//! One transaction, on either database: what every operation is written over.
//!
//! An operation is a plain `async fn(&mut Tx, &Input)`. On SQLite its futures never wait, so the
//! writer thread runs it to the end in one poll; on PostgreSQL it is awaited. It may be run again
//! from the start, so it must change nothing but the database and the [`Tx`].

use std::sync::Arc;

use afield_proto::fact::Fact;
use afield_proto::{OrgId, ProjectId, Timestamp, Topic, UserId, wire};

use crate::log::append::{Pending, one_line};
use crate::sql::{Row, Sql, Value};
use crate::{CommittedEvents, Error, audit, postgres, sqlite};

/// An `async fn(&mut Tx, &I) -> Result<T, Error>`.
pub(crate) trait Operation<'a, I: 'a, T>:
    Fn(&'a mut Tx, &'a I) -> Self::Future + Copy + Send + Sync + 'static
{
    /// What it returns.
    type Future: Future<Output = Result<T, Error>> + Send + 'a;
}

impl<'a, I: 'a, T, F, O> Operation<'a, I, T> for F
where
    F: Fn(&'a mut Tx, &'a I) -> O + Copy + Send + Sync + 'static,
    O: Future<Output = Result<T, Error>> + Send + 'a,
{
    type Future = O;
}

/// The database's side of a transaction.
pub(crate) enum Session {
    /// On the writer thread, or on a reader.
    Sqlite(sqlite::Session),
    /// On a connection of the pool.
    Postgres(postgres::Session),
}

/// One transaction.
pub(crate) struct Tx {
    pub(crate) session: Session,
    /// Audit entries told by the running operation, not yet numbered.
    pub(crate) audited: Vec<audit::Told>,
    /// Facts told by the running operation, not yet numbered.
    pub(crate) pending: Vec<Pending>,
    /// Events written and not yet committed.
    pub(crate) written: Vec<CommittedEvents>,
    /// What placing knows of runners and projects is no longer so.
    pub(crate) fleet_changed: bool,
}

impl Tx {
    /// A transaction on this session.
    pub(crate) fn new(session: Session) -> Self {
        let (audited, pending, written) = (Vec::new(), Vec::new(), Vec::new());
        Self { session, audited, pending, written, fleet_changed: false }
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: &Sql, params: &[Value<'_>]) -> Result<u64, Error> {
        match &mut self.session {
            Session::Sqlite(session) => session.execute(sql, params),
            Session::Postgres(session) => session.execute(sql, params).await,
        }
    }

    /// Every row of the answer, decoded.
    pub(crate) async fn all<T>(
        &mut self,
        sql: &Sql,
        params: &[Value<'_>],
        decode: impl Fn(&Row<'_>) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        match &mut self.session {
            Session::Sqlite(session) => session.all(sql, params, decode),
            Session::Postgres(session) => {
                let rows = session.query(sql, params).await?;
                rows.iter().map(|row| decode(&Row::Postgres(row))).collect()
            }
        }
    }

    /// The first row of the answer, if there is one.
    pub(crate) async fn opt<T>(
        &mut self,
        sql: &Sql,
        params: &[Value<'_>],
        decode: impl Fn(&Row<'_>) -> Result<T, Error> + Send,
    ) -> Result<Option<T>, Error> {
        match &mut self.session {
            Session::Sqlite(session) => session.opt(sql, params, decode),
            Session::Postgres(session) => {
                let rows = session.query(sql, params).await?;
                rows.first().map(|row| decode(&Row::Postgres(row))).transpose()
            }
        }
    }

    /// The one row of the answer.
    pub(crate) async fn one<T>(
        &mut self,
        sql: &Sql,
        params: &[Value<'_>],
        decode: impl Fn(&Row<'_>) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        let row = self.opt(sql, params, decode).await?;
        row.ok_or_else(|| Error::corrupt("an answer has no row"))
    }

    /// Locks rows until the operation is over: the statements that follow see everything that was
    /// done under the same lock before. (One statement that locks and reads does not: on PostgreSQL
    /// it reads other tables as they were before it waited.) SQLite has one writer and needs none.
    pub(crate) async fn lock(&mut self, sql: &Sql, params: &[Value<'_>]) -> Result<(), Error> {
        match &mut self.session {
            Session::Sqlite(_) => Ok(()),
            Session::Postgres(session) => session.query(sql, params).await.map(drop),
        }
    }

    /// Runs statements behind the operations' back.
    #[cfg(feature = "conformance")]
    pub(crate) async fn batch(&mut self, text: &str) -> Result<(), Error> {
        match &mut self.session {
            Session::Sqlite(session) => {
                session.changes.iter_mut().for_each(sqlite::redo::Recorder::miss);
                Ok(session.connection.execute_batch(text)?)
            }
            Session::Postgres(session) => session.batch(text).await,
        }
    }

    /// Only has a statement understood.
    #[cfg(feature = "conformance")]
    pub(crate) async fn prepare(&mut self, sql: &Sql) -> Result<(), Error> {
        match &mut self.session {
            Session::Sqlite(session) => Ok(session.connection.prepare(sql.sqlite()).map(drop)?),
            Session::Postgres(session) => session.prepare(sql.postgres()).await,
        }
    }

    /// Tells a fact in a topic: it is numbered and written when the operation has succeeded.
    pub(crate) fn tell(
        &mut self,
        org: OrgId,
        topic: Topic,
        project_id: Option<ProjectId>,
        fact: &Fact,
        at: Timestamp,
    ) {
        let body = encoded(project_id, fact);
        self.pending.push(Pending { org, topic, at, body, events: 1 });
    }

    /// Tells facts about a project that were encoded before, one per line; at most as many as a
    /// row takes.
    pub(crate) fn tell_lines(
        &mut self,
        org: OrgId,
        id: ProjectId,
        (body, events): (Arc<str>, usize),
        at: Timestamp,
    ) {
        self.pending.push(Pending { org, topic: Topic::Project(id), at, body, events });
    }

    /// Tells a fact about a project that was encoded before, outside of the transaction.
    pub(crate) fn tell_encoded(
        &mut self,
        org: OrgId,
        id: ProjectId,
        body: &Arc<str>,
        at: Timestamp,
    ) {
        let (topic, body) = (Topic::Project(id), Arc::clone(body));
        self.pending.push(Pending { org, topic, at, body, events: 1 });
    }

    /// Tells a fact to one person, on every device.
    pub(crate) fn tell_user(&mut self, org: OrgId, id: UserId, fact: &Fact, at: Timestamp) {
        self.tell(org, Topic::User(id), None, fact, at);
    }

    /// Tells a fact about a project to those who follow it.
    pub(crate) fn tell_project(&mut self, org: OrgId, id: ProjectId, fact: &Fact, at: Timestamp) {
        self.tell(org, Topic::Project(id), Some(id), fact, at);
    }

    /// Tells a fact about a project to those who follow it and to its org.
    pub(crate) fn tell_org(&mut self, org: OrgId, id: ProjectId, fact: &Fact, at: Timestamp) {
        self.tell_project(org, id, fact, at);
        let body = self.pending.last().expect("it was just told").body.clone();
        self.pending.push(Pending { org, topic: Topic::Org(org), at, body, events: 1 });
    }

    /// Tells a fact to an org alone: it is about no project, or about more than those who follow one.
    pub(crate) fn tell_org_only(&mut self, org: OrgId, fact: &Fact, at: Timestamp) {
        self.tell(org, Topic::Org(org), None, fact, at);
    }
}

/// The stored form of a fact.
pub(crate) fn encoded(project_id: Option<ProjectId>, fact: &Fact) -> Arc<str> {
    one_line(wire::fact_body(project_id, fact)).into()
}
