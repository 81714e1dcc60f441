//! What changes commands: stopping, moving, putting back, forgetting, resolving, editing, sending.

use afield_client::{Connection, Outbox};
use afield_proto::ProjectId;
use afield_proto::command::Command;
use afield_proto::queue::{Payload, Place, Resolution};
use afield_proto::request::{
    CommandCancel, CommandEdit, CommandMove, CommandPurge, CommandResolve, CommandRetry,
    CommandShow, CommandsReply,
};

use super::{
    EditArgs, FlushArgs, MoveArgs, PurgeArgs, ResolveArgs, RetryArgs, SeveralArgs, WhichArgs, find,
};
use crate::connect::{Global, connect, open};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::short_id::{fits, short};
use crate::words::{count, one_line};
use crate::{Outcome, out, project_ref, unsent};

/// How much of what a command asks for is shown beside it.
const SUMMARY_WIDTH: usize = 60;

fn line(command: &Command, said: &str) -> String {
    format!("{} {said}: {}", short(command.id), one_line(&command.summary, SUMMARY_WIDTH))
}

/// One command that was changed.
fn one_changed(global: &Global, command: &Command, said: &str) -> Exit {
    if global.json {
        out::json(command);
    } else {
        out::line(line(command, said));
    }
    Exit::Done
}

/// Commands that were changed.
fn changed(global: &Global, commands: &[Command], said: impl Fn(&Command) -> String) -> Exit {
    if global.json {
        out::json(&commands);
        return Exit::Done;
    }
    for command in commands {
        out::line(line(command, &said(command)));
    }
    Exit::Done
}

/// `afield queue cancel`: also what was never sent.
pub(super) async fn cancel(global: &Global, args: &SeveralArgs) -> Outcome {
    let outbox = unsent::outbox(global)?;
    let (unsent, ids) = parted(&outbox, &args.ids)?;
    for id in &unsent {
        outbox.discard(id)?;
        if !global.json {
            out::line(format!("{} is not sent any more", short(id)));
        }
    }
    let mut cancelled = Vec::new();
    if !ids.is_empty() {
        let connection = connect(global).await?;
        for command_id in find::several(&connection, &ids).await? {
            cancelled.push(connection.ask(&CommandCancel { command_id }).await?);
        }
    }
    Ok(changed(global, &cancelled, |command| match command.state.is_final() {
        true => command.state.name().to_owned(),
        false => "is stopped as soon as its runner can be reached".to_owned(),
    }))
}

/// What of this lies in the outbox, and what does not.
fn parted(outbox: &Outbox, meant: &[String]) -> Result<(Vec<String>, Vec<String>), Failure> {
    let mut known = outbox.pending()?;
    known.extend(outbox.refused()?);
    let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
    for meant in meant {
        let found: Vec<_> = known.iter().filter(|it| fits(&it.id, meant)).collect();
        match found.as_slice() {
            [only] => here.push(only.id.clone()),
            [] => elsewhere.push(meant.clone()),
            _ => return Err(Failure::usage(format!("{meant} fits several unsent commands"))),
        }
    }
    Ok((here, elsewhere))
}

/// `afield queue move`
pub(super) async fn move_command(global: &Global, args: &MoveArgs) -> Outcome {
    let connection = connect(global).await?;
    let command_id = find::one(&connection, &args.id).await?;
    let to = match (&args.to.before, &args.to.after) {
        (Some(before), _) => Place::Before(find::one(&connection, before).await?),
        (None, Some(after)) => Place::After(find::one(&connection, after).await?),
        (None, None) if args.to.first => Place::First,
        (None, None) => Place::Last,
    };
    let command = connection.ask(&CommandMove { command_id, to }).await?;
    Ok(one_changed(global, &command, "moved"))
}

/// `afield queue retry`
pub(super) async fn retry(global: &Global, args: &RetryArgs) -> Outcome {
    let connection = connect(global).await?;
    let which = Which::find(&connection, &args.which).await?;
    let payload = match (&args.prompt, which.command_ids.as_slice()) {
        (None, _) => None,
        (Some(prompt), [id]) => Some(with_prompt(&connection, *id, prompt).await?),
        (Some(_), _) => return Err(Failure::usage("another prompt needs exactly one command")),
    };
    let mut commands = Vec::new();
    loop {
        let Which { command_ids, all_dead, project_id } = which.clone();
        let payload = payload.clone();
        let ask = CommandRetry { command_ids, all_dead, project_id, payload };
        if taken(&mut commands, connection.ask(&ask).await?, all_dead) {
            break;
        }
    }
    Ok(all_changed(global, &commands, "put back", "No dead letters."))
}

/// `afield queue purge`
pub(super) async fn purge(global: &Global, args: &PurgeArgs) -> Outcome {
    let connection = connect(global).await?;
    let which = Which::find(&connection, &args.which).await?;
    let mut commands = Vec::new();
    loop {
        let Which { command_ids, all_dead, project_id } = which.clone();
        let ask = CommandPurge { command_ids, all_dead, project_id };
        if taken(&mut commands, connection.ask(&ask).await?, all_dead) {
            break;
        }
    }
    Ok(all_changed(global, &commands, "forgotten", "No dead letters."))
}

/// Takes what was changed; whether that was all.
fn taken(commands: &mut Vec<Command>, reply: CommandsReply, all_dead: bool) -> bool {
    let done = !all_dead || !reply.more || reply.commands.is_empty();
    commands.extend(reply.commands);
    done
}

fn all_changed(global: &Global, commands: &[Command], said: &str, none: &str) -> Exit {
    if !global.json && commands.is_empty() {
        out::line(none);
        return Exit::Done;
    }
    let exit = changed(global, commands, |_| said.to_owned());
    if !global.json && commands.len() > 1 {
        out::line(format!("{} {said}", count(commands.len(), "command", "commands")));
    }
    exit
}

/// The commands a bulk request is about.
#[derive(Clone)]
struct Which {
    command_ids: Vec<afield_proto::CommandId>,
    all_dead: bool,
    project_id: Option<ProjectId>,
}

impl Which {
    async fn find(connection: &Connection, args: &WhichArgs) -> Result<Self, Failure> {
        let command_ids = find::several(connection, &args.ids).await?;
        let project_id = match &args.project {
            Some(meant) => Some(project_ref::find(connection, Some(meant)).await?.id),
            None => None,
        };
        Ok(Self { command_ids, all_dead: args.all_dead, project_id })
    }
}

/// The payload of a command, with another prompt.
async fn with_prompt(
    connection: &Connection,
    command_id: afield_proto::CommandId,
    prompt: &str,
) -> Result<Payload, Failure> {
    let detail = connection.ask(&CommandShow { command_id }).await?;
    Ok(Payload { prompt: prompt.to_owned(), ..detail.payload })
}

/// `afield queue resolve`
pub(super) async fn resolve(global: &Global, args: &ResolveArgs) -> Outcome {
    let connection = connect(global).await?;
    let command_id = find::one(&connection, &args.id).await?;
    let resolution = match (args.what.requeue, args.what.failed) {
        (true, _) => Resolution::Requeue,
        (false, true) => Resolution::Failed,
        (false, false) => Resolution::Succeeded,
    };
    let command = connection.ask(&CommandResolve { command_id, resolution }).await?;
    Ok(one_changed(global, &command, command.state.name()))
}

/// `afield queue edit`
pub(super) async fn edit(global: &Global, args: &EditArgs) -> Outcome {
    let connection = connect(global).await?;
    let command_id = find::one(&connection, &args.id).await?;
    let payload = match &args.what.prompt {
        Some(prompt) => Some(with_prompt(&connection, command_id, prompt).await?),
        None => None,
    };
    let edit = CommandEdit {
        command_id,
        payload,
        priority: args.what.priority,
        not_before: args.what.not_before,
        expires_at: args.what.expires,
        retry: None,
    };
    let command = connection.ask(&edit).await?;
    Ok(one_changed(global, &command, "changed"))
}

/// `afield queue flush`
pub(super) async fn flush(global: &Global, args: &FlushArgs) -> Outcome {
    let connection = open(global).await?;
    if args.refused {
        unsent::outbox(global)?.put_back()?;
    }
    let flushed = unsent::flush(global, &connection).await?;
    if global.json {
        let sent: Vec<_> = flushed.sent.iter().map(|command| command.id).collect();
        let refused: Vec<_> = flushed
            .refused
            .iter()
            .map(|it| serde_json::json!({ "key": it.submit.key, "error": it.refused }))
            .collect();
        out::json(&serde_json::json!({ "sent": sent, "refused": refused, "kept": flushed.kept }));
    } else {
        out::line(unsent::told(&flushed).unwrap_or_else(|| "The outbox is empty.".to_owned()));
        for command in &flushed.sent {
            out::line(line(command, "sent"));
        }
    }
    let all_sent = flushed.refused.is_empty() && flushed.kept == 0;
    Ok(if all_sent { Exit::Done } else { Exit::Refused })
}
