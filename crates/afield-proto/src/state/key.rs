//! Keys of registers: the class, and the name within it.

use serde::{Deserialize, Deserializer, Serialize};

/// Longest key, in bytes: a class, two ids and a word.
pub(super) const KEY_BYTES_MAX: usize = 200;

/// What a register is for, and by that how late writes are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A preference: the last write stands.
    Pref,
    /// Something pinned: the last write stands.
    Pin,
    /// How far something was read: the greatest number stands.
    Read,
    /// A text being typed: what was typed without knowing the other stands beside it.
    Draft,
}

impl Class {
    const ALL: [Self; 4] = [Self::Pref, Self::Pin, Self::Read, Self::Draft];

    /// The word in front of the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pref => "pref",
            Self::Pin => "pin",
            Self::Read => "read",
            Self::Draft => "draft",
        }
    }
}

/// The key of a register.
///
/// **Shape**: `pref:<name>`, `pin:<name>`, `read:<name>` or `draft:<name>`; the name of letters,
/// digits and `._:/-`. What belongs to a session has the session's id as its name, or in front.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct StateKey(pub(super) String);

/// A text that is no key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// Too long.
    #[error("a key of {0} bytes: at most {KEY_BYTES_MAX} are taken (limit state_key_bytes)")]
    Long(usize),
    /// Nothing of the four.
    #[error("{0:?} is no key (pref:, pin:, read: or draft: and a name of letters, digits, ._:/-)")]
    Shape(String),
}

impl StateKey {
    /// What the register is for.
    pub fn class(&self) -> Class {
        parts(&self.0).expect("only what has both parts becomes a key").0
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn parts(text: &str) -> Option<(Class, &str)> {
    let (word, name) = text.split_once(':')?;
    let class = Class::ALL.into_iter().find(|class| class.name() == word)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
    (!name.is_empty() && name.chars().all(fits)).then_some((class, name))
}

impl std::str::FromStr for StateKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() > KEY_BYTES_MAX {
            return Err(KeyError::Long(text.len()));
        }
        match parts(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(KeyError::Shape(text.chars().take(64).collect())),
        }
    }
}

impl std::fmt::Display for StateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StateKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_a_class_and_a_name() {
        let key: StateKey = "draft:0190-a/b.c:d".parse().unwrap();
        assert_eq!((key.class(), key.as_str()), (Class::Draft, "draft:0190-a/b.c:d"));
        for bad in ["", "pref", "pref:", "focus:x", "pref:a b", "pref:ü", "pref:\0", ":x"] {
            assert!(bad.parse::<StateKey>().is_err(), "{bad}");
        }
        let long = format!("pref:{}", "x".repeat(KEY_BYTES_MAX));
        assert!(long.parse::<StateKey>().unwrap_err().to_string().contains("state_key_bytes"));
    }
}
