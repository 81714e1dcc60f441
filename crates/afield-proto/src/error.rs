//! Error codes: one table for the WebSocket, REST, close codes and `afield explain`.
//!
//! Everything that can leave a process maps to one [`ErrorCode`]; there is no "unknown" code.
//! Each code has a page in `docs/errors/`, embedded here.

use serde::{Deserialize, Serialize};

use crate::RequestId;

/// What a client receives when a request is refused or fails.
///
/// **Shape**: the `data` of an `error` frame, and the body of a REST error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct ErrorBody {
    /// Stable, for programs.
    pub code: ErrorCode,
    /// For people: what happened, which limit or rule, what to do next.
    pub message: String,
    /// Facts a program may want, such as the name and value of the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional, type = "Record<string, unknown>"))]
    pub details: Option<serde_json::Value>,
    /// Find this in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub request_id: Option<RequestId>,
}

impl ErrorBody {
    /// An error with a message and nothing else.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, request_id: None }
    }

    /// The same error with facts for programs.
    #[must_use]
    pub fn with_details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ErrorBody {}

/// How a code shows outside the WebSocket, and whether trying again can help.
struct Row {
    code: ErrorCode,
    name: &'static str,
    http: u16,
    close: u16,
    retryable: bool,
    page: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $http:literal, $close:literal, $retry:literal;)*) => {
        /// Why something was refused or failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        static ROWS: &[Row] = &[$(Row {
            code: ErrorCode::$variant,
            name: $name,
            http: $http,
            close: $close,
            retryable: $retry,
            page: include_str!(concat!("../errors/", $name, ".md")),
        },)*];
    };
}

codes! {
    /// The frame or body is no valid request.
    ValidationFailed = "VALIDATION_FAILED", 400, 4400, false;
    /// The frame or body is larger than the limit.
    MessageTooLarge = "MESSAGE_TOO_LARGE", 413, 4413, false;
    /// The body of a request did not come in time.
    RequestTimeout = "REQUEST_TIMEOUT", 408, 4424, true;
    /// No credential, or one that is not (or no longer) valid.
    Unauthorized = "UNAUTHORIZED", 401, 4401, false;
    /// The credential is valid but may not do this.
    Forbidden = "FORBIDDEN", 403, 4403, false;
    /// Too many requests, connections or failed sign-ins from here.
    RateLimited = "RATE_LIMITED", 429, 4429, true;
    /// A configured limit is reached.
    ResourceLimit = "RESOURCE_LIMIT", 429, 4430, true;
    /// No such thing (device, approval, command, topic, page).
    NotFound = "NOT_FOUND", 404, 4404, false;
    /// The thing changed meanwhile, or was answered by somebody else.
    Conflict = "CONFLICT", 409, 4409, false;
    /// The path breaks a rule.
    InvalidPath = "INVALID_PATH", 400, 4410, false;
    /// The path lies inside another project, or holds one.
    ProjectNesting = "PROJECT_NESTING", 409, 4411, false;
    /// No project with this id.
    ProjectNotFound = "PROJECT_NOT_FOUND", 404, 4412, false;
    /// The project is working already.
    ProcessActive = "PROCESS_ACTIVE", 409, 4414, true;
    /// Nothing is running that could be stopped or answered.
    ProcessNotFound = "PROCESS_NOT_FOUND", 404, 4415, false;
    /// The work took longer than its time limit.
    ExecutionTimeout = "EXECUTION_TIMEOUT", 504, 4416, false;
    /// The Claude program is not on the runner.
    ClaudeNotFound = "CLAUDE_NOT_FOUND", 424, 4417, false;
    /// The agent is not on the runner, or its policy does not allow it.
    AgentUnavailable = "AGENT_UNAVAILABLE", 424, 4418, false;
    /// The agent no longer knows the conversation.
    SessionLost = "SESSION_LOST", 409, 4419, false;
    /// The runner is not connected.
    RunnerOffline = "RUNNER_OFFLINE", 503, 4420, true;
    /// The device is not there to receive, and the message is not to be held.
    DeviceOffline = "DEVICE_OFFLINE", 503, 4423, true;
    /// The runner's own policy refuses.
    PolicyRefused = "POLICY_REFUSED", 403, 4421, false;
    /// The connection read too slowly and was closed.
    SlowConsumer = "SLOW_CONSUMER", 503, 4408, true;
    /// The two sides speak no common protocol version.
    ProtocolMismatch = "PROTOCOL_MISMATCH", 426, 4422, false;
    /// The server is stopping or not ready.
    Unavailable = "UNAVAILABLE", 503, 4503, true;
    /// A fault of the server; the log has the cause under the request id.
    InternalError = "INTERNAL_ERROR", 500, 4500, true;
}

impl ErrorCode {
    /// Every code there is.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.code)
    }

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The name on the wire, such as `PROJECT_NOT_FOUND`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The HTTP status that goes with it.
    pub fn http_status(self) -> u16 {
        self.row().http
    }

    /// The WebSocket close code when a connection ends because of it.
    pub fn close_code(self) -> u16 {
        self.row().close
    }

    /// Whether the same request may succeed later without a change.
    pub fn retryable(self) -> bool {
        self.row().retryable
    }

    /// The page that explains it: meaning, likely causes, what to do. Markdown.
    pub fn page(self) -> &'static str {
        self.row().page
    }

    /// The code with this name, in any case of letters.
    pub fn from_name(name: &str) -> Option<Self> {
        let row = ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(name))?;
        Some(row.code)
    }

    /// The code whose close code this is.
    pub fn from_close_code(close: u16) -> Option<Self> {
        let row = ROWS.iter().find(|row| row.close == close)?;
        Some(row.code)
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_unambiguous() {
        let mut closes = std::collections::HashSet::new();
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(row.code as usize, index);
            assert!(closes.insert(row.close), "close code {} twice", row.close);
            assert!((4000..5000).contains(&row.close));
            assert_eq!(ErrorCode::from_name(row.name), Some(row.code));
            assert_eq!(ErrorCode::from_close_code(row.close), Some(row.code));
        }
    }

    #[test]
    fn every_page_says_what_it_means_why_and_what_to_do() {
        for code in ErrorCode::all() {
            let page = code.page();
            assert!(page.starts_with(&format!("# {code}\n")), "{code}: title");
            for heading in ["## Meaning", "## Likely causes", "## What to do"] {
                assert!(page.contains(heading), "{code}: {heading}");
            }
        }
    }
}
