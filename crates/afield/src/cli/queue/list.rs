//! `afield queue ls` and `afield queue dead`.

use std::time::Duration;

use afield_client::{Connection, Unsent};
use afield_proto::command::{Command, CommandKind, CommandState};
use afield_proto::queue::Hold;
use afield_proto::request::CommandList;
use afield_proto::{ProjectId, Timestamp};
use comfy_table::{ContentArrangement, Table, presets};
use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::names::Names;
use super::{DeadArgs, ListArgs, reason};
use crate::cli::projects::choose_runner;
use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::short_id::short;
use crate::transcript::clean;
use crate::words::{count, duration, one_line};
use crate::{Outcome, out, project_ref, unsent};

/// Width of the last column.
const SUMMARY_WIDTH: usize = 60;

/// `afield queue ls`
pub(super) async fn ls(global: &Global, args: &ListArgs) -> Outcome {
    let connection = match connect(global).await {
        Ok(connection) => connection,
        Err(failure) if failure.is_away() => return unsent_alone(global, failure),
        Err(failure) => return Err(failure),
    };
    let names = Names::ask(&connection).await?;
    let project_id = match &args.project {
        Some(meant) => Some(project_ref::choose(&names.projects, Some(meant))?.id),
        None => None,
    };
    let runner = args.runner.as_deref();
    let runner_id = runner.map(|meant| choose_runner(&names.runners, meant)).transpose()?;
    let list = CommandList {
        project_id,
        runner_id,
        waiting: !args.all && args.state.is_none(),
        state: args.state,
        before_id: None,
        limit: Some(args.limit),
    };
    let mut commands = connection.ask(&list).await?.commands;
    commands.retain(|command| runner_id.is_none_or(|runner| command.runner_id == runner));
    let unsent = match args.state {
        None => not_sent(global, project_id)?,
        Some(_) => Vec::new(),
    };
    if global.json {
        out::json(&everything(&commands, &unsent));
        return Ok(Exit::Done);
    }
    let now = Timestamp::now();
    for hold in &names.holds {
        out::line(held(hold, &names, now).yellow());
    }
    if commands.is_empty() && unsent.is_empty() {
        out::line(nothing(args));
        return Ok(Exit::Done);
    }
    out::line(table(&commands, &unsent, &names, now));
    tell_refused(&unsent);
    if commands.len() >= args.limit as usize {
        out::error_line("there may be more: --limit, --project, --runner".dimmed());
    }
    Ok(Exit::Done)
}

fn nothing(args: &ListArgs) -> String {
    match (args.state, args.all) {
        (Some(state), _) => format!("No command is {}.", state.name()),
        (None, true) => "There are no commands yet: afield run \"…\"".to_owned(),
        (None, false) => "Nothing waits, nothing runs. (--all also lists what is over.)".to_owned(),
    }
}

/// Without the server: what this machine has not sent.
fn unsent_alone(global: &Global, failure: Failure) -> Outcome {
    let unsent = not_sent(global, None)?;
    if unsent.is_empty() {
        return Err(failure);
    }
    out::error_line(format!("{failure}\nonly what waits on this machine is shown"));
    if global.json {
        out::json(&everything(&[], &unsent));
    } else {
        let projects = unsent::remembered(global);
        let names = Names { projects, ..Names::default() };
        out::line(table(&[], &unsent, &names, Timestamp::now()));
        tell_refused(&unsent);
    }
    Ok(Exit::Done)
}

fn not_sent(global: &Global, project: Option<ProjectId>) -> Result<Vec<Unsent>, Failure> {
    let outbox = unsent::outbox(global)?;
    let mut unsent = outbox.pending()?;
    unsent.extend(outbox.refused()?);
    unsent.retain(|unsent| project.is_none() || project_of(unsent) == project);
    Ok(unsent)
}

fn project_of(unsent: &Unsent) -> Option<ProjectId> {
    unsent.submit.target.as_ref().and_then(|target| target.project_id)
}

fn tell_refused(unsent: &[Unsent]) {
    for unsent in unsent {
        if let Some(error) = &unsent.refused {
            let id = short(&unsent.id);
            out::line(format!("{id} was refused: {error}"));
            out::line(format!(
                "  again: afield queue flush --refused; forget it: afield queue cancel {id}"
            ));
        }
    }
}

/// Something of the outbox, in a list of commands.
#[derive(Serialize)]
struct UnsentView<'a> {
    id: &'a str,
    state: &'static str,
    queued_locally: bool,
    project_id: Option<ProjectId>,
    summary: String,
    key: &'a Option<String>,
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: &'a Option<afield_proto::ErrorBody>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Row<'a> {
    Command(&'a Command),
    Unsent(UnsentView<'a>),
}

fn everything<'a>(commands: &'a [Command], unsent: &'a [Unsent]) -> Vec<Row<'a>> {
    let unsent = unsent.iter().map(|unsent| {
        Row::Unsent(UnsentView {
            id: &unsent.id,
            state: unsent_state(unsent),
            queued_locally: true,
            project_id: project_of(unsent),
            summary: summary(unsent),
            key: &unsent.submit.key,
            created_at: unsent.submit.submitted_at,
            error: &unsent.refused,
        })
    });
    commands.iter().map(Row::Command).chain(unsent).collect()
}

fn unsent_state(unsent: &Unsent) -> &'static str {
    if unsent.refused.is_some() { "refused" } else { "unsent" }
}

fn summary(unsent: &Unsent) -> String {
    let payload = &unsent.submit.payload;
    let argv = payload.options.as_ref().and_then(|options| options.argv.as_ref());
    let text = argv.map_or_else(|| payload.prompt.clone(), |argv| argv.join(" "));
    one_line(&text, SUMMARY_WIDTH)
}

fn table(commands: &[Command], unsent: &[Unsent], names: &Names, now: Timestamp) -> Table {
    let urgent = commands.iter().any(|command| !command.priority.is_normal())
        || unsent.iter().any(|unsent| !unsent.submit.priority.is_normal());
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let row = |id: String, state: String, priority: &str, rest: [String; 3]| {
        let mut row = vec![id, state];
        if urgent {
            row.push(if priority == "normal" { String::new() } else { priority.to_owned() });
        }
        row.extend(rest);
        row
    };
    let heads = ["PROJECT", "AGE", "WHAT"].map(str::to_owned);
    table.set_header(row("ID".into(), "STATE".into(), "PRIORITY", heads));
    let old = |at: Timestamp| duration(Duration::from_secs(now.since(at).as_secs()));
    for command in commands {
        let state = reason::state(command, names, now);
        let rest = [names.project(command.project_id), old(command.created_at), what(command)];
        table.add_row(row(short(command.id), state, command.priority.name(), rest));
    }
    for unsent in unsent {
        let project = project_of(unsent).map(|id| names.project(id)).unwrap_or_default();
        let age = unsent.submit.submitted_at.map(old).unwrap_or_default();
        let (id, state) = (short(&unsent.id), unsent_state(unsent).to_owned());
        table.add_row(row(
            id,
            state,
            unsent.submit.priority.name(),
            [project, age, summary(unsent)],
        ));
    }
    table
}

fn what(command: &Command) -> String {
    let summary = one_line(&clean(&command.summary), SUMMARY_WIDTH);
    match command.kind {
        CommandKind::Prompt => summary,
        CommandKind::Shell => format!("$ {summary}"),
        CommandKind::NewSession => "(a new conversation)".to_owned(),
        CommandKind::Kill => "(stop what runs)".to_owned(),
    }
}

fn held(hold: &Hold, names: &Names, now: Timestamp) -> String {
    let what = match (hold.project_id, hold.runner_id) {
        (Some(project), _) => format!("project {}", names.project(project)),
        (None, Some(runner)) => format!("runner {}", names.device(runner)),
        (None, None) => "everything".to_owned(),
    };
    let at = crate::words::age(hold.at, now);
    format!("{what} is held (by {}, {at}); what runs goes on", names.device(hold.by))
}

/// `afield queue dead`
pub(super) async fn dead(global: &Global, args: &DeadArgs) -> Outcome {
    let connection = connect(global).await?;
    let names = Names::ask(&connection).await?;
    let project_id = match &args.project {
        Some(meant) => Some(project_ref::choose(&names.projects, Some(meant))?.id),
        None => None,
    };
    let commands = dead_letters(&connection, project_id).await?;
    if global.json {
        out::json(&commands);
        return Ok(Exit::Done);
    }
    if commands.is_empty() {
        out::line("No dead letters.");
        return Ok(Exit::Done);
    }
    out::line(dead_table(&commands, &names, Timestamp::now()));
    out::line(format!(
        "{}; start again: afield queue retry ID (or --all-dead); forget: afield queue purge ID",
        count(commands.len(), "dead letter", "dead letters")
    ));
    Ok(Exit::Done)
}

/// All of them, page by page.
async fn dead_letters(
    connection: &Connection,
    project_id: Option<ProjectId>,
) -> Result<Vec<Command>, Failure> {
    const PAGE: u32 = 1000;
    let mut all: Vec<Command> = Vec::new();
    loop {
        let list = CommandList {
            project_id,
            runner_id: None,
            waiting: false,
            state: Some(CommandState::Dead),
            before_id: all.last().map(|last| last.id),
            limit: Some(PAGE),
        };
        let page = connection.ask(&list).await?.commands;
        let full = page.len() == PAGE as usize;
        all.extend(page);
        if !full {
            return Ok(all);
        }
    }
}

fn dead_table(commands: &[Command], names: &Names, now: Timestamp) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["ID", "ATTEMPTS", "PROJECT", "DIED", "CAUSE", "WHAT"]);
    for command in commands {
        let died = command.finished_at.unwrap_or(command.created_at);
        table.add_row([
            short(command.id),
            command.attempt.to_string(),
            names.project(command.project_id),
            crate::words::age(died, now),
            cause(command),
            what(command),
        ]);
    }
    table
}

fn cause(command: &Command) -> String {
    let Some(outcome) = &command.outcome else { return "not known".to_owned() };
    let message = outcome.message.as_deref().map(|message| format!(": {}", clean(message)));
    one_line(&format!("{}{}", outcome.kind.name(), message.unwrap_or_default()), SUMMARY_WIDTH)
}
