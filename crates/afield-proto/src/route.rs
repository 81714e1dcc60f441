//! Routing: how a command that was sent to whichever runner fits came to the one it is on, and why.

use serde::{Deserialize, Serialize};

use crate::{DeviceId, ProjectId, Timestamp};

/// Runners a sender may name in the order they are asked.
pub const PREFER_MAX: usize = 100;
/// Decisions that are kept of one command; of more, the oldest go.
pub const DECISIONS_MAX: usize = 16;
/// Candidates that are told of one decision; of more, only their number.
pub const CANDIDATES_MAX: usize = 12;

/// How one of several runners that fit is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RouteMode {
    /// Connected and free before others; of two taken by chance, the one with less to do.
    #[default]
    Best,
    /// Each in its turn.
    RoundRobin,
    /// The runner of the session that is named.
    Sticky,
    /// The first that is connected, in the order the sender named or of the devices' priority.
    Order,
}

impl RouteMode {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::RoundRobin => "round_robin",
            Self::Sticky => "sticky",
            Self::Order => "order",
        }
    }
}

/// What a command's sender asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RouteWish {
    /// Any runner this is true of.
    pub selector: String,
    /// Its project at this path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How one of several is chosen.
    pub mode: RouteMode,
    /// With `order`: who is asked first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", ts(as = "Option<Vec<DeviceId>>"))]
    pub prefer: Vec<DeviceId>,
}

/// How a command came to where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Route {
    /// What was asked for.
    pub wish: RouteWish,
    /// Whether it has a runner. Otherwise it waits for one that fits.
    pub placed: bool,
    /// Every decision, the first one first.
    pub decisions: Vec<RouteDecision>,
}

/// Why a place was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RouteCause {
    /// It was submitted.
    Submitted,
    /// It had waited for a runner that fits.
    Fits,
    /// Its runner was away for too long.
    Lost,
    /// Its runner said that it falls asleep.
    Asleep,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RouteDecision {
    /// When.
    pub at: Timestamp,
    /// Why something was decided.
    pub cause: RouteCause,
    /// Where to; absent when nobody fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<DeviceId>,
    /// Its project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Why there, for people.
    pub reason: String,
    /// Places that were looked at.
    pub considered: u32,
    /// Places that fitted.
    pub fitted: u32,
    /// Those that matter most: the chosen one, others that fitted, some that did not.
    pub candidates: Vec<RouteCandidate>,
}

/// What was found about a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct RouteCandidate {
    /// The runner.
    pub runner_id: DeviceId,
    /// Its name then.
    pub runner: String,
    /// The project; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// What became of it.
    pub verdict: RouteVerdict,
    /// Why, for people.
    pub reason: String,
}

/// What became of a place that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RouteVerdict {
    /// The command went there.
    Chosen,
    /// It could have.
    Fits,
    /// It could not.
    Rejected,
}

impl RouteVerdict {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Fits => "fits",
            Self::Rejected => "rejected",
        }
    }
}
