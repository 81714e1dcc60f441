//! Presence: which devices are there, by what was heard of them and when. In memory alone: a sign
//! of life never becomes a write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use afield_flow::presence::{Signs, word};
use afield_proto::device::{Device, DevicePresence, Presence};
use afield_proto::fact::Fact;
use afield_proto::request::{DevicePresenceReply, Empty};
use afield_proto::{DeviceId, ErrorBody, Timestamp, Topic, wire};

use crate::core::Core;
use crate::error::from_store;
use crate::socket::conn::{Actor, Conn};

/// What was heard of every device since the server started.
#[derive(Default)]
pub(crate) struct Presences(Mutex<HashMap<DeviceId, Heard>>);

#[derive(Default)]
struct Heard {
    /// By their ids: one device may have very many.
    conns: HashMap<u64, Arc<Conn>>,
    /// Its last sign of life on a connection that is gone.
    last: Option<Timestamp>,
    /// When it said that it falls asleep.
    asleep: Option<Timestamp>,
    /// What its followers were told.
    told: Option<Presence>,
}

impl Heard {
    fn signs(&self, now: Timestamp) -> Signs {
        let silent = self.conns.values().map(|conn| conn.silent_for()).min();
        self.signs_with(silent.or(self.last.map(|last| now.since(last))), now)
    }

    /// The same, looking at connections only until one is well.
    fn signs_now(&self, interval: Duration, now: Timestamp) -> Signs {
        let well = self.conns.values().map(|conn| conn.silent_for()).find(|it| *it <= interval);
        match well {
            Some(silent) => self.signs_with(Some(silent), now),
            None => self.signs(now),
        }
    }

    fn signs_with(&self, silent: Option<Duration>, now: Timestamp) -> Signs {
        Signs {
            revoked: false,
            connected: !self.conns.is_empty(),
            silent,
            asleep: self.asleep.map(|asleep| now.since(asleep)),
        }
    }
}

impl Presences {
    fn all(&self) -> MutexGuard<'_, HashMap<DeviceId, Heard>> {
        self.0.lock().expect("nothing panics while it holds what was heard")
    }

    /// Whether somebody sees a screen of this device: one of its connections said so, and was heard
    /// of lately.
    pub(crate) fn is_looking(&self, device: DeviceId, interval: Duration) -> bool {
        let all = self.all();
        let mut conns = all.get(&device).into_iter().flat_map(|heard| heard.conns.values());
        conns.any(|conn| conn.is_looking() && conn.silent_for() <= interval * 2)
    }
}

/// A connection opened.
pub(crate) fn connected(core: &Core, conn: &Arc<Conn>) {
    let mut all = core.presences.all();
    let heard = all.entry(conn.actor().device).or_default();
    heard.conns.insert(conn.id(), Arc::clone(conn));
    let signs = heard.signs_with(Some(Duration::ZERO), Timestamp::now());
    tell(core, conn.actor(), heard, signs);
}

/// A connection ended.
pub(crate) fn left(core: &Core, conn: &Conn) {
    let now = Timestamp::now();
    let mut all = core.presences.all();
    let Some(heard) = all.get_mut(&conn.actor().device) else { return };
    heard.conns.remove(&conn.id());
    heard.last = heard.last.max(Some(now.minus(conn.silent_for())));
    if heard.conns.is_empty() {
        let signs = heard.signs(now);
        tell(core, conn.actor(), heard, signs);
    }
}

/// `runner_sleep`
pub(crate) fn sleep(core: &Core, actor: &Actor) -> Result<Empty, ErrorBody> {
    let now = Timestamp::now();
    let mut all = core.presences.all();
    let heard = all.entry(actor.device).or_default();
    heard.asleep = Some(now);
    let signs = heard.signs(now);
    tell(core, actor, heard, signs);
    core.routing.again.look(actor.org, Duration::ZERO);
    Ok(Empty {})
}

/// Looks at every connected device from time to time: silence is told too.
pub(crate) fn look(core: &Core) {
    let (interval, now) = (core.limits().ping_interval, Timestamp::now());
    for heard in core.presences.all().values_mut() {
        let Some(conn) = heard.conns.values().next().cloned() else { continue };
        let signs = heard.signs_now(interval, now);
        tell(core, conn.actor(), heard, signs);
    }
}

/// Tells who follows the org when a device's presence is in another word than before.
fn tell(core: &Core, actor: &Actor, heard: &mut Heard, signs: Signs) {
    let presence = word(signs, core.limits().ping_interval);
    if heard.told.replace(presence) == Some(presence) {
        return;
    }
    let (topic, now) = (Topic::Org(actor.org), Timestamp::now());
    if !core.topics.is_followed(&topic) {
        return;
    }
    let presence = DevicePresence {
        device_id: actor.device,
        name: actor.device_name.clone(),
        kind: actor.kind,
        presence,
        silent_ms: silent_ms(signs),
        connections: count(heard),
        at: now,
    };
    core.topics.relay(topic, &wire::fact_body(None, &Fact::DevicePresence(presence)), now);
}

/// How present a device is, as far as connections tell.
pub(crate) fn of(core: &Core, device: DeviceId) -> Presence {
    let now = Timestamp::now();
    let signs = core.presences.all().get(&device).map(|heard| heard.signs(now));
    word(signs.unwrap_or_default(), core.limits().ping_interval)
}

/// How long nothing was heard of a device that is not connected, at most since the server started.
pub(crate) fn gone_for(core: &Core, device: DeviceId) -> Duration {
    let heard = core.presences.all().get(&device).and_then(|heard| heard.last);
    let since = heard.map(|last| Timestamp::now().since(last));
    since.unwrap_or(Duration::MAX).min(core.started.elapsed())
}

fn silent_ms(signs: Signs) -> Option<u64> {
    signs.silent.map(|silent| u64::try_from(silent.as_millis()).unwrap_or(u64::MAX))
}

fn count(heard: &Heard) -> u32 {
    u32::try_from(heard.conns.len()).unwrap_or(u32::MAX)
}

/// `device_presence`
pub(crate) async fn list(core: &Core, actor: &Actor) -> Result<DevicePresenceReply, ErrorBody> {
    let devices = core.store.devices(actor.org).await.map_err(from_store)?;
    let (all, now) = (core.presences.all(), Timestamp::now());
    let devices = devices.into_iter().map(|device| {
        let heard = all.get(&device.id);
        let signs = signs_of(heard, &device, now);
        DevicePresence {
            device_id: device.id,
            name: device.name,
            kind: device.kind,
            presence: word(signs, core.limits().ping_interval),
            silent_ms: silent_ms(signs),
            connections: heard.map_or(0, count),
            at: now,
        }
    });
    Ok(DevicePresenceReply { devices: devices.collect(), topic: Topic::Org(actor.org) })
}

/// Says of each device how present it is.
pub(crate) fn show(core: &Core, devices: &mut [Device]) {
    let (all, now) = (core.presences.all(), Timestamp::now());
    for device in devices {
        let signs = signs_of(all.get(&device.id), device, now);
        device.presence = Some(word(signs, core.limits().ping_interval));
        device.silent_ms = silent_ms(signs);
    }
}

fn signs_of(heard: Option<&Heard>, device: &Device, now: Timestamp) -> Signs {
    let mut signs = heard.map(|heard| heard.signs(now)).unwrap_or_default();
    signs.revoked = device.revoked_at.is_some();
    signs.silent = signs.silent.or(device.last_seen_at.map(|seen| now.since(seen)));
    signs
}
