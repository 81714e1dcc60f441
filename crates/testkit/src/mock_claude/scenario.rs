//! Which script plays: the built-in scenarios by name, their parameters, and the markers in prompts. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    script::{self, Script, ScriptError},
    values,
};

/// A scenario with the parameters someone chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) name: String,
    params: BTreeMap<String, String>,
}

/// Why a choice cannot be played.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChoiceError {
    #[error("unknown scenario `{0}`")]
    Unknown(String),
    #[error("scenario `{name}` has no parameter `{param}`")]
    Param { name: String, param: String },
    #[error("scenario `{name}`: {source}")]
    Script { name: String, source: ScriptError },
}

/// Every scenario can be told with which code SIGINT ends it.
const INT_PARAM: &str = "int";

macro_rules! built_in {
    ($($name:ident,)*) => {
        &[$((
            stringify!($name),
            include_str!(concat!("../../fixtures/scenarios/", stringify!($name), ".jsonl")),
        )),*]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in![
    success,
    multi_tool,
    partial,
    permission,
    permission_cancel,
    permission_double,
    ask_user,
    defer,
    error_result,
    api_error,
    max_turns,
    max_budget,
    auth_required,
    exit_nonzero,
    no_result,
    crash_mid_line,
    hang,
    hang_after_tool,
    hang_after_result,
    ignore_term,
    slow_term,
    grandchildren,
    huge_line,
    invalid_json,
    invalid_utf8,
    slow_drip,
    burst,
    resume_unknown,
    session_in_use,
    stderr_noise,
    new_session_id,
    interrupt,
    interrupt_lost,
    bg_task,
    double_result,
    queue,
    steer,
    unknown_frames,
    rate_limited,
    subagents,
    compact,
    mcp_sdk,
    env_check,
    big_stdin,
    close_stdout_early,
    file_edit,
];

/// The names of the built-in scenarios.
pub fn scenario_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// A scenario as it is.
pub(super) fn plain(name: &str) -> Choice {
    Choice { name: name.to_owned(), params: BTreeMap::new() }
}

/// Reads `name[,key=value…]`; spaces separate as commas do.
pub(super) fn choice(text: &str) -> Choice {
    let mut words = text.split([',', ' ']).filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default().to_owned();
    let params = words.map(|word| word.split_once('=').unwrap_or((word, "1")));
    Choice { name, params: params.map(|(key, value)| (key.to_owned(), value.to_owned())).collect() }
}

/// The choices marked in a prompt as `[[mock:…]]`, in order.
pub(super) fn markers(prompt: &str) -> Vec<Choice> {
    let marked = prompt.split("[[mock:").skip(1);
    marked.filter_map(|text| Some(choice(text.split_once("]]")?.0))).collect()
}

/// Makes the script of a choice.
pub(super) fn load(choice: &Choice) -> Result<Script, ChoiceError> {
    let name = &choice.name;
    let (_, text) = BUILT_IN
        .iter()
        .find(|(known, _)| known == name)
        .ok_or_else(|| ChoiceError::Unknown(name.clone()))?;
    let (mut params, steps) = split(text);
    for (param, value) in &choice.params {
        if param != INT_PARAM && !params.contains_key(param) {
            return Err(ChoiceError::Param { name: name.clone(), param: param.clone() });
        }
        params.insert(param.clone(), value.clone());
    }
    let text = fill(&steps, &params);
    text.parse().map_err(|source| ChoiceError::Script { name: name.clone(), source })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    params: BTreeMap<String, String>,
}

/// Separates the parameters, with their defaults, from the steps.
fn split(text: &str) -> (BTreeMap<String, String>, String) {
    let mut params = BTreeMap::new();
    let mut steps = String::new();
    for line in text.lines().filter(|line| script::is_step(line)) {
        match serde_json::from_str::<Header>(line) {
            Ok(header) => params = header.params,
            Err(_) => steps.extend([line, "\n"]),
        }
    }
    (params, steps)
}

fn fill(steps: &str, params: &BTreeMap<String, String>) -> String {
    let mut text = match params.get(INT_PARAM) {
        Some(code) => {
            format!("{{\"op\":\"trap\",\"sig\":\"INT\",\"do\":\"exit:{code}\"}}\n{steps}")
        }
        None => steps.to_owned(),
    };
    for (key, value) in params {
        if value.parse::<u64>().is_ok() || value.parse::<bool>().is_ok() {
            text = text.replace(&format!("\"{{{{{key}}}}}\""), value);
        }
        text = text.replace(&format!("{{{{{key}}}}}"), &values::escape(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_loads() {
        for name in scenario_names() {
            load(&plain(name)).unwrap();
        }
        assert_eq!(scenario_names().count(), 46);
    }

    #[test]
    fn markers_are_found_anywhere_in_a_prompt() {
        let found =
            markers("please [[mock:permission tool=Bash]] and then [[mock:burst,n=3]] [[mock:open");
        assert_eq!(found, [choice("permission,tool=Bash"), choice("burst,n=3")]);
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(load(&choice("nope")).unwrap_err().to_string(), "unknown scenario `nope`");
        let error = load(&choice("burst,m=3")).unwrap_err();
        assert_eq!(error.to_string(), "scenario `burst` has no parameter `m`");
        assert!(load(&choice("success,int=0")).is_ok());
        assert!(load(&choice("burst,n=many")).is_err());
    }
}
