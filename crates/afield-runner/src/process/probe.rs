//! Short-lived programs that are only asked something, such as their version.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::{Launch, Process, start, sweep};

/// Most bytes read of an answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Runs a program to its end and returns what it wrote to standard output, if it ended well.
///
/// **Errors**: it can't be started, fails, or takes longer than `timeout` (it is killed then).
pub(crate) async fn ask(launch: Launch, timeout: Duration) -> std::io::Result<String> {
    let Process { mut child, stdout, mut kin, claim, .. } = start(launch)?;
    let mut answer = String::new();
    let mut stdout = stdout.take(ANSWER_BYTES_MAX);
    let talk = async {
        stdout.read_to_string(&mut answer).await?;
        child.wait().await
    };
    let ended = tokio::time::timeout(timeout, talk).await;
    if ended.is_err() {
        kin.kill_all();
        child.wait().await?;
    }
    kin.leader_gone();
    drop(claim);
    sweep(kin, Duration::ZERO).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(answer),
        Ok(Ok(status)) => Err(std::io::Error::other(format!("it failed ({status})"))),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(std::io::Error::other(format!("no answer within {timeout:?}"))),
    }
}
