//! Everything that reaches the process from outside, in one place to wait on: lines of stdin, its end, signals.
//!
//! Two threads fill it, the session empties it. Signals overtake lines.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::SigSet;
pub(super) use nix::sys::signal::Signal;

use super::{journal::Journal, output};

/// Lines held before the reader stops reading; enough that no test of queued prompts waits.
const LINES_MAX: usize = 64;

/// How long the session may take to notice a deadly signal, for it may be stuck in a write nobody reads.
const NOTICE: Duration = Duration::from_secs(1);

/// One thing from outside.
#[derive(Debug)]
pub(super) enum Event {
    /// A line of stdin without its line end.
    Line(Vec<u8>),
    /// Stdin was closed; comes once, after the last line.
    Eof,
    /// TERM or INT.
    Signal(Signal),
}

/// The shared queue.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    signals: VecDeque<Signal>,
    eof: bool,
    /// Set while a script survives signals: then the process is never ended behind its back.
    immortal: bool,
}

impl Inbox {
    /// Waits for the next event; `None` when the deadline passes first.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Option<Event> {
        let mut state = self.lock();
        loop {
            if let Some(event) = state.take() {
                self.changed.notify_all();
                return Some(event);
            }
            let left =
                deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            state = self.wait(state, left);
        }
    }

    /// Says that stdin is at its end.
    pub(super) fn close(&self) {
        self.lock().eof = true;
        self.changed.notify_all();
    }

    /// Says whether signals end the process even if the session cannot react.
    pub(super) fn set_immortal(&self, immortal: bool) {
        self.lock().immortal = immortal;
    }

    fn push_line(&self, line: Vec<u8>) {
        let mut state = self.lock();
        while state.lines.len() >= LINES_MAX {
            state = self.wait(state, Duration::MAX);
        }
        state.lines.push_back(line);
        self.changed.notify_all();
    }

    /// Hands a signal over; `false` if nobody took it in time and it should have been deadly.
    fn push_signal(&self, signal: Signal) -> bool {
        let mut state = self.lock();
        state.signals.push_back(signal);
        self.changed.notify_all();
        let deadline = Instant::now() + NOTICE;
        while !state.signals.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return state.immortal;
            }
            state = self.wait(state, left);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn take(&mut self) -> Option<Event> {
        if let Some(signal) = self.signals.pop_front() {
            return Some(Event::Signal(signal));
        }
        if let Some(line) = self.lines.pop_front() {
            return Some(Event::Line(line));
        }
        std::mem::take(&mut self.eof).then_some(Event::Eof)
    }
}

/// Starts to catch TERM and INT. To be called before any other thread exists.
pub(super) fn catch_signals(inbox: &Arc<Inbox>, journal: &Arc<Journal>) -> io::Result<()> {
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    signals.thread_block()?;
    let (inbox, journal) = (Arc::clone(inbox), Arc::clone(journal));
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        while let Ok(signal) = signals.wait() {
            journal.signal(signal.as_str());
            if !inbox.push_signal(signal) {
                let code = exit_code(signal);
                journal.exit(code);
                std::process::exit(code);
            }
        }
    })?;
    Ok(())
}

/// Starts to read stdin line by line.
pub(super) fn read_stdin(inbox: &Arc<Inbox>, journal: &Arc<Journal>) -> io::Result<()> {
    let (inbox, journal) = (Arc::clone(inbox), Arc::clone(journal));
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut lines = io::stdin().lock().split(b'\n');
        let mut n = 0;
        while let Some(line) = lines.next().transpose().unwrap_or_else(broken) {
            n += 1;
            journal.stdin(n, &line);
            inbox.push_line(line);
        }
        journal.stdin_eof();
        inbox.close();
    })?;
    Ok(())
}

fn broken(error: io::Error) -> Option<Vec<u8>> {
    output::stderr(&format!("mock: cannot read stdin: {error}"));
    None
}

/// The conventional exit code of a process that ended because of a signal.
pub(super) fn exit_code(signal: Signal) -> i32 {
    128 + signal as i32
}
