//! Commands for whichever runner fits: the target, and following one wherever it goes.

use afield_client::{Connection, Follow, Link};
use afield_proto::command::Command;
use afield_proto::queue::Target;
use afield_proto::request::{CommandExplain, CommandGet, GetMessages, RunnerList};
use afield_proto::route::RouteMode;
use afield_proto::wire::HistoryMessage;
use afield_proto::{DeviceId, Topic};

use super::Args;
use crate::cli::projects::choose_runner;
use crate::failure::Failure;

/// Which runner, and its project at this path.
pub(super) async fn target(
    connection: &Connection,
    args: &Args,
) -> Result<Option<Target>, Failure> {
    let Some(mut target) = unnamed(args)? else { return Ok(None) };
    if !args.anywhere.prefer.is_empty() {
        let runners = connection.ask(&RunnerList {}).await?.runners;
        let id = |meant: &String| meant.parse().or_else(|_| choose_runner(&runners, meant));
        target.prefer = args.anywhere.prefer.iter().map(id).collect::<Result<_, _>>()?;
    }
    Ok(Some(target))
}

/// The same as far as it can be told without the server: runners by their ids.
pub(super) fn offline(args: &Args) -> Result<Option<Target>, Failure> {
    let Some(mut target) = unnamed(args)? else { return Ok(None) };
    let id = |meant: &String| {
        meant.parse::<DeviceId>().map_err(|_| {
            Failure::usage(format!("the server is away, and only it knows who {meant} is"))
                .with_next("name runners by their whole ids: --prefer ID")
        })
    };
    target.prefer = args.anywhere.prefer.iter().map(id).collect::<Result<_, _>>()?;
    Ok(Some(target))
}

/// Without the runners that are preferred.
fn unnamed(args: &Args) -> Result<Option<Target>, Failure> {
    let Some(selector) = &args.on else { return Ok(None) };
    let path = args.project.as_deref();
    if path.is_some_and(|path| !path.starts_with('/')) {
        return Err(Failure::usage("with --on, -p is the absolute path of the project there"));
    }
    let named = (!args.anywhere.prefer.is_empty()).then_some(RouteMode::Order);
    let mode = args.anywhere.route.or(named);
    let (selector, path) = (Some(selector.clone()), path.map(str::to_owned));
    Ok(Some(Target { selector, path, mode, ..Target::default() }))
}

/// Follows the place a command is in: its project from the first word about it on, or the waiting
/// room while no runner fits.
pub(super) async fn follow(link: &Link, command: Command) -> Result<(Command, Follow), Failure> {
    let explained = link.ask(&CommandExplain { command_id: command.id }).await?;
    let command = explained.command;
    let topic = Topic::Project(command.project_id);
    let unplaced = explained.route.is_some_and(|route| !route.placed);
    let after = if unplaced { None } else { Some(first_word(link, &command).await?) };
    let follow = link.follow(topic, after).await?;
    // What became of it follows its first message; of one that said nothing it may have passed.
    let command = link.ask(&CommandGet { command_id: command.id }).await?;
    Ok((command, follow))
}

/// The number of the event before the first that can be about a command.
async fn first_word(link: &Link, command: &Command) -> Result<u64, Failure> {
    let first = GetMessages {
        project_id: Some(command.project_id),
        since: Some(command.created_at),
        after: Some(0),
        before: None,
        limit: Some(1),
        direction: None,
        kind: None,
        text: None,
    };
    let page = link.ask(&first).await?;
    let message = page.messages.first();
    let message = message.and_then(|raw| serde_json::from_str::<HistoryMessage>(raw.get()).ok());
    // What was said before the command was there is not about it.
    Ok(message.map_or(page.seq, |message| message.seq.saturating_sub(1)))
}
