//! The undo journal: one append-only file per process, written by the preloaded half of this crate
//! and read by [`crate::rollback`]. Pure encoding; no file is opened here.

use std::path::{Path, PathBuf};

/// First bytes of every journal, with the version of the format.
const MAGIC: &[u8; 8] = b"PWRCUT01";

/// A file, whatever its name is now. The time of birth tells a new file from a removed one whose
/// inode number it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// When it was created, in nanoseconds.
    pub born_ns: u64,
}

/// One entry of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A file is about to change.
    Change {
        /// Monotonic clock, before the change.
        at_ns: u64,
        file: FileId,
        /// Length of the file before.
        length: u64,
        /// Where `bytes` were.
        offset: u64,
        /// What the change overwrites or cuts off.
        bytes: Vec<u8>,
    },
    /// Everything of this file up to the moment is on disk.
    Sync {
        /// Monotonic clock, when the sync began.
        at_ns: u64,
        file: FileId,
    },
    /// Everything up to the moment is on disk.
    SyncAll {
        /// Monotonic clock, when the sync began.
        at_ns: u64,
    },
}

impl Entry {
    /// When it began.
    pub(crate) fn at_ns(&self) -> u64 {
        match self {
            Self::Change { at_ns, .. } | Self::Sync { at_ns, .. } | Self::SyncAll { at_ns } => {
                *at_ns
            }
        }
    }

    /// Its bytes in the journal: kind, time, file, length, offset, count and bytes, little-endian.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Change { at_ns, file, length, offset, bytes } => {
                out.push(1);
                words(&mut out, &[*at_ns, file.device, file.inode, file.born_ns]);
                words(&mut out, &[*length, *offset, bytes.len() as u64]);
                out.extend_from_slice(bytes);
            }
            Self::Sync { at_ns, file } => {
                out.push(2);
                words(&mut out, &[*at_ns, file.device, file.inode, file.born_ns]);
            }
            Self::SyncAll { at_ns } => {
                out.push(3);
                words(&mut out, &[*at_ns]);
            }
        }
        out
    }
}

fn words(out: &mut Vec<u8>, values: &[u64]) {
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// The beginning of a journal.
pub(crate) fn header(root: &Path) -> Vec<u8> {
    let root = root.as_os_str().as_encoded_bytes();
    let mut out = MAGIC.to_vec();
    words(&mut out, &[root.len() as u64]);
    out.extend_from_slice(root);
    out
}

/// Reads a journal: the root it is about and its entries.
///
/// A cut last entry is left out: its process died before it made that change. `None` where even the
/// header is not whole.
pub(crate) fn decode(journal: &[u8]) -> Option<(PathBuf, Vec<Entry>)> {
    let mut rest = journal.strip_prefix(MAGIC)?;
    let length = usize::try_from(word(&mut rest)?).ok()?;
    let root = PathBuf::from(std::str::from_utf8(take(&mut rest, length)?).ok()?);
    let mut entries = Vec::new();
    while let Some(entry) = entry(&mut rest) {
        entries.push(entry);
    }
    Some((root, entries))
}

fn entry(rest: &mut &[u8]) -> Option<Entry> {
    let kind = take(rest, 1)?[0];
    let at_ns = word(rest)?;
    if kind == 3 {
        return Some(Entry::SyncAll { at_ns });
    }
    let file = FileId { device: word(rest)?, inode: word(rest)?, born_ns: word(rest)? };
    if kind == 2 {
        return Some(Entry::Sync { at_ns, file });
    }
    let (length, offset) = (word(rest)?, word(rest)?);
    let count = usize::try_from(word(rest)?).ok()?;
    let bytes = take(rest, count)?.to_vec();
    Some(Entry::Change { at_ns, file, length, offset, bytes })
}

fn word(rest: &mut &[u8]) -> Option<u64> {
    take(rest, 8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_cut_anywhere_gives_its_whole_entries() {
        let file = FileId { device: 1, inode: 2, born_ns: 3 };
        let change = Entry::Change { at_ns: 4, file, length: 5, offset: 6, bytes: b"old".to_vec() };
        let entries = [change, Entry::Sync { at_ns: 7, file }, Entry::SyncAll { at_ns: 8 }];
        let mut journal = header(Path::new("/root"));
        let mut ends = vec![journal.len()];
        for entry in &entries {
            journal.extend(entry.encode());
            ends.push(journal.len());
        }
        for cut in 0..=journal.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            match decode(&journal[..cut]) {
                None => assert_eq!(whole, 0, "cut at {cut}"),
                Some((root, read)) => {
                    assert_eq!(root, Path::new("/root"));
                    assert_eq!(read, entries[..whole - 1], "cut at {cut}");
                }
            }
        }
    }
}
