//! A person decides what became of a command nobody hears of.

use afield_flow::command as life;
use afield_proto::command::{Command, CommandState, Outcome, OutcomeKind};
use afield_proto::device::Scopes;
use afield_proto::fact::Fact;
use afield_proto::queue::{EXPIRY, Resolution};
use afield_proto::{CommandId, DeviceId, OrgId, Timestamp};

use super::back::again;
use super::stop::{end_kills, in_a_turn};
use super::{CommandRow, changed, end, not_possible, rights, steer, with_lane};
use crate::tx::Tx;
use crate::{Error, Store, approvals, projects};

impl Store {
    /// Decides what became of a command that a runner was given and nobody hears of, or that was
    /// interrupted.
    ///
    /// **Errors**: [`crate::Refusal::NotPossible`] in any other state; [`crate::Refusal::LacksShell`] when it is to
    /// begin again and whoever asks could not submit it.
    pub async fn resolve_command(
        &self,
        org: OrgId,
        id: CommandId,
        resolution: Resolution,
        by: (DeviceId, Scopes),
        now: Timestamp,
    ) -> Result<Command, Error> {
        self.write((org, id, resolution, by, now), resolve_command).await
    }
}

/// Which, how, who decides and what they may do, now.
type Resolve = (OrgId, CommandId, Resolution, (DeviceId, Scopes), Timestamp);

async fn resolve_command(
    tx: &mut Tx,
    (org, id, resolution, (by, scopes), now): &Resolve,
) -> Result<Command, Error> {
    let mut row = with_lane(tx, *org, *id).await?;
    if *resolution == Resolution::Requeue {
        rights::check(tx, &row, *scopes).await?;
    }
    let state = row.command.state;
    match state {
        CommandState::Interrupted if *resolution == Resolution::Requeue => {
            let expires_at = row.command.expires_at.filter(|at| at > now);
            let expires_at = expires_at.unwrap_or(now.plus(EXPIRY));
            return again(tx, row, expires_at, *now).await;
        }
        CommandState::Interrupted | CommandState::Leased | CommandState::Running => {}
        _ => {
            return Err(not_possible(format!(
                "the command is {}: only what is leased, running or interrupted needs a decision",
                state.name()
            )));
        }
    }
    let outcome = resolved(*resolution, *by);
    if state == CommandState::Interrupted {
        row.command.state = outcome.kind.final_state();
        row.command.outcome = Some(outcome);
        let command = changed(tx, row.clone(), *now).await?;
        let project = projects::locked(tx, *org, command.project_id).await?;
        // What ended in between tells more about the project than this.
        if project.reason.as_deref() == Some(OutcomeKind::Interrupted.name()) {
            release_project(tx, &row, *now).await?;
        }
        return Ok(command);
    }
    if row.command.into.is_some() {
        return Err(in_a_turn(&row));
    }
    steer::turn_over(tx, &row, outcome.kind, *now).await?;
    let requeue = *resolution == Resolution::Requeue;
    let end_state = if requeue { CommandState::Interrupted } else { outcome.kind.final_state() };
    end(tx, &mut row, end_state, Some(outcome), *now).await?;
    release_project(tx, &row, *now).await?;
    row.tell(tx, *now);
    match requeue {
        true => again(tx, row, now.plus(EXPIRY), *now).await,
        false => Ok(row.command),
    }
}

fn resolved(resolution: Resolution, by: DeviceId) -> Outcome {
    let (kind, what) = match resolution {
        Resolution::Succeeded => (OutcomeKind::Succeeded, "as done"),
        Resolution::Failed => (OutcomeKind::Failed, "as failed"),
        Resolution::Requeue => (OutcomeKind::Interrupted, "to start again"),
    };
    Outcome::new(kind).with_message(format!("decided {what} by device {by}"))
}

/// Nothing works on the project any more.
async fn release_project(tx: &mut Tx, row: &CommandRow, now: Timestamp) -> Result<(), Error> {
    approvals::withdraw(tx, row.org, row.command.id, approvals::Withdraw::All, now).await?;
    end_kills(tx, row.project, now).await?;
    let mut project = projects::locked(tx, row.org, row.command.project_id).await?;
    let outcome = row.command.outcome.clone();
    let outcome = outcome.unwrap_or_else(|| Outcome::new(OutcomeKind::Interrupted));
    let (state, reason) = life::project_after(&outcome);
    (project.state, project.reason, project.last_active) = (state, reason, now);
    projects::save(tx, &project).await?;
    tx.tell_org(row.org, project.id, &Fact::ProjectState(project.clone()), now);
    Ok(())
}
