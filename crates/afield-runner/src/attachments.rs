//! Files that go with a command: fetched from the server before anything is started, held in memory,
//! and written to a private folder of the attempt where an agent is given paths.
//!
//! What comes is checked against the hash in the order. A connection that breaks is waited for.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use afield_proto::attachment::{self, Attachment};
use afield_proto::limits::BLOB_PART_BYTES;
use afield_proto::runner::{Attempt, RunnerBlob, RunnerBlobPart};
use afield_proto::{CommandId, ErrorBody, ErrorCode, hex};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::to_raw_value;
use tokio::sync::watch;

use crate::link::Link;
use crate::uplink::{AskError, Uplink};

/// The wait after a refusal that time may heal.
const AGAIN: Duration = Duration::from_secs(1);

/// A file, whole.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) attachment: Attachment,
    pub(crate) body: Vec<u8>,
}

/// What a person says, and the files that go with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    pub(crate) text: String,
    pub(crate) files: Vec<File>,
}

/// The way to the files of a command.
pub(crate) struct Source<'a> {
    pub(crate) uplink: &'a dyn Uplink,
    pub(crate) link: watch::Receiver<Link>,
    pub(crate) command_id: CommandId,
}

impl Source<'_> {
    /// Fetches files, one after the other.
    ///
    /// **Errors**: the order names what can't be; the server refuses; the bytes are others.
    /// **Cancel safety**: nothing is kept.
    pub(crate) async fn fetch(mut self, files: &[Attachment]) -> Result<Vec<File>, ErrorBody> {
        attachment::check(files).map_err(|why| ErrorBody::new(ErrorCode::ValidationFailed, why))?;
        let mut fetched = Vec::with_capacity(files.len());
        for attachment in files {
            let body = self.file(attachment).await?;
            fetched.push(File { attachment: attachment.clone(), body });
        }
        Ok(fetched)
    }

    async fn file(&mut self, attachment: &Attachment) -> Result<Vec<u8>, ErrorBody> {
        let bytes = usize::try_from(attachment.bytes).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        while body.len() < bytes {
            let part = self.part(attachment, body.len() as u64).await?;
            if part.is_empty() || part.len() > BLOB_PART_BYTES {
                return Err(damaged(attachment));
            }
            body.extend(part);
        }
        match body.len() == bytes && is_hash_of(&attachment.hash, &body) {
            true => Ok(body),
            false => Err(damaged(attachment)),
        }
    }

    async fn part(&mut self, attachment: &Attachment, offset: u64) -> Result<Vec<u8>, ErrorBody> {
        let ask = RunnerBlob { command_id: self.command_id, hash: attachment.hash.clone(), offset };
        let ask = to_raw_value(&ask).map_err(|error| unreadable(&error))?;
        loop {
            let generation = self.link.borrow_and_update().generation;
            match self.uplink.ask("runner_blob", ask.clone()).await {
                Ok(reply) => {
                    let reply: RunnerBlobPart =
                        serde_json::from_str(reply.get()).map_err(|error| unreadable(&error))?;
                    return STANDARD.decode(reply.data).map_err(|error| unreadable(&error));
                }
                Err(AskError::Refused(error)) if !error.code.retryable() => return Err(error),
                Err(AskError::Refused(_)) => tokio::time::sleep(AGAIN).await,
                Err(AskError::Disconnected) => {
                    // Its sender lives as long as the runner.
                    let back = |link: &Link| link.up && link.generation != generation;
                    let _ = self.link.wait_for(back).await;
                }
            }
        }
    }
}

fn is_hash_of(hash: &str, body: &[u8]) -> bool {
    hex(digest(&SHA256, body).as_ref()) == hash
}

fn damaged(attachment: &Attachment) -> ErrorBody {
    let message = format!(
        "the attachment {:?} did not come as it was attached; attach it again",
        attachment.name
    );
    ErrorBody::new(ErrorCode::ValidationFailed, message)
}

fn unreadable(error: &dyn std::fmt::Display) -> ErrorBody {
    ErrorBody::new(ErrorCode::ProtocolMismatch, format!("an attachment can't be read: {error}"))
}

/// Files of an attempt on disk, for its own user alone; gone with this value.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Writes files below `directory`. Blocking.
    pub(crate) fn write(
        directory: &Path,
        attempt: Attempt,
        files: &[File],
    ) -> std::io::Result<Self> {
        let path = directory.join(format!("{}-{}", attempt.command_id, attempt.attempt));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        let folder = Self { path };
        for (index, file) in files.iter().enumerate() {
            let mut options = fs::OpenOptions::new();
            let mut written =
                options.write(true).create_new(true).mode(0o600).open(folder.file(index, file))?;
            written.write_all(&file.body)?;
        }
        Ok(folder)
    }

    /// Where the files lie.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where one of them lies; two may have one name.
    pub(crate) fn file(&self, index: usize, file: &File) -> PathBuf {
        self.path.join(format!("{}-{}", index + 1, file.attachment.name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "{} can't be removed", self.path.display());
        }
    }
}

/// Removes what an earlier runner left. Blocking.
pub(crate) fn remove_left(directory: &Path) {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "{} can't be removed", directory.display());
        }
        _ => {}
    }
}
