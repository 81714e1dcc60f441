//! The step language: what scenarios and script files are written in. Parsing and checking only; `interpret` runs it.
//!
//! One JSON object per line; blank lines and lines that begin with `#` are skipped. A script runs from its first step
//! and has to await the prompt itself. While it waits, the session answers whatever the host asks. When it ends, the
//! next prompt selects another.
//!
//! Two stages of substitution: `{{key}}` is a parameter of the scenario and is replaced before parsing (alone in its
//! quotes a number or truth value becomes bare), `${name}` is replaced when the step runs (see `values`).

mod step;

use std::{collections::BTreeMap, str::FromStr};

use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) use step::{Await, Awaited, Emit, Reaction, Spawn, Step, Trigger};

/// A checked script.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    labels: BTreeMap<String, usize>,
}

/// Why a text is no script.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScriptError {
    #[error("line {line}: {source}")]
    Step { line: usize, source: serde_json::Error },
    #[error("there is no label `{0}`")]
    Label(String),
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let mut steps = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| is_step(line)) {
            steps.push(step(line).map_err(|source| ScriptError::Step { line: index + 1, source })?);
        }
        let mut labels = BTreeMap::new();
        for (at, step) in steps.iter().enumerate() {
            if let Step::Label { name } = step {
                labels.insert(name.clone(), at);
            }
        }
        let missing = steps.iter().filter_map(target).find(|label| !labels.contains_key(*label));
        match missing {
            Some(label) => Err(ScriptError::Label(label.to_owned())),
            None => Ok(Self { steps, labels }),
        }
    }
}

impl Script {
    /// Where a label is; every label a step names exists.
    pub(super) fn position(&self, label: &str) -> usize {
        self.labels.get(label).copied().unwrap_or(self.steps.len())
    }
}

/// Whether a line holds anything.
pub(super) fn is_step(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

fn step(line: &str) -> Result<Step, serde_json::Error> {
    let mut step = serde_json::from_str(line)?;
    if let Step::Emit(emit) = &mut step
        && emit.json.is_some()
    {
        emit.text = Some(serde_json::from_str::<WholeFrame<'_>>(line)?.json.get().to_owned());
    }
    Ok(step)
}

/// The frame of an `emit` step with its keys in the order in which they were written.
#[derive(Deserialize)]
struct WholeFrame<'a> {
    #[serde(borrow)]
    json: &'a RawValue,
}

/// The label a step may jump to.
fn target(step: &Step) -> Option<&str> {
    let reaction = match step {
        Step::GotoIf { to, .. } => return Some(to),
        Step::Trap { reaction, .. } => Some(reaction),
        Step::Await(wait) => wait.on_timeout.as_ref(),
        _ => None,
    };
    match reaction {
        Some(Reaction::Goto(label)) => Some(label),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_keeps_its_text() {
        let script: Script = r#"{"op":"emit","json":{"z":"\u00e9","a":1}}"#.parse().unwrap();
        let Step::Emit(emit) = &script.steps[0] else { panic!("{script:?}") };
        assert_eq!(emit.text.as_deref(), Some(r#"{"z":"\u00e9","a":1}"#));
    }

    #[test]
    fn mistakes_are_found_before_anything_runs() {
        let error = |text: &str| text.parse::<Script>().unwrap_err().to_string();
        assert!(error("# fine\n{\"op\":\"dance\"}").starts_with("line 2: unknown variant `dance`"));
        assert!(error(r#"{"op":"delay","ms":1,"s":2}"#).contains("unknown field `s`"));
        assert_eq!(
            error(r#"{"op":"goto_if","cond":"always","to":"nowhere"}"#),
            "there is no label `nowhere`"
        );
        assert!(
            error(r#"{"op":"trap","sig":"TERM","do":"laugh"}"#)
                .contains("unknown reaction `laugh`")
        );
    }
}
