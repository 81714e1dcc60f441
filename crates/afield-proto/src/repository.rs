//! The state of the repository in a project's directory, asked from its runner before a session moves.

use serde::{Deserialize, Serialize};

/// Order: look at the repository of a project. The reply is [`RunnerRepository`], or INVALID_PATH with
/// the rule the path breaks. Only to a runner that has the feature `inspect`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct RunnerInspect {
    /// The project's directory.
    pub path: String,
}

/// A repository as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RunnerRepository {
    /// The commit that is checked out; absent when the directory is no repository with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Files that are changed or not known to it.
    pub changes: u32,
}

impl RunnerRepository {
    /// Why work can't go on in `other` what was begun here; `None` when it can.
    pub fn differs(&self, other: &Self) -> Option<String> {
        let (Some(here), Some(there)) = (&self.commit, &other.commit) else {
            let side = if self.commit.is_none() { "its own" } else { "the other" };
            return Some(format!("{side} directory is no git repository with a commit"));
        };
        if here != there {
            return Some(format!("it is at commit {here}, the other directory at {there}"));
        }
        match (self.changes, other.changes) {
            (0, 0) => None,
            (0, there) => Some(format!("the other directory has {there} changed files")),
            (here, _) => Some(format!("its own directory has {here} changed files")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(commit: Option<&str>, changes: u32) -> RunnerRepository {
        RunnerRepository { commit: commit.map(str::to_owned), changes }
    }

    #[test]
    fn only_the_same_clean_commit_will_do() {
        let clean = at(Some("aa"), 0);
        assert_eq!(clean.differs(&clean), None);
        for (here, there, word) in [
            (at(None, 0), clean.clone(), "its own directory is no git"),
            (clean.clone(), at(None, 0), "the other directory is no git"),
            (clean.clone(), at(Some("bb"), 0), "aa, the other directory at bb"),
            (at(Some("aa"), 2), clean.clone(), "its own directory has 2"),
            (clean.clone(), at(Some("aa"), 1), "the other directory has 1"),
        ] {
            let why = here.differs(&there).unwrap();
            assert!(why.contains(word), "{why}");
        }
    }
}
