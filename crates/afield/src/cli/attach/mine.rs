//! Which prompts were typed on this screen: they stand there already, and are not shown again when
//! the server tells everybody about them. One that had to wait is, in its place.

use std::collections::HashSet;

use afield_proto::CommandId;
use afield_proto::agent::{AgentMessage, MessageKind};
use afield_proto::command::{Command, CommandState};
use afield_proto::queue::Steer;

use crate::transcript::{steered, waiting};

/// The prompts typed here that have not come back yet.
#[derive(Debug, Default)]
pub(super) struct Mine {
    keys: HashSet<String>,
    commands: HashSet<CommandId>,
}

impl Mine {
    /// A prompt was sent with this key.
    pub(super) fn typed(&mut self, key: String) {
        self.keys.insert(key);
    }

    /// A command is in another state: one of these starts at once, waits, or is over.
    pub(super) fn accepted(&mut self, command: &Command) {
        if command.state.is_final() {
            self.commands.remove(&command.id);
        }
        let Some(key) = &command.key else { return };
        if self.keys.remove(key) && !has_to_wait(command) {
            self.commands.insert(command.id);
        }
    }

    /// Whether the message is a prompt that stands on this screen.
    pub(super) fn is_shown(&mut self, message: &AgentMessage) -> bool {
        message.kind == MessageKind::Prompt
            && message.command_id.is_some_and(|id| self.commands.remove(&id))
    }
}

/// Whether something else comes first.
pub(super) fn has_to_wait(command: &Command) -> bool {
    command.state == CommandState::Queued
        && matches!(command.waiting_for.as_deref(), Some("order" | "slot" | "hold" | "time"))
}

/// What is said to who typed a prompt that has to wait.
pub(super) fn queued(command: &Command) -> Option<String> {
    let id = crate::short_id::short(command.id);
    if command.steer == Some(Steer::Offered) {
        return Some(format!("goes into the turn that runs, as {id}"));
    }
    let what = steered(command).or_else(|| waiting(command)).filter(|_| has_to_wait(command))?;
    Some(format!("queued as {id}: {what} (afield queue explain {id})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::agent::{AgentKind, Direction, MessageFlags};
    use afield_proto::command::CommandKind;
    use afield_proto::queue::Priority;
    use afield_proto::{DeviceId, ProjectId, Timestamp};

    fn command(key: &str, waiting_for: &str) -> Command {
        Command {
            id: CommandId::generate(),
            project_id: ProjectId::generate(),
            runner_id: DeviceId::generate(),
            session_id: None,
            kind: CommandKind::Prompt,
            agent: AgentKind::Demo,
            state: CommandState::Queued,
            waiting_for: Some(waiting_for.into()),
            summary: String::new(),
            priority: Priority::Normal,
            key: Some(key.into()),
            order: None,
            not_before: None,
            expires_at: None,
            held_by: None,
            steer: None,
            into: None,
            kill_requested_by: None,
            attempt: 0,
            submitted_by: DeviceId::generate(),
            created_at: Timestamp::now(),
            leased_at: None,
            started_at: None,
            finished_at: None,
            outcome: None,
        }
    }

    fn prompt(command: &Command) -> AgentMessage {
        AgentMessage {
            timestamp: Timestamp::now(),
            direction: Direction::Client,
            kind: MessageKind::Prompt,
            command_id: Some(command.id),
            session_id: None,
            text: Some("hi".into()),
            tool: None,
            parent: None,
            news: None,
            flags: MessageFlags::default(),
            message: serde_json::value::RawValue::from_string("{}".into()).unwrap(),
        }
    }

    #[test]
    fn ones_own_prompt_is_shown_once() {
        let mut mine = Mine::default();
        let (at_once, waits, other) =
            (command("a", "runner"), command("b", "order"), command("c", "runner"));
        mine.typed("a".into());
        mine.typed("b".into());
        for command in [&at_once, &waits, &other] {
            mine.accepted(command);
        }
        assert!(mine.is_shown(&prompt(&at_once)));
        assert!(!mine.is_shown(&prompt(&at_once)), "once is once");
        assert!(!mine.is_shown(&prompt(&waits)), "it is shown when its turn begins");
        assert!(!mine.is_shown(&prompt(&other)));
        assert_eq!(queued(&at_once), None);
        assert!(queued(&waits).unwrap().starts_with("queued as"));
    }
}
