//! A private PostgreSQL cluster: new, empty, on a Unix socket.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};

use super::{Daemon, Durability};

/// The oldest version the product supports.
const MAJOR_MIN: u32 = 15;
/// Each test opens its own database with its own small pool.
const CONNECTIONS_MAX: u32 = 400;
/// Names the socket, too.
const PORT: u16 = 5432;

/// How to connect to it, in the words of libpq.
pub fn connection(daemon: &Daemon) -> String {
    format!("host={} user=postgres dbname=postgres", daemon.folder().display())
}

/// Makes a cluster in a folder of its own below `parent` and starts it.
///
/// **Errors**: it is not installed or does not start; its log is part of the message.
pub async fn start(parent: &Path, durability: Durability) -> Result<Daemon> {
    launch(parent, durability, PORT, |_, _| Ok(())).await
}

/// One that takes connections to `localhost` too, under TLS, at a port that was free a moment ago.
/// Certificate and key are PEM.
///
/// **Errors**: as for [`start`], and when somebody else took the port.
pub async fn start_with_tls(parent: &Path, certificate: &str, key: &str) -> Result<(Daemon, u16)> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let daemon = launch(parent, Durability::None, port, |folder, server| {
        let owner = std::fs::metadata(folder)?;
        for (name, text) in [("certificate.pem", certificate), ("key.pem", key)] {
            let path = folder.join(name);
            std::fs::write(&path, text)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            chown(&path, Some(owner.uid()), Some(owner.gid()))?;
        }
        let file = |setting, name| format!("{setting}={}", folder.join(name).display());
        // The last of two settings counts.
        server.args(["-c", "listen_addresses=127.0.0.1"]);
        server.args(["-c", "ssl=on", "-c", &file("ssl_cert_file", "certificate.pem")]);
        server.args(["-c", &file("ssl_key_file", "key.pem")]);
        Ok(())
    });
    Ok((daemon.await?, port))
}

/// Starts one, set up further by `set_up`, which gets its folder and its command.
async fn launch(
    parent: &Path,
    durability: Durability,
    port: u16,
    set_up: impl FnOnce(&Path, &mut Command) -> Result<()>,
) -> Result<Daemon> {
    let programs = programs()?;
    let user = owner()?;
    let folder = tempfile::Builder::new().prefix("afpg").tempdir_in(parent)?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    if let Some(user) = &user {
        chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    let data = folder.path().join("data");
    initialise(command(&programs.join("initdb"), user.as_ref()), &data)?;
    let mut server = command(&programs.join("postgres"), user.as_ref());
    server
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(folder.path())
        .args(["-h", "", "-p", &port.to_string(), "-c", "logging_collector=off"])
        .args(["-c", &format!("max_connections={CONNECTIONS_MAX}")]);
    if durability == Durability::None {
        server.args(["-F", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
    }
    set_up(folder.path(), &mut server)?;
    let daemon = Daemon::spawn("PostgreSQL", server, Signal::SIGINT, folder)?;
    daemon.wait_ready(|folder| answers(&programs, folder, port)).await
}

fn initialise(mut initdb: Command, data: &Path) -> Result<()> {
    let made = initdb
        .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"])
        .arg("-D")
        .arg(data)
        .output()
        .context("initdb can't be started")?;
    if !made.status.success() {
        bail!("initdb failed ({})\n{}", made.status, String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}

fn answers(programs: &Path, folder: &Path, port: u16) -> bool {
    let asked = Command::new(programs.join("pg_isready"))
        .arg("-h")
        .arg(folder)
        .args(["-q", "-U", "postgres", "-p", &port.to_string()])
        .stdin(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// PostgreSQL refuses to run as root: there its own user must do it.
fn owner() -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let user =
        User::from_name("postgres")?.context("there is no user postgres; run `make setup`")?;
    Ok(Some(user))
}

fn command(program: &Path, user: Option<&User>) -> Command {
    let mut command = Command::new(program);
    // The caller's folder may be closed to user postgres.
    command.current_dir("/").env("LC_ALL", "C");
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// The newest installation of a supported version, or the one on the PATH.
fn programs() -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> =
        ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
            .iter()
            .filter_map(|parent| std::fs::read_dir(parent).ok())
            .flatten()
            .filter_map(|entry| installation(&entry.ok()?.path()))
            .collect();
    found.sort();
    if let Some((_, folder)) = found.pop() {
        return Ok(folder);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .with_context(|| {
            format!("PostgreSQL {MAJOR_MIN} or newer is not installed; run `make setup`")
        })
}

/// The programs of an installation such as `/usr/lib/postgresql/15` or `…/opt/postgresql@16`.
fn installation(folder: &Path) -> Option<(u32, PathBuf)> {
    let name = folder.file_name()?.to_str()?;
    let major: u32 = name.strip_prefix("postgresql@").unwrap_or(name).parse().ok()?;
    let programs = folder.join("bin");
    (major >= MAJOR_MIN && programs.join("initdb").is_file()).then_some((major, programs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_supported_installations_count() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let folder = parent.path().join(name);
            std::fs::create_dir_all(folder.join("bin")).unwrap();
            std::fs::write(folder.join("bin/initdb"), "").unwrap();
            folder
        };
        assert_eq!(installation(&make("16")).unwrap().0, 16);
        assert_eq!(installation(&make("postgresql@15")).unwrap().0, 15);
        assert!(installation(&make("14")).is_none());
        assert!(installation(&make("share")).is_none());
    }
}
