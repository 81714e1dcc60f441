//! What a write does to a register.
//!
//! A write that names the version it knows simply replaces it. One that knows less is merged by the
//! class of its key; a repetition changes nothing. Pure: the server asks here inside its
//! transaction, and a test can replay any history.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Class, DRAFT_TEXTS_MAX, DraftText, Hlc, StateVerdict};
use crate::{DeviceId, Timestamp};

/// Copies whose last write is remembered per register, to know a repetition. Of one that is
/// forgotten, a repeated draft may stand beside its successor; nothing is lost.
const HEADS_MAX: usize = 16;

/// A write that came.
#[derive(Debug, Clone)]
pub struct Write {
    /// The version it knows; `None` when it knows none.
    pub base_version: Option<u64>,
    /// What it writes; `None` deletes.
    pub value: Option<Value>,
    /// When it was written.
    pub hlc: Hlc,
    /// The device it comes from.
    pub device_id: DeviceId,
    /// Its name.
    pub device_name: String,
}

/// What a register holds, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// What it holds; `None` when it was deleted.
    pub value: Option<Value>,
    /// When that was written.
    pub hlc: Hlc,
    /// By which device.
    pub device_id: DeviceId,
    /// Its name then.
    pub device_name: String,
    /// Further texts of a draft, the newest first.
    pub others: Vec<DraftText>,
    /// The last write of each copy, the newest first.
    pub heads: Vec<Hlc>,
}

/// What a write leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Merged {
    /// The register stays as it is.
    Same(StateVerdict),
    /// The register is changed.
    Changed(StateVerdict, Stored),
    /// The draft has as many texts as it may.
    Full,
}

/// Decides what a write does. `stored` is the register and its version, if there is one.
pub fn merge(
    class: Class,
    stored: Option<(u64, &Stored)>,
    write: &Write,
    now: Timestamp,
) -> Merged {
    let Some((version, stored)) = stored else {
        return Merged::Changed(StateVerdict::Written, replace(class, None, write, now));
    };
    let is_known = |head: &Hlc| head.node == write.hlc.node && *head >= write.hlc;
    if stored.heads.iter().any(is_known) {
        return Merged::Same(StateVerdict::Known);
    }
    let knows = write.base_version == Some(version);
    match class {
        Class::Read if !is_further(stored, write, knows) => Merged::Same(StateVerdict::Superseded),
        Class::Draft if !knows => beside(stored, write, now),
        Class::Pref | Class::Pin if !knows && write.hlc.clamped(now) < stored.hlc => {
            Merged::Same(StateVerdict::Superseded)
        }
        _ => Merged::Changed(StateVerdict::Written, replace(class, Some(stored), write, now)),
    }
}

/// A marker goes forward only; it is removed by who knows where it stands.
fn is_further(stored: &Stored, write: &Write, knows: bool) -> bool {
    let place = |value: &Option<Value>| value.as_ref().and_then(Value::as_u64);
    match (place(&stored.value), place(&write.value)) {
        (Some(before), Some(after)) => after > before,
        (None, after) => after.is_some(),
        (Some(_), None) => knows,
    }
}

fn replace(class: Class, before: Option<&Stored>, write: &Write, now: Timestamp) -> Stored {
    let hlc = write.hlc.clamped(now);
    // The next point where the clock of who wrote it knew less than its writer.
    let hlc = before.map_or(hlc, |before| hlc.max(before.hlc.next(hlc.node)));
    let is_empty = class == Class::Draft && text(write).is_empty();
    Stored {
        value: write.value.clone().filter(|_| !is_empty),
        hlc,
        device_id: write.device_id,
        device_name: write.device_name.clone(),
        others: Vec::new(),
        heads: heads(before, write),
    }
}

fn text(write: &Write) -> &str {
    write.value.as_ref().and_then(Value::as_str).unwrap_or_default()
}

fn heads(before: Option<&Stored>, write: &Write) -> Vec<Hlc> {
    let others = before.into_iter().flat_map(|before| before.heads.iter().copied());
    let others = others.filter(|head| head.node != write.hlc.node);
    let mut heads: Vec<_> = std::iter::once(write.hlc).chain(others).collect();
    heads.sort_by_key(|head| Reverse(*head));
    heads.truncate(HEADS_MAX);
    heads
}

/// A text typed without knowing the register: it takes the place of what the same copy typed
/// before, and stands beside everything else.
fn beside(stored: &Stored, write: &Write, now: Timestamp) -> Merged {
    let mut texts = texts(stored);
    texts.retain(|known| known.hlc.node != write.hlc.node);
    let typed = text(write);
    if !typed.is_empty() {
        // The same words from two screens stand once, as those of the later: only that one may
        // take them back.
        texts.retain(|known| known.text != typed);
        texts.push(DraftText {
            text: typed.to_owned(),
            hlc: write.hlc.clamped(now),
            device_id: write.device_id,
            device_name: write.device_name.clone(),
        });
    }
    if texts.len() > DRAFT_TEXTS_MAX {
        return Merged::Full;
    }
    texts.sort_by_key(|text| Reverse(text.hlc));
    let verdict = match texts.as_slice() {
        [first] if first.hlc.node != write.hlc.node => StateVerdict::Superseded,
        [] | [_] => StateVerdict::Written,
        _ => StateVerdict::Conflict,
    };
    let heads = heads(Some(stored), write);
    let mut texts = texts.into_iter();
    let Some(first) = texts.next() else {
        return Merged::Changed(verdict, replace(Class::Draft, Some(stored), write, now));
    };
    Merged::Changed(
        verdict,
        Stored {
            value: Some(Value::String(first.text)),
            hlc: first.hlc,
            device_id: first.device_id,
            device_name: first.device_name,
            others: texts.collect(),
            heads,
        },
    )
}

/// Every text of a draft.
fn texts(stored: &Stored) -> Vec<DraftText> {
    let first = stored.value.as_ref().and_then(Value::as_str).map(|text| DraftText {
        text: text.to_owned(),
        hlc: stored.hlc,
        device_id: stored.device_id,
        device_name: stored.device_name.clone(),
    });
    first.into_iter().chain(stored.others.iter().cloned()).collect()
}

#[cfg(test)]
mod tests;
