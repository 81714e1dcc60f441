//! Accepts in the store layer, without the server around it.

use std::path::Path;
use std::time::{Duration, Instant};

use afield_proto::{CommandId, ProjectId, Timestamp};
use anyhow::Result;
use futures::future::try_join_all;

use crate::in_store::InStore;

/// Accepts of one lap, one for each project.
const PROJECTS: usize = 8192;
const PROJECTS_PER_RUNNER: usize = 64;
/// Commands cancelled at the same time.
const SIDE_BY_SIDE: usize = 1024;

/// A store with projects.
pub(crate) struct Accepts {
    base: InStore,
    projects: Vec<ProjectId>,
}

impl Accepts {
    /// Opens an SQLite database in `folder` and makes the projects.
    pub(crate) async fn open(folder: &Path) -> Result<Self> {
        let mut base = InStore::open(folder).await?;
        let machines = base.add(PROJECTS / PROJECTS_PER_RUNNER, PROJECTS_PER_RUNNER).await?;
        let projects = machines.into_iter().flat_map(|machine| machine.projects).collect();
        Ok(Self { base, projects })
    }

    /// Accepts per second with `in_flight` of them unanswered. Measures lap after lap until `time`
    /// has been spent; between laps the commands are cancelled again, which does not count.
    pub(crate) async fn per_second(
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
                let submit = self.base.submit(*project, prompt);
                let submitted = self.base.store.submit_command(submit, Timestamp::now()).await?;
                accepted.push(submitted.command.id);
            }
            anyhow::Ok(accepted)
        });
        Ok(try_join_all(lanes).await?.into_iter().flatten().collect())
    }

    async fn cancel(&self, commands: &[CommandId]) -> Result<()> {
        let InStore { store, org, device, .. } = &self.base;
        for commands in commands.chunks(SIDE_BY_SIDE) {
            let cancel = |command: &CommandId| {
                store.cancel_command(*org, *command, *device, Timestamp::now())
            };
            try_join_all(commands.iter().map(cancel)).await?;
        }
        Ok(())
    }
}
