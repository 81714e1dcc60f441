//! `afield search`: what was said in any project.

use afield_proto::ProjectId;
use afield_proto::agent::{Direction, MessageKind};
use afield_proto::device::is_hostile;
use afield_proto::project::Project;
use afield_proto::request::{MessageSearch, MessageSearchReply, ProjectList};
use afield_proto::wire::FoundMessage;
use owo_colors::OwoColorize as _;

use super::run::word;
use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::words::visible;
use crate::{Outcome, out, project_ref};

/// Characters of a message shown around what was found.
const SHOWN_CHARS: usize = 160;

/// `afield search`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to look for, in any case of letters
    #[arg(value_name = "TEXT")]
    text: String,
    /// Only in this project: id, name or directory (repeatable) [default: all]
    #[arg(short, long, value_name = "PROJECT")]
    project: Vec<String>,
    /// Only messages of this kind, such as prompt, text, tool_use, result
    #[arg(long, value_name = "KIND", value_parser = word::<MessageKind>)]
    kind: Option<MessageKind>,
    /// Only messages from people (client) or from the agent (claude)
    #[arg(long, value_name = "WHO", value_parser = word::<Direction>)]
    direction: Option<Direction>,
    /// At most so many, the newest
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Go on where an earlier search ended
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
}

/// Does it.
pub(super) async fn run(global: &Global, args: &Args) -> Outcome {
    let connection = connect(global).await?;
    let projects = connection.ask(&ProjectList {}).await?.projects;
    let ids = args.project.iter().map(|meant| Ok(project_ref::choose(&projects, Some(meant))?.id));
    let ids = ids.collect::<Result<Vec<ProjectId>, crate::failure::Failure>>()?;
    let mut ask = MessageSearch {
        text: args.text.clone(),
        project_ids: (!ids.is_empty()).then_some(ids),
        kind: args.kind,
        direction: args.direction,
        before: args.before.clone(),
        limit: Some(args.limit),
    };
    let mut found = 0;
    // One reply looks through a bounded part only: here one waits for all of it.
    let last = loop {
        let page = connection.ask(&ask).await?;
        found += page.messages.len();
        show(global, &projects, &args.text, &page)?;
        if found >= args.limit as usize || !page.more {
            break page;
        }
        ask.limit = Some(args.limit - u32::try_from(found).unwrap_or(args.limit));
        ask.before = page.before;
    };
    if found == 0 && !global.json {
        out::line("Nothing fits.");
    }
    if let Some(before) = last.before.filter(|_| last.more) {
        out::error_line(format!("there may be more: --before {before}").dimmed());
    }
    Ok(Exit::Done)
}

fn show(
    global: &Global,
    projects: &[Project],
    wanted: &str,
    page: &MessageSearchReply,
) -> Result<(), anyhow::Error> {
    for raw in &page.messages {
        if global.json {
            out::json(raw);
            continue;
        }
        let found: FoundMessage = serde_json::from_str(raw.get())?;
        let project = projects.iter().find(|project| project.id == found.project_id);
        let place = project.map_or_else(|| found.project_id.to_string(), |one| visible(&one.path));
        let message = &found.message.message;
        let (at, kind) = (message.timestamp.to_string(), message.kind.name());
        let at = at.get(..16).unwrap_or(&at).replace('T', " ");
        out::line(format!("{at}  {place}  #{} {kind}", found.message.seq).dimmed());
        out::line(format!("  {}", excerpt(message.text.as_deref().unwrap_or(""), wanted)));
    }
    for gap in &page.gaps {
        let words = format!("{} to {} of {}", gap.first, gap.last, gap.project_id);
        out::error_line(format!("{words} can't be read").yellow());
    }
    Ok(())
}

/// One line of a text, with what was looked for in it.
fn excerpt(text: &str, wanted: &str) -> String {
    let wanted = wanted.to_lowercase();
    let fits = |line: &&str| line.to_lowercase().contains(&wanted);
    let line = text.lines().find(fits).or_else(|| text.lines().next()).unwrap_or_default().trim();
    let found = line.to_lowercase().find(&wanted).unwrap_or(0);
    // The lower-case text may be longer or shorter: near it is near enough.
    let before = line.char_indices().filter(|(at, _)| *at < found).count();
    let skipped = before.saturating_sub(SHOWN_CHARS / 2);
    let shown: String =
        line.chars().skip(skipped).take(SHOWN_CHARS).filter(|c| !is_hostile(*c)).collect();
    let (front, back) = (skipped > 0, line.chars().count() > skipped + SHOWN_CHARS);
    format!("{}{shown}{}", if front { "…" } else { "" }, if back { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_the_line_it_was_found_in() {
        assert_eq!(excerpt("one\n  the NEEDLE is here\nthree", "needle"), "the NEEDLE is here");
        let long = format!("{}needle{}", "x".repeat(500), "y".repeat(500));
        let shown = excerpt(&long, "NEEDLE");
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.contains("needle"));
        assert_eq!(excerpt("a\u{1b}[31m\u{202e}b", ""), "a[31mb");
        assert_eq!(excerpt("", "x"), "");
    }
}
