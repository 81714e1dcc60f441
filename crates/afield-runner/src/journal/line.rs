//! One record on disk: a line that says how long it is and what its checksum is.
//!
//! ```text
//! 1c291ca3 0000002a {"started":{"at":"…"}}
//! ^ CRC-32 ^ bytes   ^ the record, one line of JSON
//! ```
//!
//! Pure. A torn or damaged line is recognised; nothing is guessed.

/// Bytes before the JSON.
const HEAD_BYTES: usize = 18;

/// What stands before the JSON of a record; behind it comes a line feed.
pub(super) fn head(json: &[u8]) -> String {
    format!("{:08x} {:08x} ", crc32fast::hash(json), json.len())
}

/// The JSON of a whole line, in the memory of the line.
pub(super) fn into_json(mut line: Vec<u8>) -> Option<String> {
    let (json, _) = decode(&line)?;
    line.truncate(HEAD_BYTES + json.len());
    line.drain(..HEAD_BYTES);
    String::from_utf8(line).ok()
}

/// Reads the line at the beginning of `bytes`: its JSON and its whole length.
pub(super) fn decode(bytes: &[u8]) -> Option<(&str, usize)> {
    let head = std::str::from_utf8(bytes.get(..HEAD_BYTES)?).ok()?;
    let (crc, length) = (head.get(..8)?, head.get(9..17)?);
    let crc = u32::from_str_radix(crc, 16).ok()?;
    let length = usize::from_str_radix(length, 16).ok()?;
    let end = HEAD_BYTES.checked_add(length)?;
    let json = bytes.get(HEAD_BYTES..end)?;
    let whole = bytes.get(end) == Some(&b'\n') && crc32fast::hash(json) == crc;
    whole.then(|| Some((std::str::from_utf8(json).ok()?, end + 1)))?
}

/// How many bytes a line needs, told from its beginning; `None` when that is no line.
pub(super) fn needed(bytes: &[u8]) -> Option<usize> {
    let length = std::str::from_utf8(bytes.get(9..17)?).ok()?;
    HEAD_BYTES.checked_add(usize::from_str_radix(length, 16).ok()?)?.checked_add(1)
}

/// Bytes from which [`needed`] can tell.
pub(super) const NEEDED_FROM: usize = HEAD_BYTES;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_reads_back_and_no_shorter_or_changed_one_does(
            json in "[a-z\"{}: é]{0,60}", flip in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let line = [head(json.as_bytes()).as_bytes(), json.as_bytes(), b"\n"].concat();
            prop_assert_eq!(decode(&line), Some((json.as_str(), line.len())));
            prop_assert_eq!(needed(&line), Some(line.len()));
            prop_assert_eq!(into_json(line.clone()), Some(json.clone()));
            prop_assert_eq!(decode(&line[..line.len() - 1]), None);
            let mut changed = line.clone();
            changed[flip.index(line.len())] ^= 1 << bit;
            let read = decode(&changed);
            // Letter case of the hexadecimal digits and the blanks between the fields carry nothing.
            prop_assert!(read.is_none() || read.unwrap().0 == json);
        }
    }
}
