//! A control group (version 2) of its own for each attempt, where the system allows one.
//!
//! With it no child escapes, whatever it does to its parent, group, session or environment.
//! Without it (no rights, no version 2, another system) everything falls back to the search of
//! `kin`. Nothing here fails: a missing cgroup is no error.

use std::path::PathBuf;

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

    /// Moves a process, and what it starts from now on, into the leaf.
    pub(super) fn add(&self, pid: u32) {
        if let Err(error) = std::fs::write(self.path.join("cgroup.procs"), pid.to_string()) {
            tracing::debug!(path = %self.path.display(), %error, "the cgroup refuses the process");
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
}
