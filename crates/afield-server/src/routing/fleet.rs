//! The fleet of an org: every project on every runner, with what is known of it now. Read whole in
//! two statements; how busy the runners are comes from their links.

use std::collections::HashMap;
use std::sync::Arc;

use afield_flow::place::{Offer, OfferedProject, There};
use afield_proto::device::Presence;
use afield_proto::project::ProjectSettings;
use afield_proto::{DeviceId, ErrorBody, OrgId, ProjectId, Timestamp};
use afield_store::{PlaceRow, RunnerRow};

use crate::core::Core;
use crate::error::from_store;
use crate::presence;

/// What commands may be placed on.
pub(super) struct Fleet {
    pub(super) org: OrgId,
    pub(super) offers: Vec<Offer>,
    settings: HashMap<ProjectId, ProjectSettings>,
}

impl Fleet {
    /// **Errors**: those of the store.
    pub(super) async fn gather(core: &Core, org: OrgId) -> Result<Self, ErrorBody> {
        let runners = core.store.runners(org).await.map_err(from_store)?;
        let places = core.store.places(org).await.map_err(from_store)?;
        let mut by_runner: HashMap<DeviceId, Vec<PlaceRow>> = HashMap::new();
        let mut settings = HashMap::with_capacity(places.len());
        for place in places {
            settings.insert(place.id, place.settings.clone());
            by_runner.entry(place.runner_id).or_default().push(place);
        }
        let now = Timestamp::now();
        let live = runners.into_iter().filter(|row| row.device.revoked_at.is_none());
        let offers = live.flat_map(|row| {
            let places = by_runner.remove(&row.device.id).unwrap_or_default();
            offers(core, row, places, now)
        });
        Ok(Self { org, offers: offers.collect(), settings })
    }

    /// What a project's owner chose.
    pub(super) fn settings(&self, id: ProjectId) -> ProjectSettings {
        self.settings.get(&id).cloned().unwrap_or_default()
    }
}

fn offers(core: &Core, row: RunnerRow, places: Vec<PlaceRow>, now: Timestamp) -> Vec<Offer> {
    let RunnerRow { device, facts } = row;
    let link = core.runners.get(device.id);
    let there = match (&link, presence::of(core, device.id)) {
        (_, Presence::Asleep) => There::Asleep,
        (Some(_), _) => There::Online,
        (None, _) => There::Away,
    };
    let bare = Offer {
        runner_id: device.id,
        runner: device.name.into(),
        project: None,
        facts: link.map(|link| link.facts()).or(facts.map(Arc::new)),
        labels: device.labels.into(),
        priority: device.priority,
        there,
        broken: core.routing.breakers.broken(device.id, now),
    };
    if places.is_empty() {
        return vec![bare];
    }
    let offered = |place: PlaceRow| {
        let agent = place.settings.agent;
        let project = Some(OfferedProject { id: place.id, path: place.path, agent });
        Offer { project, ..bare.clone() }
    };
    places.into_iter().map(offered).collect()
}
