//! Which session this process is: new, resumed, continued or forked. Looks at options and files, changes nothing but the
//! copy a fork begins with.

use uuid::Uuid;

use crate::mock_claude::{
    argv::Args,
    disk::{Disk, History},
};

/// The refusal of a resume without a usable id or title.
pub(in crate::mock_claude) const RESUME_NEEDS_A_SESSION: &str =
    "--resume requires a valid session ID or session title when used with --print.";

/// The answer.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) session: String,
    pub(super) history: History,
    pub(super) resumed: bool,
    /// The id a resume asked for, if there is no such session.
    pub(super) missing: Option<String>,
}

/// Finds out which session it is.
///
/// **Errors**: the refusal of the real program, without its `Error: `.
pub(super) fn find(args: &Args, disk: &Disk) -> Result<Identity, String> {
    let chosen = args.value("session-id").map(str::to_owned);
    if let Some(taken) = chosen.as_ref().filter(|id| disk.exists(id)) {
        return Err(format!("Session ID {taken} is already in use."));
    }
    let fresh = || chosen.clone().unwrap_or_else(|| disk.fresh_id("a0000000", ""));
    let Some(source) = source(args, disk)? else {
        let session = fresh();
        title(args, disk, &session)?;
        return Ok(Identity { session, ..Identity::default() });
    };
    if !disk.exists(&source) {
        return Ok(Identity { session: fresh(), missing: Some(source), ..Identity::default() });
    }
    let history = disk.history(&source);
    let session = if args.has("fork-session") { fresh() } else { source.clone() };
    if session != source {
        disk.copy(&source, &session).map_err(|error| format!("mock: {error}"))?;
    }
    Ok(Identity { session, history, resumed: true, missing: None })
}

/// The session to go on with, by id.
fn source(args: &Args, disk: &Disk) -> Result<Option<String>, String> {
    match args.value("resume") {
        Some(id) if Uuid::try_parse(id).is_ok() => Ok(Some(id.to_owned())),
        Some(title) => {
            disk.titled(title).map(Some).ok_or_else(|| RESUME_NEEDS_A_SESSION.to_owned())
        }
        None if args.has("continue") => {
            disk.latest().map(Some).ok_or_else(|| "No conversation found to continue".to_owned())
        }
        None => Ok(None),
    }
}

fn title(args: &Args, disk: &Disk, session: &str) -> Result<(), String> {
    let Some(title) = args.value("name") else { return Ok(()) };
    disk.append_title(session, title).map_err(|error| format!("mock: {error}"))
}
