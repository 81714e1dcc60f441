//! Looking again: commands that wait for a runner are placed when one fits, and commands that were
//! not begun move on when theirs is lost.
//!
//! Only what was placed by a selector and never given to a runner is moved; the store decides that
//! once more, under the locks of both projects. A look is asked for by what changed, and several
//! within a moment are one.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use afield_flow::place::{There, Wanted};
use afield_proto::device::Presence;
use afield_proto::route::RouteCause;
use afield_proto::{DeviceId, ErrorBody, OrgId, Timestamp};
use afield_store::{PlaceCommand, WaitingRoute};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::fleet::Fleet;
use super::{decide, needs, parse};
use crate::core::Core;
use crate::error::from_store;
use crate::presence;

/// How long reasons to look are gathered: runners that come back come back together.
const GATHERED: Duration = Duration::from_millis(50);
/// How often a beat is a reason to look, at most.
const BEAT_LOOK: Duration = Duration::from_secs(1);
/// The wait after the store refused.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// When to look again, and where.
#[derive(Default)]
pub(crate) struct Again {
    due: Mutex<HashMap<OrgId, Instant>>,
    /// Orgs with commands in their waiting room.
    waiting: Mutex<HashSet<OrgId>>,
    changed: Notify,
}

impl Again {
    fn due(&self) -> MutexGuard<'_, HashMap<OrgId, Instant>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the commands of an org so long from now, or earlier.
    pub(crate) fn look(&self, org: OrgId, after: Duration) {
        let at = Instant::now() + after.max(GATHERED);
        let mut due = self.due();
        if due.get(&org).is_none_or(|known| at < *known) {
            due.insert(org, at);
            self.changed.notify_one();
        }
    }

    /// Whether commands of an org have nobody.
    pub(super) fn note(&self, org: OrgId, waiting: bool) {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting {
            true => all.insert(org),
            false => all.remove(&org),
        };
    }

    /// A runner has another load: worth a look while commands wait for a runner.
    pub(crate) fn beat(&self, org: OrgId) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).contains(&org);
        if waiting {
            self.look(org, BEAT_LOOK);
        }
    }

    async fn next(&self) -> OrgId {
        loop {
            let first = self.due().iter().min_by_key(|(_, at)| **at).map(|(org, at)| (*org, *at));
            let now = Instant::now();
            match first {
                Some((org, at)) if at <= now => {
                    self.due().remove(&org);
                    return org;
                }
                Some((_, at)) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => {}
                        () = self.changed.notified() => {}
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }
}

/// Runs until it is dropped.
pub(crate) async fn run(core: &Core) {
    begin(core).await;
    loop {
        let org = core.routing.again.next().await;
        if let Err(error) = look(core, org).await {
            tracing::error!(%error, %org, "can't look at the commands that wait for a runner");
            core.routing.again.look(org, AFTER_ERROR);
        }
    }
}

/// What waited when the server stopped: its runners have the grace to come back.
async fn begin(core: &Core) {
    match core.store.orgs_with_routes().await {
        Ok(orgs) => {
            for org in orgs {
                core.routing.again.look(org, core.limits().failover_grace);
            }
        }
        Err(error) => tracing::error!(%error, "can't read which commands wait for a runner"),
    }
}

async fn look(core: &Core, org: OrgId) -> Result<(), ErrorBody> {
    let (mut fleet, mut after, mut unplaced) = (None, None, false);
    loop {
        let page = core.store.waiting_routes(org, after).await.map_err(from_store)?;
        for route in &page.waiting {
            let Some(cause) = cause(core, org, route) else { continue };
            if fleet.is_none() {
                fleet = Some(Fleet::gather(core, org).await?);
            }
            let placed = match &fleet {
                Some(fleet) => consider(core, fleet, route, cause).await?,
                None => false,
            };
            unplaced |= route.unplaced && !placed;
        }
        after = page.after;
        if after.is_none() {
            break;
        }
    }
    core.routing.again.note(org, unplaced);
    if let Some(fleet) = fleet.filter(|_| unplaced) {
        look_when_repaired(core, &fleet);
    }
    Ok(())
}

/// A breaker that lets one more try is a reason to look.
fn look_when_repaired(core: &Core, fleet: &Fleet) {
    let until = fleet.offers.iter().filter_map(|offer| offer.broken).map(|(until, _)| until).min();
    if let Some(until) = until {
        core.routing.again.look(fleet.org, until.since(Timestamp::now()) + GATHERED);
    }
}

/// Why a command should go elsewhere; `None` when it is where it should be.
fn cause(core: &Core, org: OrgId, route: &WaitingRoute) -> Option<RouteCause> {
    if route.unplaced {
        return Some(RouteCause::Fits);
    }
    if presence::of(core, route.runner_id) == Presence::Asleep {
        return Some(RouteCause::Asleep);
    }
    let gone = gone_for(core, route.runner_id)?;
    let grace = core.limits().failover_grace;
    if gone >= grace {
        return Some(RouteCause::Lost);
    }
    core.routing.again.look(org, grace - gone);
    None
}

/// How long a runner has not been connected.
fn gone_for(core: &Core, runner: DeviceId) -> Option<Duration> {
    match core.runners.get(runner) {
        Some(_) => None,
        None => Some(presence::gone_for(core, runner)),
    }
}

/// Gives a command another place, if there is one. Whether it did.
async fn consider(
    core: &Core,
    fleet: &Fleet,
    route: &WaitingRoute,
    cause: RouteCause,
) -> Result<bool, ErrorBody> {
    let (selector, (_, shell_line)) = (parse(&route.wish.selector)?, needs(route.kind, &route.ask));
    let lost = (!route.unplaced).then_some(route.runner_id);
    let wanted = Wanted {
        wish: &route.wish,
        selector: &selector,
        agent: Some(route.agent),
        shell_line,
        only: None,
        lost,
    };
    let (decision, chosen) = decide(core, fleet, &wanted, cause).await?;
    let Some(offer) = chosen.map(|index| &fleet.offers[index]) else { return Ok(false) };
    // From one that is lost to another that is not there would help nobody.
    if !route.unplaced && offer.there != There::Online {
        return Ok(false);
    }
    let ask = route.ask.clone();
    let place = PlaceCommand { id: route.id, from: route.project_id, ask, decision };
    let now = place.decision.at;
    let placed = core.store.place_command(fleet.org, place, now).await.map_err(from_store)?;
    let Some(command) = placed else { return Ok(false) };
    tracing::info!(command = %command.id, runner = %command.runner_id, ?cause, "placed");
    core.routing.sent(fleet.org, &route.wish, command.runner_id, now);
    core.clock.look_again();
    core.runners.deliver(command.runner_id);
    Ok(true)
}
