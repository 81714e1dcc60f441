//! What an idle, signed-in connection costs the server.

use std::path::Path;

use anyhow::Result;
use futures::StreamExt as _;
use futures::stream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::Options;
use crate::floors::relay::{FOLLOWER, Relay};
use crate::process::resident_bytes;
use crate::product::Server;
use crate::product::link::Link;
use crate::report::Table;

const CONNECTIONS: usize = 10_000;
/// Connections made before the first look: what a server needs once is not what each one costs.
const WARM_UP: usize = 200;
/// Handshakes at the same time.
const SIDE_BY_SIDE: usize = 32;

/// Runs the benchmark. Each round starts the programs anew: memory once taken is seldom given back.
pub(crate) async fn run(options: Options) -> Result<()> {
    let mut table = Table::default();
    for _ in 0..options.rounds {
        let relay = Relay::start()?;
        let bytes = growth(relay.process.id(), || async {
            let mut stream = TcpStream::connect(relay.address).await?;
            stream.write_all(&[FOLLOWER]).await?;
            Ok(stream)
        });
        table.add("floor: epoll, bare sockets", bytes.await?);
        let server = Server::start(Path::new(crate::DISK))?;
        let connect = || Link::connect(&server.url, &server.token);
        table.add("Afield, signed in", growth(server.process.id(), connect).await?);
    }
    let title = format!("{CONNECTIONS} idle connections");
    table.print(&title, "bytes of the server's memory for each");
    Ok(())
}

/// How much a process grows with each connection.
async fn growth<T, F>(process: u32, connect: impl Fn() -> F) -> Result<f64>
where
    F: Future<Output = Result<T>>,
{
    let warm = open(WARM_UP, &connect).await?;
    let before = resident_bytes(process)?;
    let held = open(CONNECTIONS, &connect).await?;
    let after = resident_bytes(process)?;
    drop((warm, held));
    Ok((after as f64 - before as f64) / CONNECTIONS as f64)
}

async fn open<T, F>(count: usize, connect: impl Fn() -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>>,
{
    let made: Vec<Result<T>> =
        stream::iter(0..count).map(|_| connect()).buffer_unordered(SIDE_BY_SIDE).collect().await;
    made.into_iter().collect()
}
