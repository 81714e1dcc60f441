//! Web Push: what a device wants to be told while nobody looks at it, and what it is sent.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::approval::DangerLevel;
use crate::{ApprovalId, CommandId, DeviceId, ProjectId, Timestamp};

/// What a person can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum PushKind {
    /// An agent asks whether it may do something.
    Approval,
    /// An agent asks the person something.
    Question,
    /// A command failed, was interrupted or expired.
    Failure,
    /// A command's retries are used up.
    DeadLetter,
    /// A command is done.
    Finished,
    /// A runner went away, or is back.
    Runner,
}

impl PushKind {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Question => "question",
            Self::Failure => "failure",
            Self::DeadLetter => "dead_letter",
            Self::Finished => "finished",
            Self::Runner => "runner",
        }
    }

    /// Whether an agent stands still until the person comes.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Approval | Self::Question)
    }
}

/// A time of day, to the minute.
///
/// **Shape**: `"HH:MM"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct TimeOfDay(
    #[cfg_attr(feature = "schema", schemars(with = "String"), ts(type = "string"))] u16,
);

impl TimeOfDay {
    /// Minutes after midnight; those of the next day count from its midnight.
    pub fn from_minute(minute: u16) -> Self {
        Self(minute % (24 * 60))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A text that is no time of day.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is no time of day (such as 22:00)")]
pub struct TimeOfDayError(String);

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<Self, TimeOfDayError> {
        let number = |part: &str, below: u16| {
            let is_written = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            is_written.then(|| part.parse().ok()).flatten().filter(|number: &u16| *number < below)
        };
        let parts = text.split_once(':');
        let parts = parts.and_then(|(hour, minute)| Some((number(hour, 24)?, number(minute, 60)?)));
        let (hour, minute) =
            parts.ok_or_else(|| TimeOfDayError(text.chars().take(64).collect()))?;
        Ok(Self(hour * 60 + minute))
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Hours in which a device is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// From then.
    pub from: TimeOfDay,
    /// Until then; on the next day when it is not later. The same as `from`: all day.
    pub to: TimeOfDay,
    /// The place these times are of, such as `Europe/Berlin`.
    pub time_zone: String,
    /// Approvals and questions come all the same.
    #[serde(default)]
    pub urgent: bool,
}

/// What a device wants to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct PushSettings {
    /// Of what.
    pub kinds: Vec<PushKind>,
    /// When not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", ts(optional))]
    pub quiet: Option<QuietHours>,
}

impl Default for PushSettings {
    /// Everything that waits for the person or is over; not the coming and going of machines.
    fn default() -> Self {
        use PushKind::{Approval, DeadLetter, Failure, Finished, Question};
        Self { kinds: vec![Approval, Question, Failure, DeadLetter, Finished], quiet: None }
    }
}

/// The keys of a browser's subscription, as it gives them (base64url).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct PushKeys {
    /// Its public key.
    pub p256dh: String,
    /// Its secret.
    pub auth: String,
}

/// How a device stands with Web Push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct PushState {
    /// What it wants to be told.
    pub settings: PushSettings,
    /// The push service it is told through; absent without a subscription. Who knows the whole
    /// address can send to the device, so only its host is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// When it subscribed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribed_at: Option<Timestamp>,
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum PushOutcome {
    /// The push service took it. Whether the device has shown it, it does not say.
    Sent,
    /// It did not, and was not asked again.
    Failed,
    /// It does not know the subscription any more; the device must subscribe anew.
    Gone,
}

/// A line of a device's delivery log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct PushDelivery {
    /// When it was decided.
    pub at: Timestamp,
    /// What it was about; absent for a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PushKind>,
    /// Its title.
    pub title: String,
    /// What became of it.
    pub outcome: PushOutcome,
    /// How often it was sent.
    pub tries: u32,
    /// What the push service answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a device is sent, readable by it alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct PushMessage {
    /// What it is about; absent for a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PushKind>,
    /// One line.
    pub title: String,
    /// What follows below it; may be empty.
    pub body: String,
    /// Takes the place of an earlier one with the same tag.
    pub tag: String,
    /// How many things it tells of.
    pub count: u32,
    /// When it was decided.
    pub at: Timestamp,
    /// The project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// The runner that went or is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<DeviceId>,
    /// The command, when it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The approval, when it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<ApprovalId>,
    /// How dangerous what is asked is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub danger: Option<DangerLevel>,
    /// Answers that approval once, without another credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_written_one_way() {
        for good in ["00:00", "07:05", "23:59"] {
            assert_eq!(good.parse::<TimeOfDay>().unwrap().to_string(), good);
        }
        for bad in ["", "7:00", "24:00", "12:60", "12", "+1:00", "12:00:00", "１2:00"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad:?}");
        }
        assert_eq!(TimeOfDay::from_minute(24 * 60 + 1), "00:01".parse().unwrap());
    }
}
