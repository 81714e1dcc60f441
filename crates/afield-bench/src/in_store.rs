//! The store layer without the server around it: an SQLite database with runners and projects.

use std::path::Path;

use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::command::CommandKind;
use afield_proto::device::{DeviceKind, Scopes};
use afield_proto::project::ProjectSettings;
use afield_proto::queue::Priority;
use afield_proto::{DeviceId, OrgId, ProjectId, RequestId, Timestamp};
use afield_store::{Accept, Location, NewDevice, NewProject, Options, Owner, Store, SubmitCommand};
use anyhow::Result;
use futures::future::try_join_all;

/// A store, and who may use it.
pub(crate) struct InStore {
    pub(crate) store: Store,
    pub(crate) org: OrgId,
    /// A person's device, which submits.
    pub(crate) device: DeviceId,
    owner: Owner,
    runners: usize,
}

/// A runner with its projects.
pub(crate) struct Machine {
    pub(crate) runner: DeviceId,
    pub(crate) projects: Vec<ProjectId>,
}

impl InStore {
    /// Opens a new database in `folder`.
    pub(crate) async fn open(folder: &Path) -> Result<Self> {
        let options = Options::new(Location::Sqlite(folder.join("bench.db")));
        let store = Store::open(options).await?;
        let now = Timestamp::now();
        let owner = store.bootstrap(now).await?;
        let device = store.create_device(runner(&owner, 0), now).await?.id;
        Ok(Self { store, org: owner.org_id, device, owner, runners: 0 })
    }

    /// Makes runners with so many projects each. A new project is compared with all others of its
    /// runner.
    pub(crate) async fn add(&mut self, runners: usize, projects: usize) -> Result<Vec<Machine>> {
        let numbers = self.runners + 1..=self.runners + runners;
        self.runners += runners;
        try_join_all(numbers.map(|number| self.add_one(number, projects))).await
    }

    async fn add_one(&self, number: usize, projects: usize) -> Result<Machine> {
        let now = Timestamp::now();
        let runner_id = self.store.create_device(runner(&self.owner, number), now).await?.id;
        let projects = (0..projects).map(|number| {
            let path = format!("/bench/{number}");
            let (path_key, settings) = (path.clone(), ProjectSettings::default());
            let new = NewProject { org: self.org, runner_id, path, path_key, settings };
            self.store.create_project(new, u64::MAX >> 1, now)
        });
        let projects = try_join_all(projects).await?;
        let projects = projects.into_iter().map(|project| project.id).collect();
        Ok(Machine { runner: runner_id, projects })
    }

    /// A prompt for the queue of a project.
    pub(crate) fn submit(&self, project_id: ProjectId, prompt: &str) -> SubmitCommand {
        SubmitCommand {
            org: self.org,
            project_id,
            submitted_by: self.device,
            kind: CommandKind::Prompt,
            agent: AgentKind::Claude,
            prompt: prompt.to_owned(),
            options: ExecuteOptions::default(),
            attachments: Vec::new(),
            key: None,
            request_id: RequestId::generate(),
            accept: Accept::Queue,
            session_id: None,
            order: None,
            priority: Priority::Normal,
            not_before: None,
            expires_at: None,
            retry: None,
            hold: false,
            submitted_at: None,
        }
    }
}

fn runner(owner: &Owner, number: usize) -> NewDevice {
    let mut token_hash = [0; 32];
    token_hash[..8].copy_from_slice(&number.to_le_bytes());
    NewDevice {
        org: owner.org_id,
        user: owner.user_id,
        name: format!("bench {number}"),
        kind: DeviceKind::Runner,
        scopes: Scopes::all(),
        token_hash,
        expires_at: None,
        created_by: None,
    }
}
