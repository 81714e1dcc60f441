//! Placement: which project on which runner a command goes to that was sent to whichever fits.
//!
//! Three steps, so that a fleet of thousands costs one look at each and two questions to the store:
//! [`sift`] leaves out what does not fit, [`shortlist`] takes one or two of the rest, [`choose`]
//! compares those by what waits there. Chance is passed in.

use std::sync::Arc;

use afield_proto::agent::AgentKind;
use afield_proto::route::{
    CANDIDATES_MAX, RouteCandidate, RouteCause, RouteDecision, RouteMode, RouteVerdict, RouteWish,
};
use afield_proto::runner::RunnerFacts;
use afield_proto::{DeviceId, ProjectId, Timestamp};

use crate::select::{Selector, Subject};

/// How well a runner can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum There {
    /// Connected.
    Online,
    /// It said that it falls asleep.
    Asleep,
    /// Not connected.
    Away,
}

/// A project on a runner, or a runner without any.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The runner.
    pub runner_id: DeviceId,
    /// Its name.
    pub runner: Arc<str>,
    /// The project.
    pub project: Option<OfferedProject>,
    /// What the runner said about itself; absent when it never connected.
    pub facts: Option<Arc<RunnerFacts>>,
    /// The labels its owner gave it.
    pub labels: Arc<[String]>,
    /// Its rank.
    pub priority: i32,
    /// Whether it can be reached.
    pub there: There,
    /// Until when its breaker keeps it out, and after how many failures.
    pub broken: Option<(Timestamp, u32)>,
}

/// A project that takes commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedProject {
    /// Which.
    pub id: ProjectId,
    /// Its directory.
    pub path: String,
    /// The agent its owner chose.
    pub agent: Option<AgentKind>,
}

/// What a place must be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What the sender asked for.
    pub wish: &'a RouteWish,
    /// The same, read.
    pub selector: &'a Selector,
    /// The agent; the project's own, or else Claude, when absent.
    pub agent: Option<AgentKind>,
    /// It is a shell line.
    pub shell_line: bool,
    /// Only this project: its session lives there.
    pub only: Option<ProjectId>,
    /// Not this runner: it is lost.
    pub lost: Option<DeviceId>,
}

/// What chance decides, drawn by the caller.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chance {
    /// Two draws, for the two that are compared.
    pub draws: [u64; 2],
    /// The runner whose turn it was last.
    pub last: Option<DeviceId>,
}

/// What waits at a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queued {
    /// Commands that are not over, on the runner.
    pub on_runner: u64,
    /// Of them, in the project.
    pub in_project: u64,
}

/// Offers that fit, and why the others do not; by their place in the list.
#[derive(Debug, Default)]
pub struct Sifted {
    /// Those that fit.
    pub fits: Vec<usize>,
    /// The others.
    pub rejected: Vec<(usize, String)>,
}

/// Tells what fits from what does not.
pub fn sift(wanted: &Wanted<'_>, offers: &[Offer]) -> Sifted {
    let mut sifted = Sifted::default();
    for (index, offer) in offers.iter().enumerate() {
        match rejection(wanted, offer) {
            None => sifted.fits.push(index),
            Some(reason) => sifted.rejected.push((index, reason)),
        }
    }
    sifted
}

fn rejection(wanted: &Wanted<'_>, offer: &Offer) -> Option<String> {
    let Some(facts) = &offer.facts else { return Some("it never connected".into()) };
    let subject = Subject { name: &offer.runner, facts, labels: &offer.labels };
    if let Some(part) = wanted.selector.miss(&subject) {
        return Some(format!("not so: {part}"));
    }
    let Some(project) = &offer.project else { return Some("it has no project".into()) };
    if let Some(path) = wanted.wish.path.as_deref().filter(|path| !is_path(project, path)) {
        return Some(format!("its project is {}, not {path}", project.path));
    }
    if wanted.only.is_some_and(|only| only != project.id) {
        return Some("the session is not there".into());
    }
    if wanted.lost == Some(offer.runner_id) {
        return Some("it is the runner that is lost".into());
    }
    if let Some((until, failures)) = offer.broken {
        return Some(format!("it failed {failures} times in a row; not before {until}"));
    }
    lacks(wanted, facts, project)
}

/// Whether a selector is true of the runner of an offer, whatever project it has.
pub fn is_meant(selector: &Selector, offer: &Offer) -> bool {
    offer.facts.as_ref().is_some_and(|facts| {
        selector.matches(&Subject { name: &offer.runner, facts, labels: &offer.labels })
    })
}

/// How well a runner can be reached and how busy it is; smaller is better.
pub fn reach(offer: &Offer) -> (u8, u32) {
    let load = offer.facts.as_ref().and_then(|facts| facts.load);
    (tier(offer), load.map_or(0, |load| load.percent))
}

fn is_path(project: &OfferedProject, path: &str) -> bool {
    project.path == path.trim_end_matches('/')
}

/// What the runner would need and has not.
fn lacks(wanted: &Wanted<'_>, facts: &RunnerFacts, project: &OfferedProject) -> Option<String> {
    let agent = wanted.agent.or(project.agent).unwrap_or(AgentKind::Claude);
    if wanted.shell_line && !facts.shell {
        return Some("its policy does not allow shell lines".into());
    }
    match facts.agents.iter().find(|known| known.agent == agent) {
        Some(known) if known.available => None,
        Some(known) => {
            Some(format!("agent {agent}: {}", known.note.as_deref().unwrap_or("can't be used")))
        }
        None => Some(format!("agent {agent}: its policy does not list it")),
    }
}

/// Smaller is asked first: connected with a free slot, connected, away.
fn tier(offer: &Offer) -> u8 {
    let load = offer.facts.as_ref().and_then(|facts| facts.load);
    match (offer.there, load.map(|load| load.free_slots)) {
        (There::Online, Some(0)) => 1,
        (There::Online, _) => 0,
        (There::Asleep | There::Away, _) => 2,
    }
}

/// The one or two of the offers that fit which are worth a closer look.
pub fn shortlist(wish: &RouteWish, offers: &[Offer], fits: &[usize], chance: Chance) -> Vec<usize> {
    let best = fits.iter().map(|index| tier(&offers[*index])).min();
    let first: Vec<usize> =
        fits.iter().copied().filter(|index| Some(tier(&offers[*index])) == best).collect();
    match wish.mode {
        RouteMode::Best | RouteMode::Sticky => two_of(&first, chance),
        RouteMode::RoundRobin => next_of(offers, &first, chance.last),
        RouteMode::Order => first_of(wish, offers, fits),
    }
}

fn two_of(first: &[usize], chance: Chance) -> Vec<usize> {
    if first.len() <= 2 {
        return first.to_vec();
    }
    let draw = |draw: u64, of: usize| usize::try_from(draw % of as u64).unwrap_or(0);
    let one = draw(chance.draws[0], first.len());
    let other = draw(chance.draws[1], first.len() - 1);
    let other = if other >= one { other + 1 } else { other };
    vec![first[one], first[other]]
}

/// The projects of the runner whose turn it is.
fn next_of(offers: &[Offer], first: &[usize], last: Option<DeviceId>) -> Vec<usize> {
    let runner = |index: &usize| offers[*index].runner_id;
    let behind = first.iter().map(runner).filter(|id| last.is_none_or(|last| *id > last)).min();
    let next = behind.or_else(|| first.iter().map(runner).min());
    first.iter().copied().filter(|index| Some(offers[*index].runner_id) == next).take(2).collect()
}

/// The projects of the first runner in the order asked for that is connected, or else of the first.
fn first_of(wish: &RouteWish, offers: &[Offer], fits: &[usize]) -> Vec<usize> {
    let rank = |index: &usize| {
        let offer = &offers[*index];
        let named = wish.prefer.iter().position(|id| *id == offer.runner_id);
        let away = offer.there != There::Online;
        let named = named.unwrap_or(usize::MAX);
        (away, named, std::cmp::Reverse(offer.priority), offer.runner_id)
    };
    let first = fits.iter().min_by_key(|index| rank(index)).map(|index| offers[*index].runner_id);
    fits.iter().copied().filter(|index| Some(offers[*index].runner_id) == first).take(2).collect()
}

/// The one of these with the least to do, and why it is that.
pub fn choose(
    wish: &RouteWish,
    offers: &[Offer],
    shortlist: &[(usize, Queued)],
) -> Option<(usize, String)> {
    let burden = |(index, queued): &&(usize, Queued)| {
        let facts = offers[*index].facts.as_deref();
        let slots = facts.map_or(1, |facts| u64::from(facts.concurrency.max(1)));
        let load = facts.and_then(|facts| facts.load).map_or(0, |load| load.percent);
        (queued.on_runner.saturating_mul(1000) / slots, load, queued.in_project)
    };
    let (index, queued) = shortlist.iter().min_by_key(burden)?;
    Some((*index, why(wish, &offers[*index], *queued, shortlist.len())))
}

fn why(wish: &RouteWish, offer: &Offer, queued: Queued, compared: usize) -> String {
    let how = match wish.mode {
        RouteMode::Best if compared > 1 => "less to do than the other that was compared",
        RouteMode::Best => "the best that fits",
        RouteMode::RoundRobin => "its turn",
        RouteMode::Sticky => "the session is there",
        RouteMode::Order if wish.prefer.contains(&offer.runner_id) => "the first of those named",
        RouteMode::Order => "the highest priority",
    };
    let there = match offer.there {
        There::Online => "connected",
        There::Asleep => "asleep",
        There::Away => "away",
    };
    let load = offer.facts.as_ref().and_then(|facts| facts.load);
    let load = load.map(|load| format!(", load {} %", load.percent)).unwrap_or_default();
    format!("{how}; {there}, {} commands wait or run there{load}", queued.on_runner)
}

/// The record of a decision: the chosen one, then others that fitted, then some that did not.
pub fn record(
    offers: &[Offer],
    sifted: &Sifted,
    chosen: Option<&(usize, String)>,
    (cause, at): (RouteCause, Timestamp),
) -> RouteDecision {
    let others = sifted.fits.iter().filter(|index| chosen.is_none_or(|(it, _)| it != *index));
    let others = others.map(|index| (*index, RouteVerdict::Fits, "not chosen".to_owned()));
    let rejected = sifted.rejected.iter();
    let rejected = rejected.map(|(index, reason)| (*index, RouteVerdict::Rejected, reason.clone()));
    let first = chosen.map(|(index, reason)| (*index, RouteVerdict::Chosen, reason.clone()));
    let told = first.into_iter().chain(others.take(CANDIDATES_MAX / 2)).chain(rejected);
    let candidates = told.take(CANDIDATES_MAX).map(|(index, verdict, reason)| {
        let offer = &offers[index];
        let project_id = offer.project.as_ref().map(|project| project.id);
        let runner = offer.runner.to_string();
        RouteCandidate { runner_id: offer.runner_id, runner, project_id, verdict, reason }
    });
    let place = chosen.map(|(index, _)| &offers[*index]);
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    RouteDecision {
        at,
        cause,
        runner_id: place.map(|offer| offer.runner_id),
        project_id: place.and_then(|offer| offer.project.as_ref()).map(|project| project.id),
        reason: chosen.map_or_else(|| "nobody fits now".to_owned(), |(_, reason)| reason.clone()),
        considered: count(offers.len()),
        fitted: count(sifted.fits.len()),
        candidates: candidates.collect(),
    }
}

#[cfg(test)]
mod tests;
