//! The loop of `afield attach`: events in, typed lines out, and the answers to requests, none of
//! them waiting for another.

use afield_client::{AskError, Event, Follow, Followed, Link, LinkState};
use afield_proto::agent::AgentKind;
use afield_proto::approval::{Answer, Approval, ApprovalState};
use afield_proto::command::{Command, CommandKind};
use afield_proto::fact::{Fact, SessionResetReason};
use afield_proto::handoff::{Focus, Handoff};
use afield_proto::project::Project;
use afield_proto::queue::{Payload, Priority, SendMode, Target};
use afield_proto::request::{
    AgentInterrupt, AgentKill, AgentNewSession, AgentSetMode, ApprovalAnswer, Ask, CommandSubmit,
    HandoffMove, HandoffOffer,
};
use owo_colors::OwoColorize as _;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::focus::Here;
use super::mine::{Mine, has_to_wait, queued};
use super::order::{self, HELP, Order};
use crate::cli::patience::Patience;
use crate::cli::{answer, devices, event_line, history, typed};
use crate::exit::Exit;
use crate::screen::Screen;
use crate::stop::Signals;
use crate::transcript::{Look, Transcript, answered, ending, question};
use crate::words::{count, visible};
use crate::{Outcome, out};

/// What a request led to.
enum Said {
    Nothing,
    Note(String),
    Page(String),
}

/// One attached terminal.
pub(super) struct Room {
    link: Link,
    project: Project,
    json: bool,
    screen: Screen,
    transcript: Transcript,
    /// Questions without an answer, oldest first.
    asked: Vec<Approval>,
    requests: JoinSet<Said>,
    patience: Patience,
    /// What is typed stands on this screen already.
    typed_here: bool,
    mine: Mine,
    here: Here,
    /// Number of the last event shown.
    seq: u64,
    /// Ends when the prompt typed last was handed over: the next one goes behind it.
    sending: Option<oneshot::Receiver<()>>,
    online: bool,
    leaving: bool,
}

impl Room {
    /// A terminal that has shown the past already.
    pub(super) fn new(link: Link, project: Project, terminal: bool, json: bool) -> Self {
        Self {
            link,
            project,
            json,
            screen: Screen::new(!terminal || json),
            transcript: Transcript::new(Look { prompts: true, everything: false }),
            asked: Vec::new(),
            requests: JoinSet::new(),
            patience: Patience::default(),
            typed_here: terminal && !json,
            mine: Mine::default(),
            here: Here::new(None),
            seq: 0,
            sending: None,
            online: true,
            leaving: false,
        }
    }

    /// Where this screen begins, and where the focus is: here, if `takes` or nobody holds it.
    pub(super) fn focus_at(&mut self, seq: u64, handoff: Handoff, takes: bool) {
        self.seq = seq;
        self.here = Here::new(Some(handoff));
        if takes || self.here.is_free() {
            self.take_focus();
        }
    }

    /// Stays until somebody leaves, or the input ends. `moves` tells where the focus goes.
    pub(super) async fn stay(
        mut self,
        mut follow: Follow,
        mut moves: Follow,
        asked: Vec<Approval>,
    ) -> Outcome {
        let mut signals = Signals::listen()?;
        let mut lines = typed::lines();
        let mut state = self.link.state();
        state.mark_unchanged();
        let mut signalled = 0;
        let path = visible(&self.project.path);
        self.note(&format!("attached to {path}; /help for what you can type"));
        for approval in asked {
            self.approval(approval);
        }
        loop {
            // Who reads no more has left, as if by /quit.
            self.leaving |= out::is_unread();
            // What was asked on the last lines is still sent.
            if self.leaving && self.requests.is_empty() {
                return Ok(Exit::Done);
            }
            tokio::select! {
                followed = follow.next() => match followed.ok_or(AskError::Disconnected)? {
                    Followed::Event(event) => self.event(&event),
                    Followed::Gap(gap) => self.note(&format!(
                        "events {} to {} are missing here; see afield history",
                        gap.after + 1,
                        gap.until
                    )),
                    Followed::Ended(error) => return Err(error.into()),
                },
                Some(Followed::Event(event)) = moves.next() => self.moved(&event),
                Some(said) = self.requests.join_next() => match said {
                    Ok(Said::Note(note)) => self.note(&note),
                    Ok(Said::Page(page)) => self.line(&page),
                    Ok(Said::Nothing) | Err(_) => {}
                },
                what = self.patience.ends() => self.note(&what),
                Ok(()) = state.changed() => self.link_changed(&mut state),
                line = lines.recv(), if !self.leaving => match line {
                    Some(line) => self.obey(order::read(&line)),
                    None => self.leaving = true,
                },
                () = signals.next() => {
                    signalled += 1;
                    if signalled > 1 {
                        return Ok(Exit::Signalled);
                    }
                    self.leaving = true;
                }
            }
        }
    }

    /// Something happened to what the person's screens share.
    fn moved(&mut self, event: &Event) {
        if let Ok(Some(Fact::HandoffState(handoff))) = event.fact() {
            if self.json {
                event_line::print(event);
            }
            if let Some(note) = self.here.told(handoff) {
                self.note(&note);
            }
        }
    }

    fn take_focus(&mut self) {
        let take = self.here.take(self.focus());
        self.request(take, |_| Said::Nothing);
    }

    /// What this screen shows.
    fn focus(&self) -> Focus {
        Focus {
            project_id: Some(self.project.id),
            session_id: self.project.session_id,
            seq: Some(self.seq),
            draft: None,
            approval_id: self.asked.first().map(|asked| asked.ask.approval_id),
        }
    }

    /// The next screen continues where this one is.
    fn keep_focus(&mut self) {
        if let Some(screen) = self.here.holding() {
            let focus = self.focus();
            self.request(HandoffMove { screen, focus }, |_| Said::Nothing);
        }
    }

    fn offer(&mut self, device: String) {
        let Some(screen) = self.here.holding() else {
            return self.note("the focus is not here; /here takes it");
        };
        let link = self.link.clone();
        self.requests.spawn(async move {
            let connection = match link.online().await {
                Ok(connection) => connection,
                Err(error) => return Said::Note(error.to_string()),
            };
            match devices::find(&connection, &device).await {
                Ok(found) => {
                    let offer = HandoffOffer { screen, to: found.id };
                    asked(&link, &offer, |_| Said::Note("offered".to_owned())).await
                }
                Err(failure) => Said::Note(failure.to_string()),
            }
        });
    }

    fn event(&mut self, event: &Event) {
        self.seq = event.seq.unwrap_or(self.seq);
        if self.json {
            event_line::print(event);
            return;
        }
        match event.fact() {
            Ok(Some(fact)) => self.fact(fact),
            Ok(None) => {}
            Err(error) => tracing::warn!("an event that can't be read: {error}"),
        }
    }

    fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::AgentMessage(message) if self.mine.is_shown(&message) => {
                self.transcript.begin_turn();
            }
            Fact::AgentMessage(message) => {
                let text = self.transcript.message(&message);
                self.screen.write(&text);
            }
            Fact::CommandState(command) => self.command(&command),
            Fact::ApprovalState(approval) => self.approval(approval),
            Fact::SessionReset { reason, .. } => self.note(match reason {
                SessionResetReason::Requested => "the next prompt starts a new conversation",
                SessionResetReason::Lost => {
                    "the agent no longer knew the conversation; the next prompt starts a new one"
                }
            }),
            Fact::ProcessKilled { killed, .. } => {
                self.note(&format!("stopped {}", count(killed.len(), "process", "processes")));
            }
            Fact::ProjectDeleted { .. } => {
                self.note("the project was removed");
                self.leaving = true;
            }
            _ => {}
        }
    }

    fn command(&mut self, command: &Command) {
        // One that waits its turn was told about when it was sent.
        if !has_to_wait(command) {
            self.patience.changed(command);
        }
        self.mine.accepted(command);
        if command.state.is_final() {
            self.line(&ending(command));
            self.keep_focus();
        }
    }

    fn approval(&mut self, approval: Approval) {
        let id = approval.ask.approval_id;
        if approval.state == ApprovalState::Open {
            if self.asked.iter().any(|asked| asked.ask.approval_id == id) {
                return;
            }
            let place = self.asked.len() + 1;
            self.text(&question(&approval));
            self.note(&format!("[{place}] /allow {place}, /session {place}, /deny {place} why"));
            self.asked.push(approval);
            self.keep_focus();
        } else {
            self.asked.retain(|asked| asked.ask.approval_id != id);
            self.text(&answered(&approval));
        }
    }

    fn obey(&mut self, order: Order) {
        let project_id = Some(self.project.id);
        match order {
            Order::Nothing => {}
            Order::Prompt(prompt, mode) => self.prompt(prompt, mode),
            Order::Allow { place, for_session } => self.answer(place, answer::yes(for_session)),
            Order::Deny { place, reason } => self.answer(place, answer::no(&reason)),
            Order::Answer(words) => self.answer_in_words(&words),
            Order::Mode(permission_mode) => {
                self.request(AgentSetMode { project_id, permission_mode }, |_| {
                    Said::Note("the agent asks by the new mode".to_owned())
                });
            }
            Order::Interrupt => self.request(AgentInterrupt { project_id }, |_| Said::Nothing),
            Order::Stop => self.request(AgentKill { project_id }, |_| Said::Nothing),
            Order::New => self.request(AgentNewSession { project_id }, |_| Said::Nothing),
            Order::History(limit) => {
                self.request(super::page_request(&self.project, limit), |page| {
                    history::page_text(&page, false, &history::Endings::new())
                        .map_or_else(|error| Said::Note(error.to_string()), Said::Page)
                });
            }
            Order::Here => self.take_focus(),
            Order::Offer(device) => self.offer(device),
            Order::Help => self.line(HELP),
            Order::Quit => self.leaving = true,
            Order::Wrong(why) => self.note(&why),
        }
    }

    fn prompt(&mut self, prompt: String, mode: SendMode) {
        let key = format!("attach-{}", uuid::Uuid::now_v7());
        let is_program = self.project.settings.agent == Some(AgentKind::Command);
        let submit = CommandSubmit {
            target: Some(Target { project_id: Some(self.project.id), ..Target::default() }),
            kind: is_program.then_some(CommandKind::Shell),
            payload: Payload { prompt, ..Payload::default() },
            mode,
            key: Some(key.clone()),
            priority: Priority::Normal,
            not_before: None,
            expires_at: None,
            retry: None,
            order: None,
            hold: false,
            submitted_at: None,
        };
        if self.typed_here {
            self.mine.typed(key);
        }
        let (sent, turn) = oneshot::channel();
        let before = self.sending.replace(turn);
        let link = self.link.clone();
        self.requests.spawn(async move {
            if let Some(before) = before {
                // Its end is the end of the prompt before, however that went.
                let _ = before.await;
            }
            let said = asked(&link, &submit, |command| match queued(&command) {
                Some(note) => Said::Note(note),
                None => Said::Nothing,
            });
            let said = said.await;
            drop(sent);
            said
        });
    }

    fn answer(&mut self, place: usize, answer: Answer) {
        let Some(approval) = self.asked.get(place) else {
            return self.note("no such question is open");
        };
        let approval_id = approval.ask.approval_id;
        self.request(ApprovalAnswer { approval_id, answer }, |_| Said::Nothing);
    }

    fn answer_in_words(&mut self, words: &str) {
        match self.asked.first().map(|approval| answer::read(approval, words)) {
            None => self.note("no question is open"),
            Some(None) => self.note("that is no answer to the oldest question"),
            Some(Some(answer)) => self.answer(0, answer),
        }
    }

    /// Asks the server without waiting here; what comes of it is told.
    fn request<R>(&mut self, request: R, said: impl FnOnce(R::Reply) -> Said + Send + 'static)
    where
        R: Ask + Send + Sync + 'static,
        R::Reply: Send,
    {
        let link = self.link.clone();
        self.requests.spawn(async move { asked(&link, &request, said).await });
    }

    fn link_changed(&mut self, state: &mut watch::Receiver<LinkState>) {
        let state = state.borrow_and_update().clone();
        let was_online =
            std::mem::replace(&mut self.online, matches!(state, LinkState::Online { .. }));
        match state {
            // Every failed try is a change as well; people hear of the first.
            LinkState::Offline { reason, .. } if was_online => {
                self.note(&format!("connection lost ({reason}); coming back"));
            }
            LinkState::Online { .. } if !was_online => {
                self.note("connected again");
                if self.here.holds() {
                    // By the same screen, before another may have it.
                    self.take_focus();
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        let line_end = self.transcript.break_line();
        if !self.json {
            self.screen.write(&format!("{line_end}{text}"));
        }
    }

    fn line(&mut self, line: &str) {
        self.text(&format!("{}\n", line.trim_end()));
    }

    /// Something about the conversation, not of it.
    fn note(&mut self, line: &str) {
        self.line(&format!("{}", format!("· {}", line.trim_end()).dimmed()));
    }
}

async fn asked<R: Ask>(link: &Link, request: &R, said: impl FnOnce(R::Reply) -> Said) -> Said {
    match link.ask(request).await {
        Ok(reply) => said(reply),
        Err(AskError::Refused(error)) => Said::Note(format!("refused: {error}")),
        Err(error) => Said::Note(format!("not known whether it was done: {error}")),
    }
}
