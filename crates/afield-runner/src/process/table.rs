//! The machine's processes, as far as needed to find the descendants of one.
//!
//! Linux reads `/proc`; elsewhere `ps` is asked, and descendants are then found by parent and
//! group only. Blocking: call it on a thread that may block.

/// One process at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its process id.
    pub(super) pid: u32,
    /// Its parent's.
    pub(super) parent: u32,
    /// Its process group.
    pub(super) group: u32,
    /// Its session.
    pub(super) session: u32,
    /// It has ended and only waits to be collected.
    pub(super) zombie: bool,
    /// Its name.
    pub(super) name: String,
    /// When it started, in a unit of the system's own: with `pid` it names one process for ever.
    pub(super) started: u64,
}

#[cfg(target_os = "linux")]
mod system {
    use super::Entry;

    /// All processes.
    pub(in super::super) fn all() -> Vec<Entry> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(one).collect()
    }

    /// One process, if it exists.
    pub(in super::super) fn one(pid: u32) -> Option<Entry> {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        parse(pid, &String::from_utf8_lossy(&stat))
    }

    /// Reads a line of `/proc/<pid>/stat`. The name may hold spaces and brackets.
    pub(super) fn parse(pid: u32, stat: &str) -> Option<Entry> {
        let (open, close) = (stat.find('(')?, stat.rfind(')')?);
        let fields: Vec<&str> = stat.get(close + 1..)?.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
        Some(Entry {
            pid,
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            zombie: matches!(*fields.first()?, "Z" | "X" | "x"),
            name: stat.get(open + 1..close)?.to_owned(),
            started: fields.get(19)?.parse().ok()?,
        })
    }

    /// Whether a process was started with `assignment` (`NAME=value`) in its environment.
    pub(in super::super) fn has_variable(pid: u32, assignment: &str) -> bool {
        let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
        environment.split(|&byte| byte == 0).any(|variable| variable == assignment.as_bytes())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Entry;

    /// All processes.
    pub(in super::super) fn all() -> Vec<Entry> {
        let list = std::process::Command::new("ps")
            .args(["-A", "-o", "pid=,ppid=,pgid=,stat=,comm="])
            .output();
        let Ok(list) = list else { return Vec::new() };
        String::from_utf8_lossy(&list.stdout).lines().filter_map(parse).collect()
    }

    /// One process, if it exists.
    pub(in super::super) fn one(pid: u32) -> Option<Entry> {
        all().into_iter().find(|entry| entry.pid == pid)
    }

    fn parse(line: &str) -> Option<Entry> {
        let mut fields = line.split_ascii_whitespace();
        let mut number = || fields.next()?.parse::<u32>().ok();
        let (pid, parent, group) = (number()?, number()?, number()?);
        let state = fields.next()?;
        let name = fields.next().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        let zombie = state.starts_with('Z');
        Some(Entry { pid, parent, group, session: group, zombie, name, started: 0 })
    }

    /// Environments of other processes can't be read here.
    pub(in super::super) fn has_variable(_pid: u32, _assignment: &str) -> bool {
        false
    }
}

pub(super) use system::{all, has_variable, one};

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn reads_itself() {
        let own = one(std::process::id()).unwrap();
        assert_eq!(
            own.parent,
            rustix::process::getppid().unwrap().as_raw_nonzero().get().unsigned_abs()
        );
        assert!(!own.zombie && own.started > 0);
        assert!(all().contains(&own));
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        let entry = system::parse(7, stat).unwrap();
        assert_eq!((entry.name.as_str(), entry.parent, entry.started), ("a) b (c)", 1, 4711));
    }
}
