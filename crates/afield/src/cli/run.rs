//! `afield run`: one prompt, its work as it happens, an exit code that says how it ended.

mod watch;

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Read as _};
use std::time::Duration;

use afield_client::{AskError, Follow, Followed, Link};
use afield_proto::Topic;
use afield_proto::agent::{AgentKind, ExecuteOptions, PermissionMode};
use afield_proto::command::Command;
use afield_proto::project::Project;
use afield_proto::request::Execute;

use crate::connect::{Global, link};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{Outcome, out, project_ref};
use watch::Watch;

/// How long to try to hand the command over, restarts of the server included.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(120);
/// Events kept while the command is being accepted; older ones belong to other commands.
const BACKLOG: usize = 4096;

/// `afield run`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to do; `-` reads it from standard input
    #[arg(value_name = "PROMPT")]
    prompt: String,
    /// Project: id, name or directory [default: the one of the current directory]
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
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
    /// Tool that needs no question, such as 'Bash(git *)' (repeatable)
    #[arg(long = "allow-tool", value_name = "RULE")]
    allowed_tools: Vec<String>,
    /// Tool that is refused (repeatable)
    #[arg(long = "deny-tool", value_name = "RULE")]
    disallowed_tools: Vec<String>,
    /// Text added to the system prompt
    #[arg(long, value_name = "TEXT")]
    append_system_prompt: Option<String>,
    /// Further directory the agent may use (repeatable)
    #[arg(long = "add-dir", value_name = "DIR")]
    add_dirs: Vec<String>,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Makes a repetition harmless: the same key gives the first command back
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Hand it over and do not wait
    #[arg(short, long)]
    detach: bool,
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
    let prompt = read_prompt(&args.prompt)?;
    let link = link(global).await?;
    let connection = link.online().await?;
    let project = project_ref::find(&connection, args.project.as_deref()).await?;
    drop(connection);
    let mut follow = link.follow(Topic::Project(project.id), None).await?;
    let request = execute(&project, prompt, &args);
    let (command, backlog) = submit(&link, &mut follow, &request).await?;
    if global.json {
        out::json(&serde_json::json!({ "event": "accepted", "command": command }));
    }
    if args.detach {
        if !global.json {
            out::line(command.id);
        }
        return Ok(Exit::Done);
    }
    let interactive = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    Watch::new(link, command, global.json, interactive).follow(backlog, follow).await
}

fn read_prompt(given: &str) -> Result<String, Failure> {
    let prompt = if given == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::usage(format!("standard input: {error}")))?;
        text
    } else {
        given.to_owned()
    };
    if prompt.trim().is_empty() {
        return Err(Failure::usage("the prompt is empty").with_next("afield run \"what to do\""));
    }
    Ok(prompt)
}

fn execute(project: &Project, prompt: String, args: &Args) -> Execute {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let options = ExecuteOptions {
        model: args.model.clone(),
        fallback_model: args.fallback_model.clone(),
        permission_mode: args.permission_mode,
        allowed_tools: some(&args.allowed_tools),
        disallowed_tools: some(&args.disallowed_tools),
        append_system_prompt: args.append_system_prompt.clone(),
        add_dirs: some(&args.add_dirs),
        timeout_seconds: args.timeout,
        ..ExecuteOptions::default()
    };
    Execute {
        project_id: Some(project.id),
        prompt,
        options: (options != ExecuteOptions::default()).then_some(options),
        agent: args.agent,
        // Without a key of their own the command could be handed over twice when the line breaks.
        key: Some(args.key.clone().unwrap_or_else(|| format!("run-{}", uuid::Uuid::now_v7()))),
    }
}

/// Hands the command over, and meanwhile keeps taking events: one that is not taken would hold up
/// the reply behind it.
async fn submit(
    link: &Link,
    follow: &mut Follow,
    request: &Execute,
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
