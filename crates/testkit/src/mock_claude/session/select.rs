//! Which script plays next: a script file, the environment, what the session itself calls for, a marker, the usual one.

use std::{ffi::OsStr, fs, path::Path};

use super::{End, Session, mistake};
use crate::mock_claude::{
    scenario::{self, Choice},
    script::Script,
};

impl Session {
    /// The script that plays before any prompt is looked at.
    pub(super) fn opening(&self) -> Result<Option<Script>, End> {
        if let Some(path) = std::env::var_os("MOCK_CLAUDE_SCRIPT") {
            return from_file(&path).map(Some);
        }
        let chosen = std::env::var("MOCK_CLAUDE_SCENARIO").ok().map(|text| scenario::choice(&text));
        let Some(forced) = self.forced() else { return chosen.as_ref().map(load).transpose() };
        // The environment may still say how: `resume_unknown,legacy=1`.
        let said = chosen.filter(|choice| choice.name == forced);
        load(&said.unwrap_or_else(|| scenario::plain(forced))).map(Some)
    }

    /// The scenario that the session to resume calls for.
    fn forced(&self) -> Option<&'static str> {
        if self.missing.is_some() {
            return Some("resume_unknown");
        }
        (self.values.text("deferred") == "true").then_some("defer")
    }

    /// The script for the first prompt in the queue.
    pub(super) fn next_script(&mut self) -> Result<Script, End> {
        let text = self.queue.front().map(|prompt| prompt.text.as_str()).unwrap_or_default();
        let usual = if text.trim() == "/clear" { "new_session_id" } else { "success" };
        let marked = scenario::markers(text);
        if !marked.is_empty() {
            self.marked = marked.into();
        }
        load(&self.marked.pop_front().unwrap_or_else(|| scenario::plain(usual)))
    }
}

fn load(choice: &Choice) -> Result<Script, End> {
    scenario::load(choice).map_err(|error| mistake(&error.to_string()))
}

fn from_file(path: &OsStr) -> Result<Script, End> {
    let wrong = |error: String| mistake(&format!("{}: {error}", Path::new(path).display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    text.parse().map_err(|error: crate::mock_claude::script::ScriptError| wrong(error.to_string()))
}
