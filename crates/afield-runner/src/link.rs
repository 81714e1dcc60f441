//! Whether there is a connection to the server, for everybody in the runner who wants to know.

/// The state of the connection. Each connection has its own generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// Grows with every change.
    pub(crate) generation: u64,
    /// The server has welcomed this runner on this connection.
    pub(crate) up: bool,
}
