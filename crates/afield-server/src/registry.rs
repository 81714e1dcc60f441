//! The registry: what is known of devices beside who they are. What a runner agreed to, what it can
//! do, how its version compares, and the labels and ranks their owner gives them.
//!
//! What changes often (load, free slots) is kept with the runner's link, in memory alone.

use std::time::Duration;

use afield_proto::device::{Device, DeviceAbout};
use afield_proto::fact::RunnerState;
use afield_proto::limits::PROTOCOL_VERSIONS;
use afield_proto::live::{FEATURES, RunnerBeat, Skew, check_labels};
use afield_proto::request::{DeviceLabel, RunnerListReply};
use afield_proto::runner::{RunnerFacts, RunnerHello};
use afield_proto::{ErrorBody, ErrorCode, Timestamp};
use afield_store::{LabelDevice, RunnerRow};

use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::runners::Link;
use crate::socket::conn::Actor;

/// What server and runner speak on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The highest protocol version both know.
    pub(crate) protocol: u32,
    /// The features both have.
    pub(crate) features: Vec<String>,
}

impl Agreed {
    /// **Errors**: PROTOCOL_MISMATCH when no version is known to both.
    pub(crate) fn with(hello: &RunnerHello) -> Result<Self, ErrorBody> {
        let (ours, theirs) = (PROTOCOL_VERSIONS, hello.protocol);
        let protocol = ours.1.min(theirs.1);
        if protocol < ours.0.max(theirs.0) {
            return Err(mismatch(ours, theirs));
        }
        let both = FEATURES.into_iter().filter(|name| hello.features.iter().any(|it| it == name));
        Ok(Self { protocol, features: both.map(str::to_owned).collect() })
    }

    /// Whether a feature was agreed.
    pub(crate) fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|agreed| agreed == feature)
    }
}

fn mismatch(ours: (u32, u32), theirs: (u32, u32)) -> ErrorBody {
    let message = format!(
        "the server speaks protocol {} to {}, the runner {} to {}; update the older side",
        ours.0, ours.1, theirs.0, theirs.1
    );
    ErrorBody::new(ErrorCode::ProtocolMismatch, message)
        .with_details(serde_json::json!({ "server": ours, "runner": theirs }))
}

/// Whether a beat has only words that can be shown.
pub(crate) fn is_sound(beat: &RunnerBeat) -> bool {
    beat.agents.iter().flatten().all(|agent| check_labels("abilities", &agent.can).is_ok())
}

/// `runner_beat`, when it could not be taken at once.
///
/// **Errors**: VALIDATION_FAILED for words that can't be shown, CONFLICT before `runner_hello`.
pub(crate) fn refuse_beat(beat: &RunnerBeat) -> ErrorBody {
    match is_sound(beat) {
        true => ErrorBody::new(ErrorCode::Conflict, "a runner says runner_hello first"),
        false => invalid("abilities must be words: letters, digits and . _ - : / +"),
    }
}

/// `runner_list`
pub(crate) async fn runners(core: &Core, actor: &Actor) -> Result<RunnerListReply, ErrorBody> {
    let rows = core.store.runners(actor.org).await.map_err(from_store)?;
    let live = rows.into_iter().filter(|row| row.device.revoked_at.is_none());
    Ok(RunnerListReply { runners: live.map(|row| state(core, row)).collect() })
}

fn state(core: &Core, row: RunnerRow) -> RunnerState {
    let RunnerRow { device, facts } = row;
    let mut state = RunnerState {
        name: device.name,
        last_seen_at: device.last_seen_at,
        skew: facts.as_ref().and_then(|facts| skew(core, &facts.version)),
        facts,
        labels: device.labels,
        priority: device.priority,
        ..RunnerState::unknown(device.id)
    };
    if let Some(link) = core.runners.get(device.id) {
        connected(core, &mut state, &link);
    }
    state
}

/// What its connection adds to what is known of a runner.
pub(crate) fn connected(core: &Core, state: &mut RunnerState, link: &Link) {
    let facts = link.facts();
    state.online = true;
    state.last_seen_at = Some(Timestamp::now());
    state.protocol = Some(link.agreed.protocol);
    state.features = link.agreed.features.clone();
    state.skew = skew(core, &facts.version);
    state.facts = Some(RunnerFacts::clone(&facts));
}

fn skew(core: &Core, version: &str) -> Option<Skew> {
    Skew::of(&core.options.version, version)
}

/// Says of each device how its version compares; of runners also what machine they are.
pub(crate) fn describe(core: &Core, devices: &mut [Device], runners: &[RunnerRow]) {
    for device in devices {
        let row = runners.iter().find(|row| row.device.id == device.id);
        if let Some(facts) = row.and_then(|row| row.facts.as_ref()) {
            let system = format!("{} {}", facts.os, facts.arch).trim().to_owned();
            device.about = Some(DeviceAbout { system, version: facts.version.clone() });
        }
        device.skew = device.about.as_ref().and_then(|about| skew(core, &about.version));
    }
}

/// `device_label`
pub(crate) async fn label(
    core: &Core,
    actor: &Actor,
    ask: DeviceLabel,
) -> Result<Device, ErrorBody> {
    let labels = ask.labels;
    if let Some(labels) = &labels {
        check_labels("labels", labels).map_err(invalid)?;
    }
    let sorted = |mut labels: Vec<String>| {
        labels.sort();
        labels.dedup();
        labels
    };
    let label = LabelDevice {
        id: ask.device_id,
        labels: labels.map(sorted),
        base_labels: ask.base_labels.map(sorted),
        priority: ask.priority,
    };
    let labelled = core.store.label_device(actor.org, actor.device, label, Timestamp::now()).await;
    core.routing.again.look(actor.org, Duration::ZERO);
    labelled.map_err(from_store)
}
