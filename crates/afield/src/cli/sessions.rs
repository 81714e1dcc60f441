//! `afield sessions`: a conversation goes on in another project.

use afield_proto::SessionId;
use afield_proto::request::SessionMove;

use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{Outcome, out, project_ref};

/// What to do with sessions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Go on with a conversation in another project, if its repository is at the same commit
    Move {
        /// The project it is in: id, name or directory
        #[arg(value_name = "PROJECT")]
        from: String,
        /// The project it goes on in, on whatever runner
        #[arg(value_name = "TO")]
        to: String,
        /// Another session of the project than its present one
        #[arg(long, value_name = "ID")]
        session: Option<SessionId>,
    },
}

/// Does it.
pub(super) async fn run(global: &Global, command: Command) -> Outcome {
    let Command::Move { from, to, session } = command;
    let connection = connect(global).await?;
    let from = project_ref::find(&connection, Some(&from)).await?;
    let to = project_ref::find(&connection, Some(&to)).await?;
    let session_id = session.or(from.session_id).ok_or_else(|| {
        Failure::usage("this project has no conversation yet")
            .with_next("afield run \"what to do\"")
    })?;
    let moved = connection.ask(&SessionMove { session_id, to: to.id }).await?;
    if global.json {
        out::json(&moved);
    } else {
        out::line(format!(
            "the next prompt in {} continues it (both are at {})",
            to.path, moved.commit
        ));
    }
    Ok(Exit::Done)
}
