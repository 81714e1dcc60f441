//! `afield run`: one prompt, its work as it happens, an exit code that says how it ended.

mod anywhere;
mod detach;
mod draft;
mod place;
mod watch;

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use afield_client::{AskError, Follow, Followed, Link};
use afield_proto::agent::{AgentKind, PermissionMode};
use afield_proto::command::Command;
use afield_proto::queue::{Priority, SendMode};
use afield_proto::request::CommandSubmit;
use afield_proto::route::RouteMode;
use afield_proto::{Timestamp, Topic};

use super::when::when;
use crate::connect::{Global, link};
use crate::failure::Failure;
use crate::out::Unwritten;
use crate::{Outcome, out};
use draft::Draft;
use watch::Watch;

/// How long to try to hand the command over, restarts of the server included.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(120);
/// Events kept while the command is being accepted; older ones belong to other commands.
const BACKLOG: usize = 4096;

/// `afield run`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to do; `-` reads it from standard input
    #[arg(value_name = "PROMPT", required_unless_present = "program")]
    prompt: Option<String>,
    /// A program with its arguments instead of a prompt
    #[arg(last = true, value_name = "PROGRAM", conflicts_with = "prompt")]
    program: Vec<String>,
    /// Project: id, name or directory [default: the one of the current directory, or of afield prefer]
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// Any runner this is true of, such as 'os = "linux" and agents has "claude"'; with -p, its
    /// project at that absolute path
    #[arg(long, value_name = "SELECTOR")]
    on: Option<String>,
    /// File that goes with the prompt: an image, a text, anything up to 10 MiB (repeatable)
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Hand it over and do not wait; kept here and sent later when the server is away
    #[arg(short, long)]
    detach: bool,
    // A heading holds for every argument after it: those without one stand above.
    /// How it is driven.
    #[command(flatten)]
    driving: Driving,
    /// Which of several runners.
    #[command(flatten)]
    anywhere: Anywhere,
    /// How it waits.
    #[command(flatten)]
    queueing: Queueing,
}

/// Which of several runners that fit.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "With --on")]
struct Anywhere {
    /// How one of several runners is chosen: best, round_robin, or order (by priority, or --prefer)
    #[arg(long, value_name = "MODE", requires = "on", value_parser = word::<RouteMode>)]
    route: Option<RouteMode>,
    /// Runner to be asked before others, in this order (repeatable)
    #[arg(long, value_name = "RUNNER", requires = "on")]
    prefer: Vec<String>,
}

/// How the agent is driven.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Agent")]
struct Driving {
    /// Another agent than the project's: claude, demo or command
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentKind>,
    /// Model name or alias
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Model to use when the first is overloaded
    #[arg(long, value_name = "MODEL")]
    fallback_model: Option<String>,
    /// When the agent asks: default, acceptEdits, plan, auto, dontAsk, bypassPermissions
    #[arg(long, value_name = "MODE", value_parser = permission_mode)]
    permission_mode: Option<PermissionMode>,
    /// Never ask; only where the runner's policy allows it
    #[arg(long)]
    dangerously_skip_permissions: bool,
    /// Tool that needs no question, such as 'Bash(git *)' (repeatable)
    #[arg(long = "allow-tool", value_name = "RULE")]
    allowed_tools: Vec<String>,
    /// Tool that is refused (repeatable)
    #[arg(long = "deny-tool", value_name = "RULE")]
    disallowed_tools: Vec<String>,
    /// Text added to the system prompt
    #[arg(long, value_name = "TEXT")]
    append_system_prompt: Option<String>,
    /// MCP servers: a JSON file of this machine, or else the path of one inside the project
    #[arg(long, value_name = "FILE")]
    mcp_config: Option<String>,
    /// Further directory the agent may use (repeatable)
    #[arg(long = "add-dir", value_name = "DIR")]
    add_dirs: Vec<String>,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
}

/// How it waits, and what follows when it fails.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Queue")]
struct Queueing {
    /// Makes a repetition harmless: the same key gives the first command back
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// What it means for the turn that runs: queue (after it), steer (into it, or first in the
    /// queue), interrupt (instead of it)
    #[arg(long, value_name = "MODE", default_value = "queue", value_parser = word::<SendMode>)]
    mode: SendMode,
    /// critical, high, normal or low
    #[arg(long, value_name = "PRIORITY", default_value = "normal", value_parser = word::<Priority>)]
    priority: Priority,
    /// Do not start before: a time, or so long from now (10m, 2h, 3d)
    #[arg(long, value_name = "TIME", value_parser = when)]
    at: Option<Timestamp>,
    /// Do not start after: a time, or so long from now [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = when)]
    expires: Option<Timestamp>,
    /// Try at most N times in all when it fails, then set it aside as a dead letter
    #[arg(long, value_name = "N")]
    retry: Option<u32>,
    /// Starting it twice does no harm: also try again when a crash left its outcome unknown
    /// (3 times in all unless --retry says otherwise)
    #[arg(long)]
    retry_safe: bool,
    /// When the agent's usage limit is reached, wait until it ends
    #[arg(long)]
    wait_for_limit: bool,
    /// Commands of one project with the same key run one after the other [default: the project's]
    #[arg(long, value_name = "KEY")]
    order: Option<String>,
    /// Keep it from starting until: afield queue release
    #[arg(long)]
    hold: bool,
}

/// Reads a word of the protocol.
pub(super) fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let json = serde_json::Value::String(text.to_owned());
    serde_json::from_value(json).map_err(|error| error.to_string())
}

/// Reads a permission mode by its name.
pub(super) fn permission_mode(text: &str) -> Result<PermissionMode, String> {
    let fits = |mode: &PermissionMode| mode.name().eq_ignore_ascii_case(text);
    PermissionMode::ALL.into_iter().find(fits).ok_or_else(|| {
        let names: Vec<_> = PermissionMode::ALL.into_iter().map(PermissionMode::name).collect();
        format!("known modes: {}", names.join(", "))
    })
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> Outcome {
    let ask = Draft::read(&args)?;
    if args.detach {
        return detach::run(global, &args, ask).await;
    }
    // The exit code tells how the work ended, whether somebody reads along or not.
    Unwritten::Follow.apply();
    let link = link(global).await?;
    let connection = link.online().await?;
    ask.upload(global).await?;
    let (command, backlog, follow) = match anywhere::target(&connection, &args).await? {
        Some(target) => {
            drop(connection);
            let request = ask.to(target, None);
            let command = link.ask_until_answered(&request, SUBMIT_TIMEOUT).await?;
            let (command, follow) = anywhere::follow(&link, command).await?;
            (command, VecDeque::new(), follow)
        }
        None => {
            let (project, request) = place::ask_for(global, &connection, &args, &ask).await?;
            drop(connection);
            let mut follow = link.follow(Topic::Project(project.id), None).await?;
            let (command, backlog) = submit(&link, &mut follow, &request).await?;
            (command, backlog, follow)
        }
    };
    if global.json {
        out::json(&serde_json::json!({ "event": "accepted", "command": command }));
    }
    let interactive = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    Watch::new(link, command, global.json, interactive).follow(backlog, follow).await
}

/// Hands the command over, and meanwhile keeps taking events: one that is not taken would hold up
/// the reply behind it.
async fn submit(
    link: &Link,
    follow: &mut Follow,
    request: &CommandSubmit,
) -> Result<(Command, VecDeque<Followed>), Failure> {
    let mut backlog = VecDeque::new();
    let mut accepted = std::pin::pin!(link.ask_until_answered(request, SUBMIT_TIMEOUT));
    loop {
        tokio::select! {
            reply = &mut accepted => return Ok((reply?, backlog)),
            followed = follow.next() => {
                let followed = followed.ok_or(AskError::Disconnected)?;
                if backlog.len() == BACKLOG {
                    backlog.pop_front();
                }
                backlog.push_back(followed);
            }
        }
    }
}
