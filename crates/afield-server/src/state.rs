//! Shared state of a person over the wire. The store is the sequencer; here are only its limits,
//! and the clock of writers that have none.

use std::sync::{Mutex, PoisonError};

use afield_proto::request::{StateGet, StateGetReply, StateSet, StateSetReply};
use afield_proto::state::{Clock, Hlc, Write, check_value};
use afield_proto::{ErrorBody, ReplicaId, Timestamp, Topic};
use afield_store::{StateLimits, StateWrite};

use crate::core::Core;
use crate::error::from_store;
use crate::socket::conn::Actor;

/// The clock for writers that bring no time of their own, such as scripts.
pub(crate) struct ServerClock(Mutex<Clock>);

impl Default for ServerClock {
    fn default() -> Self {
        Self(Mutex::new(Clock::new(ReplicaId::generate())))
    }
}

impl ServerClock {
    /// The present, as a write of a copy of its own: two such writes are never taken for one
    /// after the other of the same screen.
    fn tick(&self) -> Hlc {
        let mut clock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Hlc { node: ReplicaId::generate(), ..clock.tick(Timestamp::now()) }
    }
}

/// `state_get`
pub(crate) async fn get(
    core: &Core,
    actor: &Actor,
    ask: StateGet,
) -> Result<StateGetReply, ErrorBody> {
    let (topic, device_id) = (Topic::User(actor.user), Some(actor.device));
    if let Some(key) = ask.key {
        let found = core.store.state_register(actor.org, actor.user, &key).await;
        let registers = found.map_err(from_store)?.into_iter().collect();
        return Ok(StateGetReply { registers, more: false, topic, device_id });
    }
    let page = core.store.state(actor.org, actor.user, ask.after).await.map_err(from_store)?;
    Ok(StateGetReply { registers: page.registers, more: page.more, topic, device_id })
}

/// `state_set`: what one types and marks is one's own, so that seeing is enough.
pub(crate) async fn set(
    core: &Core,
    actor: &Actor,
    ask: StateSet,
) -> Result<StateSetReply, ErrorBody> {
    check_value(ask.key.class(), ask.value.as_ref())?;
    let limits = core.limits();
    let write = Write {
        base_version: ask.base_version,
        value: ask.value,
        hlc: ask.hlc.unwrap_or_else(|| core.state_clock.tick()),
        device_id: actor.device,
        device_name: actor.device_name.clone(),
    };
    let write = StateWrite {
        org: actor.org,
        user: actor.user,
        key: ask.key,
        write,
        limits: StateLimits { keys: limits.state_keys, bytes: limits.state_bytes },
    };
    core.store.set_state(write, Timestamp::now()).await.map_err(from_store)
}
