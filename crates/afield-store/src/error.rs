//! What can go wrong: a refusal in the domain's words, or a database that does not work.

use std::sync::Arc;

use afield_proto::approval::{Approval, Danger};
use afield_proto::device::Scopes;
use afield_proto::handoff::Handoff;
use afield_proto::{CommandId, ProjectId};

/// Why an operation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The operation's own rules say no. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed in a way after which nothing can be acknowledged any more; the process
    /// should end.
    #[error("the database is broken: {reason}")]
    Broken {
        /// What happened first.
        reason: Arc<str>,
    },
    /// Something stored can't be read.
    #[error("stored data can't be read: {what}")]
    Corrupt {
        /// What was found.
        what: String,
    },
    /// The database refused or could not be reached. Whether a write happened is unknown only
    /// when the connection was lost while it was confirmed.
    #[error("the database failed: {reason}")]
    Database {
        /// What the database said.
        reason: String,
        /// The same operation may succeed when it is tried again.
        retryable: bool,
    },
}

/// What the domain's rules refuse.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// There is no such live project in this org.
    #[error("there is no such project")]
    ProjectNotFound,
    /// The directory already is a project.
    #[error("the directory already is project {project_id}")]
    ProjectExists {
        /// Which.
        project_id: ProjectId,
        /// Its path.
        path: String,
    },
    /// The directory lies inside a project's, or around it.
    #[error("the directory and project {project_id} at {path:?} lie inside one another")]
    ProjectNested {
        /// Which.
        project_id: ProjectId,
        /// Its path.
        path: String,
    },
    /// The org has as many projects as it may.
    #[error("the org has {limit} projects, the limit")]
    ProjectLimit {
        /// The limit.
        limit: u64,
    },
    /// The project has no such session.
    #[error("the project has no such session")]
    SessionNotFound,
    /// A command of the project is not final yet.
    #[error("command {command_id} is not finished")]
    ProcessActive {
        /// Which.
        command_id: CommandId,
    },
    /// There is no such command, or it is another runner's.
    #[error("there is no such command")]
    CommandNotFound,
    /// The device used this key for something else.
    #[error("the key belongs to command {command_id}, which asks for something else")]
    KeyConflict {
        /// The first command with this key.
        command_id: CommandId,
    },
    /// The command is not in a state in which that can be done.
    #[error("{reason}")]
    NotPossible {
        /// Why, for people.
        reason: String,
    },
    /// Whoever asks could not submit the command that is to begin: it starts programs.
    #[error("command {command_id} needs the scope shell")]
    LacksShell {
        /// Which.
        command_id: CommandId,
        /// The option by which it does, where it is not a plain command.
        option: Option<&'static str>,
        /// What whoever asks may do.
        has: Scopes,
    },
    /// Words are to go into a turn that whoever asks could not have begun: its agent starts programs unasked.
    #[error("the turn of command {command_id} needs the scope shell")]
    WiderTurn {
        /// Whose turn.
        command_id: CommandId,
        /// The option by which it does.
        option: &'static str,
        /// What whoever asks may do.
        has: Scopes,
    },
    /// There is no such blob.
    #[error("there is no such blob")]
    BlobNotFound,
    /// What was uploaded for an attachment is not there, or is something else.
    #[error("the bytes of the attachment {name:?} are not there")]
    AttachmentMissing {
        /// Its name.
        name: String,
    },
    /// The org keeps as many bytes of attachments as it may.
    #[error("{used} bytes of attachments are kept; the limit is {limit}")]
    UploadLimit {
        /// How many it keeps.
        used: u64,
        /// The limit.
        limit: u64,
    },
    /// The answer does not fit what was asked.
    #[error("{reason}")]
    AnswerRefused {
        /// Why.
        reason: String,
    },
    /// There is no such approval.
    #[error("there is no such approval")]
    ApprovalNotFound,
    /// Somebody was faster, or it was withdrawn.
    #[error("the approval is {}", approval.state.name())]
    ApprovalResolved {
        /// As it is now.
        approval: Box<Approval>,
    },
    /// No token, or not any more.
    #[error("the token was never one, or is over")]
    TokenUnknown,
    /// A yes to what is destructive must be meant.
    #[error("a destructive approval must be confirmed")]
    NotConfirmed {
        /// How dangerous it is.
        danger: Danger,
    },
    /// There is no such device in this org.
    #[error("there is no such device")]
    DeviceNotFound,
    /// A device may do something else than whoever asks saw.
    #[error("the device may do {scopes} by now")]
    ScopesChanged {
        /// What it may do.
        scopes: Scopes,
    },
    /// A device has other labels than whoever asks saw.
    #[error("the device has the labels {labels:?} by now")]
    LabelsChanged {
        /// Those it has.
        labels: Vec<String>,
    },
    /// A step of a hand-off is not possible.
    #[error("{why}")]
    HandoffRefused {
        /// Why.
        why: afield_flow::handoff::Refused,
        /// As it is.
        handoff: Box<Handoff>,
    },
    /// As many messages wait for the receiver as may.
    #[error("{limit} messages wait for the device, the limit")]
    HeldMessages {
        /// The limit.
        limit: u64,
    },
    /// The id belongs to another message.
    #[error("the id belongs to another message")]
    MessageConflict,
    /// A person's shared state has as many registers or bytes as it may.
    #[error("the shared state is at its limit {name} of {value}")]
    StateLimit {
        /// Which limit: `state_keys` or `state_bytes`.
        name: &'static str,
        /// Its value.
        value: u64,
    },
    /// The draft has as many texts side by side as it may.
    #[error("the draft has {limit} texts side by side, the limit")]
    DraftTexts {
        /// The limit.
        limit: usize,
    },
    /// There is no such pairing in this org.
    #[error("there is no such pairing")]
    PairingNotFound,
    /// As many pairings wait as may.
    #[error("{limit} pairings wait, the limit")]
    PairingLimit {
        /// The limit.
        limit: u64,
    },
    /// The key belongs to a device of somebody else.
    #[error("the key belongs to another device")]
    KeyTaken,
    /// Records are missing in front of these.
    #[error("record {expected} must come next")]
    RecordGap {
        /// The number that must come next.
        expected: u64,
    },
    /// A record can't follow on what is known.
    #[error("record {number}: {reason}")]
    RecordIllegal {
        /// Its number.
        number: u64,
        /// Why.
        reason: String,
    },
}

impl Error {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    /// The refusal, when it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Broken { .. } | Self::Corrupt { .. } | Self::Database { .. } => None,
        }
    }
}

impl From<rusqlite::types::FromSqlError> for Error {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self::corrupt(error.to_string())
    }
}

impl From<rusqlite::Error> for Error {
    /// An error of the disk or the file makes the store broken: what was acknowledged may be all
    /// that can still be trusted.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(
                Code::SystemIoFailure
                | Code::DatabaseCorrupt
                | Code::DiskFull
                | Code::NotADatabase
                | Code::CannotOpen
                | Code::ReadOnly
                | Code::OutOfMemory,
            ) => Self::Broken { reason: error.to_string().into() },
            _ => Self::Database { reason: error.to_string(), retryable: false },
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        let retryable = match error.code() {
            Some(state) => {
                // A unique violation between two operations that both looked first: the second
                // one sees the other's row when it looks again.
                [
                    SqlState::T_R_SERIALIZATION_FAILURE,
                    SqlState::T_R_DEADLOCK_DETECTED,
                    SqlState::UNIQUE_VIOLATION,
                ]
                .contains(state)
            }
            None => false,
        };
        let reason = match error.as_db_error() {
            Some(told) => format!("{} ({})", told.message(), told.code().code()),
            None => with_causes(&error),
        };
        Self::Database { reason, retryable }
    }
}

impl From<deadpool_postgres::PoolError> for Error {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => error.into(),
            error => Self::Database { reason: error.to_string(), retryable: false },
        }
    }
}

/// What tokio-postgres leaves to its sources, such as what is wrong with a certificate.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| {
        let cause = cause.to_string();
        if told.contains(&cause) { told } else { format!("{told}: {cause}") }
    })
}
