//! The runner against a server in memory, with real processes.
//!
//! Claude is played by `mock-claude`; stubborn children by small shell scripts.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod attachments;
mod control;
mod delivery;
mod programs;
mod rig;
mod scenarios;
mod server;
