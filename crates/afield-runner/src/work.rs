//! The owner of one attempt: starts the program, carries out what its agent decides, stops it.
//!
//! One task per attempt. It never waits for the network, nor for a reader of the agent's words.

mod session;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use afield_proto::agent::{AgentKind, ExecuteOptions, MessageFlags, PermissionMode};
use afield_proto::approval::Answer;
use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::runner::{KilledProcess, Record, RunnerExecute};
use afield_proto::{ApprovalId, CommandId, ErrorBody, ErrorCode, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::agents::claude::content::is_shown;
use crate::agents::claude::{Claude, Setup, prompt_id};
use crate::agents::command::Command;
use crate::agents::{Agent, Ending, Exit, Stamp, Turn, demo, warning};
use crate::attachments::{File, Folder, Words};
use crate::facts::Facts;
use crate::journal::{AttemptLog, JournalError};
use crate::partials::Partials;
use crate::policy::{Policy, mcp_file};
use crate::process::{self, Killed, Launch, environment};
use crate::timing::Timing;
use session::{Session, Why};

/// Wait before a record the disk refused is tried again: a full disk may have room later.
pub(crate) const DISK_RETRY: Duration = Duration::from_secs(2);

/// The variable that tells an agent which request it works for.
const REQUEST_VARIABLE: &str = "AFIELD_REQUEST_ID";
/// The variable with the number of the attempt, counted from 1.
const ATTEMPT_VARIABLE: &str = "AFIELD_ATTEMPT";

/// What others want of a running attempt.
pub(crate) enum Wish {
    /// A person answered.
    Answer(ApprovalId, Answer),
    /// End the turn.
    Interrupt,
    /// Say these words of a command into the turn; answered with whether the agent takes them.
    Steer(CommandId, Words, oneshot::Sender<bool>),
    /// Change when the agent asks.
    SetMode(PermissionMode, oneshot::Sender<Result<(), ErrorBody>>),
    /// Stop everything; answered when it is gone and that is on disk.
    Kill(oneshot::Sender<Vec<KilledProcess>>),
}

/// What is the same for every attempt of a runner.
pub(crate) struct Shared {
    pub(crate) policy: Policy,
    pub(crate) facts: Arc<Facts>,
    /// Where folders of attachments are made.
    pub(crate) attachments: PathBuf,
    /// Program and first arguments of the demonstration agent.
    pub(crate) demo: Vec<OsString>,
    pub(crate) timing: Timing,
    pub(crate) shutdown: CancellationToken,
}

/// One attempt.
pub(crate) struct Work {
    pub(crate) shared: Arc<Shared>,
    pub(crate) order: RunnerExecute,
    /// The files that go with it, or why they are not here.
    pub(crate) files: Result<Vec<File>, ErrorBody>,
    pub(crate) log: AttemptLog,
    pub(crate) wishes: mpsc::Receiver<Wish>,
    pub(crate) partials: Partials,
    /// Those who asked for a stop before it began.
    pub(crate) stop: Vec<oneshot::Sender<Vec<KilledProcess>>>,
}

/// How the work ended.
struct End {
    outcome: Outcome,
    killed: Killed,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, killed: Killed::default() }
    }
}

impl Work {
    /// Works to the end; its last record is on disk when this returns.
    pub(crate) async fn run(mut self) {
        let began = Instant::now();
        let End { mut outcome, killed } =
            if self.stop.is_empty() { self.carry_out().await } else { killed_outcome().into() };
        outcome.duration_ms = u64::try_from(began.elapsed().as_millis()).ok();
        self.note_left_out().await;
        tracing::info!(outcome = outcome.kind.name(), "attempt finished");
        let killed = killed.list();
        let at = Timestamp::now();
        let finished = Record::Finished { at, outcome, killed: killed.clone() };
        write_end(&self.log, &finished, &self.shared.shutdown).await;
        self.wishes.close();
        while let Some(wish) = self.wishes.recv().await {
            match wish {
                Wish::Kill(done) => self.stop.push(done),
                Wish::SetMode(_, done) => drop(done.send(Err(has_ended()))),
                Wish::Answer(..) | Wish::Interrupt | Wish::Steer(..) => {}
            }
        }
        for done in self.stop {
            let _ = done.send(killed.clone());
        }
    }

    /// Says so when messages are missing in what was recorded.
    async fn note_left_out(&self) {
        let left_out = self.log.left_out();
        if left_out > 0 {
            let text = format!(
                "{left_out} messages were left out: the spool was full (limit spool_bytes_max)"
            );
            tracing::warn!("{text}");
            let (flags, now) = (MessageFlags::default(), Timestamp::now());
            let note = warning(Stamp::of(&self.order), "left_out", text, flags, now);
            let _ = self.log.append(&note).await;
        }
    }

    async fn carry_out(&mut self) -> End {
        let directory = match self.check().await {
            Ok(directory) => directory,
            Err(error) => return refused(error).into(),
        };
        let mut agent = match self.agent(&directory).await {
            Ok(agent) => agent,
            Err(error) => return refused(error).into(),
        };
        let mut killed = Killed::default();
        loop {
            let process = match process::start(self.launch(agent.as_ref(), &directory)) {
                Ok(process) => process,
                Err(error) => return not_started(&self.order, &error).into(),
            };
            tracing::info!(pid = process.pid, agent = self.order.agent.name(), "agent started");
            let session = Session::new(self, agent.as_mut(), process);
            let (exit, why, more) = session.run().await;
            killed.extend(more);
            let mut turn = Turn::at(Timestamp::now());
            let ending = agent.ended(exit, &mut turn);
            self.last_acts(turn).await;
            match (ending, why) {
                (Ending::Again, None) => {}
                (Ending::Over(outcome), None) => return End { outcome, killed },
                (Ending::Over(outcome), Some(_)) if outcome.kind == OutcomeKind::Succeeded => {
                    return End { outcome, killed };
                }
                (_, Some(why)) => return End { outcome: stopped(why, exit), killed },
            }
        }
    }

    /// Records of an agent that has ended. What it wants written has nowhere to go.
    async fn last_acts(&mut self, turn: Turn) {
        for act in turn.acts {
            if let crate::agents::Act::Record(record) = act
                && let Err(error) = self.log.append(&record).await
            {
                tracing::error!(%error, "a record is lost");
            }
        }
    }

    /// Checks path and policy again, right before use.
    async fn check(&self) -> Result<PathBuf, ErrorBody> {
        let (shared, order) = (Arc::clone(&self.shared), self.order.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let directory = crate::path::check_at_use(&order.path, &shared.policy.roots)
                .map_err(crate::path::PathError::body)?;
            check_prompt(&order)?;
            shared.policy.check(order.agent, &order.options, &directory)?;
            Ok(directory)
        });
        checked.await.unwrap_or_else(|error| {
            Err(ErrorBody::new(ErrorCode::InternalError, error.to_string()))
        })
    }

    async fn agent(&mut self, directory: &Path) -> Result<Box<dyn Agent>, ErrorBody> {
        let files = std::mem::replace(&mut self.files, Ok(Vec::new()))?;
        let folder = self.folder(&files).await?;
        let order = &self.order;
        let stamp = Stamp::of(order);
        let timing = self.shared.timing;
        if order.agent == AgentKind::Command {
            let command = Command::new(stamp, &order.prompt, &order.options, timing);
            return Ok(Box::new(command.with_attachments(folder)));
        }
        let (command, version, variables) = match order.agent {
            AgentKind::Demo if self.shared.demo.is_empty() => {
                let message = "this runner has no demonstration agent";
                return Err(ErrorBody::new(ErrorCode::AgentUnavailable, message));
            }
            AgentKind::Demo => (self.shared.demo.clone(), None, demo::variables()),
            AgentKind::Claude | AgentKind::Command => {
                let found = self.shared.facts.claude().await;
                let program = found.program.as_ref().filter(|_| found.usable());
                let program = program.ok_or_else(|| claude_missing(found.note.as_deref()))?;
                (vec![program.into()], found.version, Vec::new())
            }
        };
        Ok(Box::new(Claude::new(Setup {
            stamp,
            command,
            version,
            variables,
            directory: order.path.clone(),
            prompt_id: prompt_id(order.attempt),
            words: Words { text: order.prompt.clone(), files },
            options: with_folder(&order.options, folder.as_ref()),
            folder,
            mcp_file: mcp_file(&order.options, directory)?,
            native_session: order.native_session.clone(),
            timing,
        })))
    }

    /// Writes what the agent is given by path, if there is something.
    async fn folder(&self, files: &[File]) -> Result<Option<Folder>, ErrorBody> {
        let by_path = |file: &File| self.order.agent == AgentKind::Command || !is_shown(file);
        if !files.iter().any(by_path) {
            return Ok(None);
        }
        let (directory, attempt) = (self.shared.attachments.clone(), self.order.attempt);
        let files = files.to_vec();
        let written =
            tokio::task::spawn_blocking(move || Folder::write(&directory, attempt, &files)).await;
        written.map_err(std::io::Error::from).flatten().map(Some).map_err(|error| {
            let message = format!("the attachments can't be written: {error}");
            ErrorBody::new(ErrorCode::InternalError, message)
        })
    }

    fn launch(&self, agent: &dyn Agent, directory: &Path) -> Launch {
        let program = agent.program();
        let passed = &self.shared.policy.pass_environment;
        let mut environment = environment::environment(std::env::vars_os(), passed);
        let own = program.variables.into_iter().map(|(name, value)| (name.into(), value));
        environment.extend(own);
        // The agent's own tools can log what led to them.
        environment.push((REQUEST_VARIABLE.into(), self.order.request_id.to_string().into()));
        environment.push((ATTEMPT_VARIABLE.into(), self.order.attempt.attempt.to_string().into()));
        Launch {
            program: program.program,
            arguments: program.arguments,
            environment,
            directory: directory.to_owned(),
            mark: self.order.attempt.command_id.to_string(),
        }
    }
}

/// Writes the last record, however long the disk refuses: an end is never given up while the
/// runner works.
pub(crate) async fn write_end(log: &AttemptLog, finished: &Record, shutdown: &CancellationToken) {
    let mut said = false;
    loop {
        match log.append_durably(finished).await {
            Ok(()) => return,
            Err(JournalError::Io(error)) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::error!(%error, "the end can't be written yet");
                }
            }
            Err(error) => return tracing::error!(%error, "the end can't be written"),
        }
        tokio::select! {
            () = tokio::time::sleep(DISK_RETRY) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// The agent may read what was written for it, and nothing else of the runner's.
fn with_folder(options: &ExecuteOptions, folder: Option<&Folder>) -> ExecuteOptions {
    let mut options = options.clone();
    if let Some(folder) = folder {
        options.add_dirs.get_or_insert_default().push(folder.path().display().to_string());
    }
    options
}

/// A prompt no agent could take is refused here.
fn check_prompt(order: &RunnerExecute) -> Result<(), ErrorBody> {
    let invalid = |message: &str| Err(ErrorBody::new(ErrorCode::ValidationFailed, message));
    match () {
        () if order.prompt.contains('\0') => invalid("the prompt holds a NUL character"),
        () if order.prompt.trim().is_empty() && order.options.argv.is_none() => {
            invalid("the prompt is empty")
        }
        () => Ok(()),
    }
}

fn claude_missing(note: Option<&str>) -> ErrorBody {
    let note = note.unwrap_or("it was not found");
    ErrorBody::new(
        ErrorCode::ClaudeNotFound,
        format!("Claude Code can't be used on this runner: {note}"),
    )
}

fn has_ended() -> ErrorBody {
    ErrorBody::new(ErrorCode::ProcessNotFound, "the agent has ended")
}

fn refused(error: ErrorBody) -> Outcome {
    Outcome {
        code: Some(error.code),
        ..Outcome::new(OutcomeKind::NotStarted).with_message(error.message)
    }
}

fn not_started(order: &RunnerExecute, error: &std::io::Error) -> Outcome {
    let agent = order.agent;
    let code = match agent {
        AgentKind::Claude => ErrorCode::ClaudeNotFound,
        AgentKind::Demo | AgentKind::Command => ErrorCode::AgentUnavailable,
    };
    let program = order.options.argv.as_ref().and_then(|argv| argv.first());
    let what = match program {
        Some(program) => format!("the program {program:?}"),
        None => format!("the program of the agent {agent}"),
    };
    refused(ErrorBody::new(code, format!("{what} can't be started: {error}")))
}

fn killed_outcome() -> Outcome {
    Outcome::new(OutcomeKind::Killed).with_message("stopped on request")
}

fn stopped(why: Why, exit: Exit) -> Outcome {
    let outcome = match why {
        Why::Killed => killed_outcome(),
        Why::Shutdown => Outcome::new(OutcomeKind::Interrupted)
            .with_message("the runner was stopped while it worked"),
        Why::TooLong(limit) => timed_out(&format!("it took longer than {} s", limit.as_secs())),
        Why::Silent(limit) => timed_out(&format!("it said nothing for {} s", limit.as_secs())),
        Why::Disk => Outcome::new(OutcomeKind::Interrupted)
            .with_message("the runner's disk failed while it worked"),
    };
    Outcome { exit_code: exit.code, signal: exit.signal, ..outcome }
}

fn timed_out(message: &str) -> Outcome {
    Outcome {
        code: Some(ErrorCode::ExecutionTimeout),
        ..Outcome::new(OutcomeKind::TimedOut).with_message(message)
    }
}
