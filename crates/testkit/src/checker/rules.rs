//! The promises, each as a comparison of evidence. Pure: the same evidence gives the same answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use afield_proto::ErrorCode;
use afield_proto::command::CommandState;
use afield_proto::queue::Steer;

use super::heard::said;
use super::queue::{Sent, queue};
use super::{Evidence, FinalCommand, Follower, Line, Seen, Step, Violation};

/// Everything that was promised and does not hold. Empty is good.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    let sent = Sent::read(evidence);
    submissions(evidence, &mut found);
    starts(evidence, &sent, &mut found);
    queue(evidence, &sent, &mut found);
    said(evidence, &mut found);
    for (topic, log) in &evidence.end.topics {
        numbers("the log", topic, 0, log, &mut found);
        let head = evidence.end.heads.get(topic).copied().unwrap_or(0);
        found.extend(cut_short("the log", topic, head, log));
        transitions(log, &sent, &mut found);
    }
    last_states(evidence, &mut found);
    followers(evidence, &mut found);
    found
}

/// No acknowledged command is lost, none is there that nobody wanted, none is there twice.
fn submissions(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut by_mark: BTreeMap<&str, Vec<&FinalCommand>> = BTreeMap::new();
    for command in &evidence.end.commands {
        by_mark.entry(&command.mark).or_default().push(command);
    }
    let mut wanted: BTreeMap<&str, Submission> = BTreeMap::new();
    for line in &evidence.history {
        wanted.entry(&line.mark).or_default().add(&line.step);
        found.extend(broke_down(line));
    }
    for (mark, submission) in &wanted {
        let there = by_mark.get(mark).map_or(&[][..], Vec::as_slice);
        for id in &submission.acknowledged {
            found.extend(acknowledged(mark, id, there));
        }
    }
    for (mark, there) in by_mark {
        let ids: Vec<String> = there.iter().map(|command| command.id.clone()).collect();
        if !wanted.get(mark).is_some_and(Submission::may_be_there) {
            let phantom = |id| Violation::Phantom { id, mark: mark.to_owned() };
            found.extend(ids.into_iter().map(phantom));
        } else if ids.len() > 1 {
            found.push(Violation::Doubled { mark: mark.to_owned(), ids });
        }
    }
}

/// What is known of one mark. The same mark may be sent again after an answer was lost.
#[derive(Default)]
struct Submission {
    invoked: usize,
    refused: usize,
    acknowledged: BTreeSet<String>,
}

impl Submission {
    fn add(&mut self, step: &Step) {
        match step {
            Step::Invoke => self.invoked += 1,
            Step::Ok { id } => {
                self.acknowledged.insert(id.clone());
            }
            Step::Fail { .. } => self.refused += 1,
            Step::Info { .. }
            | Step::Terms(_)
            | Step::Cancelled { .. }
            | Step::Release
            | Step::Decide => {}
        }
    }

    fn may_be_there(&self) -> bool {
        !self.acknowledged.is_empty() || self.refused < self.invoked
    }
}

/// What is refused is refused for a reason the sender can do something about.
fn broke_down(line: &Line) -> Option<Violation> {
    let Step::Fail { code } = &line.step else { return None };
    let (mark, code) = (line.mark.clone(), code.clone());
    (code == ErrorCode::InternalError.name()).then_some(Violation::BrokeDown { mark, code })
}

fn acknowledged(mark: &str, id: &str, there: &[&FinalCommand]) -> Option<Violation> {
    if there.iter().any(|command| command.id == id) {
        return None;
    }
    let (mark, id) = (mark.to_owned(), id.to_owned());
    Some(match there.first() {
        None => Violation::Lost { id, mark },
        Some(other) => Violation::Swapped { mark, acknowledged: id, found: other.id.clone() },
    })
}

/// Each attempt starts at most once, each command too unless somebody asked for more.
fn starts(evidence: &Evidence, sent: &Sent<'_>, found: &mut Vec<Violation>) {
    let names = names(evidence);
    let mut attempts: BTreeMap<&str, BTreeMap<u32, usize>> = BTreeMap::new();
    for start in &evidence.starts {
        match names.get(start.command.as_str()) {
            Some(command) => {
                *attempts.entry(&command.id).or_default().entry(start.attempt).or_default() += 1;
            }
            None => found.push(Violation::UnknownStart { command: start.command.clone() }),
        }
    }
    for (id, counts) in &attempts {
        for (&attempt, &count) in counts.iter().filter(|(_, count)| **count > 1) {
            found.push(Violation::StartedTwice { id: (*id).to_owned(), attempt, count });
        }
        if counts.len() > sent.starts_max(id) {
            let attempts = counts.keys().copied().collect();
            found.push(Violation::StartedAgain { id: (*id).to_owned(), attempts });
        }
    }
    for command in &evidence.end.commands {
        let id = command.id.clone();
        let decided = sent.is_decided(&command.id);
        match (command.state, attempts.contains_key(command.id.as_str())) {
            (CommandState::Expired, true) if !decided => {
                found.push(Violation::StartedExpired { id })
            }
            // What went into a turn has none of its own; whether it was said is another rule's.
            (CommandState::Succeeded, false) if !decided && command.steer != Some(Steer::Taken) => {
                found.push(Violation::SucceededWithoutStart { id })
            }
            _ => {}
        }
    }
}

/// Commands by their ids and marks.
pub(super) fn names(evidence: &Evidence) -> HashMap<&str, &FinalCommand> {
    let mut names: HashMap<&str, &FinalCommand> = HashMap::new();
    for command in &evidence.end.commands {
        names.insert(&command.id, command);
        // A double that knows only marks can't tell twins apart: they count as one.
        names.entry(&command.mark).or_insert(command);
    }
    names
}

/// Numbers rise by one.
fn numbers(who: &str, topic: &str, after: u64, seen: &[Seen], found: &mut Vec<Violation>) {
    let mut last = after;
    for event in seen {
        let (who, topic, seq) = (who.to_owned(), topic.to_owned(), event.seq);
        if seq <= last {
            found.push(Violation::Repeated { who, topic, seq, last });
            continue;
        }
        if seq != last + 1 {
            found.push(Violation::Gap { who, topic, after: last, next: seq });
        }
        last = seq;
    }
}

/// Everything came that was said to be there.
fn cut_short(who: &str, topic: &str, head: u64, seen: &[Seen]) -> Option<Violation> {
    let last = seen.last().map_or(0, |event| event.seq);
    let (who, topic) = (who.to_owned(), topic.to_owned());
    (last < head).then_some(Violation::CutShort { who, topic, last, head })
}

/// Each command goes forward only, unless a person decided otherwise.
fn transitions(log: &[Seen], sent: &Sent<'_>, found: &mut Vec<Violation>) {
    let mut states: HashMap<&str, CommandState> = HashMap::new();
    for event in log {
        let Some((id, to)) = &event.command else { continue };
        let from = states.insert(id, *to);
        let allowed = may_follow(from, *to) || sent.is_decided(id) && may_be_decided(from, *to);
        if !allowed {
            found.push(Violation::IllegalStep { id: id.clone(), from, to: *to, seq: event.seq });
        }
    }
}

fn may_follow(from: Option<CommandState>, to: CommandState) -> bool {
    use CommandState::{
        Cancelled, Dead, Expired, Failed, Interrupted, Leased, Queued, Running, Succeeded,
    };
    match from {
        None => to == Queued,
        // A queued command may be told again with another reason to wait.
        Some(Queued) => matches!(to, Queued | Leased | Cancelled | Expired | Dead),
        Some(Leased) => matches!(
            to,
            Leased | Running | Queued | Cancelled | Expired | Failed | Interrupted | Dead
        ),
        Some(Running) => {
            matches!(to, Running | Succeeded | Failed | Cancelled | Interrupted | Dead | Queued)
        }
        Some(Succeeded | Failed | Cancelled | Expired | Interrupted | Dead) => false,
    }
}

/// What only a person makes of a command: back into the queue, or over as they say.
fn may_be_decided(from: Option<CommandState>, to: CommandState) -> bool {
    use CommandState::{Failed, Interrupted, Leased, Queued, Running, Succeeded};
    match from {
        None | Some(Succeeded | Queued) => false,
        Some(Interrupted | Leased | Running) => matches!(to, Queued | Succeeded | Failed),
        Some(_) => to == Queued,
    }
}

/// The log's last word on a command is the command's state.
fn last_states(evidence: &Evidence, found: &mut Vec<Violation>) {
    let told = evidence.end.topics.values().flatten().filter_map(|event| event.command.as_ref());
    let told: HashMap<&str, CommandState> = told.map(|(id, state)| (id.as_str(), *state)).collect();
    for command in &evidence.end.commands {
        let (id, state) = (command.id.clone(), command.state);
        if let Some(&told) = told.get(command.id.as_str()).filter(|told| **told != state) {
            found.push(Violation::StaleState { id, found: state, told });
        }
    }
}

/// Every follower saw a gapless part of the one log.
fn followers(evidence: &Evidence, found: &mut Vec<Violation>) {
    for follower in &evidence.followers {
        let Follower { name, topic, after, head, seen } = follower;
        numbers(name, topic, *after, seen, found);
        found.extend(cut_short(name, topic, *head, seen).filter(|_| head > after));
        let log = evidence.end.topics.get(&follower.topic).map_or(&[][..], Vec::as_slice);
        let log: HashMap<u64, &str> =
            log.iter().map(|event| (event.seq, event.body.as_str())).collect();
        for event in &follower.seen {
            let (who, topic) = (follower.name.clone(), follower.topic.clone());
            match log.get(&event.seq) {
                None => found.push(Violation::Vanished { who, topic, seq: event.seq }),
                Some(body) if *body != event.body => {
                    found.push(Violation::Different { who, topic, seq: event.seq });
                }
                Some(_) => {}
            }
        }
    }
}
