//! Pure decisions: what may follow what. The same input always gives the same answer.
//!
//! The store asks this crate inside its transactions, the server before it acts. Nothing here
//! knows a clock, randomness, a database or a socket.

pub mod breaker;
pub mod command;
pub mod danger;
pub mod handoff;
pub mod path;
pub mod place;
pub mod presence;
pub mod push;
pub mod queue;
pub mod retry;
pub mod select;
