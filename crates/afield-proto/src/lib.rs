//! Afield's words: what travels on the wire and what is stored as JSON.
//!
//! Every other crate speaks in these types. Nothing here does I/O, opens a socket or knows SQL;
//! a type belongs here when two processes must agree on it.

mod hex;
mod id;
mod time;

pub mod agent;
pub mod approval;
pub mod attachment;
pub mod audit;
pub mod command;
pub mod device;
pub mod error;
pub mod fact;
pub mod handoff;
pub mod limits;
pub mod live;
pub mod output;
pub mod pairing;
pub mod project;
pub mod proof;
pub mod push;
pub mod queue;
pub mod repository;
pub mod request;
pub mod rest;
pub mod route;
pub mod runner;
#[cfg(feature = "schema")]
pub mod schema;
pub mod session;
pub mod state;
pub mod topic;
pub mod wire;

pub use error::{ErrorBody, ErrorCode};
pub use hex::hex;
pub use id::{
    ApprovalId, CommandId, DeviceId, IdError, MessageId, OrgId, PairingId, ProjectId, ReplicaId,
    RequestId, SessionId, UserId,
};
pub use time::Timestamp;
pub use topic::Topic;
