//! From the errors of the parts to the one error clients see.
//!
//! Causes and paths go to the log; the client gets the code, a public message and the request id.

use afield_proto::{ErrorBody, ErrorCode};
use afield_store::{Error as StoreError, Refusal};
use serde_json::json;

/// Why the server could not start or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration asks for something unsafe or impossible; the text says what to do.
    #[error("{0}")]
    Configuration(String),
    /// The address could not be listened on.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the data directory could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Certificate or key are not usable.
    #[error("TLS: {0}")]
    Tls(String),
    /// The store could not be opened, or failed while running.
    #[error("store: {0}")]
    Store(#[from] StoreError),
}

/// What a client is told about an error of the store.
pub(crate) fn from_store(error: StoreError) -> ErrorBody {
    match error {
        StoreError::Refused(refusal) => from_refusal(refusal),
        StoreError::Broken { .. } => {
            tracing::error!(%error, "the store is broken");
            unavailable("the store failed and takes nothing more; the server is stopping")
        }
        error => internal(&error),
    }
}

/// An error whose cause is for the log only.
pub(crate) fn internal(cause: &dyn std::fmt::Display) -> ErrorBody {
    tracing::error!(%cause, "internal error");
    ErrorBody::new(
        ErrorCode::InternalError,
        "the server failed; its log has the cause under this request id",
    )
}

pub(crate) fn unavailable(message: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::Unavailable, message).with_details(json!({ "retry_after_ms": 1000 }))
}

pub(crate) fn not_found(what: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, format!("there is no such {what}"))
}

pub(crate) fn invalid(message: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ErrorCode::ValidationFailed, message)
}

fn from_refusal(refusal: Refusal) -> ErrorBody {
    match refusal {
        Refusal::ProjectNotFound => ErrorBody::new(
            ErrorCode::ProjectNotFound,
            "there is no project with this id; project_list shows those there are",
        ),
        Refusal::ProjectExists { project_id, path } => {
            ErrorBody::new(ErrorCode::Conflict, format!("{path} is a project already"))
                .with_details(json!({ "project_id": project_id }))
        }
        Refusal::ProjectNested { project_id, path } => ErrorBody::new(
            ErrorCode::ProjectNesting,
            format!("projects may not lie inside each other, and {path} is one"),
        )
        .with_details(json!({ "project_id": project_id, "path": path })),
        Refusal::ProjectLimit { limit } => ErrorBody::new(
            ErrorCode::ResourceLimit,
            format!(
                "there are {limit} projects already (limit projects_per_org); delete one first"
            ),
        )
        .with_details(json!({ "limit": "projects_per_org", "value": limit })),
        Refusal::ProcessActive { command_id } => ErrorBody::new(
            ErrorCode::ProcessActive,
            "a command of this project runs or waits already; wait for its end, or cancel it with \
             command_cancel (agent_kill stops one that runs)",
        )
        .with_details(json!({ "command_id": command_id })),
        Refusal::SessionNotFound => not_found("session of this project"),
        Refusal::CommandNotFound => not_found("command"),
        Refusal::KeyConflict { command_id } => ErrorBody::new(
            ErrorCode::Conflict,
            "this key was used for another command; a key belongs to one payload",
        )
        .with_details(json!({ "command_id": command_id })),
        Refusal::NotPossible { reason } => ErrorBody::new(ErrorCode::Conflict, reason),
        Refusal::LacksShell { command_id, option, has } => {
            crate::auth::scopes::lacks_shell_for(command_id, option, has)
        }
        Refusal::WiderTurn { command_id, option, has } => {
            crate::auth::scopes::wider_turn(command_id, option, has)
        }
        Refusal::BlobNotFound => not_found("blob"),
        Refusal::AttachmentMissing { name } => {
            let message = format!(
                "the bytes of the attachment {name:?} are not there, or are not what it says; \
                 upload them again (POST /api/v1/blobs)"
            );
            invalid(message).with_details(json!({ "attachment": name }))
        }
        Refusal::UploadLimit { used, limit } => ErrorBody::new(
            ErrorCode::ResourceLimit,
            format!(
                "{used} bytes of attachments are kept already, and this would be more than {limit} \
                 (limit attachments_bytes_per_org); they go with the commands that need them"
            ),
        )
        .with_details(json!({ "limit": "attachments_bytes_per_org", "value": limit })),
        Refusal::AnswerRefused { reason } => invalid(reason),
        Refusal::ApprovalNotFound => not_found("approval"),
        Refusal::ApprovalResolved { approval } => ErrorBody::new(
            ErrorCode::Conflict,
            format!("the approval is {} already; the first answer counts", approval.state.name()),
        )
        .with_details(json!({
            "state": approval.state,
            "resolved_by": approval.resolved_by,
            "resolved_at": approval.resolved_at,
        })),
        Refusal::TokenUnknown => ErrorBody::new(
            ErrorCode::Unauthorized,
            "the notification is too old, or was never one of this server; open Afield to answer",
        ),
        Refusal::NotConfirmed { danger } => {
            invalid("what is asked is destructive; say confirmed: true when it is meant")
                .with_details(json!({ "danger": danger }))
        }
        Refusal::ScopesChanged { scopes } => ErrorBody::new(
            ErrorCode::Conflict,
            format!("somebody changed what this device may do: {scopes} by now; look again"),
        )
        .with_details(json!({ "scopes": scopes })),
        Refusal::LabelsChanged { labels } => {
            let now = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
            let message = format!("somebody changed this device's labels: {now} by now; look again");
            ErrorBody::new(ErrorCode::Conflict, message).with_details(json!({ "labels": labels }))
        }
        Refusal::DeviceNotFound => not_found("device"),
        Refusal::PairingNotFound => not_found("pairing"),
        Refusal::PairingLimit { limit } => ErrorBody::new(
            ErrorCode::ResourceLimit,
            format!("{limit} pairings and links wait already (limit pairings_open); decide or let them end"),
        )
        .with_details(json!({ "limit": "pairings_open", "value": limit })),
        Refusal::KeyTaken => ErrorBody::new(
            ErrorCode::Conflict,
            "this key belongs to a device of somebody else; let the new device make another one",
        ),
        Refusal::HandoffRefused { why, handoff } => ErrorBody::new(
            ErrorCode::Conflict,
            format!("{why}; take it from version {}", handoff.version),
        )
        .with_details(json!(handoff)),
        Refusal::HeldMessages { limit } => ErrorBody::new(
            ErrorCode::ResourceLimit,
            format!("{limit} messages wait for this device already (limit held_messages)"),
        )
        .with_details(json!({ "limit": "held_messages", "value": limit })),
        Refusal::MessageConflict => ErrorBody::new(
            ErrorCode::Conflict,
            "this message_id was used for another message; an id belongs to one message",
        ),
        Refusal::StateLimit { name, value } => ErrorBody::new(
            ErrorCode::ResourceLimit,
            format!("the shared state is full ({value}, limit {name}); delete registers first"),
        )
        .with_details(json!({ "limit": name, "value": value })),
        Refusal::DraftTexts { limit } => ErrorBody::new(
            ErrorCode::ResourceLimit,
            format!(
                "{limit} texts of this draft wait for a decision (limit draft_texts); write the \
                 one that shall stand, naming the present version, first"
            ),
        )
        .with_details(json!({ "limit": "draft_texts", "value": limit })),
        illegal @ Refusal::RecordIllegal { .. } => invalid(illegal.to_string()),
        Refusal::RecordGap { expected } => ErrorBody::new(
            ErrorCode::Conflict,
            format!("records are missing: send those from {expected} on"),
        )
        .with_details(json!({ "expected": expected })),
    }
}
