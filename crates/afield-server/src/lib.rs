//! Afield's server: what devices connect to.
//!
//! It authorises, writes commands and events to the store, hands commands to runners and events to
//! followers. It never starts a process and never touches a project's files.
//!
//! Invariant: nothing acknowledged is only in memory. Invariant: no part of the server calls
//! another sideways; what happened is told as events, through the store's commit stream.

mod audit;
mod auth;
mod blobs;
mod bodies;
mod commands;
mod core;
mod devices;
mod error;
mod files;
mod handoff;
mod health;
mod history;
mod http;
mod listen;
mod messages;
mod metrics;
mod options;
mod pairing;
mod presence;
mod projects;
mod push;
mod queue;
mod registry;
mod requests;
mod rotation;
mod routing;
mod runners;
mod serve;
mod sessions;
mod socket;
mod state;
mod tls;
mod topics;
mod web;

pub use error::Error;
pub use options::{Limits, Options, PushOptions, Tls};
pub use serve::{Running, start};
