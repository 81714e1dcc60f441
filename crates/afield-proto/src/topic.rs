//! Topics: what can be followed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::{OrgId, ProjectId, UserId};

/// A numbered stream of events.
///
/// **Shape**: `project:<id>`, `run:<id>`, `user:<id>`, `org:<id>` on the wire and in storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Everything that happens in a project.
    Project(ProjectId),
    /// One execution of a workflow.
    Run(Uuid),
    /// What concerns one person on every device.
    User(UserId),
    /// What concerns everybody in an org: projects, runners and devices coming and going.
    Org(OrgId),
}

/// A string that names no topic.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is no topic (project:<id>, run:<id>, user:<id> or org:<id> is expected)")]
pub struct TopicError(String);

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Project(id) => write!(f, "project:{id}"),
            Self::Run(id) => write!(f, "run:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Org(id) => write!(f, "org:{id}"),
        }
    }
}

impl std::str::FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let bad = || TopicError(text.chars().take(64).collect());
        let (family, id) = text.split_once(':').ok_or_else(bad)?;
        let id = Uuid::parse_str(id).map_err(|_| bad())?;
        match family {
            "project" => Ok(Self::Project(id.into())),
            "run" => Ok(Self::Run(id)),
            "user" => Ok(Self::User(id.into())),
            "org" => Ok(Self::Org(id.into())),
            _ => Err(bad()),
        }
    }
}

impl Serialize for Topic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Topic {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Topic".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(project|run|user|org):[0-9a-f-]{36}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses() {
        let topic = Topic::Project(ProjectId::generate());
        assert_eq!(topic.to_string().parse::<Topic>().unwrap(), topic);
        for bad in ["", "project", "project:", "project:x", "room:0190", "org:%00"] {
            assert!(bad.parse::<Topic>().is_err(), "{bad}");
        }
    }
}
