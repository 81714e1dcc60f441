//! Who belongs to an attempt: its leader and every process it made, however they hide.
//!
//! A process belongs to it when it is in its cgroup, carries its mark in its environment, descends
//! from one that does, or is in a group or session such a one made. What was once seen is
//! remembered, so that a child stays known after its parent is gone. Blocking.

use std::collections::HashSet;

use super::cgroup::Leaf;
use super::table::{self, Entry};

/// What is known of the processes of one attempt.
#[derive(Debug)]
pub(crate) struct Kin {
    mark: String,
    leader: Option<u32>,
    leaf: Option<Leaf>,
    /// Process id and start of all that were ever seen.
    known: HashSet<(u32, u64)>,
    known_pids: HashSet<u32>,
}

impl Kin {
    pub(super) fn new(mark: String, leader: Option<u32>, leaf: Option<Leaf>) -> Self {
        let mut kin =
            Self { mark, leader, leaf, known: HashSet::new(), known_pids: HashSet::new() };
        if let Some(entry) = leader.and_then(table::one) {
            kin.remember(&entry);
        }
        kin
    }

    /// The processes an earlier runner left behind under this mark.
    pub(crate) fn left_behind(mark: &str) -> Self {
        Self::new(mark.to_owned(), None, Leaf::find(mark))
    }

    /// The mark its processes carry.
    #[cfg(test)]
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// The leader was waited for: its process id may be given to another process from now on.
    pub(crate) fn leader_gone(&mut self) {
        self.leader = None;
    }

    /// The process id of the leader, while it was not waited for.
    pub(super) fn leader(&self) -> Option<u32> {
        self.leader
    }

    /// Every living process of the attempt.
    pub(super) fn living(&mut self) -> Vec<Entry> {
        let own = std::process::id();
        let all: Vec<Entry> =
            table::all().into_iter().filter(|entry| entry.pid != own && entry.pid > 1).collect();
        let mut members = self.marked(&all);
        loop {
            let before = members.len();
            let more: Vec<u32> = all
                .iter()
                .filter(|entry| !members.contains(&entry.pid) && self.related(entry, &members))
                .map(|entry| entry.pid)
                .collect();
            members.extend(more);
            if members.len() == before {
                break;
            }
        }
        let living: Vec<Entry> =
            all.into_iter().filter(|entry| members.contains(&entry.pid)).collect();
        living.iter().for_each(|entry| self.remember(entry));
        living.into_iter().filter(|entry| !entry.zombie).collect()
    }

    /// Those that belong to it whatever their parents are.
    fn marked(&self, all: &[Entry]) -> HashSet<u32> {
        let assignment = format!("{}={}", super::MARKER, self.mark);
        let in_leaf: HashSet<u32> = self.leaf.iter().flat_map(Leaf::processes).collect();
        let is_marked = |entry: &&Entry| {
            in_leaf.contains(&entry.pid)
                || self.known.contains(&(entry.pid, entry.started))
                || self.leader == Some(entry.pid)
                || table::has_variable(entry.pid, &assignment)
        };
        all.iter().filter(is_marked).map(|entry| entry.pid).collect()
    }

    /// Whether a process descends from a member, or is in a group or session a member made.
    fn related(&self, entry: &Entry, members: &HashSet<u32>) -> bool {
        let made_by_one = |id: u32| members.contains(&id) || self.known_pids.contains(&id);
        members.contains(&entry.parent) || made_by_one(entry.group) || made_by_one(entry.session)
    }

    fn remember(&mut self, entry: &Entry) {
        self.known.insert((entry.pid, entry.started));
        self.known_pids.insert(entry.pid);
    }

    /// Kills everything in the cgroup, where there is one.
    pub(super) fn kill_leaf(&self) {
        if let Some(leaf) = &self.leaf {
            leaf.kill();
        }
    }
}
