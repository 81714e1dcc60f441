//! A control group (version 2) of its own for each attempt, where the system allows one.
//!
//! With it no child escapes, whatever it does to its parent, group, session or environment: a
//! process is in its group before the first instruction of its program, so what it starts is too.
//! Without it (no rights, no version 2, another system) everything falls back to the search of
//! `kin`. Nothing here fails: a missing cgroup is no error.

use std::fs::File;
use std::path::PathBuf;

use tokio::process::Command;

/// An own leaf below the runner's cgroup. Removed when dropped, if empty.
#[derive(Debug)]
pub(crate) struct Leaf {
    path: PathBuf,
}

impl Leaf {
    /// Makes the leaf for the attempt with this mark.
    pub(super) fn create(mark: &str) -> Option<Self> {
        let leaf = Self::of(mark)?;
        match std::fs::create_dir(&leaf.path) {
            Ok(()) => Some(leaf),
            Err(error) => {
                tracing::debug!(path = %leaf.path.display(), %error, "no cgroup of its own");
                None
            }
        }
    }

    /// The leaf an earlier runner made for this mark, if it is still there.
    pub(super) fn find(mark: &str) -> Option<Self> {
        Self::of(mark).filter(|leaf| leaf.path.is_dir())
    }

    fn of(mark: &str) -> Option<Self> {
        Some(Self { path: own_group()?.join(format!("afield-{mark}")) })
    }

    /// Lets what this command starts join the leaf before it becomes its program. Whether it did
    /// is told by [`Leaf::holds`].
    pub(super) fn take_in(&self, command: &mut Command) {
        match File::options().write(true).open(self.path.join("cgroup.procs")) {
            Ok(door) => join_before_exec(command, door),
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "the cgroup can't be opened");
            }
        }
    }

    /// Whether a process is in the leaf; one that has ended but was not waited for still is.
    pub(super) fn holds(&self, pid: u32) -> bool {
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
        let name = self.path.file_name().and_then(std::ffi::OsStr::to_str);
        own.and_then(|own| own.rsplit('/').next()) == name
    }

    /// Moves a process that did not join by itself, and what it starts from now on, into the leaf.
    /// What it started before is left to the search of `kin`, and all of it if this fails too.
    pub(super) fn add(&self, pid: u32) {
        let path = self.path.join("cgroup.procs");
        match std::fs::write(&path, pid.to_string()) {
            Ok(()) => tracing::warn!(pid, "the process is in its cgroup later than its program"),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the cgroup refuses the process");
            }
        }
    }

    /// The processes in the leaf.
    pub(super) fn processes(&self) -> Vec<u32> {
        let list = std::fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        list.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Kills every process in the leaf at once.
    pub(super) fn kill(&self) {
        let _ = std::fs::write(self.path.join("cgroup.kill"), "1");
    }
}

/// Adds the step between fork and exec in which a child enters a cgroup through its `cgroup.procs`.
/// A child that is refused starts all the same.
#[expect(unsafe_code, reason = "the standard library can't start a process in a cgroup")]
fn join_before_exec(command: &mut Command, door: File) {
    let join = move || {
        // "0" is whoever writes it.
        let _ = rustix::io::write(&door, b"0");
        Ok(())
    };
    // SAFETY: between fork and exec only what is safe in a signal handler may be done. The step is
    // one write of a constant to a descriptor opened before: it allocates nothing, takes no lock,
    // and its error is not looked at.
    unsafe { command.pre_exec(join) };
}

/// Whether attempts get a control group here.
pub(crate) fn is_available() -> bool {
    Leaf::create(&format!("probe-{}", std::process::id())).is_some()
}

impl Drop for Leaf {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// The runner's own cgroup as a directory.
fn own_group() -> Option<PathBuf> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    Some(mount_point(&mounts)?.join(own.trim_start_matches('/')))
}

/// Where version 2 is mounted: the only tree, or one beside version 1.
fn mount_point(mounts: &str) -> Option<PathBuf> {
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mount_point_alone_or_beside_version_1() {
        let mounts = "25 1 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            26 1 0:23 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_point(mounts).unwrap(), PathBuf::from("/sys/fs/cgroup/unified"));
        assert_eq!(mount_point("1 1 0:1 / / rw - ext4 /dev/x rw\n"), None);
    }

    /// With any file in the place of a cgroup's, on every machine.
    #[tokio::test]
    async fn a_child_joins_before_it_becomes_its_program() {
        let folder = tempfile::tempdir().unwrap();
        let door = folder.path().join("cgroup.procs");
        let mut command = Command::new("cat");
        command.arg(&door);
        join_before_exec(&mut command, File::create(&door).unwrap());
        assert_eq!(std::fs::read(&door).unwrap(), b"");
        let output = command.output().await.unwrap();
        assert_eq!(output.stdout, b"0");
    }
}
