//! Many runners behind one server, written by hand, frame by frame: what they agree on, what is
//! known of them, and which of them work comes to.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod messages;
mod moves;
mod registry;
mod routing;
mod size;
mod world;
