//! The connection to an Afield server, as the runner, the command line and Rust programs use it.
//!
//! Bottom up: an [`Endpoint`] says where the server is and whom to trust; a [`Connection`] is one
//! open WebSocket with many requests in flight; a [`Dialer`] opens the next one whenever the last
//! was lost; a [`Link`] adds subscriptions that continue where they stopped; an [`Outbox`] keeps
//! what could not be handed over; a [`SharedState`] is a copy of what a person's devices share.
//! Nothing here prints, reads configuration or knows what the server stores.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use afield_client::{Endpoint, Link, LinkOptions};
//! use afield_proto::request::ProjectList;
//!
//! let endpoint = Endpoint::new("http://127.0.0.1:7433", "afd_…")?;
//! let link = Link::start(endpoint, LinkOptions::default());
//! for project in link.ask(&ProjectList {}).await?.projects {
//!     println!("{}", project.path);
//! }
//! # Ok(())
//! # }
//! ```

mod backoff;
mod connection;
mod dialer;
mod endpoint;
mod fact;
mod key;
mod link;
pub mod outbox;
mod pairing;
mod pulse;
mod rest;
mod shared;
mod socket;
mod tls;
mod upload;

pub use connection::{
    AskError, Closed, Connection, ConnectionOptions, Event, Inbound, Inbox, Order, Responder,
};
pub use dialer::{DialOptions, Dialer, Terminal};
pub use endpoint::{Endpoint, EndpointError, Fingerprint, Trust};
pub use fact::read_fact;
pub use key::{DeviceKey, Identity, KeyError};
pub use link::{Follow, Followed, Gap, Link, LinkOptions, LinkState};
pub use outbox::{Flushed, Outbox, OutboxError, Unsent, check_size};
pub use pairing::{Newcomer, PairStep, key_fingerprint, pair, server_fingerprint};
pub use rest::{RestBody, RestError, RestReply, rest};
pub use shared::{Local, Replica, SetError, SharedOptions, SharedState, Unwritten};
pub use socket::OpenError;
pub use upload::{LocalFile, upload};
