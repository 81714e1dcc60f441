//! Where commands go that are sent to whichever runner fits. The decisions are `afield-flow`'s; here
//! what it needs to know is gathered, and what was decided becomes part of the command.

pub(crate) mod again;
pub(crate) mod breakers;
mod fleet;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use afield_flow::place::{self, Chance, Offer, Queued, Wanted};
use afield_flow::select::Selector;
use afield_proto::agent::AgentKind;
use afield_proto::command::CommandKind;
use afield_proto::project::ProjectSettings;
use afield_proto::queue::{Payload, SendMode, Target};
use afield_proto::request::CommandSubmit;
use afield_proto::route::{PREFER_MAX, RouteCause, RouteDecision, RouteMode, RouteWish};
use afield_proto::{DeviceId, ErrorBody, ErrorCode, OrgId, ProjectId, Timestamp};
use afield_store::NewRoute;
use aws_lc_rs::rand;

use self::again::Again;
use self::breakers::Breakers;
use self::fleet::{Fleet, Fleets};
use crate::auth::scopes;
use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::socket::conn::Actor;

/// Selectors whose turns are remembered; all are forgotten when there are more.
const TURNS_MAX: usize = 10_000;

/// What is remembered between decisions; all of it in memory.
pub(crate) struct Routing {
    pub(crate) breakers: Breakers,
    pub(crate) again: Again,
    fleets: Fleets,
    /// With `round_robin`: whose turn it was last.
    turns: Mutex<HashMap<(OrgId, String), DeviceId>>,
}

impl Routing {
    pub(crate) fn new(limits: &crate::Limits) -> Self {
        let (breakers, again) = (Breakers::new(limits), Again::default());
        Self { breakers, again, fleets: Fleets::default(), turns: Mutex::default() }
    }

    fn chance(&self, org: OrgId, wish: &RouteWish) -> Chance {
        let mut bytes = [0_u8; 16];
        rand::fill(&mut bytes).expect("the operating system gives random bytes");
        let (one, other) = bytes.split_at(8);
        let draw = |bytes: &[u8]| bytes.iter().fold(0, |draw, byte| draw << 8 | u64::from(*byte));
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let last = turns.get(&(org, wish.selector.clone())).copied();
        Chance { draws: [draw(one), draw(other)], last }
    }

    /// A command went there.
    fn sent(&self, org: OrgId, wish: &RouteWish, runner: DeviceId, now: Timestamp) {
        self.breakers.sent(runner, now);
        if wish.mode == RouteMode::RoundRobin {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() >= TURNS_MAX {
                turns.clear();
            }
            turns.insert((org, wish.selector.clone()), runner);
        }
    }
}

/// Where a submitted command goes.
pub(crate) struct Routed {
    /// The project; the waiting room when nobody fits.
    pub(crate) project_id: ProjectId,
    /// Its runner, when there is one.
    pub(crate) runner_id: Option<DeviceId>,
    /// What the project's owner chose.
    pub(crate) settings: ProjectSettings,
    /// What is written about that.
    pub(crate) route: NewRoute,
}

/// Decides where a command goes that names a selector.
///
/// **Errors**: VALIDATION_FAILED for a wish that is none; NOT_FOUND when nobody fits and the command
/// can't wait for somebody.
pub(crate) async fn route(
    core: &Core,
    actor: &Actor,
    target: &Target,
    ask: &CommandSubmit,
) -> Result<Routed, ErrorBody> {
    // It may move on to another project: the one it comes to first grants it nothing.
    scopes::check_options(actor, ask.payload.options.as_ref(), None)?;
    let wish = wish(target)?;
    let selector = parse(&wish.selector)?;
    let session = ask.payload.session_id;
    let only = match session {
        Some(session) => {
            Some(core.store.project_of_session(actor.org, session).await.map_err(from_store)?)
        }
        None if wish.mode == RouteMode::Sticky => {
            return Err(invalid("the mode sticky needs payload.session_id: whose runner it is"));
        }
        None => None,
    };
    let kind = ask.kind.unwrap_or(CommandKind::Prompt);
    let (agent, shell_line) = needs(kind, &ask.payload);
    let wanted = Wanted { wish: &wish, selector: &selector, agent, shell_line, only, lost: None };
    let fleet = Fleet::gather(core, actor.org).await?;
    let (decision, _) = decide(core, &fleet, &wanted, RouteCause::Submitted).await?;
    let works = matches!(kind, CommandKind::Prompt | CommandKind::Shell);
    let waits = works && session.is_none() && ask.mode == SendMode::Queue;
    let (project_id, settings) = match decision.project_id {
        Some(id) => (id, fleet.settings(id)),
        None if waits => {
            let room = core.store.waiting_room(actor.org, Timestamp::now()).await;
            (room.map_err(from_store)?, ProjectSettings::default())
        }
        None => return Err(nobody(&wish, &decision)),
    };
    let ask = Payload { prompt: String::new(), ..ask.payload.clone() };
    let runner_id = decision.runner_id;
    let route = NewRoute { wish, ask, decision, waits };
    Ok(Routed { project_id, runner_id, settings, route })
}

/// The agent that must be there, when it is known, and whether shell lines must be allowed.
fn needs(kind: CommandKind, payload: &Payload) -> (Option<AgentKind>, bool) {
    let agent = if kind == CommandKind::Shell { Some(AgentKind::Command) } else { payload.agent };
    let has_argv = payload.options.as_ref().is_some_and(|options| options.argv.is_some());
    (agent, agent == Some(AgentKind::Command) && !has_argv)
}

fn wish(target: &Target) -> Result<RouteWish, ErrorBody> {
    let mode = target.mode.unwrap_or_default();
    if !target.prefer.is_empty() && mode != RouteMode::Order {
        return Err(invalid("prefer goes with the mode order"));
    }
    if target.prefer.len() > PREFER_MAX {
        return Err(invalid(format!("prefer names at most {PREFER_MAX} runners (limit prefer)")));
    }
    let selector = target.selector.clone().unwrap_or_default();
    Ok(RouteWish { selector, path: target.path.clone(), mode, prefer: target.prefer.clone() })
}

/// **Errors**: VALIDATION_FAILED, saying where the text is wrong.
pub(crate) fn parse(selector: &str) -> Result<Selector, ErrorBody> {
    Selector::parse(selector).map_err(|error| invalid(format!("selector {selector:?}: {error}")))
}

fn nobody(wish: &RouteWish, decision: &RouteDecision) -> ErrorBody {
    let message = format!(
        "no runner with such a project fits {:?}; runner_list shows what they are",
        wish.selector
    );
    ErrorBody::new(ErrorCode::NotFound, message)
        .with_details(serde_json::json!({ "candidates": decision.candidates }))
}

/// Which of the fleet's places it is. Asks the store about two of them at most.
async fn decide(
    core: &Core,
    fleet: &Fleet,
    wanted: &Wanted<'_>,
    cause: RouteCause,
) -> Result<(RouteDecision, Option<usize>), ErrorBody> {
    let sifted = place::sift(wanted, &fleet.offers);
    let chance = core.routing.chance(fleet.org, wanted.wish);
    let mut listed = Vec::new();
    for index in place::shortlist(wanted.wish, &fleet.offers, &sifted.fits, chance) {
        listed.push((index, queued(core, fleet.org, &fleet.offers[index]).await?));
    }
    let chosen = place::choose(wanted.wish, &fleet.offers, &listed);
    let now = Timestamp::now();
    let decision = place::record(&fleet.offers, &sifted, chosen.as_ref(), (cause, now));
    Ok((decision, chosen.map(|(index, _)| index)))
}

async fn queued(core: &Core, org: OrgId, offer: &Offer) -> Result<Queued, ErrorBody> {
    let usage = core.store.runner_usage(org, offer.runner_id).await.map_err(from_store)?;
    let own = offer.project.as_ref().map(|project| project.id);
    let in_project = usage.iter().filter(|(id, _)| Some(*id) == own).map(|(_, count)| count);
    Ok(Queued {
        on_runner: usage.iter().map(|(_, count)| count).sum(),
        in_project: in_project.sum(),
    })
}

/// A routed command was accepted.
pub(crate) fn accepted(core: &Core, org: OrgId, route: &NewRoute) {
    match route.decision.runner_id {
        Some(runner) => core.routing.sent(org, &route.wish, runner, route.decision.at),
        None => {
            core.routing.again.note(org, true);
            // What keeps it waiting may end by itself.
            core.routing.again.look(org, Duration::ZERO);
        }
    }
    if route.waits {
        // Its runner may be lost already.
        core.routing.again.look(org, core.limits().failover_grace);
    }
}

/// The runner a message goes to that names a selector: one that listens before others, then by how well
/// it can be reached and how busy it is.
///
/// **Errors**: VALIDATION_FAILED for a selector that is none, NOT_FOUND when nobody fits.
pub(crate) async fn best_runner(
    core: &Core,
    org: OrgId,
    selector: &str,
    listens: impl Fn(DeviceId) -> bool,
) -> Result<DeviceId, ErrorBody> {
    let parsed = parse(selector)?;
    let fleet = Fleet::gather(core, org).await?;
    let rank = |offer: &&Offer| (!listens(offer.runner_id), place::reach(offer), offer.runner_id);
    let best = fleet.offers.iter().filter(|offer| place::is_meant(&parsed, offer)).min_by_key(rank);
    best.map(|offer| offer.runner_id).ok_or_else(|| {
        let message = format!("no runner fits {selector:?}; runner_list shows what they are");
        ErrorBody::new(ErrorCode::NotFound, message)
    })
}
