//! Whether a device may make a request: asked at both doors (WebSocket and REST).
//!
//! What each request needs stands in the table of requests. A handler asks for more only where that
//! depends on what a request says: plain commands and the options that come to the same need
//! `shell`, and nobody gives a scope away that it has not. What a command needs that is to begin again, and what
//! words need that go into a turn, the store asks in the transaction that does it.

use afield_proto::agent::{AgentKind, ExecuteOptions, PermissionMode};
use afield_proto::device::{Scope, Scopes};
use afield_proto::project::ProjectSettings;
use afield_proto::request::{Needs, Request};
use afield_proto::{CommandId, ErrorBody, ErrorCode};

use crate::socket::conn::Actor;

/// **Errors**: FORBIDDEN naming the scope that is missing.
pub(crate) fn check(actor: &Actor, request: &Request) -> Result<(), ErrorBody> {
    let about = match request {
        Request::DeviceRevoke(ask) => Some(ask.device_id),
        Request::DeviceForget(ask) => Some(ask.device_id),
        _ => None,
    };
    match request.needs() {
        Needs::Nothing => Ok(()),
        Needs::OwnOr(_) if about == Some(actor.device) => Ok(()),
        Needs::Scope(scope) | Needs::OwnOr(scope) => actor.require(scope),
    }
}

/// Whether a device may say these options. What its project has in the same words was granted to
/// everybody who may send prompts there: an app sends it back with what it changed.
///
/// **Errors**: FORBIDDEN naming the option and the scope, for what lets an agent start programs
/// without a question.
pub(crate) fn check_options(
    actor: &Actor,
    asked: Option<&ExecuteOptions>,
    project: Option<&ExecuteOptions>,
) -> Result<(), ErrorBody> {
    if actor.scopes.has(Scope::Shell) {
        return Ok(());
    }
    let nothing = ExecuteOptions::default();
    let option = asked.and_then(|asked| asked.programs(project.unwrap_or(&nothing)));
    option.map_or(Ok(()), |option| Err(lacks_shell(actor, option)))
}

/// Whether a device may give a project these settings: they hold for everybody's prompts there, which plain
/// commands as its agent would make command lines of.
///
/// **Errors**: FORBIDDEN naming the scope, and the option where it is one.
pub(crate) fn check_settings(
    actor: &Actor,
    asked: &ProjectSettings,
    before: &ProjectSettings,
) -> Result<(), ErrorBody> {
    if asked.agent == Some(AgentKind::Command) && before.agent != asked.agent {
        actor.require(Scope::Shell)?;
    }
    check_options(actor, asked.options.as_ref(), before.options.as_ref())
}

/// Whether a device may say this mode of a running turn.
pub(crate) fn check_mode(actor: &Actor, mode: PermissionMode) -> Result<(), ErrorBody> {
    let asked = ExecuteOptions { permission_mode: Some(mode), ..ExecuteOptions::default() };
    check_options(actor, Some(&asked), None)
}

/// A command that was accepted from somebody else is to begin again.
pub(crate) fn lacks_shell_for(
    command_id: CommandId,
    option: Option<&'static str>,
    has: Scopes,
) -> ErrorBody {
    let what = match option {
        Some(option) => {
            format!("has the option {option}, with which its agent could start programs unasked")
        }
        None => "is a plain command".to_owned(),
    };
    let scope = Scope::Shell;
    let message = format!(
        "command {command_id} {what}; to have it begin again needs the scope {scope}, \
         which this device lacks (it has: {has})"
    );
    ErrorBody::new(ErrorCode::Forbidden, message).with_details(
        serde_json::json!({ "scope": scope, "option": option, "command_id": command_id }),
    )
}

/// Words are to go into a turn that was begun with wider rights.
pub(crate) fn wider_turn(command_id: CommandId, option: &'static str, has: Scopes) -> ErrorBody {
    let scope = Scope::Shell;
    let message = format!(
        "the running turn (command {command_id}) has the option {option}, with which its agent could start \
         programs unasked; to give it words needs the scope {scope}, which this device lacks (it has: {has}). \
         With the mode queue they get a turn of their own"
    );
    ErrorBody::new(ErrorCode::Forbidden, message).with_details(
        serde_json::json!({ "scope": scope, "option": option, "command_id": command_id }),
    )
}

fn lacks_shell(actor: &Actor, option: &str) -> ErrorBody {
    let (scope, has) = (Scope::Shell, actor.scopes);
    let message = format!(
        "with this {option} the agent could start programs unasked; that needs the scope {scope}, \
         which this device lacks (it has: {has})"
    );
    ErrorBody::new(ErrorCode::Forbidden, message)
        .with_details(serde_json::json!({ "scope": scope, "option": option }))
}
