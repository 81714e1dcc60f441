//! Agent processes: started without a shell, watched, and stopped with every child they made.
//!
//! The only place of the crate that starts or signals processes. Called by the owner task of an
//! attempt and by the probes of agents. It knows nothing of agents, journals or the network.

pub(crate) mod environment;

mod cgroup;
mod kin;
mod ladder;
pub(crate) mod probe;
mod reaper;
mod sweep;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

pub(crate) use cgroup::is_available as has_cgroups;
pub(crate) use kin::Kin;
pub use ladder::Ladder;
pub(crate) use ladder::{Climb, Step};
pub(crate) use reaper::{OrphanReaper, adopt_orphans};
pub(crate) use sweep::{Killed, sweep};

/// The variable that marks every process of an attempt; its value is the command's id.
pub(crate) const MARKER: &str = "AFIELD_RUN_ID";
/// Size asked for the pipes of an agent, in bytes: room for a burst while a reader is busy.
const PIPE_BYTES: usize = 1024 * 1024;

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The program: a path, or a name to look for in `PATH`.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Its whole environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Where it works.
    pub(crate) directory: PathBuf,
    /// The mark of its descendants: the value of [`MARKER`], and the name of its cgroup.
    pub(crate) mark: String,
}

/// A running process with its pipes.
pub(crate) struct Process {
    /// The process itself, to wait for.
    pub(crate) child: Child,
    /// Its process id; also the id of its group.
    pub(crate) pid: u32,
    /// Its input.
    pub(crate) stdin: Option<ChildStdin>,
    /// Its output.
    pub(crate) stdout: ChildStdout,
    /// Its errors.
    pub(crate) stderr: ChildStderr,
    /// What is known of its descendants.
    pub(crate) kin: Kin,
    /// Keeps the reaper away from it until it has been waited for.
    pub(crate) claim: reaper::Claim,
}

/// Starts a program in a process group, and where allowed in a cgroup, of its own.
///
/// **Errors**: those of the operating system: no such program, not executable, no such directory.
pub(crate) fn start(launch: Launch) -> std::io::Result<Process> {
    let leaf = cgroup::Leaf::create(&launch.mark);
    start_in(launch, leaf)
}

fn start_in(launch: Launch, leaf: Option<cgroup::Leaf>) -> std::io::Result<Process> {
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.arguments)
        .env_clear()
        .envs(launch.environment)
        .env(MARKER, &launch.mark)
        .env("PWD", &launch.directory)
        .current_dir(&launch.directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(leaf) = &leaf {
        leaf.take_in(&mut command);
    }
    let (mut child, claim) = reaper::spawn(&mut command)?;
    // Closes the parent's end of what the child joined through.
    drop(command);
    let pid = child.id().expect("a child that was not waited for has an id");
    if let Some(leaf) = leaf.as_ref().filter(|leaf| !leaf.holds(pid)) {
        leaf.add(pid);
    }
    let (stdin, stdout, stderr) = pipes(&mut child);
    let kin = Kin::new(launch.mark, Some(pid), leaf);
    Ok(Process { child, pid, stdin, stdout, stderr, kin, claim })
}

fn pipes(child: &mut Child) -> (Option<ChildStdin>, ChildStdout, ChildStderr) {
    let stdout = child.stdout.take().expect("standard output was asked to be a pipe");
    let stderr = child.stderr.take().expect("standard error was asked to be a pipe");
    widen(&stdout);
    widen(&stderr);
    (child.stdin.take(), stdout, stderr)
}

/// Asks for a larger pipe. Unprivileged users may be refused; the pipe then stays as it was.
#[cfg(target_os = "linux")]
fn widen(pipe: &impl std::os::fd::AsFd) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
}

#[cfg(not(target_os = "linux"))]
fn widen<T>(_pipe: &T) {
    let _ = PIPE_BYTES;
}
