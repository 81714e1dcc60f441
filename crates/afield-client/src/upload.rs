//! Files of this machine that go with a prompt: read here, uploaded before the prompt is sent.
//!
//! What a file is and what it is called is known without the server, so that a prompt can be kept
//! with its files while the server is away.

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
    /// **Errors**: the operating system's; one for a file that is too large, before it is read.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let bytes = std::fs::metadata(path)?.len();
        if bytes > ATTACHMENT_BYTES_MAX {
            return Err(std::io::Error::other(format!(
                "it has {bytes} bytes (limit attachment_bytes: {ATTACHMENT_BYTES_MAX})"
            )));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self::new(name, std::fs::read(path)?))
    }

    /// Bytes under a name.
    pub fn new(name: String, body: Vec<u8>) -> Self {
        let hash = hex(digest(&SHA256, &body).as_ref());
        let media_type = attachment::media_type(&body).to_owned();
        let bytes = body.len() as u64;
        Self { attachment: Attachment { hash, name, media_type, bytes }, body }
    }
}

/// Hands a file to the server; harmless when it has it.
///
/// **Errors**: [`RestError`].
pub async fn upload(endpoint: &Endpoint, file: &LocalFile) -> Result<StoredBlob, RestError> {
    let body = RestBody::bytes(file.body.clone());
    let reply = rest(endpoint, "POST", "/api/v1/blobs", Some(body)).await?;
    serde_json::from_slice(&reply.body).map_err(|error| RestError::Broken(error.to_string()))
}
