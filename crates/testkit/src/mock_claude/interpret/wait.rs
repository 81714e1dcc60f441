//! The steps that wait. While they do, the session lives on: it answers the host and reacts to signals.

use std::time::{Duration, Instant};

use super::{EXIT_GAVE_UP, HANG_MAX, Next};
use crate::mock_claude::{
    output,
    script::{Await, Awaited, Reaction},
    session::{End, Seen, Session},
};

/// The exit code when patience ends and the script does not say what then.
const EXIT_TIMED_OUT: i32 = 3;

/// Waits out a delay.
pub(super) fn pause(session: &mut Session, time: Duration) -> Result<(), End> {
    let deadline = from_now(time);
    while session.pump(Some(deadline))?.is_some() {}
    Ok(())
}

/// Waits as an `await` step says.
pub(super) fn run(session: &mut Session, wait: &Await) -> Result<Next, End> {
    session.awaits_interrupt = wait.subtype.as_deref() == Some("interrupt");
    let next = until(session, wait);
    session.awaits_interrupt = false;
    next
}

fn until(session: &mut Session, wait: &Await) -> Result<Next, End> {
    let deadline = patience(session, wait).map(from_now);
    loop {
        if is_over(session, wait.what)? {
            return Ok(Next::Step);
        }
        if session.eof && wait.what != Awaited::Signal {
            return no_more_input(session, wait);
        }
        match session.pump(deadline)? {
            Some(Seen::Request(subtype)) if is_awaited(wait, &subtype) => return Ok(Next::Step),
            Some(_) => {}
            None => return give_up(wait),
        }
    }
}

fn patience(session: &Session, wait: &Await) -> Option<Duration> {
    let scaled = wait.delay_ms.map(|ms| session.scaled(ms));
    let endless = (wait.what == Awaited::Signal).then_some(HANG_MAX);
    scaled.or(wait.timeout_ms.map(Duration::from_millis)).or(endless)
}

fn is_over(session: &mut Session, what: Awaited) -> Result<bool, End> {
    match what {
        Awaited::User => session.begin_turn(),
        Awaited::ControlResponse => Ok(session.take_answer()),
        Awaited::Eof => Ok(session.eof),
        Awaited::Queued => Ok(session.has_queued()),
        Awaited::ControlRequest | Awaited::Signal => Ok(false),
    }
}

fn is_awaited(wait: &Await, subtype: &str) -> bool {
    wait.what == Awaited::ControlRequest
        && wait.subtype.as_deref().is_none_or(|awaited| awaited == subtype)
}

/// What happens when stdin ends before the host has done what is awaited.
fn no_more_input(session: &Session, wait: &Await) -> Result<Next, End> {
    match (&wait.on_timeout, wait.what) {
        (Some(reaction), _) => react(reaction),
        (None, Awaited::ControlResponse) => {
            output::stderr("Stream closed");
            Err(End::Exit(1))
        }
        (None, _) => Err(session.idle_exit()),
    }
}

fn give_up(wait: &Await) -> Result<Next, End> {
    match &wait.on_timeout {
        Some(reaction) => react(reaction),
        None if wait.what == Awaited::Signal => Err(End::Exit(EXIT_GAVE_UP)),
        None => Err(End::Exit(EXIT_TIMED_OUT)),
    }
}

fn react(reaction: &Reaction) -> Result<Next, End> {
    match reaction {
        Reaction::Goto(label) => Ok(Next::Label(label.clone())),
        Reaction::Exit(code) => Err(End::Exit(*code)),
        Reaction::Ignore => Ok(Next::Step),
        Reaction::Default | Reaction::Graceful => Err(End::Exit(EXIT_TIMED_OUT)),
    }
}

/// That much time from now.
pub(super) fn from_now(time: Duration) -> Instant {
    Instant::now() + time
}
