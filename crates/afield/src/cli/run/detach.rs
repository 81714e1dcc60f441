//! `afield run --detach`: handed over, or kept here until the server answers.

use afield_client::{AskError, LocalFile};
use afield_proto::ProjectId;
use afield_proto::command::Command;
use afield_proto::queue::Target;
use afield_proto::request::CommandSubmit;

use super::place::{self, on_project};
use super::{Args, Draft, anywhere};
use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::transcript::steered;
use crate::{Outcome, out, project_ref, unsent};

/// Does it.
pub(super) async fn run(global: &Global, args: &Args, ask: Draft) -> Outcome {
    match hand_over(global, args, &ask).await {
        Ok(command) => Ok(accepted(global, &command)),
        Err(Missed { failure, request }) if failure.is_away() => {
            let request = match request {
                // The server may have taken it; its key makes that harmless.
                Some(request) => request,
                None => offline(global, args, &ask, &failure)?,
            };
            keep(global, request, ask.files(), &failure)
        }
        Err(missed) => Err(missed.failure),
    }
}

/// Why it was not handed over, and what was to be, when that was known.
struct Missed {
    failure: Failure,
    request: Option<CommandSubmit>,
}

impl<E: Into<Failure>> From<E> for Missed {
    fn from(error: E) -> Self {
        Self { failure: error.into(), request: None }
    }
}

async fn hand_over(global: &Global, args: &Args, ask: &Draft) -> Result<Command, Missed> {
    let connection = connect(global).await?;
    let request = match anywhere::target(&connection, args).await? {
        Some(target) => ask.to(target, None),
        None => place::ask_for(global, &connection, args, ask).await?.1,
    };
    if let Err(failure) = ask.upload(global).await {
        return Err(Missed { failure, request: Some(request) });
    }
    let asked: Result<Command, AskError> = connection.ask(&request).await;
    asked.map_err(|error| Missed { failure: error.into(), request: Some(request) })
}

/// What is to be handed over, as far as it can be told without the server.
fn offline(
    global: &Global,
    args: &Args,
    ask: &Draft,
    failure: &Failure,
) -> Result<CommandSubmit, Failure> {
    let meant = args.project.as_deref();
    if let Some(target) = anywhere::offline(args)? {
        return Ok(ask.to(target, None));
    }
    let known = unsent::remembered(global);
    if let Ok(project) = project_ref::choose(&known, meant) {
        return Ok(ask.to(on_project(&project), project.settings.agent));
    }
    let id: Option<ProjectId> = meant.and_then(|meant| meant.parse().ok());
    let Some(id) = id else {
        let sentence = format!("{failure}, and this machine does not know which project is meant");
        return Err(Failure::new(failure.exit(), sentence)
            .with_next("name the project by its whole id: -p ID"));
    };
    Ok(ask.to(Target { project_id: Some(id), ..Target::default() }, None))
}

fn accepted(global: &Global, command: &Command) -> Exit {
    if global.json {
        let mut said = serde_json::json!({
            "command_id": command.id, "key": command.key, "state": command.state,
        });
        if let Some(steer) = command.steer {
            said["steer"] = serde_json::json!(steer);
        }
        out::json(&said);
    } else {
        out::line(command.id);
        if let Some(what) = steered(command) {
            out::error_line(what);
        }
    }
    Exit::Done
}

fn keep(
    global: &Global,
    request: CommandSubmit,
    files: &[LocalFile],
    failure: &Failure,
) -> Outcome {
    let kept = unsent::outbox(global)?.put(unsent::destination(global)?, request, files)?;
    if global.json {
        out::json(&serde_json::json!({
            "command_id": null, "queued_locally": true, "key": kept.submit.key,
        }));
    }
    out::error_line(format!(
        "{failure}\nkept on this machine; the next afield command that reaches the server sends it \
         (afield queue ls shows it)"
    ));
    Ok(Exit::Done)
}
