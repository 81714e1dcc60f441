//! Who is told what by Web Push, and when.
//!
//! The server hands in facts as they are committed, and sends what comes out. Nothing here knows a
//! subscription or the network.

pub mod gather;
pub mod retry;
pub mod words;

use afield_proto::approval::{Approval, ApprovalKind, ApprovalState, DangerLevel};
use afield_proto::command::{Command, CommandKind, CommandState};
use afield_proto::device::{Scope, Scopes, shown_name};
use afield_proto::fact::RunnerState;
use afield_proto::push::{PushKind, PushSettings, QuietHours, TimeOfDay};
use afield_proto::queue::Steer;
use afield_proto::{ApprovalId, CommandId, DeviceId, ProjectId};
use serde_json::Value;

/// Fields of a tool's input that say what it is about, the first there is.
const TELLING: [&str; 7] =
    ["command", "file_path", "notebook_path", "url", "pattern", "query", "description"];

/// What things are told together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// What happens in a project.
    Project(ProjectId),
    /// A runner that comes and goes.
    Runner(DeviceId),
}

/// One thing worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is.
    pub kind: PushKind,
    /// Where.
    pub subject: Subject,
    /// What happened, to stand behind the name of where.
    pub what: String,
    /// More about it; may be empty.
    pub more: String,
    /// The command.
    pub command_id: Option<CommandId>,
    /// The approval.
    pub approval: Option<Asked>,
    /// Of a runner: whether it is there.
    pub presence: Option<bool>,
}

/// The approval a notice tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Which.
    pub id: ApprovalId,
    /// How dangerous what is asked is.
    pub danger: Option<DangerLevel>,
    /// A plain yes or no answers it.
    pub is_plain: bool,
}

/// What follows from a change of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is to be told.
    Tell(Notice),
    /// It is over: nobody needs to hear of it any more.
    Over(ApprovalId),
}

/// What an approval gives to tell.
pub fn of_approval(approval: &Approval) -> Change {
    let ask = &approval.ask;
    if approval.state != ApprovalState::Open {
        return Change::Over(ask.approval_id);
    }
    let kind = match ask.kind {
        ApprovalKind::Question => PushKind::Question,
        ApprovalKind::Tool | ApprovalKind::Plan => PushKind::Approval,
    };
    let what = match ask.kind {
        ApprovalKind::Tool => format!("may {} run?", shown_name(&ask.tool)),
        ApprovalKind::Question => "the agent asks you".to_owned(),
        ApprovalKind::Plan => "is this plan good?".to_owned(),
    };
    let danger = approval.danger.as_ref().map(|danger| danger.level);
    let is_plain = kind == PushKind::Approval;
    Change::Tell(Notice {
        kind,
        subject: Subject::Project(approval.project_id),
        what,
        more: shown_name(&asked_for(approval)),
        command_id: Some(approval.command_id),
        approval: Some(Asked { id: ask.approval_id, danger, is_plain }),
        presence: None,
    })
}

/// What is asked for, in one line.
fn asked_for(approval: &Approval) -> String {
    let input: Value = serde_json::from_str(approval.ask.input.get()).unwrap_or_default();
    let question = input["questions"][0]["question"].as_str();
    let telling = TELLING.iter().find_map(|field| input[*field].as_str());
    let title = approval.ask.title.as_deref();
    question.or(telling).or(title).unwrap_or_default().to_owned()
}

/// What a command gives to tell; nothing before it is over, or when somebody stopped it.
pub fn of_command(command: &Command) -> Option<Notice> {
    let is_work = matches!(command.kind, CommandKind::Prompt | CommandKind::Shell);
    // Words into a turn end with that turn, which is told.
    if !is_work || command.steer == Some(Steer::Taken) {
        return None;
    }
    let (kind, what) = match command.state {
        CommandState::Succeeded => (PushKind::Finished, "done".to_owned()),
        CommandState::Failed => (PushKind::Failure, "failed".to_owned()),
        CommandState::Interrupted => {
            (PushKind::Failure, "interrupted; nobody knows how far it came".to_owned())
        }
        CommandState::Expired => (PushKind::Failure, "expired before it could start".to_owned()),
        CommandState::Dead => {
            (PushKind::DeadLetter, format!("given up after {} tries", command.attempt))
        }
        CommandState::Queued
        | CommandState::Leased
        | CommandState::Running
        | CommandState::Cancelled => return None,
    };
    Some(Notice {
        kind,
        subject: Subject::Project(command.project_id),
        what,
        more: shown_name(&command.summary),
        command_id: Some(command.id),
        approval: None,
        presence: None,
    })
}

/// What the state of a runner gives to tell.
pub fn of_runner(runner: &RunnerState) -> Notice {
    let what = if runner.online { "is back" } else { "is away" };
    Notice {
        kind: PushKind::Runner,
        subject: Subject::Runner(runner.runner_id),
        what: what.to_owned(),
        more: String::new(),
        command_id: None,
        approval: None,
        presence: Some(runner.online),
    }
}

/// A device that could be told.
#[derive(Debug, Clone, Copy)]
pub struct Listener<'a> {
    /// What it wants.
    pub settings: &'a PushSettings,
    /// What it may do.
    pub scopes: Scopes,
    /// Somebody sees its screen.
    pub is_looking: bool,
    /// The time where its quiet hours are; `None` when that place is not known.
    pub local: Option<TimeOfDay>,
}

/// Whether a device is told of something of this kind now.
pub fn is_told(listener: Listener<'_>, kind: PushKind) -> bool {
    let needs = if kind.is_urgent() { Scope::Approve } else { Scope::View };
    let wanted = listener.settings.kinds.contains(&kind) && listener.scopes.has(needs);
    wanted && !listener.is_looking && !is_quiet(listener, kind)
}

fn is_quiet(listener: Listener<'_>, kind: PushKind) -> bool {
    let (Some(hours), Some(local)) = (&listener.settings.quiet, listener.local) else {
        return false;
    };
    is_within(hours, local) && !(hours.urgent && kind.is_urgent())
}

fn is_within(hours: &QuietHours, local: TimeOfDay) -> bool {
    match hours.from < hours.to {
        true => hours.from <= local && local < hours.to,
        false => hours.from <= local || local < hours.to,
    }
}

#[cfg(test)]
mod tests;
