//! Commands that could not be handed over yet: one small file each, sent when the server answers.
//!
//! A file is there whole or not at all: written under another name, made durable, renamed. It goes
//! only after the server has said that the command is on its disk, so it may be sent twice; the key
//! every one of them has makes that harmless (as long as the same device sends it).
//!
//! ```text
//! outbox/0190….json              waits to be sent; names sort by age
//! outbox/refused/0190….json      the server said no
//! outbox/refused/0190….error     what it said
//! outbox/files/2cf2…             a file that goes with one, named by its hash
//! ```

use std::collections::HashSet;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use afield_proto::command::Command;
use afield_proto::error::{ErrorBody, ErrorCode};
use afield_proto::request::CommandSubmit;
use afield_proto::{Timestamp, limits};
use serde::{Deserialize, Serialize};

use crate::connection::{AskError, Connection};
use crate::endpoint::Endpoint;
use crate::rest::RestError;
use crate::upload::{LocalFile, upload};

/// Most commands that wait or were refused: more than that is a loop that nobody watches.
pub const FILES_MAX: usize = 1000;
/// Most bytes they take together.
pub const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What a frame has around the command.
const ENVELOPE_BYTES: usize = 1024;
/// How long one command may take to be accepted.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// A temporary file older than this belongs to nobody any more.
const ABANDONED: Duration = Duration::from_secs(3600);
/// A file and the command it goes with are written within so long.
const WRITTEN_TOGETHER: Duration = Duration::from_secs(60);
/// How temporary files begin; they are never sent.
const UNFINISHED: &str = ".new-";

/// A directory of commands that could not be handed over yet.
#[derive(Debug, Clone)]
pub struct Outbox {
    directory: PathBuf,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Unsent {
    /// Its name here: a UUIDv7.
    pub id: String,
    /// The address it was meant for; none for the server of this machine.
    pub server: Option<String>,
    /// What will be sent. Its key and `submitted_at` are set.
    pub submit: CommandSubmit,
    /// What the server said to it.
    pub refused: Option<ErrorBody>,
}

/// What is in a file.
#[derive(Serialize, Deserialize)]
struct Content {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    submit: CommandSubmit,
}

/// What became of what waited.
#[derive(Debug, Default)]
pub struct Flushed {
    /// On the server's disk.
    pub sent: Vec<Command>,
    /// Moved aside, with what the server said.
    pub refused: Vec<Unsent>,
    /// Still here.
    pub kept: usize,
    /// Why they are.
    pub reason: Option<AskError>,
}

/// Why the outbox does not work.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// It holds as much as it may.
    #[error(
        "the outbox is full ({files} commands, {bytes} bytes; at most {FILES_MAX} and {BYTES_MAX})"
    )]
    Full {
        /// Commands in it.
        files: usize,
        /// Their bytes, with the one that does not fit.
        bytes: u64,
    },
    /// What is to be sent is larger than the server would take.
    #[error("the command has {bytes} bytes; the server takes {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest.
        max: usize,
    },
    /// The disk.
    #[error("the outbox {path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
}

type Result<T> = std::result::Result<T, OutboxError>;

/// Whether the server would read this command in one message of its usual size: one that is too large it
/// does not.
///
/// **Errors**: [`OutboxError::TooLarge`].
pub fn check_size(submit: &CommandSubmit) -> Result<()> {
    check_bytes(serde_json::to_vec(submit).expect("Afield's own types always serialise").len())
}

fn check_bytes(bytes: usize) -> Result<()> {
    let max = limits::MESSAGE_BYTES_MAX - ENVELOPE_BYTES;
    if bytes > max { Err(OutboxError::TooLarge { bytes, max }) } else { Ok(()) }
}

impl Outbox {
    /// The outbox in this directory, which is made when something is put there.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Keeps a command with the files that go with it: when this returns, they are on disk. One without a key gets one, and
    /// `submitted_at` is set.
    ///
    /// **Errors**: [`OutboxError::Full`] and others; then nothing is kept.
    pub fn put(
        &self,
        server: Option<String>,
        mut submit: CommandSubmit,
        files: &[LocalFile],
    ) -> Result<Unsent> {
        let id = uuid::Uuid::now_v7().to_string();
        submit.key.get_or_insert_with(|| format!("outbox-{id}"));
        submit.submitted_at.get_or_insert_with(Timestamp::now);
        let content = Content { server, submit };
        let json = serde_json::to_vec(&content).expect("Afield's own types always serialise");
        check_bytes(json.len())?;
        self.make(&self.directory)?;
        let attached: usize = files.iter().map(|file| file.body.len()).sum();
        self.check_room(json.len() + attached)?;
        self.keep_files(files)?;
        write_whole(&self.directory, &format!("{id}.json"), &json)?;
        let Content { server, submit } = content;
        Ok(Unsent { id, server, submit, refused: None })
    }

    /// What waits to be sent, oldest first. A file that can't be read is left where it is.
    pub fn pending(&self) -> Result<Vec<Unsent>> {
        Ok(names(&self.directory)?.into_iter().filter_map(|id| self.read(&id, false)).collect())
    }

    /// What the server refused, oldest first.
    pub fn refused(&self) -> Result<Vec<Unsent>> {
        Ok(names(&self.aside())?.into_iter().filter_map(|id| self.read(&id, true)).collect())
    }

    /// Sends what `is_meant` for this server, oldest first, and stops where the server can't take
    /// more for now.
    ///
    /// **Cancel safety**: what was not acknowledged is still here.
    pub async fn flush(
        &self,
        (connection, endpoint): (&Connection, &Endpoint),
        is_meant: impl Fn(&Unsent) -> bool,
    ) -> Result<Flushed> {
        let mut flushed = Flushed::default();
        let waiting: Vec<_> = self.pending()?.into_iter().filter(is_meant).collect();
        flushed.kept = waiting.len();
        for unsent in waiting {
            match self.send(connection, endpoint, &unsent).await {
                Ok(command) => {
                    self.discard(&unsent.id)?;
                    flushed.sent.push(command);
                    flushed.kept -= 1;
                }
                Err(AskError::Refused(error)) if is_final(error.code) => {
                    self.set_aside(&unsent.id, &error)?;
                    flushed.refused.push(Unsent { refused: Some(error), ..unsent });
                    flushed.kept -= 1;
                }
                Err(error) => {
                    let others_may_pass = matches!(&error,
                        AskError::Refused(body) if body.code == ErrorCode::Forbidden);
                    flushed.reason = Some(error);
                    if !others_may_pass {
                        break;
                    }
                }
            }
        }
        Ok(flushed)
    }

    /// Its files first: a command is accepted with all it needs, or not.
    async fn send(
        &self,
        connection: &Connection,
        endpoint: &Endpoint,
        unsent: &Unsent,
    ) -> std::result::Result<Command, AskError> {
        for attachment in &unsent.submit.payload.attachments {
            let body = std::fs::read(self.files().join(&attachment.hash)).map_err(|error| {
                let message = format!("the attachment {:?} is not here: {error}", attachment.name);
                AskError::Refused(ErrorBody::new(ErrorCode::ValidationFailed, message))
            })?;
            let file = LocalFile { attachment: attachment.clone(), body };
            upload(endpoint, &file).await.map_err(|error| match error {
                RestError::Refused(error) => AskError::Refused(error),
                RestError::Open(_) | RestError::Broken(_) => AskError::Disconnected,
            })?;
        }
        connection.ask_within(&unsent.submit, SEND_TIMEOUT).await
    }

    /// Forgets one, waiting or refused. Returns whether it was there.
    pub fn discard(&self, id: &str) -> Result<bool> {
        let waiting = remove(&self.directory.join(file_name(id)))?;
        let refused = remove(&self.aside().join(file_name(id)))?;
        remove(&self.aside().join(format!("{id}.error")))?;
        self.remove_unneeded_files()?;
        Ok(waiting || refused)
    }

    /// Puts everything that was refused back, to be sent again. Returns how many that were.
    pub fn put_back(&self) -> Result<usize> {
        let refused = names(&self.aside())?;
        for id in &refused {
            rename(&self.aside().join(file_name(id)), &self.directory.join(file_name(id)))?;
            remove(&self.aside().join(format!("{id}.error")))?;
        }
        Ok(refused.len())
    }

    /// The error first: a file aside always has its reason beside it.
    fn set_aside(&self, id: &str, error: &ErrorBody) -> Result<()> {
        let aside = self.aside();
        self.make(&aside)?;
        let json = serde_json::to_vec(error).expect("Afield's own types always serialise");
        write_whole(&aside, &format!("{id}.error"), &json)?;
        rename(&self.directory.join(file_name(id)), &aside.join(file_name(id)))
    }

    fn files(&self) -> PathBuf {
        self.directory.join("files")
    }

    fn keep_files(&self, files: &[LocalFile]) -> Result<()> {
        let directory = self.files();
        for LocalFile { attachment, body } in files {
            self.make(&directory)?;
            if !directory.join(&attachment.hash).exists() {
                write_whole(&directory, &attachment.hash, body)?;
            }
        }
        Ok(())
    }

    /// Files that go with nothing that is here, unless they are new: their command may be about to
    /// be written.
    fn remove_unneeded_files(&self) -> Result<()> {
        let kept = [self.pending()?, self.refused()?].concat();
        let needed: HashSet<&str> = kept
            .iter()
            .flat_map(|unsent| &unsent.submit.payload.attachments)
            .map(|attachment| attachment.hash.as_str())
            .collect();
        for entry in entries(&self.files())? {
            let age = entry.metadata().ok().and_then(|facts| facts.modified().ok()?.elapsed().ok());
            let name = entry.file_name().to_string_lossy().into_owned();
            if !needed.contains(name.as_str()) && age.is_some_and(|age| age > WRITTEN_TOGETHER) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn aside(&self) -> PathBuf {
        self.directory.join("refused")
    }

    fn make(&self, directory: &Path) -> Result<()> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(io(directory))
    }

    fn check_room(&self, more: usize) -> Result<()> {
        let (mut files, mut bytes) = (0, more as u64);
        for directory in [&self.directory, &self.aside(), &self.files()] {
            for entry in entries(directory)? {
                let Ok(facts) = entry.metadata() else { continue };
                if is_abandoned(&entry, &facts) {
                    remove(&entry.path())?;
                } else if facts.is_file() {
                    files += usize::from(id_of(&entry).is_some());
                    bytes = bytes.saturating_add(facts.len());
                }
            }
        }
        match files < FILES_MAX && bytes <= BYTES_MAX {
            true => Ok(()),
            false => Err(OutboxError::Full { files, bytes }),
        }
    }

    fn read(&self, id: &str, is_refused: bool) -> Option<Unsent> {
        let directory = if is_refused { self.aside() } else { self.directory.clone() };
        let path = directory.join(file_name(id));
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!("{} can't be read: {error}", path.display());
                return None;
            }
        };
        let Content { server, submit } = match serde_json::from_slice(&text) {
            Ok(content) => content,
            Err(error) => {
                tracing::warn!("{} is no unsent command: {error}", path.display());
                return None;
            }
        };
        let refused = is_refused.then(|| said(&directory.join(format!("{id}.error"))));
        Some(Unsent { id: id.to_owned(), server, submit, refused })
    }
}

/// Whether sending it again can't help. What a device may not do another may, and the next command
/// line may use another credential.
fn is_final(code: ErrorCode) -> bool {
    !code.retryable() && code.http_status() < 500 && code != ErrorCode::Forbidden
}

fn said(path: &Path) -> ErrorBody {
    let read = std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    read.unwrap_or_else(|| ErrorBody::new(ErrorCode::InternalError, "the reason is not known"))
}

fn file_name(id: &str) -> String {
    format!("{id}.json")
}

fn id_of(entry: &std::fs::DirEntry) -> Option<String> {
    let name = entry.file_name().into_string().ok()?;
    name.strip_suffix(".json").filter(|id| !id.starts_with('.')).map(str::to_owned)
}

fn is_abandoned(entry: &std::fs::DirEntry, facts: &std::fs::Metadata) -> bool {
    let unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
    let age = facts.modified().ok().and_then(|at| at.elapsed().ok());
    unfinished && age.is_some_and(|age| age > ABANDONED)
}

/// The ids in a directory, oldest first; none when there is no directory.
fn names(directory: &Path) -> Result<Vec<String>> {
    let mut names: Vec<_> = entries(directory)?.iter().filter_map(id_of).collect();
    names.sort();
    Ok(names)
}

fn entries(directory: &Path) -> Result<Vec<std::fs::DirEntry>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.collect::<std::io::Result<_>>().map_err(io(directory)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io(directory)(error)),
    }
}

/// Another command line may have been faster.
fn remove(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io(path)(error)),
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    match std::fs::rename(from, to) {
        Ok(()) => sync(to.parent().unwrap_or(to)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io(from)(error)),
    }
}

/// Writes a file that only its owner can read, all of it or nothing.
fn write_whole(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let unfinished = directory.join(format!("{UNFINISHED}{name}"));
    let write = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, directory.join(name))
    };
    if let Err(error) = write() {
        // The error that matters is the first.
        let _ = std::fs::remove_file(&unfinished);
        return Err(io(&unfinished)(error));
    }
    sync(directory)
}

fn sync(directory: &Path) -> Result<()> {
    std::fs::File::open(directory).and_then(|it| it.sync_all()).map_err(io(directory))
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> OutboxError + '_ {
    move |source| OutboxError::Io { path: path.to_owned(), source }
}

/// One value in a file that only its owner can read, used by one process at a time.
#[derive(Debug)]
pub(crate) struct KeptFile {
    directory: PathBuf,
    name: String,
    /// Locked for as long as this lives.
    lock: std::fs::File,
}

impl Drop for KeptFile {
    /// Closing is not enough: a program that is being started has a copy of the descriptor until it runs.
    fn drop(&mut self) {
        // The process's end unlocks it all the same.
        let _ = self.lock.unlock();
    }
}

impl KeptFile {
    /// **Errors**: also when another process has it open.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io(&path)(std::io::ErrorKind::InvalidFilename.into()));
        };
        let (directory, name) = (directory.to_owned(), name.to_string_lossy().into_owned());
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(io(&directory))?;
        let lock_path = directory.join(format!("{name}.lock"));
        let mut options = std::fs::OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock = lock.map_err(io(&lock_path))?;
        lock.try_lock().map_err(|error| io(&path)(error.into()))?;
        Ok(Self { directory, name, lock })
    }

    /// Keeps a value: after a crash the new one or the old one is there.
    pub(crate) fn keep(&self, value: &impl Serialize) -> Result<()> {
        let json = serde_json::to_vec(value).expect("Afield's own types always serialise");
        // What a killed process left unfinished; nobody else writes here.
        remove(&self.directory.join(format!("{UNFINISHED}{}", self.name)))?;
        write_whole(&self.directory, &self.name, &json)
    }

    /// What was kept; `None` when nothing was.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<Option<T>> {
        let path = self.directory.join(&self.name);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(&path)(error)),
        };
        let read = serde_json::from_slice(&text).map_err(std::io::Error::from);
        read.map(Some).map_err(io(&path))
    }
}

#[cfg(test)]
mod tests;
