//! `afield queue show` and `afield queue explain`.

use afield_proto::Timestamp;
use afield_proto::command::{Command, CommandState, Outcome as End};
use afield_proto::queue::{AttemptView, ChainLink, ChainStep, CommandDetail, RetryPolicy, Waiting};
use afield_proto::request::{CommandExplain, CommandShow};
use owo_colors::OwoColorize as _;

use super::names::Names;
use super::{OneArgs, find, reason, route};
use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::short_id::short;
use crate::transcript::{attached, clean, ending, steered};
use crate::words::age;
use crate::{Outcome, out};

/// `afield queue show`
pub(super) async fn show(global: &Global, args: &OneArgs) -> Outcome {
    let connection = connect(global).await?;
    let command_id = find::one(&connection, &args.id).await?;
    let detail = connection.ask(&CommandShow { command_id }).await?;
    if global.json {
        out::json(&detail);
        return Ok(Exit::Done);
    }
    let names = Names::ask(&connection).await?;
    out::text(&text(&detail, &names, Timestamp::now()));
    Ok(Exit::Done)
}

/// `afield queue explain`
pub(super) async fn explain(global: &Global, args: &OneArgs) -> Outcome {
    let connection = connect(global).await?;
    let command_id = find::one(&connection, &args.id).await?;
    let reply = connection.ask(&CommandExplain { command_id }).await?;
    if global.json {
        out::json(&reply);
        return Ok(Exit::Done);
    }
    let names = Names::ask(&connection).await?;
    out::line(sentence(&reply.command, reply.waiting.as_ref(), &names));
    for cause in &reply.causes {
        let why = sentence(&cause.command, cause.waiting.as_ref(), &names);
        out::line(format!("  {} is {why}", short(cause.command.id)));
    }
    let root = reply.causes.last().map(|cause| (&cause.command, cause.waiting.as_ref()));
    let (command, waiting) = root.unwrap_or((&reply.command, reply.waiting.as_ref()));
    let next = reason::advice(command, waiting, &names);
    out::line(format!("  {} {next}", "next:".bold()));
    if let Some(route) = &reply.route {
        out::text(&route::text(route, &names));
    }
    Ok(Exit::Done)
}

/// Why it is not running, in one sentence.
fn sentence(command: &Command, waiting: Option<&Waiting>, names: &Names) -> String {
    match (waiting, command.state) {
        (Some(waiting), _) => {
            format!("{}: {}", command.state.name(), clean(&names.in_words(&waiting.message)))
        }
        (None, CommandState::Running) => "running: it is being worked on".to_owned(),
        (None, CommandState::Queued | CommandState::Leased) => command.state.name().to_owned(),
        (None, _) => format!("{}: {}", command.state.name(), ending(command)),
    }
}

fn text(detail: &CommandDetail, names: &Names, now: Timestamp) -> String {
    let command = &detail.command;
    let mut text = String::new();
    let mut row = |name: &str, value: String| text.push_str(&format!("{name:<10} {value}\n"));
    row("command", command.id.to_string());
    row("state", reason::state(command, names, now));
    if let Some(waiting) = &detail.waiting {
        row("waiting", clean(&names.in_words(&waiting.message)));
    }
    row("project", names.project(command.project_id));
    row("runner", names.device(command.runner_id));
    row("kind", format!("{} for {}", command.kind.name(), command.agent));
    if !command.priority.is_normal() {
        row("priority", command.priority.name().to_owned());
    }
    for (name, value) in [("key", &command.key), ("order", &command.order)] {
        if let Some(value) = value {
            row(name, clean(value));
        }
    }
    for (name, at) in [("not before", command.not_before), ("expires", command.expires_at)] {
        if let Some(at) = at.filter(|_| !command.state.is_final()) {
            row(name, at.to_string());
        }
    }
    if let Some(by) = command.held_by {
        row("held by", names.device(by));
    }
    for file in &detail.payload.attachments {
        row("attached", attached(file));
    }
    if let Some(steered) = steered(command) {
        row("steer", steered);
    }
    if let Some(by) = command.kill_requested_by {
        let over = command.state.is_final();
        row(
            if over { "stopped by" } else { "stopping" },
            match over {
                true => names.device(by),
                false => format!("{} asked to stop it", names.device(by)),
            },
        );
    }
    if detail.retry != RetryPolicy::default() {
        row("retry", retry(&detail.retry));
    }
    if let Some(route) = &detail.route {
        text.push_str(&route::text(route, names));
    }
    text.push_str(&format!("\n{}\n", "Delivery".bold()));
    for link in &detail.chain {
        text.push_str(&chain(link, names, now));
    }
    if !detail.attempts.is_empty() {
        text.push_str(&format!("\n{}\n", "Attempts".bold()));
        for view in &detail.attempts {
            text.push_str(&attempt(view, names));
        }
    }
    text.push_str(&format!("\n{}\n", "Content".bold()));
    text.push_str(&content(detail));
    text
}

fn chain(link: &ChainLink, names: &Names, now: Timestamp) -> String {
    let step = match link.step {
        ChainStep::Submitted => "submitted",
        ChainStep::Accepted => "accepted",
        ChainStep::Moved => "moved",
        ChainStep::Leased => "leased",
        ChainStep::Consumed => "consumed",
        ChainStep::Finished => "finished",
    };
    let by = link.by.map_or_else(|| "the server's clock".to_owned(), |by| names.device(by));
    let ago = age(link.at, now);
    format!("  {step:<10} {} ({ago}) by {by}\n", link.at)
}

fn retry(policy: &RetryPolicy) -> String {
    let mut said = format!("at most {} attempts", policy.attempts);
    if policy.safe {
        said.push_str(", also after a crash in the middle");
    }
    if policy.wait_for_limit {
        said.push_str(", waits for the end of usage limits");
    }
    said
}

fn attempt(view: &AttemptView, names: &Names) -> String {
    let runner = names.device(view.runner_id);
    let at = view.started_at.or(view.leased_at);
    let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
    let end = match (&view.outcome, view.finished_at) {
        (Some(outcome), _) => how(outcome),
        (None, Some(_)) => "over".to_owned(),
        (None, None) if view.started_at.is_some() => "running".to_owned(),
        (None, None) => "not started".to_owned(),
    };
    format!("  {}. on {runner}{at}: {end}\n", view.attempt)
}

fn how(outcome: &End) -> String {
    let mut said = outcome.kind.name().to_owned();
    if let Some(code) = outcome.exit_code {
        said.push_str(&format!(", exit code {code}"));
    }
    if let Some(message) = &outcome.message {
        said.push_str(&format!(": {}", crate::words::one_line(&clean(message), 200)));
    }
    if let Some(blob) = &outcome.blob {
        said.push_str(&format!(" (all of it: {} bytes, blob {})", blob.bytes, blob.hash));
    }
    said
}

fn content(detail: &CommandDetail) -> String {
    let mut text = String::new();
    let options = detail.payload.options.clone().unwrap_or_default();
    if let Some(argv) = &options.argv {
        text.push_str(&format!("  $ {}\n", clean(&argv.join(" "))));
    }
    for line in clean(&detail.payload.prompt).lines() {
        text.push_str(&format!("  {line}\n"));
    }
    let others = afield_proto::agent::ExecuteOptions { argv: None, ..options };
    if others != afield_proto::agent::ExecuteOptions::default() {
        let json = serde_json::to_string(&others).expect("Afield's own types always serialise");
        text.push_str(&format!("  {}\n", format!("options: {json}").dimmed()));
    }
    text
}
