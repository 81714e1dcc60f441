//! `afield history`: what was said in a project.

use std::collections::{BTreeSet, HashMap};

use afield_client::Connection;
use afield_proto::agent::{Direction, MessageKind};
use afield_proto::request::{CommandGet, GetMessages, GetMessagesReply};
use afield_proto::wire::HistoryMessage;
use afield_proto::{CommandId, Timestamp};
use futures::StreamExt as _;
use owo_colors::OwoColorize as _;
use serde_json::value::RawValue;

use super::run::word;
use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::transcript::{Look, Transcript, ending};
use crate::words::visible;
use crate::{Outcome, out, project_ref};

/// Commands whose ends are asked for at the same time.
const ASKED_AT_ONCE: usize = 32;

/// How commands ended, in a line each.
pub(super) type Endings = HashMap<CommandId, String>;

/// `afield history`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Project: id, name or directory [default: the one of the current directory]
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// At most so many messages
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N")]
    limit: u32,
    /// Only messages before this number; the newest of them
    #[arg(long, value_name = "SEQ")]
    before: Option<u64>,
    /// Only messages after this number, oldest first
    #[arg(long, value_name = "SEQ", conflicts_with = "before")]
    after: Option<u64>,
    /// Only messages of this time or later (RFC 3339, such as 2026-11-20T12:00:00Z)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only messages of this kind, such as prompt, text, tool_use, result
    #[arg(long, value_name = "KIND", value_parser = word::<MessageKind>)]
    kind: Option<MessageKind>,
    /// Only messages from people (client) or from the agent (claude)
    #[arg(long, value_name = "WHO", value_parser = word::<Direction>)]
    direction: Option<Direction>,
    /// Only messages with this text, in any case of letters
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Also starts of turns and frames without words
    #[arg(long)]
    all: bool,
}

/// Does it.
pub(super) async fn run(global: &Global, args: &Args) -> Outcome {
    let connection = connect(global).await?;
    let project = project_ref::find(&connection, args.project.as_deref()).await?;
    let request = GetMessages {
        project_id: Some(project.id),
        since: args.since,
        after: args.after,
        before: args.before,
        limit: Some(args.limit),
        direction: args.direction,
        kind: args.kind,
        text: args.search.clone(),
    };
    let page = connection.ask(&request).await?;
    if global.json {
        for message in &page.messages {
            out::json(message);
        }
        return Ok(Exit::Done);
    }
    if page.messages.is_empty() {
        out::line(match nothing_is_filtered(args) {
            true => format!("Nothing was said in {} yet: afield run \"…\"", visible(&project.path)),
            false => format!("Nothing in {} fits.", visible(&project.path)),
        });
        return Ok(Exit::Done);
    }
    let endings = endings(&connection, args, &page).await;
    out::text(&page_text(&page, args.all, &endings)?);
    more(args, &page);
    Ok(Exit::Done)
}

fn nothing_is_filtered(args: &Args) -> bool {
    args.before.or(args.after).is_none()
        && args.since.is_none()
        && args.kind.is_none()
        && args.direction.is_none()
        && args.search.is_none()
}

/// How the commands of a page ended: the line after the last message of each.
async fn endings(connection: &Connection, args: &Args, page: &GetMessagesReply) -> Endings {
    // Of what is filtered out nobody knows whether it was the last.
    if args.kind.is_some() || args.direction.is_some() || args.search.is_some() {
        return Endings::new();
    }
    let mut endings = ask_endings(connection, page).await;
    let cut = args.before.is_some() || (args.after.is_some() && page.more);
    if cut && let Some(last) = page.messages.iter().rev().find_map(|raw| command_of(raw)) {
        // The page after this one may go on with it.
        endings.remove(&last);
    }
    endings
}

/// How the commands ended that the newest messages belong to, as far as they have.
async fn ask_endings(connection: &Connection, page: &GetMessagesReply) -> Endings {
    let ids: BTreeSet<_> = page.messages.iter().filter_map(|raw| command_of(raw)).collect();
    let asked = ids
        .into_iter()
        .map(|command_id| async move { connection.ask(&CommandGet { command_id }).await });
    // A command may be forgotten before what it said is.
    let told: Vec<_> = futures::stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await;
    let told = told.into_iter().filter_map(Result::ok);
    // What went into another's turn has no end of its own.
    let ended = told.filter(|command| command.state.is_final() && command.into.is_none());
    ended.map(|command| (command.id, ending(&command))).collect()
}

fn command_of(raw: &RawValue) -> Option<CommandId> {
    serde_json::from_str::<HistoryMessage>(raw.get()).ok()?.message.command_id
}

/// A page as people read it; a day's first message says which day.
pub(super) fn page_text(
    page: &GetMessagesReply,
    everything: bool,
    endings: &Endings,
) -> anyhow::Result<String> {
    let mut transcript = Transcript::new(Look { prompts: true, everything });
    let mut text = String::new();
    let (mut day, mut gaps) = (String::new(), page.gaps.iter().peekable());
    let entries = page.messages.iter().map(|raw| serde_json::from_str(raw.get()));
    let entries: Vec<HistoryMessage> = entries.collect::<Result<_, _>>()?;
    let last = last_of_each(&entries);
    for entry in &entries {
        while let Some((first, last)) = gaps.next_if(|gap| gap.0 < entry.seq) {
            text.push_str(&gap_line(*first, *last));
        }
        let shown = transcript.message(&entry.message);
        let at = entry.message.timestamp.to_string();
        if !shown.is_empty() && at.get(..10) != Some(day.as_str()) {
            day = at.get(..10).unwrap_or_default().to_owned();
            text.push_str(&format!("{}\n", format!("── {day} ──").dimmed()));
        }
        if entry.message.kind == MessageKind::Prompt {
            let time = at.get(11..16).unwrap_or_default();
            text.push_str(&format!("{}\n", format!("#{} {time} UTC", entry.seq).dimmed()));
        }
        text.push_str(&shown);
        let ended = entry.message.command_id.filter(|id| last.get(id) == Some(&entry.seq));
        if let Some(ending) = ended.and_then(|id| endings.get(&id)) {
            text.push_str(&format!("{}{ending}\n", transcript.break_line()));
        }
    }
    for (first, last) in gaps {
        text.push_str(&gap_line(*first, *last));
    }
    Ok(text)
}

/// The number of the last message of each command.
fn last_of_each(entries: &[HistoryMessage]) -> HashMap<CommandId, u64> {
    entries.iter().filter_map(|entry| Some((entry.message.command_id?, entry.seq))).collect()
}

fn gap_line(first: u64, last: u64) -> String {
    format!("{}\n", format!("── {first} to {last} can't be read and are missing here ──").yellow())
}

fn more(args: &Args, page: &GetMessagesReply) {
    let seq = |raw: Option<&Box<serde_json::value::RawValue>>| {
        serde_json::from_str::<HistoryMessage>(raw?.get()).ok().map(|message| message.seq)
    };
    if !page.more {
        return;
    }
    let next = match args.after {
        Some(_) => seq(page.messages.last()).map(|last| format!("--after {last}")),
        None => seq(page.messages.first()).map(|first| format!("--before {first}")),
    };
    if let Some(next) = next {
        out::error_line(format!("there is more: {next}").dimmed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn entry(seq: u64, at: &str, kind: &str, text: &str) -> Box<RawValue> {
        let json = serde_json::json!({
            "seq": seq, "timestamp": at, "direction": "claude", "kind": kind, "text": text,
            "message": {},
        });
        RawValue::from_string(json.to_string()).unwrap()
    }

    #[test]
    fn a_page_has_days_numbers_and_gaps() {
        let page = GetMessagesReply {
            messages: vec![
                entry(1, "2026-11-19T23:59:00.000Z", "prompt", "hello"),
                entry(2, "2026-11-19T23:59:01.000Z", "text", "hi"),
                entry(7, "2026-11-20T00:00:02.000Z", "prompt", "again"),
            ],
            more: false,
            seq: 9,
            gaps: vec![(3, 6), (8, 9)],
        };
        let text = anstream::adapter::strip_str(&page_text(&page, false, &Endings::new()).unwrap())
            .to_string();
        let expected = "\
── 2026-11-19 ──
#1 23:59 UTC
› hello
hi
── 3 to 6 can't be read and are missing here ──
── 2026-11-20 ──
#7 00:00 UTC
› again
── 8 to 9 can't be read and are missing here ──
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_end_of_a_command_follows_its_last_message() {
        let [first, second] = [CommandId::generate(), CommandId::generate()];
        let said = |seq, id: CommandId, kind: &str, text: &str| {
            let at = "2026-11-20T00:00:00.000Z";
            let entry = entry(seq, at, kind, text);
            let mut json: serde_json::Value = serde_json::from_str(entry.get()).unwrap();
            json["command_id"] = serde_json::json!(id);
            RawValue::from_string(json.to_string()).unwrap()
        };
        let page = GetMessagesReply {
            messages: vec![
                said(1, first, "prompt", "one"),
                said(2, first, "text", "half of"),
                said(3, second, "prompt", "two"),
            ],
            more: false,
            seq: 3,
            gaps: Vec::new(),
        };
        let endings = Endings::from([(first, "stopped 3 s".to_owned())]);
        let text = page_text(&page, false, &endings).unwrap();
        let text = anstream::adapter::strip_str(&text).to_string();
        assert!(text.contains("half of\nstopped 3 s\n#3"), "{text}");
        assert_eq!(text.matches("stopped").count(), 1, "{text}");
    }

    #[test]
    fn words_of_the_protocol_are_understood() {
        assert_eq!(word::<MessageKind>("tool_use"), Ok(MessageKind::ToolUse));
        assert!(word::<Direction>("me").unwrap_err().contains("client"));
    }
}
