//! What a server that was started with `--json` prints once it serves.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

/// Longest wait for a server to serve.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a program prints, line by line.
pub type Printed = Lines<BufReader<ChildStdout>>;

/// Waits until it serves. Gives its URL, without a slash at the end, and the rest of its output, which must be kept: a
/// program whose output nobody holds ends when it writes.
///
/// # Panics
/// When its output is not piped, or it is not ready in time; then with its log.
pub async fn ready(server: &mut Child, log: impl FnOnce() -> String) -> (String, Printed) {
    let mut output = BufReader::new(server.stdout.take().expect("its output is piped")).lines();
    let line = tokio::time::timeout(PATIENCE, output.next_line()).await;
    let Ok(Ok(Some(line))) = line else {
        panic!("the server is not ready: {line:?}\n{}", log());
    };
    let ready: Value = serde_json::from_str(&line).expect("the ready line is JSON");
    assert_eq!(ready["event"], "ready", "{line}");
    let url = ready["url"].as_str().expect("the ready line names the url");
    (url.trim_end_matches('/').to_owned(), output)
}
