//! Who may have a command begin that was accepted from somebody else and is over, or more often or later than it
//! was accepted: who could submit it as it is now. And who may give words to a turn: who could have begun it.
//!
//! Asked in the transaction that does it: what a command carries may be changed by others at any time. What
//! only orders, holds and releases asks nothing, for nothing begins by it that was not accepted.

use afield_proto::CommandId;
use afield_proto::agent::AgentKind;
use afield_proto::device::{Scope, Scopes};
use afield_proto::project::ProjectSettings;

use super::payload::StoredPayload;
use super::{CommandRow, needs_no_runner};
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Refusal};

statements! {
    CARRIES = "SELECT c.payload, p.settings FROM commands c JOIN projects p ON p.number = c.project \
        WHERE c.id = ?1";
}

/// **Errors**: [`Refusal::LacksShell`]
pub(super) async fn check(tx: &mut Tx, row: &CommandRow, by: Scopes) -> Result<(), Error> {
    let command = &row.command;
    if by.has(Scope::Shell) || needs_no_runner(command.kind) {
        return Ok(());
    }
    let option = programs(tx, command.id).await?;
    match command.agent == AgentKind::Command || option.is_some() {
        true => Err(Refusal::LacksShell { command_id: command.id, option, has: by }.into()),
        false => Ok(()),
    }
}

/// **Errors**: [`Refusal::WiderTurn`]
pub(super) async fn check_words(tx: &mut Tx, turn: CommandId, by: Scopes) -> Result<(), Error> {
    if by.has(Scope::Shell) {
        return Ok(());
    }
    match programs(tx, turn).await? {
        Some(option) => Err(Refusal::WiderTurn { command_id: turn, option, has: by }.into()),
        None => Ok(()),
    }
}

/// The option of a command by which its agent could start programs unasked. What its project has in the same
/// words holds for everybody's prompts.
async fn programs(tx: &mut Tx, id: CommandId) -> Result<Option<&'static str>, Error> {
    let read = |row: &crate::sql::Row<'_>| {
        Ok((row.json::<StoredPayload>(0)?, row.json::<ProjectSettings>(1)?))
    };
    let (payload, settings) = tx.one(&CARRIES, params![id], read).await?;
    Ok(payload.options.programs(&settings.options.unwrap_or_default()))
}
