//! A group as bytes: what one batch changed, and how it is read back. Pure.

use std::collections::HashMap;

use uuid::Uuid;

use crate::sql::Value;

/// A batch of longer rows fills pages by itself: writing them here first would only write them twice.
const STATEMENT_BYTES_MAX: usize = 4 * 1024;
/// A longer group is committed instead.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A value from this size on is not even copied.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Memory that is kept for the next batch.
const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024;

const MAGIC: u32 = 0xaf1e_1d0d;
/// Bytes before the entries of a group.
const HEAD_BYTES: usize = 32;
/// Marks an entry whose statement is new in this pass.
const NEW: u16 = u16::MAX;

/// What a batch changed so far, as it will be written.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Begins with room for the head.
    group: Vec<u8>,
    statements: usize,
    /// The statements of this pass by address and length of their text, which is static.
    known: HashMap<(usize, usize), u16>,
    /// How many of them are in the file.
    kept: u16,
    /// Something was changed that is not in here.
    incomplete: bool,
}

/// A place in a batch to come back to.
#[derive(Debug, Clone, Copy)]
pub(in crate::sqlite) struct Mark {
    bytes: usize,
    statements: usize,
    known: u16,
}

impl Default for Recorder {
    fn default() -> Self {
        let (group, known) = (vec![0; HEAD_BYTES], HashMap::new());
        Self { group, statements: 0, known, kept: 0, incomplete: false }
    }
}

impl Recorder {
    /// Notes a statement that has changed something, or might have.
    pub(in crate::sqlite) fn record(&mut self, text: &'static str, params: &[Value<'_>]) {
        let too_long = self.group.len() > GROUP_BYTES_MAX || params.iter().any(is_long);
        if self.incomplete || too_long {
            return self.miss();
        }
        self.statements += 1;
        let next = self.next();
        let known = *self.known.entry((text.as_ptr().addr(), text.len())).or_insert(next);
        if known == next {
            self.group.extend_from_slice(&NEW.to_le_bytes());
            self.bytes(text.as_bytes());
        } else {
            self.group.extend_from_slice(&known.to_le_bytes());
        }
        self.group.push(u8::try_from(params.len()).expect("no statement has so many parameters"));
        for value in params {
            self.value(*value);
        }
    }

    /// Something was changed that is not noted: only a commit keeps it.
    pub(crate) fn miss(&mut self) {
        self.incomplete = true;
    }

    /// The number of the next new statement.
    fn next(&self) -> u16 {
        u16::try_from(self.known.len()).expect("there are not so many statements")
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Null => self.group.push(0),
            Value::Int(number) => {
                self.group.push(1);
                self.group.extend_from_slice(&number.to_le_bytes());
            }
            Value::Text(text) => {
                self.group.push(2);
                self.bytes(text.as_bytes());
            }
            Value::Id(id) => {
                self.group.push(3);
                self.group.extend_from_slice(id.as_bytes());
            }
            Value::Bytes(bytes) => {
                self.group.push(4);
                self.bytes(bytes);
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("SQLite takes no value of 4 GiB");
        self.group.extend_from_slice(&length.to_le_bytes());
        self.group.extend_from_slice(bytes);
    }

    pub(in crate::sqlite) fn mark(&self) -> Mark {
        Mark { bytes: self.group.len(), statements: self.statements, known: self.next() }
    }

    /// Forgets what came after the mark: it was undone.
    pub(in crate::sqlite) fn back_to(&mut self, mark: Mark) {
        self.group.truncate(mark.bytes);
        self.statements = mark.statements;
        self.known.retain(|_, number| *number < mark.known);
    }

    /// Whether nothing was changed.
    pub(super) fn is_empty(&self) -> bool {
        self.statements == 0
    }

    /// Whether this batch is not worth writing down, or is not in here in full.
    pub(super) fn wants_commit(&self) -> bool {
        self.incomplete || self.group.len() > HEAD_BYTES + self.statements * STATEMENT_BYTES_MAX
    }

    /// Length of the group.
    pub(super) fn len(&self) -> u64 {
        self.group.len() as u64
    }

    /// The whole group.
    pub(super) fn seal(&mut self, salt: i64, number: i64) -> &[u8] {
        write_head(&mut self.group, salt, number);
        &self.group
    }

    /// The group is in the file: the next batch begins.
    pub(super) fn written(&mut self) {
        self.kept = self.next();
        self.forget();
    }

    /// The file begins anew, and the next batch with it.
    pub(super) fn begin_pass(&mut self) {
        self.kept = 0;
        self.forget();
    }

    /// Forgets the batch, which was undone.
    pub(super) fn forget(&mut self) {
        let kept = Mark { bytes: HEAD_BYTES, statements: 0, known: self.kept };
        self.back_to(kept);
        self.group.shrink_to(KEPT_BYTES_MAX);
        self.incomplete = false;
    }
}

fn is_long(value: &Value<'_>) -> bool {
    match value {
        Value::Text(text) => text.len() > VALUE_BYTES_MAX,
        Value::Bytes(bytes) => bytes.len() > VALUE_BYTES_MAX,
        Value::Null | Value::Int(_) | Value::Id(_) => false,
    }
}

fn write_head(group: &mut [u8], salt: i64, number: i64) {
    let length = (group.len() - HEAD_BYTES) as u64;
    group[..4].copy_from_slice(&MAGIC.to_le_bytes());
    group[8..16].copy_from_slice(&salt.to_le_bytes());
    group[16..24].copy_from_slice(&number.to_le_bytes());
    group[24..32].copy_from_slice(&length.to_le_bytes());
    let crc = crc32fast::hash(&group[8..]);
    group[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// The groups of one pass; they end where a group is torn, or of an earlier pass.
pub(super) struct Groups<'a> {
    rest: &'a [u8],
    salt: i64,
    last: Option<i64>,
}

impl<'a> Groups<'a> {
    /// Those at the beginning of `data`.
    pub(super) fn of(data: &'a [u8], salt: i64) -> Self {
        Self { rest: data, salt, last: None }
    }
}

/// Whose log this is, if it begins with a whole group.
pub(super) fn salt_of(data: &[u8]) -> Option<i64> {
    let salt = i64::from_le_bytes(*data.get(8..)?.first_chunk()?);
    Groups::of(data, salt).next().map(|_| salt)
}

/// Whether a whole group lies anywhere in `data` that came after this one. Each is synced before the next is
/// written: what should lie between was damaged later.
pub(super) fn has_later(data: &[u8], salt: i64, number: i64) -> bool {
    memchr::memmem::find_iter(data, &MAGIC.to_le_bytes())
        .filter_map(|at| Groups::of(data.get(at..)?, salt).next())
        .any(|group| group.number > number)
}

pub(super) struct Group<'a> {
    pub(super) number: i64,
    pub(super) entries: &'a [u8],
}

impl Group<'_> {
    /// Its length in the file.
    pub(super) fn len(&self) -> usize {
        HEAD_BYTES + self.entries.len()
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
        let mut head = self.rest;
        let (magic, crc) = (u32::from_le_bytes(array(&mut head)?), array(&mut head)?);
        let (salt, number) = (i64::from_le_bytes(array(&mut head)?), array(&mut head)?);
        let (number, length) = (i64::from_le_bytes(number), u64::from_le_bytes(array(&mut head)?));
        let (entries, rest) = head.split_at_checked(usize::try_from(length).ok()?)?;
        let covered = self.rest.get(8..HEAD_BYTES + entries.len())?;
        let follows = self.last.is_none_or(|last| number == last + 1);
        let whole = magic == MAGIC && crc32fast::hash(covered) == u32::from_le_bytes(crc);
        if !(whole && follows && salt == self.salt) {
            return None;
        }
        (self.rest, self.last) = (rest, Some(number));
        Some(Group { number, entries })
    }
}

/// Reads an entry: gives its statement, and puts its parameters into `params`.
pub(super) fn entry<'a>(
    rest: &mut &'a [u8],
    texts: &mut Vec<&'a str>,
    params: &mut Vec<Value<'a>>,
) -> Option<&'a str> {
    let number = u16::from_le_bytes(array(rest)?);
    if number == NEW {
        texts.push(std::str::from_utf8(bytes(rest)?).ok()?);
    }
    let text = if number == NEW { texts.last() } else { texts.get(usize::from(number)) };
    let [count] = array(rest)?;
    params.clear();
    for _ in 0..count {
        params.push(value(rest)?);
    }
    text.copied()
}

fn value<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    let [kind] = array(rest)?;
    Some(match kind {
        0 => Value::Null,
        1 => Value::Int(i64::from_le_bytes(array(rest)?)),
        2 => Value::Text(std::str::from_utf8(bytes(rest)?).ok()?),
        3 => Value::Id(Uuid::from_bytes(array(rest)?)),
        4 => Value::Bytes(bytes(rest)?),
        _ => return None,
    })
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u32::from_le_bytes(array(rest)?)).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*array)
}
