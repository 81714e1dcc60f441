//! Devices: anything paired, and what it may do.

use serde::{Deserialize, Serialize};

use crate::live::Skew;
use crate::{DeviceId, MessageId, Timestamp};

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// The server's own machine (its command line and console).
    Console,
    /// A command-line client.
    Cli,
    /// A web browser, on a phone or a computer.
    Browser,
    /// An editor extension.
    Editor,
    /// A runner: hosts projects and executes commands.
    Runner,
}

/// One thing a device may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See projects, history and events.
    View,
    /// Answer approvals.
    Approve,
    /// Send prompts, stop agents, manage projects.
    Prompt,
    /// Run plain commands, and let agents start programs unasked.
    Shell,
    /// Manage devices and settings.
    Admin,
    /// Be a runner.
    Runner,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 6] =
        [Self::View, Self::Approve, Self::Prompt, Self::Shell, Self::Admin, Self::Runner];

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Approve => "approve",
            Self::Prompt => "prompt",
            Self::Shell => "shell",
            Self::Admin => "admin",
            Self::Runner => "runner",
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no list of scopes.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is no scope (view, approve, prompt, shell, admin, runner, or all)")]
pub struct ScopeError(String);

/// What a device may do.
///
/// **Shape**: a list of words on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// Everything a person's device can do (all but being a runner).
    pub fn all() -> Self {
        Scope::ALL.into_iter().filter(|scope| *scope != Scope::Runner).collect()
    }

    /// Whether this scope is among them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// Whether every scope of `other` is among them.
    pub fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The scopes, in order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }

    /// As one number, for storage.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// From the number in storage; unknown bits are dropped.
    pub fn from_bits(bits: u8) -> Self {
        let known = Scope::ALL.into_iter().fold(0, |all, scope| all | 1 << scope as u8);
        Self(bits & known)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u8))
    }
}

impl std::str::FromStr for Scopes {
    type Err = ScopeError;

    /// `all`, or words separated by commas.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.trim() == "all" {
            return Ok(Self::all());
        }
        let word = |word: &str| {
            let named = Scope::ALL.into_iter().find(|scope| scope.name() == word.trim());
            named.ok_or_else(|| ScopeError(word.trim().to_owned()))
        };
        text.split(',').map(word).collect()
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self.iter().map(Scope::name).collect();
        f.write_str(&words.join(","))
    }
}

impl Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Scope>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// How a device shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// By a token: whoever has it is the device.
    Token,
    /// By a key that never leaves it.
    Key,
}

/// What a device says about the machine it runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct DeviceAbout {
    /// Operating system and architecture, such as `linux x86_64`.
    #[serde(default)]
    pub system: String,
    /// Version of its Afield.
    #[serde(default)]
    pub version: String,
}

/// Whether a name of a device can be shown in a line: 1 to 200 bytes, no control characters, and
/// none that turns, hides or joins what stands beside it.
pub fn is_name(name: &str) -> bool {
    let fits = !name.trim().is_empty() && name.len() <= crate::limits::NAME_BYTES_MAX;
    fits && !name.chars().any(is_hostile)
}

/// What can't be seen or moves what stands beside it: control characters, marks of direction, and
/// characters without width.
pub fn is_hostile(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// A name as it is shown: what [`is_name`] does not allow is written out.
pub fn shown_name(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for letter in name.chars() {
        match is_hostile(letter) {
            true => shown.extend(letter.escape_unicode()),
            false => shown.push(letter),
        }
        if shown.len() >= crate::limits::NAME_BYTES_MAX {
            shown.push('…');
            break;
        }
    }
    shown
}

/// A device as its owner sees it. The credential itself is never shown again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Its name, chosen by its owner.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// What it may do.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Scope>"), ts(as = "Vec<Scope>"))]
    pub scopes: Scopes,
    /// How it shows who it is.
    pub credential: CredentialKind,
    /// What it said about its machine when it was paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub about: Option<DeviceAbout>,
    /// The words its owner gave it, for selectors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<String>>", optional))]
    pub labels: Vec<String>,
    /// Its rank when work is placed by order: greater is asked first.
    #[serde(default)]
    pub priority: i32,
    /// How its version compares with the server's; only in lists, absent when it is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub skew: Option<Skew>,
    /// Whether it is there; only in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub presence: Option<Presence>,
    /// Since its last sign of life, in milliseconds; only in lists, absent when none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub silent_ms: Option<u64>,
    /// From where it last connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub last_address: Option<String>,
    /// When it was first paired.
    pub created_at: Timestamp,
    /// When it last connected, as far as the store knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub last_seen_at: Option<Timestamp>,
    /// When its credential ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub expires_at: Option<Timestamp>,
    /// When it was thrown out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub revoked_at: Option<Timestamp>,
}

/// How present a device is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Connected, and heard of lately.
    Online,
    /// Connected, and silent for longer than it should be.
    Stale,
    /// Not connected.
    Away,
    /// A runner that said it falls asleep, and was not heard of since.
    Asleep,
    /// Thrown out.
    Revoked,
}

impl Presence {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Stale => "stale",
            Self::Away => "away",
            Self::Asleep => "asleep",
            Self::Revoked => "revoked",
        }
    }
}

/// How present a device is, and on what evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct DevicePresence {
    /// Which device.
    pub device_id: DeviceId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// In one word.
    pub presence: Presence,
    /// Since its last sign of life, in milliseconds; absent when none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_ms: Option<u64>,
    /// Its open connections.
    pub connections: u32,
    /// When this was seen.
    pub at: Timestamp,
}

/// A message from device to device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct DeviceMessage {
    /// The same however often it comes: what has come is not to be done again.
    pub id: MessageId,
    /// The device it comes from.
    pub from: DeviceId,
    /// Its name.
    pub from_name: String,
    /// What it says.
    #[cfg_attr(feature = "schema", ts(type = "unknown"))]
    pub body: serde_json::Value,
    /// When the server took it.
    pub sent_at: Timestamp,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// On the server's disk, until its receiver comes.
    Held,
    /// Its receiver has acknowledged it.
    Delivered,
}

/// How far a message is, told to its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct MessageStatus {
    /// Which message.
    pub id: MessageId,
    /// Its receiver.
    pub to: DeviceId,
    /// How far it is.
    pub state: MessageState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_no_names_and_are_shown_written_out() {
        for good in ["phone", "Zoë’s 📱", "箱"] {
            assert!(is_name(good), "{good}");
            assert_eq!(shown_name(good), good);
        }
        let long = "x".repeat(10_000);
        for bad in ["", "  ", "a\nb", "\u{1b}[31mred", "a\u{202e}b", "a\u{200b}b", &long] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert_eq!(shown_name("a\u{202e}b\n"), "a\\u{202e}b\\u{a}");
        assert!(shown_name(&long).len() < 210);
    }

    #[test]
    fn scopes_are_words_outside_and_bits_inside() {
        let scopes: Scopes = "view, prompt".parse().unwrap();
        assert_eq!(serde_json::to_string(&scopes).unwrap(), r#"["view","prompt"]"#);
        assert_eq!(Scopes::from_bits(scopes.bits()), scopes);
        assert!(Scopes::all().includes(scopes) && !Scopes::all().has(Scope::Runner));
        assert!("view,root".parse::<Scopes>().is_err());
    }
}
