//! Commands that were sent to whichever runner fits: accepted with the decision, shown with it, and
//! given another place as long as no runner was ever given them.
//!
//! Invariant: a command that was leased once is never given to another runner from here. Whether it
//! was begun could be known to its runner alone.

use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::command::{Command, CommandKind, CommandState};
use afield_proto::fact::Fact;
use afield_proto::project::ProjectSettings;
use afield_proto::queue::{Hold, Payload};
use afield_proto::route::{DECISIONS_MAX, Route, RouteDecision, RouteWish};
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, Timestamp};

use super::accept::{self, SubmitCommand, Submitted};
use super::payload::{StoredPayload, encode_payload};
use super::{CommandRow, find_locked, hold, lane, room};
use crate::sql::{Row, params, statements, to_json};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

/// Commands looked at in one pass.
const WAITING_MAX: i64 = 500;

statements! {
    INSERT = "INSERT INTO routes (command_id, org_id, wish, ask, decisions, waits) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    ROUTE = "SELECT wish, decisions FROM routes WHERE command_id = ?1";
    DECISIONS = "SELECT decisions FROM routes WHERE command_id = ?1";
    SET_DECISIONS = "UPDATE routes SET decisions = ?2 WHERE command_id = ?1";
    WAITING = "SELECT r.command_id, r.wish, r.ask, c.state, c.attempt, p.id, p.runner_id, c.agent, \
        c.kind FROM routes r LEFT JOIN commands c ON c.id = r.command_id \
        LEFT JOIN projects p ON p.number = c.project \
        WHERE r.org_id = ?1 AND r.waits = 1 AND r.command_id > ?2 ORDER BY r.command_id LIMIT ?3";
    /// It may have been put back meanwhile.
    STILL = "SELECT id FROM commands WHERE id = ?1 AND state = 'queued' AND attempt = 0";
    WAITS = "SELECT waits FROM routes WHERE command_id = ?1";
    SET_WAITS = "UPDATE routes SET waits = ?2 WHERE command_id = ?1";
    ORGS = "SELECT DISTINCT org_id FROM routes WHERE waits = 1";
    FORGET = "DELETE FROM routes WHERE command_id = ?1";
    PLACE = "SELECT number, runner_id, settings FROM projects \
        WHERE org_id = ?1 AND id = ?2 AND deleted_at IS NULL";
    NUMBER = "SELECT number FROM projects WHERE org_id = ?1 AND id = ?2";
    MOVE = "UPDATE commands SET project = ?2, lane = ?3, position = ?4, head = 0, \
        wake_at = expires_at WHERE id = ?1";
    SET_PAYLOAD = "UPDATE commands SET payload = ?2 WHERE id = ?1 AND edited = 0";
    PAYLOAD = "SELECT payload FROM commands WHERE id = ?1";
    USAGE = "SELECT p.id, COUNT(c.id) FROM projects p \
        LEFT JOIN commands c ON c.project = p.number AND c.finished_at IS NULL \
        WHERE p.org_id = ?1 AND p.runner_id = ?2 AND p.deleted_at IS NULL GROUP BY p.id";
    PLACES = "SELECT id, runner_id, path, settings FROM projects \
        WHERE org_id = ?1 AND deleted_at IS NULL";
    PROJECT_OF_SESSION = "SELECT project_id FROM sessions WHERE org_id = ?1 AND id = ?2";
}

/// What a command was sent with, and the first decision.
#[derive(Debug, Clone)]
pub struct NewRoute {
    /// What was asked for.
    pub wish: RouteWish,
    /// What its sender gave, without a project's own options.
    pub ask: Payload,
    /// Where it goes first. Nowhere: it is submitted to the waiting room.
    pub decision: RouteDecision,
    /// It may be given another place.
    pub waits: bool,
}

/// A command that may be given another place.
#[derive(Debug, Clone)]
pub struct WaitingRoute {
    /// Which.
    pub id: CommandId,
    /// What was asked for.
    pub wish: RouteWish,
    /// What its sender gave.
    pub ask: Payload,
    /// The project it is in.
    pub project_id: ProjectId,
    /// Its runner.
    pub runner_id: DeviceId,
    /// The agent that works on it.
    pub agent: AgentKind,
    /// What it asks for.
    pub kind: CommandKind,
    /// It is in the waiting room.
    pub unplaced: bool,
}

/// A page of them.
#[derive(Debug, Clone, Default)]
pub struct WaitingRoutes {
    /// Those that may be given another place.
    pub waiting: Vec<WaitingRoute>,
    /// Those of which that is no longer so.
    settled: Vec<CommandId>,
    /// There may be more behind this one.
    pub after: Option<CommandId>,
}

/// A command to be given another place.
#[derive(Debug, Clone)]
pub struct PlaceCommand {
    /// Which.
    pub id: CommandId,
    /// Where it was when this was decided.
    pub from: ProjectId,
    /// What its sender gave.
    pub ask: Payload,
    /// Where it goes, and why.
    pub decision: RouteDecision,
}

/// A project as far as placing needs to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceRow {
    /// Which.
    pub id: ProjectId,
    /// Its runner.
    pub runner_id: DeviceId,
    /// Its directory.
    pub path: String,
    /// What its owner chose.
    pub settings: ProjectSettings,
}

impl Store {
    /// Accepts a command together with the decision where it goes. A repetition is one by what its
    /// sender asked for, wherever the first one went.
    ///
    /// **Errors**: as [`Store::submit_command`].
    pub async fn submit_routed(
        &self,
        submit: SubmitCommand,
        route: NewRoute,
        now: Timestamp,
    ) -> Result<Submitted, Error> {
        self.write((submit, route, now), submit_routed).await
    }

    /// Commands of an org that may be given another place, oldest first, behind `after`; a page.
    pub async fn waiting_routes(
        &self,
        org: OrgId,
        after: Option<CommandId>,
    ) -> Result<WaitingRoutes, Error> {
        let page = self.read((org, after), waiting_routes).await?;
        if !page.settled.is_empty() {
            self.write(page.settled.clone(), settle).await?;
        }
        Ok(page)
    }

    /// The orgs that have such commands.
    pub async fn orgs_with_routes(&self) -> Result<Vec<OrgId>, Error> {
        self.read((), orgs_with_routes).await
    }

    /// Gives a command another place. `None` when that may not be any more: it was given to a
    /// runner, is held, over, or elsewhere by now.
    ///
    /// **Errors**: [`Refusal::ProjectNotFound`] when the place is gone.
    pub async fn place_command(
        &self,
        org: OrgId,
        place: PlaceCommand,
        now: Timestamp,
    ) -> Result<Option<Command>, Error> {
        self.write((org, place, now), place_command).await
    }

    /// How many commands that are not over each project of a runner has.
    pub async fn runner_usage(
        &self,
        org: OrgId,
        runner_id: DeviceId,
    ) -> Result<Vec<(ProjectId, u64)>, Error> {
        self.read((org, runner_id), runner_usage).await
    }

    /// The live projects of an org, as far as placing needs to know them.
    pub async fn places(&self, org: OrgId) -> Result<Vec<PlaceRow>, Error> {
        self.read(org, places).await
    }

    /// The project a session belongs to.
    ///
    /// **Errors**: [`Refusal::SessionNotFound`]
    pub async fn project_of_session(
        &self,
        org: OrgId,
        session: afield_proto::SessionId,
    ) -> Result<ProjectId, Error> {
        self.look((org, session), project_of_session).await
    }
}

async fn project_of_session(
    tx: &mut Tx,
    (org, session): &(OrgId, afield_proto::SessionId),
) -> Result<ProjectId, Error> {
    let found = tx.opt(&PROJECT_OF_SESSION, params![org, session], |row| row.id(0)).await?;
    Ok(found.ok_or(Refusal::SessionNotFound)?)
}

async fn places(tx: &mut Tx, org: &OrgId) -> Result<Vec<PlaceRow>, Error> {
    tx.all(&PLACES, params![org], |row| {
        Ok(PlaceRow {
            id: row.id(0)?,
            runner_id: row.id(1)?,
            path: row.text(2)?.to_owned(),
            settings: row.json(3)?,
        })
    })
    .await
}

async fn runner_usage(
    tx: &mut Tx,
    (org, runner_id): &(OrgId, DeviceId),
) -> Result<Vec<(ProjectId, u64)>, Error> {
    tx.all(&USAGE, params![org, runner_id], |row| Ok((row.id(0)?, row.count(1)?))).await
}

async fn orgs_with_routes(tx: &mut Tx, (): &()) -> Result<Vec<OrgId>, Error> {
    tx.all(&ORGS, params![], |row| row.id(0)).await
}

async fn submit_routed(
    tx: &mut Tx,
    (submit, route, now): &(SubmitCommand, NewRoute, Timestamp),
) -> Result<Submitted, Error> {
    let submitted = accept::submit(tx, (submit, None), Some(route), *now).await?;
    if submitted.duplicate {
        return Ok(submitted);
    }
    let (wish, ask) = (to_json(&route.wish), to_json(&route.ask));
    let (decisions, waits) = (to_json(&[&route.decision]), i64::from(route.waits));
    let values = params![submitted.command.id, submit.org, wish, ask, decisions, waits];
    tx.execute(&INSERT, values).await?;
    Ok(submitted)
}

async fn waiting_routes(
    tx: &mut Tx,
    (org, after): &(OrgId, Option<CommandId>),
) -> Result<WaitingRoutes, Error> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let room = room::room(tx, org).await?;
    let read = |row: &Row<'_>| {
        let id: CommandId = row.id(0)?;
        Ok((id, if is_settled(row)? { None } else { Some(waiting_route(row, id, room)?) }))
    };
    let found = tx.all(&WAITING, params![org, after, WAITING_MAX], read).await?;
    let last = found.last().map(|(id, _)| *id);
    let after = last.filter(|_| found.len() as i64 == WAITING_MAX);
    let mut page = WaitingRoutes { after, ..WaitingRoutes::default() };
    for (id, route) in found {
        match route {
            Some(route) => page.waiting.push(route),
            None => page.settled.push(id),
        }
    }
    Ok(page)
}

async fn settle(tx: &mut Tx, settled: &Vec<CommandId>) -> Result<(), Error> {
    for id in settled {
        let waits = tx.opt(&STILL, params![id], |_| Ok(())).await?.is_some();
        set_waits(tx, *id, waits).await?;
    }
    Ok(())
}

/// It was given to a runner, is over or gone: nothing will be decided about it any more.
fn is_settled(row: &Row<'_>) -> Result<bool, Error> {
    let queued = row.opt_text(3)? == Some(CommandState::Queued.name());
    Ok(!queued || row.int(4)? > 0)
}

fn waiting_route(
    row: &Row<'_>,
    id: CommandId,
    room: Option<ProjectId>,
) -> Result<WaitingRoute, Error> {
    let project_id = row.id(5)?;
    Ok(WaitingRoute {
        id,
        wish: row.json(1)?,
        ask: row.json(2)?,
        project_id,
        runner_id: row.id(6)?,
        agent: row.word(7)?,
        kind: row.word(8)?,
        unplaced: room == Some(project_id),
    })
}

/// Whether a command may be given another place.
pub(crate) async fn waits(tx: &mut Tx, id: CommandId) -> Result<bool, Error> {
    Ok(tx.opt(&WAITS, params![id], |row| row.int(0)).await? == Some(1))
}

/// Sets whether a command may be given another place.
pub(super) async fn set_waits(tx: &mut Tx, id: CommandId, waits: bool) -> Result<(), Error> {
    tx.execute(&SET_WAITS, params![id, i64::from(waits)]).await.map(drop)
}

/// How a command came to where it is, if it was sent to whichever runner fits.
pub(super) async fn route(tx: &mut Tx, command: &Command) -> Result<Option<Route>, Error> {
    let found = tx
        .opt(&ROUTE, params![command.id], |row| {
            Ok((row.json::<RouteWish>(0)?, row.json::<Vec<RouteDecision>>(1)?))
        })
        .await?;
    Ok(found.map(|(wish, decisions)| {
        let placed = decisions.iter().any(|decision| decision.project_id.is_some());
        Route { wish, placed, decisions }
    }))
}

/// Forgets it with its command.
pub(super) async fn forget(tx: &mut Tx, id: CommandId) -> Result<(), Error> {
    tx.execute(&FORGET, params![id]).await.map(drop)
}

/// A project that is to take a command.
struct Goal {
    number: i64,
    runner_id: DeviceId,
    settings: ProjectSettings,
}

fn goal(row: &Row<'_>) -> Result<Goal, Error> {
    Ok(Goal { number: row.int(0)?, runner_id: row.id(1)?, settings: row.json(2)? })
}

async fn place_command(
    tx: &mut Tx,
    (org, place, now): &(OrgId, PlaceCommand, Timestamp),
) -> Result<Option<Command>, Error> {
    let to = place.decision.project_id.ok_or(Refusal::ProjectNotFound)?;
    let goal = tx.opt(&PLACE, params![org, to], goal).await?.ok_or(Refusal::ProjectNotFound)?;
    let from = tx.opt(&NUMBER, params![org, place.from], |row| row.int(0)).await?;
    let from = from.ok_or(Refusal::ProjectNotFound)?;
    // Both, in one order for everybody, and before the command: as whoever leases does.
    for number in [from.min(goal.number), from.max(goal.number)] {
        lane::lock(tx, number).await?;
    }
    let Some(row) = find_locked(tx, *org, place.id).await? else { return Ok(None) };
    let unplaced = room::room(tx, org).await? == Some(place.from);
    if from == goal.number || row.project != from || !may_move(tx, &row, unplaced).await? {
        return Ok(None);
    }
    go(tx, &row, &goal, place, *now).await?;
    decided(tx, place).await?;
    let moved = super::locked(tx, *org, place.id).await?;
    moved.tell(tx, *now);
    // Who follows the old place learns where it went.
    tx.tell_project(*org, place.from, &Fact::CommandState(moved.command.clone()), *now);
    Ok(Some(moved.command))
}

/// What was never given to a runner, and nobody bound to its place.
async fn may_move(tx: &mut Tx, row: &CommandRow, unplaced: bool) -> Result<bool, Error> {
    let command = &row.command;
    let fresh = command.state == CommandState::Queued && command.attempt == 0 && row.fence == 0;
    let bound = command.held_by.is_some()
        || command.kill_requested_by.is_some()
        || command.steer.is_some()
        || command.session_id.is_some()
        || (command.order.is_some() && !unplaced);
    let held = hold::holds(tx, &row.org).await?.iter().any(|hold| keeps(hold, command));
    Ok((fresh && !bound && !held) || planted::is("may_move"))
}

fn keeps(hold: &Hold, command: &Command) -> bool {
    match (hold.project_id, hold.runner_id) {
        (Some(project), _) => project == command.project_id,
        (None, Some(runner)) => runner == command.runner_id,
        (None, None) => true,
    }
}

/// Out of its lane, behind the others of its new one.
async fn go(
    tx: &mut Tx,
    row: &CommandRow,
    goal: &Goal,
    place: &PlaceCommand,
    now: Timestamp,
) -> Result<(), Error> {
    let id = row.command.id;
    let early = row.due_at.is_some_and(|due| due > now).then_some(id);
    let lane = lane::lane_of(row.command.order.as_deref(), None, early);
    let position = lane::last(tx, goal.number, &lane).await?;
    tx.execute(&MOVE, params![id, goal.number, lane, position]).await?;
    lane::promote(tx, row.project, &row.lane).await?;
    lane::promote(tx, goal.number, &lane).await?;
    let payload = tx.one(&PAYLOAD, params![id], |row| row.json::<StoredPayload>(0)).await?;
    let options = options(&place.ask, &goal.settings);
    let payload = encode_payload(&payload.prompt, &options, &payload.attachments);
    tx.execute(&SET_PAYLOAD, params![id, payload]).await?;
    debug_assert_eq!(place.decision.runner_id, Some(goal.runner_id));
    Ok(())
}

/// What its sender gave, with the new project's own options in it.
fn options(ask: &Payload, settings: &ProjectSettings) -> ExecuteOptions {
    let base = settings.options.clone().unwrap_or_default();
    ask.options.clone().unwrap_or_default().or(&base)
}

async fn decided(tx: &mut Tx, place: &PlaceCommand) -> Result<(), Error> {
    let read = |row: &Row<'_>| row.json::<Vec<RouteDecision>>(0);
    let mut decisions = tx.one(&DECISIONS, params![place.id], read).await?;
    decisions.push(place.decision.clone());
    let surplus = decisions.len().saturating_sub(DECISIONS_MAX);
    decisions.drain(..surplus);
    tx.execute(&SET_DECISIONS, params![place.id, to_json(&decisions)]).await.map(drop)
}
