//! Redis streams with `appendfsync always`, through a bare RESP connection.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use xtask::services::{Daemon, Durability, redis};

/// A private Redis that acknowledges after fsync.
pub(crate) struct Redis {
    daemon: Daemon,
}

impl Redis {
    /// Starts it on the disk of `folder`.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        Ok(Self { daemon: redis::start(folder, Durability::Full).await? })
    }

    /// Stream entries per second with `in_flight` of them unanswered on one connection: the most
    /// Redis can make of one fsync.
    pub(crate) async fn accepts_per_second(
        &self,
        in_flight: usize,
        record: &str,
        time: Duration,
    ) -> Result<f64> {
        let mut connection = UnixStream::connect(redis::socket(&self.daemon)).await?;
        connection.write_all(b"*1\r\n$8\r\nFLUSHALL\r\n").await?;
        answers(&mut connection, 1, 1).await?;
        let add = command(&["XADD", "commands", "*", "body", record]);
        let began = Instant::now();
        let (mut accepted, mut due) = (0, in_flight);
        while began.elapsed() < time {
            connection.write_all(add.repeat(due).as_bytes()).await?;
            due = answers(&mut connection, 2, in_flight).await?;
            accepted += due;
        }
        let rate = accepted as f64 / began.elapsed().as_secs_f64();
        let mut open = in_flight - due;
        while open > 0 {
            open -= answers(&mut connection, 2, open).await?;
        }
        Ok(rate)
    }
}

/// A command in the protocol of Redis.
fn command(words: &[&str]) -> String {
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{words}", words.matches('$').count())
}

/// Reads at least one whole answer of `lines` lines each; gives how many came, at most `most`.
async fn answers(connection: &mut UnixStream, lines: usize, most: usize) -> Result<usize> {
    let mut buffer = vec![0; 64 * 1024];
    let mut ends = 0;
    loop {
        let read = connection.read(&mut buffer).await?;
        let text = &buffer[..read];
        if read == 0 || text.first() == Some(&b'-') {
            bail!("Redis answers {:?}", String::from_utf8_lossy(text));
        }
        ends += text.iter().filter(|byte| **byte == b'\n').count();
        if ends >= lines && ends % lines == 0 {
            return Ok((ends / lines).min(most));
        }
    }
}
