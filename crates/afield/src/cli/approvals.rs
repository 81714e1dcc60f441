//! `afield approvals`: what agents ask, and answers.

use std::collections::BTreeMap;

use afield_client::Connection;
use afield_proto::approval::{Answer, Approval, Behavior, PermissionRule, RuleDestination};
use afield_proto::request::{ApprovalAnswer, ApprovalList};
use owo_colors::OwoColorize as _;

use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::transcript::{answered, question};
use crate::words::age;
use crate::{Outcome, out, project_ref};

/// `afield approvals`
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Only those of this project: id, name or directory
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// Also those that are answered or withdrawn
    #[arg(long)]
    all: bool,
    /// What to do instead of listing.
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do with approvals.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Answer one
    Answer(AnswerArgs),
}

/// `afield approvals answer`
#[derive(Debug, clap::Args)]
pub(super) struct AnswerArgs {
    /// Its id, or the beginning of it [default: the only one that is open]
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Yes
    #[arg(long, conflicts_with = "deny", required_unless_present = "deny")]
    allow: bool,
    /// No
    #[arg(long)]
    deny: bool,
    /// With a yes: also for the rest of the session, by the rule the agent offers
    #[arg(long, requires = "allow")]
    session: bool,
    /// With a yes: a rule that spares the question from now on, kept in the agent's settings of the
    /// project, such as 'npm test *' or 'Bash(npm test *)' [default: the rules it suggests]
    #[arg(long, requires = "allow", value_name = "RULE", num_args = 0..=1)]
    always: Option<Option<String>>,
    /// With a no: the reason, told to the agent
    #[arg(long, requires = "deny", value_name = "TEXT")]
    reason: Option<String>,
    /// With a no: also end the turn
    #[arg(long, requires = "deny")]
    interrupt: bool,
    /// To a question: QUESTION=LABEL, or only LABEL when one question is asked
    #[arg(long = "choose", requires = "allow", value_name = "ANSWER")]
    choices: Vec<String>,
}

/// Does it.
pub(super) async fn run(global: &Global, args: &Args) -> Outcome {
    let connection = connect(global).await?;
    match &args.command {
        Some(Command::Answer(args)) => answer(global, &connection, args).await,
        None => list(global, &connection, args).await,
    }
}

async fn list(global: &Global, connection: &Connection, args: &Args) -> Outcome {
    let project_id = match &args.project {
        Some(meant) => Some(project_ref::find(connection, Some(meant)).await?.id),
        None => None,
    };
    let approvals = connection.ask(&ApprovalList { project_id, all: args.all }).await?;
    if global.json {
        out::json(&approvals);
        return Ok(Exit::Done);
    }
    if approvals.approvals.is_empty() {
        out::line("No agent asks anything.");
        return Ok(Exit::Done);
    }
    for approval in &approvals.approvals {
        let asked = age(approval.requested_at, afield_proto::Timestamp::now());
        out::line(format!("{} {}", approval.ask.approval_id, asked.dimmed()));
        out::text(&question(approval));
        out::text(&answered(approval));
    }
    out::line("answer: afield approvals answer ID --allow   (or --deny --reason \"…\")");
    Ok(Exit::Done)
}

async fn answer(global: &Global, connection: &Connection, args: &AnswerArgs) -> Outcome {
    let open = connection.ask(&ApprovalList { project_id: None, all: false }).await?.approvals;
    let approval = choose(&open, args.id.as_deref())?;
    let answer = Answer {
        behavior: if args.allow { Behavior::Allow } else { Behavior::Deny },
        for_session: args.session,
        rules: rules(approval, args.always.as_ref())?,
        message: args.reason.clone(),
        interrupt: args.interrupt,
        answers: choices(approval, &args.choices)?,
    };
    let approval_id = approval.ask.approval_id;
    let approval = connection.ask(&ApprovalAnswer { approval_id, answer }).await?;
    if global.json {
        out::json(&approval);
    } else {
        out::text(&answered(&approval));
    }
    Ok(Exit::Done)
}

/// The rules that hold from now on: the one that was typed, or those the agent suggests.
fn rules(
    approval: &Approval,
    always: Option<&Option<String>>,
) -> Result<Vec<PermissionRule>, Failure> {
    let destination = RuleDestination::LocalSettings;
    let rules: Vec<_> = match always {
        None => return Ok(Vec::new()),
        Some(Some(text)) => vec![PermissionRule::read(text, &approval.ask.tools(), destination)],
        Some(None) => {
            let suggested = approval.ask.rules.iter().cloned();
            suggested.map(|rule| PermissionRule { destination, ..rule }).collect()
        }
    };
    match rules.is_empty() {
        true => Err(Failure::usage("the agent suggests no rule")
            .with_next("write one: --always 'npm test *'")),
        false => Ok(rules),
    }
}

fn choose<'a>(open: &'a [Approval], meant: Option<&str>) -> Result<&'a Approval, Failure> {
    let fits = |approval: &&Approval| {
        meant.is_none_or(|meant| approval.ask.approval_id.to_string().starts_with(meant))
    };
    let found: Vec<_> = open.iter().filter(fits).collect();
    match found.as_slice() {
        [approval] => Ok(approval),
        [] => Err(Failure::new(Exit::Refused, "no such approval is open")
            .with_next("see what is asked: afield approvals")),
        _ => Err(Failure::usage("several approvals are open")
            .with_next("name one by its id; see them: afield approvals")),
    }
}

/// The answers to the questions of an approval.
pub(super) fn choices(
    approval: &Approval,
    chosen: &[String],
) -> Result<Option<BTreeMap<String, String>>, Failure> {
    if chosen.is_empty() {
        return Ok(None);
    }
    let questions = questions(approval);
    let mut answers = BTreeMap::new();
    for choice in chosen {
        let (question, label) = match (choice.split_once('='), questions.as_slice()) {
            (Some((question, label)), _) if questions.iter().any(|known| known == question) => {
                (question.to_owned(), label.to_owned())
            }
            (_, [only]) => (only.clone(), choice.clone()),
            _ => return Err(Failure::usage(format!("{choice:?}: write QUESTION=LABEL"))),
        };
        answers.insert(question, label);
    }
    Ok(Some(answers))
}

/// The full text of each question an approval asks.
pub(super) fn questions(approval: &Approval) -> Vec<String> {
    let input: serde_json::Value =
        serde_json::from_str(approval.ask.input.get()).unwrap_or_default();
    let list = input.get("questions").and_then(|list| list.as_array());
    let text = |question: &serde_json::Value| Some(question.get("question")?.as_str()?.to_owned());
    list.into_iter().flatten().filter_map(text).collect()
}
