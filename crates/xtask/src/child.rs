//! Running other programs so that an interrupt (Ctrl-C, SIGTERM) ends them and still lets this
//! process clean up. Used by every command that calls cargo or starts services.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

/// How long a program may take to end after it was asked to.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Who is told to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A process group of its own, all of it: cargo and the tests it runs.
    Group,
    /// The program alone, which keeps the terminal: something a person started through this tool.
    Program,
}

/// Runs programs one after the other and remembers that it was interrupted.
pub(crate) struct Runner {
    interrupt: SignalStream,
    terminate: SignalStream,
    interrupted: bool,
}

impl Runner {
    /// From here on an interrupt no longer ends this process by itself.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            interrupted: false,
        })
    }

    /// Whether somebody wants this to end.
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// Runs a program to its end.
    ///
    /// **Errors**: it can't be started, or an interrupt came (the program has ended then, too).
    pub(crate) async fn run(&mut self, mut command: Command, reach: Reach) -> Result<ExitStatus> {
        if reach == Reach::Group {
            command.process_group(0).stdin(Stdio::null());
        }
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| format!("{name} can't be started"))?;
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        self.interrupted = true;
        stop(&mut child, reach).await;
        bail!("interrupted")
    }
}

async fn stop(child: &mut Child, reach: Reach) {
    tell(child, reach, Signal::SIGTERM);
    if tokio::time::timeout(STOP_GRACE, child.wait()).await.is_err() {
        tell(child, reach, Signal::SIGKILL);
        let _ = child.wait().await;
    }
}

/// A program that has ended meanwhile needs no signal: failures are of no interest.
fn tell(child: &Child, reach: Reach, signal: Signal) {
    let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) else { return };
    let _ = match reach {
        Reach::Group => killpg(Pid::from_raw(id), signal),
        Reach::Program => kill(Pid::from_raw(id), signal),
    };
}
