//! `afield kill`, `interrupt`, `new-session`: one request about one project.

use afield_proto::request::{AgentInterrupt, AgentKill, AgentNewSession};

use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::words::{count, visible};
use crate::{Outcome, out, project_ref};

/// Which project.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Project: id, name or directory [default: the one of the current directory]
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
}

/// `afield kill`
pub(super) async fn kill(global: &Global, args: &Args) -> Outcome {
    let connection = connect(global).await?;
    let project = project_ref::find(&connection, args.project.as_deref()).await?;
    let reply = connection.ask(&AgentKill { project_id: Some(project.id) }).await?;
    if global.json {
        out::json(&reply);
        return Ok(Exit::Done);
    }
    out::line(match reply.killed.len() {
        0 => format!("stopped in {}; nothing had to be killed", visible(&project.path)),
        some => {
            format!(
                "stopped in {}; {} killed",
                visible(&project.path),
                count(some, "process", "processes")
            )
        }
    });
    for process in &reply.killed {
        out::line(format!("  {} {} (SIG{})", process.pid, process.name, process.signal));
    }
    Ok(Exit::Done)
}

/// `afield interrupt`
pub(super) async fn interrupt(global: &Global, args: &Args) -> Outcome {
    let connection = connect(global).await?;
    let project = project_ref::find(&connection, args.project.as_deref()).await?;
    let reply = connection.ask(&AgentInterrupt { project_id: Some(project.id) }).await?;
    if global.json {
        out::json(&reply);
    } else {
        out::line(format!("interrupted in {}; the conversation can go on", visible(&project.path)));
    }
    Ok(Exit::Done)
}

/// `afield new-session`
pub(super) async fn new_session(global: &Global, args: &Args) -> Outcome {
    let connection = connect(global).await?;
    let project = project_ref::find(&connection, args.project.as_deref()).await?;
    let reply = connection.ask(&AgentNewSession { project_id: Some(project.id) }).await?;
    if global.json {
        out::json(&reply);
    } else {
        out::line(format!(
            "the next prompt in {} starts a new conversation",
            visible(&project.path)
        ));
    }
    Ok(Exit::Done)
}
