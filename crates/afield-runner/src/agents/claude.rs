//! Claude Code over its stream-json dialogue and control protocol.
//!
//! One process carries out one prompt: say hello, send the prompt, relay what comes, ask people,
//! and close the input at the answer. Decides only; see [`Agent`]. The demonstration agent speaks
//! the same dialogue and is driven by this code too.

mod argv;
mod ask;
pub(crate) mod content;
mod frame;
mod map;
mod outcome;
mod rules;
mod usage;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;

use afield_proto::agent::{ExecuteOptions, MessageFlags, PermissionMode};
use afield_proto::approval::Answer;
use afield_proto::runner::{Attempt, Record};
use afield_proto::session::SessionNews;
use afield_proto::{ApprovalId, CommandId, ErrorBody, ErrorCode, Timestamp};
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use self::argv::Conversation;
use self::content::{is_shown, user_frame};
use self::frame::Fields;
use self::outcome::{Evidence, TurnResult};
use self::usage::Meter;
use super::message::{self, Stamp, warning};
use super::{Act, Agent, Ending, Exit, Program, Ticket, Timer, Turn};
use crate::attachments::{Folder, Words};
use crate::lines::Line;
use crate::timing::Timing;

/// Most bytes of standard error kept for the outcome: its end is the most telling.
const STDERR_BYTES_MAX: usize = 8 * 1024;
/// The mark of our first control request.
const INITIALIZE: &str = "afield-1";

/// A command for Claude.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Marks its messages.
    pub(crate) stamp: Stamp,
    /// The program and the arguments before all others.
    pub(crate) command: Vec<OsString>,
    /// The program's version.
    pub(crate) version: Option<(u32, u32, u32)>,
    /// Variables of its own.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// The project's directory.
    pub(crate) directory: String,
    /// The id of the prompt.
    pub(crate) prompt_id: Uuid,
    /// What to do, and the files that go with it.
    pub(crate) words: Words,
    /// Where those lie that it is not shown.
    pub(crate) folder: Option<Folder>,
    /// How.
    pub(crate) options: ExecuteOptions,
    /// The file `options.mcp_config` names.
    pub(crate) mcp_file: Option<PathBuf>,
    /// Claude's own id of the conversation, when it has one.
    pub(crate) native_session: Option<String>,
    /// Waiting times.
    pub(crate) timing: Timing,
}

/// The dialogue with one process.
pub(crate) struct Claude {
    setup: Setup,
    conversation: Conversation,
    /// The conversation's id as last reported.
    native_session: Option<String>,
    prompt_sent: bool,
    spoke: bool,
    init_seen: bool,
    input_closed: bool,
    retried: bool,
    interrupts: u32,
    requests: u64,
    changes_of_mode: HashMap<String, Ticket>,
    questions: HashMap<ApprovalId, ask::Open>,
    tasks: HashSet<String>,
    /// What was said into the turn and has no end yet, and whether the agent has begun it.
    steers: HashMap<String, bool>,
    meter: Meter,
    evidence: Evidence,
}

impl Claude {
    /// A dialogue that has not begun.
    pub(crate) fn new(setup: Setup) -> Self {
        let conversation = match &setup.native_session {
            Some(native) => Conversation::Resume(native.clone()),
            None => Conversation::New(setup.stamp.session_id),
        };
        Self {
            conversation,
            native_session: setup.native_session.clone(),
            setup,
            prompt_sent: false,
            spoke: false,
            init_seen: false,
            input_closed: false,
            retried: false,
            interrupts: 0,
            requests: 1,
            changes_of_mode: HashMap::new(),
            questions: HashMap::new(),
            tasks: HashSet::new(),
            steers: HashMap::new(),
            meter: Meter::default(),
            evidence: Evidence::default(),
        }
    }

    fn send_prompt(&mut self, turn: &mut Turn) {
        if std::mem::replace(&mut self.prompt_sent, true) {
            return;
        }
        turn.act(Act::Disarm(Timer::Ready));
        let Setup { prompt_id, words, folder, .. } = &self.setup;
        turn.act(Act::Write(user_frame(*prompt_id, words, folder.as_ref())));
    }

    fn control(&mut self, request: serde_json::Value, turn: &mut Turn) -> String {
        self.requests += 1;
        let id = format!("afield-{}", self.requests);
        let frame = json!({ "type": "control_request", "request_id": id, "request": request });
        turn.act(Act::Write(frame.to_string()));
        id
    }

    fn send_interrupt(&mut self, turn: &mut Turn) {
        self.control(json!({ "subtype": "interrupt" }), turn);
        turn.act(Act::Arm(Timer::Interrupt, self.setup.timing.interrupt));
    }

    fn close_input(&mut self, turn: &mut Turn) {
        if !std::mem::replace(&mut self.input_closed, true) {
            turn.act(Act::Disarm(Timer::Settled));
            turn.act(Act::CloseInput);
            turn.act(Act::Arm(Timer::Exit, self.setup.timing.exit));
        }
    }

    fn frame(&mut self, raw: Box<RawValue>, mut flags: MessageFlags, turn: &mut Turn) {
        let fields = Fields::of(raw.get());
        match fields.text("type").as_deref() {
            Some("control_response") => return self.control_response(&fields, turn),
            Some("control_request") => return self.control_request(&fields, turn),
            Some("control_cancel_request") => return self.withdrawn(&fields, turn),
            Some("system") => self.system(&fields, turn),
            Some("assistant") => {
                self.meter.spoke(&fields);
                self.evidence.signed_out |= fields.is("error", "authentication_failed");
            }
            Some("rate_limit_event") => self.rate_limit(&fields),
            Some("conversation_reset") => self.meter.reset(),
            Some("command_lifecycle") => self.steer_goes_on(&fields, turn),
            _ => {}
        }
        self.spoke = true;
        let result =
            fields.is("type", "result").then(|| (TurnResult::read(&fields), Whose::read(&fields)));
        let turn_usage = result.as_ref().and_then(|_| self.meter.turn_over(&fields));
        let session = self.reported_session(&fields);
        let mut mapped = map::map(&fields);
        if let (Some(usage), Some((draft, _))) = (turn_usage, mapped.first_mut()) {
            draft.news = Some(SessionNews::Ended(usage));
        }
        drop(fields);
        let (raw, whole) = message::fit(raw, &mut flags);
        self.store(mapped, raw, flags, turn);
        if let Some(whole) = whole {
            turn.act(Act::KeepLine(whole));
        }
        if let Some(native_id) = session {
            self.native_session = Some(native_id.clone());
            turn.record(Record::NativeSession { native_id });
        }
        match result {
            Some((result, whose)) => self.turn_ended(result, &whose, turn),
            None => self.still_busy(turn),
        }
    }

    fn store(
        &self,
        mapped: Vec<map::Mapped>,
        raw: Box<RawValue>,
        flags: MessageFlags,
        turn: &mut Turn,
    ) {
        let mut whole_frame = Some(raw);
        for (draft, own_frame) in mapped {
            let Some(frame) = own_frame.or_else(|| whole_frame.take()) else { continue };
            let message = self.setup.stamp.message(draft, frame, flags, turn.now);
            turn.act(if message.kind.ephemeral() {
                Act::Partial(message)
            } else {
                Act::Record(Record::Message(message))
            });
        }
    }

    /// The conversation's id, when a frame that can be relied on brings a new one.
    fn reported_session(&self, fields: &Fields<'_>) -> Option<String> {
        let init = fields.is("type", "system") && fields.is("subtype", "init");
        let result = fields.is("type", "result") && !fields.flag("is_error");
        let id = (init || result).then(|| fields.text("session_id"))??;
        (self.native_session.as_deref() != Some(id.as_str())).then_some(id)
    }

    fn system(&mut self, fields: &Fields<'_>, turn: &mut Turn) {
        match fields.text("subtype").as_deref() {
            Some("init") => {
                let first = !std::mem::replace(&mut self.init_seen, true);
                // An interrupt from before the turn began was acknowledged and lost.
                if first && self.interrupts > 0 && self.evidence.result.is_none() {
                    self.send_interrupt(turn);
                }
            }
            Some("task_started") => {
                let kind = fields.text("task_type");
                if matches!(kind.as_deref(), Some("local_agent" | "local_workflow")) {
                    self.tasks.extend(fields.text("task_id"));
                }
            }
            Some("api_retry") => self.evidence.retry_after_ms = fields.get("retry_delay_ms"),
            Some("task_notification") => self.task_ended(fields, turn),
            Some("task_updated") => {
                let status = fields.inner("patch").text("status");
                if matches!(status.as_deref(), Some("completed" | "failed" | "killed" | "stopped"))
                {
                    self.task_ended(fields, turn);
                }
            }
            _ => {}
        }
    }

    /// The agent says how far it is with what was said into the turn.
    fn steer_goes_on(&mut self, fields: &Fields<'_>, turn: &mut Turn) {
        let Some(id) = fields.text("command_uuid") else { return };
        let Some(begun) = self.steers.get_mut(&id) else { return };
        match fields.text("state").as_deref() {
            Some("queued") => {}
            Some("started") => *begun = true,
            _ => self.steer_ended(&id, turn),
        }
    }

    fn steer_ended(&mut self, id: &str, turn: &mut Turn) {
        self.steers.remove(id);
        if self.evidence.result.is_some() && self.is_idle() && !self.input_closed {
            turn.act(Act::Arm(Timer::Settled, self.setup.timing.settle));
        }
    }

    /// Nothing is at work beside the turn itself.
    fn is_idle(&self) -> bool {
        self.tasks.is_empty() && self.steers.is_empty()
    }

    fn task_ended(&mut self, fields: &Fields<'_>, turn: &mut Turn) {
        let ended = fields.text("task_id").is_some_and(|id| self.tasks.remove(&id));
        if ended && self.is_idle() && self.evidence.result.is_some() && !self.input_closed {
            turn.act(Act::Arm(Timer::Settled, self.setup.timing.settle));
        }
    }

    fn rate_limit(&mut self, fields: &Fields<'_>) {
        let info = fields.inner("rate_limit_info");
        let seconds: Option<i64> = info.get("resetsAt");
        let resets_at =
            seconds.map(|seconds| Timestamp::from_unix_ms(seconds.saturating_mul(1000)));
        self.evidence.limited = info.is("status", "rejected").then_some(resets_at);
    }

    /// Something was said after the answer: a background task woke the agent up.
    fn still_busy(&mut self, turn: &mut Turn) {
        let begun = self.steers.values().any(|begun| *begun);
        if self.evidence.result.is_some() && self.tasks.is_empty() && !begun && !self.input_closed {
            turn.act(Act::Arm(Timer::Settled, self.setup.timing.settle));
        }
    }

    fn turn_ended(&mut self, result: TurnResult, whose: &Whose, turn: &mut Turn) {
        if self.evidence.result.is_none() {
            if !whose.ours(&self.setup.prompt_id.to_string()) {
                if let Some(id) = &whose.uuid {
                    self.steers.remove(id);
                }
                return;
            }
            self.evidence.result = Some(result);
            turn.act(Act::Disarm(Timer::Interrupt));
        }
        if let Some(id) = &whose.uuid {
            self.steers.remove(id);
        }
        if self.is_idle() {
            return self.close_input(turn);
        }
        turn.act(Act::Arm(Timer::Exit, self.setup.timing.exit_with_tasks));
        // What was said last may have come too late: then nothing more happens.
        self.still_busy(turn);
    }

    fn control_response(&mut self, fields: &Fields<'_>, turn: &mut Turn) {
        let response = fields.inner("response");
        let Some(id) = response.text("request_id") else { return };
        if id == INITIALIZE {
            return self.send_prompt(turn);
        }
        let Some(ticket) = self.changes_of_mode.remove(&id) else { return };
        let result = if response.is("subtype", "success") {
            Ok(())
        } else {
            let reason = response.text("error").unwrap_or_else(|| "no reason given".to_owned());
            Err(ErrorBody::new(ErrorCode::Conflict, format!("the agent refused: {reason}")))
        };
        turn.act(Act::ModeChanged(ticket, result));
    }

    fn control_request(&mut self, fields: &Fields<'_>, turn: &mut Turn) {
        let Some(request_id) = fields.text("request_id") else { return };
        let request = fields.inner("request");
        if !request.is("subtype", "can_use_tool") {
            let subtype = request.text("subtype").unwrap_or_default();
            let error = format!("Unsupported control request subtype: {subtype}");
            return turn.act(Act::Write(ask::refusal(&request_id, &error)));
        }
        if self.questions.values().any(|open| open.request_id == request_id) {
            return;
        }
        let (open, ask) = ask::read(request_id, &request, &self.setup.directory);
        self.questions.insert(ask.approval_id, open);
        turn.record(Record::Asked { at: turn.now, ask });
    }

    fn withdrawn(&mut self, fields: &Fields<'_>, turn: &mut Turn) {
        let Some(request_id) = fields.text("request_id") else { return };
        let mut found = self.questions.iter().filter(|(_, open)| open.request_id == request_id);
        let Some((&approval_id, _)) = found.next() else { return };
        self.questions.remove(&approval_id);
        turn.record(Record::Withdrawn { at: turn.now, approval_id });
    }

    fn unreadable(&self, line: Line, flags: MessageFlags, turn: &mut Turn) {
        let Line { text, cut_from, torn, .. } = line;
        let shown = message::prefix(&text, 4096);
        let (code, what) = match (cut_from, torn) {
            (Some(bytes), _) => {
                ("oversize_line", format!("a line of {bytes} bytes was cut: {shown}"))
            }
            (None, true) => ("truncated_tail", format!("the last line is not whole: {shown}")),
            (None, false) => ("protocol_warning", format!("a line is no JSON: {shown}")),
        };
        turn.record(warning(self.setup.stamp, code, what, flags, turn.now));
    }
}

/// The id of a command's prompt: Claude takes no prompt of a conversation twice, so every attempt
/// has its own. The first is the command's.
pub(crate) fn prompt_id(attempt: Attempt) -> Uuid {
    let again = attempt.attempt.saturating_sub(1);
    Uuid::from_u128(attempt.command_id.uuid().as_u128() ^ u128::from(again))
}

/// Whose prompt a result answers.
struct Whose {
    uuid: Option<String>,
    origin: Option<String>,
}

impl Whose {
    fn read(fields: &Fields<'_>) -> Self {
        let origin = fields.inner("origin").text("kind");
        Self { uuid: fields.text("user_message_uuid"), origin }
    }

    fn ours(&self, uuid: &str) -> bool {
        match &self.uuid {
            Some(answered) => answered == uuid,
            None => self.origin.as_deref().is_none_or(|kind| kind == "human"),
        }
    }
}

impl Agent for Claude {
    fn program(&self) -> Program {
        let mut command = self.setup.command.iter().cloned();
        let program = command.next().unwrap_or_default();
        let Setup { options, mcp_file, version, .. } = &self.setup;
        let more = argv::arguments(&self.conversation, options, mcp_file.as_ref(), *version);
        let mut variables = self.setup.variables.clone();
        variables.push(("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1".into()));
        variables.push(("CLAUDE_CODE_ENTRYPOINT", "afield".into()));
        let client = concat!("afield/", env!("CARGO_PKG_VERSION"));
        variables.push(("CLAUDE_AGENT_SDK_CLIENT_APP", client.into()));
        Program { program, arguments: command.chain(more).collect(), variables }
    }

    fn begin(&mut self, turn: &mut Turn) {
        let request = json!({ "subtype": "initialize", "hooks": null });
        let frame =
            json!({ "type": "control_request", "request_id": INITIALIZE, "request": request });
        turn.act(Act::Write(frame.to_string()));
        turn.act(Act::Arm(Timer::Ready, self.setup.timing.ready));
    }

    fn stdout(&mut self, line: Line, turn: &mut Turn) {
        let flags = MessageFlags {
            lossy: line.lossy,
            truncated: line.cut_from.is_some(),
            original_bytes: line.cut_from,
        };
        if line.cut_from.is_some() {
            return self.unreadable(line, flags, turn);
        }
        if !line.text.trim_start().starts_with('{') {
            tracing::debug!(bytes = line.text.len(), "skipping a line that is no frame");
            return;
        }
        if serde_json::from_str::<&RawValue>(&line.text).is_err() {
            return self.unreadable(line, flags, turn);
        }
        let raw = RawValue::from_string(line.text).expect("it was JSON a line ago");
        self.frame(raw, flags, turn);
    }

    fn stderr(&mut self, line: Line, _turn: &mut Turn) {
        let stderr = &mut self.evidence.stderr;
        stderr.push_str(message::prefix(&line.text, STDERR_BYTES_MAX));
        stderr.push('\n');
        let excess = stderr.len().saturating_sub(STDERR_BYTES_MAX);
        stderr.drain(..stderr.ceil_char_boundary(excess));
    }

    fn answer(&mut self, approval: ApprovalId, answer: &Answer, turn: &mut Turn) {
        if let Some(open) = self.questions.remove(&approval) {
            turn.act(Act::Write(open.response(answer)));
        }
    }

    fn interrupt(&mut self, turn: &mut Turn) {
        if self.evidence.result.is_some() {
            return;
        }
        self.evidence.interrupted = true;
        self.interrupts += 1;
        self.send_interrupt(turn);
    }

    fn steer(&mut self, command: CommandId, words: &Words, turn: &mut Turn) -> bool {
        let over = self.answered() || self.input_closed || self.evidence.interrupted;
        // What is not shown needs a folder, which a turn has from its beginning or not at all.
        if !self.prompt_sent || over || !words.files.iter().all(is_shown) {
            return false;
        }
        self.steers.insert(command.to_string(), false);
        turn.record(Record::Steered { at: turn.now, command_id: command });
        turn.act(Act::Write(user_frame(command.uuid(), words, None)));
        true
    }

    fn set_mode(&mut self, mode: PermissionMode, ticket: Ticket, turn: &mut Turn) {
        let request = json!({ "subtype": "set_permission_mode", "mode": mode.name() });
        let id = self.control(request, turn);
        self.changes_of_mode.insert(id, ticket);
    }

    fn timer(&mut self, timer: Timer, turn: &mut Turn) {
        match timer {
            Timer::Ready => self.send_prompt(turn),
            Timer::Interrupt if self.interrupts < 2 => {
                self.interrupts += 1;
                self.send_interrupt(turn);
            }
            Timer::Settled => {
                // What the agent has begun it tells the end of.
                if self.steers.values().all(|begun| !begun) {
                    self.close_input(turn);
                }
            }
            Timer::Interrupt | Timer::Exit => turn.act(Act::Stop),
        }
    }

    fn waits_for_person(&self) -> bool {
        !self.questions.is_empty()
    }

    fn answered(&self) -> bool {
        self.evidence.result.is_some()
    }

    fn speaks_regularly(&self) -> bool {
        !self.answered()
    }

    fn ended(&mut self, exit: Exit, turn: &mut Turn) -> Ending {
        if self.evidence.id_in_use() && !self.spoke && !self.retried {
            let id = self.setup.stamp.session_id.to_string();
            *self = Self::new(Setup { native_session: Some(id), ..self.take_setup() });
            self.native_session = None;
            self.retried = true;
            return Ending::Again;
        }
        for (approval_id, _) in self.questions.drain() {
            turn.record(Record::Withdrawn { at: turn.now, approval_id });
        }
        for (_, ticket) in self.changes_of_mode.drain() {
            let gone = ErrorBody::new(ErrorCode::ProcessNotFound, "the agent has ended");
            turn.act(Act::ModeChanged(ticket, Err(gone)));
        }
        self.evidence.cost_usd = self.meter.spent();
        Ending::Over(outcome::outcome(&self.evidence, exit))
    }
}

impl Claude {
    /// What is needed to begin once more.
    fn take_setup(&mut self) -> Setup {
        let Setup { stamp, version, timing, prompt_id, .. } = self.setup;
        Setup {
            stamp,
            version,
            timing,
            prompt_id,
            command: std::mem::take(&mut self.setup.command),
            variables: std::mem::take(&mut self.setup.variables),
            directory: std::mem::take(&mut self.setup.directory),
            words: std::mem::take(&mut self.setup.words),
            folder: self.setup.folder.take(),
            options: std::mem::take(&mut self.setup.options),
            mcp_file: self.setup.mcp_file.take(),
            native_session: None,
        }
    }
}

/// The version in the words of `claude --version`.
pub(crate) fn version(words: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = words.split_whitespace().next()?.splitn(3, '.').map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests;
