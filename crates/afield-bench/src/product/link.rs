//! A bare connection to the server: frames in, frames out, nothing decided.

use anyhow::{Context as _, Result, bail};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Small, so that thousands of connections of a benchmark fit beside the server.
const BUFFER_BYTES: usize = 4096;

/// How this program's connections are set.
pub(crate) fn settings() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(0)
}

/// A connection.
pub(crate) struct Link {
    socket: WebSocketStream<TcpStream>,
    next_id: u64,
}

impl Link {
    /// Connects and signs in.
    pub(crate) async fn connect(url: &str, token: &str) -> Result<Self> {
        let authority = url.strip_prefix("http://").context("benchmarks run without TLS")?;
        let mut request = format!("ws://{authority}/ws").into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let (socket, _) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(settings())).await?;
        Ok(Self { socket, next_id: 1 })
    }

    /// Puts a frame into the buffer of the connection.
    pub(crate) async fn feed(&mut self, frame: impl Into<Utf8Bytes>) -> Result<()> {
        Ok(self.socket.feed(Message::Text(frame.into())).await?)
    }

    /// Sends what is in the buffer.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        Ok(self.socket.flush().await?)
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: impl Into<Utf8Bytes>) -> Result<()> {
        Ok(self.socket.send(Message::Text(frame.into())).await?)
    }

    /// The next frame of the server.
    ///
    /// **Cancel safety**: no frame is lost.
    pub(crate) async fn next(&mut self) -> Result<Utf8Bytes> {
        loop {
            match self.socket.next().await.context("the server closed the connection")?? {
                Message::Text(text) => return Ok(text),
                Message::Close(frame) => bail!("the server closed the connection: {frame:?}"),
                _ => {}
            }
        }
    }

    /// Sends a request and waits for its reply; facts that come meanwhile are passed over.
    pub(crate) async fn ask(&mut self, name: &str, data: &Value) -> Result<Value> {
        let reply = self.ask_raw(name, data).await?;
        let mut frame: Value = serde_json::from_str(&reply)?;
        Ok(frame["data"].take())
    }

    /// The same, without reading more of the reply than whose it is.
    pub(crate) async fn ask_raw(&mut self, name: &str, data: &Value) -> Result<Utf8Bytes> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(json!({ "type": name, "id": id, "data": data }).to_string()).await?;
        let (reply, error) = (
            format!("{{\"type\":\"{name}\",\"id\":{id},"),
            format!("{{\"type\":\"error\",\"id\":{id},"),
        );
        loop {
            let frame = self.next().await?;
            if frame.starts_with(&reply) {
                return Ok(frame);
            }
            if frame.starts_with(&error) {
                bail!("{name} is refused: {frame}");
            }
        }
    }
}
