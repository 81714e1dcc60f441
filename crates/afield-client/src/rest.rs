//! One request to the server's REST interface, for what has no place on the WebSocket.

use std::time::Duration;

use afield_proto::error::ErrorBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;

use crate::endpoint::Endpoint;
use crate::socket::{OpenError, authorization, learnt, read_refusal, transport};

/// Largest answer that is read, in bytes: metrics and pages of history are well below.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest time one exchange may take.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the server answered.
#[derive(Debug, Clone)]
pub struct RestReply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// No connection came about.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The server said no.
    #[error("{0}")]
    Refused(ErrorBody),
    /// The exchange broke off, or the answer is no HTTP.
    #[error("the exchange with the server failed: {0}")]
    Broken(String),
}

/// What is sent with a request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RestBody {
    content_type: &'static str,
    bytes: Bytes,
}

impl RestBody {
    /// A JSON text.
    pub fn json(text: String) -> Self {
        Self { content_type: "application/json", bytes: text.into() }
    }

    /// Bytes that say themselves what they are.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self { content_type: "application/octet-stream", bytes: bytes.into() }
    }

    /// Longest time the exchange may take: a second more for every 32 KiB.
    fn timeout(&self) -> Duration {
        EXCHANGE_TIMEOUT + Duration::from_secs((self.bytes.len() / (32 * 1024)) as u64)
    }
}

/// Sends one request with the endpoint's credential.
///
/// **Errors**: [`RestError`]; every status of 400 and more is one.
pub async fn rest(
    endpoint: &Endpoint,
    method: &str,
    path: &str,
    body: Option<RestBody>,
) -> Result<RestReply, RestError> {
    match checked(endpoint, method, path, body.clone()).await {
        Err(RestError::Refused(error)) if learnt(endpoint, &error) => {
            checked(endpoint, method, path, body).await
        }
        other => other,
    }
}

async fn checked(
    endpoint: &Endpoint,
    method: &str,
    path: &str,
    body: Option<RestBody>,
) -> Result<RestReply, RestError> {
    let timeout = body.as_ref().map_or(EXCHANGE_TIMEOUT, RestBody::timeout);
    let exchange = Box::pin(exchange(endpoint, method, path, body));
    let reply = tokio::time::timeout(timeout, exchange)
        .await
        .map_err(|_| RestError::Open(OpenError::Timeout(timeout)))??;
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    if !status.is_client_error() && !status.is_server_error() {
        return Ok(reply);
    }
    Err(match read_refusal(status, &reply.body) {
        Some(error) => RestError::Refused(error),
        None => RestError::Broken(format!("HTTP status {status}")),
    })
}

async fn exchange(
    endpoint: &Endpoint,
    method: &str,
    path: &str,
    body: Option<RestBody>,
) -> Result<RestReply, RestError> {
    let broken = |error: &dyn std::fmt::Display| RestError::Broken(error.to_string());
    let authorization = authorization(endpoint, method, path).await?;
    let stream = TokioIo::new(transport(endpoint).await?);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(stream).await.map_err(|error| broken(&error))?;
    let driver = tokio::spawn(connection);
    let RestBody { content_type, bytes } = body.unwrap_or(RestBody::json(String::new()));
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).map_err(|error| broken(&error))?)
        .uri(endpoint.path(path))
        .header(header::HOST, endpoint.authority())
        .header(header::CONTENT_TYPE, content_type);
    let request = match authorization {
        Some(authorization) => request.header(header::AUTHORIZATION, authorization),
        None => request,
    };
    let request = request.body(Full::new(bytes)).map_err(|error| broken(&error))?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| broken(&error))?.to_bytes().to_vec();
    driver.abort();
    Ok(RestReply { status, body })
}
