//! Private PostgreSQL and Redis for the tests: started in temporary folders on Unix sockets only,
//! stopped by their process ids, gone without a trace afterwards.
//!
//! Used by `cargo xtask test` and `cargo xtask services`. Must not touch a database of the machine.

pub mod postgres;
pub mod redis;

mod daemon;

use std::path::Path;

use anyhow::Result;

pub use daemon::Daemon;

/// What a service promises about what it acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: a test's data is worth nothing.
    None,
    /// It survives a power cut, as in production.
    Full,
}

/// Where the services of tests live: a short path, as socket paths have less than 108 bytes.
const TEST_PARENT: &str = "/tmp";

/// Both services, running until dropped.
#[derive(Debug)]
pub struct Services {
    postgres: Daemon,
    redis: Daemon,
}

impl Services {
    /// Starts both.
    ///
    /// **Errors**: a program is missing or does not start; its log is part of the message.
    pub async fn start() -> Result<Self> {
        let parent = Path::new(TEST_PARENT);
        Ok(Self {
            postgres: postgres::start(parent, Durability::None).await?,
            redis: redis::start(parent, Durability::None).await?,
        })
    }

    /// What a test finds in its environment.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("AFIELD_TEST_PG", postgres::connection(&self.postgres)),
            ("AFIELD_TEST_REDIS", format!("unix://{}", redis::socket(&self.redis).display())),
        ]
    }
}
