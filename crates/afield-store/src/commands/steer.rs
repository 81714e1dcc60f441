//! Prompts that go into the running turn: offered to the runner that works on it, taken by its
//! agent, over with the turn. One that is not taken waits first in its lane like any other.

use afield_proto::agent::AgentKind;
use afield_proto::command::{CommandState, Outcome, OutcomeKind};
use afield_proto::fact::Fact;
use afield_proto::queue::{Steer, WaitReason};
use afield_proto::runner::{Attempt, RunnerSteer};
use afield_proto::{CommandId, DeviceId, OrgId, SessionId, Timestamp};

use super::accept::{Accept, SubmitCommand};
use super::payload::{StoredPayload, prompt_message};
use super::{
    CommandRow, command_row, end, find_locked, lane, locked, rights, save, stop, with_lane,
};
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Store};

statements! {
    TURN = "SELECT id, agent, session_id FROM commands \
        WHERE project = ?1 AND state IN ('leased', 'running') AND into_id IS NULL";
    LAST_OFFERED = "SELECT id FROM commands WHERE into_id = ?1 AND lane = ?2 \
        AND finished_at IS NULL ORDER BY position DESC LIMIT 1";
    SAVE_STEER = "UPDATE commands SET steer = ?2, into_id = ?3 WHERE id = ?1";
    /// What goes into the turns of a runner. What is held does not.
    OFFERED = "SELECT c.id, c.project, CAST(CASE WHEN c.held_by IS NOT NULL OR EXISTS (SELECT 1 \
        FROM holds h WHERE h.org_id = ?1 AND h.target IN ('', p.runner_id, p.id)) \
        THEN 1 ELSE 0 END AS BIGINT), c.payload, t.id, t.attempt, t.fence, t.state \
        FROM commands c JOIN projects p ON p.number = c.project JOIN commands t ON t.id = c.into_id \
        WHERE c.into_id IS NOT NULL AND c.finished_at IS NULL AND p.org_id = ?1 \
        AND p.runner_id = ?2 AND p.deleted_at IS NULL AND c.state <> 'running' ORDER BY c.id";
    INTO = concat!("SELECT ", command_columns!(), commands!(),
        " WHERE c.into_id = ?1 AND c.finished_at IS NULL ORDER BY c.id FOR UPDATE OF c");
    PAYLOAD = "SELECT payload FROM commands WHERE id = ?1";
}

/// What a command aims at when it is accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Aim {
    pub(crate) steer: Option<Steer>,
    pub(crate) into: Option<CommandId>,
}

/// Words to be given to an agent in its turn.
#[derive(Debug, Clone)]
pub struct SteerOrder {
    /// What the runner is told.
    pub order: RunnerSteer,
    /// The lease of the command that carries the words.
    pub fence: u64,
}

/// What is to go into the turns of a runner.
#[derive(Debug, Clone, Default)]
pub struct Offers {
    /// What its runner is told now.
    pub orders: Vec<SteerOrder>,
    /// Others wait: for the turn to begin, or to be released.
    pub more: bool,
}

impl Store {
    /// Gives a runner the words that go into the turns it works on; again what it was given and
    /// nobody heard of.
    pub async fn offer_steers(
        &self,
        org: OrgId,
        runner_id: DeviceId,
        now: Timestamp,
    ) -> Result<Offers, Error> {
        self.write((org, runner_id, now), offer_steers).await
    }

    /// The agent does not take these words: they are first in the queue instead.
    pub async fn refuse_steer(
        &self,
        org: OrgId,
        id: CommandId,
        fence: u64,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write((org, id, fence, now), refuse_steer).await
    }
}

/// The turn a command goes into, if it is to go into one and there is one that takes it.
///
/// **Errors**: [`crate::Refusal::WiderTurn`]
pub(super) async fn aim(tx: &mut Tx, submit: &SubmitCommand, project: i64) -> Result<Aim, Error> {
    let Accept::Steer(by) = submit.accept else { return Ok(Aim::default()) };
    let turn = tx
        .opt(&TURN, params![project], |row| {
            let found: (CommandId, AgentKind) = (row.id(0)?, row.word(1)?);
            Ok((found, row.opt_id::<SessionId>(2)?))
        })
        .await?;
    let in_session = |of_turn| submit.session_id.is_none() || submit.session_id == of_turn;
    Ok(match turn {
        Some(((_, AgentKind::Command), _)) => Aim { steer: Some(Steer::Refused), into: None },
        Some(((id, _), session)) if in_session(session) => {
            rights::check_words(tx, id, by).await?;
            Aim { steer: Some(Steer::Offered), into: Some(id) }
        }
        Some(_) | None => Aim { steer: Some(Steer::Idle), into: None },
    })
}

/// The one it stands behind: what goes into the same turn keeps its order.
pub(super) async fn behind(tx: &mut Tx, aim: Aim, lane: &str) -> Result<Option<CommandId>, Error> {
    match aim.into {
        Some(turn) => tx.opt(&LAST_OFFERED, params![turn, lane], |row| row.id(0)).await,
        None => Ok(None),
    }
}

/// Writes what became of the wish to go into a turn.
pub(super) async fn save_aim(tx: &mut Tx, id: CommandId, aim: Aim) -> Result<(), Error> {
    let steer = aim.steer.map(Steer::name);
    tx.execute(&SAVE_STEER, params![id, steer, aim.into]).await.map(drop)
}

/// What a command waits for that is on its way into a turn.
pub(super) fn reason(steer: Option<Steer>, reason: Option<WaitReason>) -> Option<WaitReason> {
    match (steer, reason) {
        (Some(Steer::Offered), Some(WaitReason::Order)) => Some(WaitReason::Runner),
        (_, reason) => reason,
    }
}

/// One that is on its way, and the turn it goes into.
struct Offered {
    id: CommandId,
    project: i64,
    held: bool,
    payload: StoredPayload,
    turn: Attempt,
    turn_runs: bool,
}

async fn offer_steers(
    tx: &mut Tx,
    (org, runner_id, now): &(OrgId, DeviceId, Timestamp),
) -> Result<Offers, Error> {
    let offered = tx
        .all(&OFFERED, params![org, runner_id], |row| {
            let attempt = u32::try_from(row.int(5)?).unwrap_or(u32::MAX);
            let turn = Attempt { command_id: row.id(4)?, attempt, fence: row.count(6)? };
            let (id, project, held) = (row.id(0)?, row.int(1)?, row.int(2)? != 0);
            let (payload, turn_runs) = (row.json(3)?, row.text(7)? == "running");
            Ok(Offered { id, project, held, payload, turn, turn_runs })
        })
        .await?;
    let mut offers = Offers::default();
    for offered in offered {
        lane::lock(tx, offered.project).await?;
        let row = locked(tx, *org, offered.id).await?;
        if row.command.into != Some(offered.turn.command_id) {
            continue;
        }
        let again = row.command.state == CommandState::Leased;
        if !offered.turn_runs || (offered.held && !again) {
            offers.more = true;
            continue;
        }
        let fence = if again { row.fence } else { lease(tx, row, *now).await? };
        let Offered { id, turn, payload, .. } = offered;
        let StoredPayload { prompt, attachments, .. } = payload;
        let order = RunnerSteer { attempt: turn, command_id: id, prompt, attachments };
        offers.orders.push(SteerOrder { order, fence });
    }
    Ok(offers)
}

/// It may be given to the agent at any moment. An attempt it is only then.
async fn lease(tx: &mut Tx, mut row: CommandRow, now: Timestamp) -> Result<u64, Error> {
    row.fence += 1;
    row.command.leased_at = Some(now);
    row.enter(CommandState::Leased);
    save(tx, &row).await?;
    row.tell(tx, now);
    Ok(row.fence)
}

async fn refuse_steer(
    tx: &mut Tx,
    (org, id, fence, now): &(OrgId, CommandId, u64, Timestamp),
) -> Result<(), Error> {
    let row = with_lane(tx, *org, *id).await?;
    let offered = row.command.state == CommandState::Leased && row.command.into.is_some();
    match offered && row.fence == *fence {
        true => back(tx, row, Steer::Refused, *now).await,
        false => Ok(()),
    }
}

/// The runner wrote that the agent is given these words. What is over stays so.
pub(crate) async fn taken(
    tx: &mut Tx,
    turn: &CommandRow,
    id: CommandId,
    at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(mut row) = find_locked(tx, turn.org, id).await? else { return Ok(()) };
    let waits = matches!(row.command.state, CommandState::Queued | CommandState::Leased);
    if row.project != turn.project || row.command.steer.is_none() || !waits || row.fence == 0 {
        return Ok(());
    }
    if row.command.state == CommandState::Queued {
        row.command.leased_at = Some(at);
        row.enter(CommandState::Leased);
    }
    let aim = Aim { steer: Some(Steer::Taken), into: Some(turn.command.id) };
    (row.command.steer, row.command.into) = (aim.steer, aim.into);
    row.command.session_id = turn.command.session_id;
    row.command.attempt += 1;
    row.command.started_at = Some(at);
    row.enter(CommandState::Running);
    save(tx, &row).await?;
    save_aim(tx, id, aim).await?;
    let payload: StoredPayload = tx.one(&PAYLOAD, params![id], |row| row.json(0)).await?;
    let said = prompt_message(&row.command, &payload, now);
    tx.tell_project(row.org, row.command.project_id, &Fact::AgentMessage(said), now);
    row.tell(tx, now);
    Ok(())
}

/// A turn is over: what went into it is over as it is, what was on its way is first in the queue.
/// The caller keeps the lanes of the project from changing.
pub(crate) async fn turn_over(
    tx: &mut Tx,
    turn: &CommandRow,
    kind: OutcomeKind,
    now: Timestamp,
) -> Result<(), Error> {
    for mut row in tx.all(&INTO, params![turn.command.id], command_row).await? {
        if row.command.state != CommandState::Running {
            back(tx, row, Steer::Missed, now).await?;
            continue;
        }
        let outcome = Outcome::new(kind)
            .with_message(format!("it went into the turn of command {}", turn.command.id));
        end(tx, &mut row, kind.final_state(), Some(outcome), now).await?;
        row.tell(tx, now);
    }
    Ok(())
}

/// It waits in its lane like any other, or is over when somebody cancelled it meanwhile.
async fn back(tx: &mut Tx, mut row: CommandRow, steer: Steer, now: Timestamp) -> Result<(), Error> {
    let aim = Aim { steer: Some(steer), into: None };
    let id = row.command.id;
    (row.command.steer, row.command.into) = (aim.steer, aim.into);
    row.command.leased_at = None;
    row.command.state = CommandState::Queued;
    if row.command.kill_requested_by.is_some() {
        stop::cancelled(tx, &mut row, now).await?;
    } else {
        row.refresh();
        save(tx, &row).await?;
        row.tell(tx, now);
    }
    // Last: what is beside a turn must not look like one.
    save_aim(tx, id, aim).await
}
