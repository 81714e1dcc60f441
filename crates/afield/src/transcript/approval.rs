//! An approval as a question on a terminal, and its end.

use afield_proto::approval::{Approval, ApprovalKind, ApprovalState};
use owo_colors::OwoColorize as _;
use serde_json::Value;

use super::clean;

/// Longest input that is shown whole, in bytes; a longer one is cut, and says so.
const INPUT_BYTES_MAX: usize = 4000;

/// The question with everything that would run.
pub(crate) fn question(approval: &Approval) -> String {
    let ask = &approval.ask;
    let title = ask.title.clone().unwrap_or_else(|| match ask.kind {
        ApprovalKind::Tool => format!("The agent wants to use {}", ask.tool),
        ApprovalKind::Question => "The agent asks".to_owned(),
        ApprovalKind::Plan => "The agent wants to carry out a plan".to_owned(),
    });
    let mut text = format!("{} {}\n", "?".magenta().bold(), clean(&title).bold());
    text.push_str(&shown_input(approval));
    if let Some(reason) = &ask.reason {
        text.push_str(&format!("    why: {}\n", clean(reason)));
    }
    for rule in &ask.rules {
        text.push_str(&format!("    always would be: {}\n", clean(&rule.to_string())));
    }
    for reason in approval.danger.iter().flat_map(|danger| &danger.reasons) {
        text.push_str(&format!("    {} {}\n", "careful:".red().bold(), clean(reason)));
    }
    text.push_str(&format!("    {}\n", format!("in {}", clean(&ask.directory)).dimmed()));
    text
}

fn shown_input(approval: &Approval) -> String {
    let Ok(input) = serde_json::from_str::<Value>(approval.ask.input.get()) else {
        return String::new();
    };
    let mut lines = match approval.ask.kind {
        ApprovalKind::Question => questions(&input),
        ApprovalKind::Tool | ApprovalKind::Plan => fields(&input),
    };
    if lines.len() > INPUT_BYTES_MAX {
        let whole = lines.len();
        let cut = (0..=INPUT_BYTES_MAX).rev().find(|end| lines.is_char_boundary(*end));
        lines.truncate(cut.unwrap_or(0));
        lines.push_str(&format!(
            "\n    … cut here; {whole} bytes in all (afield approvals --json)\n"
        ));
    }
    lines
}

/// Each field of the input, exactly as it would run.
fn fields(input: &Value) -> String {
    let Some(object) = input.as_object() else { return format!("    {input}\n") };
    let field = |(key, value): (&String, &Value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), clean);
        format!("    {}: {}\n", clean(key), text.trim_end().replace('\n', "\n      "))
    };
    object.iter().map(field).collect()
}

/// The questions with the answers to choose from.
fn questions(input: &Value) -> String {
    let Some(questions) = input.get("questions").and_then(Value::as_array) else {
        return fields(input);
    };
    let mut text = String::new();
    for question in questions {
        let asked = question.get("question").and_then(Value::as_str).unwrap_or_default();
        text.push_str(&format!("    {}\n", clean(asked)));
        let options = question.get("options").and_then(Value::as_array);
        for (index, option) in options.into_iter().flatten().enumerate() {
            let part = |key| clean(option.get(key).and_then(Value::as_str).unwrap_or_default());
            text.push_str(&format!("      {} {}", index + 1, part("label")));
            let about = part("description");
            text.push_str(&if about.is_empty() { "\n".into() } else { format!(" ({about})\n") });
        }
    }
    text
}

/// How an approval ended; empty while it is open.
pub(crate) fn answered(approval: &Approval) -> String {
    let how = match approval.state {
        ApprovalState::Open => return String::new(),
        ApprovalState::Allowed => "allowed",
        ApprovalState::Denied => "denied",
        ApprovalState::Withdrawn => "withdrawn: nobody needs to answer any more",
    };
    let reason = approval.answer.as_ref().and_then(|answer| answer.message.as_deref());
    let reason = reason.map(|reason| format!(" ({})", clean(reason))).unwrap_or_default();
    let tool = clean(&approval.ask.tool);
    let rules = approval.answer.iter().flat_map(|answer| &answer.rules);
    let rules: String =
        rules.map(|rule| format!(", always {}", clean(&rule.to_string()))).collect();
    format!("  {}\n", format!("└ {tool}: {how}{reason}{rules}").dimmed())
}
