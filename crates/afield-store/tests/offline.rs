//! A runner that is away for a day while commands keep coming and the clock jumps an hour either
//! way: when it is back, everything is delivered in its order, nothing early, nothing twice.
//!
//! Time is simulated: the store is told what time it is.

#![expect(clippy::unwrap_used, reason = "a failure of the harness fails the test")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use afield_proto::command::{Command, CommandState, Outcome, OutcomeKind};
use afield_proto::queue::{Failure, Priority, RetryPolicy};
use afield_proto::runner::{Record, RunnerExecute, RunnerRecords};
use afield_proto::{CommandId, ProjectId, Timestamp, Topic};
use afield_store::conformance::{Place, World, at};
use afield_store::{Accept, Cancel, Location, SubmitCommand};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// How long the runner is away.
const AWAY: i64 = 24 * HOUR;
/// Commands the runner works on at once.
const SLOTS: usize = 2;
/// How many days are played; AFIELD_TEST_SEEDS asks for more.
const DAYS: u64 = 3;

/// A small generator with a seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 1) as i64 % sides
    }

    fn one_in(&mut self, sides: i64) -> bool {
        self.roll(sides) == 0
    }
}

/// Time goes on by itself; what the clock shows is off by some hours.
struct Clock {
    time: i64,
    off: i64,
    /// The latest time it has ever shown.
    shown: Timestamp,
}

impl Clock {
    fn now(&self) -> Timestamp {
        at(self.time + self.off)
    }

    fn later(&mut self, dice: &mut Dice, ms: i64) {
        self.time += ms;
        if dice.one_in(20) {
            self.off += if dice.one_in(2) { HOUR } else { -HOUR };
        }
        self.shown = self.shown.max(self.now());
    }
}

/// A number from the environment, for longer runs.
fn asked(name: &str, usual: u64) -> u64 {
    let asked = std::env::var(name).ok();
    asked.map_or(usual, |asked| asked.parse().expect("the number of a test is a number"))
}

/// How the work on a command goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Succeeds,
    /// Fails once, and is tried again as its policy says.
    FailsOnce,
    /// Nobody knows how it ended: it must not start again.
    Interrupted,
}

/// What a sender asked for.
struct Sent {
    fate: Fate,
    project: ProjectId,
    lane: String,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    cancelled: bool,
}

struct Simulation {
    world: World,
    projects: Vec<ProjectId>,
    dice: Dice,
    clock: Clock,
    sent: BTreeMap<CommandId, Sent>,
    /// Each lane's commands as they were accepted.
    lanes: HashMap<(ProjectId, String), Vec<CommandId>>,
    expired: BTreeSet<CommandId>,
    /// What has come to its end on the runner.
    done: BTreeSet<CommandId>,
    /// Each first lease, in order.
    started: Vec<CommandId>,
    /// What was told of attempts that another one followed.
    earlier: HashMap<CommandId, RunnerRecords>,
}

impl Simulation {
    async fn new(place: &Place, seed: u64) -> Self {
        let world = World::open(place).await.unwrap();
        let mut projects = Vec::new();
        for name in ["/a", "/b", "/c"] {
            projects.push(world.project(name).await.unwrap().id);
        }
        Self {
            world,
            projects,
            dice: Dice(seed),
            clock: Clock { time: 2 * HOUR, off: 0, shown: at(0) },
            sent: BTreeMap::new(),
            lanes: HashMap::new(),
            expired: BTreeSet::new(),
            done: BTreeSet::new(),
            started: Vec::new(),
            earlier: HashMap::new(),
        }
    }

    fn submission(&mut self) -> (SubmitCommand, Sent) {
        let now = self.clock.now();
        let dice = &mut self.dice;
        let in_a_while = |ms: i64| Timestamp::from_unix_ms(now.unix_ms() + ms);
        let project = self.projects[usize::try_from(dice.roll(3)).unwrap()];
        let order = dice.one_in(2).then(|| format!("k{}", dice.roll(2)));
        let wait = dice.one_in(4).then(|| MINUTE + dice.roll(30 * HOUR));
        let not_before = wait.map(in_a_while);
        let life = dice.one_in(4).then(|| wait.unwrap_or(0) + MINUTE + dice.roll(12 * HOUR));
        let expires_at = life.map(in_a_while);
        let priority = Priority::ALL[usize::try_from(dice.roll(4)).unwrap()];
        let fate = match dice.roll(10) {
            0 | 1 => Fate::FailsOnce,
            2 => Fate::Interrupted,
            _ => Fate::Succeeds,
        };
        let policy = RetryPolicy {
            attempts: 2,
            wait_ms: u64::try_from(MINUTE).unwrap(),
            on: vec![Failure::Failed],
            ..RetryPolicy::default()
        };
        let key = format!("key-{}", self.sent.len());
        let prompt = self.world.prompt(project, &key, Some(&key));
        let accept = Accept::Queue;
        let submit = SubmitCommand {
            accept,
            order: order.clone(),
            not_before,
            expires_at,
            priority,
            retry: (fate == Fate::FailsOnce).then_some(policy),
            ..prompt
        };
        let lane = match (order, not_before) {
            (Some(order), _) => order,
            // What waits for its time keeps nobody waiting.
            (None, Some(_)) => format!("alone-{}", self.sent.len()),
            (None, None) => String::new(),
        };
        (submit, Sent { fate, project, lane, not_before, expires_at, cancelled: false })
    }

    async fn submit(&mut self) {
        let (submit, sent) = self.submission();
        let now = self.clock.now();
        let repeated = self.dice.one_in(5).then(|| submit.clone());
        let accepted = self.world.store.submit_command(submit, now).await.unwrap();
        assert!(!accepted.duplicate);
        let id = accepted.command.id;
        self.lanes.entry((sent.project, sent.lane.clone())).or_default().push(id);
        self.sent.insert(id, sent);
        if let Some(submit) = repeated {
            let again = self.world.store.submit_command(submit, now).await.unwrap();
            assert_eq!((again.command.id, again.duplicate), (id, true));
        }
    }

    async fn cancel(&mut self) {
        let waiting: Vec<CommandId> = self.waiting().collect();
        let Some(index) = i64::try_from(waiting.len()).ok().filter(|count| *count > 0) else {
            return;
        };
        let id = waiting[usize::try_from(self.dice.roll(index)).unwrap()];
        let (org, phone) = (self.world.org, self.world.phone);
        let done = self.world.store.cancel_command(org, id, phone, self.clock.now()).await.unwrap();
        assert!(matches!(done, Cancel::Cancelled(_)), "{done:?}");
        self.sent.get_mut(&id).unwrap().cancelled = true;
    }

    /// What has not ended.
    fn waiting(&self) -> impl Iterator<Item = CommandId> {
        let over = |id: &CommandId, sent: &Sent| {
            sent.cancelled || self.expired.contains(id) || self.done.contains(id)
        };
        self.sent.iter().filter(move |(id, sent)| !over(id, sent)).map(|(id, _)| *id)
    }

    /// What happens by itself.
    async fn sweep(&mut self) {
        loop {
            let now = self.clock.now();
            let swept = self.world.store.sweep_queue(now).await.unwrap();
            for command in swept.expired {
                let end = self.sent[&command.id].expires_at;
                assert!(end.is_some_and(|end| end <= now), "{} expired too early", command.id);
                assert!(self.expired.insert(command.id), "{} expired twice", command.id);
            }
            if swept.next.is_none_or(|next| next > now) {
                return;
            }
        }
    }

    /// The runner takes what there is, and may take its time.
    async fn work(&mut self) {
        let (org, runner) = (self.world.org, self.world.runner);
        let now = self.clock.now();
        let orders = self.world.store.lease_commands(org, runner, SLOTS, now).await.unwrap();
        assert!(orders.len() <= SLOTS);
        for order in &orders {
            let id = order.attempt.command_id;
            let sent = &self.sent[&id];
            let attempt = 1 + u32::from(self.earlier.contains_key(&id));
            assert_eq!(order.attempt.attempt, attempt, "{id} is started again");
            let again = self.started.contains(&id);
            assert_eq!(again, attempt > 1, "{id} is started twice");
            assert!(!self.done.contains(&id), "{id} is started after its end");
            assert!(!sent.cancelled && !self.expired.contains(&id), "{id} was over");
            let due = sent.not_before;
            assert!(due.is_none_or(|due| due <= self.clock.shown), "{id} is started too early");
            assert!(sent.expires_at.is_none_or(|end| end > now), "{id} is started too late");
            if !again {
                self.started.push(id);
            }
        }
        if self.dice.one_in(4) {
            // The connection breaks: the runner is given the same again.
            let again = self.world.store.leased_commands(org, runner).await.unwrap();
            let attempts = |orders: &[RunnerExecute]| {
                orders.iter().map(|order| order.attempt.command_id).collect::<BTreeSet<_>>()
            };
            assert_eq!(attempts(&again), attempts(&orders));
        }
        for order in orders {
            self.finish(order).await;
        }
    }

    /// Works on a command, and tells of it. Everything told is told again, as after a broken
    /// connection, and so is what was told of an earlier attempt.
    async fn finish(&mut self, order: RunnerExecute) {
        let id = order.attempt.command_id;
        if let Some(earlier) = self.earlier.get(&id) {
            assert_eq!(self.tell(earlier).await, (0, true), "{id}: an old attempt is believed");
        }
        let step = self.dice.roll(3 * MINUTE);
        let started = Record::Started { at: self.clock.now() };
        self.clock.later(&mut self.dice, step);
        let fails = self.sent[&id].fate == Fate::FailsOnce && order.attempt.attempt == 1;
        let kind = match self.sent[&id].fate {
            Fate::Interrupted => OutcomeKind::Interrupted,
            _ if fails => OutcomeKind::Failed,
            _ => OutcomeKind::Succeeded,
        };
        let (at, outcome) = (self.clock.now(), Outcome::new(kind));
        let finished = Record::Finished { at, outcome, killed: Vec::new() };
        let records = |records| RunnerRecords::new(order.attempt, 1, records);
        let (begun, all) = (records(vec![started.clone()]), records(vec![started, finished]));
        assert_eq!(self.tell(&begun).await, (1, false));
        assert_eq!(self.tell(&begun).await, (0, false));
        assert_eq!(self.tell(&all).await, (1, true));
        assert_eq!(self.tell(&all).await, (0, true));
        match fails {
            true => drop(self.earlier.insert(id, all)),
            false => drop(self.done.insert(id)),
        }
    }

    /// Tells of an attempt. How much of that was new, and whether the attempt is over.
    async fn tell(&self, records: &RunnerRecords) -> (u64, bool) {
        let (org, runner, now) = (self.world.org, self.world.runner, self.clock.now());
        let told = self.world.store.apply_records(org, runner, records.clone(), now).await.unwrap();
        (told.new_records, told.acknowledged.closed)
    }

    /// Everything sent is over as it should be, and each lane was started in its order.
    async fn check(&mut self) {
        for (id, sent) in &self.sent {
            let Command { state, .. } =
                self.world.store.command(self.world.org, *id).await.unwrap();
            let expected = match (sent.cancelled, self.expired.contains(id), sent.fate) {
                (true, ..) => CommandState::Cancelled,
                // What was started is not expired.
                (_, true, _) if self.earlier.contains_key(id) => CommandState::Dead,
                (_, true, _) => CommandState::Expired,
                (.., Fate::Interrupted) => CommandState::Interrupted,
                (.., Fate::Succeeds | Fate::FailsOnce) => CommandState::Succeeded,
            };
            assert_eq!(state, expected, "{id}");
            let over = matches!(state, CommandState::Cancelled | CommandState::Expired);
            assert_eq!(self.started.contains(id), !over, "{id}");
        }
        for (lane, accepted) in &self.lanes {
            let of_lane = |id: &&CommandId| accepted.contains(id);
            let started: Vec<_> = self.started.iter().filter(of_lane).collect();
            let kept = |id: &&CommandId| started.contains(id);
            let expected: Vec<_> = accepted.iter().filter(kept).collect();
            assert_eq!(started, expected, "lane {lane:?}");
        }
        for project in &self.projects {
            let events = self.world.events(Topic::Project(*project)).await.unwrap();
            let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
            assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
        }
    }
}

async fn a_day_away(seed: u64) {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new(Location::Sqlite(directory.path().join("afield.db")));
    let mut simulation = Simulation::new(&place, seed).await;
    let back = simulation.clock.time + AWAY;
    while simulation.clock.time < back {
        let step = simulation.dice.roll(10 * MINUTE);
        simulation.clock.later(&mut simulation.dice, step);
        simulation.submit().await;
        if simulation.dice.one_in(12) {
            simulation.cancel().await;
        }
        simulation.sweep().await;
    }
    assert!(simulation.started.is_empty(), "the runner was away");
    let mut rounds = 0;
    while simulation.waiting().next().is_some() {
        if simulation.dice.one_in(2) {
            simulation.sweep().await;
        }
        simulation.work().await;
        // Commands come while it works, too.
        if rounds < 60 && simulation.dice.one_in(2) {
            simulation.submit().await;
        }
        let step = simulation.dice.roll(10 * MINUTE);
        simulation.clock.later(&mut simulation.dice, step);
        rounds += 1;
        assert!(rounds < 5_000, "something never starts");
    }
    simulation.check().await;
    let count = |count: usize| assert!(count > 10, "{count} are too few to say anything");
    count(simulation.started.len());
    count(simulation.expired.len());
    count(simulation.earlier.len());
    count(simulation.sent.values().filter(|sent| sent.cancelled).count());
    count(simulation.sent.values().filter(|sent| sent.not_before.is_some()).count());
}

#[tokio::test]
async fn what_was_leased_and_never_begun_expires_with_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new(Location::Sqlite(directory.path().join("afield.db")));
    let world = World::open(&place).await.unwrap();
    let project = world.project("/a").await.unwrap().id;
    let mut accept = Vec::new();
    for end in [at(HOUR), at(2 * HOUR)] {
        let prompt = world.prompt(project, "do it", None);
        let submit = SubmitCommand { accept: Accept::Queue, expires_at: Some(end), ..prompt };
        accept.push(world.store.submit_command(submit, at(2)).await.unwrap().command.id);
    }
    let (org, runner) = (world.org, world.runner);
    let state = async |id| world.store.command(org, id).await.unwrap().state;
    assert_eq!(world.leases(3).await.unwrap().len(), 1);
    world.store.reconcile_runner(org, runner, &[], at(HOUR - 1)).await.unwrap();
    assert_eq!(state(accept[0]).await, CommandState::Leased, "it may still begin");
    world.store.reconcile_runner(org, runner, &[], at(HOUR)).await.unwrap();
    assert_eq!(state(accept[0]).await, CommandState::Expired);
    let next = world.leases(HOUR + 1).await.unwrap();
    assert_eq!(next[0].attempt.command_id, accept[1], "the next one has its turn");
}

#[tokio::test]
async fn a_day_away_with_a_jumping_clock() {
    let (days, first) = (asked("AFIELD_TEST_SEEDS", DAYS), asked("AFIELD_TEST_SEED", 1));
    for day in 0..days {
        // A failure shows what was printed: the last line says which day to play again.
        let seed = first + day;
        println!("days away: {day} of {days}, seed {seed}");
        a_day_away(seed).await;
    }
}
