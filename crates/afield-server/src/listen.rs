//! The accept loop: connections in, each step of their beginning under a time limit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::auth::throttle::Permit;
use crate::core::Core;

/// Connections the kernel may hold until they are accepted. When all devices come back at once, as
/// after a cut, those beyond it try again only after a second. The kernel has a limit of its own
/// (`net.core.somaxconn`, 4096 by default).
const BACKLOG: u32 = 4096;
/// Pause after the operating system refused to accept (out of file descriptors, mostly).
const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(100);

/// What a request knows about its connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Keeps the connection counted while an upgrade lives on after the request.
    pub(crate) permit: Arc<Permit>,
}

pub(crate) struct Listen {
    pub(crate) core: Arc<Core>,
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// Listens at the address; port 0 takes a free one.
///
/// **Errors**: the operating system's: in use, not allowed, not an address of this machine.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Without it a restarted server waits until the old one's connections are forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Listen {
    /// Accepts until the shutdown.
    pub(crate) async fn run(self, listener: TcpListener) {
        let this = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = this.shutdown.cancelled() => return,
            };
            match accepted {
                Ok((stream, address)) => this.begin(stream, address),
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection");
                    tokio::time::sleep(ACCEPT_ERROR_PAUSE).await;
                }
            }
        }
    }

    fn begin(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let permit = match self.core.throttle.connect(address.ip()) {
            Ok(permit) => permit,
            Err(error) => {
                tracing::warn!(%address, %error, "refused a connection");
                self.tasks.spawn(refuse(stream, error));
                return;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "can't set TCP_NODELAY");
        }
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let peer = Peer { address, permit: Arc::new(permit) };
            this.secure(stream, peer).await;
        });
    }

    /// Waits for the first byte, then for the TLS handshake.
    async fn secure(&self, stream: TcpStream, peer: Peer) {
        let limits = self.core.limits();
        let first_byte = tokio::time::timeout(limits.first_byte_timeout, stream.readable()).await;
        if !matches!(first_byte, Ok(Ok(()))) {
            return tracing::debug!(address = %peer.address, "no first byte in time");
        }
        let Some(acceptor) = &self.tls else { return self.serve(stream, peer).await };
        match tokio::time::timeout(limits.handshake_timeout, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.serve(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(address = %peer.address, %error, "TLS failed"),
            Err(_) => tracing::debug!(address = %peer.address, "no TLS handshake in time"),
        }
    }

    async fn serve<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            router.clone().oneshot(request.map(Body::new))
        });
        let mut connection = std::pin::pin!(
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.core.limits().header_timeout)
                .max_buf_size(64 * 1024)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
        );
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended badly");
        }
    }
}

/// Tells a connection over the limit why, without reading from it.
async fn refuse(stream: TcpStream, error: afield_proto::ErrorBody) {
    let body = serde_json::to_string(&error).unwrap_or_default();
    let response = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // One attempt: whoever floods us is not waited for.
    let _ = stream.writable().await;
    let _ = stream.try_write(response.as_bytes());
}
