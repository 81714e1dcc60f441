//! The floor of durable accepts: a preallocated file, records written in groups, one fdatasync each.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Long enough that a round seldom comes round; written once, so that no write extends the file.
const LOG_BYTES: usize = 256 * 1024 * 1024;

/// A log of fixed length, written round and round.
pub(crate) struct Log {
    file: File,
    offset: usize,
}

impl Log {
    /// Makes the log in a folder.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(folder.join("floor.log"))?;
        let zeroes = vec![0; 1024 * 1024];
        for at in (0..LOG_BYTES).step_by(zeroes.len()) {
            file.write_all_at(&zeroes, at as u64)?;
        }
        file.sync_all()?;
        Ok(Self { file, offset: 0 })
    }

    /// Records per second when `in_flight` of them wait for each sync.
    pub(crate) fn accepts_per_second(
        &mut self,
        in_flight: usize,
        record: &[u8],
        time: Duration,
    ) -> Result<f64> {
        let began = Instant::now();
        let mut accepted = 0;
        let mut group = Vec::with_capacity(in_flight * record.len());
        while began.elapsed() < time {
            group.clear();
            for _ in 0..in_flight {
                group.extend_from_slice(record);
            }
            if self.offset + group.len() > LOG_BYTES {
                self.offset = 0;
            }
            self.file.write_all_at(&group, self.offset as u64)?;
            self.file.sync_data()?;
            self.offset += group.len();
            accepted += in_flight;
        }
        Ok(accepted as f64 / began.elapsed().as_secs_f64())
    }
}
