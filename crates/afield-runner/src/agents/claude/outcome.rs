//! How a Claude process ended, from everything it said. Pure.
//!
//! The result frame decides, not the exit code; without one the exit code and a few phrases on
//! standard error have to do.

use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::{ErrorCode, Timestamp};

use super::frame::Fields;
use crate::agents::Exit;

/// The result of a turn, as far as it decides the outcome.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TurnResult {
    is_error: bool,
    subtype: String,
    terminal_reason: String,
    result: Option<String>,
    errors: Vec<String>,
    api_status: Option<u32>,
    turns: Option<u32>,
    duration_ms: Option<u64>,
    deferred: bool,
}

impl TurnResult {
    /// Reads a result frame.
    pub(super) fn read(frame: &Fields<'_>) -> Self {
        let errors = frame.list("errors").into_iter();
        let errors = errors.filter_map(|error| serde_json::from_str::<String>(error.get()).ok());
        let errors = errors.chain(frame.text("errors"));
        Self {
            is_error: frame.flag("is_error"),
            subtype: frame.text("subtype").unwrap_or_default(),
            terminal_reason: frame.text("terminal_reason").unwrap_or_default(),
            result: frame.text("result"),
            errors: errors.map(|error| error.trim().to_owned()).filter(|e| !e.is_empty()).collect(),
            api_status: frame.get("api_error_status"),
            turns: frame.get("num_turns"),
            duration_ms: frame.get("duration_ms"),
            deferred: frame.raw("deferred_tool_use").is_some(),
        }
    }

    /// The words for people: the answer, or the most telling words about the failure.
    fn text(&self) -> Option<String> {
        if !self.is_error {
            return self.result.clone();
        }
        let subtype = (self.subtype != "success" && !self.subtype.is_empty())
            .then(|| self.subtype.replace('_', " "));
        let status = || self.api_status.map(|status| format!("API error (HTTP {status})"));
        let errors = (!self.errors.is_empty()).then(|| self.errors.join("; "));
        errors
            .or_else(|| self.result.clone().filter(|text| !text.is_empty()))
            .or(subtype)
            .or_else(status)
    }

    /// The end of the usage limit in the words of older versions: `… limit reached|1795190000`.
    fn limit_ends(&self) -> Option<Timestamp> {
        let texts = self.errors.iter().chain(&self.result);
        texts.into_iter().find_map(|text| {
            let (_, end) = text.split_once(LIMIT_REACHED)?;
            let seconds: i64 = end.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
            Some(Timestamp::from_unix_ms(seconds.saturating_mul(1000)))
        })
    }

    fn says(&self, words: &str) -> bool {
        let texts = self.errors.iter().chain(&self.result);
        texts.into_iter().any(|text| text.to_lowercase().contains(words))
    }
}

/// Everything that decides.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The result of our prompt.
    pub(super) result: Option<TurnResult>,
    /// We asked for the turn to be interrupted.
    pub(super) interrupted: bool,
    /// The agent said that nobody is signed in.
    pub(super) signed_out: bool,
    /// The agent said that its usage limit is reached, and until when.
    pub(super) limited: Option<Option<Timestamp>>,
    /// How long the agent itself waited before it last asked its service again, in milliseconds.
    pub(super) retry_after_ms: Option<u64>,
    /// What the turn cost, in US dollars.
    pub(super) cost_usd: Option<f64>,
    /// The last words on standard error.
    pub(super) stderr: String,
}

/// What came of it.
pub(super) fn outcome(evidence: &Evidence, exit: Exit) -> Outcome {
    let mut outcome = match &evidence.result {
        Some(result) => of_result(evidence, result),
        None => without_result(evidence, exit),
    };
    outcome.exit_code = exit.code;
    outcome.signal = exit.signal;
    outcome.cost_usd = evidence.cost_usd;
    if outcome.kind == OutcomeKind::RateLimited {
        let told = evidence.limited.flatten();
        outcome.resets_at = told.or_else(|| evidence.result.as_ref()?.limit_ends());
    }
    if matches!(outcome.kind, OutcomeKind::RateLimited | OutcomeKind::Transient) {
        outcome.retry_after_ms = evidence.retry_after_ms;
    }
    outcome.code = outcome.code.or(code(outcome.kind));
    outcome
}

fn code(kind: OutcomeKind) -> Option<ErrorCode> {
    match kind {
        OutcomeKind::SessionLost => Some(ErrorCode::SessionLost),
        OutcomeKind::RateLimited => Some(ErrorCode::RateLimited),
        OutcomeKind::AuthRequired => Some(ErrorCode::AgentUnavailable),
        OutcomeKind::Transient => Some(ErrorCode::Unavailable),
        _ => None,
    }
}

fn of_result(evidence: &Evidence, result: &TurnResult) -> Outcome {
    let mut outcome = Outcome::new(kind_of_result(evidence, result));
    outcome.message = result.text();
    if result.deferred {
        outcome.message = Some("a hook of the project put the tool use off".to_owned());
    }
    outcome.turns = result.turns;
    outcome.duration_ms = result.duration_ms;
    outcome
}

fn kind_of_result(evidence: &Evidence, result: &TurnResult) -> OutcomeKind {
    let aborted = result.terminal_reason.starts_with("aborted_");
    let completed = !result.is_error && result.terminal_reason == "completed";
    match () {
        () if aborted || (evidence.interrupted && !completed) => OutcomeKind::Cancelled,
        () if result.deferred => OutcomeKind::Failed,
        () if result.says("please run /login") => OutcomeKind::AuthRequired,
        () if !result.is_error => OutcomeKind::Succeeded,
        () if evidence.signed_out => OutcomeKind::AuthRequired,
        () if result.says(LOST) => OutcomeKind::SessionLost,
        () if result.api_status == Some(429)
            || evidence.limited.is_some()
            || result.limit_ends().is_some() =>
        {
            OutcomeKind::RateLimited
        }
        () if result.api_status.is_some_and(|status| status >= 500)
            || result.terminal_reason == "api_error" =>
        {
            OutcomeKind::Transient
        }
        () if ["error_max_turns", "error_max_budget_usd"].contains(&result.subtype.as_str()) => {
            OutcomeKind::LimitReached
        }
        () => OutcomeKind::Failed,
    }
}

/// What stands before the end of the usage limit, where the result tells it.
const LIMIT_REACHED: &str = "limit reached|";
/// What Claude says, in lower case, of a conversation it does not know.
const LOST: &str = "no conversation found";
/// What Claude says of a session id that another conversation has.
const IN_USE: &str = "is already in use";

impl Evidence {
    /// The program refused our session id because a conversation has it.
    pub(super) fn id_in_use(&self) -> bool {
        self.stderr.contains("Session ID") && self.stderr.contains(IN_USE)
    }
}

fn without_result(evidence: &Evidence, exit: Exit) -> Outcome {
    let stderr = evidence.stderr.trim();
    let told = |kind, otherwise: &str| {
        let words = if stderr.is_empty() { otherwise } else { stderr };
        Outcome::new(kind).with_message(words)
    };
    match exit {
        _ if evidence.interrupted => Outcome::new(OutcomeKind::Cancelled),
        _ if stderr.to_lowercase().contains(LOST) => told(OutcomeKind::SessionLost, ""),
        _ if evidence.signed_out => told(OutcomeKind::AuthRequired, "somebody has to sign in"),
        Exit { code: Some(0), .. } => Outcome::new(OutcomeKind::MissingResult)
            .with_message("the program ended without a result"),
        Exit { signal: Some(signal), .. } => {
            told(OutcomeKind::Failed, &format!("the program was ended by signal {signal}"))
        }
        Exit { code, .. } => {
            let code = code.unwrap_or(-1);
            told(OutcomeKind::Failed, &format!("the program ended with exit code {code}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(result: &str) -> Evidence {
        let result = (!result.is_empty()).then(|| TurnResult::read(&Fields::of(result)));
        Evidence { result, ..Evidence::default() }
    }

    const FAILED: Exit = Exit { code: Some(1), signal: None };
    const WELL: Exit = Exit { code: Some(0), signal: None };

    #[test]
    fn the_result_frame_decides_and_not_the_exit_code() {
        use OutcomeKind as Kind;
        let table = [
            (
                r#"{"subtype":"success","is_error":false,"result":"done"}"#,
                Kind::Succeeded,
                Some("done"),
            ),
            (
                r#"{"subtype":"success","is_error":true,"result":"API Error: Overloaded","api_error_status":529}"#,
                Kind::Transient,
                Some("API Error: Overloaded"),
            ),
            (
                r#"{"subtype":"success","is_error":true,"api_error_status":429}"#,
                Kind::RateLimited,
                Some("API error (HTTP 429)"),
            ),
            (
                r#"{"subtype":"success","is_error":true,"result":"Not logged in · Please run /login"}"#,
                Kind::AuthRequired,
                Some("Not logged in · Please run /login"),
            ),
            (
                r#"{"subtype":"error_max_turns","is_error":true,"errors":["Reached maximum number of turns (3)"]}"#,
                Kind::LimitReached,
                Some("Reached maximum number of turns (3)"),
            ),
            (
                r#"{"subtype":"error_max_budget_usd","is_error":true,"errors":[]}"#,
                Kind::LimitReached,
                Some("error max budget usd"),
            ),
            (
                r#"{"subtype":"error_during_execution","is_error":true,"errors":["mock failure"," "]}"#,
                Kind::Failed,
                Some("mock failure"),
            ),
            (
                r#"{"subtype":"error_during_execution","is_error":true,"errors":"odd"}"#,
                Kind::Failed,
                Some("odd"),
            ),
            (
                r#"{"subtype":"error_during_execution","is_error":true,"terminal_reason":"aborted_tools"}"#,
                Kind::Cancelled,
                Some("error during execution"),
            ),
            (
                r#"{"subtype":"error_during_execution","is_error":true,"errors":["No conversation found with session ID: d"]}"#,
                Kind::SessionLost,
                Some("No conversation found with session ID: d"),
            ),
        ];
        for (result, kind, text) in table {
            let outcome = outcome(&evidence(result), FAILED);
            assert_eq!((outcome.kind, outcome.message.as_deref()), (kind, text), "{result}");
        }
    }

    #[test]
    fn an_interrupt_cancels_unless_the_turn_was_completed_before() {
        let aborted = Evidence { interrupted: true, ..evidence(r#"{"is_error":true}"#) };
        assert_eq!(outcome(&aborted, WELL).kind, OutcomeKind::Cancelled);
        let late = r#"{"is_error":false,"terminal_reason":"completed","result":"done"}"#;
        let late = Evidence { interrupted: true, ..evidence(late) };
        assert_eq!(outcome(&late, WELL).kind, OutcomeKind::Succeeded);
        let silent = Evidence { interrupted: true, ..Evidence::default() };
        assert_eq!(outcome(&silent, FAILED).kind, OutcomeKind::Cancelled);
    }

    #[test]
    fn a_rejected_limit_says_when_it_ends() {
        let at = Timestamp::from_unix_ms(1_795_190_000_000);
        let evidence = Evidence { limited: Some(Some(at)), ..evidence(r#"{"is_error":true}"#) };
        let outcome = outcome(&evidence, FAILED);
        assert_eq!((outcome.kind, outcome.resets_at), (OutcomeKind::RateLimited, Some(at)));
    }

    #[test]
    fn the_end_of_a_limit_is_read_from_the_words_of_older_versions() {
        let words = r#"{"is_error":true,"result":"Claude AI usage limit reached|1795190000"}"#;
        let outcome = outcome(&evidence(words), FAILED);
        let at = Timestamp::from_unix_ms(1_795_190_000_000);
        assert_eq!((outcome.kind, outcome.resets_at), (OutcomeKind::RateLimited, Some(at)));
    }

    #[test]
    fn the_agents_own_last_wait_is_the_least_before_the_next_try() {
        let overloaded = r#"{"is_error":true,"api_error_status":529}"#;
        let waited = Evidence { retry_after_ms: Some(4000), ..evidence(overloaded) };
        assert_eq!(outcome(&waited, FAILED).retry_after_ms, Some(4000));
        let well = Evidence { retry_after_ms: Some(4000), ..evidence(r#"{"result":"done"}"#) };
        assert_eq!(outcome(&well, WELL).retry_after_ms, None);
    }

    #[test]
    fn without_a_result_exit_and_stderr_have_to_do() {
        let told = |stderr: &str| Evidence { stderr: stderr.into(), ..Evidence::default() };
        assert_eq!(outcome(&told(""), WELL).kind, OutcomeKind::MissingResult);
        assert_eq!(
            outcome(&told("No conversation found with session ID: x"), FAILED).kind,
            OutcomeKind::SessionLost
        );
        let failed = outcome(&told("mock: fatal\n"), Exit { code: Some(7), signal: None });
        assert_eq!(
            (failed.kind, failed.message.as_deref(), failed.exit_code),
            (OutcomeKind::Failed, Some("mock: fatal"), Some(7))
        );
        let killed = outcome(&told(""), Exit { code: None, signal: Some(9) });
        assert_eq!((killed.kind, killed.signal), (OutcomeKind::Failed, Some(9)));
    }
}
