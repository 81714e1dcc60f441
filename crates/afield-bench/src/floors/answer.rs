//! The floor of asking for something: one byte there, so many bytes back, over a bare socket.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Result;

/// Both ends of a connection whose far end answers each byte with a fixed number of bytes.
pub(crate) struct Answerer {
    near: TcpStream,
    bytes: usize,
}

impl Answerer {
    /// Starts the answering end on a thread, which ends with the connection.
    pub(crate) fn start(bytes: usize) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let near = TcpStream::connect(listener.local_addr()?)?;
        let (mut far, _) = listener.accept()?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let answer = vec![b'x'; bytes];
        std::thread::spawn(move || {
            let mut question = [0];
            while far.read_exact(&mut question).is_ok() && far.write_all(&answer).is_ok() {}
        });
        Ok(Self { near, bytes })
    }

    /// Milliseconds of a question and its answer, the middle of as many as fit into `time`.
    pub(crate) fn milliseconds(&mut self, time: Duration) -> Result<f64> {
        let mut answer = vec![0; self.bytes];
        let (began, mut took) = (Instant::now(), Vec::new());
        while took.is_empty() || began.elapsed() < time {
            let asked = Instant::now();
            self.near.write_all(b"?")?;
            self.near.read_exact(&mut answer)?;
            took.push(asked.elapsed().as_secs_f64() * 1e3);
        }
        Ok(crate::report::median(&took))
    }
}
