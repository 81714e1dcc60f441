//! Files that go with prompts: their bytes, each stored once in its org under its hash, and which
//! command needs which.
//!
//! What a command needs stays as long as the command; what none needs goes some time after it was
//! uploaded or attached last. Taking it and removing it write the same row, so neither overlooks the
//! other.

use afield_proto::attachment::{Attachment, StoredBlob};
use afield_proto::{CommandId, DeviceId, OrgId, Timestamp};

use crate::audit::sha256_hex;
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

statements! {
    TOUCH = "UPDATE uploads SET touched_at = ?3 WHERE org_id = ?1 AND hash = ?2";
    USED = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM uploads WHERE org_id = ?1";
    INSERT_UPLOAD = "INSERT INTO uploads (hash, org_id, media_type, bytes, touched_at, body) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (org_id, hash) DO NOTHING";
    UPLOAD = "SELECT media_type, body FROM uploads WHERE org_id = ?1 AND hash = ?2";
    ATTACH = "UPDATE uploads SET touched_at = ?5 WHERE org_id = ?1 AND hash = ?2 \
        AND media_type = ?3 AND bytes = ?4";
    INSERT_ATTACHMENT = "INSERT INTO attachments (command_id, org_id, hash) VALUES (?1, ?2, ?3) \
        ON CONFLICT (command_id, hash) DO NOTHING";
    FORGET_ATTACHMENTS = "DELETE FROM attachments WHERE command_id = ?1";
    /// Only what a runner was given and has not ended.
    PART = "SELECT substr(u.body, CAST(CAST(?5 AS BIGINT) AS INTEGER) + 1, \
        CAST(CAST(?6 AS BIGINT) AS INTEGER)) FROM attachments a \
        JOIN uploads u ON u.org_id = a.org_id AND u.hash = a.hash \
        JOIN commands c ON c.id = a.command_id JOIN projects p ON p.number = c.project \
        WHERE a.command_id = ?3 AND a.hash = ?4 AND a.org_id = ?1 AND p.runner_id = ?2 \
        AND c.state IN ('leased', 'running')";
    REMOVE_UNUSED = "DELETE FROM uploads WHERE touched_at <= ?1 AND NOT EXISTS (SELECT 1 \
        FROM attachments a WHERE a.org_id = uploads.org_id AND a.hash = uploads.hash)";
    OLDEST_UNUSED = "SELECT touched_at FROM uploads WHERE NOT EXISTS (SELECT 1 \
        FROM attachments a WHERE a.org_id = uploads.org_id AND a.hash = uploads.hash) \
        ORDER BY touched_at LIMIT 1";
}

/// Bytes to be kept.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// The org.
    pub org: OrgId,
    /// What they are.
    pub media_type: &'static str,
    /// The bytes.
    pub body: Vec<u8>,
    /// Most bytes the org may keep in all.
    pub bytes_max: u64,
}

/// Bytes as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What they are.
    pub media_type: String,
    /// The bytes.
    pub body: Vec<u8>,
}

/// A part of a file, as a runner asks for it.
#[derive(Debug, Clone)]
pub struct UploadPart {
    /// The command it goes with.
    pub command_id: CommandId,
    /// Its hash.
    pub hash: String,
    /// From which byte on.
    pub offset: u64,
    /// At most so many bytes.
    pub bytes: usize,
}

impl Store {
    /// Keeps bytes; the same bytes are kept once.
    ///
    /// **Errors**: [`Refusal::UploadLimit`].
    pub async fn keep_upload(&self, new: NewUpload, now: Timestamp) -> Result<StoredBlob, Error> {
        let hash = sha256_hex(&new.body);
        self.write((new, hash, now), keep_upload).await
    }

    /// Bytes that were kept.
    ///
    /// **Errors**: [`Refusal::BlobNotFound`].
    pub async fn upload(&self, org: OrgId, hash: &str) -> Result<Upload, Error> {
        self.read((org, hash.to_owned()), upload).await
    }

    /// A part of a file that goes with a command this runner was given; empty behind the end.
    ///
    /// **Errors**: [`Refusal::BlobNotFound`], also for files of commands it was not given.
    pub async fn upload_part(
        &self,
        org: OrgId,
        runner_id: DeviceId,
        part: UploadPart,
    ) -> Result<Vec<u8>, Error> {
        self.read((org, runner_id, part), upload_part).await
    }

    /// Removes what no command needs and nobody touched since `by`. Says when the first of the
    /// others that no command needs was touched.
    pub async fn remove_unused_uploads(&self, by: Timestamp) -> Result<Option<Timestamp>, Error> {
        self.write(by, remove_unused).await
    }
}

async fn keep_upload(
    tx: &mut Tx,
    (new, hash, now): &(NewUpload, String, Timestamp),
) -> Result<StoredBlob, Error> {
    let NewUpload { org, media_type, body, bytes_max } = new;
    let bytes = body.len() as u64;
    let stored = StoredBlob { hash: hash.clone(), media_type: (*media_type).to_owned(), bytes };
    if tx.execute(&TOUCH, params![org, hash, now]).await? > 0 {
        return Ok(stored);
    }
    let used = tx.one(&USED, params![org], |row| row.count(0)).await?;
    if used.saturating_add(bytes) > *bytes_max {
        return Err(Refusal::UploadLimit { used, limit: *bytes_max }.into());
    }
    tx.execute(&INSERT_UPLOAD, params![hash, org, media_type, bytes, now, body]).await?;
    Ok(stored)
}

async fn upload(tx: &mut Tx, (org, hash): &(OrgId, String)) -> Result<Upload, Error> {
    let found = tx
        .opt(&UPLOAD, params![org, hash], |row| {
            Ok(Upload { media_type: row.text(0)?.to_owned(), body: row.bytes(1)?.to_vec() })
        })
        .await?;
    let found = found.ok_or(Refusal::BlobNotFound)?;
    match sha256_hex(&found.body) == *hash {
        true => Ok(found),
        false => Err(Error::corrupt(format!("upload {hash}: its bytes have another hash"))),
    }
}

async fn upload_part(
    tx: &mut Tx,
    (org, runner_id, part): &(OrgId, DeviceId, UploadPart),
) -> Result<Vec<u8>, Error> {
    let UploadPart { command_id, hash, offset, bytes } = part;
    // Behind every end, and still a number both databases take.
    let offset = (*offset).min(u64::from(u32::MAX >> 2));
    let bytes = *bytes as u64;
    let values = params![org, runner_id, command_id, hash, offset, bytes];
    let found = tx.opt(&PART, values, |row| Ok(row.bytes(0)?.to_vec())).await?;
    found.ok_or_else(|| Refusal::BlobNotFound.into())
}

async fn remove_unused(tx: &mut Tx, by: &Timestamp) -> Result<Option<Timestamp>, Error> {
    let removed = tx.execute(&REMOVE_UNUSED, params![by]).await?;
    if removed > 0 {
        tracing::info!(removed, "files that no command needs were removed");
    }
    tx.opt(&OLDEST_UNUSED, params![], |row| row.time(0)).await
}

/// A command needs these from now on, and no others.
///
/// **Errors**: [`Refusal::AttachmentMissing`] for one whose bytes are not there, or are not what it
/// says.
pub(crate) async fn attach(
    tx: &mut Tx,
    org: OrgId,
    command: CommandId,
    attachments: &[Attachment],
    now: Timestamp,
) -> Result<(), Error> {
    for Attachment { hash, name, media_type, bytes } in attachments {
        let values = params![org, hash, media_type, bytes, now];
        if tx.execute(&ATTACH, values).await? == 0 {
            return Err(Refusal::AttachmentMissing { name: name.clone() }.into());
        }
        tx.execute(&INSERT_ATTACHMENT, params![command, org, hash]).await?;
    }
    Ok(())
}

/// A command needs nothing any more.
pub(crate) async fn forget(tx: &mut Tx, command: CommandId) -> Result<(), Error> {
    tx.execute(&FORGET_ATTACHMENTS, params![command]).await.map(drop)
}
