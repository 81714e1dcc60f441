//! Accepting a command: the shortest way from a caller to the disk.
//!
//! Everything that can be made outside of the transaction is (see [`Draft`]); inside it one row is
//! read and two are written.

use std::sync::Arc;

use afield_flow::queue::{POSITION_STEP, waiting_for};
use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::attachment::Attachment;
use afield_proto::command::{Command, CommandKind, CommandState, Outcome, OutcomeKind};
use afield_proto::device::Scopes;
use afield_proto::fact::Fact;
use afield_proto::queue::{Payload, Place, Priority, RetryPolicy};
use afield_proto::route::RouteWish;
use afield_proto::{
    CommandId, DeviceId, ErrorCode, OrgId, ProjectId, RequestId, SessionId, Timestamp,
};

use super::payload::{StoredPayload, encode_payload, summary};
use super::routes::NewRoute;
use super::steer::{self, Aim};
use super::{COLUMNS, CommandRow, command_row, lane, stop};
use crate::sql::{Row, params, statements, to_json};
use crate::tx::{Tx, encoded};
use crate::{Error, Refusal, Store, commands, sessions, uploads};

statements! {
    /// What accepting a command needs to know of its project, and nothing more.
    SLOT = "SELECT p.number, p.runner_id, (SELECT MAX(c.position) FROM commands c \
        WHERE c.project = p.number AND c.lane = ?3 AND c.finished_at IS NULL) FROM projects p \
        WHERE p.id = ?2 AND p.org_id = ?1 AND (p.deleted_at IS NULL OR p.path = '')";
    LOCK_SLOT = "SELECT number FROM projects WHERE id = ?1 FOR UPDATE";
    BUSY = "SELECT id FROM commands WHERE project = ?1 AND head = 1 AND kind <> 'kill' \
        ORDER BY id LIMIT 1";
    INSERT_COMMAND = "INSERT INTO commands (id, org_id, project, session_id, request_id, \
        submitted_by, key, kind, agent, summary, payload, state, attempt, attempts_before, fence, \
        applied, created_at, since, lane, position, head, due_at, for_limit, expires_at, wake_at, \
        priority, held_by, retry, submitted_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'queued', 0, 0, 0, 0, ?12, ?12, ?13, ?14, \
        ?15, ?16, 0, ?17, ?18, ?19, ?20, ?21, ?22)";
    BY_KEY = concat!("SELECT ", command_columns!(), ", c.payload, c.edited, r.wish, r.ask",
        commands!(), " LEFT JOIN routes r ON r.command_id = c.id \
        WHERE c.submitted_by = ?1 AND c.key = ?2");
}

/// When a command is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Only while nothing else of the project waits or runs.
    Immediate,
    /// Behind what waits in its lane.
    Queue,
    /// Before what waits in its lane.
    First,
    /// Into the running turn, by a device that may do this; before what waits in its lane, when there is no turn
    /// that takes it.
    Steer(Scopes),
}

/// A command to be accepted.
#[derive(Debug, Clone)]
pub struct SubmitCommand {
    /// The org.
    pub org: OrgId,
    /// The project.
    pub project_id: ProjectId,
    /// The device that asks.
    pub submitted_by: DeviceId,
    /// What it asks for.
    pub kind: CommandKind,
    /// The agent that works on it.
    pub agent: AgentKind,
    /// What to do.
    pub prompt: String,
    /// How, with the project's own options already in it.
    pub options: ExecuteOptions,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
    /// The device's own mark; a repetition gives the first command.
    pub key: Option<String>,
    /// Follows the work through all logs.
    pub request_id: RequestId,
    /// Where in the order.
    pub accept: Accept,
    /// Another session than the project's own at the time it starts.
    pub session_id: Option<SessionId>,
    /// Ordering key.
    pub order: Option<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// It does not start before.
    pub not_before: Option<Timestamp>,
    /// It does not start after.
    pub expires_at: Option<Timestamp>,
    /// How it is tried again; not at all when absent.
    pub retry: Option<RetryPolicy>,
    /// Held from the beginning.
    pub hold: bool,
    /// When its sender gave it away, where that was earlier.
    pub submitted_at: Option<Timestamp>,
}

/// A command that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// The command.
    pub command: Command,
    /// It had been accepted before; nothing was changed.
    pub duplicate: bool,
}

impl Store {
    /// Accepts a command: when this returns, it is on disk.
    ///
    /// **Errors**: [`Refusal::ProjectNotFound`], [`Refusal::KeyConflict`],
    /// [`Refusal::ProcessActive`], [`Refusal::SessionNotFound`], [`Refusal::WiderTurn`].
    pub async fn submit_command(
        &self,
        submit: SubmitCommand,
        now: Timestamp,
    ) -> Result<Submitted, Error> {
        let draft = Draft::guess(&submit, self.last_slot(submit.project_id), now);
        let id = submit.project_id;
        let submitted = self.write((submit, draft, now), submit_command).await?;
        self.remember_slot(id, &submitted.command);
        Ok(submitted)
    }
}

/// What accepting a command needs to know of its project.
struct Slot {
    number: i64,
    runner_id: DeviceId,
    /// The last place of its lane that is taken.
    last: Option<i64>,
}

/// A command as it will be accepted, encoded before its turn: the transaction is short.
///
/// Made from what the project's last command told about runner and lane. The transaction looks,
/// and drafts anew when that is no longer so.
pub(super) struct Draft {
    command: Command,
    head: bool,
    lane: String,
    payload: String,
    /// The command's state, encoded.
    accepted: Arc<str>,
}

impl Draft {
    fn guess(
        submit: &SubmitCommand,
        slot: Option<(DeviceId, bool)>,
        now: Timestamp,
    ) -> Option<Self> {
        let slot = slot.filter(|_| !matches!(submit.accept, Accept::Steer(_)));
        slot.map(|(runner_id, head)| {
            let id = CommandId::generate();
            let lane = lane(submit, id, false, now);
            Self::new(submit, id, lane, (runner_id, head), Aim::default(), now)
        })
    }

    fn new(
        submit: &SubmitCommand,
        id: CommandId,
        lane: String,
        (runner_id, head): (DeviceId, bool),
        aim: Aim,
        now: Timestamp,
    ) -> Self {
        let command = accepted(submit, id, (runner_id, head), aim, now);
        let fact = Fact::CommandState(command.clone());
        let accepted = encoded(Some(submit.project_id), &fact);
        let payload = encode_payload(&submit.prompt, &submit.options, &submit.attachments);
        Self { payload, head, lane, accepted, command }
    }

    fn fits(&self, runner_id: DeviceId, head: bool) -> bool {
        self.command.runner_id == runner_id && self.head == head
    }
}

/// What is not to start yet has a lane of its own, unless it was given one: it keeps nobody waiting.
/// So has what waits for a runner.
fn lane(submit: &SubmitCommand, id: CommandId, unplaced: bool, now: Timestamp) -> String {
    let early = submit.not_before.is_some_and(|at| at > now);
    let alone = early || unplaced || submit.kind == CommandKind::Kill;
    lane::lane_of(order(submit), submit.session_id, alone.then_some(id))
}

/// Its ordering key. A kill has none: it waits only for what it stops.
fn order(submit: &SubmitCommand) -> Option<&str> {
    submit.order.as_deref().filter(|_| submit.kind != CommandKind::Kill)
}

async fn submit_command(
    tx: &mut Tx,
    (submit_command, draft, now): &(SubmitCommand, Option<Draft>, Timestamp),
) -> Result<Submitted, Error> {
    submit(tx, (submit_command, draft.as_ref()), None, *now).await
}

/// Accepts a command; with the `route` it came by, when it was sent to whichever runner fits.
pub(super) async fn submit(
    tx: &mut Tx,
    (submit, draft): (&SubmitCommand, Option<&Draft>),
    route: Option<&NewRoute>,
    now: Timestamp,
) -> Result<Submitted, Error> {
    let unplaced = route.is_some_and(|route| route.decision.project_id.is_none());
    let fresh = CommandId::generate();
    let id = draft.map_or(fresh, |draft| draft.command.id);
    let lane = match draft {
        Some(draft) => draft.lane.clone(),
        None => lane(submit, id, unplaced, now),
    };
    tx.lock(&LOCK_SLOT, params![submit.project_id]).await?;
    let slot = tx.opt(&SLOT, params![submit.org, submit.project_id, lane], slot).await?;
    let slot = slot.ok_or(Refusal::ProjectNotFound)?;
    if let Some(command) = repeated(tx, submit, route).await? {
        return Ok(Submitted { command, duplicate: true });
    }
    if let Some(session) = submit.session_id {
        sessions::check(tx, submit.org, submit.project_id, session).await?;
    }
    let aim = steer::aim(tx, submit, slot.number).await?;
    let place = place(tx, submit, &slot, &lane, aim).await?;
    let made;
    let draft = match draft.filter(|draft| draft.fits(slot.runner_id, place.head)) {
        Some(draft) => draft,
        None => {
            let at = (slot.runner_id, place.head);
            made = Draft::new(submit, id, lane.clone(), at, aim, now);
            &made
        }
    };
    insert(tx, submit, &slot, &place, draft).await?;
    uploads::attach(tx, submit.org, draft.command.id, &submit.attachments, now).await?;
    if aim.steer.is_some() {
        steer::save_aim(tx, draft.command.id, aim).await?;
    }
    tx.tell_encoded(submit.org, submit.project_id, &draft.accepted, now);
    let command = match submit.kind {
        CommandKind::Kill => kill(tx, submit, draft.command.id, slot.number, now).await?,
        _ => draft.command.clone(),
    };
    Ok(Submitted { command, duplicate: false })
}

/// Where a new command goes.
struct Position {
    at: i64,
    head: bool,
}

async fn place(
    tx: &mut Tx,
    submit: &SubmitCommand,
    slot: &Slot,
    lane: &str,
    aim: Aim,
) -> Result<Position, Error> {
    if submit.accept == Accept::Immediate {
        let busy: Option<CommandId> = tx.opt(&BUSY, params![slot.number], |row| row.id(0)).await?;
        if let Some(command_id) = busy {
            return Err(Refusal::ProcessActive { command_id }.into());
        }
    }
    match (submit.accept, slot.last) {
        (_, None) => Ok(Position { at: POSITION_STEP, head: true }),
        (Accept::First | Accept::Steer(_), Some(_)) => {
            let (project, org) = (slot.number, submit.org);
            let behind = steer::behind(tx, aim, lane).await?;
            let to = behind.map_or(Place::First, Place::After);
            let (_, at) = lane::find(tx, org, project, lane, to, None).await?;
            if behind.is_some() {
                return Ok(Position { at, head: false });
            }
            let head = lane::demote(tx, project, lane).await?;
            Ok(Position { at, head })
        }
        (Accept::Immediate | Accept::Queue, Some(last)) => {
            let at = match planted::is("fifo") {
                true => last - 1 - i64::from(submit.request_id.uuid().as_u128() as u16),
                false => last + POSITION_STEP,
            };
            Ok(Position { at, head: planted::is("heads") })
        }
    }
}

fn slot(row: &Row<'_>) -> Result<Slot, Error> {
    Ok(Slot { number: row.int(0)?, runner_id: row.id(1)?, last: row.opt_int(2)? })
}

/// A kill marks what its project works on, and ends with it; without such work it is over at once.
async fn kill(
    tx: &mut Tx,
    submit: &SubmitCommand,
    id: CommandId,
    project: i64,
    now: Timestamp,
) -> Result<Command, Error> {
    let mut row = commands::locked(tx, submit.org, id).await?;
    if !stop::mark_killed(tx, project, submit.submitted_by, now).await? {
        let outcome = Outcome {
            code: Some(ErrorCode::ProcessNotFound),
            ..Outcome::new(OutcomeKind::Failed).with_message("nothing was running")
        };
        commands::end(tx, &mut row, CommandState::Failed, Some(outcome), now).await?;
        row.tell(tx, now);
    }
    Ok(row.command)
}

/// What a key was used for first.
struct First {
    row: CommandRow,
    payload: StoredPayload,
    /// What it was submitted with is no longer known.
    edited: bool,
    /// What was asked for, when it was sent to whichever runner fits.
    asked: Option<(RouteWish, Payload)>,
}

fn first(row: &Row<'_>) -> Result<First, Error> {
    let edited = row.int(COLUMNS + 1)? != 0;
    let asked = row.opt_json(COLUMNS + 2)?.zip(row.opt_json(COLUMNS + 3)?);
    Ok(First { row: command_row(row)?, payload: row.json(COLUMNS)?, edited, asked })
}

/// The command this device already submitted with this key. One that was sent to whichever runner
/// fits is the same by what was asked for, wherever the first one went.
async fn repeated(
    tx: &mut Tx,
    submit: &SubmitCommand,
    route: Option<&NewRoute>,
) -> Result<Option<Command>, Error> {
    let Some(key) = submit.key.as_ref().filter(|_| !planted::is("dedupe")) else {
        return Ok(None);
    };
    let found = tx.opt(&BY_KEY, params![submit.submitted_by, key], first).await?;
    let Some(first) = found else { return Ok(None) };
    let same = match route {
        Some(route) => is_asked(submit, route, &first),
        None => is_same(submit, &first.row, &first.payload),
    };
    match first.edited || same {
        true => Ok(Some(first.row.command)),
        false => Err(Refusal::KeyConflict { command_id: first.row.command.id }.into()),
    }
}

fn is_same(submit: &SubmitCommand, first: &CommandRow, payload: &StoredPayload) -> bool {
    let asked = (submit.org, submit.project_id, submit.kind, submit.agent);
    let Command { project_id, kind, agent, .. } = first.command;
    asked == (first.org, project_id, kind, agent)
        && payload.prompt == submit.prompt
        && payload.options == submit.options
        && payload.attachments == submit.attachments
}

fn is_asked(submit: &SubmitCommand, route: &NewRoute, first: &First) -> bool {
    let asked = first.asked.as_ref();
    asked.is_some_and(|(wish, ask)| *wish == route.wish && *ask == route.ask)
        && first.payload.prompt == submit.prompt
}

fn accepted(
    submit: &SubmitCommand,
    id: CommandId,
    (runner_id, head): (DeviceId, bool),
    aim: Aim,
    now: Timestamp,
) -> Command {
    let held_by = (submit.hold && !planted::is("hold")).then_some(submit.submitted_by);
    let due_at = submit.not_before.filter(|at| *at > now);
    let reason = waiting_for(CommandState::Queued, submit.hold, due_at.is_some(), head);
    Command {
        id,
        project_id: submit.project_id,
        runner_id,
        session_id: submit.session_id,
        kind: submit.kind,
        agent: submit.agent,
        state: CommandState::Queued,
        waiting_for: steer::reason(aim.steer, reason).map(|reason| reason.name().to_owned()),
        summary: summary(submit.kind, &submit.prompt, &submit.options),
        priority: submit.priority,
        key: submit.key.clone(),
        order: order(submit).map(str::to_owned),
        not_before: due_at,
        expires_at: submit.expires_at,
        held_by,
        steer: aim.steer,
        into: aim.into,
        kill_requested_by: None,
        attempt: 0,
        submitted_by: submit.submitted_by,
        created_at: now,
        leased_at: None,
        started_at: None,
        finished_at: None,
        outcome: None,
    }
}

async fn insert(
    tx: &mut Tx,
    submit: &SubmitCommand,
    slot: &Slot,
    place: &Position,
    draft: &Draft,
) -> Result<(), Error> {
    let command = &draft.command;
    let wake_at = match place.head {
        true => [command.not_before, command.expires_at].into_iter().flatten().min(),
        false => command.expires_at,
    };
    let retry = submit.retry.as_ref().map(to_json);
    let (kind, agent) = (command.kind.name(), command.agent.name());
    let (head, level) = (i64::from(place.head), command.priority.level());
    let key = if planted::is("dedupe") { &None } else { &submit.key };
    let values = params![
        command.id,
        submit.org,
        slot.number,
        command.session_id,
        submit.request_id,
        command.submitted_by,
        key,
        kind,
        agent,
        command.summary,
        draft.payload,
        command.created_at,
        draft.lane,
        place.at,
        head,
        command.not_before,
        command.expires_at,
        wake_at,
        level,
        command.held_by,
        retry,
        submit.submitted_at,
    ];
    tx.execute(&INSERT_COMMAND, values).await.map(drop)
}
