//! Agents: the seam between an attempt and the program that does its work.
//!
//! An [`Agent`] only decides: it is told what the program wrote, what a person answered, which
//! timer rang, and says what to record, to write and to close. The owner of the attempt
//! (`work.rs`) carries that out. Another protocol (ACP) becomes one more implementation.

pub(crate) mod claude;
pub(crate) mod command;
pub mod demo;
mod message;

use std::ffi::OsString;
use std::time::Duration;

use afield_proto::agent::{AgentMessage, PermissionMode};
use afield_proto::approval::Answer;
use afield_proto::command::Outcome;
use afield_proto::output::{OutputLines, OutputStream};
use afield_proto::runner::Record;
use afield_proto::{ApprovalId, CommandId, ErrorBody, Timestamp};

use crate::attachments::Words;
use crate::lines::Line;

pub(crate) use message::{Stamp, warning};

/// What to start for an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// A path, or a name to look for in `PATH`.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Variables of its own, beside those every agent gets.
    pub(crate) variables: Vec<(&'static str, OsString)>,
}

/// Something an agent wants done.
#[derive(Debug)]
pub(crate) enum Act {
    /// Keep this and report it.
    Record(Record),
    /// Relay this and keep nothing.
    Partial(AgentMessage),
    /// Keep a line whole that is too long for a record.
    KeepLine(String),
    /// Write a line to the program.
    Write(String),
    /// Close the program's standard input.
    CloseInput,
    /// Ring a timer after this long; replaces one that is set.
    Arm(Timer, Duration),
    /// Never mind.
    Disarm(Timer),
    /// Send the program what a terminal sends on Ctrl-C.
    InterruptSignal,
    /// Stop the program; the outcome is what the agent says at its end.
    Stop,
    /// The answer to a change of mode.
    ModeChanged(Ticket, Result<(), ErrorBody>),
}

/// Lines in one record of output: the server keeps so many in a row of its log.
const OUTPUT_LINES_MAX: usize = 256;
/// A record of output takes no further line from this size on, in bytes.
const OUTPUT_BYTES: usize = 256 * 1024;

/// Pairs a change of mode with its answer.
pub(crate) type Ticket = u64;

/// Timers an agent sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Timer {
    /// The program did not say that it is ready.
    Ready,
    /// An interrupt had no effect.
    Interrupt,
    /// Nothing more happened after the answer.
    Settled,
    /// The program did not end after its work.
    Exit,
}

/// One call of an agent: the moment it happens and what comes of it.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Now.
    pub(crate) now: Timestamp,
    /// What the agent wants done, in order.
    pub(crate) acts: Vec<Act>,
}

impl Turn {
    /// A call at this moment.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self { now, acts: Vec::new() }
    }

    pub(crate) fn act(&mut self, act: Act) {
        self.acts.push(act);
    }

    pub(crate) fn record(&mut self, record: Record) {
        self.act(Act::Record(record));
    }

    /// Records a plain line, together with those before it where nothing came in between.
    pub(crate) fn output(&mut self, to: OutputStream, line: &str) {
        if let Some(Act::Record(Record::Output { stream, lines, .. })) = self.acts.last_mut()
            && *stream == to
            && lines.len() < OUTPUT_LINES_MAX
            && lines.bytes() < OUTPUT_BYTES
        {
            return lines.push(line);
        }
        let mut lines = OutputLines::default();
        lines.push(line);
        self.record(Record::Output { at: self.now, stream: to, lines });
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Exit {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
}

/// What follows the end of a process.
#[derive(Debug, PartialEq)]
pub(crate) enum Ending {
    /// The attempt is over.
    Over(Outcome),
    /// Nothing was done yet: start the program once more (with other arguments).
    Again,
}

/// A program's protocol, as decisions.
pub(crate) trait Agent: Send {
    /// What to start.
    fn program(&self) -> Program;
    /// The process exists.
    fn begin(&mut self, turn: &mut Turn);
    /// A line of standard output.
    fn stdout(&mut self, line: Line, turn: &mut Turn);
    /// A line of standard error.
    fn stderr(&mut self, line: Line, turn: &mut Turn);
    /// A person answered. Repetitions and answers to nothing are ignored.
    fn answer(&mut self, approval: ApprovalId, answer: &Answer, turn: &mut Turn);
    /// A person wants the turn to end.
    fn interrupt(&mut self, turn: &mut Turn);
    /// A person says something into the turn. Whether the agent takes it: then it is recorded
    /// before it is written to the program.
    fn steer(&mut self, command: CommandId, words: &Words, turn: &mut Turn) -> bool;
    /// A person changes when the agent asks. Answered with [`Act::ModeChanged`].
    fn set_mode(&mut self, mode: PermissionMode, ticket: Ticket, turn: &mut Turn);
    /// A timer rang.
    fn timer(&mut self, timer: Timer, turn: &mut Turn);
    /// Whether it may be silent now because a person has to answer.
    fn waits_for_person(&self) -> bool;
    /// Whether the answer is there: what happens to the process now does not change the outcome.
    fn answered(&self) -> bool;
    /// Whether silence means that it hangs.
    fn speaks_regularly(&self) -> bool;
    /// The process and both its outputs ended.
    fn ended(&mut self, exit: Exit, turn: &mut Turn) -> Ending;
}
