//! The data directory: where a server and a runner of this machine keep what is theirs, and how a
//! client on the same machine finds the server.
//!
//! Everything in it is for its owner alone: directories 0700, files 0600.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// A data directory, which may not exist yet.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

/// How to reach the server that runs on this data directory.
///
/// **Shape**: `server.json`, written by the server when it serves, removed when it stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerFile {
    /// Its address.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// The credential of this machine's own console.
    pub token: String,
    /// Its certificate's fingerprint, with TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl DataDir {
    /// The directory that was named, or else the user's own.
    pub(crate) fn resolve(named: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(path) = named {
            return Ok(Self(std::path::absolute(path)?));
        }
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let base = set("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || set("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        let base = base.or_else(home).context("neither HOME nor --data-dir is set")?;
        Ok(Self(base.join("afield")))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the local runner keeps what is its own.
    pub(crate) fn runner(&self) -> Self {
        Self(self.0.join("runner"))
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes it, for its owner alone.
    pub(crate) fn ensure(&self) -> anyhow::Result<()> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .with_context(|| format!("can't make the data directory {}", self.0.display()))
    }

    /// How to reach the server that runs on it, if one says that it does.
    pub(crate) fn server_file(&self) -> Option<ServerFile> {
        let text = std::fs::read(self.file("server.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Says how to reach the server.
    pub(crate) fn write_server_file(&self, server: &ServerFile) -> anyhow::Result<()> {
        let json = serde_json::to_vec(server)?;
        write_private(&self.file("server.json"), &json)
    }

    /// Takes that back, unless another server has said otherwise since.
    pub(crate) fn remove_server_file(&self) {
        if self.server_file().is_some_and(|server| server.pid == std::process::id()) {
            // Nothing is lost when it stays: clients notice that nobody listens there.
            let _ = std::fs::remove_file(self.file("server.json"));
        }
    }
}

/// Writes a file that only its owner can read, all of it or nothing.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let directory = path.parent().context("a file lies in a directory")?;
    let write = || -> std::io::Result<()> {
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().with_context(|| format!("can't write {}", path.display()))
}

/// Whether people other than its owner could read it.
pub(crate) fn readable_by_others(path: &Path) -> Option<bool> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    Some(mode & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_lies_in_it_is_for_its_owner_alone() {
        let outer = tempfile::tempdir().unwrap();
        let data_dir = DataDir::resolve(Some(outer.path().join("a/b"))).unwrap();
        data_dir.ensure().unwrap();
        data_dir.ensure().unwrap();
        assert_eq!(mode(data_dir.path()), 0o700);
        let server = ServerFile {
            url: "http://127.0.0.1:1".into(),
            pid: std::process::id(),
            token: "afd_x".into(),
            fingerprint: None,
        };
        data_dir.write_server_file(&server).unwrap();
        data_dir.write_server_file(&server).unwrap();
        assert_eq!(mode(&data_dir.file("server.json")), 0o600);
        assert_eq!(readable_by_others(&data_dir.file("server.json")), Some(false));
        assert_eq!(data_dir.server_file(), Some(server));
        data_dir.remove_server_file();
        assert_eq!(data_dir.server_file(), None);
    }

    #[test]
    fn another_servers_file_is_left_alone() {
        let outer = tempfile::tempdir().unwrap();
        let data_dir = DataDir::resolve(Some(outer.path().to_owned())).unwrap();
        let url = "http://127.0.0.1:1".to_owned();
        let other = ServerFile { url, pid: 1, token: "afd_x".into(), fingerprint: None };
        data_dir.write_server_file(&other).unwrap();
        data_dir.remove_server_file();
        assert_eq!(data_dir.server_file(), Some(other));
    }
}
