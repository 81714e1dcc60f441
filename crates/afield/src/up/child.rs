//! One supervised process: started from this very program, heard through its standard output,
//! ended by closing its standard input.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::failure::Failure;
use crate::parent::News;

/// Memory that is free goes back to the system at once: one line of 10 MiB must not leave the
/// server and its runner ten times as large for good. Read by the allocator before `main`.
const PURGE_VARIABLE: &str = "MIMALLOC_PURGE_DELAY";

/// Variables that would speak to the child as they did to this process.
const NOT_FOR_CHILDREN: [&str; 5] =
    ["AFIELD_SERVER", "AFIELD_TOKEN", "AFIELD_DATA_DIR", "AFIELD_FINGERPRINT", "AFIELD_CA_FILE"];

/// A running process; killed when dropped.
pub(super) struct Child {
    process: tokio::process::Child,
    /// Held open: its end tells the child that its parent is gone.
    input: ChildStdin,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

/// What a child does next.
pub(super) enum Said {
    News(News),
    Ended(ExitStatus),
}

impl Child {
    /// Starts this program with other arguments.
    pub(super) fn start(arguments: &[String]) -> Result<Self, Failure> {
        let program = std::env::current_exe().context("where is this program?")?;
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C on the terminal is for the parent, which stops its children in order.
            .process_group(0)
            .kill_on_drop(true);
        if std::env::var_os(PURGE_VARIABLE).is_none() {
            command.env(PURGE_VARIABLE, "0");
        }
        for name in NOT_FOR_CHILDREN {
            command.env_remove(name);
        }
        let mut process =
            command.spawn().with_context(|| format!("can't start {}", program.display()))?;
        let input = process.stdin.take().context("the child has a standard input")?;
        let output = process.stdout.take().context("the child has a standard output")?;
        Ok(Self { process, input, lines: Some(BufReader::new(output).lines()) })
    }

    /// What it does next.
    ///
    /// **Cancel safety**: nothing is lost.
    pub(super) async fn next(&mut self) -> Said {
        while let Some(lines) = &mut self.lines {
            match lines.next_line().await {
                Ok(Some(line)) => match serde_json::from_str(&line) {
                    Ok(news) => return Said::News(news),
                    Err(_) => tracing::debug!("a line that is no news: {line}"),
                },
                Ok(None) | Err(_) => self.lines = None,
            }
        }
        match self.process.wait().await {
            Ok(status) => Said::Ended(status),
            // Somebody else reaped it, so that nobody knows how it ended.
            Err(_) => Said::Ended(ExitStatus::default()),
        }
    }

    /// Asks it to stop, by closing its input; kills it when that takes too long.
    pub(super) async fn stop(self, grace: Duration) {
        let Self { mut process, input, lines } = self;
        drop(input);
        // What it still says is read, so that it never blocks on its output.
        let drained = tokio::spawn(drain(lines));
        if tokio::time::timeout(grace, process.wait()).await.is_err() {
            tracing::warn!(pid = process.id(), "a part does not stop; killing it");
            // An error says that it has ended by now.
            let _ = process.kill().await;
        }
        drained.abort();
    }
}

async fn drain(lines: Option<Lines<BufReader<ChildStdout>>>) {
    if let Some(mut lines) = lines {
        while let Ok(Some(_)) = lines.next_line().await {}
    }
}
