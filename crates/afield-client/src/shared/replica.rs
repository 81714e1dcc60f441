//! What a copy knows, what waits to be sent, and how replies and facts change both.

use std::collections::BTreeMap;

use afield_proto::request::{StateSet, StateSetReply};
use afield_proto::state::{Clock, DraftText, StateKey, StateRegister, StateVerdict};
use afield_proto::{ErrorBody, ReplicaId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A write the server does not have yet. Of several to one register the last is kept: the others
/// were never anybody else's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unwritten {
    /// What is sent.
    pub write: StateSet,
    /// Why the server did not take it; it is not sent again before it is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<ErrorBody>,
}

/// A register as a copy shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Local {
    /// Its key.
    pub key: StateKey,
    /// What it holds here: what was written here last, or else what the server said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Of a draft: what was typed elsewhere beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<DraftText>,
    /// The server does not have `value` yet.
    pub waits: bool,
    /// Why it does not take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<ErrorBody>,
}

/// One copy of a person's shared state.
///
/// **Shape** when kept: its clock and what waits; what the server has is asked for again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Replica {
    clock: Clock,
    waiting: BTreeMap<StateKey, Unwritten>,
    #[serde(skip)]
    registers: BTreeMap<StateKey, StateRegister>,
    #[serde(skip)]
    through: u64,
    /// Counts changes of `waiting`.
    #[serde(skip)]
    changes: u64,
}

impl Default for Replica {
    fn default() -> Self {
        Self::new(ReplicaId::generate())
    }
}

impl Replica {
    /// An empty copy.
    pub fn new(id: ReplicaId) -> Self {
        let (waiting, registers) = (BTreeMap::new(), BTreeMap::new());
        Self { clock: Clock::new(id), waiting, registers, through: 0, changes: 0 }
    }

    /// A copy that was kept, begun again. It is another copy from now on: what it wrote before is
    /// not on its screen any more, and is not to be replaced as if it were.
    #[must_use]
    pub fn reopened(self) -> Self {
        Self { clock: self.clock.of(ReplicaId::generate()), ..self }
    }

    /// Everything up to this version has come. A reply to a write may tell of a later one alone.
    pub fn through(&self) -> u64 {
        self.through
    }

    /// What the server does not have yet.
    pub fn waiting(&self) -> &BTreeMap<StateKey, Unwritten> {
        &self.waiting
    }

    /// Grows with every change of what is to be kept.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether nothing is left to be sent.
    pub fn is_settled(&self) -> bool {
        self.waiting.values().all(|waiting| waiting.refused.is_some())
    }

    /// What the server said about a register last.
    pub fn register(&self, key: &StateKey) -> Option<&StateRegister> {
        self.registers.get(key)
    }

    /// A register as it is shown here.
    pub fn get(&self, key: &StateKey) -> Option<Local> {
        let (known, waiting) = (self.registers.get(key), self.waiting.get(key));
        (known.is_some() || waiting.is_some()).then(|| local(key, known, waiting))
    }

    /// Every register that holds something.
    pub fn all(&self) -> Vec<Local> {
        let keys = self.registers.keys().chain(self.waiting.keys());
        let keys: std::collections::BTreeSet<_> = keys.collect();
        let shown = keys.into_iter().filter_map(|key| self.get(key));
        shown.filter(|local| local.value.is_some() || local.waits).collect()
    }

    /// Writes a register here.
    pub fn set(&mut self, key: StateKey, value: Option<Value>, now: Timestamp) {
        let version = self.registers.get(&key).map_or(0, |register| register.version);
        // While something waits, its writer may not have looked at what came meanwhile.
        let base_version = match self.waiting.get(&key) {
            Some(waiting) => waiting.write.base_version,
            None => Some(version),
        };
        let hlc = Some(self.clock.tick(now));
        let write = StateSet { key: key.clone(), base_version, value, hlc };
        self.waiting.insert(key, Unwritten { write, refused: None });
        self.changes += 1;
    }

    /// The server told a register, in the order of their changes.
    pub fn receive(&mut self, register: StateRegister) {
        self.through = self.through.max(register.version);
        self.learn(register);
    }

    fn learn(&mut self, register: StateRegister) {
        self.clock.observe(register.hlc);
        let known = self.registers.get(&register.key);
        if known.is_none_or(|known| known.version < register.version) {
            self.registers.insert(register.key.clone(), register);
        }
    }

    /// What to send of a register.
    pub fn unsent(&self, key: &StateKey) -> Option<StateSet> {
        let waiting = self.waiting.get(key).filter(|waiting| waiting.refused.is_none());
        waiting.map(|waiting| waiting.write.clone())
    }

    /// The server has a write that was sent.
    pub fn written(&mut self, sent: &StateSet, reply: StateSetReply) {
        let StateSetReply { verdict, register } = reply;
        self.changes += 1;
        if let Some(waiting) = self.waiting.get_mut(&sent.key) {
            if waiting.write.hlc == sent.hlc {
                self.waiting.remove(&sent.key);
            } else if verdict == StateVerdict::Written {
                // What was written since knows exactly what is there now.
                waiting.write.base_version = Some(register.version);
            }
        }
        self.learn(register);
    }

    /// The server does not take a write that was sent.
    pub fn refused(&mut self, sent: &StateSet, error: ErrorBody) {
        self.changes += 1;
        let waiting = self.waiting.get_mut(&sent.key);
        if let Some(waiting) = waiting.filter(|waiting| waiting.write.hlc == sent.hlc) {
            waiting.refused = Some(error);
        }
    }
}

fn local(key: &StateKey, known: Option<&StateRegister>, waiting: Option<&Unwritten>) -> Local {
    let there = known.and_then(|known| known.value.clone());
    Local {
        key: key.clone(),
        value: waiting.map_or(there, |waiting| waiting.write.value.clone()),
        others: known.map(|known| known.others.clone()).unwrap_or_default(),
        waits: waiting.is_some(),
        refused: waiting.and_then(|waiting| waiting.refused.clone()),
    }
}

#[cfg(test)]
mod tests;
