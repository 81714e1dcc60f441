//! One message to one push service: a connection, a request, an answer. Nothing is followed, nothing
//! is kept.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use afield_flow::push::retry::Answer;
use axum::body::Bytes;
use axum::http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::endpoint::{Endpoint, is_public};

/// From looking the name up to the end of the answer: services answer within a second.
const TIMEOUT: Duration = Duration::from_secs(20);
/// What is read of an answer: services give a reason in a line.
const ANSWER_BYTES_MAX: usize = 1024;

/// How messages leave.
pub(super) struct Post {
    /// Addresses of one's own networks are connected to as well.
    private: bool,
    /// Made at the first message: reading the authorities takes a while.
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

/// What came back, with a reason for people when it is no success.
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) reason: Option<String>,
}

impl Answered {
    fn none(reason: String) -> Self {
        Self { answer: Answer::None, reason: Some(reason) }
    }
}

impl Post {
    pub(super) fn new(private: bool) -> Self {
        Self { private, tls: OnceLock::new() }
    }

    /// Sends a request; its target and `Host` are those of the endpoint.
    pub(super) async fn send(&self, endpoint: &str, request: Request<Full<Bytes>>) -> Answered {
        let endpoint = match Endpoint::parse(endpoint, self.private) {
            Ok(endpoint) => endpoint,
            Err(unfit) => return Answered::none(unfit.to_string()),
        };
        match tokio::time::timeout(TIMEOUT, self.exchange(&endpoint, request)).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(reason)) => Answered::none(reason),
            Err(_) => Answered::none(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        request: Request<Full<Bytes>>,
    ) -> Result<Answered, String> {
        let stream = self.connect(endpoint).await?;
        let response = match endpoint.is_encrypted {
            false => ask(stream, request).await?,
            true => {
                let name = ServerName::try_from(endpoint.host.clone());
                let name = name.map_err(|error| format!("{}: {error}", endpoint.host))?;
                let tls = TlsConnector::from(self.tls()?);
                let stream = tls.connect(name, stream).await;
                ask(stream.map_err(|error| format!("TLS: {error}"))?, request).await?
            }
        };
        Ok(read(response).await)
    }

    /// Connects to the first address of the host that may be connected to: the one that was looked
    /// at is the one that is used.
    async fn connect(&self, endpoint: &Endpoint) -> Result<TcpStream, String> {
        let host = &endpoint.host;
        let found = tokio::net::lookup_host((host.as_str(), endpoint.port)).await;
        let found = found.map_err(|error| format!("{host}: {error}"))?;
        let fit: Vec<SocketAddr> =
            found.filter(|address| self.private || is_public(address.ip())).collect();
        if fit.is_empty() {
            return Err(format!("{host} has no address of the public internet"));
        }
        TcpStream::connect(&fit[..]).await.map_err(|error| format!("{host}: {error}"))
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        self.tls.get_or_init(authorities).clone()
    }
}

/// The machine's own authorities.
fn authorities() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this machine has no certificate authorities (install ca-certificates)".into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder =
        builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, String> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Ends with the sender, or with the answer's body.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| error.to_string())
}

async fn read(response: Response<Incoming>) -> Answered {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let answer = Answer::Status { status, retry_after: seconds.map(Duration::from_secs) };
    if response.status().is_success() {
        return Answered { answer, reason: None };
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let said = body.map(|body| body.to_bytes()).unwrap_or_default();
    let said = afield_proto::device::shown_name(String::from_utf8_lossy(&said).trim());
    let reason = match said.is_empty() {
        true => format!("status {status}"),
        false => format!("status {status}: {said}"),
    };
    Answered { answer, reason: Some(reason) }
}
