//! The queue's promises: times, holds, cancels and the order of each lane.
//!
//! They compare what senders asked for ([`Terms`]) with the starts in the effects file.

use std::collections::{BTreeMap, HashMap};

use afield_proto::command::CommandState;

use super::rules::names;
use super::{Evidence, FinalCommand, Start, Step, Terms, Violation};

/// How long after its lease a command may take to start: a command that was given to its runner in
/// time may start a moment late on a busy machine.
const START_GRACE_MS: i64 = 3_000;

/// What is known of one mark from the history.
#[derive(Default)]
struct Asked<'a> {
    terms: Option<&'a Terms>,
    first_invoked_us: Option<u64>,
    acknowledged_us: Option<u64>,
    cancelled: Option<u32>,
    released_ms: Option<i64>,
    decisions: usize,
}

/// What senders asked for.
pub(super) struct Sent<'a> {
    marks: BTreeMap<&'a str, Asked<'a>>,
    /// The mark of each command.
    of: HashMap<&'a str, &'a str>,
    retried: &'a [String],
}

impl<'a> Sent<'a> {
    pub(super) fn read(evidence: &'a Evidence) -> Self {
        let mut marks: BTreeMap<&str, Asked<'_>> = BTreeMap::new();
        for line in &evidence.history {
            let asked = marks.entry(&line.mark).or_default();
            match &line.step {
                Step::Terms(terms) => asked.terms = Some(terms),
                Step::Invoke => {
                    asked.first_invoked_us.get_or_insert(line.at_us);
                }
                Step::Ok { .. } => {
                    asked.acknowledged_us.get_or_insert(line.at_us);
                }
                Step::Cancelled { attempts } => {
                    asked.cancelled.get_or_insert(*attempts);
                }
                Step::Release => {
                    asked.released_ms.get_or_insert(line.unix_ms);
                }
                Step::Decide => asked.decisions += 1,
                Step::Fail { .. } | Step::Info { .. } => {}
            }
        }
        let commands = evidence.end.commands.iter();
        let of = commands.map(|command| (command.id.as_str(), command.mark.as_str())).collect();
        Self { marks, of, retried: &evidence.retried }
    }

    fn asked(&self, id: &str) -> Option<&Asked<'a>> {
        self.marks.get(self.of.get(id)?)
    }

    fn terms(&self, id: &str) -> Option<&'a Terms> {
        self.asked(id)?.terms
    }

    /// Somebody put it back, or said what became of it.
    pub(super) fn is_decided(&self, id: &str) -> bool {
        self.asked(id).is_some_and(|asked| asked.decisions > 0)
            || self.retried.iter().any(|retried| retried == id)
    }

    /// In how many attempts it may be started.
    pub(super) fn starts_max(&self, id: &str) -> usize {
        if self.retried.iter().any(|retried| retried == id) {
            return usize::MAX;
        }
        let once = self.terms(id).map_or(1, |terms| terms.starts_max);
        let decisions = self.asked(id).map_or(0, |asked| asked.decisions);
        usize::try_from(once).unwrap_or(usize::MAX).saturating_mul(decisions + 1)
    }
}

/// Everything the queue promised and does not hold.
pub(super) fn queue(evidence: &Evidence, sent: &Sent<'_>, found: &mut Vec<Violation>) {
    let names = names(evidence);
    for start in &evidence.starts {
        if let Some(command) = names.get(start.command.as_str()) {
            found.extend(times(start, command, sent));
            found.extend(stopped(start, command, sent));
        }
    }
    orders(evidence, &names, sent, found);
    found.extend(evidence.end.commands.iter().filter_map(|command| expiry(command, sent)));
    if evidence.settled {
        found.extend(evidence.end.commands.iter().filter_map(|command| stuck(command, sent)));
    }
}

/// Nothing starts before its time or after its end. What a person put back has new times.
fn times(start: &Start, command: &FinalCommand, sent: &Sent<'_>) -> Option<Violation> {
    let (terms, at_ms) = (sent.terms(&command.id)?, start.at_ms?);
    let id = command.id.clone();
    if let Some(not_before_ms) = terms.not_before_ms.filter(|due| at_ms < *due) {
        return Some(Violation::StartedEarly { id, not_before_ms, at_ms });
    }
    let late = |end: &i64| at_ms > end + START_GRACE_MS && !sent.is_decided(&id);
    let expires_ms = terms.expires_ms.filter(late)?;
    Some(Violation::StartedLate { id, expires_ms, at_ms })
}

/// What was cancelled or is held does not start.
fn stopped(start: &Start, command: &FinalCommand, sent: &Sent<'_>) -> Option<Violation> {
    let asked = sent.asked(&command.id)?;
    let (id, attempt) = (command.id.clone(), start.attempt);
    match asked.cancelled.filter(|attempts| attempt > *attempts && asked.decisions == 0) {
        Some(attempts) => return Some(Violation::StartedCancelled { id, attempts, attempt }),
        None => asked.terms.filter(|terms| terms.held)?,
    };
    let held = match (asked.released_ms, start.at_ms) {
        (None, _) => true,
        (Some(released), Some(at)) => at < released,
        (Some(_), None) => false,
    };
    held.then_some(Violation::StartedHeld { id })
}

/// Nothing expires before its end.
fn expiry(command: &FinalCommand, sent: &Sent<'_>) -> Option<Violation> {
    let terms = sent.terms(&command.id).filter(|_| command.state == CommandState::Expired)?;
    let (id, at_ms, expires_ms) = (command.id.clone(), command.finished_ms?, terms.expires_ms);
    expires_ms.is_none_or(|end| at_ms < end).then_some(Violation::ExpiredEarly {
        id,
        expires_ms,
        at_ms,
    })
}

/// Everything ends that may.
fn stuck(command: &FinalCommand, sent: &Sent<'_>) -> Option<Violation> {
    let asked = sent.asked(&command.id)?;
    let held = asked.terms.is_some_and(|terms| terms.held) && asked.released_ms.is_none();
    let FinalCommand { id, mark, state, .. } = command.clone();
    (!state.is_final() && !held).then_some(Violation::Stuck { id, mark, state })
}

/// What of one lane was acknowledged before another was sent starts before it.
fn orders(
    evidence: &Evidence,
    names: &HashMap<&str, &FinalCommand>,
    sent: &Sent<'_>,
    found: &mut Vec<Violation>,
) {
    // Of what has started in each lane: the mark that was sent last, and when.
    let mut latest: HashMap<&str, (u64, &str)> = HashMap::new();
    for start in &evidence.starts {
        let Some(command) = names.get(start.command.as_str()) else { continue };
        let Some(asked) = sent.asked(&command.id).filter(|asked| asked.decisions == 0) else {
            continue;
        };
        let Some(lane) = asked.terms.and_then(|terms| terms.lane.as_deref()) else { continue };
        let (first, invoked) = (command.mark.as_str(), asked.first_invoked_us.unwrap_or(0));
        if let (Some(&(sent_us, second)), Some(acknowledged)) =
            (latest.get(lane), asked.acknowledged_us)
            && acknowledged < sent_us
        {
            let (first, second) = (first.to_owned(), second.to_owned());
            found.push(Violation::OutOfOrder { lane: lane.to_owned(), first, second });
        }
        let last = latest.entry(lane).or_insert((invoked, first));
        if invoked > last.0 {
            *last = (invoked, first);
        }
    }
}
