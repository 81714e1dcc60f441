//! A client as small as the protocol allows: raw frames over a WebSocket.
//!
//! For end-to-end tests that must see exactly what is on the wire. It folds nothing away: replies
//! are found by their mark, everything else is kept in the order it came.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Longest wait for a frame that must come. Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server closed, with this code and reason.
    #[error("closed with {0} {1:?}")]
    Closed(u16, String),
    /// The connection broke.
    #[error("broken: {0}")]
    Broken(String),
    /// Nothing came in time.
    #[error("nothing came within {0:?} while waiting for {1}")]
    Silent(Duration, String),
    /// The server refused the request.
    #[error("refused: {0}")]
    Refused(Value),
}

/// A raw connection.
pub struct Client {
    socket: WebSocketStream<TcpStream>,
    /// The subprotocol the server chose.
    pub subprotocol: Option<String>,
    /// Frames that came while something else was waited for, oldest first.
    pub unread: VecDeque<Value>,
    next: u64,
}

impl Client {
    /// Connects with a token. `url` is the server's `http://…`.
    ///
    /// **Errors**: the handshake was refused; the text holds the status.
    pub async fn connect(url: &str, token: &str) -> Result<Self, ClientError> {
        Self::connect_from(url, token, None).await
    }

    /// Connects from a given local address (limits count per address).
    ///
    /// **Errors**: like [`Self::connect`].
    pub async fn connect_from(
        url: &str,
        token: &str,
        from: Option<std::net::IpAddr>,
    ) -> Result<Self, ClientError> {
        Self::connect_with(url, &format!("Bearer {token}"), from).await
    }

    /// Connects with any value of `Authorization`.
    ///
    /// **Errors**: like [`Self::connect`].
    pub async fn connect_with(
        url: &str,
        authorization: &str,
        from: Option<std::net::IpAddr>,
    ) -> Result<Self, ClientError> {
        Self::connect_saying(url, &[("authorization", authorization)], from).await
    }

    /// Connects like a page: with subprotocols, and its origin.
    ///
    /// **Errors**: like [`Self::connect`].
    pub async fn connect_offering(
        url: &str,
        subprotocols: &str,
        from: Option<std::net::IpAddr>,
    ) -> Result<Self, ClientError> {
        let headers = [("sec-websocket-protocol", subprotocols), ("origin", url)];
        Self::connect_saying(url, &headers, from).await
    }

    /// Connects with any headers.
    ///
    /// **Errors**: like [`Self::connect`].
    pub async fn connect_saying(
        url: &str,
        headers: &[(&'static str, &str)],
        from: Option<std::net::IpAddr>,
    ) -> Result<Self, ClientError> {
        let broken = |error: &dyn std::fmt::Display| ClientError::Broken(error.to_string());
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        let socket = tokio::net::TcpSocket::new_v4().map_err(|error| broken(&error))?;
        if let Some(from) = from {
            socket.bind((from, 0).into()).map_err(|error| broken(&error))?;
        }
        let address = host.parse().map_err(|error| broken(&error))?;
        let stream = socket.connect(address).await.map_err(|error| broken(&error))?;
        let mut request =
            format!("ws://{host}/ws").into_client_request().map_err(|error| broken(&error))?;
        for (name, value) in headers {
            let value = value.parse().map_err(|error| broken(&error))?;
            request.headers_mut().append(*name, value);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(64 << 20))
            .max_frame_size(Some(64 << 20));
        let (socket, answer) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config))
                .await
                .map_err(|error| broken(&error))?;
        let subprotocol = answer.headers().get("sec-websocket-protocol");
        let subprotocol = subprotocol.map(|value| String::from_utf8_lossy(value.as_bytes()).into());
        Ok(Self { socket, subprotocol, unread: VecDeque::new(), next: 1 })
    }

    /// Sends any text, valid or not.
    ///
    /// **Errors**: the connection is broken.
    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<(), ClientError> {
        self.send(Message::text(text.into())).await
    }

    /// Sends any WebSocket message.
    ///
    /// **Errors**: the connection is broken.
    pub async fn send(&mut self, message: Message) -> Result<(), ClientError> {
        self.socket.send(message).await.map_err(|error| ClientError::Broken(error.to_string()))
    }

    /// The next frame, in the order of the wire (those set aside first).
    ///
    /// **Errors**: closed, broken, or silent for too long.
    pub async fn next(&mut self) -> Result<Value, ClientError> {
        match self.unread.pop_front() {
            Some(frame) => Ok(frame),
            None => self.read("any frame").await,
        }
    }

    async fn read(&mut self, what: &str) -> Result<Value, ClientError> {
        self.read_until(what, Instant::now() + PATIENCE).await
    }

    async fn read_until(&mut self, what: &str, end: Instant) -> Result<Value, ClientError> {
        let silent = || ClientError::Silent(PATIENCE, what.to_owned());
        loop {
            let next = tokio::time::timeout_at(end, self.socket.next()).await;
            match next.map_err(|_| silent())? {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text)
                        .map_err(|error| ClientError::Broken(format!("{error}: {text}")));
                }
                Some(Ok(Message::Close(frame))) => {
                    let frame = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                    let (code, reason) = frame.unwrap_or((1005, String::new()));
                    return Err(ClientError::Closed(code, reason));
                }
                Some(Ok(_)) => {}
                Some(Err(Error::ConnectionClosed)) | None => {
                    return Err(ClientError::Broken("end of stream".to_owned()));
                }
                Some(Err(error)) => return Err(ClientError::Broken(error.to_string())),
            }
        }
    }

    /// Sends a request and waits for its reply's `data`.
    ///
    /// **Errors**: [`ClientError::Refused`] with the error's `data`.
    pub async fn ask(&mut self, kind: &str, data: Value) -> Result<Value, ClientError> {
        let id = self.begin(kind, data).await?;
        self.reply(&id).await
    }

    /// Sends a request and returns its mark, for [`Self::reply`].
    ///
    /// **Errors**: the connection is broken.
    pub async fn begin(&mut self, kind: &str, data: Value) -> Result<String, ClientError> {
        let id = format!("t{}", self.next);
        self.next += 1;
        self.send_text(json!({ "type": kind, "id": id, "data": data }).to_string()).await?;
        Ok(id)
    }

    /// Waits for the reply to a request.
    ///
    /// **Errors**: [`ClientError::Refused`] with the error's `data`.
    pub async fn reply(&mut self, id: &str) -> Result<Value, ClientError> {
        let is_reply = |frame: &Value| frame["id"] == id;
        let frame = self.wait_for(&format!("the reply to {id}"), is_reply).await?;
        if frame["type"] == "error" {
            return Err(ClientError::Refused(frame["data"].clone()));
        }
        Ok(frame["data"].clone())
    }

    /// The first frame, seen already or to come, for which `wanted` holds. Others are kept.
    ///
    /// **Errors**: closed, broken, or silent for too long.
    pub async fn wait_for(
        &mut self,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, ClientError> {
        if let Some(at) = self.unread.iter().position(&wanted)
            && let Some(frame) = self.unread.remove(at)
        {
            return Ok(frame);
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let frame = self.read_until(what, end).await?;
            if wanted(&frame) {
                return Ok(frame);
            }
            self.unread.push_back(frame);
        }
    }

    /// Waits for a bare fact of this kind.
    ///
    /// **Errors**: like [`Self::wait_for`].
    pub async fn fact(
        &mut self,
        kind: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, ClientError> {
        let is_it = |frame: &Value| {
            frame["type"] == kind && frame["id"].is_null() && wanted(&frame["data"])
        };
        self.wait_for(kind, is_it).await
    }

    /// Waits for the next event of a topic whose fact is of this kind.
    ///
    /// **Errors**: like [`Self::wait_for`].
    pub async fn event(
        &mut self,
        kind: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, ClientError> {
        let is_it = |frame: &Value| {
            let fact = &frame["data"];
            frame["type"] == "event" && fact["type"] == kind && wanted(&fact["data"])
        };
        self.wait_for(kind, is_it).await
    }
}
