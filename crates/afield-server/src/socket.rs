//! WebSocket connections: framing, the outbox of each, and the task that drives it.

pub(crate) mod codec;
pub(crate) mod conn;
pub(crate) mod drive;
pub(crate) mod outbox;
pub(crate) mod upgrade;
