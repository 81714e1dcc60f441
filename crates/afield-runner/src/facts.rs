//! What can be told about the machine: its facts, its health, and the agents found on it.
//!
//! Called on connecting, for every beat, when the server asks for a measurement, and before an agent
//! is started. Programs are asked for their version at most every half minute.

mod tools;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afield_proto::Timestamp;
use afield_proto::agent::AgentKind;
use afield_proto::live::{RunnerLoad, Sandbox};
use afield_proto::runner::{AgentFacts, RunnerFacts, RunnerHealth};
use sysinfo::System;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::agents::claude;
use crate::policy::Policy;
use crate::process::environment::environment;
use crate::process::{Launch, has_cgroups, probe};

/// A probe of a program counts for this long.
const PROBE_LIFE: Duration = Duration::from_secs(30);
/// A program that does not tell its version in this time is not usable. The program is large, and
/// a cold disk slow.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The oldest version of Claude Code whose dialogue is known.
const CLAUDE_OLDEST: (u32, u32, u32) = (2, 0, 0);

/// Claude Code as found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaudeFound {
    /// The program.
    pub(crate) program: Option<PathBuf>,
    /// Its version.
    pub(crate) version: Option<(u32, u32, u32)>,
    /// Whether it answered when it was asked for its version. An odd answer is no reason to refuse:
    /// what it can do shows when it works.
    pub(crate) answers: bool,
    /// Why it can't be used, or what is odd about it.
    pub(crate) note: Option<String>,
}

impl ClaudeFound {
    /// Whether it can be started.
    pub(crate) fn usable(&self) -> bool {
        self.answers
    }
}

/// Measures and remembers.
pub(crate) struct Facts {
    policy: Arc<Policy>,
    version: String,
    demo: bool,
    /// Absent where the system can't be measured.
    system: Mutex<Option<System>>,
    claude: Mutex<Option<(Instant, Arc<ClaudeFound>)>>,
    busy: watch::Sender<Busy>,
}

/// What is told soon after it changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Busy {
    /// Commands that are worked on.
    executing: u32,
    /// Commands whose start the disk refuses to take.
    refused: u32,
}

/// While it lives, the disk refuses to take the start of a command.
pub(crate) struct DiskRefuses(Arc<Facts>);

impl Drop for DiskRefuses {
    fn drop(&mut self) {
        self.0.busy.send_modify(|busy| busy.refused -= 1);
    }
}

impl Facts {
    /// Facts of a runner of this version; `demo` tells whether it has its demonstration agent.
    pub(crate) fn new(policy: Arc<Policy>, version: String, demo: bool) -> Self {
        let (system, claude) = (Mutex::new(System::new().ok()), Mutex::new(None));
        Self { policy, version, demo, system, claude, busy: watch::Sender::default() }
    }

    /// Tells how many commands are worked on.
    pub(crate) fn set_executing(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.busy.send_if_modified(|busy| std::mem::replace(&mut busy.executing, count) != count);
    }

    /// Tells that the disk refuses to take the start of a command, until what is returned is dropped.
    pub(crate) fn disk_refuses(self: &Arc<Self>) -> DiskRefuses {
        self.busy.send_modify(|busy| busy.refused += 1);
        DiskRefuses(Arc::clone(self))
    }

    /// What is told soon, as it changes.
    pub(crate) fn busy(&self) -> watch::Receiver<Busy> {
        self.busy.subscribe()
    }

    /// How busy the machine is. Blocking.
    pub(crate) fn load(&self) -> RunnerLoad {
        let read = |system: &System| {
            let free = system.total_memory().saturating_sub(system.used_memory());
            (system.global_cpu_usage().clamp(0.0, 100.0) as u32, free)
        };
        let (percent, memory_free_bytes) = self.with_system(read).unwrap_or_default();
        let Busy { executing, refused } = *self.busy.borrow();
        let disk_refuses = refused > 0;
        let slots = if disk_refuses { 0 } else { self.policy.concurrency.max(1) };
        let free_slots = slots.saturating_sub(executing);
        RunnerLoad { percent, memory_free_bytes, executing, free_slots, disk_refuses }
    }

    /// The facts of the machine.
    pub(crate) async fn facts(self: &Arc<Self>) -> RunnerFacts {
        let agents = self.agents().await;
        let facts = Arc::clone(self);
        let measured = tokio::task::spawn_blocking(move || facts.machine(agents)).await;
        measured.unwrap_or_default()
    }

    fn machine(&self, agents: Vec<AgentFacts>) -> RunnerFacts {
        let roots = self.policy.roots.iter().filter_map(|root| root.canonicalize().ok());
        RunnerFacts {
            version: self.version.clone(),
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            host: System::host_name().unwrap_or_default(),
            cores: std::thread::available_parallelism()
                .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
            memory_bytes: self.with_system(System::total_memory).unwrap_or(0),
            agents,
            roots: roots.map(|root| root.display().to_string()).collect(),
            shell: self.policy.shell,
            concurrency: self.policy.concurrency,
            tools: tools::found(std::env::var_os("PATH")),
            labels: self.policy.labels.clone(),
            sandbox: if has_cgroups() { Sandbox::Cgroup } else { Sandbox::None },
            execution_timeout_seconds: self.policy.execution_timeout_seconds,
            load: Some(self.load()),
        }
    }

    /// The machine, measured now.
    pub(crate) async fn health(self: &Arc<Self>) -> Option<RunnerHealth> {
        let agents = self.agents().await;
        let facts = Arc::clone(self);
        tokio::task::spawn_blocking(move || facts.measure(agents)).await.ok()
    }

    fn measure(&self, agents: Vec<AgentFacts>) -> RunnerHealth {
        let read = |system: &System| {
            (
                f64::from(system.global_cpu_usage()) / 100.0,
                system.used_memory(),
                system.total_memory(),
            )
        };
        let (cpu, used, total) = self.with_system(read).unwrap_or_default();
        RunnerHealth {
            at: Timestamp::now(),
            cpu: cpu.clamp(0.0, 1.0),
            memory_used_bytes: used,
            memory_total_bytes: total,
            disk_free_bytes: self.policy.roots.first().map_or(0, |root| free_bytes(root)),
            executing: self.busy.borrow().executing,
            agents,
        }
    }

    fn with_system<T>(&self, read: impl FnOnce(&System) -> T) -> Option<T> {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let system = system.as_mut()?;
        system.refresh_cpu_usage();
        system.refresh_memory();
        Some(read(system))
    }

    /// The agents the policy allows, as they are now.
    pub(crate) async fn agents(&self) -> Vec<AgentFacts> {
        let mut agents = Vec::new();
        for &agent in &self.policy.agents {
            agents.push(match agent {
                AgentKind::Claude => claude_facts(&*self.claude().await),
                AgentKind::Demo => AgentFacts { can: abilities(), ..simple(agent, self.demo) },
                AgentKind::Command => simple(agent, true),
            });
        }
        agents
    }

    /// Claude Code, as found at most half a minute ago.
    pub(crate) async fn claude(&self) -> Arc<ClaudeFound> {
        if let Some(found) = self.remembered() {
            return found;
        }
        let found = Arc::new(find_claude(&self.policy).await);
        let mut claude = self.claude.lock().unwrap_or_else(PoisonError::into_inner);
        *claude = Some((Instant::now(), Arc::clone(&found)));
        found
    }

    fn remembered(&self) -> Option<Arc<ClaudeFound>> {
        let claude = self.claude.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, found) = claude.as_ref()?;
        (at.elapsed() < PROBE_LIFE).then(|| Arc::clone(found))
    }
}

fn simple(agent: AgentKind, available: bool) -> AgentFacts {
    AgentFacts { agent, available, version: None, note: None, can: Vec::new() }
}

/// What an agent can do that speaks the dialogue of Claude Code.
fn abilities() -> Vec<String> {
    ["ask", "images", "interrupt", "modes", "resume", "steer"].map(String::from).to_vec()
}

fn claude_facts(found: &ClaudeFound) -> AgentFacts {
    AgentFacts {
        agent: AgentKind::Claude,
        available: found.usable(),
        version: found.version.map(|(major, minor, patch)| format!("{major}.{minor}.{patch}")),
        note: found.note.clone(),
        can: abilities(),
    }
}

async fn find_claude(policy: &Policy) -> ClaudeFound {
    let configured = policy.claude_path.clone();
    let program = tokio::task::spawn_blocking(move || locate(&configured)).await.ok().flatten();
    let Some(program) = program else {
        let note = "no program named claude in PATH, ~/.local/bin or ~/.claude/local";
        let note = Some(note.to_owned());
        return ClaudeFound { program: None, version: None, answers: false, note };
    };
    let launch = Launch {
        program: program.clone().into(),
        arguments: vec!["--version".into()],
        environment: environment(std::env::vars_os(), &policy.pass_environment),
        directory: PathBuf::from("/"),
        mark: afield_proto::RequestId::generate().to_string(),
    };
    let words = probe::ask(launch, PROBE_TIMEOUT).await;
    let version = words.as_ref().ok().and_then(|words| claude::version(words));
    let note = match (&words, version) {
        (Err(error), _) => Some(format!("{}: {error}", program.display())),
        (Ok(_), None) => Some(format!("{} does not tell its version", program.display())),
        (Ok(_), Some(version)) if version < CLAUDE_OLDEST => {
            Some("older than 2.0.0: it may lack what Afield needs".to_owned())
        }
        _ => None,
    };
    ClaudeFound { program: Some(program), version, answers: words.is_ok(), note }
}

/// Where Claude is: the configured path, or the usual places.
fn locate(configured: &Path) -> Option<PathBuf> {
    if !configured.as_os_str().is_empty() {
        return Some(configured.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::home_dir();
    let in_home = [".local/bin", ".claude/local"].into_iter();
    let in_home = in_home.filter_map(|place| Some(home.as_ref()?.join(place)));
    let places: Vec<PathBuf> = std::env::split_paths(&path).chain(in_home).collect();
    places.into_iter().map(|place| place.join("claude")).find(|program| program.is_file())
}

/// Free space for a user on the file system of this directory.
fn free_bytes(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn facts(claude: &str) -> (tempfile::TempDir, Arc<Facts>) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("claude");
        std::fs::write(&program, format!("#!/bin/sh\n{claude}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let policy = Policy {
            roots: vec![folder.path().to_owned()],
            claude_path: program,
            ..Policy::default()
        };
        (folder, Arc::new(Facts::new(Arc::new(policy), "0.1.0".into(), true)))
    }

    #[tokio::test]
    async fn the_machine_is_described_and_measured() {
        let (_folder, facts) = facts("echo '2.1.329 (Claude Code)'");
        facts.set_executing(3);
        let told = facts.facts().await;
        assert!(told.cores > 0 && told.memory_bytes > 0);
        assert_eq!(told.roots.len(), 1);
        assert_eq!(told.check(), Ok(()));
        let load = told.load.unwrap();
        assert_eq!((load.executing, load.free_slots), (3, told.concurrency - 3));
        assert!(load.memory_free_bytes < told.memory_bytes && load.percent <= 100);
        let versions: Vec<_> =
            told.agents.iter().map(|agent| (agent.agent, agent.available)).collect();
        assert_eq!(
            versions,
            [(AgentKind::Claude, true), (AgentKind::Demo, true), (AgentKind::Command, true)]
        );
        assert_eq!(told.agents[0].version.as_deref(), Some("2.1.329"));
        let health = facts.health().await.unwrap();
        assert_eq!(health.executing, 3);
        assert!(health.disk_free_bytes > 0 && health.memory_total_bytes == told.memory_bytes);
    }

    #[tokio::test]
    async fn a_claude_that_is_odd_says_why_and_is_refused_only_when_it_fails() {
        for (script, why, usable) in [
            ("echo 1.0.5", "older", true),
            ("exit 3", "failed", false),
            ("echo hello", "does not tell its version", true),
        ] {
            let (_folder, facts) = facts(script);
            let found = facts.claude().await;
            assert_eq!(found.usable(), usable);
            assert!(found.note.as_ref().unwrap().contains(why), "{:?}", found.note);
        }
    }
}
