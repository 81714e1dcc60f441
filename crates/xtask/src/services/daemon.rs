//! One server program in a temporary folder of its own.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long a service may take until it answers. A slow disk needs seconds, a broken set-up for ever.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long a service may take to end before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// An outside program tells nobody that it is ready or has ended: it is asked this often.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running service. Dropping it stops the process and removes the folder.
#[derive(Debug)]
pub struct Daemon {
    name: &'static str,
    process: Child,
    stop_signal: Signal,
    // after the process: the folder goes last
    folder: TempDir,
}

impl Daemon {
    /// Starts a program whose files all lie in `folder`. Its output goes to a log there.
    pub(super) fn spawn(
        name: &'static str,
        mut command: Command,
        stop_signal: Signal,
        folder: TempDir,
    ) -> Result<Self> {
        let log = File::create(folder.path().join("log"))?;
        // A group of its own: Ctrl-C must not stop the service before the tests that use it.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().with_context(|| format!("{name} can't be started"))?;
        Ok(Self { name, process, stop_signal, folder })
    }

    /// Waits until `ready` says so.
    ///
    /// **Errors**: the process ended or the deadline passed; the log is part of the message.
    pub(super) async fn wait_ready(mut self, ready: impl Fn(&Path) -> bool) -> Result<Self> {
        let deadline = Instant::now() + START_DEADLINE;
        while !ready(self.folder.path()) {
            if let Some(status) = self.process.try_wait()? {
                bail!("{} ended while starting ({status})\n{}", self.name, self.log());
            }
            if Instant::now() > deadline {
                bail!("{} does not answer\n{}", self.name, self.log());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(self)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its files and its socket are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.process.id()) {
            let _ = kill(Pid::from_raw(id), self.stop_signal);
        }
        let deadline = Instant::now() + STOP_DEADLINE;
        while Instant::now() < deadline {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
