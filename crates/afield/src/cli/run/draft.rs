//! From the command line to what is submitted.

use std::io::Read;
use std::path::PathBuf;

use afield_client::{LocalFile, check_size};
use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::command::CommandKind;
use afield_proto::limits::MESSAGE_BYTES_MAX;
use afield_proto::queue::{Failure as Cause, Payload, RetryPolicy, Target};
use afield_proto::request::CommandSubmit;

use super::{Args, Driving, Queueing};
use crate::connect::Global;
use crate::failure::Failure;

/// Attempts of what may be started twice, when no number is given.
const SAFE_ATTEMPTS: u32 = 3;

/// Everything but where it goes.
#[derive(Clone)]
pub(super) struct Draft {
    submit: CommandSubmit,
    files: Vec<LocalFile>,
}

impl Draft {
    /// Reads arguments, standard input and files.
    pub(super) fn read(args: &Args) -> Result<Self, Failure> {
        let argv = (!args.program.is_empty()).then(|| args.program.clone());
        let prompt = match (&args.prompt, &argv) {
            (Some(prompt), _) => read_prompt(prompt)?,
            (None, _) => String::new(),
        };
        let agent = args.driving.agent.or(argv.as_ref().map(|_| AgentKind::Command));
        if argv.is_some() && agent != Some(AgentKind::Command) {
            return Err(Failure::usage("a program needs no agent: leave --agent out"));
        }
        let options = ExecuteOptions { argv, ..options(&args.driving)? };
        let options = (options != ExecuteOptions::default()).then_some(options);
        let queueing = &args.queueing;
        let files = read_files(&args.attach)?;
        let attachments = files.iter().map(|file| file.attachment.clone()).collect();
        let submit = CommandSubmit {
            target: None,
            kind: None,
            payload: Payload { prompt, options, agent, session_id: None, attachments },
            mode: queueing.mode,
            // Without a key of its own it could be handed over twice when the line breaks.
            key: Some(
                queueing.key.clone().unwrap_or_else(|| format!("run-{}", uuid::Uuid::now_v7())),
            ),
            priority: queueing.priority,
            not_before: queueing.at,
            expires_at: queueing.expires,
            retry: retry(queueing),
            order: queueing.order.clone(),
            hold: queueing.hold,
            submitted_at: None,
        };
        // Before anything is sent or kept.
        check_size(&submit).map_err(|error| {
            Failure::usage(error.to_string()).with_next(
                "put the text into a file: afield run --attach FILE \"what to do with it\"",
            )
        })?;
        Ok(Self { submit, files })
    }

    /// What goes with it.
    pub(super) fn files(&self) -> &[LocalFile] {
        &self.files
    }

    /// Hands the server what goes with it, before the command itself.
    pub(super) async fn upload(&self, global: &Global) -> Result<(), Failure> {
        if self.files.is_empty() {
            return Ok(());
        }
        let endpoint = global.endpoint()?;
        for file in &self.files {
            afield_client::upload(&endpoint, file).await?;
        }
        Ok(())
    }

    /// The same for this agent, unless another was named.
    pub(super) fn preferring(mut self, agent: Option<AgentKind>) -> Self {
        self.submit.payload.agent = self.submit.payload.agent.or(agent);
        self
    }

    /// What is submitted there; `agent` is the project's own.
    pub(super) fn to(&self, target: Target, agent: Option<AgentKind>) -> CommandSubmit {
        let agent = self.submit.payload.agent.or(agent);
        let is_program = agent == Some(AgentKind::Command);
        CommandSubmit {
            target: Some(target),
            kind: is_program.then_some(CommandKind::Shell),
            ..self.submit.clone()
        }
    }
}

fn read_files(paths: &[PathBuf]) -> Result<Vec<LocalFile>, Failure> {
    let read = |path: &PathBuf| {
        LocalFile::read(path)
            .map_err(|error| Failure::usage(format!("--attach {}: {error}", path.display())))
    };
    let files = paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let attachments: Vec<_> = files.iter().map(|file| file.attachment.clone()).collect();
    afield_proto::attachment::check(&attachments).map_err(Failure::usage)?;
    Ok(files)
}

fn read_prompt(given: &str) -> Result<String, Failure> {
    let prompt = if given == "-" {
        read_input(std::io::stdin().lock())
            .map_err(|error| Failure::usage(format!("standard input: {error}")))?
    } else {
        given.to_owned()
    };
    if prompt.trim().is_empty() {
        return Err(Failure::usage("the prompt is empty").with_next("afield run \"what to do\""));
    }
    Ok(prompt)
}

/// Reads it to its end, or until it is more than the server takes, which is found out by its size.
fn read_input(input: impl Read) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    input.take(MESSAGE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        // It may be cut in the middle of a letter.
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is no valid UTF-8"))
}

fn options(driving: &Driving) -> Result<ExecuteOptions, Failure> {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    Ok(ExecuteOptions {
        model: driving.model.clone(),
        fallback_model: driving.fallback_model.clone(),
        permission_mode: driving.permission_mode,
        allowed_tools: some(&driving.allowed_tools),
        disallowed_tools: some(&driving.disallowed_tools),
        append_system_prompt: driving.append_system_prompt.clone(),
        mcp_config: driving.mcp_config.as_deref().map(mcp_config).transpose()?,
        add_dirs: some(&driving.add_dirs),
        dangerously_skip_permissions: driving.dangerously_skip_permissions.then_some(true),
        timeout_seconds: driving.timeout,
        ..ExecuteOptions::default()
    })
}

/// The content of a file that is here; the path of one that is not.
fn mcp_config(file: &str) -> Result<serde_json::Value, Failure> {
    if !std::path::Path::new(file).exists() {
        return Ok(serde_json::Value::String(file.to_owned()));
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("can't read {file}: {error}")))?;
    let config: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{file} is no JSON: {error}")))?;
    match config.is_object() {
        true => Ok(config),
        false => Err(Failure::usage(format!("{file} holds no JSON object"))),
    }
}

/// Who names a number of tries means every failure; what was only called safe is tried again after
/// those that pass by themselves.
fn retry(queueing: &Queueing) -> Option<RetryPolicy> {
    let Queueing { retry, retry_safe, wait_for_limit, .. } = queueing;
    if retry.is_none() && !retry_safe && !wait_for_limit {
        return None;
    }
    let usual = RetryPolicy::default();
    let mut on = usual.on.clone();
    if retry.is_some() {
        on.push(Cause::Failed);
    }
    let unnamed = if *retry_safe { SAFE_ATTEMPTS } else { usual.attempts };
    let attempts = retry.unwrap_or(unnamed);
    let (safe, wait_for_limit) = (*retry_safe, *wait_for_limit);
    Some(RetryPolicy { attempts, on, safe, wait_for_limit, ..usual })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn what_is_larger_than_a_message_is_refused_with_both_sizes() {
        let prompt = "x".repeat(MESSAGE_BYTES_MAX);
        let args = crate::cli::Cli::try_parse_from(["afield", "run", prompt.as_str()]).unwrap();
        let crate::cli::Command::Run(args) = args.command else { panic!("it is a run") };
        let failure = Draft::read(&args).err().unwrap();
        assert_eq!(failure.exit(), crate::exit::Exit::Usage);
        let said = failure.to_string();
        assert!(said.contains("the server takes 1047552") && said.contains("has 1048"), "{said}");
    }

    #[test]
    fn input_without_an_end_is_read_until_it_is_too_large() {
        let read = read_input(std::io::repeat(b'x')).unwrap();
        assert_eq!(read.len(), MESSAGE_BYTES_MAX + 1);
        assert_eq!(read_input("äöü".as_bytes()).unwrap(), "äöü");
        assert!(read_input(&b"\xff"[..]).is_err());
    }

    #[test]
    fn a_policy_is_as_wide_as_it_was_asked_for() {
        let policy = |queueing| retry(&queueing);
        assert_eq!(policy(Queueing::default()), None);
        let three = policy(Queueing { retry: Some(3), ..Queueing::default() }).unwrap();
        assert!(three.attempts == 3 && three.on.contains(&Cause::Failed) && !three.safe);
        let safe = policy(Queueing { retry_safe: true, ..Queueing::default() }).unwrap();
        assert!(safe.attempts == 3 && !safe.on.contains(&Cause::Failed) && safe.safe);
        let limit = policy(Queueing { wait_for_limit: true, ..Queueing::default() }).unwrap();
        assert!(limit.attempts == 1 && limit.wait_for_limit);
    }
}
