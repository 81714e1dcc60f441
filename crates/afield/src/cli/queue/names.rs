//! Names for ids: what people call their devices, runners and projects.

use std::collections::HashMap;
use std::path::Path;

use afield_client::Connection;
use afield_proto::fact::RunnerState;
use afield_proto::project::Project;
use afield_proto::queue::Hold;
use afield_proto::request::{DeviceList, HoldList, ProjectList, RunnerList};
use afield_proto::{DeviceId, ProjectId};

use crate::failure::Failure;
use crate::short_id::short;
use crate::words::visible;

/// What is known around commands.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) devices: HashMap<DeviceId, String>,
    pub(super) runners: Vec<RunnerState>,
    pub(super) projects: Vec<Project>,
    pub(super) holds: Vec<Hold>,
}

impl Names {
    /// Asks the server. Devices are named only to those who may see them.
    pub(super) async fn ask(connection: &Connection) -> Result<Self, Failure> {
        let (projects, runners) = (ProjectList {}, RunnerList {});
        let (devices, holds) = (DeviceList {}, HoldList {});
        let (projects, runners, devices, holds) = tokio::join!(
            connection.ask(&projects),
            connection.ask(&runners),
            connection.ask(&devices),
            connection.ask(&holds),
        );
        let (projects, runners) = (projects?.projects, runners?.runners);
        let listed = devices.map(|reply| reply.devices).unwrap_or_default();
        let of_runners = runners.iter().map(|runner| (runner.runner_id, runner.name.clone()));
        let mut devices: HashMap<_, _> = of_runners.collect();
        devices.extend(listed.into_iter().map(|device| (device.id, device.name)));
        Ok(Self { devices, runners, projects, holds: holds?.holds })
    }

    /// A device's name, or the end of its id.
    pub(super) fn device(&self, id: DeviceId) -> String {
        self.devices.get(&id).cloned().unwrap_or_else(|| format!("device {}", short(id)))
    }

    /// A project's name, or the last part of its directory.
    pub(super) fn project(&self, id: ProjectId) -> String {
        let Some(project) = self.projects.iter().find(|project| project.id == id) else {
            return format!("project {}", short(id));
        };
        let directory = Path::new(&project.path).file_name();
        let named = project.settings.name.clone();
        let named = named.or_else(|| directory.map(|name| name.to_string_lossy().into_owned()));
        visible(named.as_deref().unwrap_or(&project.path))
    }

    /// The same text with names instead of the ids of devices.
    pub(super) fn in_words(&self, text: &str) -> String {
        self.devices.iter().fold(text.to_owned(), |text, (id, name)| {
            let id = id.to_string();
            if text.contains(&id) { text.replace(&id, name) } else { text }
        })
    }
}
