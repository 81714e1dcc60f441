//! What a process costs, read from /proc: its CPU time and its memory.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::resource::Resource;
use rustix::param::clock_ticks_per_second;

/// A child that is killed when it goes out of scope.
#[derive(Debug)]
pub(crate) struct Killed(pub(crate) Child);

impl Killed {
    /// This program again, in another role; its standard output is a pipe.
    pub(crate) fn own(role: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(role).stdin(Stdio::null()).stdout(Stdio::piped());
        Ok(Self(command.spawn().with_context(|| format!("the role {role} can't be started"))?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU time a process has used so far, in user and system mode together.
pub(crate) fn cpu_time(id: u32) -> Result<Duration> {
    cpu_time_in(&std::fs::read_to_string(format!("/proc/{id}/stat"))?)
}

/// The same of the threads of this process whose names begin so.
pub(crate) fn threads_cpu_time(name: &str) -> Result<Duration> {
    let mut time = Duration::ZERO;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let folder = thread?.path();
        if std::fs::read_to_string(folder.join("comm"))?.starts_with(name) {
            time += cpu_time_in(&std::fs::read_to_string(folder.join("stat"))?)?;
        }
    }
    Ok(time)
}

fn cpu_time_in(stat: &str) -> Result<Duration> {
    let after_name = stat.rsplit_once(')').context("/proc stat has a name")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    let ticks = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
    let ticks = ticks.context("/proc stat has times")?;
    Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
}

/// Resident memory of a process in bytes.
pub(crate) fn resident_bytes(id: u32) -> Result<u64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.context("/proc status has VmRSS")? * 1024)
}

/// Lets this process and its children open as many files as the system allows: thousands of
/// connections are thousands of files.
pub(crate) fn raise_file_limit() -> Result<()> {
    let (_, hard) = nix::sys::resource::getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(nix::sys::resource::setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}
