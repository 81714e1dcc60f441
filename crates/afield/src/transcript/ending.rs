//! How a command ended, and what it waits for, in one line.

use std::time::Duration;

use afield_proto::command::{Command, CommandState, Outcome, OutcomeKind};
use afield_proto::queue::Steer;
use owo_colors::OwoColorize as _;

use super::clean;
use crate::words;

/// The line for a command that is final.
pub(crate) fn ending(command: &Command) -> String {
    let outcome = command.outcome.as_ref();
    let facts = outcome.map(facts).unwrap_or_default();
    let word = match outcome.map(|outcome| outcome.kind) {
        Some(kind) => said(kind),
        None => state(command.state),
    };
    let succeeded = command.state == CommandState::Succeeded;
    let word = if succeeded { word.green().to_string() } else { word.red().bold().to_string() };
    let mut line = word;
    if !facts.is_empty() {
        line.push_str(&format!(" {}", facts.dimmed()));
    }
    let message = outcome.and_then(|outcome| outcome.message.as_deref()).filter(|_| !succeeded);
    if let Some(message) = message {
        line.push_str(&format!("\n  {}", clean(message)));
    }
    if let Some(code) = outcome.and_then(|outcome| outcome.code) {
        line.push_str(&format!("\n  more: afield explain {code}"));
    }
    line
}

fn facts(outcome: &Outcome) -> String {
    let mut facts = Vec::new();
    if let Some(ms) = outcome.duration_ms {
        facts.push(words::duration(Duration::from_millis(ms)));
    }
    if let Some(turns) = outcome.turns {
        facts.push(words::count(turns as usize, "turn", "turns"));
    }
    if let Some(cost) = outcome.cost_usd.filter(|cost| *cost > 0.0) {
        facts.push(format!("${cost:.4}"));
    }
    if let Some(code) = outcome.exit_code.filter(|code| *code != 0) {
        facts.push(format!("exit code {code}"));
    }
    if let Some(signal) = outcome.signal {
        facts.push(format!("signal {signal}"));
    }
    if let Some(at) = outcome.resets_at {
        facts.push(format!("until {at}"));
    }
    facts.join(" · ")
}

fn said(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Succeeded => "done",
        OutcomeKind::Failed => "failed",
        OutcomeKind::Cancelled => "interrupted on request",
        OutcomeKind::Killed => "stopped",
        OutcomeKind::TimedOut => "timed out",
        OutcomeKind::Interrupted => {
            "interrupted: the machine failed in the middle, outcome unknown"
        }
        OutcomeKind::AuthRequired => "somebody must sign in to the agent on its runner",
        OutcomeKind::SessionLost => "the agent no longer knows this conversation",
        OutcomeKind::RateLimited => "the agent's usage limit is reached",
        OutcomeKind::Transient => "the agent's service failed for now",
        OutcomeKind::LimitReached => "a limit given with the command is reached",
        OutcomeKind::MissingResult => "the program ended without saying how",
        OutcomeKind::NotStarted => "could not be started",
    }
}

fn state(state: CommandState) -> &'static str {
    match state {
        CommandState::Queued => "queued",
        CommandState::Leased => "given to its runner",
        CommandState::Running => "running",
        CommandState::Succeeded => "done",
        CommandState::Failed => "failed",
        CommandState::Cancelled => "cancelled before it started",
        CommandState::Expired => "expired while it waited",
        CommandState::Interrupted => "interrupted, outcome unknown",
        CommandState::Dead => "given up after its retries",
    }
}

/// What a command that has not started waits for.
pub(crate) fn waiting(command: &Command) -> Option<String> {
    match command.state {
        CommandState::Queued | CommandState::Leased if command.steer == Some(Steer::Offered) => {
            Some("on its way into the turn that runs".to_owned())
        }
        CommandState::Queued | CommandState::Leased => Some(match command.waiting_for.as_deref() {
            None | Some("runner") => "waiting for its runner (afield health shows it)".to_owned(),
            Some("start") => "its runner is about to start it".to_owned(),
            Some("order") => "waiting behind another command of its project".to_owned(),
            Some("slot") => "waiting until its runner has room".to_owned(),
            Some("hold") => "held until somebody releases it".to_owned(),
            Some("time") => "waiting for its time".to_owned(),
            Some("limit") => "waiting for the end of the agent's usage limit".to_owned(),
            Some(other) => format!("waiting for {}", clean(other)),
        }),
        _ => None,
    }
}

/// What became of the wish that a prompt goes into the running turn.
pub(crate) fn steered(command: &Command) -> Option<String> {
    let steer = command.steer?;
    Some(match (steer.instead(), command.into) {
        (Some(why), _) => format!("first in the queue, because {why}"),
        (None, Some(turn)) if steer == Steer::Taken => format!("in the turn of command {turn}"),
        (None, Some(turn)) => format!("on its way into the turn of command {turn}"),
        (None, None) => "on its way into a turn".to_owned(),
    })
}
