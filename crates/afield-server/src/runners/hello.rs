//! How a runner comes and goes: what is agreed with it, what it may not have received, who is told.

use std::sync::Arc;
use std::time::Duration;

use afield_proto::fact::{Fact, RunnerState};
use afield_proto::runner::{RunnerFacts, RunnerHello, RunnerWelcome};
use afield_proto::wire::{self, CorrelationId};
use afield_proto::{ErrorBody, ErrorCode, Timestamp};

use super::{Link, deliver};
use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::registry::{self, Agreed};
use crate::socket::conn::Conn;

/// First request of a runner: agree on what each side has, then deliver.
///
/// Answers by itself, so that the reply comes before the first order.
pub(crate) async fn hello(
    core: &Arc<Core>,
    conn: &Arc<Conn>,
    id: Option<&CorrelationId>,
    hello: RunnerHello,
) -> Result<(), ErrorBody> {
    let agreed = Agreed::with(&hello)?;
    hello.facts.check().map_err(|reason| invalid(format!("facts: {reason}")))?;
    let (org, runner) = (conn.actor().org, conn.actor().device);
    let now = Timestamp::now();
    // How busy it is now says nothing about it once it is away.
    let lasting = RunnerFacts { load: None, ..hello.facts.clone() };
    core.store.record_runner_facts(org, runner, &lasting, now).await.map_err(from_store)?;
    let acknowledged =
        core.store.reconcile_runner(org, runner, &hello.attempts, now).await.map_err(from_store)?;
    // What ended by that may have kept others waiting.
    core.clock.look_again();
    let link = Arc::new(Link::new(Arc::clone(conn), agreed, hello.facts));
    let before = core.runners.links().insert(runner, Arc::clone(&link));
    if let Some(before) = before {
        before.deliver.notify_one();
        if before.conn.id() != conn.id() {
            before.conn.close(ErrorCode::Conflict, "this runner has connected again");
        }
    }
    let welcome = RunnerWelcome {
        runner_id: runner,
        protocol: link.agreed.protocol,
        features: link.agreed.features.clone(),
        acknowledged,
        ping_interval_ms: u64::try_from(core.limits().ping_interval.as_millis())
            .unwrap_or(u64::MAX),
    };
    conn.reply(&wire::reply_frame("runner_hello", id, None, &welcome));
    tracing::info!(%runner, name = conn.actor().device_name, "runner connected");
    announce(core, conn, Some(&link)).await;
    redeliver_answers(core, &link).await;
    tokio::spawn(deliver(Arc::clone(core), Arc::clone(&link)));
    link.deliver.notify_one();
    core.routing.again.look(org, Duration::ZERO);
    Ok(())
}

async fn announce(core: &Core, conn: &Conn, link: Option<&Link>) {
    let mut state = RunnerState {
        name: conn.actor().device_name.clone(),
        last_seen_at: Some(Timestamp::now()),
        ..RunnerState::unknown(conn.actor().device)
    };
    if let Some(link) = link {
        registry::connected(core, &mut state, link);
    }
    core.record_org_fact(conn.actor().org, &Fact::RunnerState(state)).await;
}

/// Answers the runner may not have received.
async fn redeliver_answers(core: &Core, link: &Link) {
    let actor = link.conn.actor();
    match core.store.answers_to_deliver(actor.org, actor.device).await {
        Ok(answers) => {
            for answer in answers {
                link.order("runner_answer", &answer);
            }
        }
        Err(error) => tracing::error!(%error, "can't read the answers of a runner"),
    }
}

/// A runner's connection ended.
pub(crate) async fn left(core: &Core, conn: &Conn) {
    let runner = conn.actor().device;
    let Some(link) = core.runners.remove(runner, conn) else { return };
    link.pending().clear();
    link.deliver.notify_one();
    tracing::info!(%runner, name = conn.actor().device_name, "runner disconnected");
    announce(core, conn, None).await;
    core.routing.again.look(conn.actor().org, core.limits().failover_grace);
    let seen = core.store.record_device_seen(runner, None, Timestamp::now()).await;
    if let Err(error) = seen {
        tracing::warn!(%error, "can't record when a runner was last seen");
    }
}
