//! Peers: other programs doing the same work, started privately, spoken to as barely as possible.

pub(crate) mod nats;
pub(crate) mod postgres;
pub(crate) mod redis;

use std::path::Path;

use anyhow::Result;

use crate::report::left_out;
use crate::{DISK, Options};

/// The peers that keep things on disk, those of them that are wanted and installed.
pub(crate) struct Stores {
    pub(crate) redis: Option<redis::Redis>,
    pub(crate) postgres: Option<postgres::Postgres>,
}

impl Stores {
    /// Starts them.
    pub(crate) async fn start(options: Options) -> Result<Self> {
        let (mut redis, mut postgres) = (None, None);
        let disk = Path::new(DISK);
        if options.peers && installed("redis-server") {
            redis = Some(redis::Redis::start(disk).await?);
        } else if options.peers {
            left_out("Redis", "redis-server is not installed");
        }
        if options.peers {
            match postgres::Postgres::start(disk).await {
                Ok(started) => postgres = Some(started),
                Err(error) => left_out("PostgreSQL", &format!("{error:#}")),
            }
        }
        Ok(Self { redis, postgres })
    }
}

/// Whether a program can be started here.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(program).is_file())
}
