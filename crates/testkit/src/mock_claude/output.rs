//! Writing to stdout and stderr: whole lines, flushed one by one, and the few unusual ways scenarios need.

use std::{
    fs::File,
    io::{self, Write as _},
};

/// What huge lines and noise are made of; length and hash of any repetition are easy to check.
const PATTERN: &[u8; 16] = b"0123456789abcdef";

/// Bytes written at a time where a line is too long to build in memory.
const CHUNK_BYTES: usize = 64 * 1024;

/// Writes one line to stdout and flushes it.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'\n');
    raw(&bytes)
}

/// Writes bytes to stdout and flushes them.
pub(super) fn raw(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes a line in which every `${fill}` becomes `bytes` bytes of the pattern.
pub(super) fn filled_line(text: &str, bytes: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (index, part) in text.split("${fill}").enumerate() {
        if index > 0 {
            fill(&mut out, bytes)?;
        }
        out.write_all(part.as_bytes())?;
    }
    out.write_all(b"\n")?;
    out.flush()
}

fn fill(out: &mut impl io::Write, bytes: u64) -> io::Result<()> {
    let chunk = PATTERN.repeat(CHUNK_BYTES / PATTERN.len());
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    while left > 0 {
        let now = left.min(chunk.len());
        out.write_all(&chunk[..now])?;
        left -= now;
    }
    Ok(())
}

/// Writes one line to stderr. A closed stderr is not worth dying for.
pub(super) fn stderr(text: &str) {
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Repeats a line on stderr until `bytes` bytes are written.
pub(super) fn stderr_noise(text: &str, bytes: u64) {
    let line = format!("{text}\n");
    let lines = bytes / line.len() as u64;
    let mut err = io::stderr().lock();
    for _ in 0..lines {
        if err.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

/// Closes stdout for whoever reads it. The descriptor stays taken, so that no later file can land on it.
pub(super) fn close_stdout() -> io::Result<()> {
    nix::unistd::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    Ok(())
}
