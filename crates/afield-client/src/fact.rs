//! Reading facts from frames, by name: an agent's raw frame must survive, which generic tagged
//! reading would not let it.

use afield_proto::fact::Fact;
use afield_proto::wire::Incoming;
use afield_proto::{CommandId, DeviceId, ErrorBody, ProjectId, SessionId};
use serde::Deserialize;

#[derive(Deserialize)]
struct Deleted {
    project_id: ProjectId,
}

#[derive(Deserialize)]
struct Reset {
    session_id: SessionId,
    reason: afield_proto::fact::SessionResetReason,
}

#[derive(Deserialize)]
struct Killed {
    command_id: CommandId,
    by: DeviceId,
    killed: Vec<afield_proto::runner::KilledProcess>,
}

#[derive(Deserialize)]
struct GoneCommand {
    command_id: CommandId,
}

#[derive(Deserialize)]
struct GoneDevice {
    device_id: DeviceId,
}

/// The names of all facts this build knows.
pub(crate) const NAMES: [&str; 22] = [
    "project_state",
    "project_update",
    "project_deleted",
    "agent_message",
    "session_reset",
    "process_killed",
    "command_state",
    "command_gone",
    "approval_state",
    "runner_state",
    "device_state",
    "device_gone",
    "hold_state",
    "state_changed",
    "handoff_state",
    "device_message",
    "device_message_state",
    "device_presence",
    "server_stats",
    "health_check",
    "connection_health",
    "gap",
];

/// Reads a frame as a fact; `None` for a kind of fact this build does not know.
///
/// **Errors**: VALIDATION_FAILED when a known fact has another shape than expected.
pub fn read_fact(frame: &Incoming) -> Result<Option<Fact>, ErrorBody> {
    let fact = match frame.kind.as_str() {
        "project_state" => Fact::ProjectState(frame.data()?),
        "project_update" => Fact::ProjectUpdate(frame.data()?),
        "project_deleted" => {
            let Deleted { project_id } = frame.data()?;
            Fact::ProjectDeleted { project_id }
        }
        "agent_message" => Fact::AgentMessage(frame.data()?),
        "session_reset" => {
            let Reset { session_id, reason } = frame.data()?;
            Fact::SessionReset { session_id, reason }
        }
        "process_killed" => {
            let Killed { command_id, by, killed } = frame.data()?;
            Fact::ProcessKilled { command_id, by, killed }
        }
        "command_state" => Fact::CommandState(frame.data()?),
        "command_gone" => {
            let GoneCommand { command_id } = frame.data()?;
            Fact::CommandGone { command_id }
        }
        "approval_state" => Fact::ApprovalState(frame.data()?),
        "runner_state" => Fact::RunnerState(frame.data()?),
        "device_state" => Fact::DeviceState(frame.data()?),
        "device_gone" => {
            let GoneDevice { device_id } = frame.data()?;
            Fact::DeviceGone { device_id }
        }
        "hold_state" => Fact::HoldState(frame.data()?),
        "state_changed" => Fact::StateChanged(frame.data()?),
        "handoff_state" => Fact::HandoffState(frame.data()?),
        "device_message" => Fact::DeviceMessage(frame.data()?),
        "device_message_state" => Fact::DeviceMessageState(frame.data()?),
        "device_presence" => Fact::DevicePresence(frame.data()?),
        "server_stats" => Fact::ServerStats(frame.data()?),
        "health_check" => Fact::HealthCheck(frame.data()?),
        "connection_health" => Fact::ConnectionHealth(frame.data()?),
        "gap" => Fact::Gap(frame.data()?),
        _ => return Ok(None),
    };
    Ok(Some(fact))
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::Timestamp;
    use afield_proto::agent::{AgentMessage, Direction, MessageFlags, MessageKind};
    use afield_proto::approval::{Approval, ApprovalAsk, ApprovalKind, ApprovalState};
    use afield_proto::{ApprovalId, wire};
    use serde_json::value::RawValue;

    fn round_trip(fact: &Fact) -> Fact {
        let body = wire::fact_body(None, fact);
        let frame =
            Incoming::read(&wire::fact_frame(&body, None, Timestamp::now()).concat()).unwrap();
        read_fact(&frame).unwrap().unwrap()
    }

    #[test]
    fn an_agents_frame_survives() {
        let raw = r#"{"b":1.50, "a":[]}"#;
        let fact = Fact::AgentMessage(AgentMessage {
            timestamp: Timestamp::now(),
            direction: Direction::Claude,
            kind: MessageKind::Text,
            command_id: None,
            session_id: None,
            text: Some("hi".into()),
            tool: None,
            parent: None,
            news: None,
            flags: MessageFlags::default(),
            message: RawValue::from_string(raw.into()).unwrap(),
        });
        assert!(matches!(round_trip(&fact), Fact::AgentMessage(m) if m.message.get() == raw));
    }

    #[test]
    fn an_approvals_input_survives() {
        let raw = r#"{"command":"ls", "n":1.0}"#;
        let fact = Fact::ApprovalState(Approval {
            ask: ApprovalAsk {
                approval_id: ApprovalId::generate(),
                kind: ApprovalKind::Tool,
                tool: "Bash".into(),
                input: RawValue::from_string(raw.into()).unwrap(),
                title: None,
                reason: None,
                session_rule: false,
                rules: Vec::new(),
                directory: "/".into(),
            },
            project_id: ProjectId::generate(),
            command_id: CommandId::generate(),
            state: ApprovalState::Open,
            requested_at: Timestamp::now(),
            resolved_at: None,
            danger: None,
            resolved_by: None,
            answer: None,
        });
        assert!(matches!(round_trip(&fact), Fact::ApprovalState(a) if a.ask.input.get() == raw));
    }

    #[test]
    fn unknown_facts_are_no_errors() {
        let frame = Incoming::read(r#"{"type":"workflow_state","data":{}}"#).unwrap();
        assert!(read_fact(&frame).unwrap().is_none());
        for name in NAMES {
            let frame = Incoming::read(&format!(r#"{{"type":"{name}","data":7}}"#)).unwrap();
            assert!(read_fact(&frame).is_err(), "{name} is read, and 7 is none");
        }
    }
}
