//! Files that go with prompts: taken as bytes, given back as bytes, never as something a browser
//! would run; and in parts to the runner that works on their command.
//!
//! What a file is, is told by its bytes (see `afield-proto::attachment`); a declared type that they
//! contradict is refused.

use std::sync::Arc;
use std::time::Duration;

use afield_proto::attachment::{self, Attachment, OCTETS, StoredBlob, TEXT};
use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::limits::{ATTACHMENT_BYTES_MAX, BLOB_PART_BYTES};
use afield_proto::live::ATTACH;
use afield_proto::rest::BYTES_ROUTES;
use afield_proto::runner::{Record, RunnerBlob, RunnerBlobPart, RunnerExecute, RunnerRecords};
use afield_proto::{DeviceId, ErrorBody, ErrorCode, Timestamp};
use afield_store::{NewUpload, Upload, UploadPart};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::bodies::{self, Unread, Within};
use crate::core::Core;
use crate::error::{from_store, internal, invalid};
use crate::http::Refused;
use crate::runners::{self, Link};
use crate::socket::conn::Actor;

/// Files that are taken at once; others wait for their turn. Each is in memory as a whole.
pub(crate) const UPLOADS_AT_ONCE: usize = 8;
/// Longest time for the bytes of one: a photo over a slow telephone.
const UPLOAD_TIME: Within = Within { limit: "upload_timeout", time: Duration::from_secs(300) };
/// Whatever it is, it is shown by the app or saved: alone it may do nothing.
const CONTENT_POLICY: &str = "default-src 'none'; sandbox";

/// The routes of [`BYTES_ROUTES`].
pub(crate) fn routes() -> Router<Arc<Core>> {
    BYTES_ROUTES.iter().fold(Router::new(), |router, route| match route.method {
        "POST" => router.route(route.path, post(put)),
        _ => router.route(route.path, get(bytes)),
    })
}

/// `POST /api/v1/blobs`
async fn put(
    State(core): State<Arc<Core>>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<StoredBlob>, Refused> {
    actor.require(needs("blob_put"))?;
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let _turn = core.uploads.acquire().await.map_err(|error| internal(&error))?;
    let body = read(&core, &headers, body).await?;
    let media_type = attachment::media_type(&body);
    let declared = declared.unwrap_or(OCTETS);
    if !attachment::may_be_called(declared, media_type) {
        let message = format!("the bytes are no {declared} (they look like {media_type})");
        return Err(invalid(message).into());
    }
    let bytes_max = core.limits().attachments_bytes_per_org;
    let new = NewUpload { org: actor.org, media_type, body: body.into(), bytes_max };
    let now = Timestamp::now();
    let stored = core.store.keep_upload(new, now).await.map_err(from_store)?;
    core.clock.uploaded(now.plus(core.limits().attachments_kept));
    Ok(Json(stored))
}

fn needs(name: &str) -> afield_proto::device::Scope {
    let route = BYTES_ROUTES.iter().find(|route| route.name == name);
    route.expect("every handler here has its line in the table").needs
}

async fn read(core: &Core, headers: &HeaderMap, body: Body) -> Result<Bytes, ErrorBody> {
    let max = usize::try_from(ATTACHMENT_BYTES_MAX).unwrap_or(usize::MAX);
    let told =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if told.is_some_and(|told: u64| told > ATTACHMENT_BYTES_MAX) {
        return Err(too_large());
    }
    let each = Within { limit: "body_timeout", time: core.limits().body_timeout };
    let read = tokio::time::timeout(UPLOAD_TIME.time, bodies::flowing(body, max, each)).await;
    let read = read.unwrap_or(Err(Unread::Late(UPLOAD_TIME)));
    let body = read.map_err(|unread| unread.refusal(too_large))?;
    match body.is_empty() {
        true => Err(invalid("the file is empty")),
        false => Ok(body),
    }
}

fn too_large() -> ErrorBody {
    let message = format!(
        "the file has more than {ATTACHMENT_BYTES_MAX} bytes (limit attachment_bytes); make it smaller"
    );
    ErrorBody::new(ErrorCode::MessageTooLarge, message)
        .with_details(json!({ "limit": "attachment_bytes", "value": ATTACHMENT_BYTES_MAX }))
}

/// `GET /api/v1/blobs/{hash}/bytes`
async fn bytes(
    State(core): State<Arc<Core>>,
    Extension(actor): Extension<Actor>,
    Path(hash): Path<String>,
) -> Result<Response, Refused> {
    actor.require(needs("blob_bytes"))?;
    let Upload { media_type, body } =
        core.store.upload(actor.org, &hash).await.map_err(from_store)?;
    let content_type = match media_type.as_str() {
        TEXT => "text/plain; charset=utf-8",
        image if image.starts_with("image/") => image,
        _ => OCTETS,
    };
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    ];
    Ok((headers, body).into_response())
}

/// `runner_blob`: a part of what goes with a command this runner was given.
pub(crate) async fn part(
    core: &Core,
    actor: &Actor,
    ask: RunnerBlob,
) -> Result<RunnerBlobPart, ErrorBody> {
    let RunnerBlob { command_id, hash, offset } = ask;
    let part = UploadPart { command_id, hash, offset, bytes: BLOB_PART_BYTES };
    let bytes = core.store.upload_part(actor.org, actor.device, part).await.map_err(from_store)?;
    Ok(RunnerBlobPart { data: STANDARD.encode(bytes) })
}

/// **Errors**: VALIDATION_FAILED for what can't go with one prompt; PROTOCOL_MISMATCH when the
/// runner is there and takes none. One that is away is asked when it is back.
pub(crate) fn check(
    core: &Core,
    runner: Option<DeviceId>,
    attachments: &[Attachment],
) -> Result<(), ErrorBody> {
    attachment::check(attachments).map_err(invalid)?;
    let link = runner.and_then(|runner| core.runners.get(runner));
    match link {
        Some(link) if !attachments.is_empty() && !takes(&link) => {
            Err(ErrorBody::new(ErrorCode::ProtocolMismatch, TAKES_NONE))
        }
        _ => Ok(()),
    }
}

const TAKES_NONE: &str =
    "this runner is of a version that takes no attachments; update Afield there";

/// Whether a runner fetches files.
pub(crate) fn takes(link: &Link) -> bool {
    link.agreed.has(ATTACH)
}

/// Ends a command whose runner takes no files: without them it would be another.
pub(crate) async fn refuse(core: &Core, link: &Link, order: &RunnerExecute) {
    let at = Timestamp::now();
    let outcome = Outcome {
        code: Some(ErrorCode::ProtocolMismatch),
        ..Outcome::new(OutcomeKind::NotStarted).with_message(TAKES_NONE)
    };
    let records =
        vec![Record::Started { at }, Record::Finished { at, outcome, killed: Vec::new() }];
    let batch = RunnerRecords::new(order.attempt, 1, records);
    if let Err(error) = runners::records(core, &link.conn, batch).await {
        tracing::error!(%error, command = %order.attempt.command_id, "can't end a command");
    }
}
