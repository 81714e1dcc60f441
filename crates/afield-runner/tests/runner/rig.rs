//! A runner with everything around it: folders, a policy, a server in memory, programs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::approval::ApprovalAsk;
use afield_proto::command::Outcome;
use afield_proto::runner::{Attempt, KilledProcess, Record, RunnerExecute};
use afield_proto::{CommandId, ErrorBody, ProjectId, RequestId, SessionId};
use afield_runner::{Ladder, Options, Policy, Runner, RunnerHandle, Timing};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::programs;
use crate::server::Server;

/// Folders that outlive a runner.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(home.project()).unwrap();
        home
    }

    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.root().join("project")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    /// A Claude that plays `scenario`.
    pub(crate) fn claude(&self, scenario: &str) -> PathBuf {
        let text = format!(
            "#!/bin/sh\nexport MOCK_CLAUDE_SCENARIO='{scenario}' MOCK_CLAUDE_TIME_SCALE=0.02 \
             CLAUDE_CONFIG_DIR='{}'\nexec '{}' \"$@\"\n",
            self.root().join("claude-config").display(),
            programs::mock_claude().display(),
        );
        let path = self.root().join("claude");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            roots: vec![self.root()],
            shell: true,
            claude_path: self.root().join("claude"),
            ..Policy::default()
        }
    }

    /// An order for a fresh command.
    pub(crate) fn order(&self, agent: AgentKind, prompt: &str) -> RunnerExecute {
        RunnerExecute {
            attempt: Attempt { command_id: CommandId::generate(), attempt: 1, fence: 10 },
            request_id: RequestId::generate(),
            project_id: ProjectId::generate(),
            path: self.project().display().to_string(),
            session_id: SessionId::generate(),
            native_session: None,
            agent,
            prompt: prompt.to_owned(),
            options: ExecuteOptions::default(),
            attachments: Vec::new(),
        }
    }
}

/// Waiting times short enough for tests.
fn timing() -> Timing {
    let step = Duration::from_millis(150);
    Timing {
        ready: Duration::from_secs(2),
        interrupt: Duration::from_millis(300),
        settle: Duration::from_millis(500),
        exit: Duration::from_millis(500),
        exit_with_tasks: Duration::from_secs(20),
        drain: Duration::from_millis(500),
        sweep_grace: Duration::from_millis(200),
        gentle: Ladder { interrupt: step, close: step, term_leader: step * 2, term_group: step },
        kill: Ladder::KILL,
    }
}

/// A runner at work.
pub(crate) struct Rig {
    pub(crate) server: Arc<Server>,
    pub(crate) handle: RunnerHandle,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Rig {
    /// Starts a runner and connects it.
    pub(crate) async fn start(home: &Home, policy: Policy) -> Self {
        let rig = Self::start_with(home, policy, Arc::new(Server::new()));
        rig.connect().await;
        rig
    }

    /// Starts a runner that is not connected yet.
    pub(crate) fn start_with(home: &Home, policy: Policy, server: Arc<Server>) -> Self {
        let options = Options {
            data_dir: home.data(),
            policy,
            demo: vec![programs::demo_agent().into()],
            version: "0.0.0-test".into(),
            timing: timing(),
        };
        let uplink = Arc::clone(&server);
        let (runner, handle) = Runner::open(options, uplink).unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(runner.run(shutdown.clone()));
        Self { server, handle, shutdown, task }
    }

    pub(crate) async fn connect(&self) {
        self.server.set_up(true);
        self.handle.connected().await.unwrap();
    }

    pub(crate) fn disconnect(&self) {
        self.server.set_up(false);
        self.handle.disconnected();
    }

    /// Sends an order and returns the reply.
    pub(crate) async fn order(
        &self,
        name: &str,
        data: &impl Serialize,
    ) -> Option<Result<Box<RawValue>, ErrorBody>> {
        self.handle.order(name, &to_raw_value(data).unwrap()).await
    }

    pub(crate) async fn execute(&self, order: &RunnerExecute) {
        assert!(self.order("runner_execute", order).await.is_none());
    }

    /// Waits for the end of an attempt.
    pub(crate) async fn finished(&self, attempt: Attempt) -> (Outcome, Vec<KilledProcess>) {
        let records = self.server.until(attempt, |records| ended(records).is_some()).await;
        ended(&records).unwrap()
    }

    /// Waits for a question, the `index`-th of the attempt.
    pub(crate) async fn asked(&self, attempt: Attempt, index: usize) -> ApprovalAsk {
        let records = self.server.until(attempt, |records| asks(records).len() > index).await;
        asks(&records).swap_remove(index)
    }

    /// Stops the runner as its binary would.
    pub(crate) async fn stop(self) -> Arc<Server> {
        self.shutdown.cancel();
        let Self { server, handle, task, .. } = self;
        task.await.unwrap();
        drop(handle);
        server
    }

    /// Carries one order out from beginning to end.
    pub(crate) async fn run(&self, order: &RunnerExecute) -> (Outcome, Vec<KilledProcess>) {
        self.execute(order).await;
        self.finished(order.attempt).await
    }
}

pub(crate) fn ended(records: &[Record]) -> Option<(Outcome, Vec<KilledProcess>)> {
    match records.last()? {
        Record::Finished { outcome, killed, .. } => Some((outcome.clone(), killed.clone())),
        _ => None,
    }
}

pub(crate) fn asks(records: &[Record]) -> Vec<ApprovalAsk> {
    let asks = records.iter().filter_map(|record| match record {
        Record::Asked { ask, .. } => Some(ask.clone()),
        _ => None,
    });
    asks.collect()
}

/// The words of all messages of one kind.
pub(crate) fn texts(records: &[Record], kind: afield_proto::agent::MessageKind) -> Vec<String> {
    let texts = records.iter().flat_map(|record| match record {
        Record::Message(message) if message.kind == kind => message.text.iter().cloned().collect(),
        Record::Output { stream, lines, .. } if stream.kind() == kind => lines.texts().collect(),
        _ => Vec::new(),
    });
    texts.collect()
}

/// Whether a process lives.
pub(crate) fn alive(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")) else {
        return false;
    };
    !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
}
