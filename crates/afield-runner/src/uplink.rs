//! The way to the server, as the runner sees it: a seam that the binary fills with a connection.
//!
//! Nothing here opens a socket. Tests put a server in memory behind it.

use afield_proto::ErrorBody;
use futures::future::BoxFuture;
use serde_json::value::RawValue;

/// Why a request was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AskError {
    /// The server refused it.
    #[error("the server refused: {0}")]
    Refused(ErrorBody),
    /// The connection ended before the answer came. Whether the request arrived is not known.
    #[error("not connected")]
    Disconnected,
}

/// A connection to the server that comes and goes.
///
/// [`RunnerHandle::connected`](crate::RunnerHandle::connected) and
/// [`RunnerHandle::disconnected`](crate::RunnerHandle::disconnected) tell the runner when.
pub trait Uplink: Send + Sync + 'static {
    /// Sends a request and waits for its answer.
    ///
    /// **Errors**: [`AskError`]; at once when there is no connection.
    fn ask(
        &self,
        name: &'static str,
        data: Box<RawValue>,
    ) -> BoxFuture<'_, Result<Box<RawValue>, AskError>>;

    /// Sends something that has no answer. Never waits; false when it was dropped.
    fn notice(&self, name: &'static str, data: Box<RawValue>) -> bool;
}
