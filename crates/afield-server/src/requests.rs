//! Requests over the WebSocket: from a frame to its one reply.
//!
//! Says which requests run alone, fills in the joined project, catches panics, and calls the
//! module that knows the matter.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use afield_proto::fact::Fact;
use afield_proto::queue::Target;
use afield_proto::request::{
    Empty, ProjectJoin, ProjectJoinReply, Request, Subscribe, SubscribeReply,
};
use afield_proto::wire::{self, CorrelationId, Incoming};
use afield_proto::{ErrorBody, ErrorCode, ProjectId, RequestId, Topic};
use futures::FutureExt as _;
use serde::Serialize;
use serde_json::value::RawValue;
use tracing::Instrument as _;

use crate::auth::scopes;
use crate::core::Core;
use crate::error::{from_store, internal, invalid, not_found};
use crate::socket::codec;
use crate::socket::conn::{Actor, Conn};
use crate::socket::drive::Received;
use crate::topics::Form;
use crate::{
    audit, blobs, commands, devices, handoff, health, history, messages, pairing, presence,
    projects, push, queue, registry, runners, sessions, state,
};

/// Whether a frame of a runner answers an order. Orders are numbered, requests are not.
pub(crate) fn is_order_reply(frame: &Incoming) -> bool {
    const ORDERS: [&str; 7] = [
        "runner_inspect",
        "error",
        "runner_resolve_path",
        "runner_kill",
        "runner_set_mode",
        "runner_steer",
        "runner_measure",
    ];
    frame.id.is_some() && ORDERS.contains(&frame.kind.as_str())
}

/// Carries out what waits for nothing, and gives back what does.
///
/// Relaying is worth it: a message to be handed on makes no future, no span and no request id.
pub(crate) fn handle_now(
    core: &Core,
    conn: &Conn,
    received: Received,
) -> Option<(Incoming, Box<Request>)> {
    match received {
        Received::Request(frame, mut request) => {
            let relayed = match &mut *request {
                Request::RunnerPartial(ask) => runners::partial_now(core, conn, ask),
                Request::RunnerBeat(beat) => runners::beat_now(core, conn, beat),
                _ => false,
            };
            (!relayed).then_some((frame, request))
        }
        Received::Reply(frame) => {
            runners::replied(core, conn, frame);
            None
        }
        Received::Refused(id, error) => {
            conn.reply(&wire::error_frame(id.as_ref(), &error));
            None
        }
    }
}

/// Carries out a request of a client, and answers it.
pub(crate) async fn handle(
    core: Arc<Core>,
    conn: Arc<Conn>,
    mut frame: Incoming,
    request: Box<Request>,
) {
    // The request was read out of it, and it may be long.
    frame.data = None;
    let request_id = RequestId::generate();
    let name = request.name();
    let span = tracing::debug_span!("request", %request_id, name, conn = conn.id());
    let served = serve(&core, &conn, &frame, *request, request_id).instrument(span);
    let outcome = AssertUnwindSafe(served).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|panic| Err(internal(&panic_text(panic.as_ref()))));
    match outcome {
        Ok(Some(reply)) => conn.reply(&reply),
        Ok(None) => {}
        Err(mut error) => {
            error.request_id = Some(request_id);
            tracing::debug!(%request_id, name, code = %error.code, "refused");
            conn.reply(&wire::error_frame(frame.id.as_ref(), &error));
        }
    }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a handler panicked: {}", text.unwrap_or_default())
}

/// The text of a reply frame; `None` when it was sent already or there is none.
type Served = Result<Option<String>, ErrorBody>;

async fn serve(
    core: &Arc<Core>,
    conn: &Arc<Conn>,
    frame: &Incoming,
    mut request: Request,
    request_id: RequestId,
) -> Served {
    scopes::check(conn.actor(), &request)?;
    let project_id = fill_project(conn, frame, &mut request);
    let id = frame.id.as_ref();
    let context = Context { name: request.name(), id, project_id };
    match request {
        Request::ProjectJoin(ask) => join(core, conn, id, ask).await,
        Request::ProjectLeave(_) => leave(core, conn, context),
        Request::Subscribe(ask) => subscribe(core, conn, id, ask).await,
        Request::Unsubscribe(ask) => {
            core.unfollow(conn, &ask.topic);
            context.reply(&Empty {})
        }
        Request::HandoffTake(ask) => context.reply(&handoff::take(core, conn, ask).await?),
        Request::DeviceInbox(_) => {
            // The reply first, then what is held.
            conn.reply(&wire::reply_frame(context.name, id, None, &Empty {}));
            messages::listen(core, conn);
            Ok(None)
        }
        Request::DeviceLooking(ask) => context.reply(&push::looking(conn, &ask)),
        Request::RunnerHello(ask) => {
            runners::hello(core, conn, id, ask).await?;
            Ok(None)
        }
        Request::RunnerRecords(ask) => context.reply(&runners::records(core, conn, ask).await?),
        Request::RunnerPartial(ask) => {
            runners::partial(core, conn, ask).await?;
            Ok(None)
        }
        Request::RunnerBeat(beat) => Err(registry::refuse_beat(&beat)),
        Request::ProjectCreate(ask) => {
            let project = projects::create(core, conn.actor(), ask).await?;
            follow_as_cause(core, conn, project.id, Some(0)).await?;
            Context { project_id: Some(project.id), ..context }.reply(&project)
        }
        Request::CommandSubmit(ask) => {
            // Nobody overtakes while the end of the project's log is read.
            let turn = queue::turn(core, conn.actor(), &ask).await;
            follow_cause(core, conn, project_id).await?;
            let submit = queue::submit(core, conn.actor(), ask, request_id, turn);
            context.reply(&Box::pin(submit).await?)
        }
        request => {
            if causes_facts(&request) {
                follow_cause(core, conn, project_id).await?;
            }
            // Boxed: the largest of all, and moved with the rest before it starts.
            let data = Box::pin(perform(core, conn.actor(), request, request_id)).await?;
            context.reply(&data)
        }
    }
}

/// Carries out a request that needs no connection: the same for WebSocket and REST. Whoever calls
/// has asked [`scopes`] whether it may be.
///
/// **Errors**: those of the request; VALIDATION_FAILED for one that needs a connection.
pub(crate) async fn perform(
    core: &Arc<Core>,
    actor: &Actor,
    request: Request,
    request_id: RequestId,
) -> Result<Box<RawValue>, ErrorBody> {
    match request {
        Request::ProjectCreate(ask) => json(&projects::create(core, actor, ask).await?),
        Request::ProjectList(_) => json(&projects::list(core, actor).await?),
        Request::ProjectGet(ask) => json(&projects::get(core, actor, ask).await?),
        Request::ProjectUpdate(ask) => json(&projects::update(core, actor, ask).await?),
        Request::ProjectDelete(ask) => json(&projects::delete(core, actor, ask).await?),
        Request::Execute(ask) => json(&commands::execute(core, actor, ask, request_id).await?),
        Request::AgentNewSession(ask) => json(&commands::new_session(core, actor, ask).await?),
        Request::AgentKill(ask) => json(&commands::kill(core, actor, ask).await?),
        Request::AgentInterrupt(ask) => json(&commands::interrupt(core, actor, ask).await?),
        Request::AgentSetMode(ask) => json(&commands::set_mode(core, actor, ask).await?),
        Request::GetMessages(ask) => json(&history::messages(core, actor, ask).await?),
        Request::MessageSearch(ask) => json(&history::search(core, actor, ask).await?),
        Request::HealthCheckAsk(_) => json(&health::check(core, actor).await?),
        Request::CommandSubmit(ask) => {
            let turn = queue::turn(core, actor, &ask).await;
            json(&queue::submit(core, actor, ask, request_id, turn).await?)
        }
        Request::CommandShow(ask) => json(&queue::show(core, actor, ask).await?),
        Request::CommandExplain(ask) => json(&queue::explain_command(core, actor, ask).await?),
        Request::CommandCancel(ask) => json(&queue::cancel(core, actor, ask).await?),
        Request::CommandEdit(ask) => json(&queue::edit(core, actor, ask).await?),
        Request::CommandMove(ask) => json(&queue::move_command(core, actor, ask).await?),
        Request::CommandHold(ask) => json(&queue::hold(core, actor, ask).await?),
        Request::CommandRelease(ask) => json(&queue::release(core, actor, ask).await?),
        Request::HoldList(_) => json(&queue::holds(core, actor).await?),
        Request::CommandRetry(ask) => json(&queue::retry(core, actor, ask).await?),
        Request::CommandPurge(ask) => json(&queue::purge(core, actor, ask).await?),
        Request::CommandResolve(ask) => json(&queue::resolve(core, actor, ask).await?),
        Request::BlobGet(ask) => json(&queue::blob(core, actor, ask).await?),
        Request::SessionList(ask) => json(&sessions::list(core, actor, ask).await?),
        Request::SessionGet(ask) => json(&sessions::get(core, actor, ask).await?),
        Request::SessionMove(ask) => json(&sessions::move_session(core, actor, ask).await?),
        Request::CommandGet(ask) => json(&commands::get(core, actor, ask).await?),
        Request::CommandList(ask) => json(&commands::list(core, actor, ask).await?),
        Request::ApprovalList(ask) => json(&commands::approvals(core, actor, ask).await?),
        Request::ApprovalAnswer(ask) => json(&commands::answer(core, actor, ask).await?),
        Request::DeviceCreate(ask) => json(&devices::create(core, actor, ask).await?),
        Request::DeviceLink(ask) => json(&pairing::link(core, actor, ask).await?),
        Request::DeviceList(_) => json(&devices::list(core, actor).await?),
        Request::DeviceRevoke(ask) => json(&devices::revoke(core, actor, ask).await?),
        Request::DeviceRevokeOthers(ask) => json(&devices::revoke_others(core, actor, ask).await?),
        Request::DeviceForget(ask) => json(&devices::forget(core, actor, ask).await?),
        Request::DeviceSetScopes(ask) => json(&devices::set_scopes(core, actor, ask).await?),
        Request::DeviceRename(ask) => json(&devices::rename(core, actor, ask).await?),
        Request::DeviceLabel(ask) => json(&registry::label(core, actor, ask).await?),
        Request::DevicePairStart(ask) => json(&pairing::start(core, actor, ask).await?),
        Request::DevicePairStatus(ask) => json(&pairing::status(core, actor, ask).await?),
        Request::DevicePairList(_) => json(&pairing::list(core, actor).await?),
        Request::DevicePairDecide(ask) => json(&pairing::decide(core, actor, ask).await?),
        Request::AuditList(ask) => json(&audit::list(core, actor, ask).await?),
        Request::AuditVerify(ask) => json(&audit::verify(core, actor, ask).await?),
        Request::HandoffGet(_) => json(&handoff::get(core, actor).await?),
        Request::HandoffMove(ask) => json(&handoff::move_to(core, actor, ask).await?),
        Request::HandoffOffer(ask) => json(&handoff::offer(core, actor, ask).await?),
        Request::HandoffRelease(ask) => json(&handoff::release(core, actor, ask).await?),
        Request::DeviceMessageSend(ask) => json(&messages::message(core, actor, ask).await?),
        Request::DeviceBroadcast(ask) => json(&messages::broadcast(core, actor, ask).await?),
        Request::DeviceMessageAck(ask) => json(&messages::acknowledge(core, actor, ask).await?),
        Request::DevicePresenceAsk(_) => json(&presence::list(core, actor).await?),
        Request::PushKey(_) => json(&push::key(core)),
        Request::PushSubscribe(ask) => json(&push::subscribe(core, actor, ask).await?),
        Request::PushUnsubscribe(_) => json(&push::unsubscribe(core, actor).await?),
        Request::PushSettingsAsk(ask) => json(&push::settings(core, actor, ask).await?),
        Request::PushTest(_) => json(&push::test(core, actor).await?),
        Request::PushLog(ask) => json(&push::log(core, actor, ask).await?),
        Request::RunnerBlob(ask) => json(&blobs::part(core, actor, ask).await?),
        Request::RunnerSleep(_) => json(&presence::sleep(core, actor)?),
        Request::StateGet(ask) => json(&state::get(core, actor, ask).await?),
        Request::StateSet(ask) => json(&state::set(core, actor, ask).await?),
        Request::RunnerList(_) => json(&registry::runners(core, actor).await?),
        Request::ProjectJoin(_)
        | Request::ProjectLeave(_)
        | Request::Subscribe(_)
        | Request::Unsubscribe(_)
        | Request::HandoffTake(_)
        | Request::DeviceInbox(_)
        | Request::DeviceLooking(_)
        | Request::RunnerHello(_)
        | Request::RunnerBeat(_)
        | Request::RunnerRecords(_)
        | Request::RunnerPartial(_) => {
            Err(invalid(format!("{} needs a WebSocket connection", request.name())))
        }
    }
}

fn json(reply: &impl Serialize) -> Result<Box<RawValue>, ErrorBody> {
    serde_json::value::to_raw_value(reply).map_err(|error| internal(&error))
}

/// Requests whose facts go to their sender as well as to followers.
fn causes_facts(request: &Request) -> bool {
    matches!(
        request,
        Request::ProjectDelete(_)
            | Request::Execute(_)
            | Request::AgentNewSession(_)
            | Request::AgentKill(_)
    )
}

/// What every reply repeats.
#[derive(Clone, Copy)]
struct Context<'a> {
    name: &'static str,
    id: Option<&'a CorrelationId>,
    project_id: Option<ProjectId>,
}

impl Context<'_> {
    fn reply(self, data: &impl Serialize) -> Served {
        Ok(Some(wire::reply_frame(self.name, self.id, self.project_id, data)))
    }
}

/// Fills in the project named at the top of the frame, or the joined one, and returns it.
fn fill_project(conn: &Conn, frame: &Incoming, request: &mut Request) -> Option<ProjectId> {
    let (slot, by_join) = match request {
        Request::ProjectGet(ask) => (&mut ask.project_id, true),
        Request::ProjectUpdate(ask) => (&mut ask.project_id, true),
        Request::ProjectDelete(ask) => (&mut ask.project_id, true),
        Request::ProjectJoin(ask) => (&mut ask.project_id, false),
        Request::ProjectLeave(ask) => (&mut ask.project_id, true),
        Request::Execute(ask) => (&mut ask.project_id, true),
        Request::AgentNewSession(ask) => (&mut ask.project_id, true),
        Request::AgentKill(ask) => (&mut ask.project_id, true),
        Request::AgentInterrupt(ask) => (&mut ask.project_id, true),
        Request::AgentSetMode(ask) => (&mut ask.project_id, true),
        Request::GetMessages(ask) => (&mut ask.project_id, true),
        Request::CommandSubmit(ask) => match &mut ask.target {
            Some(target) => return target.project_id,
            None => {
                let joined = frame.project_id.or_else(|| conn.joined())?;
                ask.target = Some(Target { project_id: Some(joined), ..Target::default() });
                return Some(joined);
            }
        },
        Request::CommandList(ask) => (&mut ask.project_id, false),
        Request::ApprovalList(ask) => (&mut ask.project_id, false),
        Request::SessionList(ask) => (&mut ask.project_id, false),
        _ => return None,
    };
    let joined = || if by_join { conn.joined() } else { None };
    *slot = slot.or(frame.project_id).or_else(joined);
    *slot
}

/// Makes sure that the connection sees the facts its request is about to cause, also when it did
/// not join the project.
async fn follow_cause(
    core: &Core,
    conn: &Arc<Conn>,
    project: Option<ProjectId>,
) -> Result<(), ErrorBody> {
    let Some(project) = project else { return Ok(()) };
    if conn.follows(&Topic::Project(project)) {
        return Ok(());
    }
    core.store.project(conn.actor().org, project).await.map_err(from_store)?;
    follow_as_cause(core, conn, project, None).await
}

async fn follow_as_cause(
    core: &Core,
    conn: &Arc<Conn>,
    project: ProjectId,
    after: Option<u64>,
) -> Result<(), ErrorBody> {
    let topic = Topic::Project(project);
    if conn.follows(&topic) {
        return Ok(());
    }
    core.follow(conn, topic, Form::Fact, after, |_, _| None).await
}

async fn join(
    core: &Core,
    conn: &Arc<Conn>,
    id: Option<&CorrelationId>,
    ask: ProjectJoin,
) -> Served {
    let project_id = projects::named(ask.project_id)?;
    let project = core.store.project(conn.actor().org, project_id).await.map_err(from_store)?;
    if let Some(before) = conn.joined().filter(|before| *before != project_id) {
        core.unfollow(conn, &Topic::Project(before));
    }
    conn.set_joined(Some(project_id));
    let state = Fact::ProjectState(project.clone());
    let topic = Topic::Project(project_id);
    core.follow(conn, topic, Form::Fact, ask.after, |seq, verdict| {
        let reply = ProjectJoinReply { project, seq, verdict };
        Some(codec::text_frame(&wire::reply_frame("project_join", id, Some(project_id), &reply)))
    })
    .await?;
    // Older clients wait for the state as a fact.
    let body = wire::fact_body(Some(project_id), &state);
    conn.reply(&wire::fact_frame(&body, None, afield_proto::Timestamp::now()).concat());
    Ok(None)
}

fn leave(core: &Core, conn: &Conn, context: Context<'_>) -> Served {
    let project_id = projects::named(context.project_id)?;
    core.unfollow(conn, &Topic::Project(project_id));
    if conn.joined() == Some(project_id) {
        conn.set_joined(None);
    }
    context.reply(&Empty {})
}

async fn subscribe(
    core: &Core,
    conn: &Arc<Conn>,
    id: Option<&CorrelationId>,
    ask: Subscribe,
) -> Served {
    let topic = ask.topic;
    check_topic(core, conn.actor(), topic).await?;
    core.follow(conn, topic, Form::Event, ask.after, |seq, verdict| {
        let reply = SubscribeReply { topic, seq, verdict };
        Some(codec::text_frame(&wire::reply_frame("subscribe", id, None, &reply)))
    })
    .await?;
    Ok(None)
}

/// **Errors**: NOT_FOUND, PROJECT_NOT_FOUND or FORBIDDEN for topics that are not the actor's.
async fn check_topic(core: &Core, actor: &Actor, topic: Topic) -> Result<(), ErrorBody> {
    match topic {
        // A waiting room is followed like a project.
        Topic::Project(project) => {
            core.store.settings(actor.org, project).await.map_err(from_store).map(drop)
        }
        Topic::Org(org) if org == actor.org => Ok(()),
        Topic::User(user) if user == actor.user => Ok(()),
        Topic::Org(_) | Topic::User(_) => {
            Err(ErrorBody::new(ErrorCode::Forbidden, "this topic belongs to somebody else"))
        }
        Topic::Run(_) => Err(not_found("run")),
    }
}
