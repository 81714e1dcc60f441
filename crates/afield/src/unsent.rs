//! This machine's outbox, and what is remembered of the projects: what a command line needs while
//! its server can't be reached.

use afield_client::{Connection, Flushed, Outbox, OutboxError, Unsent};
use afield_proto::project::{Project, ProjectState};
use serde::{Deserialize, Serialize};

use crate::connect::Global;
use crate::data_dir::write_private;
use crate::failure::Failure;
use crate::out;
use crate::words::count;

/// What is remembered of the projects of one server.
///
/// **Shape**: `projects.json` in the data directory.
#[derive(Serialize, Deserialize)]
struct Known {
    server: Option<String>,
    projects: Vec<Project>,
}

/// The outbox of this machine.
pub(crate) fn outbox(global: &Global) -> Result<Outbox, Failure> {
    Ok(Outbox::new(global.data_dir()?.file("outbox")))
}

/// The server something is kept for: the address that was named, or this machine's own.
pub(crate) fn destination(global: &Global) -> Result<Option<String>, Failure> {
    match &global.server {
        Some(url) => Ok(Some(afield_client::Endpoint::new(url, "")?.url())),
        None => Ok(None),
    }
}

/// Sends what is meant for this server.
pub(crate) async fn flush(global: &Global, connection: &Connection) -> Result<Flushed, Failure> {
    let url = global.endpoint()?.url();
    let local = global.data_dir()?.server_file().and_then(|file| {
        afield_client::Endpoint::new(&file.url, "").ok().map(|endpoint| endpoint.url())
    });
    let is_local = global.server.is_none() || local.as_ref() == Some(&url);
    let is_meant = |unsent: &Unsent| unsent.server.as_ref().map_or(is_local, |meant| *meant == url);
    Ok(outbox(global)?.flush((connection, &global.endpoint()?), is_meant).await?)
}

/// Sends what waits here, on the way to something else: a line says so, and no failure of it is one
/// of what was asked.
pub(crate) async fn deliver(global: &Global, connection: &Connection) {
    match flush(global, connection).await {
        Ok(flushed) => {
            if let Some(line) = told(&flushed) {
                out::error_line(line);
            }
        }
        Err(failure) => tracing::warn!("the outbox was not sent: {failure}"),
    }
}

/// What became of the outbox, in a line; nothing when there was nothing in it.
pub(crate) fn told(flushed: &Flushed) -> Option<String> {
    let mut parts = Vec::new();
    if !flushed.sent.is_empty() {
        parts.push(format!("{} sent", count(flushed.sent.len(), "command", "commands")));
    }
    if !flushed.refused.is_empty() {
        parts.push(format!("{} refused (see afield queue ls)", flushed.refused.len()));
    }
    if flushed.kept > 0 {
        let reason = flushed.reason.as_ref().map(|reason| format!(": {reason}"));
        parts.push(format!("{} kept{}", flushed.kept, reason.unwrap_or_default()));
    }
    (!parts.is_empty()).then(|| format!("outbox: {}", parts.join(", ")))
}

/// Remembers which projects there are, for when the server can't be asked.
pub(crate) fn remember(global: &Global, projects: &[Project]) {
    if let Err(failure) = try_remember(global, projects) {
        tracing::debug!("the projects are not remembered: {failure}");
    }
}

fn try_remember(global: &Global, projects: &[Project]) -> Result<(), Failure> {
    let projects = projects.iter().map(lasting).collect();
    let known = Known { server: destination(global)?, projects };
    let json = serde_json::to_vec(&known).map_err(anyhow::Error::new)?;
    let data_dir = global.data_dir()?;
    let path = data_dir.file("projects.json");
    if std::fs::read(&path).ok().as_ref() != Some(&json) {
        data_dir.ensure()?;
        write_private(&path, &json)?;
    }
    Ok(())
}

/// What of a project does not change from minute to minute.
fn lasting(project: &Project) -> Project {
    Project {
        state: ProjectState::Idle,
        reason: None,
        session_id: None,
        command_id: None,
        last_active: project.created_at,
        ..project.clone()
    }
}

/// The projects of this server, as they were when it was last asked.
pub(crate) fn remembered(global: &Global) -> Vec<Project> {
    let read = || {
        let text = std::fs::read(global.data_dir().ok()?.file("projects.json")).ok()?;
        let known: Known = serde_json::from_slice(&text).ok()?;
        (known.server == destination(global).ok()?).then_some(known.projects)
    };
    read().unwrap_or_default()
}

impl From<OutboxError> for Failure {
    fn from(error: OutboxError) -> Self {
        let is_full = matches!(error, OutboxError::Full { .. });
        let failure = Self::new(crate::exit::Exit::Failed, error.to_string());
        match is_full {
            true => failure.with_next(
                "send them: afield queue flush; or remove some: afield queue ls, afield queue cancel ID",
            ),
            false => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_are_remembered_for_their_server_alone() {
        let dir = tempfile::tempdir().unwrap();
        let here = Global { data_dir: Some(dir.path().to_owned()), ..Global::default() };
        assert!(remembered(&here).is_empty());
        let now = afield_proto::Timestamp::now();
        let project = Project {
            id: afield_proto::ProjectId::generate(),
            path: "/a".into(),
            runner_id: afield_proto::DeviceId::generate(),
            state: ProjectState::Executing,
            reason: None,
            session_id: None,
            command_id: None,
            settings: Default::default(),
            created_at: now,
            last_active: now,
        };
        remember(&here, std::slice::from_ref(&project));
        assert_eq!(remembered(&here)[0].id, project.id);
        let elsewhere = Global { server: Some("http://elsewhere:1".into()), ..here };
        assert!(remembered(&elsewhere).is_empty());
    }

    #[test]
    fn an_empty_outbox_says_nothing() {
        assert_eq!(told(&Flushed::default()), None);
        let kept = Flushed { kept: 2, ..Flushed::default() };
        assert_eq!(told(&kept).unwrap(), "outbox: 2 kept");
    }
}
