//! Test doubles and helpers for the tests of the workspace. Not published.

pub mod checker;
pub mod client;
pub mod duo;
pub mod harness;
pub mod http;
pub mod keyed;
pub mod load;
pub mod mock_claude;
pub mod proxy;
pub mod push_service;
pub mod random;
pub mod ready;
