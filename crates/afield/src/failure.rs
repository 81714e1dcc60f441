//! What goes wrong, said in one sentence, with a code and what to do next.

use afield_client::{AskError, EndpointError, OpenError, RestError};
use afield_proto::{ErrorBody, ErrorCode};
use owo_colors::OwoColorize as _;

use crate::exit::Exit;
use crate::short_id::short;

/// Commands that a line of advice names.
const NAMED_MAX: usize = 5;

/// Why a command of the command line did not work.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    sentence: String,
    code: Option<ErrorCode>,
    next: Option<String>,
    away: bool,
}

impl Failure {
    /// A failure without a code.
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into(), code: None, next: None, away: false }
    }

    /// The command line asks for something impossible.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, sentence)
    }

    /// The same, with what to do next.
    #[must_use]
    pub(crate) fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The same in other words.
    #[must_use]
    pub(crate) fn saying(mut self, sentence: impl Into<String>) -> Self {
        self.sentence = sentence.into();
        self
    }

    /// The same, because nothing answers where the server should be.
    #[must_use]
    pub(crate) fn away(mut self) -> Self {
        self.away = true;
        self
    }

    /// Whether the server may answer later as if nothing had been.
    pub(crate) fn is_away(&self) -> bool {
        self.away || self.code == Some(ErrorCode::Unavailable)
    }

    /// How the program ends because of it.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The error code, when the server named one.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        self.code
    }

    /// What to do next, where something helps.
    pub(crate) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// The lines for people, with colours.
    pub(crate) fn lines(&self) -> String {
        let code = self.code.map(|code| format!(" ({code})")).unwrap_or_default();
        let mut text = format!("{} {}{code}", "error:".red().bold(), self.sentence);
        if let Some(next) = &self.next {
            text.push_str(&format!("\n  {} {next}", "next:".bold()));
        }
        if let Some(code) = self.code {
            text.push_str(&format!("\n  {} afield explain {code}", "more:".bold()));
        }
        text
    }

    /// The line for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "event": "error",
            "exit": self.exit as u8,
            "code": self.code,
            "message": self.sentence,
            "next": self.next,
        })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// What helps against a refusal, where one command does. Who is not let in is told by the server what
/// fits: a new code, or pairing.
fn remedy(error: &ErrorBody) -> Option<String> {
    let said = match error.code {
        ErrorCode::ProjectNotFound => "see what there is: afield projects list",
        ErrorCode::ProcessActive => {
            let cancel = cancel(&[error.details.as_ref()?.get("command_id")?.as_str()?]);
            return Some(format!("wait for it (afield attach), or cancel it: {cancel}"));
        }
        ErrorCode::ProcessNotFound => {
            let waiting = error.details.as_ref()?.get("waiting")?.as_array()?;
            let ids: Vec<_> = waiting.iter().filter_map(|id| id.as_str()).collect();
            return Some(format!("cancel what waits: {}", cancel(&ids)));
        }
        ErrorCode::DeviceOffline => "see which devices are there: afield devices",
        ErrorCode::RunnerOffline => "see which runners are connected: afield health",
        ErrorCode::ClaudeNotFound | ErrorCode::AgentUnavailable => {
            "see what was found where: afield doctor"
        }
        _ => return None,
    };
    Some(said.to_owned())
}

/// How commands are cancelled; so many that a line can't name them are looked up first.
fn cancel(ids: &[&str]) -> String {
    match ids.len() {
        0..=NAMED_MAX => {
            let ids: Vec<_> = ids.iter().map(short).collect();
            format!("afield queue cancel {}", ids.join(" "))
        }
        _ => "afield queue cancel ID… (afield queue ls shows them)".to_owned(),
    }
}

impl From<ErrorBody> for Failure {
    fn from(error: ErrorBody) -> Self {
        Self {
            exit: Exit::of_code(error.code),
            next: remedy(&error),
            sentence: error.message,
            code: Some(error.code),
            away: false,
        }
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused(error) => error.into(),
            AskError::Disconnected | AskError::Timeout => {
                Self::new(Exit::NoServer, error.to_string()).with_next("afield doctor").away()
            }
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Refused(error) => error.into(),
            other => {
                let away = matches!(other, OpenError::Unreachable { .. } | OpenError::Timeout(_));
                let sentence = format!("can't reach the server: {other}");
                let failure = Self::new(Exit::NoServer, sentence).with_next("afield doctor");
                if away { failure.away() } else { failure }
            }
        }
    }
}

impl From<RestError> for Failure {
    fn from(error: RestError) -> Self {
        match error {
            RestError::Refused(error) => error.into(),
            RestError::Open(error) => error.into(),
            RestError::Broken(_) => Self::new(Exit::NoServer, error.to_string()),
        }
    }
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failed, format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_sentence_the_code_and_what_to_do() {
        let details = serde_json::json!({ "command_id": "01990000-0000-7000-8000-0123456789ab" });
        let busy = ErrorBody::new(ErrorCode::ProcessActive, "it is busy").with_details(details);
        let failure = Failure::from(busy);
        assert_eq!(
            plain(&failure),
            "error: it is busy (PROCESS_ACTIVE)\n  next: wait for it (afield attach), or cancel it: \
             afield queue cancel 456789ab\n  more: afield explain PROCESS_ACTIVE"
        );
        assert_eq!(failure.exit(), Exit::Refused);
    }

    fn plain(failure: &Failure) -> String {
        anstream::adapter::strip_str(&failure.lines()).to_string()
    }

    #[test]
    fn names_what_waits_where_nothing_runs() {
        let id = "01990000-0000-7000-8000-0123456789ab";
        let said = |waiting: &[&str]| {
            let details = serde_json::json!({ "waiting": waiting });
            let error = ErrorBody::new(ErrorCode::ProcessNotFound, "nothing runs");
            plain(&error.with_details(details).into())
        };
        assert!(said(&[id]).contains("next: cancel what waits: afield queue cancel 456789ab\n"));
        assert!(said(&[id; 6]).contains("afield queue cancel ID…"), "{}", said(&[id; 6]));
        let nothing = ErrorBody::new(ErrorCode::ProcessNotFound, "nothing runs");
        assert!(!plain(&nothing.into()).contains("next:"));
    }

    #[test]
    fn a_refusal_that_says_what_to_do_is_not_contradicted() {
        let said = "this code is wrong; get a new one with: afield pair";
        let failure = Failure::from(ErrorBody::new(ErrorCode::Unauthorized, said));
        assert!(!failure.lines().contains("next:"), "{}", failure.lines());
    }
}
