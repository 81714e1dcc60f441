//! What runners report: records of attempts, how busy they are, messages to relay.

use afield_proto::agent::AgentMessage;
use afield_proto::command::Command;
use afield_proto::fact::Fact;
use afield_proto::live::RunnerBeat;
use afield_proto::runner::{Acknowledged, RunnerPartial, RunnerRecords};
use afield_proto::{CommandId, ErrorBody, ProjectId, Timestamp, Topic, wire};

use crate::core::Core;
use crate::error::from_store;
use crate::registry;
use crate::socket::conn::Conn;

/// Records of an attempt: applied, then acknowledged.
pub(crate) async fn records(
    core: &Core,
    conn: &Conn,
    batch: RunnerRecords,
) -> Result<Acknowledged, ErrorBody> {
    let command = batch.attempt.command_id;
    let (org, runner) = (conn.actor().org, conn.actor().device);
    let applied = core.store.apply_records(org, runner, batch, Timestamp::now()).await;
    let applied = applied.map_err(from_store)?;
    if applied.attempt_over {
        judge(core, conn, &applied.command);
        core.is_final(command);
        core.released(&applied.command);
    } else if applied.executing_changed {
        core.runners.turn_began(runner);
    }
    Ok(applied.acknowledged)
}

/// What the end of an attempt says about its runner.
fn judge(core: &Core, conn: &Conn, command: &Command) {
    let Some(outcome) = &command.outcome else { return };
    let (runner, now) = (conn.actor().device, Timestamp::now());
    if let Some(until) = core.routing.breakers.ended(runner, outcome.kind, now) {
        tracing::warn!(%runner, %until, "it keeps failing; no more is sent there by selector");
    }
    // A success may have closed its breaker.
    core.routing.again.beat(conn.actor().org);
}

/// How busy a runner is, at once. `false` for one that may not say so here.
pub(crate) fn beat_now(core: &Core, conn: &Conn, beat: &RunnerBeat) -> bool {
    let link = conn.is_runner().then(|| core.runners.get(conn.actor().device)).flatten();
    let link = link.filter(|link| link.conn.id() == conn.id() && registry::is_sound(beat));
    core.routing.again.beat(conn.actor().org);
    link.map(|link| link.beat(beat.clone())).is_some()
}

/// Messages to relay, of a command this runner works on.
pub(crate) async fn partial(
    core: &Core,
    conn: &Conn,
    partial: RunnerPartial,
) -> Result<(), ErrorBody> {
    let project = command_project(core, conn, partial.attempt.command_id).await?;
    relay(core, project, partial.messages);
    Ok(())
}

/// The same, at once, when the command's project is known. `false` when it must be asked for.
pub(crate) fn partial_now(core: &Core, conn: &Conn, partial: &mut RunnerPartial) -> bool {
    let link = conn.is_runner().then(|| core.runners.get(conn.actor().device)).flatten();
    let project = link.and_then(|link| link.project(partial.attempt.command_id));
    let Some(project) = project else { return false };
    relay(core, project, std::mem::take(&mut partial.messages));
    true
}

fn relay(core: &Core, project: ProjectId, messages: Vec<AgentMessage>) {
    let topic = Topic::Project(project);
    if core.topics.is_followed(&topic) {
        let now = Timestamp::now();
        for message in messages {
            let body = wire::fact_body(Some(project), &Fact::AgentMessage(message));
            core.topics.relay(topic, &body, now);
        }
    }
}

/// The project of a command of this runner.
///
/// **Errors**: NOT_FOUND for commands of others.
async fn command_project(
    core: &Core,
    conn: &Conn,
    command: CommandId,
) -> Result<ProjectId, ErrorBody> {
    let actor = conn.actor();
    let link = core.runners.require(actor.device)?;
    if let Some(project) = link.project(command) {
        return Ok(project);
    }
    let found = core.store.command(actor.org, command).await.map_err(from_store)?;
    if found.runner_id != actor.device {
        return Err(crate::error::not_found("command"));
    }
    link.projects().insert(command, found.project_id);
    Ok(found.project_id)
}
