//! How a session begins: options, environment and files become the state of [`Session`].

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::Arc,
};

use super::{
    Format, Session, control,
    identity::{self, Identity},
    intake::Traps,
    ledger::Ledger,
    set_session,
    turn::Prompt,
};
use crate::mock_claude::{
    argv::Args,
    disk::Disk,
    frames,
    inbox::{self, Inbox},
    journal::{Journal, Start},
    values::Values,
    version,
};

impl Session {
    /// Opens the session and begins to read.
    ///
    /// **Errors**: the refusal of the real program, without its `Error: `.
    pub(super) fn open(args: Args, journal: &Arc<Journal>, start: &Start) -> Result<Self, String> {
        let disk = Disk::from_env(&start.cwd, !args.has("no-session-persistence"));
        let identity = identity::find(&args, &disk)?;
        let inbox = Arc::new(Inbox::default());
        let broken = |error: io::Error| error.to_string();
        inbox::catch_signals(&inbox, journal).map_err(broken)?;
        let mut session = Self {
            format: format(&args),
            journal: Arc::clone(journal),
            inbox: Arc::clone(&inbox),
            frames: frames::load(),
            values: values(&args, &disk, &identity, start),
            scale: scale(),
            queue: VecDeque::new(),
            known: identity.history.prompts.iter().cloned().collect(),
            missing: identity.missing,
            turn: None,
            turns: 0,
            marked: VecDeque::new(),
            ledger: Ledger::default(),
            traps: Traps::default(),
            open_tools: BTreeSet::new(),
            tasks: Vec::new(),
            eof: false,
            announced: false,
            initialized: false,
            failed: false,
            awaits_interrupt: false,
            args,
            disk,
        };
        session.take_input().map_err(broken)?;
        session.register("idle").map_err(broken)?;
        Ok(session)
    }

    /// Starts to read stdin as the input format says.
    fn take_input(&mut self) -> io::Result<()> {
        let given = self.args.prompt.clone();
        if self.args.value("input-format") == Some("stream-json") {
            self.queue.extend(given.map(Prompt::text));
            return inbox::read_stdin(&self.inbox, &self.journal);
        }
        let text = given.map_or_else(|| io::read_to_string(io::stdin()), Ok)?;
        if text.trim().is_empty() {
            let missing = "Input must be provided either through stdin or as a prompt argument when using --print";
            return Err(io::Error::other(missing));
        }
        self.queue.push_back(Prompt::text(text));
        self.inbox.close();
        Ok(())
    }
}

fn format(args: &Args) -> Format {
    match args.value("output-format") {
        Some("stream-json") => Format::StreamJson,
        Some("json") => Format::Json,
        _ => Format::Text,
    }
}

fn scale() -> f64 {
    let given = std::env::var("MOCK_CLAUDE_TIME_SCALE").ok().and_then(|scale| scale.parse().ok());
    given.filter(|scale: &f64| scale.is_finite() && *scale >= 0.0).unwrap_or(1.0)
}

/// The values a session begins with.
fn values(args: &Args, disk: &Disk, identity: &Identity, start: &Start) -> Values {
    let history = &identity.history;
    let mut values = Values::after(history.lines, history.prompts.len() as u64);
    let memory = disk.project().map(|path| format!("{}/memory/", path.display()));
    for (name, value) in [
        ("cwd", start.cwd.clone()),
        ("start", serde_json::json!(start).to_string()),
        ("version", version()),
        ("model", args.value("model").unwrap_or(control::MODEL).to_owned()),
        ("mode", mode(args).to_owned()),
        ("memory", memory.unwrap_or_default()),
        ("resume", identity.missing.clone().unwrap_or_else(|| identity.session.clone())),
        ("resumed", identity.resumed.to_string()),
        ("deferred", history.deferred.to_string()),
        ("user_uuid", history.prompts.last().cloned().unwrap_or_default()),
        ("max_turns", args.value("max-turns").unwrap_or("3").to_owned()),
        ("max_budget", args.value("max-budget-usd").unwrap_or("1").to_owned()),
        ("denials", "[]".to_owned()),
        ("n", "0".to_owned()),
    ] {
        values.set(name, value);
    }
    for name in [
        "prompt",
        "hook",
        "eof",
        "status",
        "behavior",
        "message",
        "interrupt",
        "decision",
        "answers",
    ] {
        values.set(name, "");
    }
    set_session(&mut values, disk, &identity.session);
    values
}

/// The permission mode as the frames name it.
fn mode(args: &Args) -> &str {
    match args.value("permission-mode") {
        _ if args.has("dangerously-skip-permissions") => "bypassPermissions",
        None | Some("manual") => "default",
        Some(mode) => mode,
    }
}
