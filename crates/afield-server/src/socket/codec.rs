//! WebSocket framing on the server's side (RFC 6455): bytes in, messages out, and back.
//!
//! Written for relaying: a message that arrives whole is handed on without a copy, an idle
//! connection holds no buffer, and a frame to be sent is encoded once for all its receivers.
//! Knows nothing of sockets.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

/// A close code of RFC 6455, section 7.4.1.
pub(crate) const CLOSE_PROTOCOL: u16 = 1002;
/// The message is larger than the receiver is willing to skip.
pub(crate) const CLOSE_TOO_LARGE: u16 = 1009;
/// The text is no UTF-8.
pub(crate) const CLOSE_NOT_UTF8: u16 = 1007;

/// A message too large for the limit is skipped, and refused politely, up to this many times the
/// limit; beyond it the connection is closed.
const SKIP_FACTOR: u64 = 64;
/// Longest header a client may send: 2 bytes, 8 of length, 4 of mask.
const HEADER_BYTES_MAX: usize = 14;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A binary message; its content is of no use here.
    Binary,
    /// A ping, to be answered with the same bytes.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The client closes.
    Close(Option<u16>),
    /// A message over the limit was skipped; this many bytes.
    TooLarge(u64),
}

/// A violation after which the connection must be closed with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

#[derive(Debug, Clone, Copy)]
struct Header {
    fin: bool,
    opcode: Opcode,
    mask: [u8; 4],
    payload: u64,
    bytes: usize,
}

/// Reads a stream of bytes as messages.
#[derive(Debug)]
pub(crate) struct Decoder {
    message_bytes_max: usize,
    /// Bytes of a frame that has not arrived whole. Empty (and not allocated) while idle.
    partial: Vec<u8>,
    /// The message that fragments are gathered for.
    fragments: Option<Fragments>,
    /// Bytes of an over-long message still to be skipped.
    skip: u64,
}

#[derive(Debug)]
struct Fragments {
    opcode: Opcode,
    payload: Vec<u8>,
    /// Bytes already skipped because the whole is too large.
    skipped: u64,
}

impl Decoder {
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self { message_bytes_max, partial: Vec::new(), fragments: None, skip: 0 }
    }

    /// Takes what was read (and may change it) and calls `each` for every message in it.
    ///
    /// **Errors**: a [`Violation`]; nothing more may be read then.
    pub(crate) fn feed(
        &mut self,
        mut input: &mut [u8],
        each: &mut dyn FnMut(Message<'_>),
    ) -> Result<(), Violation> {
        loop {
            if self.skip > 0 {
                let skipped = self.skip.min(input.len() as u64);
                self.skip -= skipped;
                input = &mut input[skipped as usize..];
            }
            if input.is_empty() {
                return Ok(());
            }
            if self.partial.is_empty() {
                let used = self.frame(input, each)?;
                if used == 0 {
                    self.partial.extend_from_slice(input);
                    return Ok(());
                }
                input = &mut input[used..];
            } else {
                input = self.complete(input, each)?;
            }
        }
    }

    /// Adds to the incomplete frame just what it needs, and handles it once it is whole.
    fn complete<'i>(
        &mut self,
        input: &'i mut [u8],
        each: &mut dyn FnMut(Message<'_>),
    ) -> Result<&'i mut [u8], Violation> {
        let wanted = match read_header(&self.partial)? {
            Some(header) => self.wanted(&header)?.saturating_sub(self.partial.len()),
            None => 1,
        };
        let taken = wanted.max(1).min(input.len());
        let (head, rest) = input.split_at_mut(taken);
        // Exactly what the frame needs: doubling would hold twice a large one.
        self.partial.reserve_exact(wanted);
        self.partial.extend_from_slice(head);
        let mut whole = std::mem::take(&mut self.partial);
        let used = self.frame(&mut whole, each)?;
        if used == 0 {
            self.partial = whole;
        } else {
            debug_assert_eq!(used, whole.len(), "only what the frame needs was added");
        }
        Ok(rest)
    }

    /// How many bytes must be gathered before the frame can be handled.
    fn wanted(&self, header: &Header) -> Result<usize, Violation> {
        if self.too_large(header) {
            Ok(header.bytes)
        } else {
            Ok(header.bytes + header.payload as usize)
        }
    }

    fn too_large(&self, header: &Header) -> bool {
        let gathered = self.fragments.as_ref().map_or(0, |f| f.payload.len() as u64 + f.skipped);
        let gathered = if is_control(header.opcode) { 0 } else { gathered };
        header.payload.saturating_add(gathered) > self.message_bytes_max as u64
    }

    /// Handles the frame at the start of `input`; 0 when it is not there whole.
    fn frame(
        &mut self,
        input: &mut [u8],
        each: &mut dyn FnMut(Message<'_>),
    ) -> Result<usize, Violation> {
        let Some(header) = read_header(input)? else { return Ok(0) };
        if self.too_large(&header) {
            return self.start_skip(&header, each);
        }
        let end = header.bytes + header.payload as usize;
        let Some(payload) = input.get_mut(header.bytes..end) else { return Ok(0) };
        unmask(payload, header.mask);
        self.payload(&header, payload, each)?;
        Ok(end)
    }

    fn start_skip(
        &mut self,
        header: &Header,
        each: &mut dyn FnMut(Message<'_>),
    ) -> Result<usize, Violation> {
        if header.payload > (self.message_bytes_max as u64).saturating_mul(SKIP_FACTOR) {
            return Err(Violation(CLOSE_TOO_LARGE));
        }
        self.skip = header.payload;
        let (opcode, before) = match (header.opcode, self.fragments.take()) {
            (Opcode::Continuation, Some(f)) => (f.opcode, f.payload.len() as u64 + f.skipped),
            (Opcode::Text | Opcode::Binary, None) => (header.opcode, 0),
            _ => return Err(Violation(CLOSE_PROTOCOL)),
        };
        let skipped = before + header.payload;
        if header.fin {
            each(Message::TooLarge(skipped));
        } else {
            self.fragments = Some(Fragments { opcode, payload: Vec::new(), skipped });
        }
        Ok(header.bytes)
    }

    fn payload(
        &mut self,
        header: &Header,
        payload: &[u8],
        each: &mut dyn FnMut(Message<'_>),
    ) -> Result<(), Violation> {
        match (header.opcode, header.fin, self.fragments.is_some()) {
            (Opcode::Ping, ..) => each(Message::Ping(payload)),
            (Opcode::Pong, ..) => each(Message::Pong(payload)),
            (Opcode::Close, ..) => each(Message::Close(close_code(payload)?)),
            (Opcode::Text | Opcode::Binary, true, false) => whole(header.opcode, payload, each)?,
            (Opcode::Text | Opcode::Binary, false, false) => {
                let payload = payload.to_vec();
                self.fragments = Some(Fragments { opcode: header.opcode, payload, skipped: 0 });
            }
            (Opcode::Continuation, fin, true) => self.continuation(fin, payload, each)?,
            _ => return Err(Violation(CLOSE_PROTOCOL)),
        }
        Ok(())
    }

    fn continuation(
        &mut self,
        fin: bool,
        payload: &[u8],
        each: &mut dyn FnMut(Message<'_>),
    ) -> Result<(), Violation> {
        let Some(mut fragments) = self.fragments.take() else { return Ok(()) };
        if fragments.skipped > 0 {
            fragments.skipped += payload.len() as u64;
        } else {
            fragments.payload.extend_from_slice(payload);
        }
        if !fin {
            self.fragments = Some(fragments);
        } else if fragments.skipped > 0 {
            each(Message::TooLarge(fragments.skipped));
        } else {
            whole(fragments.opcode, &fragments.payload, each)?;
        }
        Ok(())
    }
}

fn whole(
    opcode: Opcode,
    payload: &[u8],
    each: &mut dyn FnMut(Message<'_>),
) -> Result<(), Violation> {
    if opcode == Opcode::Binary {
        each(Message::Binary);
        return Ok(());
    }
    let text = std::str::from_utf8(payload).map_err(|_| Violation(CLOSE_NOT_UTF8))?;
    each(Message::Text(text));
    Ok(())
}

fn is_control(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong)
}

fn read_header(input: &[u8]) -> Result<Option<Header>, Violation> {
    let [first, second, rest @ ..] = input else { return Ok(None) };
    let violation = Err(Violation(CLOSE_PROTOCOL));
    let opcode = match first & 0x0f {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Text,
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        _ => return violation,
    };
    let (fin, short) = (first & 0x80 != 0, second & 0x7f);
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return violation;
    }
    if is_control(opcode) && (!fin || short > 125) {
        return violation;
    }
    let (payload, length_bytes) = match (short, rest) {
        (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 2),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 8)
        }
        (126 | 127, _) => return Ok(None),
        (short, _) => (u64::from(short), 0),
    };
    if payload > i64::MAX as u64 {
        return violation;
    }
    let Some(&[a, b, c, d]) = rest.get(length_bytes..length_bytes + 4) else { return Ok(None) };
    let bytes = 2 + length_bytes + 4;
    debug_assert!(bytes <= HEADER_BYTES_MAX);
    Ok(Some(Header { fin, opcode, mask: [a, b, c, d], payload, bytes }))
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let code = match payload {
        [] => return Ok(None),
        [a, b, reason @ ..] if std::str::from_utf8(reason).is_ok() => u16::from_be_bytes([*a, *b]),
        [_, _, ..] => return Err(Violation(CLOSE_NOT_UTF8)),
        [_] => return Err(Violation(CLOSE_PROTOCOL)),
    };
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Some(code)),
        _ => Err(Violation(CLOSE_PROTOCOL)),
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3],
    ]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let bytes: [u8; 8] = (&*chunk).try_into().expect("chunks have eight bytes");
        chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// A text frame, ready to be sent to any number of receivers.
pub(crate) fn text_frame(text: &str) -> Bytes {
    frame(0x81, &[text.as_bytes()])
}

/// The same of a text in pieces, each copied once.
pub(crate) fn pieces_frame(pieces: &[Cow<'_, str>; 3]) -> Bytes {
    let [a, b, c] = pieces;
    frame(0x81, &[a.as_bytes(), b.as_bytes(), c.as_bytes()])
}

/// A ping frame.
pub(crate) fn ping_frame(payload: &[u8]) -> Bytes {
    frame(0x89, &[payload])
}

/// A pong frame.
pub(crate) fn pong_frame(payload: &[u8]) -> Bytes {
    frame(0x8a, &[payload])
}

/// A close frame. A reason longer than the protocol allows (123 bytes) is left out.
pub(crate) fn close_frame(code: u16, reason: &str) -> Bytes {
    let reason = if reason.len() <= 123 { reason } else { "" };
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    frame(0x88, &[&payload])
}

/// Adds a text frame to others, to be sent with them.
pub(crate) fn put_text_frame(bytes: &mut BytesMut, pieces: &[&str]) {
    put_frame(bytes, 0x81, pieces.iter().map(|piece| piece.as_bytes()));
}

fn frame(first: u8, pieces: &[&[u8]]) -> Bytes {
    let length = pieces.iter().map(|piece| piece.len()).sum::<usize>();
    let mut bytes = BytesMut::with_capacity(length + HEADER_BYTES_MAX);
    put_frame(&mut bytes, first, pieces.iter().copied());
    bytes.freeze()
}

fn put_frame<'a>(bytes: &mut BytesMut, first: u8, pieces: impl Iterator<Item = &'a [u8]> + Clone) {
    let length = pieces.clone().map(<[u8]>::len).sum::<usize>();
    bytes.put_u8(first);
    match length {
        0..=125 => bytes.put_u8(length as u8),
        126..=0xffff => {
            bytes.put_u8(126);
            bytes.put_u16(length as u16);
        }
        _ => {
            bytes.put_u8(127);
            bytes.put_u64(length as u64);
        }
    }
    pieces.for_each(|piece| bytes.put_slice(piece));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut bytes = frame(first, &[payload]).to_vec();
        let header = bytes.len() - payload.len();
        bytes[1] |= 0x80;
        // Not through `unmask`, whose mistakes would cancel each other out.
        let masked: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m).collect();
        bytes.truncate(header);
        bytes.extend_from_slice(&mask);
        bytes.extend_from_slice(&masked);
        bytes
    }

    fn decode(max: usize, chunks: &[&[u8]]) -> Result<Vec<String>, Violation> {
        let mut decoder = Decoder::new(max);
        let mut seen = Vec::new();
        for chunk in chunks {
            decoder.feed(&mut chunk.to_vec(), &mut |message| seen.push(format!("{message:?}")))?;
        }
        Ok(seen)
    }

    #[test]
    fn messages_fragments_and_control_frames() {
        let mut bytes = client_frame(0x01, b"hel");
        bytes.extend(client_frame(0x89, b"p"));
        bytes.extend(client_frame(0x80, b"lo"));
        bytes.extend(client_frame(0x82, b"x"));
        let seen = decode(100, &[&bytes]).unwrap();
        assert_eq!(seen, ["Ping([112])", "Text(\"hello\")", "Binary"]);
    }

    #[test]
    fn too_large_is_skipped_and_the_next_message_read() {
        let mut bytes = client_frame(0x81, &[b'a'; 500]);
        bytes.extend(client_frame(0x81, b"ok"));
        assert_eq!(decode(100, &[&bytes]).unwrap(), ["TooLarge(500)", "Text(\"ok\")"]);
        let mut fragmented = client_frame(0x01, &[b'a'; 80]);
        fragmented.extend(client_frame(0x00, &[b'a'; 80]));
        fragmented.extend(client_frame(0x80, b"b"));
        fragmented.extend(client_frame(0x81, b"ok"));
        assert_eq!(decode(100, &[&fragmented]).unwrap(), ["TooLarge(161)", "Text(\"ok\")"]);
        let absurd = [0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0];
        assert_eq!(decode(100, &[&absurd]), Err(Violation(CLOSE_TOO_LARGE)));
    }

    #[test]
    fn violations_have_their_codes() {
        let cases: [(Vec<u8>, u16); 7] = [
            (vec![0x81, 0x01, b'a'], CLOSE_PROTOCOL),   // not masked
            (client_frame(0x83, b""), CLOSE_PROTOCOL),  // unknown opcode
            (client_frame(0xc1, b"a"), CLOSE_PROTOCOL), // reserved bit
            (client_frame(0x09, b"a"), CLOSE_PROTOCOL), // fragmented ping
            (client_frame(0x80, b"a"), CLOSE_PROTOCOL), // nothing to continue
            (client_frame(0x81, &[0xff, 0xfe]), CLOSE_NOT_UTF8),
            (client_frame(0x88, &1005_u16.to_be_bytes()), CLOSE_PROTOCOL),
        ];
        for (bytes, code) in cases {
            assert_eq!(decode(100, &[&bytes]), Err(Violation(code)), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn chunking_changes_nothing(
            texts in prop::collection::vec("[a-zé]{0,300}", 1..6),
            cuts in prop::collection::vec(0_usize..2000, 0..12),
        ) {
            let mut bytes = Vec::new();
            for text in &texts {
                bytes.extend(client_frame(0x81, text.as_bytes()));
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decode(1000, &chunks).unwrap(), decode(1000, &[&bytes]).unwrap());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300) {
            let cut = cut.min(bytes.len());
            let _ = decode(50, &[&bytes[..cut], &bytes[cut..]]);
        }
    }
}
