//! Opening the next connection whenever the last was lost.

use std::time::Duration;

use afield_proto::error::{ErrorBody, ErrorCode};
use tokio::time::Instant;

use crate::backoff::{Backoff, chance};
use crate::connection::{Closed, Connection, ConnectionOptions, Inbox};
use crate::endpoint::Endpoint;
use crate::socket::OpenError;

/// How to come back.
#[derive(Debug, Clone)]
pub struct DialOptions {
    /// Shortest wait between two tries (the first one is immediate).
    pub backoff_min: Duration,
    /// Longest wait between two tries: somebody is looking at a screen.
    pub backoff_max: Duration,
    /// A connection that lasted this long was a good one: the next try is immediate again.
    pub settled_after: Duration,
    /// Bounds and times of each connection.
    pub connection: ConnectionOptions,
}

impl Default for DialOptions {
    fn default() -> Self {
        Self {
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            settled_after: Duration::from_secs(5),
            connection: ConnectionOptions::default(),
        }
    }
}

/// The server said no in a way that trying again can't change.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Terminal(pub ErrorBody);

/// Opens connections to one server, one after the other.
#[derive(Debug)]
pub struct Dialer {
    endpoint: Endpoint,
    options: DialOptions,
    backoff: Backoff,
    online_since: Option<Instant>,
    hint: Option<Duration>,
}

/// What [`Dialer::try_once`] is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

impl Dialer {
    /// A dialer that has not dialled yet.
    pub fn new(endpoint: Endpoint, options: DialOptions) -> Self {
        let backoff = Backoff::new(options.backoff_min, options.backoff_max);
        Self { endpoint, options, backoff, online_since: None, hint: None }
    }

    /// The next connection; tries until there is one.
    ///
    /// **Errors**: [`Terminal`] when the server refuses for good. **Cancel safety**: the try is
    /// given up, the next call goes on.
    pub async fn next(&mut self) -> Result<(Connection, Inbox), Terminal> {
        loop {
            let Wait(wait) = self.wait();
            tokio::time::sleep(wait).await;
            match self.try_once().await {
                Ok(opened) => return Ok(opened),
                Err(error) => self.refused(error)?,
            }
        }
    }

    /// How long to wait before the next try.
    pub(crate) fn wait(&mut self) -> Wait {
        let backoff = self.backoff.next(chance());
        Wait(self.hint.take().unwrap_or(backoff))
    }

    pub(crate) async fn try_once(&mut self) -> Result<(Connection, Inbox), OpenError> {
        let opened = Connection::open(&self.endpoint, &self.options.connection).await?;
        self.online_since = Some(Instant::now());
        Ok(opened)
    }

    pub(crate) fn refused(&self, error: OpenError) -> Result<(), Terminal> {
        tracing::debug!(server = %self.endpoint.url(), "no connection: {error}");
        match (error.terminal(), error) {
            (Some(_), OpenError::Refused(body)) => Err(Terminal(body)),
            _ => Ok(()),
        }
    }

    /// Tells how the last connection ended, so that the next one comes at the right time.
    ///
    /// **Errors**: [`Terminal`] when the server closed it for good.
    pub fn ended(&mut self, why: &Closed) -> Result<(), Terminal> {
        let lasted = self.online_since.take().map(|since| since.elapsed());
        if lasted.is_some_and(|lasted| lasted >= self.options.settled_after) {
            self.backoff.reset();
        }
        self.hint = why.retry_hint().map(|hint| hint.min(self.options.backoff_max));
        match why.terminal() {
            Some(code) => Err(Terminal(closed_for_good(code, why))),
            None => Ok(()),
        }
    }
}

fn closed_for_good(code: ErrorCode, why: &Closed) -> ErrorBody {
    let reason = match why {
        Closed::There { reason, .. } => reason.as_str(),
        Closed::Silent(_) | Closed::Broken(_) | Closed::Here => "",
    };
    let reason = if reason.is_empty() { "the server closed the connection" } else { reason };
    ErrorBody::new(code, reason)
}
