//! A follower that costs little: it reads large pieces, as the floor's sockets do, and looks at
//! each frame without taking it apart. One thread each.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

/// As much as the floor's sockets read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// A connection that follows a project.
pub(crate) struct Follower {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The part of the buffer that was read and not looked at.
    unread: std::ops::Range<usize>,
}

impl Follower {
    /// Connects, signs in and joins the project.
    pub(crate) fn join(url: &str, token: &str, project: &str) -> Result<Self> {
        let authority = url.strip_prefix("http://").context("benchmarks run without TLS")?;
        let mut stream = TcpStream::connect(authority)?;
        let upgrade = format!(
            "GET /ws HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\
            Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(upgrade.as_bytes())?;
        let mut follower = Self { stream, buffer: vec![0; BUFFER_BYTES], unread: 0..0 };
        follower.skip_head()?;
        let ask = json!({ "type": "project_join", "id": 1, "project_id": project }).to_string();
        follower.stream.write_all(&client_frame(&ask)?)?;
        while !follower.next()?.starts_with(b"{\"type\":\"project_join\"") {}
        Ok(follower)
    }

    /// The payload of the next frame.
    pub(crate) fn next(&mut self) -> Result<&[u8]> {
        let (head, payload) = loop {
            let unread = &self.buffer[self.unread.clone()];
            match frame_lengths(unread) {
                Some((head, payload)) if unread.len() >= head + payload => break (head, payload),
                _ => self.read()?,
            }
        };
        let start = self.unread.start + head;
        self.unread.start = start + payload;
        Ok(&self.buffer[start..start + payload])
    }

    fn skip_head(&mut self) -> Result<()> {
        loop {
            let unread = &self.buffer[self.unread.clone()];
            if let Some(end) = memchr::memmem::find(unread, b"\r\n\r\n") {
                ensure!(unread.starts_with(b"HTTP/1.1 101"), "the server refuses the connection");
                self.unread.start += end + 4;
                return Ok(());
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> Result<()> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.unread.end == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let read = self.stream.read(&mut self.buffer[self.unread.end..])?;
        ensure!(read > 0, "the server closed the connection");
        self.unread.end += read;
        Ok(())
    }
}

/// Bytes before the payload of a server's frame, and bytes of the payload, once they are known.
fn frame_lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        126 => {
            let length = bytes.get(2..4)?.try_into().expect("two bytes");
            Some((4, usize::from(u16::from_be_bytes(length))))
        }
        127 => {
            let length = bytes.get(2..10)?.try_into().expect("eight bytes");
            Some((10, usize::try_from(u64::from_be_bytes(length)).unwrap_or(usize::MAX)))
        }
        short => Some((2, usize::from(short))),
    }
}

/// A short text as a client sends it, with a mask that changes nothing.
fn client_frame(text: &str) -> Result<Vec<u8>> {
    let length = u16::try_from(text.len())?;
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    Ok(frame)
}
