//! The runner: hosts projects, drives agents, and reports what they did.
//!
//! Run by the `afield` binary as a process of its own. Dials nowhere itself: the way to the server
//! is an [`Uplink`] that the binary supplies, and orders of the server come in through
//! [`RunnerHandle`]. Everything the server says is untrusted input, bounded by the runner's own
//! [`policy`].
//!
//! ```text
//! runner -> work -> agents/{claude, command, demo} -> process
//!        -> sender -> uplink                           lines
//!           journal   policy   path   facts
//! ```

mod agents;
mod attachments;
mod beat;
mod facts;
mod journal;
mod lines;
mod link;
mod partials;
pub mod path;
pub mod policy;
mod process;
mod repository;
mod runner;
mod sender;
mod timing;
mod uplink;
mod work;

pub use agents::demo;
pub use journal::JournalError;
pub use policy::Policy;
pub use process::Ladder;
pub use runner::{Options, Runner, RunnerHandle};
pub use timing::Timing;
pub use uplink::{AskError, Uplink};
