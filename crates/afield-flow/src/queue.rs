//! Which waiting command starts next, and why another does not.
//!
//! Inside one ordering key commands start strictly in their order; between keys the more urgent
//! one starts first. What waits rises one level a minute, so that nothing waits for ever.

use afield_proto::command::{Command, CommandState};
use afield_proto::queue::{Hold, Priority, Steer, WaitReason, Waiting};
use afield_proto::route::Route;
use afield_proto::{CommandId, DeviceId, Timestamp};

/// How long a command waits for each level it rises, in milliseconds.
pub const AGEING_STEP_MS: i64 = 60_000;
/// Runners that are named when none fits.
const NAMED_MAX: usize = 3;
/// Room between two neighbours in an order, so that others can be moved in between.
pub const POSITION_STEP: i64 = 1 << 20;

/// The first command of an ordering key, as far as choosing needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The command.
    pub id: CommandId,
    /// Its project, as any number that tells projects apart.
    pub project: i64,
    /// How urgent it is.
    pub priority: Priority,
    /// Since when it waits: ids of one server grow with time, so equal times are told apart by them.
    pub since: Timestamp,
    /// It does not start before.
    pub due_at: Option<Timestamp>,
    /// It does not start after.
    pub expires_at: Option<Timestamp>,
    /// It, its project, its runner or everything is held.
    pub held: bool,
}

impl Candidate {
    /// Whether it may start now, as far as it alone is concerned.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        !self.held
            && self.due_at.is_none_or(|due| due <= now)
            && self.expires_at.is_none_or(|end| end > now)
    }

    /// Greater goes first.
    fn rank(&self, now: Timestamp) -> (i64, std::cmp::Reverse<(Timestamp, CommandId)>) {
        let since = self.due_at.map_or(self.since, |due| due.max(self.since));
        let waited = now.unix_ms().saturating_sub(since.unix_ms()).max(0);
        let level = self.priority.level() + waited / AGEING_STEP_MS;
        (level, std::cmp::Reverse((since, self.id)))
    }
}

/// The commands that start now: at most one of each project and `slots` in all, the most urgent
/// first.
pub fn choose(candidates: &[Candidate], slots: usize, now: Timestamp) -> Vec<CommandId> {
    let mut ready: Vec<_> = candidates.iter().filter(|command| command.is_ready(now)).collect();
    ready.sort_by_key(|command| std::cmp::Reverse(command.rank(now)));
    let mut taken = std::collections::HashSet::new();
    ready.retain(|command| taken.insert(command.project));
    ready.into_iter().take(slots).map(|command| command.id).collect()
}

/// When one of these must be looked at again although nothing happens.
pub fn wake_at(candidate: &Candidate, now: Timestamp) -> Option<Timestamp> {
    let due = candidate.due_at.filter(|due| *due > now);
    [due, candidate.expires_at].into_iter().flatten().min()
}

/// A position between two neighbours; `None` when there is no room left.
pub fn between(before: Option<i64>, after: Option<i64>) -> Option<i64> {
    match (before, after) {
        (None, None) => Some(POSITION_STEP),
        (Some(before), None) => before.checked_add(POSITION_STEP),
        (None, Some(after)) => after.checked_sub(POSITION_STEP),
        (Some(before), Some(after)) if after - before > 1 => Some(before + (after - before) / 2),
        (Some(_), Some(_)) => None,
    }
}

/// What a command waits for in one word, as far as its own row tells.
pub fn waiting_for(
    state: CommandState,
    held: bool,
    not_due: bool,
    is_head: bool,
) -> Option<WaitReason> {
    match state {
        CommandState::Queued if held => Some(WaitReason::Hold),
        CommandState::Queued if !is_head => Some(WaitReason::Order),
        CommandState::Queued if not_due => Some(WaitReason::Time),
        CommandState::Queued => Some(WaitReason::Runner),
        CommandState::Leased => Some(WaitReason::Start),
        _ => None,
    }
}

/// Everything around a command that can keep it from starting.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// The command.
    pub command: &'a Command,
    /// No runner fits what its sender asked for.
    pub nobody: Option<&'a Route>,
    /// When it may start, with the wait of a retry.
    pub due_at: Option<Timestamp>,
    /// That wait is for the end of the agent's usage limit.
    pub for_limit: bool,
    /// The first command of its ordering key, when that is another.
    pub head: Option<&'a Command>,
    /// The hold of its project, its runner or everything.
    pub hold: Option<&'a Hold>,
    /// The command its project works on.
    pub active: Option<CommandId>,
    /// Commands its runner works on, and how many it takes.
    pub slots: (usize, usize),
    /// The name of its runner.
    pub runner: &'a str,
    /// Whether the runner is connected.
    pub online: bool,
    /// The runner's disk takes no writes.
    pub disk_refuses: bool,
    /// When the runner gave its last sign of life.
    pub last_seen_at: Option<Timestamp>,
    /// An approval the running turn waits for.
    pub asks: bool,
}

/// The precise reason a command does not go on; `None` when it is being worked on, or over.
pub fn explain(situation: &Situation<'_>, now: Timestamp) -> Option<Waiting> {
    match situation.command.state {
        CommandState::Queued => Some(explain_queued(situation, now)),
        CommandState::Leased => Some(explain_leased(situation)),
        CommandState::Running if situation.asks => Some(Waiting {
            runner_id: Some(situation.command.runner_id),
            ..waiting(WaitReason::Approval, "its agent asks a person; answer the approval")
        }),
        CommandState::Running if !situation.online => {
            Some(away(situation, "what became of it is heard once its runner is back:"))
        }
        _ => None,
    }
}

fn waiting(reason: WaitReason, message: impl Into<String>) -> Waiting {
    Waiting {
        reason,
        message: message.into(),
        until: None,
        command_id: None,
        runner_id: None,
        last_seen_at: None,
    }
}

/// With why it is in the queue and not in the turn it was meant for.
fn explain_queued(situation: &Situation<'_>, now: Timestamp) -> Waiting {
    let mut waiting = why_queued(situation, now);
    if let Some(instead) = situation.command.steer.and_then(Steer::instead) {
        waiting.message =
            format!("{}; it did not go into a running turn, because {instead}", waiting.message);
    }
    waiting
}

fn why_queued(situation: &Situation<'_>, now: Timestamp) -> Waiting {
    let command = situation.command;
    if let Some(by) = command.held_by {
        return waiting(
            WaitReason::Hold,
            format!("held by device {by}; release it to let it start"),
        );
    }
    if let Some(route) = situation.nobody {
        return fits_nobody(route);
    }
    if let (Some(Steer::Offered), Some(turn)) = (command.steer, command.into) {
        return into_turn(situation, turn);
    }
    if let Some(head) = situation.head {
        return Waiting { command_id: Some(head.id), ..behind(head) };
    }
    if let Some(hold) = situation.hold {
        return held(hold);
    }
    if let Some(due) = situation.due_at.filter(|due| *due > now) {
        return Waiting { until: Some(due), ..not_due(situation, due) };
    }
    if let Some(active) = situation.active {
        let message = format!("its project works on command {active}");
        return Waiting { command_id: Some(active), ..waiting(WaitReason::Slot, message) };
    }
    if !situation.online {
        return away(situation, "waiting for runner");
    }
    let (busy, slots) = situation.slots;
    if busy >= slots {
        let message = format!(
            "runner {} works on {busy} commands, as many as it takes at once",
            situation.runner
        );
        return on_runner(situation, waiting(WaitReason::Slot, message));
    }
    if situation.disk_refuses {
        return disk_refuses(situation, "waiting for its runner");
    }
    on_runner(situation, waiting(WaitReason::Start, "about to be given to its runner"))
}

/// With what keeps the first few from fitting.
fn fits_nobody(route: &Route) -> Waiting {
    let candidates = route.decisions.last().map(|last| last.candidates.as_slice());
    let why = candidates.unwrap_or_default().iter().take(NAMED_MAX);
    let why: Vec<_> = why.map(|it| format!("{} ({})", it.runner, it.reason)).collect();
    let path = route.wish.path.as_ref().map(|path| format!(" at {path}")).unwrap_or_default();
    let mut message = format!("no runner with a project{path} fits {}", route.wish.selector);
    if !why.is_empty() {
        message.push_str(&format!("; when it was looked at: {}", why.join(", ")));
    }
    waiting(WaitReason::Runner, message)
}

fn into_turn(situation: &Situation<'_>, turn: CommandId) -> Waiting {
    let waiting = match (situation.hold, situation.online) {
        (Some(hold), _) => held(hold),
        (None, true) => {
            let message = format!("goes into the turn of command {turn} when that has begun");
            on_runner(situation, waiting(WaitReason::Start, message))
        }
        (None, false) => {
            away(situation, &format!("goes into the turn of command {turn}; waiting for runner"))
        }
    };
    Waiting { command_id: Some(turn), ..waiting }
}

fn behind(head: &Command) -> Waiting {
    let how = match (head.state, head.held_by.is_some()) {
        (CommandState::Queued, true) => "which is held",
        (CommandState::Queued, false) => "which waits itself",
        _ => "which is running",
    };
    waiting(WaitReason::Order, format!("behind command {} of the same order, {how}", head.id))
}

fn held(hold: &Hold) -> Waiting {
    let what = match (hold.project_id, hold.runner_id) {
        (Some(_), _) => "its project is held",
        (None, Some(_)) => "its runner is held",
        (None, None) => "everything is held",
    };
    let message = format!("{what} by device {} since {}", hold.by, hold.at);
    Waiting { runner_id: hold.runner_id, ..waiting(WaitReason::Hold, message) }
}

fn not_due(situation: &Situation<'_>, due: Timestamp) -> Waiting {
    match (situation.for_limit, situation.command.attempt) {
        (true, _) => {
            waiting(WaitReason::Limit, format!("the agent's usage limit is reached until {due}"))
        }
        (false, 0) => waiting(WaitReason::Time, format!("does not start before {due}")),
        (false, attempt) => waiting(
            WaitReason::Time,
            format!("attempt {attempt} failed; the next one starts at {due}"),
        ),
    }
}

fn explain_leased(situation: &Situation<'_>) -> Waiting {
    if let Some(turn) = situation.command.into {
        let begin = format!("on its way into the turn of command {turn}: it was given to runner");
        return Waiting { command_id: Some(turn), ..away_or_not(situation, &begin) };
    }
    if situation.online && situation.disk_refuses {
        return disk_refuses(situation, "given to its runner, which has not started it");
    }
    if situation.online {
        let message = format!("given to runner {}, which has not started it yet", situation.runner);
        return on_runner(situation, waiting(WaitReason::Start, message));
    }
    away(situation, "it may have been started: it was given to runner")
}

fn disk_refuses(situation: &Situation<'_>, begin: &str) -> Waiting {
    let message = format!(
        "{begin}: the disk of {} takes no writes (is it full?), and nothing starts there until it does",
        situation.runner
    );
    on_runner(situation, waiting(WaitReason::Start, message))
}

fn away_or_not(situation: &Situation<'_>, begin: &str) -> Waiting {
    match situation.online {
        true => {
            let message = format!("{begin} {}", situation.runner);
            on_runner(situation, waiting(WaitReason::Start, message))
        }
        false => away(situation, begin),
    }
}

fn away(situation: &Situation<'_>, begin: &str) -> Waiting {
    let seen = match situation.last_seen_at {
        Some(at) => format!("last seen {at}"),
        None => "never seen".into(),
    };
    let message = format!("{begin} {}, {seen}", situation.runner);
    on_runner(situation, waiting(WaitReason::Runner, message))
}

fn on_runner(situation: &Situation<'_>, waiting: Waiting) -> Waiting {
    let runner_id: DeviceId = situation.command.runner_id;
    Waiting {
        runner_id: Some(runner_id),
        last_seen_at: situation.last_seen_at.filter(|_| !situation.online),
        ..waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    fn candidate(project: i64, priority: Priority, since: i64) -> Candidate {
        Candidate {
            id: CommandId::generate(),
            project,
            priority,
            since: at(since),
            due_at: None,
            expires_at: None,
            held: false,
        }
    }

    #[test]
    fn the_more_urgent_starts_first_and_each_project_once() {
        let normal = candidate(1, Priority::Normal, 0);
        let high = candidate(2, Priority::High, 5);
        let other = candidate(2, Priority::Normal, 0);
        assert_eq!(choose(&[normal, high, other], 9, at(10)), [high.id, normal.id]);
        assert_eq!(choose(&[normal, high], 1, at(10)), [high.id]);
        assert!(choose(&[normal], 0, at(10)).is_empty());
    }

    #[test]
    fn what_waits_longer_overtakes_what_is_more_urgent() {
        let low = candidate(1, Priority::Low, 0);
        let critical = candidate(2, Priority::Critical, 3 * AGEING_STEP_MS);
        let now = at(3 * AGEING_STEP_MS);
        assert_eq!(choose(&[critical, low], 1, now), [low.id]);
        assert_eq!(choose(&[critical, low], 1, at(3 * AGEING_STEP_MS - 1)), [critical.id]);
    }

    #[test]
    fn held_early_and_expired_commands_do_not_start() {
        let held = Candidate { held: true, ..candidate(1, Priority::Normal, 0) };
        let early = Candidate { due_at: Some(at(11)), ..candidate(2, Priority::Normal, 0) };
        let over = Candidate { expires_at: Some(at(10)), ..candidate(3, Priority::Normal, 0) };
        assert!(choose(&[held, early, over], 9, at(10)).is_empty());
        assert_eq!(wake_at(&early, at(10)), Some(at(11)));
        assert_eq!(wake_at(&early, at(11)), None);
        assert_eq!(choose(&[early], 9, at(11)), [early.id]);
    }

    proptest! {
        #[test]
        fn nothing_waits_for_ever(
            waiting in prop::collection::vec((0_usize..4, 0_i64..1000), 1..20),
        ) {
            // New critical commands keep coming, one second apart; one slot.
            let mut queue: Vec<_> = waiting
                .into_iter()
                .enumerate()
                .map(|(project, (level, since))| {
                    candidate(project as i64, Priority::ALL[level], since)
                })
                .collect();
            let first: Vec<_> = queue.iter().map(|command| command.id).collect();
            let mut now = 1000;
            for round in 0..10_000_i64 {
                if !queue.iter().any(|command| first.contains(&command.id)) {
                    return Ok(());
                }
                queue.push(candidate(100 + round, Priority::Critical, now));
                now += 1000;
                let next = choose(&queue, 1, at(now));
                queue.retain(|command| !next.contains(&command.id));
            }
            prop_assert!(false, "a command was never chosen");
        }

        #[test]
        fn there_is_a_place_between_any_two_that_have_room(before in -1000_i64..1000, gap in 2_i64..1000) {
            let place = between(Some(before), Some(before + gap)).unwrap();
            prop_assert!(before < place && place < before + gap);
        }
    }
}
