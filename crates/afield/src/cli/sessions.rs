//! `afield sessions`: the conversations that were had, and going on with one elsewhere.

mod shown;

use afield_client::Connection;
use afield_proto::SessionId;
use afield_proto::request::{ProjectList, SessionGet, SessionList, SessionMove};
use afield_proto::session::Session;

use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::short_id::fits_among_few;
use crate::words::visible;
use crate::{Outcome, out, project_ref};

/// What to do with sessions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List conversations, the last used first
    #[command(alias = "list")]
    Ls(LsArgs),
    /// Show one: what it used, what its agent can do
    Show(ShowArgs),
    /// Go on with a conversation in another project, if its repository is at the same commit
    Move(MoveArgs),
}

/// `afield sessions ls`
#[derive(Debug, clap::Args)]
pub(crate) struct LsArgs {
    /// Only those of this project: id, name or directory
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// At most so many
    #[arg(short = 'n', long, default_value_t = 30, value_name = "N")]
    limit: u32,
    /// Only those used before this one was
    #[arg(long, value_name = "ID")]
    before: Option<SessionId>,
}

/// `afield sessions show`
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Its id, or enough of its beginning or end
    #[arg(value_name = "ID")]
    session: String,
}

/// `afield sessions move`
#[derive(Debug, clap::Args)]
pub(crate) struct MoveArgs {
    /// The project it is in: id, name or directory
    #[arg(value_name = "PROJECT")]
    from: String,
    /// The project it goes on in, on whatever runner
    #[arg(value_name = "TO")]
    to: String,
    /// Another session of the project than its present one
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

/// Does it.
pub(super) async fn run(global: &Global, command: Command) -> Outcome {
    let connection = connect(global).await?;
    match command {
        Command::Ls(args) => list(global, &connection, &args).await,
        Command::Show(args) => show(global, &connection, &args).await,
        Command::Move(args) => move_session(global, &connection, &args).await,
    }
}

async fn list(global: &Global, connection: &Connection, args: &LsArgs) -> Outcome {
    let projects = connection.ask(&ProjectList {}).await?.projects;
    let project = args.project.as_deref();
    let project = project.map(|meant| project_ref::choose(&projects, Some(meant))).transpose()?;
    let page = connection
        .ask(&SessionList {
            project_id: project.map(|project| project.id),
            before_id: args.before,
            limit: Some(args.limit),
        })
        .await?;
    if global.json {
        out::json(&page);
        return Ok(Exit::Done);
    }
    match page.sessions.last() {
        None => out::line("There is no conversation yet: afield run \"what to do\""),
        Some(last) => {
            out::line(shown::table(&page.sessions, &projects));
            if page.more {
                out::error_line(format!("there are more: --before {}", last.id));
            }
        }
    }
    Ok(Exit::Done)
}

async fn show(global: &Global, connection: &Connection, args: &ShowArgs) -> Outcome {
    let session_id = find(connection, &args.session).await?;
    let session = connection.ask(&SessionGet { session_id }).await?;
    match global.json {
        true => out::json(&session),
        false => out::text(&shown::whole(&session)),
    }
    Ok(Exit::Done)
}

/// The session with this id, or the only one of the last used whose id begins or ends so.
async fn find(connection: &Connection, meant: &str) -> Result<SessionId, Failure> {
    if let Ok(id) = meant.parse() {
        return Ok(id);
    }
    let latest = SessionList { project_id: None, before_id: None, limit: Some(1000) };
    let sessions = connection.ask(&latest).await?.sessions;
    let fits = |session: &&Session| fits_among_few(session.id, meant);
    let found: Vec<_> = sessions.iter().filter(fits).collect();
    match found.as_slice() {
        [session] => Ok(session.id),
        [] => {
            Err(Failure::new(Exit::Refused, format!("no session's id begins or ends with {meant}"))
                .with_next("see which there are: afield sessions ls"))
        }
        _ => Err(Failure::new(
            Exit::Refused,
            format!("several sessions' ids begin or end with {meant}"),
        )
        .with_next("give more of its id")),
    }
}

async fn move_session(global: &Global, connection: &Connection, args: &MoveArgs) -> Outcome {
    let from = project_ref::find(connection, Some(&args.from)).await?;
    let to = project_ref::find(connection, Some(&args.to)).await?;
    let named = match &args.session {
        Some(meant) => Some(find(connection, meant).await?),
        None => None,
    };
    let session_id = named.or(from.session_id).ok_or_else(|| {
        Failure::usage("this project has no conversation yet")
            .with_next("afield run \"what to do\"")
    })?;
    let moved = connection.ask(&SessionMove { session_id, to: to.id }).await?;
    if global.json {
        out::json(&moved);
    } else {
        out::line(format!(
            "the next prompt in {} continues it (both are at {})",
            visible(&to.path),
            moved.commit
        ));
    }
    Ok(Exit::Done)
}
