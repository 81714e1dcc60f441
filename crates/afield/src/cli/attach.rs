//! `afield attach`: a project live, for several people at once. What was said, then what is being
//! said; typed lines are prompts, lines with a slash are orders.
//!
//! Line based on purpose: it works in a pipe, in a plain terminal, and over a bad line.

mod mine;
mod order;
mod room;

use std::io::IsTerminal as _;

use afield_proto::Topic;
use afield_proto::request::{ApprovalList, GetMessages};

use crate::connect::{Global, link};
use crate::{Outcome, out, project_ref};
use room::Room;

/// `afield attach`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Project: id, name or directory [default: the one of the current directory]
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// How many messages of the past to show first
    #[arg(short = 'n', long, default_value_t = 30, value_name = "N")]
    history: u32,
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> Outcome {
    let link = link(global).await?;
    let connection = link.online().await?;
    let project = project_ref::find(&connection, args.project.as_deref()).await?;
    let request = page_request(&project, args.history);
    let page = connection.ask(&request).await?;
    let asked = ApprovalList { project_id: Some(project.id), all: false };
    let asked = connection.ask(&asked).await?.approvals;
    drop(connection);
    // Continues exactly where the page ends: nothing is shown twice, nothing is missed.
    let follow = link.follow(Topic::Project(project.id), Some(page.seq)).await?;
    if !global.json {
        out::text(&super::history::page_text(&page, false)?);
    }
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    Room::new(link, project, terminal, global.json).stay(follow, asked).await
}

fn page_request(project: &afield_proto::project::Project, limit: u32) -> GetMessages {
    GetMessages {
        project_id: Some(project.id),
        since: None,
        after: None,
        before: None,
        limit: Some(limit.max(1)),
        direction: None,
        kind: None,
        text: None,
    }
}
