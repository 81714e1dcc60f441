//! The floor: bare sockets whose other end sends back what it gets.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Result;
use futures::future::try_join_all;
use testkit::proxy::bind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::ms;

/// As long as the messages of the relay benchmark.
const MESSAGE_BYTES: usize = 256;

/// A listener that echoes.
pub(super) struct Echo {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Echo {
    /// Starts it on a free port.
    pub(super) fn start() -> Result<Self> {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
        Ok(Self { address, task })
    }

    /// Milliseconds until so many bare sockets are connected again and were answered twice, as
    /// after an upgrade and a subscription.
    pub(super) async fn storm(&self, sockets: usize) -> Result<f64> {
        let began = Instant::now();
        let back = (0..sockets).map(|_| async {
            let mut stream = connect(self.address).await?;
            exchange(&mut stream).await?;
            exchange(&mut stream).await?;
            anyhow::Ok(stream)
        });
        let held = try_join_all(back).await?;
        let took = ms(began.elapsed());
        drop(held);
        Ok(took)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    // An error is the other side's end, as good as any.
    while let Ok(1..) = async {
        let read = stream.read(&mut buffer).await?;
        stream.write_all(&buffer[..read]).await?;
        std::io::Result::Ok(read)
    }
    .await
    {}
}

/// A connection to it.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A message there and back.
pub(super) async fn exchange(stream: &mut TcpStream) -> Result<()> {
    let mut message = [b'x'; MESSAGE_BYTES];
    stream.write_all(&message).await?;
    stream.read_exact(&mut message).await?;
    Ok(())
}

/// Milliseconds of so many exchanges, the connection included where there is more than one.
pub(super) async fn exchanges(address: SocketAddr, count: usize) -> Result<f64> {
    let whole = Instant::now();
    let mut stream = connect(address).await?;
    let began = if count > 1 { whole } else { Instant::now() };
    for _ in 0..count {
        exchange(&mut stream).await?;
    }
    Ok(ms(began.elapsed()))
}
