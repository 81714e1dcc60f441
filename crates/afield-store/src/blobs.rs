//! Results too long for their command: each stored once, under the hash of its text.

use afield_proto::command::Outcome;
use afield_proto::queue::{BlobRef, RESULT_BYTES_INLINE, RESULT_PREVIEW_BYTES};
use afield_proto::{OrgId, Timestamp};

use crate::audit::sha256_hex;
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

/// How hard zstd tries. Results are text: the first level makes a third of them.
const ZSTD_LEVEL: i32 = 1;

statements! {
    INSERT_BLOB = "INSERT INTO blobs (hash, org_id, bytes, created_at, body) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (org_id, hash) DO NOTHING";
    BLOB = "SELECT body FROM blobs WHERE org_id = ?1 AND hash = ?2";
}

impl Store {
    /// The whole text of a blob.
    ///
    /// **Errors**: [`Refusal::BlobNotFound`].
    pub async fn blob(&self, org: OrgId, hash: &str) -> Result<String, Error> {
        self.read((org, hash.to_owned()), blob).await
    }
}

async fn blob(tx: &mut Tx, (org, hash): &(OrgId, String)) -> Result<String, Error> {
    let body = tx.opt(&BLOB, params![org, hash], |row| Ok(row.bytes(0)?.to_vec())).await?;
    let body = body.ok_or(Refusal::BlobNotFound)?;
    let text = zstd::decode_all(body.as_slice()).map_err(|error| unreadable(hash, &error))?;
    match sha256_hex(&text) == *hash {
        true => String::from_utf8(text).map_err(|error| unreadable(hash, &error)),
        false => Err(unreadable(hash, &"its text has another hash")),
    }
}

fn unreadable(hash: &str, why: &dyn std::fmt::Display) -> Error {
    Error::corrupt(format!("blob {hash}: {why}"))
}

/// The same outcome, its message moved into a blob when it is long.
pub(crate) async fn shorten(
    tx: &mut Tx,
    org: OrgId,
    mut outcome: Outcome,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let long = outcome.message.take_if(|message| message.len() > RESULT_BYTES_INLINE);
    let Some(message) = long else { return Ok(outcome) };
    let hash = sha256_hex(message.as_bytes());
    let body = zstd::encode_all(message.as_bytes(), ZSTD_LEVEL)
        .map_err(|error| Error::corrupt(format!("a result can't be compressed: {error}")))?;
    let bytes = message.len() as u64;
    tx.execute(&INSERT_BLOB, params![hash, org, bytes, now, body]).await?;
    let end = message.floor_char_boundary(RESULT_PREVIEW_BYTES);
    outcome.message = Some(message[..end].to_owned());
    outcome.blob = Some(BlobRef { hash, bytes });
    Ok(outcome)
}
