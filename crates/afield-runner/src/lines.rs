//! Cuts a byte stream into lines, whatever the chunks it arrives in.
//!
//! Called by the reader tasks of an agent's standard output and error. Decodes per line and never
//! per chunk, keeps no line longer than its limit, and never fails: what can't be decoded is
//! replaced and flagged, what is too long is cut and flagged.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes read at once when the buffer holds no long line.
const READ_BYTES: usize = 64 * 1024;
/// Bytes kept of a line that is longer than the limit: enough to see what it was.
const PREFIX_BYTES: usize = 4 * 1024;
/// From this length on a line takes the whole buffer with it instead of being copied out of it.
const LONG_LINE_BYTES: usize = 1024 * 1024;
/// Chunks of lines that may wait between a reader and its attempt.
const CHUNKS_WAITING_MAX: usize = 64;
/// Bytes of lines that may wait between the readers of one attempt and the attempt.
pub(crate) const BYTES_WAITING_MAX: usize = 16 * 1024 * 1024;

/// One line, without its line end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// The text; of a cut line only its beginning.
    pub(crate) text: String,
    /// Bytes that are no UTF-8 were replaced.
    pub(crate) lossy: bool,
    /// Length of the whole line in bytes, when only its beginning was kept.
    pub(crate) cut_from: Option<u64>,
    /// The stream ended before the line did.
    pub(crate) torn: bool,
}

/// What is known of a line that is too long to keep.
struct Cut {
    prefix: Vec<u8>,
    bytes: u64,
}

/// Bytes in, lines out.
pub(crate) struct Framer {
    buffer: BytesMut,
    /// Bytes of `buffer` known to hold no line end.
    scanned: usize,
    line_bytes_max: usize,
    cut: Option<Cut>,
}

impl Framer {
    /// A framer that keeps lines of up to `line_bytes_max` bytes whole.
    pub(crate) fn new(line_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, line_bytes_max, cut: None }
    }

    /// Adds bytes by copying. The readers read into [`Framer::space`] instead.
    #[cfg(test)]
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer with room for the next read; it doubles while a long line grows.
    fn space(&mut self) -> &mut BytesMut {
        self.buffer.reserve(self.buffer.len().max(READ_BYTES / 4));
        &mut self.buffer
    }

    /// The next whole line, if the buffer holds one.
    pub(crate) fn next(&mut self) -> Option<Line> {
        match memchr::memchr(b'\n', &self.buffer[self.scanned..]) {
            Some(at) => {
                let end = self.scanned + at;
                self.scanned = 0;
                Some(self.take(end))
            }
            None => {
                self.scanned = self.buffer.len();
                if self.cut.is_some() || self.buffer.len() > self.line_bytes_max {
                    self.discard();
                }
                None
            }
        }
    }

    /// What was left when the stream ended, if anything was.
    pub(crate) fn finish(&mut self) -> Option<Line> {
        if self.buffer.is_empty() && self.cut.is_none() {
            return None;
        }
        let bytes = std::mem::take(&mut self.buffer);
        self.scanned = 0;
        Some(Line { torn: true, ..self.complete(bytes) })
    }

    /// Takes the line that ends before the line feed at `end`.
    fn take(&mut self, end: usize) -> Line {
        let line = if end < LONG_LINE_BYTES {
            let mut line = self.buffer.split_to(end + 1);
            line.truncate(end);
            line
        } else {
            let rest = BytesMut::from(&self.buffer[end + 1..]);
            let mut line = std::mem::replace(&mut self.buffer, rest);
            line.truncate(end);
            line
        };
        self.complete(line)
    }

    fn complete(&mut self, mut line: BytesMut) -> Line {
        if self.cut.is_some() || line.len() > self.line_bytes_max {
            return self.complete_cut(&line);
        }
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        match String::from_utf8(Vec::from(line)) {
            Ok(text) => Line { text, ..Line::default() },
            Err(error) => Line {
                text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                lossy: true,
                ..Line::default()
            },
        }
    }

    fn complete_cut(&mut self, rest: &[u8]) -> Line {
        let mut cut = self.cut.take().unwrap_or(Cut { prefix: Vec::new(), bytes: 0 });
        absorb(&mut cut, rest);
        let (text, lossy) = decode_prefix(&cut.prefix);
        Line { text, lossy, cut_from: Some(cut.bytes), torn: false }
    }

    /// Forgets all but the beginning of the line that is being read.
    fn discard(&mut self) {
        let cut = self.cut.get_or_insert(Cut { prefix: Vec::new(), bytes: 0 });
        absorb(cut, &self.buffer);
        self.buffer = BytesMut::new();
        self.scanned = 0;
    }
}

fn absorb(cut: &mut Cut, bytes: &[u8]) {
    let room = PREFIX_BYTES.saturating_sub(cut.prefix.len());
    cut.prefix.extend_from_slice(&bytes[..bytes.len().min(room)]);
    cut.bytes += bytes.len() as u64;
}

/// Decodes the beginning of a line; a character cut in two at its end is no fault of the line.
fn decode_prefix(bytes: &[u8]) -> (String, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(error) if error.error_len().is_none() => {
            let whole = &bytes[..error.valid_up_to()];
            (String::from_utf8_lossy(whole).into_owned(), false)
        }
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), true),
    }
}

/// Lines on their way, with the memory they are allowed to take.
pub(crate) struct Waiting {
    /// The lines of one read, in order; at least one.
    pub(crate) lines: Vec<Line>,
    _room: OwnedSemaphorePermit,
}

/// The room lines of one attempt may take while they wait.
pub(crate) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BYTES_WAITING_MAX / 1024))
}

/// Reads `source` to its end in a task of its own and hands over its lines.
///
/// **Cancel safety**: the task ends when the receiver is dropped or the stream ends; the channel
/// closes then.
pub(crate) fn read_lines(
    source: impl AsyncRead + Send + Unpin + 'static,
    line_bytes_max: usize,
    room: Arc<Semaphore>,
) -> (mpsc::Receiver<Waiting>, tokio::task::JoinHandle<()>) {
    let (lines, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
    let task = tokio::spawn(pump(source, Framer::new(line_bytes_max), room, lines));
    (receiver, task)
}

async fn pump(
    mut source: impl AsyncRead + Unpin,
    mut framer: Framer,
    room: Arc<Semaphore>,
    lines: mpsc::Sender<Waiting>,
) {
    loop {
        let read = tokio::select! {
            read = source.read_buf(framer.space()) => read,
            // Nobody wants more, although a process out of reach may hold the pipe for ever.
            () = lines.closed() => return,
        };
        let more = match read {
            Ok(bytes) => bytes > 0,
            Err(error) => {
                tracing::debug!(%error, "reading the pipe ended");
                false
            }
        };
        let mut chunk: Vec<_> = std::iter::from_fn(|| framer.next()).collect();
        if !more {
            chunk.extend(framer.finish());
        }
        if !(chunk.is_empty() || hand_over(chunk, &room, &lines).await) || !more {
            return;
        }
    }
}

async fn hand_over(chunk: Vec<Line>, room: &Arc<Semaphore>, lines: &mpsc::Sender<Waiting>) -> bool {
    let bytes: usize = chunk.iter().map(|line| line.text.len() + size_of::<Line>()).sum();
    let kib = (bytes / 1024 + 1).min(BYTES_WAITING_MAX / 1024);
    let kib = u32::try_from(kib).expect("BYTES_WAITING_MAX in KiB fits u32");
    let Ok(permit) = Arc::clone(room).acquire_many_owned(kib).await else { return false };
    lines.send(Waiting { lines: chunk, _room: permit }).await.is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(chunks: &[&[u8]], line_bytes_max: usize) -> Vec<Line> {
        let mut framer = Framer::new(line_bytes_max);
        let mut lines = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            lines.extend(std::iter::from_fn(|| framer.next()));
        }
        lines.extend(framer.finish());
        lines
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_the_last_may_be_torn() {
        let lines = frame(&[b"a\r\nb\n\nc"], 100);
        assert_eq!(texts(&lines), ["a", "b", "", "c"]);
        assert_eq!(
            lines.iter().map(|line| line.torn).collect::<Vec<_>>(),
            [false, false, false, true]
        );
    }

    #[test]
    fn a_character_split_between_chunks_is_whole() {
        let lines = frame(&[b"\xc3", b"\xa9\n"], 100);
        assert_eq!((lines[0].text.as_str(), lines[0].lossy), ("é", false));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_flagged() {
        let lines = frame(&[b"a\xff\xfeb\nok\n"], 100);
        assert!(lines[0].lossy && lines[0].text.starts_with('a') && lines[0].text.ends_with('b'));
        assert!(!lines[1].lossy);
    }

    #[test]
    fn a_line_over_the_limit_is_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; 10_000];
        let lines = frame(&[&long, b"\nnext\n"], 9_999);
        assert_eq!(lines[0].cut_from, Some(10_000));
        assert_eq!(lines[0].text.len(), PREFIX_BYTES);
        assert_eq!(lines[1], Line { text: "next".into(), ..Line::default() });
    }

    #[test]
    fn the_buffer_is_small_again_after_a_long_line() {
        let mut framer = Framer::new(100 * 1024 * 1024);
        framer.push(&vec![b'x'; 4 * LONG_LINE_BYTES]);
        framer.push(b"\nrest");
        assert_eq!(framer.next().unwrap().text.len(), 4 * LONG_LINE_BYTES);
        assert!(framer.buffer.capacity() < READ_BYTES, "{}", framer.buffer.capacity());
        assert_eq!(framer.finish().unwrap().text, "rest");
    }

    #[tokio::test]
    async fn a_reader_hands_over_every_line_and_ends() {
        let (mut lines, task) = read_lines(&b"one\ntwo\nthr"[..], 100, room());
        let mut read = Vec::new();
        while let Some(waiting) = lines.recv().await {
            read.extend(waiting.lines.into_iter().map(|line| line.text));
        }
        assert_eq!(read, ["one", "two", "thr"]);
        task.await.unwrap();
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0xc3), Just(0xa9), any::<u8>()], 0..400),
            cuts in prop::collection::vec(0usize..400, 0..12),
            line_bytes_max in 1usize..60,
        ) {
            let whole = frame(&[&bytes], line_bytes_max);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(frame(&chunks, line_bytes_max), whole);
        }
    }
}
