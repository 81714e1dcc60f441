//! Accepts in the store layer, without the server around it.

use std::path::Path;
use std::time::{Duration, Instant};

use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::command::CommandKind;
use afield_proto::device::{DeviceKind, Scopes};
use afield_proto::project::ProjectSettings;
use afield_proto::queue::Priority;
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, RequestId, Timestamp};
use afield_store::{Accept, Location, NewDevice, NewProject, Options, Owner, Store, SubmitCommand};
use anyhow::Result;
use futures::future::try_join_all;

/// A project takes one command at a time: so many accepts fit into a lap.
const PROJECTS: usize = 8192;
/// Projects of one runner. A new project is compared with all others of its runner.
const PROJECTS_PER_RUNNER: usize = 64;
/// Projects made, or commands cancelled, at the same time.
const SIDE_BY_SIDE: usize = 1024;

/// A store with projects.
pub(crate) struct InStore {
    store: Store,
    org: OrgId,
    device: DeviceId,
    projects: Vec<ProjectId>,
}

impl InStore {
    /// Opens an SQLite database in `folder` and makes the projects.
    pub(crate) async fn open(folder: &Path) -> Result<Self> {
        let options = Options::new(Location::Sqlite(folder.join("bench.db")));
        let store = Store::open(options).await?;
        let now = Timestamp::now();
        let owner = store.bootstrap(now).await?;
        let device = store.create_device(runner(&owner, 0), now).await?.id;
        let mut bench = Self { store, org: owner.org_id, device, projects: Vec::new() };
        let runners = 1..=PROJECTS / PROJECTS_PER_RUNNER;
        let made = try_join_all(runners.map(|number| bench.make_projects(&owner, number))).await?;
        bench.projects = made.into_iter().flatten().collect();
        Ok(bench)
    }

    async fn make_projects(&self, owner: &Owner, number: usize) -> Result<Vec<ProjectId>> {
        let now = Timestamp::now();
        let runner_id = self.store.create_device(runner(owner, number), now).await?.id;
        let projects = (0..PROJECTS_PER_RUNNER).map(|number| {
            let path = format!("/bench/{number}");
            let (path_key, settings) = (path.clone(), ProjectSettings::default());
            let new = NewProject { org: self.org, runner_id, path, path_key, settings };
            self.store.create_project(new, u64::MAX >> 1, now)
        });
        let projects = try_join_all(projects).await?;
        Ok(projects.into_iter().map(|project| project.id).collect())
    }

    /// Accepts per second with `in_flight` of them unanswered. Measures lap after lap until `time`
    /// has been spent; between laps the projects are freed again, which does not count.
    pub(crate) async fn accepts_per_second(
        &self,
        in_flight: usize,
        prompt: &str,
        time: Duration,
    ) -> Result<f64> {
        let (mut accepted, mut took) = (0, Duration::ZERO);
        while took < time {
            let began = Instant::now();
            let commands = self.lap(in_flight, prompt, began + (time - took)).await?;
            took += began.elapsed();
            accepted += commands.len();
            self.cancel(&commands).await?;
        }
        Ok(accepted as f64 / took.as_secs_f64())
    }

    async fn lap(&self, in_flight: usize, prompt: &str, until: Instant) -> Result<Vec<CommandId>> {
        let lanes = self.projects.chunks(PROJECTS / in_flight).map(|share| async move {
            let mut accepted = Vec::with_capacity(share.len());
            for project in share {
                if Instant::now() >= until {
                    break;
                }
                let submit = self.submit(*project, prompt);
                let submitted = self.store.submit_command(submit, Timestamp::now()).await?;
                accepted.push(submitted.command.id);
            }
            anyhow::Ok(accepted)
        });
        Ok(try_join_all(lanes).await?.into_iter().flatten().collect())
    }

    async fn cancel(&self, commands: &[CommandId]) -> Result<()> {
        for commands in commands.chunks(SIDE_BY_SIDE) {
            let cancel = |command: &CommandId| {
                self.store.cancel_command(self.org, *command, self.device, Timestamp::now())
            };
            try_join_all(commands.iter().map(cancel)).await?;
        }
        Ok(())
    }

    fn submit(&self, project_id: ProjectId, prompt: &str) -> SubmitCommand {
        SubmitCommand {
            org: self.org,
            project_id,
            submitted_by: self.device,
            kind: CommandKind::Prompt,
            agent: AgentKind::Claude,
            prompt: prompt.to_owned(),
            options: ExecuteOptions::default(),
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
