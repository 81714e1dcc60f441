//! What goes wrong, said in one sentence, with a code and what to do next.

use afield_client::{AskError, EndpointError, OpenError, RestError};
use afield_proto::{ErrorBody, ErrorCode};
use owo_colors::OwoColorize as _;

use crate::exit::Exit;

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
fn remedy(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::ProjectNotFound => "see what there is: afield projects list",
        ErrorCode::ProcessActive => "wait for it (afield attach), or stop it: afield kill",
        ErrorCode::DeviceOffline => "see which devices are there: afield devices",
        ErrorCode::RunnerOffline => "see which runners are connected: afield health",
        ErrorCode::ClaudeNotFound | ErrorCode::AgentUnavailable => {
            "see what was found where: afield doctor"
        }
        _ => return None,
    })
}

impl From<ErrorBody> for Failure {
    fn from(error: ErrorBody) -> Self {
        Self {
            exit: Exit::of_code(error.code),
            sentence: error.message,
            code: Some(error.code),
            next: remedy(error.code).map(str::to_owned),
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
        let failure = Failure::from(ErrorBody::new(ErrorCode::ProcessActive, "it is busy"));
        let text = anstream::adapter::strip_str(&failure.lines()).to_string();
        assert_eq!(
            text,
            "error: it is busy (PROCESS_ACTIVE)\n  next: wait for it (afield attach), or stop it: \
             afield kill\n  more: afield explain PROCESS_ACTIVE"
        );
        assert_eq!(failure.exit(), Exit::Refused);
    }

    #[test]
    fn a_refusal_that_says_what_to_do_is_not_contradicted() {
        let said = "this code is wrong; get a new one with: afield pair";
        let failure = Failure::from(ErrorBody::new(ErrorCode::Unauthorized, said));
        assert!(!failure.lines().contains("next:"), "{}", failure.lines());
    }
}
