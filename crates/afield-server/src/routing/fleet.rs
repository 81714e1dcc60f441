//! The fleet of an org: every project on every runner, with what is known of it now. What lies on
//! the disk of it is kept in memory until the store says that it changed; who is there and how busy
//! they are comes from their links.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use afield_flow::place::{Offer, OfferedProject, There};
use afield_proto::device::Presence;
use afield_proto::project::ProjectSettings;
use afield_proto::runner::RunnerFacts;
use afield_proto::{DeviceId, ErrorBody, OrgId, ProjectId, Timestamp};
use afield_store::{PlaceRow, RunnerRow};

use crate::core::Core;
use crate::error::from_store;
use crate::presence;

/// What commands may be placed on.
pub(super) struct Fleet {
    pub(super) org: OrgId,
    pub(super) offers: Vec<Offer>,
    known: Arc<Known>,
}

impl Fleet {
    /// **Errors**: those of the store.
    pub(super) async fn gather(core: &Core, org: OrgId) -> Result<Self, ErrorBody> {
        let known = known(core, org).await?;
        let now = Timestamp::now();
        let offers = known.runners.iter().flat_map(|runner| offers(core, runner, now)).collect();
        Ok(Self { org, offers, known })
    }

    /// What a project's owner chose.
    pub(super) fn settings(&self, id: ProjectId) -> ProjectSettings {
        self.known.settings.get(&id).cloned().unwrap_or_default()
    }
}

/// What was read of each org's fleet. There are as many as there are orgs.
#[derive(Default)]
pub(super) struct Fleets(Mutex<HashMap<OrgId, Arc<Known>>>);

/// What lies on the disk of a fleet.
struct Known {
    /// What the store had changed when this was read, or more.
    version: u64,
    runners: Vec<KnownRunner>,
    settings: HashMap<ProjectId, ProjectSettings>,
}

struct KnownRunner {
    id: DeviceId,
    name: Arc<str>,
    labels: Arc<[String]>,
    priority: i32,
    facts: Option<Arc<RunnerFacts>>,
    projects: Vec<OfferedProject>,
}

/// Read anew only when something of it was changed since.
async fn known(core: &Core, org: OrgId) -> Result<Arc<Known>, ErrorBody> {
    let fleets = || core.routing.fleets.0.lock().unwrap_or_else(PoisonError::into_inner);
    // Before it is read: what changes meanwhile counts as not seen.
    let version = core.store.fleet_version();
    let found = fleets().get(&org).cloned();
    if let Some(known) = found.filter(|known| known.version == version) {
        return Ok(known);
    }
    let runners = core.store.runners(org).await.map_err(from_store)?;
    let places = core.store.places(org).await.map_err(from_store)?;
    let known = Arc::new(Known::of(version, runners, places));
    fleets().insert(org, Arc::clone(&known));
    Ok(known)
}

impl Known {
    fn of(version: u64, runners: Vec<RunnerRow>, places: Vec<PlaceRow>) -> Self {
        let mut by_runner: HashMap<DeviceId, Vec<OfferedProject>> = HashMap::new();
        let mut settings = HashMap::with_capacity(places.len());
        for PlaceRow { id, runner_id, path, settings: chosen } in places {
            let offered = OfferedProject { id, path, agent: chosen.agent };
            by_runner.entry(runner_id).or_default().push(offered);
            settings.insert(id, chosen);
        }
        let live = runners.into_iter().filter(|row| row.device.revoked_at.is_none());
        let runners = live.map(|RunnerRow { device, facts }| KnownRunner {
            id: device.id,
            name: device.name.into(),
            labels: device.labels.into(),
            priority: device.priority,
            facts: facts.map(Arc::new),
            projects: by_runner.remove(&device.id).unwrap_or_default(),
        });
        Self { version, runners: runners.collect(), settings }
    }
}

fn offers(core: &Core, runner: &KnownRunner, now: Timestamp) -> Vec<Offer> {
    let link = core.runners.get(runner.id);
    let there = match (&link, presence::of(core, runner.id)) {
        (_, Presence::Asleep) => There::Asleep,
        (Some(_), _) => There::Online,
        (None, _) => There::Away,
    };
    let bare = Offer {
        runner_id: runner.id,
        runner: Arc::clone(&runner.name),
        project: None,
        facts: link.map(|link| link.facts()).or_else(|| runner.facts.clone()),
        labels: Arc::clone(&runner.labels),
        priority: runner.priority,
        there,
        broken: core.routing.breakers.broken(runner.id, now),
    };
    if runner.projects.is_empty() {
        return vec![bare];
    }
    let offered =
        |project: &OfferedProject| Offer { project: Some(project.clone()), ..bare.clone() };
    runner.projects.iter().map(offered).collect()
}
