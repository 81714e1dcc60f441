//! One process of an attempt, from its start until nothing of it is left.

use std::collections::{HashMap, HashSet};
use std::process::ExitStatus;
use std::time::Duration;

use afield_proto::limits::AGENT_LINE_BYTES_MAX;
use afield_proto::runner::Record;
use afield_proto::{CommandId, ErrorBody, Timestamp};
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::{Wish, Work};
use crate::agents::{Act, Agent, Exit, Ticket, Timer, Turn};
use crate::attachments::Words;
use crate::lines::{self, Waiting};
use crate::process::{Climb, Killed, Kin, Ladder, Process, Step, sweep};

/// Lines that may wait to be written to a program. One that reads nothing is stopped.
const INPUT_LINES_MAX: usize = 256;

/// Why an attempt is being stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A person asked for it.
    Killed,
    /// The runner ends.
    Shutdown,
    /// The time limit.
    TooLong(Duration),
    /// The stall watchdog.
    Silent(Duration),
    /// Records can't be written any more.
    Disk,
}

/// A climb up the ladder, with the time of its next step.
struct Stopping {
    climb: Climb,
    next: Instant,
}

pub(super) struct Session<'a> {
    work: &'a mut Work,
    agent: &'a mut dyn Agent,
    child: tokio::process::Child,
    claim: Option<Box<dyn Send>>,
    kin: Option<Kin>,
    input: Option<mpsc::Sender<String>>,
    stdout: Option<mpsc::Receiver<Waiting>>,
    stderr: Option<mpsc::Receiver<Waiting>>,
    timers: HashMap<Timer, Instant>,
    tickets: HashMap<Ticket, oneshot::Sender<Result<(), ErrorBody>>>,
    next_ticket: Ticket,
    /// What the agent was given in its turn: a repetition is answered, not given again.
    steered: HashSet<CommandId>,
    heard: Instant,
    deadline: Instant,
    why: Option<Why>,
    stopping: Option<Stopping>,
    exit: Option<ExitStatus>,
    sweeping: Option<JoinHandle<Killed>>,
    /// When to stop waiting for the rest of the output.
    drain_until: Option<Instant>,
    killed: Killed,
    long_lines: u64,
    wishes_open: bool,
}

/// What woke the session.
enum Woken {
    Stdout(Option<Waiting>),
    Stderr(Option<Waiting>),
    Wish(Option<Wish>),
    Exited(std::io::Result<ExitStatus>),
    Swept(Killed),
    Timer(Timer),
    Step,
    TooLong,
    Silent,
    Shutdown,
    Drained,
}

impl<'a> Session<'a> {
    pub(super) fn new(work: &'a mut Work, agent: &'a mut dyn Agent, process: Process) -> Self {
        let Process { child, stdin, stdout, stderr, kin, claim, .. } = process;
        let room = lines::room();
        let (stdout, _) = lines::read_lines(stdout, AGENT_LINE_BYTES_MAX, room.clone());
        let (stderr, _) = lines::read_lines(stderr, AGENT_LINE_BYTES_MAX, room);
        let limit = work.shared.policy.execution_timeout(&work.order.options);
        Self {
            work,
            agent,
            child,
            claim: Some(Box::new(claim)),
            kin: Some(kin),
            input: stdin.map(write_lines),
            stdout: Some(stdout),
            stderr: Some(stderr),
            timers: HashMap::new(),
            tickets: HashMap::new(),
            next_ticket: 1,
            steered: HashSet::new(),
            heard: Instant::now(),
            deadline: Instant::now() + limit,
            why: None,
            stopping: None,
            exit: None,
            sweeping: None,
            drain_until: None,
            killed: Killed::default(),
            long_lines: 0,
            wishes_open: true,
        }
    }

    /// Runs until the process, its output and everything it made are gone.
    pub(super) async fn run(mut self) -> (Exit, Option<Why>, Killed) {
        let mut turn = Turn::at(Timestamp::now());
        self.agent.begin(&mut turn);
        self.carry_out(turn).await;
        while !self.is_over() {
            let woken = self.wait().await;
            self.handle(woken).await;
        }
        (exit_of(self.exit), self.why, self.killed)
    }

    fn is_over(&self) -> bool {
        let output_over = self.stdout.is_none() && self.stderr.is_none();
        self.exit.is_some() && self.sweeping.is_none() && output_over
    }

    async fn wait(&mut self) -> Woken {
        let timer = self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at));
        let step = self.stopping.as_ref().map(|stopping| stopping.next);
        let running = self.exit.is_none();
        let watched = running && self.stopping.is_none();
        let silent = (watched && self.agent.speaks_regularly() && !self.agent.waits_for_person())
            .then(|| self.heard + self.work.shared.policy.stall_timeout());
        // Biased: a flood of words must not keep a stop waiting, and words heard in time are read
        // before the watchdog looks.
        tokio::select! {
            biased;
            wish = self.work.wishes.recv(), if self.wishes_open => Woken::Wish(wish),
            () = at(step) => Woken::Step,
            () = sleep_until(self.deadline), if watched => Woken::TooLong,
            () = self.work.shared.shutdown.cancelled(), if watched => Woken::Shutdown,
            status = self.child.wait(), if running => Woken::Exited(status),
            killed = swept(&mut self.sweeping) => Woken::Swept(killed),
            lines = next(&mut self.stdout) => Woken::Stdout(lines),
            lines = next(&mut self.stderr) => Woken::Stderr(lines),
            () = at(timer.map(|(_, at)| at)) => Woken::Timer(timer.expect("it rang").0),
            () = at(silent) => Woken::Silent,
            () = at(self.drain_until) => Woken::Drained,
        }
    }

    async fn handle(&mut self, woken: Woken) {
        let timing = self.work.shared.timing;
        let mut turn = Turn::at(Timestamp::now());
        match woken {
            Woken::Stdout(Some(waiting)) => {
                self.heard();
                waiting.lines.into_iter().for_each(|line| self.agent.stdout(line, &mut turn));
            }
            Woken::Stderr(Some(waiting)) => {
                self.heard();
                waiting.lines.into_iter().for_each(|line| self.agent.stderr(line, &mut turn));
            }
            Woken::Stdout(None) => self.stdout = None,
            Woken::Stderr(None) => self.stderr = None,
            Woken::Wish(Some(wish)) => self.wish(wish, &mut turn),
            // The runner keeps the other end for as long as it works.
            Woken::Wish(None) => {
                self.wishes_open = false;
                self.stop(Some(Why::Shutdown), Climb::new(timing.gentle));
            }
            Woken::Exited(status) => self.exited(status),
            Woken::Swept(killed) => {
                self.killed.extend(killed);
                self.sweeping = None;
                self.drain_until = Some(Instant::now() + timing.drain);
            }
            Woken::Timer(timer) => {
                self.timers.remove(&timer);
                self.agent.timer(timer, &mut turn);
            }
            Woken::Step => self.step(&mut turn).await,
            Woken::TooLong => {
                let limit = self.work.shared.policy.execution_timeout(&self.work.order.options);
                self.stop(Some(Why::TooLong(limit)), Climb::new(timing.gentle));
            }
            Woken::Silent => {
                let limit = self.work.shared.policy.stall_timeout();
                self.stop(Some(Why::Silent(limit)), Climb::new(timing.gentle));
            }
            Woken::Shutdown => self.stop(Some(Why::Shutdown), Climb::new(timing.gentle)),
            Woken::Drained => {
                // Somebody outside our reach holds the pipe.
                (self.stdout, self.stderr, self.drain_until) = (None, None, None);
            }
        }
        self.carry_out(turn).await;
    }

    fn heard(&mut self) {
        self.heard = Instant::now();
        if self.drain_until.is_some() {
            self.drain_until = Some(self.heard + self.work.shared.timing.drain);
        }
    }

    fn wish(&mut self, wish: Wish, turn: &mut Turn) {
        match wish {
            Wish::Answer(approval, answer) => {
                self.heard = Instant::now();
                self.agent.answer(approval, &answer, turn);
            }
            Wish::Interrupt => self.agent.interrupt(turn),
            Wish::Steer(command, words, done) => {
                let again = self.steered.contains(&command) && !planted::is("steer");
                let taken = again || self.steer(command, &words, turn);
                // Nobody waits for the answer when the server is gone: its record tells.
                let _ = done.send(taken);
            }
            Wish::SetMode(mode, done) => {
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                self.tickets.insert(ticket, done);
                self.agent.set_mode(mode, ticket, turn);
            }
            Wish::Kill(done) => {
                self.work.stop.push(done);
                let ladder = self.work.shared.timing.kill;
                self.stop(Some(Why::Killed), Climb::new(ladder));
                self.hurry(ladder);
            }
        }
    }

    fn steer(&mut self, command: CommandId, words: &Words, turn: &mut Turn) -> bool {
        let ends = self.stopping.is_some() || self.exit.is_some();
        if ends || !self.agent.steer(command, words, turn) {
            return false;
        }
        self.heard = Instant::now();
        self.steered.insert(command)
    }

    fn hurry(&mut self, ladder: Ladder) {
        if let Some(stopping) = &mut self.stopping {
            stopping.climb.hurry(ladder);
            stopping.next = Instant::now();
        }
    }

    /// Begins to stop the process. The first reason counts; no reason leaves the outcome to the
    /// agent.
    fn stop(&mut self, why: Option<Why>, climb: Climb) {
        if self.exit.is_some() {
            return;
        }
        self.why = self.why.or(why);
        if self.stopping.is_none() {
            tracing::info!(?why, "stopping the agent");
            self.stopping = Some(Stopping { climb, next: Instant::now() });
        }
    }

    async fn step(&mut self, turn: &mut Turn) {
        let Some(stopping) = &mut self.stopping else { return };
        let (step, wait) = stopping.climb.step();
        stopping.next = Instant::now() + wait;
        match step {
            Step::Interrupt => self.agent.interrupt(turn),
            Step::Close => self.input = None,
            Step::TermLeader => self.signal(Kin::term_leader).await,
            Step::TermGroup => self.signal(Kin::term_all).await,
            Step::Kill => self.signal(Kin::kill_all).await,
        }
    }

    /// Sends signals off the thread that reads: looking for processes takes milliseconds.
    async fn signal(&mut self, send: fn(&mut Kin) -> Killed) {
        let Some(mut kin) = self.kin.take() else { return };
        let sent = tokio::task::spawn_blocking(move || {
            let killed = send(&mut kin);
            (kin, killed)
        });
        let (kin, killed) = sent.await.expect("sending signals neither panics nor is cancelled");
        self.kin = Some(kin);
        self.killed.extend(killed);
    }

    fn exited(&mut self, status: std::io::Result<ExitStatus>) {
        match status {
            Ok(status) => self.exit = Some(status),
            Err(error) => {
                tracing::error!(%error, "can't wait for the agent");
                self.exit = Some(ExitStatus::default());
            }
        }
        self.claim = None;
        self.input = None;
        self.timers.clear();
        let stopped = self.stopping.take().is_some();
        let timing = self.work.shared.timing;
        let grace = if stopped { timing.kill.term_group } else { timing.sweep_grace };
        if let Some(mut kin) = self.kin.take() {
            kin.leader_gone();
            self.sweeping = Some(tokio::spawn(sweep(kin, grace)));
        }
    }

    async fn carry_out(&mut self, turn: Turn) {
        for act in turn.acts {
            self.act(act).await;
            // A turn of many lines lets the relay of partials keep up.
            tokio::task::consume_budget().await;
        }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Record(record) => self.record(record).await,
            Act::Partial(message) => self.work.partials.relay(message),
            Act::KeepLine(line) => self.keep_line(line).await,
            Act::Write(line) => self.write(line),
            Act::CloseInput => self.input = None,
            Act::Arm(timer, wait) => {
                self.timers.insert(timer, Instant::now() + wait);
            }
            Act::Disarm(timer) => {
                self.timers.remove(&timer);
            }
            Act::InterruptSignal => {
                self.signal(|kin| {
                    kin.interrupt_all();
                    Killed::default()
                })
                .await;
            }
            Act::Stop => {
                let climb = Climb::without_interrupt(self.work.shared.timing.gentle);
                self.stop(None, climb);
            }
            Act::ModeChanged(ticket, result) => {
                if let Some(done) = self.tickets.remove(&ticket) {
                    let _ = done.send(result);
                }
            }
        }
    }

    async fn record(&mut self, record: Record) {
        self.work.partials.flush();
        let log = &self.work.log;
        let written = match record {
            // On disk before the agent is given it, so that it is never given twice.
            Record::Steered { .. } => log.append_durably(&record).await,
            _ => log.append(&record).await,
        };
        if let Err(error) = written {
            tracing::error!(%error, "a record can't be written; stopping the agent");
            if matches!(record, Record::Steered { .. }) {
                // What is not on disk is not given to it.
                self.input = None;
            }
            self.stop(Some(Why::Disk), Climb::new(self.work.shared.timing.kill));
        }
    }

    async fn keep_line(&mut self, line: String) {
        self.long_lines += 1;
        let (directory, number) = (self.work.log.long_lines(), self.long_lines);
        let kept = tokio::task::spawn_blocking(move || {
            crate::journal::keep_long_line(&directory, number, &line)
        });
        if !matches!(kept.await, Ok(Ok(()))) {
            tracing::warn!("a long line could not be kept whole");
        }
    }

    fn write(&mut self, line: String) {
        let Some(input) = &self.input else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = input.try_send(line) {
            tracing::warn!("the agent does not read its input; stopping it");
            self.stop(None, Climb::without_interrupt(self.work.shared.timing.gentle));
        }
    }
}

/// Writes lines to a program's input in a task of its own; the input is closed with the sender.
fn write_lines(mut stdin: ChildStdin) -> mpsc::Sender<String> {
    let (sender, mut lines) = mpsc::channel::<String>(INPUT_LINES_MAX);
    tokio::spawn(async move {
        while let Some(mut line) = lines.recv().await {
            line.push('\n');
            let written = async {
                stdin.write_all(line.as_bytes()).await?;
                stdin.flush().await
            };
            if let Err(error) = written.await {
                // It has closed its input, or is gone: its exit tells.
                tracing::debug!(%error, "the agent takes no input");
                return;
            }
        }
    });
    sender
}

async fn next(lines: &mut Option<mpsc::Receiver<Waiting>>) -> Option<Waiting> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}

async fn swept(sweeping: &mut Option<JoinHandle<Killed>>) -> Killed {
    match sweeping {
        Some(task) => task.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn exit_of(status: Option<ExitStatus>) -> Exit {
    use std::os::unix::process::ExitStatusExt as _;
    let status = status.unwrap_or_default();
    Exit { code: status.code(), signal: status.signal() }
}
