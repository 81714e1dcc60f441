//! Random operations on the queue against what a small model remembers of each command.

use std::collections::{HashMap, HashSet};

use afield_proto::command::{Command, CommandState, Outcome as Ended, OutcomeKind};
use afield_proto::device::Scopes;
use afield_proto::queue::{Failure, Hold, Place as To, Priority, Resolution, RetryPolicy};
use afield_proto::runner::{Attempt, Record, RunnerExecute, RunnerRecords};
use afield_proto::{CommandId, ProjectId, Timestamp};

use super::lanes::check_lanes;
use super::world::{Steps, started};
use super::{Outcome, Place, World, at};
use crate::{Accept, Cancel, CommandFilter, Error, SubmitCommand, WhichDead};

/// Operations of one walk. A few hundred meet every pair of them.
const STEPS: usize = 400;
/// More than a walk submits.
const ALL: u32 = 10_000;

/// What the model remembers of a command.
struct Known {
    id: CommandId,
    project: ProjectId,
    order: Option<String>,
    /// Its place is where it came in.
    in_order: bool,
    /// The last state seen.
    state: CommandState,
    attempt: u32,
    expires_at: Option<Timestamp>,
}

/// A walk: the world, what is known of it, and where its clock stands.
struct Walk {
    world: World,
    steps: Steps,
    projects: Vec<ProjectId>,
    known: Vec<Known>,
    /// What the runner was given and has not ended, and whether it was started.
    given: Vec<(Attempt, bool)>,
    /// Every state a command was seen in.
    seen: HashSet<CommandState>,
    now: i64,
}

/// Whatever happens in whatever order, the queue keeps its promises, and all of it ends.
pub async fn random_walks_keep_the_promises(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let mut projects = Vec::new();
    for path in ["/a", "/b", "/c"] {
        projects.push(world.project(path).await?.id);
    }
    let (known, given, seen) = (Vec::new(), Vec::new(), HashSet::new());
    let mut walk = Walk { world, steps: Steps(11), projects, known, given, seen, now: 1_000 };
    for _ in 0..STEPS {
        walk.step().await?;
        walk.check().await?;
    }
    let met = |state: &CommandState| walk.seen.contains(state);
    assert!(CommandState::ALL.iter().all(met), "only {:?} were met", walk.seen);
    walk.finish_all().await
}

impl Walk {
    async fn step(&mut self) -> Outcome {
        match self.steps.next(32) {
            0..=6 => self.submit().await,
            7..=12 => self.lease().await,
            13..=16 => self.start().await,
            17..=21 => self.end().await,
            22 => self.cancel().await,
            23 => self.rearrange().await,
            24 => self.hold().await,
            25 => self.put_back().await,
            26 => self.sweep().await,
            27 => self.resolve().await,
            28 => self.reconnect().await,
            _ => {
                self.turn_the_clock();
                Ok(())
            }
        }
    }

    /// Mostly forwards by seconds, sometimes back by an hour.
    fn turn_the_clock(&mut self) {
        self.now += match self.steps.next(16) {
            0 => -3_600_000,
            1 => 3_600_000,
            n => i64::try_from(n).unwrap_or(1) * 700,
        };
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.steps.next(n) == 0
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let count = u64::try_from(all.len()).ok().filter(|count| *count > 0)?;
        all.get(usize::try_from(self.steps.next(count)).ok()?).cloned()
    }

    fn pick_known(&mut self) -> Option<CommandId> {
        let recent = self.known.len().saturating_sub(12);
        let ids: Vec<_> = self.known[recent..].iter().map(|known| known.id).collect();
        self.pick(&ids)
    }

    fn known(&mut self, id: CommandId) -> &mut Known {
        self.known.iter_mut().find(|known| known.id == id).expect("it was submitted")
    }

    async fn submit(&mut self) -> Outcome {
        let project = self.pick(&self.projects.clone()).ok_or("there are projects")?;
        let order = self.pick(&[None, None, Some("x".to_owned()), Some("y".to_owned())]);
        let soon = i64::try_from(self.steps.next(4_000))?;
        let early = self.one_in(6).then_some(at(self.now + soon));
        let policy = RetryPolicy {
            on: vec![Failure::Failed, Failure::RateLimited],
            safe: self.one_in(2),
            wait_for_limit: self.one_in(2),
            attempts: u32::try_from(self.steps.next(2))? + 2,
            // Waits differ by chance; the walk is the same every time.
            wait_ms: 0,
            ..RetryPolicy::default()
        };
        let submit = SubmitCommand {
            order: order.flatten(),
            priority: self.pick(&Priority::ALL).unwrap_or_default(),
            not_before: early,
            expires_at: self.one_in(4).then_some(at(self.now + 2 * soon)),
            accept: if self.one_in(6) { Accept::First } else { Accept::Queue },
            retry: self.one_in(2).then_some(policy),
            hold: self.one_in(12),
            ..self.world.queued(project, "x")
        };
        let id = self.world.accept(submit.clone(), self.now).await?;
        let alone = submit.not_before.is_some() && submit.order.is_none();
        self.known.push(Known {
            id,
            project,
            in_order: submit.accept == Accept::Queue && !alone,
            order: submit.order,
            state: CommandState::Queued,
            attempt: 0,
            expires_at: submit.expires_at,
        });
        Ok(())
    }

    async fn lease(&mut self) -> Outcome {
        let slots = usize::try_from(self.steps.next(4))?;
        let World { store, org, runner, .. } = &self.world;
        let busy = self.known.iter().filter(|known| is_active(known.state)).count();
        let orders = store.lease_commands(*org, *runner, slots, at(self.now)).await?;
        assert!(orders.len() <= slots.saturating_sub(busy), "more than {slots}");
        for order in &orders {
            self.check_order(order);
            self.given.push((order.attempt, false));
        }
        Ok(())
    }

    /// What is given to a runner may start, and is the first of those that kept their place.
    fn check_order(&self, order: &RunnerExecute) {
        let id = order.attempt.command_id;
        let index = self.known.iter().position(|known| known.id == id);
        let (before, rest) = self.known.split_at(index.expect("it was submitted"));
        let known = &rest[0];
        assert_eq!(known.state, CommandState::Queued, "{id} was given again");
        assert!(known.expires_at.is_none_or(|end| end > at(self.now)), "{id} is over its end");
        let passed = before.iter().find(|other| {
            let same = (other.project, &other.order) == (known.project, &known.order);
            same && other.in_order && known.in_order && !other.state.is_final()
        });
        assert!(passed.is_none(), "{id} went before {:?}", passed.map(|other| other.id));
    }

    async fn apply(&self, attempt: Attempt, first: u64, record: Record) -> Result<(), Error> {
        let records = RunnerRecords::new(attempt, first, vec![record]);
        let World { store, org, runner, .. } = &self.world;
        store.apply_records(*org, *runner, records, at(self.now)).await.map(drop)
    }

    async fn start(&mut self) -> Outcome {
        let waiting: Vec<_> = self.given.iter().filter(|given| !given.1).copied().collect();
        let Some((attempt, _)) = self.pick(&waiting) else { return Ok(()) };
        self.apply(attempt, 1, started()).await?;
        for given in self.given.iter_mut().filter(|given| given.0 == attempt) {
            given.1 = true;
        }
        Ok(())
    }

    async fn end(&mut self) -> Outcome {
        use OutcomeKind::{Failed, Interrupted, RateLimited, SessionLost, Succeeded};
        let Some((attempt, began)) = self.pick(&self.given.clone()) else { return Ok(()) };
        let kinds = [Succeeded, Failed, Failed, Interrupted, RateLimited, SessionLost];
        let kind = self.pick(&kinds).ok_or("there are kinds")?;
        let resets_at = (kind == RateLimited).then_some(at(self.now + 3_000));
        let outcome = Ended { resets_at, ..Ended::new(kind) };
        let record = Record::Finished { at: at(self.now), outcome, killed: Vec::new() };
        self.apply(attempt, 1 + u64::from(began), record).await?;
        self.given.retain(|given| given.0 != attempt);
        Ok(())
    }

    async fn cancel(&mut self) -> Outcome {
        let Some(id) = self.pick_known() else { return Ok(()) };
        let World { store, org, phone, .. } = &self.world;
        let cancel = store.cancel_command(*org, id, *phone, at(self.now)).await?;
        let state = self.known(id).state;
        let expected = match cancel {
            Cancel::Cancelled(_) => state == CommandState::Queued,
            Cancel::Active(..) => is_active(state),
            Cancel::Over(_) => state.is_final(),
            Cancel::OnItsWay(_) => false,
        };
        assert!(expected, "{id} was {state:?}: {cancel:?}");
        Ok(())
    }

    /// Moves a command, beside another one or within its lane.
    async fn rearrange(&mut self) -> Outcome {
        let (Some(id), Some(other)) = (self.pick_known(), self.pick_known()) else { return Ok(()) };
        let places = [To::First, To::Last, To::Before(other), To::After(other)];
        let to = self.pick(&places).ok_or("there are places")?;
        let (World { store, org, .. }, now) = (&self.world, at(self.now));
        if refused(store.move_command(*org, id, to, now).await)?.is_some() {
            self.known(id).in_order = false;
        }
        Ok(())
    }

    async fn hold(&mut self) -> Outcome {
        let project = self.pick(&self.projects.clone());
        let (by, unheld) = (self.world.phone, self.one_in(2));
        let whole = self.one_in(3);
        let target = self.pick_known();
        let World { store, org, .. } = &self.world;
        match (whole, unheld, target) {
            (true, true, _) => drop(store.release(*org, project, None, at(self.now)).await?),
            (true, false, _) => {
                let (command_id, runner_id, at) = (None, None, at(self.now));
                let hold = Hold { command_id, project_id: project, runner_id, by, at };
                store.hold(*org, hold).await?;
            }
            (false, _, Some(id)) => {
                let by = (!unheld).then_some(by);
                refused(store.hold_command(*org, id, by, at(self.now)).await)?;
            }
            (false, _, None) => {}
        }
        Ok(())
    }

    async fn put_back(&mut self) -> Outcome {
        let Some(id) = self.pick_known() else { return Ok(()) };
        let (World { store, org, .. }, now) = (&self.world, self.now);
        let which = WhichDead::Named(vec![id]);
        let back = refused(
            store.put_back(*org, which, None, Scopes::NONE, at(now + 5_000), at(now)).await,
        )?;
        let Some(command) = back.into_iter().flatten().next() else { return Ok(()) };
        self.came_back(&command);
        Ok(())
    }

    fn came_back(&mut self, command: &Command) {
        let known = self.known(command.id);
        assert!(known.state != CommandState::Succeeded, "{} had succeeded", command.id);
        known.state = CommandState::Queued;
        known.expires_at = command.expires_at;
        known.in_order = false;
    }

    async fn sweep(&mut self) -> Outcome {
        let swept = self.world.store.sweep_queue(at(self.now)).await?;
        for command in swept.expired {
            let known = self.known(command.id);
            assert_eq!(known.state, CommandState::Queued, "{} expired", command.id);
            let due = known.expires_at.is_some_and(|end| end <= at(self.now));
            assert!(due, "{} expired early", command.id);
        }
        assert_eq!(swept.next, self.world.store.next_sweep().await?);
        Ok(())
    }

    async fn resolve(&mut self) -> Outcome {
        let Some(id) = self.pick_known() else { return Ok(()) };
        let ways = [Resolution::Succeeded, Resolution::Failed, Resolution::Requeue];
        let how = self.pick(&ways).ok_or("there are ways")?;
        let (World { store, org, phone, .. }, now) = (&self.world, at(self.now));
        let resolved =
            refused(store.resolve_command(*org, id, how, (*phone, Scopes::NONE), now).await)?;
        let Some(command) = resolved else { return Ok(()) };
        self.given.retain(|given| given.0.command_id != id);
        match how {
            Resolution::Requeue => self.came_back(&command),
            Resolution::Succeeded | Resolution::Failed => self.known(id).state = command.state,
        }
        Ok(())
    }

    /// The runner comes back and has forgotten some of what it was given.
    async fn reconnect(&mut self) -> Outcome {
        let mut kept = self.given.clone();
        if self.one_in(2) {
            kept.pop();
        }
        let report = |given: &(Attempt, bool)| afield_proto::runner::AttemptReport {
            attempt: given.0,
            last_record: u64::from(given.1),
            acknowledged: 0,
            alive: true,
        };
        let reports: Vec<_> = kept.iter().map(report).collect();
        let World { store, org, runner, .. } = &self.world;
        let answers = store.reconcile_runner(*org, *runner, &reports, at(self.now)).await?;
        assert!(answers.iter().all(|answer| !answer.closed), "what it works on goes on");
        let open = store.leased_commands(*org, *runner).await?;
        let open: Vec<_> = open.into_iter().map(|order| order.attempt).collect();
        self.given.retain(|given| kept.contains(given) || open.contains(&given.0));
        Ok(())
    }

    /// Compares everything with what is known, and remembers how it is now.
    async fn check(&mut self) -> Outcome {
        check_lanes(&self.world).await?;
        let filter = CommandFilter { limit: ALL, ..CommandFilter::default() };
        let all = self.world.store.commands(self.world.org, filter).await?;
        assert_eq!(all.len(), self.known.len(), "every command is there");
        let mut now: HashMap<_, _> = all.into_iter().map(|command| (command.id, command)).collect();
        for known in &mut self.known {
            let command = now.remove(&known.id).ok_or("a command is gone")?;
            check_step(known, &command);
            self.seen.insert(command.state);
            known.state = command.state;
            known.attempt = command.attempt;
        }
        Ok(())
    }

    /// With nothing held and time enough, everything comes to an end.
    async fn finish_all(&mut self) -> Outcome {
        for project in self.projects.clone() {
            let World { store, org, .. } = &self.world;
            store.release(*org, Some(project), None, at(self.now)).await?;
        }
        for id in self.known.iter().map(|known| known.id).collect::<Vec<_>>() {
            let World { store, org, .. } = &self.world;
            refused(store.hold_command(*org, id, None, at(self.now)).await)?;
        }
        self.now += 365 * 24 * 3_600_000;
        for (attempt, _) in std::mem::take(&mut self.given) {
            let World { store, org, phone, .. } = &self.world;
            let (id, failed) = (attempt.command_id, Resolution::Failed);
            store.resolve_command(*org, id, failed, (*phone, Scopes::NONE), at(self.now)).await?;
        }
        while self.world.store.next_sweep().await?.is_some_and(|next| next <= at(self.now)) {
            self.sweep().await?;
        }
        self.world.drain(self.now).await?;
        while self.world.store.next_sweep().await?.is_some_and(|next| next <= at(self.now)) {
            self.world.store.sweep_queue(at(self.now)).await?;
            self.world.drain(self.now).await?;
        }
        let waiting = CommandFilter { waiting: true, limit: ALL, ..CommandFilter::default() };
        let left = self.world.store.commands(self.world.org, waiting).await?;
        assert!(left.is_empty(), "these never had a turn: {left:?}");
        check_lanes(&self.world).await
    }
}

fn is_active(state: CommandState) -> bool {
    matches!(state, CommandState::Leased | CommandState::Running)
}

fn check_step(known: &Known, command: &Command) {
    let id = known.id;
    let stays = !known.state.is_final() || known.state == command.state;
    assert!(stays, "{id} was {:?} and is {:?}", known.state, command.state);
    assert!(command.attempt >= known.attempt, "{id} has fewer attempts");
    let leased = command.attempt > known.attempt;
    assert!(!leased || known.state == CommandState::Queued, "{id} was leased as {:?}", known.state);
    assert!(command.attempt <= known.attempt + 1, "{id} was leased twice in one step");
    assert_eq!(command.state.is_final(), command.finished_at.is_some(), "{id}");
    let waits = matches!(command.state, CommandState::Queued | CommandState::Leased);
    assert_eq!(waits, command.waiting_for.is_some(), "{id}: {command:?}");
}

/// What was done, or nothing when the rules refused it.
fn refused<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(Error::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
