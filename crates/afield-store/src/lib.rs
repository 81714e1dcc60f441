//! Durable state: projects, commands, approvals, devices and the log of events, on SQLite or
//! PostgreSQL.
//!
//! Every operation is one transaction in the domain's words, takes `now`, and is written once for
//! both databases. Called by the server; nothing here decides what a command may become (that is
//! `afield-flow`), talks to a network client, or starts a process.
//!
//! Reading order: [`Store`] (opening, writing, reading) → `tx` (one transaction) → `sql` (one
//! statement) → `sqlite`, `postgres` (the engines) → the operations, by part of the product →
//! `log` (events, segments, history).

mod error;
mod migrate;
mod postgres;
mod sql;
mod sqlite;
mod store;
mod tx;

mod approvals;
mod audit;
mod blobs;
mod commands;
mod device_messages;
mod handoff;
mod identity;
mod log;
mod messages;
mod pairing;
mod projects;
mod push;
mod records;
mod sessions;
mod state;
mod uploads;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use approvals::Answered;
pub use approvals::one_tap::OneTapToken;
pub use audit::Checkpoint;
pub use commands::{
    Accept, Cancel, Carried, CommandFilter, Detail, EditCommand, NewRoute, Offers, OldCommands,
    PlaceCommand, PlaceRow, Shown, SteerOrder, SubmitCommand, Submitted, Swept, WaitingRoute,
    WaitingRoutes, WhichDead,
};
pub use device_messages::HoldMessage;
pub use error::{Error, Refusal};
pub use identity::{DeviceRecord, LabelDevice, NewDevice, Owner, RunnerRow};
pub use log::{CommittedEvents, EventPage, Head, LiveLog, SegmentInfo, StoredEvent};
pub use messages::{
    CursorError, MessagePage, MessageQuery, MessageSearch, SearchCursor, SearchPage,
};
pub use pairing::{Claimed, Coming, Decision, Entry, NewPairing, PairingRecord, ShownSecret};
pub use projects::NewProject;
pub use push::{PushListener, PushListeners, PushSubscription};
pub use records::Applied;
pub use sessions::known::SessionFilter;
pub use state::{StateLimits, StatePage, StateWrite};
pub use store::{Location, Options, PostgresServer, Store, Synchronous};
pub use uploads::{NewUpload, Upload, UploadPart};
