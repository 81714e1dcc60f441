//! Following one command until it is final: its words, its questions, and Ctrl-C.

use std::collections::VecDeque;
use std::time::Duration;

use afield_client::{AskError, Event, Follow, Followed, Link, LinkState};
use afield_proto::agent::{AgentMessage, MessageKind};
use afield_proto::approval::{Approval, ApprovalState};
use afield_proto::command::{Command, CommandState};
use afield_proto::fact::{Fact, SessionResetReason};
use afield_proto::queue::Steer;
use afield_proto::request::{
    AgentInterrupt, ApprovalAnswer, CommandCancel, CommandExplain, CommandGet,
};
use owo_colors::OwoColorize as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::anywhere;
use crate::cli::patience::Patience;
use crate::cli::{answer, event_line, typed};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;
use crate::stop::Signals;
use crate::transcript::{Look, Transcript, answered, ending, question, steered, waiting};
use crate::{Outcome, out};

/// How often the progress line moves.
const TICK: Duration = Duration::from_millis(120);
/// How long to wait for the answer of a kill: the whole ladder of signals, and the way there.
const KILL_TIMEOUT: Duration = Duration::from_secs(60);

/// What a request that was made on the way led to.
enum Done {
    Nothing,
    Note(String),
    Command(Box<Command>),
}

/// One command being watched.
pub(super) struct Watch {
    link: Link,
    command: Command,
    json: bool,
    interactive: bool,
    screen: Screen,
    transcript: Transcript,
    /// Questions without an answer, oldest first.
    asked: VecDeque<Approval>,
    requests: JoinSet<Done>,
    patience: Patience,
    online: bool,
    signals: u32,
}

impl Watch {
    /// A command that was accepted. `interactive`: somebody can answer questions here.
    pub(super) fn new(link: Link, command: Command, json: bool, interactive: bool) -> Self {
        Self {
            link,
            command,
            json,
            interactive: interactive && !json,
            screen: Screen::new(json),
            transcript: Transcript::new(Look::default()),
            asked: VecDeque::new(),
            requests: JoinSet::new(),
            patience: Patience::default(),
            online: true,
            signals: 0,
        }
    }

    /// Follows it to its end.
    pub(super) async fn follow(
        mut self,
        backlog: VecDeque<Followed>,
        mut follow: Follow,
    ) -> Outcome {
        let mut signals = Signals::listen()?;
        let mut lines = if self.interactive { typed::lines() } else { mpsc::channel(1).1 };
        let mut state = self.link.state();
        state.mark_unchanged();
        let mut tick = tokio::time::interval(TICK);
        self.show_steer(None);
        self.show_state();
        for followed in backlog {
            self.take(followed)?;
        }
        let mut here = self.command.project_id;
        while !self.command.state.is_final() {
            if self.command.project_id != here {
                // It was given another place.
                let command;
                (command, follow) = anywhere::follow(&self.link, self.command.clone()).await?;
                here = command.project_id;
                self.changed(command);
                continue;
            }
            tokio::select! {
                followed = follow.next() => self.take(followed.ok_or(AskError::Disconnected)?)?,
                Some(done) = self.requests.join_next() => self.done(done.unwrap_or(Done::Nothing)),
                Ok(()) = state.changed() => self.link_changed(&mut state),
                Some(line) = lines.recv() => self.typed(&line),
                () = signals.next() => {
                    if self.signalled() {
                        return Ok(Exit::Signalled);
                    }
                }
                what = self.patience.ends() => self.ask_why(what),
                _ = tick.tick() => self.screen.tick(),
            }
        }
        Ok(self.finish())
    }

    /// Asks what exactly is waited for, and says it.
    fn ask_why(&mut self, roughly: String) {
        let (link, command_id) = (self.link.clone(), self.command.id);
        self.requests.spawn(async move {
            match link.ask(&CommandExplain { command_id }).await {
                Ok(reply) => match reply.waiting {
                    Some(waiting) => Done::Note(format!("waiting: {}", waiting.message)),
                    None => Done::Nothing,
                },
                Err(_) => Done::Note(roughly),
            }
        });
    }

    fn finish(mut self) -> Exit {
        let command = &self.command;
        if self.json {
            out::json(&serde_json::json!({
                "event": "finished",
                "command_id": command.id,
                "state": command.state,
                "outcome": command.outcome,
            }));
        } else {
            let text = self.transcript.break_line();
            self.screen.write(text);
            self.screen.note(&ending(command));
        }
        Exit::of(command.state, command.outcome.as_ref())
    }

    fn take(&mut self, followed: Followed) -> Result<(), Failure> {
        match followed {
            Followed::Event(event) => self.event(&event),
            Followed::Gap(gap) => {
                self.note(&format!(
                    "some of the output is missing here (events {} to {})",
                    gap.after + 1,
                    gap.until
                ));
                // Its end may have been among them.
                let (link, command_id) = (self.link.clone(), self.command.id);
                self.requests.spawn(async move {
                    match link.ask(&CommandGet { command_id }).await {
                        Ok(command) => Done::Command(Box::new(command)),
                        Err(error) => Done::Note(error.to_string()),
                    }
                });
            }
            Followed::Ended(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) {
        let fact = match event.fact() {
            Ok(Some(fact)) => fact,
            Ok(None) => return,
            Err(error) => return tracing::warn!("an event that can't be read: {error}"),
        };
        if !self.concerns(&fact) {
            return;
        }
        if self.json {
            event_line::print(event);
        }
        match fact {
            Fact::AgentMessage(message) => self.message(&message),
            Fact::CommandState(command) => self.changed(command),
            Fact::ApprovalState(approval) => self.approval(approval),
            Fact::SessionReset { .. } => {
                self.note("the agent no longer knew the conversation; a new one begins");
            }
            _ => {}
        }
    }

    fn concerns(&self, fact: &Fact) -> bool {
        let id = self.command.id;
        match fact {
            Fact::AgentMessage(message) => message.command_id == Some(id),
            Fact::CommandState(command) => command.id == id,
            Fact::ApprovalState(approval) => approval.command_id == id,
            Fact::ProcessKilled { command_id, .. } => *command_id == id,
            Fact::SessionReset { reason, .. } => *reason == SessionResetReason::Lost,
            _ => false,
        }
    }

    fn message(&mut self, message: &AgentMessage) {
        match (message.kind, &message.tool) {
            (MessageKind::ToolUse, Some(tool)) => {
                self.screen.doing(tool.name.as_deref().unwrap_or("a tool"));
            }
            (MessageKind::Progress, _) => {}
            _ => self.screen.doing("working"),
        }
        if !self.json {
            let text = self.transcript.message(message);
            self.screen.write(&text);
        }
    }

    fn changed(&mut self, command: Command) {
        // States come in order; what was read on the way (after a gap) may be ahead of them.
        if self.command.state.is_final() {
            return;
        }
        let steer = std::mem::replace(&mut self.command, command).steer;
        self.show_steer(steer);
        self.show_state();
    }

    /// Says where the prompt goes that was meant for the running turn, when that is another place
    /// than before.
    fn show_steer(&mut self, before: Option<Steer>) {
        if self.command.steer != before
            && let Some(what) = steered(&self.command)
        {
            self.note(&what);
        }
    }

    fn show_state(&mut self) {
        self.patience.changed(&self.command);
        match waiting(&self.command) {
            Some(what) => self.screen.doing(&what),
            None => self.screen.doing("working"),
        }
    }

    fn approval(&mut self, approval: Approval) {
        let id = approval.ask.approval_id;
        if approval.state == ApprovalState::Open {
            self.asked.push_back(approval);
            if self.asked.len() == 1 {
                self.ask();
            }
            return;
        }
        let first = self.asked.front().is_some_and(|asked| asked.ask.approval_id == id);
        self.asked.retain(|asked| asked.ask.approval_id != id);
        self.text(&answered(&approval));
        if first {
            self.ask();
        }
    }

    /// Puts the oldest question.
    fn ask(&mut self) {
        let Some(approval) = self.asked.front().filter(|_| !self.json) else { return };
        let (mut text, id) = (question(approval), approval.ask.approval_id);
        let choices = answer::choices(approval);
        self.screen.doing("waiting for an answer");
        if self.interactive {
            typed::forget_waiting();
            text.push_str(&format!("  {}", choices.bold()));
        }
        self.text(&text);
        if !self.interactive || out::is_unread() {
            self.note(&format!("answer it: afield approvals answer {id} --allow  (or --deny)"));
        }
    }

    fn typed(&mut self, line: &str) {
        let Some(approval) = self.asked.front() else { return };
        let Some(answer) = answer::read(approval, line) else { return self.ask() };
        let (link, approval_id) = (self.link.clone(), approval.ask.approval_id);
        self.requests.spawn(async move {
            let request = ApprovalAnswer { approval_id, answer };
            match link.ask(&request).await {
                Ok(_) => Done::Nothing,
                Err(error) => Done::Note(format!("the answer was not taken: {error}")),
            }
        });
    }

    /// The first Ctrl-C interrupts, the second kills, the third leaves. Returns whether to leave.
    fn signalled(&mut self) -> bool {
        self.signals += 1;
        let (project_id, command_id) = (Some(self.command.project_id), self.command.id);
        let link = self.link.clone();
        match (self.signals, self.command.state) {
            (1, CommandState::Running) => {
                self.note("interrupting; once more stops it with every process it made");
                self.requests.spawn(async move {
                    tell(link.ask(&AgentInterrupt { project_id }).await.err())
                });
            }
            (1 | 2, _) => {
                self.note("stopping; once more leaves without waiting");
                self.requests.spawn(async move {
                    // This command, and not what it may be waiting behind.
                    let cancel = CommandCancel { command_id };
                    let asked = link.ask_within(&cancel, KILL_TIMEOUT).await;
                    tell(asked.err())
                });
            }
            _ => return true,
        }
        false
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Nothing => {}
            Done::Note(note) => self.note(&note),
            Done::Command(command) => self.changed(*command),
        }
    }

    fn link_changed(&mut self, state: &mut watch::Receiver<LinkState>) {
        let state = state.borrow_and_update().clone();
        let was_online =
            std::mem::replace(&mut self.online, matches!(state, LinkState::Online { .. }));
        match state {
            // Every failed try is a change as well; people hear of the first.
            LinkState::Offline { reason, .. } if was_online => {
                self.screen.doing("connection lost, coming back; the work goes on");
                self.tell_json(&serde_json::json!({ "event": "offline", "reason": reason }));
                self.note(&format!("connection lost ({reason}); the work goes on, coming back"));
            }
            LinkState::Online { .. } if !was_online => {
                self.screen.doing("connected again");
                self.tell_json(&serde_json::json!({ "event": "online" }));
                self.note("connected again");
            }
            _ => {}
        }
    }

    fn tell_json(&self, value: &serde_json::Value) {
        if self.json {
            out::json(value);
        }
    }

    fn text(&mut self, text: &str) {
        if !self.json && !text.is_empty() {
            let line_end = self.transcript.break_line();
            self.screen.write(&format!("{line_end}{text}"));
        }
    }

    fn note(&mut self, line: &str) {
        let text = self.transcript.break_line();
        if !self.json {
            self.screen.write(text);
        }
        self.screen.note(&format!("{}", line.dimmed()));
    }
}

fn tell(error: Option<AskError>) -> Done {
    error.map_or(Done::Nothing, |error| Done::Note(error.to_string()))
}
