//! One conversation, from the first line of stdin to the exit code: owns all state, does everything in one thread.
//!
//! Scripts decide what is printed; the session does what the real program does at any time: accept prompts, answer the
//! host, keep transcripts, react to signals. Nothing here sleeps or prints by itself.

mod ask;
mod control;
mod identity;
mod intake;
mod ledger;
mod observe;
mod select;
mod setup;
mod turn;

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    io,
    sync::Arc,
    time::Duration,
};

pub(super) use identity::RESUME_NEEDS_A_SESSION;
pub(super) use intake::Seen;

use self::{
    intake::Traps,
    ledger::Ledger,
    turn::{Prompt, Turn},
};
use super::{
    argv::Args,
    disk::Disk,
    frames::Frames,
    inbox::Inbox,
    interpret,
    journal::{Journal, Start},
    output,
    scenario::Choice,
    script::Script,
    values::{Unknown, Values, With},
};

/// The exit code for a wrong script, scenario or placeholder: a mistake in the test, not a behaviour under test.
pub(super) const EXIT_USAGE: i32 = 64;

/// What ends a script before its last step.
#[derive(Debug)]
pub(super) enum End {
    /// The process exits.
    Exit(i32),
    /// The host interrupted the turn; the process is idle again.
    Interrupted,
    /// A trap sends the script elsewhere.
    Goto(String),
}

impl From<io::Error> for End {
    /// Nobody reads stdout any more, or the disk is full: nothing left to do.
    fn from(_: io::Error) -> Self {
        Self::Exit(1)
    }
}

impl From<Unknown> for End {
    fn from(error: Unknown) -> Self {
        mistake(&error.to_string())
    }
}

/// Reports a mistake in the test.
pub(super) fn mistake(text: &str) -> End {
    output::stderr(&format!("mock: {text}"));
    End::Exit(EXIT_USAGE)
}

/// How stdout looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    StreamJson,
}

/// The state of the conversation.
pub(super) struct Session {
    args: Args,
    format: Format,
    pub(super) journal: Arc<Journal>,
    inbox: Arc<Inbox>,
    disk: Disk,
    frames: Frames,
    pub(super) values: Values,
    /// What delays are multiplied with.
    scale: f64,
    /// The id a resume asked for in vain.
    missing: Option<String>,

    /// Prompts that wait for their turn.
    queue: VecDeque<Prompt>,
    /// Ids of all prompts of the session, to drop what comes twice.
    known: BTreeSet<String>,
    /// The turn that goes on, from its prompt to its result.
    turn: Option<Turn>,
    /// How many turns this process began.
    turns: u64,
    /// Scenarios marked for the coming turns.
    marked: VecDeque<Choice>,

    ledger: Ledger,
    traps: Traps,
    /// Tools used but without a result so far.
    open_tools: BTreeSet<String>,
    /// Background tasks that run.
    tasks: Vec<serde_json::Value>,
    /// Whether stdin is at its end.
    pub(super) eof: bool,
    /// Whether an init frame was printed; before, an interrupt does nothing.
    announced: bool,
    /// Whether the host has said `initialize`.
    initialized: bool,
    /// Whether the last result was an error, other than one the host brought about by an interrupt.
    failed: bool,
    /// Set while a script itself awaits the interrupt.
    pub(super) awaits_interrupt: bool,
}

/// Runs a session and returns the exit code.
pub(super) fn run(args: Args, journal: &Arc<Journal>, start: &Start) -> i32 {
    let mut session = match Session::open(args, journal, start) {
        Ok(session) => session,
        Err(refusal) => {
            output::stderr(&format!("Error: {refusal}"));
            return 1;
        }
    };
    let code = match session.serve() {
        Err(End::Exit(code)) => code,
        Err(End::Interrupted | End::Goto(_)) => EXIT_USAGE,
    };
    session.disk.unregister();
    code
}

impl Session {
    /// Plays scripts until something exits.
    fn serve(&mut self) -> Result<Infallible, End> {
        if let Some(script) = self.opening()? {
            self.play(&script)?;
        }
        loop {
            self.wait_for_prompt()?;
            let script = self.next_script()?;
            let turns = self.turns;
            self.play(&script)?;
            if turns == self.turns {
                self.queue.pop_front();
            }
        }
    }

    fn play(&mut self, script: &Script) -> Result<(), End> {
        let end = interpret::run(self, script);
        self.set_traps(Traps::default());
        self.turn = None;
        match end {
            Err(End::Interrupted) => Ok(()),
            other => other,
        }
    }

    fn wait_for_prompt(&mut self) -> Result<(), End> {
        while self.queue.is_empty() {
            if self.eof {
                return Err(self.idle_exit());
            }
            self.pump(None)?;
        }
        Ok(())
    }

    /// How the process ends when stdin is closed and nothing is left to do.
    pub(super) fn idle_exit(&self) -> End {
        End::Exit(i32::from(self.failed))
    }

    /// A scripted delay as long as it really is.
    pub(super) fn scaled(&self, ms: u64) -> Duration {
        Duration::from_millis(ms).mul_f64(self.scale)
    }

    /// Goes on under the id held ready in `next_sid`.
    pub(super) fn renew(&mut self, copy: bool) -> Result<(), End> {
        let (old, new) =
            (self.values.text("sid").to_owned(), self.values.text("next_sid").to_owned());
        if copy {
            self.disk.copy(&old, &new)?;
        } else {
            self.values.reset_cost();
        }
        set_session(&mut self.values, &self.disk, &new);
        self.register("busy")?;
        Ok(())
    }

    /// The text of a frame, with its placeholders filled in. Counters advance even if it is never printed.
    pub(super) fn render(&mut self, name: &str, with: &With) -> Result<String, End> {
        let frame =
            self.frames.get(name).ok_or_else(|| mistake(&format!("unknown frame `{name}`")))?;
        let mut all = self.values.filled(&frame.defaults)?;
        all.extend(with.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(self.values.line(frame.template(), &all, frame.cost)?)
    }

    /// Prints a frame by name.
    pub(super) fn emit(&mut self, name: &str, with: &With) -> Result<(), End> {
        let line = self.render(name, with)?;
        self.emit_line(&line)
    }

    /// Prints a frame and takes note of what it says.
    pub(super) fn emit_line(&mut self, line: &str) -> Result<(), End> {
        self.print(line)?;
        self.observe(line)
    }

    /// Whether stdout carries every frame, or only the result.
    pub(super) fn prints_frames(&self) -> bool {
        self.format == Format::StreamJson
    }

    /// Prints a frame and nothing more.
    pub(super) fn print(&self, line: &str) -> io::Result<()> {
        match self.format {
            Format::StreamJson => output::line(line),
            Format::Json if observe::result_text(line).is_some() => output::line(line),
            Format::Text => observe::result_text(line).map_or(Ok(()), |text| output::line(&text)),
            Format::Json => Ok(()),
        }
    }

    /// Enters the session in the registry of live sessions.
    fn register(&self, status: &str) -> io::Result<()> {
        self.disk.register(
            self.values.text("sid"),
            self.values.text("cwd"),
            status,
            self.args.value("name"),
        )
    }
}

/// Names the session, and the id the next one would have.
fn set_session(values: &mut Values, disk: &Disk, session: &str) {
    values.set("sid", session);
    values.set("next_sid", disk.fresh_id("e0000000", session));
    values.set(
        "transcript",
        disk.transcript(session).map(|path| path.display().to_string()).unwrap_or_default(),
    );
}
