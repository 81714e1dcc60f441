//! What keeps a command from starting, in few words for a list, and what to do about it.

use afield_proto::Timestamp;
use afield_proto::command::{Command, CommandState};
use afield_proto::queue::{Hold, WaitReason, Waiting};

use super::names::Names;
use crate::short_id::short;
use crate::words::{ahead, shell};

/// The hold of a command's project, its runner or everything.
fn hold<'a>(command: &Command, names: &'a Names) -> Option<&'a Hold> {
    names.holds.iter().find(|hold| match (hold.project_id, hold.runner_id) {
        (Some(project), _) => project == command.project_id,
        (None, Some(runner)) => runner == command.runner_id,
        (None, None) => hold.command_id.is_none(),
    })
}

/// The state of a command, and what it waits for, for a list. The list tells about the command
/// alone; what holds its project and whether its runner is there is added here.
pub(super) fn state(command: &Command, names: &Names, now: Timestamp) -> String {
    let state = command.state.name();
    match waits(command, names, now) {
        Some(what) => format!("{state}: {what}"),
        None => state.to_owned(),
    }
}

fn waits(command: &Command, names: &Names, now: Timestamp) -> Option<String> {
    let word = command.waiting_for.as_deref()?;
    let runner = names.runners.iter().find(|runner| runner.runner_id == command.runner_id);
    let away = runner.filter(|runner| !runner.online);
    if word == "start" && refuses(command, names) {
        return Some("disk".to_owned());
    }
    if word == "runner" && runner.is_none() {
        return Some("no runner fits".to_owned());
    }
    Some(match (word, command.not_before, away) {
        ("time", Some(at), _) if at > now => format!("in {}", ahead(at.since(now))),
        ("runner", ..) if hold(command, names).is_some() => "hold".to_owned(),
        ("runner" | "start", _, Some(runner)) => format!("{} is away", runner.name),
        ("runner", _, None) => "slot".to_owned(),
        (other, ..) => other.to_owned(),
    })
}

/// Whether the disk of its runner takes no writes.
fn refuses(command: &Command, names: &Names) -> bool {
    let mut its = names.runners.iter().filter(|runner| runner.runner_id == command.runner_id);
    its.any(|runner| {
        let load = runner.facts.as_ref().and_then(|facts| facts.load);
        runner.online && load.is_some_and(|load| load.disk_refuses)
    })
}

/// What to do about a command that is not running.
pub(super) fn advice(command: &Command, waiting: Option<&Waiting>, names: &Names) -> String {
    let id = short(command.id);
    let Some(waiting) = waiting else { return after(command, names) };
    match waiting.reason {
        WaitReason::Time => format!("start it now: afield queue edit {id} --not-before now"),
        WaitReason::Hold => format!("afield queue release {}", held_what(command, names)),
        WaitReason::Order | WaitReason::Slot => match waiting.command_id.map(short) {
            Some(other) => format!(
                "see that one: afield queue explain {other}; or stop it: afield queue cancel {other}"
            ),
            None => "see what runs: afield queue ls --state running".to_owned(),
        },
        WaitReason::Runner if waiting.runner_id.is_none() => format!(
            "nothing, it goes to the first runner that fits (afield devices label gives labels); \
             or: afield queue cancel {id}"
        ),
        WaitReason::Runner if command.state != CommandState::Queued => format!(
            "start its runner; if it never comes back: afield queue resolve {id} --requeue, \
             --failed or --succeeded"
        ),
        WaitReason::Runner => format!(
            "start its runner (afield up, or afield runner, on its machine): it starts by itself \
             then; or: afield queue cancel {id}"
        ),
        WaitReason::Limit => {
            format!("nothing, it starts by itself then; or: afield queue cancel {id}")
        }
        WaitReason::Approval => "answer: afield approvals".to_owned(),
        WaitReason::Start if refuses(command, names) => format!(
            "make room on the disk of {}: it starts by itself then; or: afield queue cancel {id}",
            shell(&names.device(command.runner_id))
        ),
        WaitReason::Start => "nothing, it starts in a moment".to_owned(),
    }
}

fn held_what(command: &Command, names: &Names) -> String {
    if command.held_by.is_some() {
        return short(command.id);
    }
    match hold(command, names).map(|hold| (hold.project_id, hold.runner_id)) {
        Some((Some(project), _)) => format!("--project {project}"),
        Some((None, Some(runner))) => format!("--runner {}", shell(&names.device(runner))),
        Some((None, None)) | None => "--all".to_owned(),
    }
}

/// What can be done with a command that runs or is over.
fn after(command: &Command, names: &Names) -> String {
    let id = short(command.id);
    let project = shell(&names.project(command.project_id));
    match command.state {
        CommandState::Queued | CommandState::Leased => "nothing, it starts in a moment".to_owned(),
        CommandState::Running => {
            format!("watch it: afield attach -p {project}; or stop it: afield queue cancel {id}")
        }
        CommandState::Succeeded => format!("read it: afield history -p {project}"),
        CommandState::Interrupted => format!(
            "look what it did, then: afield queue resolve {id} --requeue, --failed or --succeeded"
        ),
        CommandState::Dead => {
            format!(
                "start it again: afield queue retry {id}; or forget it: afield queue purge {id}"
            )
        }
        CommandState::Failed | CommandState::Cancelled | CommandState::Expired => {
            format!("start it again: afield queue retry {id}")
        }
    }
}
