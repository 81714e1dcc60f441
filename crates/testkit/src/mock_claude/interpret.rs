//! Runs scripts, the built-in ones and those from files: one step after the other, in the thread of the session.

mod wait;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use self::wait::pause;
use super::{
    output,
    script::{Emit, Script, Spawn, Step},
    session::{End, Session, mistake},
    spawn::{self, Order},
    values::With,
};

const MIB: u64 = 1024 * 1024;

/// How long silence or a wait for a signal lasts before the process gives up, so that none is left behind for good.
const HANG_MAX: Duration = Duration::from_secs(600);

/// The exit code after that.
const EXIT_GAVE_UP: i32 = 70;

/// Where to go after a step.
enum Next {
    Step,
    Label(String),
}

/// Runs a script to its end.
pub(super) fn run(session: &mut Session, script: &Script) -> Result<(), End> {
    let mut jumps = BTreeMap::new();
    let mut at = 0;
    while let Some(step) = script.steps.get(at) {
        at = match execute(session, step, jumps.entry(at).or_default()) {
            Ok(Next::Step) => at + 1,
            Ok(Next::Label(label)) | Err(End::Goto(label)) => script.position(&label),
            Err(end) => return Err(end),
        };
    }
    Ok(())
}

/// Does one step; `jumps` counts how often it jumped before.
fn execute(session: &mut Session, step: &Step, jumps: &mut u64) -> Result<Next, End> {
    match step {
        Step::Emit(emit) => print(session, emit)?,
        Step::Raw { text, b64, nl } => raw(session, text, b64.as_deref(), *nl)?,
        Step::Delay { ms } => pause(session, session.scaled(*ms))?,
        Step::Await(wait) => return wait::run(session, wait),
        Step::Stderr { text, mb } => stderr(session, text, *mb)?,
        Step::Fill { tmpl, bytes, mb } => {
            fill(session, tmpl, bytes.unwrap_or(0) + mb.unwrap_or(0) * MIB)?
        }
        Step::Burst { tmpl, n } => burst(session, tmpl, *n)?,
        Step::Spawn(order) => leave_behind(session, order)?,
        Step::Trap { sig, reaction } => session.trap(*sig, reaction),
        Step::WriteFile { path, text } => write_file(session, path, text)?,
        Step::CloseStdout => output::close_stdout()?,
        Step::Exit { code } => return Err(End::Exit(*code)),
        Step::Abort => abort(session)?,
        Step::Label { .. } => {}
        Step::GotoIf { cond, to, times } => return Ok(goto(session, cond, to, *times, jumps)),
        Step::Set { values } => {
            for (name, value) in session.values.filled(values)? {
                session.values.set(&name, value);
            }
        }
        Step::Ask { tool } => session.ask(tool)?,
        Step::Settle { done } => session.settle(done.as_deref())?,
        Step::NewSession { copy } => session.renew(*copy)?,
        Step::Absorb => session.absorb()?,
        Step::Hang => hang(session)?,
    }
    Ok(Next::Step)
}

fn print(session: &mut Session, emit: &Emit) -> Result<(), End> {
    let with = session.values.filled(&emit.with)?;
    let line = match (&emit.tmpl, &emit.text) {
        (Some(name), None) => session.render(name, &with)?,
        (None, Some(text)) => session.values.line(text, &with, 1)?,
        _ => return Err(mistake("an emit step needs either tmpl or json")),
    };
    if emit.drip_ms.is_none() && !emit.crlf {
        return session.emit_line(&line);
    }
    let end = if emit.crlf { "\r\n" } else { "\n" };
    drip(session, format!("{line}{end}").as_bytes(), emit.drip_ms.unwrap_or(0))?;
    session.observe(&line)
}

fn drip(session: &mut Session, bytes: &[u8], ms: u64) -> Result<(), End> {
    for byte in bytes {
        output::raw(&[*byte])?;
        pause(session, session.scaled(ms))?;
    }
    Ok(())
}

fn raw(session: &Session, text: &str, b64: Option<&str>, nl: bool) -> Result<(), End> {
    let mut bytes = session.values.plain(text)?.into_bytes();
    if let Some(encoded) = b64 {
        bytes.extend(STANDARD.decode(encoded).map_err(|error| mistake(&format!("b64: {error}")))?);
    }
    if nl {
        bytes.push(b'\n');
    }
    Ok(output::raw(&bytes)?)
}

fn stderr(session: &Session, text: &str, mb: Option<u64>) -> Result<(), End> {
    let text = session.values.plain(text)?;
    match mb {
        Some(mb) => output::stderr_noise(&text, mb * MIB),
        None => output::stderr(&text),
    }
    Ok(())
}

/// Prints a long line; what the session notes of it stays short.
fn fill(session: &mut Session, tmpl: &str, bytes: u64) -> Result<(), End> {
    let line = session.render(tmpl, &With::new())?;
    if session.prints_frames() {
        output::filled_line(&line, bytes)?;
    }
    session.observe(&line)
}

fn burst(session: &mut Session, tmpl: &str, count: u64) -> Result<(), End> {
    let turn = session.values.text("n").to_owned();
    for n in 1..=count {
        session.values.set("n", n.to_string());
        let line = session.render(tmpl, &With::new())?;
        session.print(&line)?;
    }
    session.values.set("n", turn);
    Ok(())
}

fn leave_behind(session: &Session, step: &Spawn) -> Result<(), End> {
    let order = Order {
        secs: step.secs,
        setsid: step.setsid,
        ignore_term: step.ignore_term,
        inherit_stdout: step.inherit_stdout,
        double_fork: step.double_fork,
    };
    for _ in step.skip..step.n {
        let sleeper =
            spawn::spawn(order).map_err(|error| mistake(&format!("cannot spawn: {error}")))?;
        session.journal.spawned(sleeper.pid, sleeper.pgid, &step.kind);
    }
    Ok(())
}

fn write_file(session: &Session, path: &str, text: &str) -> Result<(), End> {
    let path = Path::new(session.values.text("cwd")).join(session.values.plain(path)?);
    fs::write(&path, session.values.plain(text)?)
        .map_err(|error| mistake(&format!("{}: {error}", path.display())))
}

fn goto(session: &Session, cond: &str, to: &str, times: Option<u64>, jumps: &mut u64) -> Next {
    if !holds(session, cond) || times.is_some_and(|times| *jumps >= times) {
        return Next::Step;
    }
    *jumps += 1;
    Next::Label(to.to_owned())
}

/// Whether a condition holds; a name without a value stands for itself.
fn holds(session: &Session, cond: &str) -> bool {
    let value = |name| session.values.get(name).unwrap_or(name).trim().to_owned();
    match (cond.split_once("=="), cond.split_once("!=")) {
        (Some((name, text)), _) => value(name) == text,
        (_, Some((name, text))) => value(name) != text,
        _ => cond == "always",
    }
}

fn hang(session: &mut Session) -> Result<(), End> {
    session.ignore_all_but_signals(wait::from_now(HANG_MAX))?;
    Err(End::Exit(EXIT_GAVE_UP))
}

fn abort(session: &mut Session) -> Result<(), End> {
    signal::kill(Pid::this(), Signal::SIGKILL).map_err(|error| mistake(&error.to_string()))?;
    hang(session)
}
