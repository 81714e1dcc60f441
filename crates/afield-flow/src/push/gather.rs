//! What is told together: the first at once, what follows soon after it in one notification.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use afield_proto::{ApprovalId, DeviceId, Timestamp};

use super::{Notice, Subject};

/// What happens so soon after a notification is gathered into the next one.
const GATHERED_FOR: Duration = Duration::from_secs(10);
/// The same for what an agent waits for.
const URGENT_FOR: Duration = Duration::from_secs(2);
/// A runner that is back within this time was not away: networks change, lids close.
const RUNNER_FOR: Duration = Duration::from_secs(60);
/// Devices and subjects that are gathered for at the same time: a thousand devices with ten busy
/// projects each.
const SUBJECTS_MAX: usize = 10_000;
/// Notices in one notification; nobody reads more.
const NOTICES_MAX: usize = 50;

/// What waits to be told, and what was told a moment ago.
#[derive(Debug, Default)]
pub struct Gather {
    waiting: HashMap<(DeviceId, Subject), Waiting>,
    /// Who was told that what is away: only then it is told that it is back.
    away: HashSet<(DeviceId, Subject)>,
}

#[derive(Debug)]
struct Waiting {
    due: Timestamp,
    /// Empty while something was told a moment ago and nothing happened since.
    notices: Vec<Notice>,
}

/// What a device is told now.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// Which device.
    pub device: DeviceId,
    /// About what.
    pub subject: Subject,
    /// What happened, oldest first.
    pub notices: Vec<Notice>,
}

impl Gather {
    /// Something happened that a device is told of.
    pub fn add(&mut self, device: DeviceId, notice: Notice, now: Timestamp) {
        let key = (device, notice.subject);
        if notice.presence.is_some() && !self.is_news(key, &notice) {
            return;
        }
        let is_full = self.waiting.len() >= SUBJECTS_MAX;
        if is_full && !self.waiting.contains_key(&key) {
            return;
        }
        let known = self.waiting.entry(key);
        let waiting = known.or_insert_with(|| Waiting { due: now, notices: Vec::new() });
        if notice.presence.is_some() {
            waiting.due = waiting.due.max(now.plus(RUNNER_FOR));
        }
        if notice.kind.is_urgent() {
            waiting.due = waiting.due.min(now.plus(URGENT_FOR));
        }
        if waiting.notices.len() < NOTICES_MAX {
            waiting.notices.push(notice);
        }
    }

    /// Whether a runner is not as was told, or is about to be. What was about to be told and is no
    /// longer so is forgotten.
    fn is_news(&mut self, key: (DeviceId, Subject), notice: &Notice) -> bool {
        let waiting = self.waiting.get_mut(&key).filter(|waiting| !waiting.notices.is_empty());
        if let Some(waiting) = waiting {
            waiting.notices.retain(|before| before.presence == notice.presence);
            return false;
        }
        self.away.contains(&key) == (notice.presence == Some(true))
    }

    /// An approval is over.
    pub fn forget(&mut self, approval: ApprovalId) {
        for waiting in self.waiting.values_mut() {
            waiting.notices.retain(|it| it.approval.is_none_or(|asked| asked.id != approval));
        }
    }

    /// What is to be told now.
    pub fn due(&mut self, now: Timestamp) -> Vec<Due> {
        let mut due = Vec::new();
        self.waiting.retain(|(device, subject), waiting| {
            if waiting.due > now {
                return true;
            }
            let notices = std::mem::take(&mut waiting.notices);
            if notices.is_empty() {
                return false;
            }
            waiting.due = now.plus(GATHERED_FOR);
            match notices.last().and_then(|notice| notice.presence) {
                Some(true) => drop(self.away.remove(&(*device, *subject))),
                Some(false) => drop(self.away.insert((*device, *subject))),
                None => {}
            }
            due.push(Due { device: *device, subject: *subject, notices });
            true
        });
        due
    }

    /// When to ask again.
    pub fn next(&self) -> Option<Timestamp> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }
}
