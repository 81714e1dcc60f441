//! What a sender sends: drawn from a mix, with the terms it is held against.

use std::path::Path;
use std::time::Duration;

use afield_proto::Timestamp;
use afield_proto::queue::Priority;
use serde_json::{Value, json};

use super::{Terms, in_ms};
use crate::random::Random;

/// Leaves a trace of its start, past everything that can fail, with the time when asked.
const TIMED: &str = r#"echo "START $AFIELD_RUN_ID $AFIELD_ATTEMPT $$ $(date +%s%3N)" >> "$1""#;
const UNTIMED: &str = r#"echo "START $AFIELD_RUN_ID $AFIELD_ATTEMPT $$" >> "$1""#;

/// How often a sender does what, in percent.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Of the submissions, those that start at once or not at all, as older clients ask.
    pub immediate: u64,
    /// With an ordering key of their own.
    pub keys: u64,
    /// Not before a moment a little later.
    pub delayed: u64,
    /// How much later, at most and on top of a tenth of a second.
    pub delay: Duration,
    /// With an end a little later.
    pub short_lived: u64,
    /// Held from the beginning.
    pub held: u64,
    /// With a policy of three attempts; every other one says that starting it twice is safe.
    pub retried: u64,
    /// That fail and have a policy for that.
    pub failing: u64,
    /// That take a while.
    pub slow: u64,
    /// Of the steps, those that send something again with its key.
    pub repeats: u64,
    /// Cancels.
    pub cancels: u64,
    /// Holds and releases.
    pub holds: u64,
    /// Of what was interrupted, what a person puts back in the end.
    pub put_back: u64,
    /// Between two steps.
    pub pause: Duration,
    /// Whether starts tell their time.
    pub timed: bool,
    /// How long nothing may happen in the end before what is left counts as stuck; a minute when
    /// not given.
    pub patience: Option<Duration>,
}

/// Long enough for something else to happen meanwhile.
const DELAY: Duration = Duration::from_millis(300);

impl Mix {
    /// Nothing but plain commands.
    pub const PLAIN: Self = Self {
        immediate: 0,
        keys: 0,
        delayed: 0,
        delay: DELAY,
        short_lived: 0,
        held: 0,
        retried: 0,
        failing: 0,
        slow: 0,
        repeats: 0,
        cancels: 0,
        holds: 0,
        put_back: 0,
        pause: Duration::ZERO,
        timed: false,
        patience: None,
    };

    /// Some of everything.
    pub const ALL: Self = Self {
        immediate: 10,
        keys: 40,
        delayed: 20,
        delay: DELAY,
        short_lived: 15,
        held: 8,
        retried: 15,
        failing: 5,
        slow: 10,
        repeats: 10,
        cancels: 10,
        holds: 8,
        put_back: 50,
        pause: Duration::from_millis(25),
        timed: true,
        patience: None,
    };
}

/// One command, before it is sent.
pub(super) struct Submission {
    immediate: bool,
    order: Option<String>,
    priority: Priority,
    not_before_ms: Option<i64>,
    expires_ms: Option<i64>,
    pub(super) hold: bool,
    retry: Option<Value>,
    starts_max: u32,
    fails: bool,
    slow: bool,
    timed: bool,
}

impl Submission {
    pub(super) fn draw(random: &mut Random, mix: &Mix, mark: &str) -> Self {
        if mix.immediate > 0 && random.chance(mix.immediate) {
            return Self::immediate(random.chance(mix.slow), mix.timed);
        }
        let hold = random.chance(mix.held);
        let fails = random.chance(mix.failing);
        let retried = fails || random.chance(mix.retried);
        let safe = random.chance(50);
        let later = u64::try_from(mix.delay.as_millis()).unwrap_or(u64::MAX);
        let delay = random.chance(mix.delayed).then(|| 100 + random.up_to(later));
        let life =
            random.chance(mix.short_lived).then(|| delay.unwrap_or(0) + 50 + random.up_to(600));
        let keyed = random.chance(mix.keys).then(|| format!("k{}", random.up_to(1)));
        let on = if fails { "failed" } else { "timeout" };
        let retry = json!({ "attempts": 3, "wait_ms": 50, "on": [on], "safe": safe });
        Self {
            immediate: false,
            // What is held for ever must not keep others waiting.
            order: if hold { Some(mark.to_owned()) } else { keyed },
            priority: random.pick(&Priority::ALL).copied().unwrap_or_default(),
            not_before_ms: delay.map(in_ms),
            expires_ms: life.map(in_ms),
            hold,
            retry: retried.then_some(retry),
            starts_max: if fails || (retried && safe) { 3 } else { 1 },
            fails,
            slow: random.chance(mix.slow),
            timed: mix.timed,
        }
    }

    fn immediate(slow: bool, timed: bool) -> Self {
        Self {
            immediate: true,
            order: None,
            priority: Priority::Normal,
            not_before_ms: None,
            expires_ms: None,
            hold: false,
            retry: None,
            starts_max: 1,
            fails: false,
            slow,
            timed,
        }
    }

    pub(super) fn terms(&self, project: &str) -> Terms {
        // Without a key of its own, what waits for its time has a lane of its own.
        let lane = match (&self.order, self.not_before_ms) {
            (Some(order), _) => Some(format!("{project}/{order}")),
            (None, None) => Some(project.to_owned()),
            (None, Some(_)) => None,
        };
        Terms {
            lane,
            not_before_ms: self.not_before_ms,
            expires_ms: self.expires_ms,
            held: self.hold,
            starts_max: self.starts_max,
        }
    }

    /// The request that sends it, and its data.
    pub(super) fn ask(&self, project: &str, mark: &str, effects: &Path) -> (&'static str, Value) {
        let start = if self.timed { TIMED } else { UNTIMED };
        let rest = match (self.slow, self.fails) {
            (true, _) => "; sleep 0.1",
            (_, true) => "; exit 3",
            _ => "",
        };
        let argv = json!(["/bin/sh", "-c", format!("{start}{rest}"), "sh", effects]);
        let payload = json!({ "prompt": mark, "agent": "command", "options": { "argv": argv } });
        if self.immediate {
            let mut ask = payload;
            ask["project_id"] = project.into();
            ask["key"] = mark.into();
            return ("execute", ask);
        }
        let at = |ms: i64| Timestamp::from_unix_ms(ms);
        let ask = json!({
            "target": { "project_id": project },
            "payload": payload,
            "key": mark,
            "order": self.order,
            "priority": self.priority,
            "not_before": self.not_before_ms.map(at),
            "expires_at": self.expires_ms.map(at),
            "hold": self.hold,
            "retry": self.retry,
        });
        ("command_submit", ask)
    }
}
