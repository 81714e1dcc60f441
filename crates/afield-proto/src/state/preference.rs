//! What a device starts with when nothing else is said: its register `pref:device/<id>`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::StateKey;
use crate::agent::AgentKind;
use crate::{DeviceId, ProjectId};

/// What a device prefers.
///
/// **Shape**: the value of the register. It is written by any version: what can't be read is not
/// preferred.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(optional_fields))]
pub struct DevicePreference {
    /// Where work goes that names no place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Who does it where its project has no agent of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentKind>,
}

impl DevicePreference {
    /// The register of a device.
    pub fn key(device: DeviceId) -> StateKey {
        StateKey(format!("pref:device/{device}"))
    }

    /// What a register holds.
    pub fn read(value: Option<&Value>) -> Self {
        let none = Map::new();
        let fields = value.and_then(Value::as_object).unwrap_or(&none);
        let field = |name: &str| fields.get(name).cloned().unwrap_or(Value::Null);
        Self {
            project_id: serde_json::from_value(field("project_id")).ok(),
            agent: serde_json::from_value(field("agent")).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_read_is_not_preferred() {
        let (project_id, agent) = (Some(ProjectId::generate()), Some(AgentKind::Demo));
        let both = DevicePreference { project_id, agent };
        assert_eq!(DevicePreference::read(Some(&serde_json::json!(both))), both);
        let odd = serde_json::json!({ "project_id": 7, "agent": "demo", "more": true });
        let read = DevicePreference::read(Some(&odd));
        assert_eq!(read, DevicePreference { project_id: None, agent });
        for nothing in [None, Some(&Value::Null), Some(&Value::from("x"))] {
            assert_eq!(DevicePreference::read(nothing), DevicePreference::default());
        }
        let key = DevicePreference::key(DeviceId::generate());
        assert!(key.as_str().parse::<StateKey>().is_ok());
    }
}
