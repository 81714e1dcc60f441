//! What comes in: one event at a time is taken from the inbox and dealt with.

use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{End, Session};
use crate::mock_claude::{
    inbox::{self, Event, Signal},
    output,
    script::{Reaction, Trigger},
    values::With,
};

/// What an event was, for a script that waits for it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mock_claude) enum Seen {
    /// A request of the host, already answered.
    Request(String),
    /// Anything else; its traces are in the session.
    Other,
}

/// What signals and interrupts do at the moment.
#[derive(Debug, Default)]
pub(super) struct Traps {
    term: Reaction,
    int: Reaction,
    pub(super) interrupt: Reaction,
}

/// A line of stdin. Everything is optional: what is missing is judged where it is needed.
#[derive(Deserialize)]
pub(super) struct Incoming<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    pub(super) uuid: Option<String>,
    #[serde(rename = "shouldQuery")]
    pub(super) should_query: Option<bool>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    request_id: Option<String>,
    request: Option<serde_json::Value>,
    response: Option<serde_json::Value>,
}

impl Session {
    /// Waits for one event until the deadline and deals with it; `None` when the deadline passed.
    pub(in crate::mock_claude) fn pump(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<Seen>, End> {
        match self.inbox.next(deadline) {
            None => return Ok(None),
            Some(Event::Line(line)) => return self.on_line(&line).map(Some),
            Some(Event::Signal(signal)) => self.on_signal(signal)?,
            Some(Event::Eof) => {
                self.eof = true;
                self.values.set("eof", "true");
            }
        }
        Ok(Some(Seen::Other))
    }

    /// Takes events until the deadline and drops all but signals.
    pub(in crate::mock_claude) fn ignore_all_but_signals(
        &mut self,
        deadline: Instant,
    ) -> Result<(), End> {
        while let Some(event) = self.inbox.next(Some(deadline)) {
            if let Event::Signal(signal) = event {
                self.on_signal(signal)?;
            }
        }
        Ok(())
    }

    /// Changes what one trigger does.
    pub(in crate::mock_claude) fn trap(&mut self, trigger: Trigger, reaction: &Reaction) {
        let mut traps = std::mem::take(&mut self.traps);
        let slot = match trigger {
            Trigger::Term => &mut traps.term,
            Trigger::Int => &mut traps.int,
            Trigger::Interrupt => &mut traps.interrupt,
        };
        slot.clone_from(reaction);
        self.set_traps(traps);
    }

    pub(super) fn set_traps(&mut self, traps: Traps) {
        let survives =
            |reaction: &Reaction| matches!(reaction, Reaction::Ignore | Reaction::Goto(_));
        self.inbox.set_immortal(survives(&traps.term) || survives(&traps.int));
        self.traps = traps;
    }

    fn on_signal(&mut self, signal: Signal) -> Result<(), End> {
        let reaction = if signal == Signal::SIGTERM { &self.traps.term } else { &self.traps.int };
        match reaction.clone() {
            Reaction::Ignore => Ok(()),
            Reaction::Exit(code) => Err(End::Exit(code)),
            Reaction::Goto(label) => Err(End::Goto(label)),
            Reaction::Default if signal == Signal::SIGTERM => {
                Err(End::Exit(inbox::exit_code(signal)))
            }
            Reaction::Default | Reaction::Graceful => {
                self.emit("shutting_down", &With::new())?;
                Err(End::Exit(inbox::exit_code(signal)))
            }
        }
    }

    fn on_line(&mut self, line: &[u8]) -> Result<Seen, End> {
        if line.trim_ascii().is_empty() {
            return Ok(Seen::Other);
        }
        let Ok(incoming) = serde_json::from_slice::<Incoming<'_>>(line) else {
            output::stderr("Error parsing streaming input line");
            return Err(End::Exit(1));
        };
        match (
            incoming.kind.as_deref(),
            &incoming.request_id,
            &incoming.request,
            &incoming.response,
        ) {
            (Some("user"), ..) => self.accept(&incoming)?,
            (Some("control_request"), Some(id), Some(request), _) => {
                return self.answer_host(id, request);
            }
            (Some("control_response"), _, _, Some(response)) => self.take_response(response),
            _ => {}
        }
        Ok(Seen::Other)
    }
}
