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

impl Redis {
    /// Cycles per second: an entry is added, read by the consumer of a group, and acknowledged,
    /// `in_flight` of each step sent together on one connection.
    pub(crate) async fn cycles_per_second(
        &self,
        in_flight: usize,
        record: &str,
        time: Duration,
    ) -> Result<f64> {
        let mut connection = UnixStream::connect(redis::socket(&self.daemon)).await?;
        connection.write_all(command(&["FLUSHALL"]).as_bytes()).await?;
        lines(&mut connection, 1).await?;
        let group = ["XGROUP", "CREATE", "commands", "workers", "0", "MKSTREAM"];
        connection.write_all(command(&group).as_bytes()).await?;
        lines(&mut connection, 1).await?;
        let add = command(&["XADD", "commands", "*", "body", record]).repeat(in_flight);
        let read =
            ["XREADGROUP", "GROUP", "workers", "w", "COUNT", "1", "STREAMS", "commands", ">"];
        let read = command(&read).repeat(in_flight);
        let began = Instant::now();
        let mut cycles = 0;
        while began.elapsed() < time {
            connection.write_all(add.as_bytes()).await?;
            let added = lines(&mut connection, 2 * in_flight).await?;
            connection.write_all(read.as_bytes()).await?;
            lines(&mut connection, ENTRY_LINES * in_flight).await?;
            let ids = added.lines().filter(|line| !line.starts_with('$'));
            let acknowledge = |id| command(&["XACK", "commands", "workers", id]);
            connection.write_all(ids.map(acknowledge).collect::<String>().as_bytes()).await?;
            lines(&mut connection, in_flight).await?;
            cycles += in_flight;
        }
        Ok(cycles as f64 / began.elapsed().as_secs_f64())
    }
}

/// Lines of one stream with one entry of one field, as XREADGROUP answers.
const ENTRY_LINES: usize = 13;

/// Reads until so many lines have come.
async fn lines(connection: &mut UnixStream, count: usize) -> Result<String> {
    let mut text = Vec::new();
    let mut ends = 0;
    while ends < count {
        let before = text.len();
        if connection.read_buf(&mut text).await? == 0 || text.first() == Some(&b'-') {
            bail!("Redis answers {:?}", String::from_utf8_lossy(&text));
        }
        ends += text[before..].iter().filter(|byte| **byte == b'\n').count();
    }
    Ok(String::from_utf8(text)?)
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
