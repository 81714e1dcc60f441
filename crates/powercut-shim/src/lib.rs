//! A power cut for tests: what a program wrote and never synced vanishes.
//!
//! `kill -9` alone cannot show a missing fsync, because the kernel still holds what was written.
//! This crate is two things. As a shared library named in `LD_PRELOAD` it keeps an undo journal:
//! before each write to a file below `POWERCUT_ROOT` the bytes that will be overwritten go to
//! `POWERCUT_DIR`; a successful fsync or fdatasync of the file makes its entries void. As a Rust
//! library it gives a test [`environment`] for the program and [`rollback`] for after the kill.
//!
//! Used by the durability tests, each with a negative control. Never part of what is shipped.
//!
//! Invariant: only data and lengths of files vanish. Creating, renaming and removing files counts
//! as durable at once (as on ext4, whose journal orders them); writes through memory maps, io_uring
//! and statically linked programs are not seen. `sync_file_range` promises nothing and is no sync.

mod journal;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod preload;
mod rollback;

pub use journal::FileId;
pub use rollback::{Error, Mode, Report, rollback};

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Names the folder whose files lose what was not synced.
pub const ROOT_VARIABLE: &str = "POWERCUT_ROOT";
/// Names the folder of the undo journals. It must not lie below the root.
pub const DIR_VARIABLE: &str = "POWERCUT_DIR";

/// Makes the disk a liar: syncs succeed and keep nothing. For the negative control of a test whose
/// program has no switch for syncing; goes into the environment beside [`environment`].
pub const LYING_DISK: (&str, &str) = ("POWERCUT_LYING_DISK", "1");

/// What a program needs in its environment so that [`rollback`] can cut its power.
///
/// **Errors**: the shared library was not built beside the running test.
pub fn environment(root: &Path, dir: &Path) -> std::io::Result<[(&'static str, OsString); 3]> {
    Ok([
        ("LD_PRELOAD", library()?.into()),
        (ROOT_VARIABLE, root.canonicalize()?.into()),
        (DIR_VARIABLE, dir.canonicalize()?.into()),
    ])
}

/// Where cargo put the shared library: beside the running test.
fn library() -> std::io::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let path = test.with_file_name("libpowercut_shim.so");
    if path.is_file() {
        return Ok(path);
    }
    let message = format!("{} is not there; is powercut-shim a dev-dependency?", path.display());
    Err(std::io::Error::new(std::io::ErrorKind::NotFound, message))
}
