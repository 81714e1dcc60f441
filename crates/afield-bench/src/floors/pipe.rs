//! The floor of agent output: lines of a child through a bare pipe, read and thrown away; and the
//! same lines, chunk by chunk, given to a number of sockets.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::pipe::fcntl_setpipe_size;

use crate::process::Killed;

/// The argument that makes this program write lines.
pub(crate) const ROLE: &str = "line-producer";
/// A line as long as agents' lines are in the middle, with its end.
pub(crate) const LINE_BYTES: usize = 400;
const CHUNK_BYTES: usize = 256 * 1024;
/// What Linux allows everybody to set.
const PIPE_BYTES: usize = 1024 * 1024;

/// Writes lines: so many, or until nobody reads them.
pub(crate) fn produce(lines: Option<usize>) -> Result<()> {
    let line = format!(
        "{:<width$}\n",
        r#"{"type":"text","text":"a line of output"}"#,
        width = LINE_BYTES - 1
    );
    let chunk_lines = CHUNK_BYTES / LINE_BYTES;
    let chunk = line.repeat(chunk_lines);
    let mut output = std::io::stdout().lock();
    let mut left = lines.unwrap_or(usize::MAX);
    while left > 0 {
        let now = left.min(chunk_lines);
        if output.write_all(&chunk.as_bytes()[..now * LINE_BYTES]).is_err() {
            break;
        }
        left -= now;
    }
    Ok(())
}

/// MB per second from a child to `followers` sockets; with none of them the pipe alone.
pub(crate) fn megabytes_per_second(followers: usize, time: Duration) -> Result<f64> {
    let mut child = Killed::own(ROLE)?;
    let mut output = child.0.stdout.take().context("it was piped")?;
    fcntl_setpipe_size(&output, PIPE_BYTES)?;
    let mut sockets = (0..followers).map(|_| drained_socket()).collect::<Result<Vec<_>>>()?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let (began, mut bytes) = (Instant::now(), 0);
    while began.elapsed() < time {
        let read = output.read(&mut chunk)?;
        for socket in &mut sockets {
            socket.write_all(&chunk[..read])?;
        }
        bytes += read;
    }
    Ok(bytes as f64 / 1e6 / began.elapsed().as_secs_f64())
}

/// A socket whose other end reads everything and throws it away.
fn drained_socket() -> Result<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    // Ends with the connection.
    std::thread::spawn(move || {
        let mut buffer = vec![0; CHUNK_BYTES];
        while far.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
    Ok(near)
}
