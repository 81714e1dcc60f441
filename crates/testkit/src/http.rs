//! One HTTP request, written by hand, so that a test sends exactly what it means to.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

/// Sends a request from a loopback address (limits count per address) and returns the whole
/// response. `head` is `METHOD /path` and further header lines.
///
/// # Panics
/// When the server can't be reached.
pub async fn send(url: &str, from: &str, head: &str, body: &str) -> String {
    let address = url.trim_start_matches("http://");
    let socket = TcpSocket::new_v4().expect("a socket");
    let from = format!("{from}:0").parse().expect("a loopback address");
    socket.bind(from).expect("loopback addresses are this machine's");
    let server = address.parse().expect("an address");
    let mut stream = socket.connect(server).await.expect("the server listens");
    let host = if head.to_lowercase().contains("\nhost:") {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    let (line, rest) = head.split_once('\n').unwrap_or((head, ""));
    let rest: String = rest.lines().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let text = format!(
        "{line} HTTP/1.1\r\n{host}{rest}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let mut response = String::new();
    // A server that refuses may close before it has read everything.
    if stream.write_all(text.as_bytes()).await.is_ok() {
        let _ = stream.read_to_string(&mut response).await;
    }
    response
}

/// The status of a response.
///
/// # Panics
/// When it has none.
pub fn status(response: &str) -> u16 {
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no response: {response:?}"))
}

/// The JSON of a response.
///
/// # Panics
/// When it has none.
pub fn json(response: &str) -> serde_json::Value {
    let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {response:?}"))
}
