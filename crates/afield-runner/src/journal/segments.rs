//! The records of one attempt: numbered, append-only, in files that go when they are acknowledged.
//!
//! A file is named after its first record and rotated by size, so that a long attempt gives back
//! what the server has. Blocking; called by the writer and, for reading, by the sender.

use std::fs::File;
use std::io::{IoSlice, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use afield_proto::limits::RUNNER_MESSAGE_BYTES_MAX;

use super::line;

/// A file is followed by a new one from this size on, in bytes.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// The open end of an attempt's records.
#[derive(Debug)]
pub(super) struct Segments {
    directory: PathBuf,
    file: File,
    /// Number of the open file's first record.
    first: u64,
    /// How far the open file is written: what lies behind was not written in full.
    written: End,
    /// How far it is on disk.
    synced: End,
    /// A sync failed: nothing is added to the open file any more.
    failed: bool,
    /// Length of all files.
    bytes: u64,
}

/// A place between two records of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    /// Bytes before it.
    bytes: u64,
    /// Number of the record that comes there.
    next: u64,
}

/// What a look through the files found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Number of the last record.
    pub(super) last: u64,
    /// The last record says that the attempt ended.
    pub(super) finished: bool,
}

impl Segments {
    /// A new, empty log in an existing directory.
    pub(super) fn create(directory: &Path) -> std::io::Result<Self> {
        Self::starting_at(directory, 1)
    }

    fn starting_at(directory: &Path, first: u64) -> std::io::Result<Self> {
        let path = segment_path(directory, first);
        let file = File::options().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        let directory = directory.to_owned();
        let end = End { bytes, next: first };
        Ok(Self { directory, file, first, written: end, synced: end, failed: false, bytes })
    }

    /// Opens what an earlier runner wrote, cutting a torn tail, and what a later file has instead. What lies
    /// behind damage is set aside under another name, never deleted.
    pub(super) fn open(directory: &Path) -> std::io::Result<(Self, Contents)> {
        let mut firsts = segments(directory)?;
        let mut contents = Contents::default();
        let mut bytes = 0;
        let mut index = 0;
        while index < firsts.len() {
            let first = firsts[index];
            let path = segment_path(directory, first);
            let data = std::fs::read(&path)?;
            let next = firsts.get(index + 1).copied();
            let (good, count, finished) = scan(&data, next.map_or(u64::MAX, |next| next - first));
            contents.last = first - 1 + count;
            contents.finished = if count > 0 { finished } else { contents.finished };
            bytes += good as u64;
            if next.is_some_and(|next| next != contents.last + 1) {
                set_aside(directory, &firsts[index + 1..])?;
                firsts.truncate(index + 1);
            }
            if good < data.len() {
                cut(&path, &data, good)?;
            }
            index += 1;
        }
        let mut log = Self::starting_at(directory, firsts.last().copied().unwrap_or(1))?;
        log.written.next = contents.last + 1;
        (log.synced, log.bytes) = (log.written, bytes);
        Ok((log, contents))
    }

    /// Adds a record and returns its number. Not on disk before [`Segments::sync`].
    ///
    /// **Errors**: those of the disk; what was written in part is taken back, and the number stays
    /// free.
    pub(super) fn append(&mut self, json: &[u8]) -> std::io::Result<u64> {
        self.append_all(&[json])
    }

    /// Adds records, all or none of them, and returns the number of the last.
    ///
    /// **Errors**: as [`Segments::append`]; a sync may have failed by it.
    pub(super) fn append_all(&mut self, records: &[&[u8]]) -> std::io::Result<u64> {
        if self.failed {
            self.leave_failed()?;
        } else if self.written.bytes >= SEGMENT_BYTES {
            self.rotate(self.written.next)?;
        }
        let heads: Vec<String> = records.iter().map(|json| line::head(json)).collect();
        let lines = heads.iter().zip(records);
        let pieces: Vec<&[u8]> =
            lines.flat_map(|(head, json)| [head.as_bytes(), json, b"\n"]).collect();
        if let Err(error) = write_all(&self.file, &pieces) {
            let _ = self.file.set_len(self.written.bytes);
            return Err(error);
        }
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        self.written.bytes += bytes;
        self.bytes += bytes;
        self.written.next += records.len() as u64;
        Ok(self.last())
    }

    /// Waits until everything is on disk.
    ///
    /// **Errors**: those of the disk. What was added since the last sync is taken back then: whether it is on
    /// disk can't be found out, because the next sync of the same file may well succeed without it.
    pub(super) fn sync(&mut self) -> std::io::Result<()> {
        if let Err(error) = self.file.sync_data() {
            self.bytes -= self.written.bytes - self.synced.bytes;
            self.written = self.synced;
            self.failed = true;
            return Err(error);
        }
        self.synced = self.written;
        Ok(())
    }

    /// Whether a sync failed since the last record was added.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Goes on in another file behind the last record that is on disk.
    fn leave_failed(&mut self) -> std::io::Result<()> {
        let path = segment_path(&self.directory, self.first);
        if self.synced.next == self.first {
            std::fs::rename(&path, path.with_extension("failed"))?;
        } else {
            // It is read on from there into the next file. After a power cut it may be longer again.
            File::options().write(true).open(&path)?.set_len(self.synced.bytes)?;
        }
        self.begin_file(self.synced.next)
    }

    fn rotate(&mut self, first: u64) -> std::io::Result<()> {
        self.sync()?;
        self.begin_file(first)
    }

    fn begin_file(&mut self, first: u64) -> std::io::Result<()> {
        let bytes = self.bytes;
        *self = Self::starting_at(&self.directory, first)?;
        self.bytes += bytes;
        super::sync_directory(&self.directory)
    }

    /// Goes on with a number after `last`, which the server already has. Only needed when records
    /// were damaged on this disk after the server had taken them. What is left of those goes: files whose
    /// numbers do not follow each other are taken for damage.
    pub(super) fn skip_to(&mut self, last: u64) -> std::io::Result<()> {
        if last < self.written.next {
            return Ok(());
        }
        self.rotate(last + 1)?;
        self.acknowledge(last)
    }

    /// Gives back the files whose records the server has up to `number`.
    pub(super) fn acknowledge(&mut self, number: u64) -> std::io::Result<()> {
        let firsts = segments(&self.directory)?;
        for pair in firsts.windows(2).filter(|pair| pair[1] <= number + 1) {
            let path = segment_path(&self.directory, pair[0]);
            let bytes = path.metadata()?.len();
            std::fs::remove_file(path)?;
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        // Afterwards: on a full disk there is room for it only now. Without it the server is sent
        // again what is left.
        std::fs::write(self.directory.join("ack"), number.to_string())
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of the last record.
    pub(super) fn last(&self) -> u64 {
        self.written.next - 1
    }
}

/// Writes these pieces one behind the other, without a copy of them in one piece.
fn write_all(mut file: &File, pieces: &[&[u8]]) -> std::io::Result<()> {
    let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("records-{first:012}.log"))
}

/// The first records of all files, in order.
fn segments(directory: &Path) -> std::io::Result<Vec<u64>> {
    let mut firsts: Vec<u64> = std::fs::read_dir(directory)?
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let number = name.to_str()?.strip_prefix("records-")?.strip_suffix(".log")?;
            number.parse().ok().filter(|&first| first > 0)
        })
        .collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// How many bytes at the beginning are whole records, how many, at most so many, and whether the last ends it.
fn scan(data: &[u8], most: u64) -> (usize, u64, bool) {
    let (mut good, mut count, mut finished) = (0, 0, false);
    while count < most
        && let Some((json, length)) = line::decode(&data[good..])
    {
        good += length;
        count += 1;
        finished = is_finished(json);
    }
    (good, count, finished)
}

/// Whether a record ends its attempt: a record is an object whose one key is its name.
pub(super) fn is_finished(json: &str) -> bool {
    json.starts_with("{\"finished\":")
}

/// Cuts a file behind its whole records. More than one torn line is kept beside it.
fn cut(path: &Path, data: &[u8], good: usize) -> std::io::Result<()> {
    tracing::warn!(path = %path.display(), bytes = data.len() - good, "cutting a torn record");
    if data[good..].contains(&b'\n') {
        std::fs::write(path.with_extension("damaged"), &data[good..])?;
    }
    File::options().write(true).open(path)?.set_len(good as u64)
}

fn set_aside(directory: &Path, firsts: &[u64]) -> std::io::Result<()> {
    for &first in firsts {
        let path = segment_path(directory, first);
        tracing::error!(path = %path.display(), "records behind damage are set aside");
        std::fs::rename(&path, path.with_extension("damaged"))?;
    }
    Ok(())
}

/// Where to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Number of the next record.
    pub(crate) number: u64,
    segment: u64,
    offset: u64,
}

/// Consecutive records, as they are on disk.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Number of the first.
    pub(crate) first: u64,
    /// The records, each JSON.
    pub(crate) records: Vec<String>,
    /// Where the next batch begins.
    pub(crate) next: Cursor,
}

/// How much a batch may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimit {
    /// Records.
    pub(crate) count: usize,
    /// Bytes of records; a single longer one goes alone.
    pub(crate) bytes: usize,
    /// The last record that is on disk for certain.
    pub(crate) up_to: u64,
}

/// The place of record `number`, or of the first one that is still there.
pub(super) fn cursor(directory: &Path, number: u64) -> std::io::Result<Cursor> {
    let firsts = segments(directory)?;
    let segment = firsts.iter().rev().find(|&&first| first <= number);
    let segment = segment.or(firsts.first()).copied().unwrap_or(1);
    let data = std::fs::read(segment_path(directory, segment))?;
    let mut cursor = Cursor { number: segment, segment, offset: 0 };
    while cursor.number < number {
        let offset = usize::try_from(cursor.offset).unwrap_or(usize::MAX);
        let Some((_, length)) = data.get(offset..).and_then(line::decode) else { break };
        cursor.offset += length as u64;
        cursor.number += 1;
    }
    Ok(cursor)
}

/// Reads the next records.
///
/// **Errors**: those of the disk, and a record that is damaged.
pub(super) fn read(directory: &Path, from: Cursor, limit: BatchLimit) -> std::io::Result<Batch> {
    let mut batch = Batch { first: from.number, records: Vec::new(), next: from };
    let mut file = File::open(segment_path(directory, from.segment))?;
    file.seek(SeekFrom::Start(from.offset))?;
    let mut file = std::io::BufReader::with_capacity(64 * 1024, file);
    let mut bytes = 0;
    while batch.next.number <= limit.up_to && batch.records.len() < limit.count {
        let Some(line) = read_line(&mut file)? else {
            if batch.records.is_empty() && batch.next.segment != batch.next.number {
                return read(directory, start_of(batch.next.number), limit);
            }
            break;
        };
        if !batch.records.is_empty() && bytes + line.len() > limit.bytes {
            break;
        }
        bytes += line.len();
        batch.next.offset += line.len() as u64;
        batch.records.push(line::into_json(line).ok_or_else(damaged)?);
        batch.next.number += 1;
    }
    Ok(batch)
}

fn start_of(segment: u64) -> Cursor {
    Cursor { number: segment, segment, offset: 0 }
}

fn read_line(file: &mut impl std::io::Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::with_capacity(512);
    file.take(line::NEEDED_FROM as u64).read_to_end(&mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let more = line::needed(&line).ok_or_else(damaged)? - line.len();
    // No more than a record can be long: a damaged length asks for anything.
    line.reserve_exact(more.min(RUNNER_MESSAGE_BYTES_MAX));
    file.take(more as u64).read_to_end(&mut line)?;
    Ok(Some(line))
}

fn damaged() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, "a record is damaged")
}

#[cfg(test)]
mod tests;
