//! NATS over its own WebSocket listener, as a relay of the same messages.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::process::Killed;
use crate::product::link;

/// The program of the Debian package, which is not always on the PATH.
pub(crate) const PROGRAM: &str = "nats-server";
const START_DEADLINE: Duration = Duration::from_secs(10);

/// One connection to it.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// A private NATS server.
pub(crate) struct Nats {
    pub(crate) process: Killed,
    address: SocketAddr,
}

impl Nats {
    /// Starts it with its files in `folder`.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let (port, web_port) = (free_port()?, free_port()?);
        let settings = format!(
            "listen: \"127.0.0.1:{port}\"\nwebsocket {{ listen: \"127.0.0.1:{web_port}\", no_tls: true }}\n"
        );
        let file = folder.join("nats.conf");
        std::fs::write(&file, settings)?;
        let system = std::env::join_paths(["/usr/local/sbin", "/usr/sbin"])?;
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(":");
        path.push(system);
        let child = Command::new(PROGRAM)
            .env("PATH", path)
            .arg("-c")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("nats-server can't be started")?;
        let address = SocketAddr::from(([127, 0, 0, 1], web_port));
        let nats = Self { process: Killed(child), address };
        let deadline = Instant::now() + START_DEADLINE;
        while let Err(error) = nats.connect().await {
            if Instant::now() > deadline {
                return Err(error.context("nats-server does not answer"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(nats)
    }

    async fn connect(&self) -> Result<Socket> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let request = format!("ws://{}/", self.address);
        // Set like the connections to the product: the defaults clear 128 KB for every read.
        let settings = Some(link::settings());
        let (mut socket, _) =
            tokio_tungstenite::client_async_with_config(request, stream, settings).await?;
        send(&mut socket, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n".into())
            .await?;
        loop {
            match socket.next().await.context("it closed the connection")?? {
                Message::Binary(bytes) if bytes.ends_with(b"PONG\r\n") => return Ok(socket),
                Message::Binary(_) => {}
                other => bail!("NATS answers {other:?}"),
            }
        }
    }

    /// A connection that sends.
    pub(crate) async fn sender(&self) -> Result<Socket> {
        self.connect().await
    }

    /// A connection that gets everything that is sent to a subject.
    pub(crate) async fn follower(&self, subject: usize) -> Result<Socket> {
        let mut socket = self.connect().await?;
        send(&mut socket, format!("SUB bench.{subject} 1\r\nPING\r\n")).await?;
        while !matches!(socket.next().await, Some(Ok(Message::Binary(bytes))) if bytes.ends_with(b"PONG\r\n"))
        {
        }
        Ok(socket)
    }
}

/// A message in the protocol of NATS.
pub(crate) fn publish(subject: usize, body: &str) -> Bytes {
    format!("PUB bench.{subject} {}\r\n{body}\r\n", body.len()).into()
}

async fn send(socket: &mut Socket, text: String) -> Result<()> {
    Ok(socket.send(Message::Binary(text.into())).await?)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// How many messages a frame brings: their bodies have no line ends, so each has two.
pub(crate) fn messages_in(frame: &[u8]) -> usize {
    memchr::memmem::find_iter(frame, b"MSG ").count()
}
