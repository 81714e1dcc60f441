//! Each rule by itself. Whole histories with partitions are replayed in `afield-client`, whose
//! copies take part in them.

use super::*;
use crate::ReplicaId;
use crate::state::Clock;

/// A register written by several copies, each with its own clock.
struct Register {
    class: Class,
    stored: Option<(u64, Stored)>,
}

impl Register {
    fn new(class: Class) -> Self {
        Self { class, stored: None }
    }

    fn write(&mut self, by: &mut Clock, base: Option<u64>, value: Value, ms: i64) -> StateVerdict {
        let now = Timestamp::from_unix_ms(ms);
        self.apply(&write(by.tick(now), base, value), now)
    }

    fn apply(&mut self, write: &Write, now: Timestamp) -> StateVerdict {
        let stored = self.stored.as_ref().map(|(version, stored)| (*version, stored));
        match merge(self.class, stored, write, now) {
            Merged::Same(verdict) => verdict,
            Merged::Changed(verdict, stored) => {
                self.stored = Some((self.version() + 1, stored));
                verdict
            }
            Merged::Full => panic!("full"),
        }
    }

    fn version(&self) -> u64 {
        self.stored.as_ref().map_or(0, |(version, _)| *version)
    }

    fn value(&self) -> Option<&Value> {
        self.stored.as_ref().and_then(|(_, stored)| stored.value.as_ref())
    }

    fn texts(&self) -> Vec<String> {
        let stored = self.stored.iter().flat_map(|(_, stored)| texts(stored));
        stored.map(|text| text.text).collect()
    }
}

fn write(hlc: Hlc, base_version: Option<u64>, value: Value) -> Write {
    let value = Some(value).filter(|value| !value.is_null());
    let device_id = DeviceId::from(hlc.node.uuid());
    Write { base_version, value, hlc, device_id, device_name: "a screen".into() }
}

fn clocks() -> [Clock; 3] {
    std::array::from_fn(|_| Clock::new(ReplicaId::generate()))
}

#[test]
fn the_last_preference_stands_whenever_it_comes() {
    let [mut a, mut b, _] = clocks();
    let mut theme = Register::new(Class::Pref);
    let offline = write(a.tick(Timestamp::from_unix_ms(10)), Some(0), "dark".into());
    assert_eq!(theme.write(&mut b, Some(0), "light".into(), 20), StateVerdict::Written);
    let late = Timestamp::from_unix_ms(30);
    assert_eq!(theme.apply(&offline, late), StateVerdict::Superseded);
    assert_eq!(theme.write(&mut a, Some(0), "blue".into(), 40), StateVerdict::Written);
    assert_eq!(theme.value(), Some(&"blue".into()));
}

#[test]
fn who_knows_the_version_writes_although_its_clock_is_slow() {
    let [mut a, mut b, _] = clocks();
    let mut theme = Register::new(Class::Pref);
    theme.write(&mut a, None, 1.into(), 1_000);
    assert_eq!(theme.write(&mut b, Some(1), 2.into(), 5), StateVerdict::Written);
    assert_eq!(theme.value(), Some(&2.into()));
    assert_eq!(theme.write(&mut b, Some(1), 3.into(), 6), StateVerdict::Superseded);
}

#[test]
fn a_repetition_changes_nothing_even_after_others_wrote() {
    let [mut a, mut b, _] = clocks();
    for class in [Class::Pref, Class::Pin, Class::Draft] {
        let mut register = Register::new(class);
        let now = Timestamp::from_unix_ms(10);
        // A clock a day ahead counts as now, and a repetition comes at a later now.
        let first = write(a.tick(Timestamp::from_unix_ms(86_400_000)), Some(0), "a".into());
        assert_eq!(register.apply(&first, now), StateVerdict::Written);
        assert_eq!(register.write(&mut b, Some(1), "b".into(), 11), StateVerdict::Written);
        let later = Timestamp::from_unix_ms(99);
        assert_eq!(register.apply(&first, later), StateVerdict::Known);
        assert_eq!((register.version(), register.texts()), (2, vec!["b".to_owned()]));
    }
}

#[test]
fn read_markers_go_forward() {
    let [mut a, mut b, _] = clocks();
    let mut read = Register::new(Class::Read);
    read.write(&mut a, Some(0), 7.into(), 1);
    assert_eq!(read.write(&mut b, Some(0), 5.into(), 2), StateVerdict::Superseded);
    assert_eq!(read.write(&mut b, Some(1), 6.into(), 3), StateVerdict::Superseded);
    assert_eq!(read.write(&mut b, Some(0), 9.into(), 1), StateVerdict::Written);
    assert_eq!(read.value(), Some(&9.into()));
    assert_eq!(read.write(&mut a, Some(1), Value::Null, 4), StateVerdict::Superseded);
    assert_eq!(read.write(&mut a, Some(2), Value::Null, 5), StateVerdict::Written);
    assert_eq!(read.value(), None);
}

#[test]
fn drafts_typed_apart_stand_side_by_side() {
    let [mut a, mut b, mut c] = clocks();
    let mut draft = Register::new(Class::Draft);
    draft.write(&mut a, Some(0), "hello".into(), 1);
    assert_eq!(draft.write(&mut b, Some(1), "hello you".into(), 2), StateVerdict::Written);
    assert_eq!(draft.write(&mut c, Some(1), "hello all".into(), 3), StateVerdict::Conflict);
    assert_eq!(draft.texts(), ["hello all", "hello you"]);
    assert_eq!(draft.write(&mut c, Some(1), "hello all!".into(), 4), StateVerdict::Conflict);
    assert_eq!(draft.texts(), ["hello all!", "hello you"], "its own earlier text is replaced");
    let (_, stored) = draft.stored.clone().unwrap();
    assert_eq!(stored.device_id, DeviceId::from(c.node().uuid()));
    assert_eq!(stored.others[0].device_id, DeviceId::from(b.node().uuid()));
    assert_eq!(draft.write(&mut a, Some(4), "hello both".into(), 5), StateVerdict::Written);
    assert_eq!(draft.texts(), ["hello both"], "who has seen them all replaces them");
}

#[test]
fn clearing_a_draft_takes_nothing_away_that_was_not_seen() {
    let [mut a, mut b, _] = clocks();
    let mut draft = Register::new(Class::Draft);
    draft.write(&mut a, Some(0), "mine".into(), 1);
    draft.write(&mut b, Some(0), "yours".into(), 2);
    assert_eq!(draft.write(&mut a, Some(1), "".into(), 3), StateVerdict::Superseded);
    assert_eq!(draft.texts(), ["yours"]);
    assert_eq!(draft.write(&mut b, Some(2), Value::Null, 4), StateVerdict::Written);
    assert_eq!(draft.value(), None);
}

#[test]
fn the_same_words_stand_once_and_outlive_the_first_who_typed_them() {
    let [mut a, mut b, _] = clocks();
    let mut draft = Register::new(Class::Draft);
    draft.write(&mut a, Some(0), "same".into(), 1);
    assert_eq!(draft.write(&mut b, Some(0), "same".into(), 2), StateVerdict::Written);
    assert_eq!(draft.texts(), ["same"]);
    assert_eq!(draft.write(&mut a, Some(1), "other".into(), 3), StateVerdict::Conflict);
    assert_eq!(draft.texts(), ["other", "same"]);
}

#[test]
fn a_draft_takes_so_many_texts_and_no_more() {
    let mut draft = Register::new(Class::Draft);
    for n in 0..DRAFT_TEXTS_MAX {
        let mut clock = Clock::new(ReplicaId::generate());
        draft.write(&mut clock, Some(0), n.to_string().into(), 1);
    }
    let hlc = Clock::new(ReplicaId::generate()).tick(Timestamp::from_unix_ms(2));
    let (version, stored) = draft.stored.as_ref().unwrap();
    let more = write(hlc, Some(0), "more".into());
    let merged = merge(Class::Draft, Some((*version, stored)), &more, Timestamp::from_unix_ms(2));
    assert_eq!(merged, Merged::Full);
}
