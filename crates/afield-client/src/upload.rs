//! Files of this machine that go with a prompt: read here, uploaded before the prompt is sent.
//!
//! What a file is and what it is called is known without the server, so that a prompt can be kept
//! with its files while the server is away.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use afield_proto::attachment::{self, Attachment, StoredBlob};
use afield_proto::hex;
use afield_proto::limits::ATTACHMENT_BYTES_MAX;
use aws_lc_rs::digest::{SHA256, digest};

use crate::endpoint::Endpoint;
use crate::rest::{RestBody, RestError, rest};

/// A file, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// As it is attached.
    pub attachment: Attachment,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl LocalFile {
    /// Reads a file that is to be attached. Blocking.
    ///
    /// **Errors**: the operating system's; one for what is no regular file (a pipe may never end), and for a
    /// file that is too large, before it is read.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let about = std::fs::metadata(path)?;
        if !about.is_file() {
            return Err(std::io::Error::other("it is no regular file"));
        }
        check_bytes(about.len())?;
        let mut body = Vec::new();
        // It may grow meanwhile.
        File::open(path)?.take(ATTACHMENT_BYTES_MAX + 1).read_to_end(&mut body)?;
        check_bytes(body.len() as u64)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self::new(name, body))
    }

    /// Bytes under a name.
    pub fn new(name: String, body: Vec<u8>) -> Self {
        let hash = hex(digest(&SHA256, &body).as_ref());
        let media_type = attachment::media_type(&body).to_owned();
        let bytes = body.len() as u64;
        Self { attachment: Attachment { hash, name, media_type, bytes }, body }
    }
}

fn check_bytes(bytes: u64) -> std::io::Result<()> {
    if bytes <= ATTACHMENT_BYTES_MAX {
        return Ok(());
    }
    let limit = ATTACHMENT_BYTES_MAX;
    Err(std::io::Error::other(format!("it has {bytes} bytes (limit attachment_bytes: {limit})")))
}

/// Hands a file to the server; harmless when it has it.
///
/// **Errors**: [`RestError`].
pub async fn upload(endpoint: &Endpoint, file: &LocalFile) -> Result<StoredBlob, RestError> {
    let body = RestBody::bytes(file.body.clone());
    let reply = rest(endpoint, "POST", "/api/v1/blobs", Some(body)).await?;
    serde_json::from_slice(&reply.body).map_err(|error| RestError::Broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_an_end_is_read() {
        for path in ["/dev/zero", "/"] {
            let refused = LocalFile::read(Path::new(path)).unwrap_err().to_string();
            assert_eq!(refused, "it is no regular file", "{path}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(ATTACHMENT_BYTES_MAX).unwrap();
        assert_eq!(LocalFile::read(file.path()).unwrap().attachment.bytes, ATTACHMENT_BYTES_MAX);
        file.as_file().set_len(ATTACHMENT_BYTES_MAX + 1).unwrap();
        let refused = LocalFile::read(file.path()).unwrap_err().to_string();
        assert!(refused.contains("attachment_bytes"), "{refused}");
    }
}
