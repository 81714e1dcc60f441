//! The fences of attempts that are over: what lets a late or repeated order be recognised after
//! everything else about its attempt was forgotten.
//!
//! One line per forgotten attempt, appended and synced before its directory goes. Bounded: the
//! oldest commands are dropped first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use afield_proto::CommandId;

/// Most commands remembered. At 60 bytes each this is 6 MiB, and months of work.
const COMMANDS_MAX: usize = 100_000;

/// The file; the map in memory belongs to whoever decides about orders.
#[derive(Debug)]
pub(super) struct FenceFile {
    file: File,
}

/// Reads the file, drops what is too old, and opens it for more.
pub(super) fn open(path: PathBuf) -> std::io::Result<(FenceFile, BTreeMap<CommandId, u64>)> {
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    // What a power cut left behind the last line may be anything.
    let text = String::from_utf8_lossy(&bytes);
    let mut fences = BTreeMap::new();
    for (command, fence) in text.lines().filter_map(parse) {
        let known = fences.entry(command).or_insert(fence);
        *known = fence.max(*known);
    }
    while fences.len() > COMMANDS_MAX {
        fences.pop_first();
    }
    if text.lines().count() > fences.len() {
        rewrite(&path, &fences)?;
    }
    let file = File::options().create(true).append(true).open(&path)?;
    Ok((FenceFile { file }, fences))
}

impl FenceFile {
    /// Remembers an attempt. On disk when this returns.
    pub(super) fn add(&mut self, command: CommandId, fence: u64) -> std::io::Result<()> {
        self.file.write_all(line(command, fence).as_bytes())?;
        self.file.sync_data()
    }
}

fn line(command: CommandId, fence: u64) -> String {
    format!("{command} {fence} {:08x}\n", check(command, fence))
}

fn check(command: CommandId, fence: u64) -> u32 {
    crc32fast::hash(format!("{command} {fence}").as_bytes())
}

/// A line that was torn by a power cut is no line.
fn parse(line: &str) -> Option<(CommandId, u64)> {
    let mut fields = line.split(' ');
    let (command, fence) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let crc = u32::from_str_radix(fields.next()?, 16).ok()?;
    (crc == check(command, fence)).then_some((command, fence))
}

fn rewrite(path: &Path, fences: &BTreeMap<CommandId, u64>) -> std::io::Result<()> {
    let text: String = fences.iter().map(|(&command, &fence)| line(command, fence)).collect();
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    std::fs::rename(fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_are_remembered_and_a_torn_line_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fences.log");
        let (one, other) = (CommandId::generate(), CommandId::generate());
        let (mut file, _) = open(path.clone()).unwrap();
        file.add(one, 3).unwrap();
        file.add(one, 2).unwrap();
        file.add(other, 9).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 3]).unwrap();
        let (_, fences) = open(path).unwrap();
        assert_eq!(fences.get(&one), Some(&3));
        assert_eq!(fences.get(&other), None);
    }

    #[test]
    fn rubbish_behind_the_last_line_costs_no_fence() {
        for rubbish in [&b"\xff\xfe"[..], b"\0\0\0\0", b"\n\n7 8 9", b" "] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("fences.log");
            let (one, other) = (CommandId::generate(), CommandId::generate());
            let (mut file, _) = open(path.clone()).unwrap();
            file.add(one, 3).unwrap();
            file.file.write_all(rubbish).unwrap();
            let (mut file, fences) = open(path.clone()).unwrap();
            assert_eq!(fences, BTreeMap::from([(one, 3)]), "{rubbish:?}");
            file.add(other, 9).unwrap();
            let (_, fences) = open(path).unwrap();
            assert_eq!(fences, BTreeMap::from([(one, 3), (other, 9)]), "{rubbish:?}");
        }
    }
}
