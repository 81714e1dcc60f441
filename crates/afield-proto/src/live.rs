//! What a runner can do and how busy it is: the words of capability negotiation, and the small frame
//! that keeps them fresh.
//!
//! A beat is kept in the server's memory alone and never written.

use serde::{Deserialize, Serialize};

use crate::limits::{LABEL_BYTES_MAX, LABELS_MAX};
use crate::runner::{AgentFacts, RunnerFacts};

/// Tells how busy it is with `runner_beat`.
pub const BEAT: &str = "beat";
/// Answers the order `runner_inspect`.
pub const INSPECT: &str = "inspect";
/// Fetches the files that go with a command with `runner_blob`.
pub const ATTACH: &str = "attach";
/// What this build has beyond the base of its protocol version. Both sides name theirs; what both
/// have is used.
pub const FEATURES: [&str; 3] = [BEAT, INSPECT, ATTACH];

/// How well what an agent starts is kept together and apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Sandbox {
    /// Every process of an agent is in a control group of its own.
    Cgroup,
    /// With the rights of the runner's user; found again by process group and mark.
    #[default]
    #[serde(other)]
    None,
}

/// How busy a runner is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(default)]
pub struct RunnerLoad {
    /// How much of all its processors is in use, 0 to 100.
    pub percent: u32,
    /// Memory that is free for programs, in bytes.
    pub memory_free_bytes: u64,
    /// Commands it works on.
    pub executing: u32,
    /// Commands it would take now.
    pub free_slots: u32,
    /// Its disk takes no writes, most likely because it is full: what it was given does not start until it does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", ts(as = "Option<bool>", optional))]
    pub disk_refuses: bool,
}

/// How busy a runner is, now. There is no reply.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RunnerBeat {
    /// How busy.
    pub load: RunnerLoad,
    /// Its agents, when something about them has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<AgentFacts>>,
}

/// How a version compares with the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Skew {
    /// Older than the server.
    Older,
    /// Newer than the server.
    Newer,
}

impl Skew {
    /// How `theirs` compares with `ours`; `None` when they are equal or one is no version.
    pub fn of(ours: &str, theirs: &str) -> Option<Self> {
        match version(theirs)?.cmp(&version(ours)?) {
            std::cmp::Ordering::Less => Some(Self::Older),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Self::Newer),
        }
    }

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Older => "older",
            Self::Newer => "newer",
        }
    }
}

/// Major, minor, patch.
fn version(text: &str) -> Option<(u64, u64, u64)> {
    let core = text.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|part| part.parse().ok());
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

/// Whether a text is a label or the name of a tool: letters, digits and `._-:/+`, so that it can be
/// shown in a line and written into a selector.
pub fn is_label(text: &str) -> bool {
    let fits = !text.is_empty() && text.len() <= LABEL_BYTES_MAX;
    fits && text.chars().all(|letter| letter.is_alphanumeric() || "._-:/+".contains(letter))
}

/// What is wrong with a list of labels or tools, if something is.
pub fn check_labels(what: &str, labels: &[String]) -> Result<(), String> {
    if labels.len() > LABELS_MAX {
        return Err(format!("at most {LABELS_MAX} {what} are taken (limit labels)"));
    }
    match labels.iter().all(|label| is_label(label)) {
        true => Ok(()),
        false => Err(format!(
            "each of {what} must have 1 to {LABEL_BYTES_MAX} bytes (limit label_bytes): letters, \
             digits and . _ - : / +"
        )),
    }
}

impl RunnerFacts {
    /// What is wrong with the words a runner says about itself, if something is.
    pub fn check(&self) -> Result<(), String> {
        check_labels("labels", &self.labels)?;
        check_labels("tools", &self.tools)?;
        self.agents.iter().try_for_each(|agent| check_labels("abilities", &agent.can))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(Skew::of("0.10.0", "0.9.9"), Some(Skew::Older));
        assert_eq!(Skew::of("1.2.3", "1.2.3+linux"), None);
        assert_eq!(Skew::of("1.2.3", "2.0.0-rc1"), Some(Skew::Newer));
        assert_eq!(Skew::of("1.2.3", "unknown"), None);
    }

    #[test]
    fn hostile_labels_are_none() {
        for good in ["gpu", "box-2", "zone:eu/west", "c++", "büro"] {
            assert!(is_label(good), "{good}");
        }
        let long = "x".repeat(10_000);
        for bad in ["", " ", "a b", "a\nb", "\u{1b}[31mred", "a\u{202e}b", "a\"b", &long] {
            assert!(!is_label(bad), "{bad:?}");
        }
        assert!(check_labels("labels", &vec!["a".to_owned(); LABELS_MAX + 1]).is_err());
        let facts = RunnerFacts { tools: vec!["a\u{202e}b".into()], ..RunnerFacts::default() };
        assert!(facts.check().unwrap_err().contains("tools"));
    }

    #[test]
    fn words_of_later_versions_are_taken() {
        let facts: RunnerFacts = serde_json::from_str(r#"{"sandbox":"vm","later":1}"#).unwrap();
        assert_eq!(facts.sandbox, Sandbox::None);
    }
}
