//! A plain program, or a shell line: every line it writes is a message, its exit code the outcome.

use std::ffi::OsString;

use afield_proto::agent::{ExecuteOptions, MessageFlags, PermissionMode};
use afield_proto::approval::Answer;
use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::output::OutputStream;
use afield_proto::runner::Record;
use afield_proto::{ApprovalId, CommandId, ErrorBody, ErrorCode};

use super::message::{Stamp, prefix};
use super::{Act, Agent, Ending, Exit, Program, Ticket, Timer, Turn};
use crate::attachments::{Folder, Words};
use crate::lines::Line;
use crate::timing::Timing;

/// Longest message of an outcome, in bytes: the last line the program wrote.
const LAST_LINE_BYTES_MAX: usize = 2000;
/// A longer line is a record of its own, in bytes.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// The variable that names the folder of what is attached; each file has its number in front.
const ATTACHMENTS_VARIABLE: &str = "AFIELD_ATTACHMENTS";

/// One run of a program.
pub(crate) struct Command {
    stamp: Stamp,
    argv: Vec<OsString>,
    timing: Timing,
    interrupted: bool,
    /// Where the files lie that go with it.
    attachments: Option<Folder>,
    /// Empty before there is one.
    last_line: String,
}

impl Command {
    /// A program given as `argv`, else the prompt as a line for the shell.
    pub(crate) fn new(
        stamp: Stamp,
        prompt: &str,
        options: &ExecuteOptions,
        timing: Timing,
    ) -> Self {
        let argv = match &options.argv {
            Some(argv) => argv.iter().map(OsString::from).collect(),
            None => ["/bin/sh", "-c", prompt].map(OsString::from).to_vec(),
        };
        let last_line = String::new();
        Self { stamp, argv, timing, interrupted: false, attachments: None, last_line }
    }

    /// The same, with files in this folder.
    pub(crate) fn with_attachments(self, folder: Option<Folder>) -> Self {
        Self { attachments: folder, ..self }
    }

    fn line(&mut self, stream: OutputStream, line: Line, turn: &mut Turn) {
        let flags = MessageFlags {
            lossy: line.lossy,
            truncated: line.cut_from.is_some(),
            original_bytes: line.cut_from,
        };
        if line.text.contains(|letter: char| !letter.is_whitespace()) {
            self.last_line.clear();
            self.last_line.push_str(prefix(&line.text, LAST_LINE_BYTES_MAX));
        }
        if flags.is_empty() && line.text.len() <= GATHERED_BYTES_MAX {
            return turn.output(stream, &line.text);
        }
        let (message, whole) = self.stamp.plain(stream.kind(), line.text, flags, turn.now);
        turn.record(Record::Message(message));
        if let Some(whole) = whole {
            turn.act(Act::KeepLine(whole));
        }
    }
}

impl Agent for Command {
    fn program(&self) -> Program {
        let mut argv = self.argv.iter().cloned();
        let program = argv.next().unwrap_or_default();
        let folder =
            self.attachments.iter().map(|folder| (ATTACHMENTS_VARIABLE, folder.path().into()));
        Program { program, arguments: argv.collect(), variables: folder.collect() }
    }

    /// Nothing is ever typed into it.
    fn begin(&mut self, turn: &mut Turn) {
        turn.act(Act::CloseInput);
    }

    fn stdout(&mut self, line: Line, turn: &mut Turn) {
        self.line(OutputStream::Stdout, line, turn);
    }

    fn stderr(&mut self, line: Line, turn: &mut Turn) {
        self.line(OutputStream::Stderr, line, turn);
    }

    fn answer(&mut self, _approval: ApprovalId, _answer: &Answer, _turn: &mut Turn) {}

    fn interrupt(&mut self, turn: &mut Turn) {
        self.interrupted = true;
        turn.act(Act::InterruptSignal);
        turn.act(Act::Arm(Timer::Interrupt, self.timing.interrupt));
    }

    /// Nothing is ever typed into it.
    fn steer(&mut self, _command: CommandId, _words: &Words, _turn: &mut Turn) -> bool {
        false
    }

    fn set_mode(&mut self, _mode: PermissionMode, ticket: Ticket, turn: &mut Turn) {
        let message = "a plain program has no permission mode";
        let error = ErrorBody::new(ErrorCode::ValidationFailed, message);
        turn.act(Act::ModeChanged(ticket, Err(error)));
    }

    fn timer(&mut self, timer: Timer, turn: &mut Turn) {
        if timer == Timer::Interrupt {
            turn.act(Act::Stop);
        }
    }

    fn waits_for_person(&self) -> bool {
        false
    }

    fn answered(&self) -> bool {
        false
    }

    /// A long compilation may be silent for long.
    fn speaks_regularly(&self) -> bool {
        false
    }

    fn ended(&mut self, exit: Exit, _turn: &mut Turn) -> Ending {
        let kind = match exit {
            _ if self.interrupted => OutcomeKind::Cancelled,
            Exit { code: Some(0), .. } => OutcomeKind::Succeeded,
            _ => OutcomeKind::Failed,
        };
        let mut outcome = Outcome::new(kind);
        outcome.message = Some(std::mem::take(&mut self.last_line)).filter(|line| !line.is_empty());
        outcome.exit_code = exit.code;
        outcome.signal = exit.signal;
        Ending::Over(outcome)
    }
}

#[cfg(test)]
mod tests {
    use afield_proto::agent::MessageKind;
    use afield_proto::{SessionId, Timestamp};

    use super::*;

    fn command(options: &str) -> Command {
        let stamp = Stamp { command_id: CommandId::generate(), session_id: SessionId::generate() };
        let options = serde_json::from_str(options).unwrap();
        Command::new(stamp, "echo hi | cat", &options, Timing::default())
    }

    #[test]
    fn argv_is_taken_as_it_is_and_a_prompt_goes_to_the_shell() {
        let program = command(r#"{"argv":["printf","%s","a b;c"]}"#).program();
        assert_eq!(program.program, "printf");
        assert_eq!(program.arguments, ["%s", "a b;c"]);
        assert_eq!(command("{}").program().arguments, ["-c", "echo hi | cat"]);
    }

    #[test]
    fn lines_become_messages_and_the_exit_code_the_outcome() {
        let mut command = command("{}");
        let mut turn = Turn::at(Timestamp::now());
        command.stdout(Line { text: "one".into(), ..Line::default() }, &mut turn);
        command.stdout(Line { text: "two".into(), ..Line::default() }, &mut turn);
        command.stderr(Line { text: "oops".into(), lossy: true, ..Line::default() }, &mut turn);
        let [Act::Record(Record::Output { lines, .. }), Act::Record(Record::Message(odd))] =
            &turn.acts[..]
        else {
            panic!("{:?}", turn.acts)
        };
        assert_eq!(lines.texts().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!((odd.kind, odd.message.get()), (MessageKind::Stderr, r#"{"text":"oops"}"#));
        let Ending::Over(outcome) = command.ended(Exit { code: Some(3), signal: None }, &mut turn)
        else {
            panic!("a program is never started again")
        };
        assert_eq!((outcome.kind, outcome.exit_code), (OutcomeKind::Failed, Some(3)));
        assert_eq!(outcome.message.as_deref(), Some("oops"));
    }
}
