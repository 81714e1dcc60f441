//! Opening one WebSocket: address, TCP, TLS, upgrade with the credential.

use std::time::Duration;

use afield_proto::error::{ErrorBody, ErrorCode};
use afield_proto::limits;
use afield_proto::proof::Challenge;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, handshake::client::Request};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::endpoint::Endpoint;
use crate::pairing::ask_challenge;
use crate::pulse::{Pulse, Watched};
use crate::rest::RestError;
use crate::tls;

/// Anything a WebSocket can run over.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

pub(crate) type Socket = WebSocketStream<Watched<Box<dyn Transport>>>;

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing listens there, or the way there is broken.
    #[error("{address}: {source}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The server did not show the certificate that was expected, or TLS failed otherwise.
    #[error("TLS: {0}")]
    Tls(String),
    /// The trust that was named can't be used.
    #[error("{0}")]
    Trust(String),
    /// The server refused.
    #[error("{0}")]
    Refused(ErrorBody),
    /// It answered, but not as an Afield server does.
    #[error("the address answers, but not like an Afield server: {0}")]
    Protocol(String),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
}

impl OpenError {
    /// The code behind it when trying again can't help.
    pub fn terminal(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(error) if is_terminal(error.code) => Some(error.code),
            Self::Refused(_)
            | Self::Unreachable { .. }
            | Self::Tls(_)
            | Self::Trust(_)
            | Self::Protocol(_)
            | Self::Timeout(_) => None,
        }
    }
}

/// Whether a connection refused or closed with this code would be refused again.
pub(crate) fn is_terminal(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Unauthorized | ErrorCode::Forbidden | ErrorCode::ProtocolMismatch)
}

/// Opens the WebSocket of a server.
pub(crate) async fn open(
    endpoint: &Endpoint,
    frame_bytes_max: usize,
    timeout: Duration,
) -> Result<(Socket, Pulse), OpenError> {
    let opening = async {
        let first = try_open(endpoint, frame_bytes_max).await;
        match first {
            Err(OpenError::Refused(error)) if learnt(endpoint, &error) => {
                try_open(endpoint, frame_bytes_max).await
            }
            other => other,
        }
    };
    // Boxed: TLS and the upgrade make a future of several kilobytes.
    let opening = Box::pin(opening);
    tokio::time::timeout(timeout, opening).await.map_err(|_| OpenError::Timeout(timeout))?
}

async fn try_open(
    endpoint: &Endpoint,
    frame_bytes_max: usize,
) -> Result<(Socket, Pulse), OpenError> {
    let authorization = authorization(endpoint, "GET", "/ws").await?;
    let transport = transport(endpoint).await?;
    upgrade(endpoint, authorization, transport, frame_bytes_max).await
}

/// The value of `Authorization` for one request. A paired device asks the server first what to
/// sign, once in each of the server's lives.
pub(crate) async fn authorization(
    endpoint: &Endpoint,
    method: &str,
    target: &str,
) -> Result<Option<String>, OpenError> {
    let known = endpoint.authorization(method, target);
    let (None, Some(prover)) = (&known, endpoint.prover()) else { return Ok(known) };
    // Boxed: asking is a request without a credential, which comes here as well.
    let told = Box::pin(ask_challenge(endpoint)).await.map_err(|error| match error {
        RestError::Open(error) => error,
        RestError::Refused(error) => OpenError::Refused(error),
        RestError::Broken(reason) => OpenError::Protocol(reason),
    })?;
    if !prover.learn(told) {
        let message = "the server has another key than the one this device was paired with";
        return Err(OpenError::Trust(message.to_owned()));
    }
    Ok(endpoint.authorization(method, target))
}

/// Whether the refusal of a proof said what to sign instead.
pub(crate) fn learnt(endpoint: &Endpoint, refusal: &ErrorBody) -> bool {
    let (Some(prover), Some(details)) = (endpoint.prover(), &refusal.details) else { return false };
    let told = serde_json::from_value::<Challenge>(details.clone());
    refusal.code == ErrorCode::Unauthorized && told.is_ok_and(|told| prover.learn(told))
}

/// A plain or encrypted byte stream to the server.
pub(crate) async fn transport(endpoint: &Endpoint) -> Result<Box<dyn Transport>, OpenError> {
    let unreachable = |source| OpenError::Unreachable { address: endpoint.authority(), source };
    let tcp = TcpStream::connect((endpoint.host(), endpoint.port())).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    if !endpoint.secure() {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(endpoint.host().to_owned())
        .map_err(|error| OpenError::Tls(error.to_string()))?;
    let connector = TlsConnector::from(tls::config(endpoint.trust())?);
    let stream =
        connector.connect(name, tcp).await.map_err(|error| OpenError::Tls(tls_reason(&error)))?;
    Ok(Box::new(stream))
}

fn tls_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    if text.contains("ApplicationVerificationFailure") {
        "the server's certificate is not the pinned one".to_owned()
    } else {
        text
    }
}

/// Speaks the upgrade over a stream that is open already.
pub(crate) async fn upgrade(
    endpoint: &Endpoint,
    authorization: Option<String>,
    transport: Box<dyn Transport>,
    frame_bytes_max: usize,
) -> Result<(Socket, Pulse), OpenError> {
    let pulse = Pulse::new();
    let watched = Watched::new(transport, pulse.clone());
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(16 * 1024)
        .max_message_size(Some(frame_bytes_max))
        .max_frame_size(Some(frame_bytes_max));
    match client_async_with_config(request(endpoint, authorization)?, watched, Some(config)).await {
        Ok((socket, _)) => {
            pulse.beat();
            Ok((socket, pulse))
        }
        Err(tungstenite::Error::Http(response)) => Err(refusal(&response)),
        Err(error) => Err(OpenError::Protocol(error.to_string())),
    }
}

fn request(endpoint: &Endpoint, authorization: Option<String>) -> Result<Request, OpenError> {
    let protocol = |error: String| OpenError::Protocol(error);
    let mut request =
        endpoint.socket_url().into_client_request().map_err(|error| protocol(error.to_string()))?;
    let headers = request.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(limits::SUBPROTOCOL));
    if let Some(authorization) = authorization {
        let mut value = HeaderValue::from_str(&authorization)
            .map_err(|_| protocol("the token has characters a header can't carry".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(request)
}

/// What an HTTP answer instead of an upgrade means.
fn refusal(response: &Response<Option<Vec<u8>>>) -> OpenError {
    let body = response.body().as_deref().unwrap_or_default();
    match read_refusal(response.status(), body) {
        Some(error) => OpenError::Refused(error),
        None => OpenError::Protocol(format!("HTTP status {}", response.status())),
    }
}

/// The error in an HTTP answer, from its body or else from its status.
pub(crate) fn read_refusal(status: StatusCode, body: &[u8]) -> Option<ErrorBody> {
    if let Ok(error) = serde_json::from_slice::<ErrorBody>(body) {
        return Some(error);
    }
    let (code, message) = match status.as_u16() {
        401 => (ErrorCode::Unauthorized, "the server does not accept this credential"),
        403 => (ErrorCode::Forbidden, "the server does not allow this"),
        426 => (ErrorCode::ProtocolMismatch, "the server speaks another protocol version"),
        429 => (ErrorCode::RateLimited, "too many requests from here"),
        503 => (ErrorCode::Unavailable, "the server is not ready"),
        _ => return None,
    };
    Some(ErrorBody::new(code, message))
}
