//! The steps: what each is called and what it takes. Data only.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::mock_claude::values::With;

/// One step.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::mock_claude) enum Step {
    /// Prints a frame: a named one or one given in full.
    Emit(Emit),
    /// Prints a text or bytes as they are.
    Raw {
        #[serde(default)]
        text: String,
        b64: Option<String>,
        #[serde(default = "yes", deserialize_with = "flag")]
        nl: bool,
    },
    /// Waits; scaled by `MOCK_CLAUDE_TIME_SCALE`.
    Delay { ms: u64 },
    /// Waits for the host.
    Await(Await),
    /// Prints a line to stderr, once or until `mb` MiB are written.
    Stderr { text: String, mb: Option<u64> },
    /// Prints a frame whose `${fill}` is a pattern of that size.
    Fill { tmpl: String, bytes: Option<u64>, mb: Option<u64> },
    /// Prints a frame `n` times, as fast as it goes.
    Burst { tmpl: String, n: u64 },
    /// Leaves processes behind: `n` less `skip` of them.
    Spawn(Spawn),
    /// Says what a signal, or an interrupt of the host, does from now on.
    Trap {
        sig: Trigger,
        #[serde(rename = "do")]
        reaction: Reaction,
    },
    /// Writes a file; a relative path is taken from the working directory.
    WriteFile { path: String, text: String },
    /// Closes stdout and lives on.
    CloseStdout,
    /// Exits.
    Exit { code: i32 },
    /// Dies by SIGKILL.
    Abort,
    /// A place to jump to.
    Label { name: String },
    /// Jumps if the condition holds (`name==text`, `name!=text` or `always`), at most `times` times.
    GotoIf { cond: String, to: String, times: Option<u64> },
    /// Gives names to values.
    Set {
        #[serde(deserialize_with = "texts")]
        values: With,
    },
    /// Asks for permission to use a tool, with the frame `ask_<tool>`, unless mode and options decide already.
    Ask { tool: String },
    /// Prints the result of every tool that was asked for since the last time, latest answer first: `done_<tool>`, or
    /// the frame named here, if it was allowed, else `rejected`.
    Settle { done: Option<String> },
    /// Goes on under a new session id; with `copy` the new transcript begins as a copy, else the cost starts over.
    NewSession {
        #[serde(default)]
        copy: bool,
    },
    /// Takes the next waiting prompt into the turn that goes on; its text is `${said}` from then on.
    Absorb,
    /// Falls silent for good, to the host too.
    Hang,
}

/// See [`Step::Emit`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::mock_claude) struct Emit {
    /// The name of a frame.
    pub(in crate::mock_claude) tmpl: Option<String>,
    /// Or the frame itself; its text is taken from the line as it stands there.
    pub(in crate::mock_claude) json: Option<Value>,
    #[serde(skip)]
    pub(in crate::mock_claude) text: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    pub(in crate::mock_claude) with: With,
    /// Prints byte by byte with this pause, scaled.
    pub(in crate::mock_claude) drip_ms: Option<u64>,
    /// Ends the line in CRLF.
    #[serde(default)]
    pub(in crate::mock_claude) crlf: bool,
}

/// See [`Step::Await`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::mock_claude) struct Await {
    pub(in crate::mock_claude) what: Awaited,
    /// The subtype of the control request.
    pub(in crate::mock_claude) subtype: Option<String>,
    /// Patience with the host: real time, so that a slow machine does not change what happens.
    pub(in crate::mock_claude) timeout_ms: Option<u64>,
    /// A wait that is part of the scenario, and scaled as delays are.
    pub(in crate::mock_claude) delay_ms: Option<u64>,
    pub(in crate::mock_claude) on_timeout: Option<Reaction>,
}

/// What a script can wait for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(in crate::mock_claude) enum Awaited {
    /// A prompt; its turn begins.
    User,
    /// The answer to a request of the mock.
    ControlResponse,
    /// A request of the host, which has been answered when the script goes on.
    ControlRequest,
    /// The end of stdin.
    Eof,
    /// A prompt that has to wait because a turn is going on.
    Queued,
    /// Nothing but a signal.
    Signal,
}

/// See [`Step::Spawn`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::mock_claude) struct Spawn {
    /// A word for the journal.
    pub(in crate::mock_claude) kind: String,
    #[serde(default = "one")]
    pub(in crate::mock_claude) n: u64,
    #[serde(default)]
    pub(in crate::mock_claude) skip: u64,
    #[serde(default = "minute")]
    pub(in crate::mock_claude) secs: u64,
    #[serde(default, deserialize_with = "flag")]
    pub(in crate::mock_claude) setsid: bool,
    #[serde(default, deserialize_with = "flag")]
    pub(in crate::mock_claude) ignore_term: bool,
    #[serde(default, deserialize_with = "flag")]
    pub(in crate::mock_claude) inherit_stdout: bool,
    #[serde(default, deserialize_with = "flag")]
    pub(in crate::mock_claude) double_fork: bool,
}

/// What can be trapped.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(in crate::mock_claude) enum Trigger {
    #[serde(rename = "TERM")]
    Term,
    #[serde(rename = "INT")]
    Int,
    /// The host's request to interrupt the turn; it is acknowledged in any case.
    #[serde(rename = "interrupt")]
    Interrupt,
}

/// What happens on a trigger or when patience ends.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(in crate::mock_claude) enum Reaction {
    /// What the real program does.
    #[default]
    Default,
    /// `ignore`, for a timeout also `continue`.
    Ignore,
    /// `graceful`: say goodbye and exit.
    Graceful,
    /// `exit:<code>`.
    Exit(i32),
    /// `goto:<label>`.
    Goto(String),
}

impl TryFrom<String> for Reaction {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let unknown = || format!("unknown reaction `{text}`");
        match text.split_once(':') {
            Some(("exit", code)) => code.parse().map(Self::Exit).map_err(|_| unknown()),
            Some(("goto", label)) => Ok(Self::Goto(label.to_owned())),
            None if text == "default" => Ok(Self::Default),
            None if text == "ignore" || text == "continue" => Ok(Self::Ignore),
            None if text == "graceful" => Ok(Self::Graceful),
            _ => Err(unknown()),
        }
    }
}

fn yes() -> bool {
    true
}

fn one() -> u64 {
    1
}

fn minute() -> u64 {
    60
}

/// `true`, `false`, 1 or 0.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Bool(flag) => Ok(flag),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
        Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
        other => Err(de::Error::custom(format!("{other} is neither true nor false"))),
    }
}

/// An object of texts, numbers and truth values, all of them as texts.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<With, D::Error> {
    let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
    Ok(values.into_iter().map(|(name, value)| (name, text(value))).collect())
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
