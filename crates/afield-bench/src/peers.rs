//! Peers: other programs doing the same work, started privately, spoken to as barely as possible.

pub(crate) mod nats;
pub(crate) mod postgres;
pub(crate) mod redis;

/// Whether a program can be started here.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(program).is_file())
}
