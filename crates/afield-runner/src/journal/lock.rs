//! One runner per data directory.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::JournalError;

/// Keeps other runners away from a data directory until it is dropped, or the process ends.
pub(super) struct Lock(File);

impl Lock {
    /// **Errors**: another runner has it; the disk refuses.
    pub(super) fn take(data_dir: &Path) -> Result<Self, JournalError> {
        let path = data_dir.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse(data_dir.to_owned())),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

impl Drop for Lock {
    /// Closing the file is not enough: a program that is being started at this moment has a copy of the
    /// descriptor until it runs, and the lock would last as long.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of the data directory goes with the process");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_shares_it_and_a_copy_of_its_descriptor_does_not_keep_it() {
        let data = tempfile::tempdir().unwrap();
        let first = Lock::take(data.path()).unwrap();
        assert!(matches!(Lock::take(data.path()), Err(JournalError::InUse(_))));
        let copy = first.0.try_clone().unwrap();
        drop(first);
        let second = Lock::take(data.path()).unwrap();
        drop(copy);
        assert!(matches!(Lock::take(data.path()), Err(JournalError::InUse(_))));
        drop(second);
    }
}
