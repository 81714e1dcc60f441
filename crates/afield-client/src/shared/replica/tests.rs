//! Random histories of several copies under partitions, lost requests, lost replies, restarts and
//! clocks that are a day apart: all copies end up the same, and no typed text is lost.

use std::collections::BTreeSet;

use afield_proto::DeviceId;
use afield_proto::state::{Class, Merged, Stored, Write, merge};
use proptest::prelude::*;

use super::*;

const COPIES: usize = 4;
const KEYS: [&str; 5] = ["pref:theme", "pin:a", "read:s", "draft:s", "draft:t"];
const DAY_MS: i64 = 86_400_000;

/// The server, as far as the state goes: one order, and the merge it shares with clients.
#[derive(Default)]
struct Sequencer {
    registers: BTreeMap<StateKey, (u64, Stored)>,
    told: Vec<StateRegister>,
    /// Drafts are treated like preferences: what the test must notice.
    careless: bool,
}

impl Sequencer {
    /// `None` when the draft has as many texts as it may.
    fn write(&mut self, ask: &StateSet, from: usize, now: Timestamp) -> Option<StateSetReply> {
        let device_id = DeviceId::from(uuid::Uuid::from_u128(from as u128));
        let write = Write {
            base_version: ask.base_version,
            value: ask.value.clone(),
            hlc: ask.hlc.expect("a copy has a clock"),
            device_id,
            device_name: from.to_string(),
        };
        let class = match ask.key.class() {
            Class::Draft if self.careless => Class::Pref,
            class => class,
        };
        let known = self.registers.get(&ask.key).map(|(version, stored)| (*version, stored));
        match merge(class, known, &write, now) {
            Merged::Same(verdict) => {
                let register = self.shown(&ask.key).expect("it is known");
                Some(StateSetReply { verdict, register })
            }
            Merged::Changed(verdict, stored) => {
                let version = self.told.len() as u64 + 1;
                self.registers.insert(ask.key.clone(), (version, stored));
                let register = self.shown(&ask.key).expect("it was just written");
                self.told.push(register.clone());
                Some(StateSetReply { verdict, register })
            }
            Merged::Full => None,
        }
    }

    fn shown(&self, key: &StateKey) -> Option<StateRegister> {
        let (version, stored) = self.registers.get(key)?.clone();
        let Stored { value, hlc, device_id, device_name, others, .. } = stored;
        let (key, changed_at) = (key.clone(), Timestamp::from_unix_ms(0));
        Some(StateRegister { key, version, value, hlc, device_id, device_name, changed_at, others })
    }
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A person writes; `clears` empties a draft.
    Set { copy: usize, key: usize, clears: bool },
    /// The next fact arrives.
    Hear { copy: usize },
    /// What waits is sent.
    Send { copy: usize, key: usize, fate: Fate },
    /// The line is cut, or there again.
    Line { copy: usize, up: bool },
    /// The program ends and starts again from its file.
    Restart { copy: usize },
    /// Time passes, in milliseconds.
    Time { ms: i64 },
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    RequestLost,
    ReplyLost,
}

struct Copy {
    replica: Replica,
    heard: usize,
    up: bool,
    /// How far its clock is off.
    off_ms: i64,
}

struct World {
    server: Sequencer,
    copies: Vec<Copy>,
    now: i64,
    typed: BTreeSet<String>,
    /// Texts whose successor was written by somebody who saw them.
    seen: BTreeSet<String>,
    read_to: u64,
}

impl World {
    fn new(careless: bool) -> Self {
        let offsets = [0, DAY_MS, -DAY_MS, 40_000];
        let copy = |off_ms| Copy { replica: Replica::default(), heard: 0, up: true, off_ms };
        Self {
            server: Sequencer { careless, ..Sequencer::default() },
            copies: offsets.into_iter().map(copy).collect(),
            now: 1_795_176_000_000,
            typed: BTreeSet::new(),
            seen: BTreeSet::new(),
            read_to: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Set { copy, key, clears } => self.set(copy, KEYS[key], clears),
            Step::Hear { copy } => drop(self.copies[copy].up && self.hear(copy)),
            Step::Send { copy, key, fate } if self.copies[copy].up => {
                self.send(copy, &KEYS[key].parse().unwrap(), fate);
            }
            Step::Send { .. } => {}
            Step::Line { copy, up } => self.copies[copy].up = up,
            Step::Restart { copy } => {
                let kept = serde_json::to_string(&self.copies[copy].replica).unwrap();
                let kept: Replica = serde_json::from_str(&kept).unwrap();
                self.copies[copy].replica = kept.reopened();
                self.copies[copy].heard = 0;
            }
            Step::Time { ms } => self.now += ms,
        }
    }

    fn set(&mut self, copy: usize, key: &str, clears: bool) {
        let key: StateKey = key.parse().unwrap();
        let number = self.typed.len() as u64 + 1;
        let Copy { replica, off_ms, .. } = &mut self.copies[copy];
        let now = Timestamp::from_unix_ms(self.now + *off_ms);
        let value = match key.class() {
            Class::Draft => {
                self.seen.extend(shown(replica, &key));
                let text = format!("{copy} typed {number}");
                let text = if clears { String::new() } else { text };
                self.typed.extend(Some(text.clone()).filter(|text| !text.is_empty()));
                text.into()
            }
            Class::Read => {
                self.read_to = self.read_to.max(number);
                number.into()
            }
            Class::Pref | Class::Pin => number.into(),
        };
        replica.set(key, Some(value), now);
    }

    fn hear(&mut self, copy: usize) -> bool {
        let Copy { replica, heard, .. } = &mut self.copies[copy];
        let Some(register) = self.server.told.get(*heard) else { return false };
        replica.receive(register.clone());
        *heard += 1;
        true
    }

    fn send(&mut self, copy: usize, key: &StateKey, fate: Fate) {
        let Some(write) = self.copies[copy].replica.unsent(key) else { return };
        if matches!(fate, Fate::RequestLost) {
            return;
        }
        let reply = self.server.write(&write, copy, Timestamp::from_unix_ms(self.now));
        if let (Fate::Arrives, Some(reply)) = (fate, reply) {
            self.copies[copy].replica.written(&write, reply);
        }
    }

    /// Every line is there; everything is sent and heard.
    fn heal(&mut self) {
        for copy in 0..COPIES {
            for key in KEYS {
                self.send(copy, &key.parse().unwrap(), Fate::Arrives);
            }
        }
        for copy in 0..COPIES {
            while self.hear(copy) {}
        }
    }

    /// Typed texts that are nowhere, and that nobody who replaced them saw.
    fn lost(&self) -> Vec<&String> {
        let keys = || KEYS.iter().map(|key| key.parse().unwrap());
        let there = keys().filter_map(|key| self.copies[0].replica.register(&key)).flat_map(texts);
        let here = self.copies.iter().flat_map(|copy| copy.replica.waiting().values());
        let here = here.filter_map(|waiting| waiting.write.value.as_ref()?.as_str());
        let stand: BTreeSet<_> = there.chain(here.map(str::to_owned)).collect();
        let is_lost = |text: &&String| !self.seen.contains(*text) && !stand.contains(*text);
        self.typed.iter().filter(is_lost).collect()
    }
}

/// The texts a person sees: what waits here hides what came under it.
fn shown(replica: &Replica, key: &StateKey) -> Vec<String> {
    match replica.waiting().get(key) {
        Some(waiting) => text(&waiting.write.value).into_iter().collect(),
        None => replica.register(key).map(texts).unwrap_or_default(),
    }
}

fn text(value: &Option<Value>) -> Option<String> {
    value.as_ref().and_then(Value::as_str).map(str::to_owned)
}

fn texts(register: &StateRegister) -> Vec<String> {
    let others = register.others.iter().map(|other| other.text.clone());
    text(&register.value).into_iter().chain(others).collect()
}

fn step() -> impl Strategy<Value = Step> {
    let (copy, key) = (0..COPIES, 0..KEYS.len());
    prop_oneof![
        4 => (copy.clone(), key.clone(), prop::bool::weighted(0.1))
            .prop_map(|(copy, key, clears)| Step::Set { copy, key, clears }),
        4 => copy.clone().prop_map(|copy| Step::Hear { copy }),
        4 => (copy.clone(), key, prop_oneof![
            4 => Just(Fate::Arrives), 1 => Just(Fate::RequestLost), 1 => Just(Fate::ReplyLost),
        ]).prop_map(|(copy, key, fate)| Step::Send { copy, key, fate }),
        1 => (copy.clone(), any::<bool>()).prop_map(|(copy, up)| Step::Line { copy, up }),
        1 => copy.prop_map(|copy| Step::Restart { copy }),
        1 => prop_oneof![Just(1), Just(1_000), Just(DAY_MS)].prop_map(|ms| Step::Time { ms }),
    ]
}

fn replay(steps: &[Step], careless: bool) -> World {
    let mut world = World::new(careless);
    steps.iter().for_each(|step| world.step(step));
    world.heal();
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_copy_ends_up_the_same_and_no_text_is_lost(steps in prop::collection::vec(step(), 0..120)) {
        let world = replay(&steps, false);
        for copy in &world.copies {
            let is_full = |key: &StateKey| copy.replica.get(key).is_some_and(|local| local.others.len() == 7);
            prop_assert!(copy.replica.waiting().keys().all(is_full));
            prop_assert_eq!(&copy.replica.registers, &world.copies[0].replica.registers);
        }
        prop_assert_eq!(world.lost(), Vec::<&String>::new());
        let read = world.copies[0].replica.get(&"read:s".parse().unwrap());
        let read = read.and_then(|local| local.value).and_then(|value| value.as_u64());
        prop_assert_eq!(read.unwrap_or(0), world.read_to);
    }
}

#[test]
fn a_draft_treated_like_a_preference_is_noticed() {
    let apart = |copy| Step::Set { copy, key: 3, clears: false };
    let world = replay(&[apart(0), apart(1)], true);
    assert_eq!(world.lost().len(), 1, "the two were typed without knowing of each other");
}

#[test]
fn what_is_refused_stays_here_until_it_is_changed() {
    let mut replica = Replica::default();
    let key: StateKey = "draft:s".parse().unwrap();
    let now = Timestamp::from_unix_ms(5);
    replica.set(key.clone(), Some("long".into()), now);
    let sent = replica.unsent(&key).unwrap();
    let error = ErrorBody::new(afield_proto::ErrorCode::MessageTooLarge, "too long");
    replica.refused(&sent, error);
    assert!(replica.unsent(&key).is_none());
    let local = replica.get(&key).unwrap();
    assert!(local.waits && local.refused.is_some() && local.value == Some("long".into()));
    assert!(replica.is_settled());
    replica.set(key.clone(), Some("short".into()), now);
    assert!(replica.unsent(&key).is_some());
}
