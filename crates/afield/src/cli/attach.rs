//! `afield attach`: a project live, for several people at once. What was said, then what is being
//! said; typed lines are prompts, lines with a slash are orders.
//!
//! Line based on purpose: it works in a pipe, in a plain terminal, and over a bad line.

mod focus;
mod mine;
mod order;
mod room;

use std::io::IsTerminal as _;

use afield_proto::Topic;
use afield_proto::request::{ApprovalList, GetMessages, HandoffGet, StateGet};

use crate::connect::{Global, link};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::Unwritten;
use crate::{Outcome, out, project_ref};
use room::Room;

/// `afield attach`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Project: id, name or directory [default: the one of the current directory]
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// Continue here what another screen has in focus
    #[arg(long, conflicts_with = "project")]
    here: bool,
    /// How many messages of the past to show first
    #[arg(short = 'n', long, default_value_t = 30, value_name = "N")]
    history: u32,
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> Outcome {
    Unwritten::Follow.apply();
    let link = link(global).await?;
    let connection = link.online().await?;
    let handoff = connection.ask(&HandoffGet {}).await?;
    let project = match (args.here, handoff.focus.project_id) {
        (true, Some(shown)) => project_ref::find(&connection, Some(&shown.to_string())).await?,
        (true, None) => return Err(nothing_in_focus()),
        (false, _) => project_ref::find(&connection, args.project.as_deref()).await?,
    };
    let request = page_request(&project, args.history);
    let page = connection.ask(&request).await?;
    let asked = ApprovalList { project_id: Some(project.id), all: false };
    let asked = connection.ask(&asked).await?.approvals;
    let person = connection.ask(&StateGet { key: None, after: Some(NO_REGISTERS) }).await?.topic;
    drop(connection);
    let moves = link.follow(person, None).await?;
    // Continues exactly where the page ends: nothing is shown twice, nothing is missed.
    let follow = link.follow(Topic::Project(project.id), Some(page.seq)).await?;
    if !global.json {
        out::text(&super::history::page_text(&page, false, &super::history::Endings::new())?);
    }
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut room = Room::new(link, project, terminal, global.json);
    room.focus_at(page.seq, handoff, args.here);
    room.stay(follow, moves, asked).await
}

/// A version after which nothing has changed.
const NO_REGISTERS: u64 = i64::MAX.unsigned_abs();

fn nothing_in_focus() -> Failure {
    Failure::new(Exit::Refused, "no screen has shown a project yet")
        .with_next("name one: afield attach -p PROJECT")
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
