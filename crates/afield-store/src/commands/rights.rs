//! Who may have a command begin that was accepted from somebody else and is over, or more often or later than it
//! was accepted: who could submit it as it is now.
//!
//! Asked in the transaction that does it: what a command carries may be changed by others at any time. What
//! only orders, holds and releases asks nothing, for nothing begins by it that was not accepted.

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
    let read = |row: &crate::sql::Row<'_>| {
        Ok((row.json::<StoredPayload>(0)?, row.json::<ProjectSettings>(1)?))
    };
    let (payload, settings) = tx.one(&CARRIES, params![command.id], read).await?;
    // With the project's own options in it, which hold for everybody's prompts.
    let option = payload.options.programs(&settings.options.unwrap_or_default());
    match command.agent == AgentKind::Command || option.is_some() {
        true => Err(Refusal::LacksShell { command_id: command.id, option, has: by }.into()),
        false => Ok(()),
    }
}
