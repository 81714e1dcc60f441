//! Files of the data directory: private to their owner, written whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::error::Error;

fn error(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |source| Error::File { path: path.to_owned(), source }
}

/// Makes a directory that only its owner can enter (0700).
pub(crate) fn make_private_dir(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(error(path))
}

/// A private file as it was kept, or made now.
pub(crate) fn load_or_make(path: &Path, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, Error> {
    match fs::read(path) {
        Ok(kept) => Ok(kept),
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            let made = make();
            write_private(path, &made)?;
            Ok(made)
        }
        Err(source) => Err(error(path)(source)),
    }
}

/// Writes a file that only its owner can read (0600), replacing it in one step.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    let temporary = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).map_err(error(path))
}
