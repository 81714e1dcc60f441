//! What a person types at a question, as an answer.

use std::collections::BTreeMap;

use afield_proto::approval::{Answer, Approval, ApprovalKind, Behavior};
use serde_json::Value;

/// Reads a typed line; `None` when it is no answer.
pub(super) fn read(approval: &Approval, line: &str) -> Option<Answer> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match word.to_lowercase().as_str() {
        "n" | "no" | "deny" => Some(no(rest)),
        "y" | "yes" | "allow" if approval.ask.kind != ApprovalKind::Question => Some(yes(false)),
        "s" | "session" if approval.ask.kind == ApprovalKind::Tool => Some(yes(true)),
        _ if approval.ask.kind == ApprovalKind::Question => chosen(approval, line),
        _ => None,
    }
}

/// What can be typed, for the line that asks.
pub(super) fn choices(approval: &Approval) -> &'static str {
    match approval.ask.kind {
        ApprovalKind::Question => "number or text, n to refuse: ",
        ApprovalKind::Tool if approval.ask.session_rule => {
            "[y]es, [s] yes for this session, [n]o and why: "
        }
        ApprovalKind::Tool | ApprovalKind::Plan => "[y]es, [n]o and why: ",
    }
}

/// A yes.
pub(super) fn yes(for_session: bool) -> Answer {
    Answer { for_session, ..Answer::plain(Behavior::Allow) }
}

/// A no, with the reason if there is one.
pub(super) fn no(reason: &str) -> Answer {
    let reason = reason.trim();
    let message = (!reason.is_empty()).then(|| reason.to_owned());
    Answer { message, ..Answer::plain(Behavior::Deny) }
}

/// An answer per question, separated by semicolons: a number from the list, or words.
fn chosen(approval: &Approval, line: &str) -> Option<Answer> {
    let input: Value = serde_json::from_str(approval.ask.input.get()).ok()?;
    let questions = input.get("questions")?.as_array()?;
    let parts: Vec<&str> =
        if questions.len() == 1 { vec![line] } else { line.split(';').map(str::trim).collect() };
    if line.is_empty() || parts.len() != questions.len() {
        return None;
    }
    let mut answers = BTreeMap::new();
    for (question, part) in questions.iter().zip(parts) {
        let text = question.get("question")?.as_str()?;
        answers.insert(text.to_owned(), labels(question, part));
    }
    Some(Answer { answers: Some(answers), ..yes(false) })
}

/// `1, 3` as the labels of the first and third option; other words as they are.
fn labels(question: &Value, part: &str) -> String {
    let options = question.get("options").and_then(Value::as_array);
    let label = |number: &str| {
        let index = number.trim().parse::<usize>().ok()?.checked_sub(1)?;
        options?.get(index)?.get("label")?.as_str()
    };
    let labels: Option<Vec<_>> = part.split(',').map(label).collect();
    labels.map_or_else(|| part.to_owned(), |labels| labels.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::approval::{ApprovalAsk, ApprovalState};
    use afield_proto::{ApprovalId, CommandId, ProjectId, Timestamp};
    use serde_json::value::RawValue;

    fn approval(kind: ApprovalKind, input: &str) -> Approval {
        Approval {
            ask: ApprovalAsk {
                approval_id: ApprovalId::generate(),
                kind,
                tool: "Bash".into(),
                input: RawValue::from_string(input.into()).unwrap(),
                title: None,
                reason: None,
                session_rule: true,
                rules: Vec::new(),
                directory: "/".into(),
            },
            project_id: ProjectId::generate(),
            command_id: CommandId::generate(),
            state: ApprovalState::Open,
            requested_at: Timestamp::now(),
            resolved_at: None,
            danger: None,
            resolved_by: None,
            answer: None,
        }
    }

    #[test]
    fn yes_no_and_for_the_session() {
        let tool = approval(ApprovalKind::Tool, "{}");
        assert_eq!(read(&tool, " Y "), Some(yes(false)));
        assert_eq!(read(&tool, "s"), Some(yes(true)));
        assert_eq!(read(&tool, "n not in this repository"), Some(no("not in this repository")));
        assert_eq!(read(&tool, ""), None, "an empty line decides nothing");
        assert_eq!(read(&tool, "maybe"), None);
        let plan = approval(ApprovalKind::Plan, "{}");
        assert_eq!(read(&plan, "s"), None);
    }

    #[test]
    fn a_choice_by_number_or_in_own_words() {
        let one =
            r#"{"questions":[{"question":"Color?","options":[{"label":"Red"},{"label":"Blue"}]}]}"#;
        let asked = approval(ApprovalKind::Question, one);
        let answer = |line| read(&asked, line).unwrap().answers.unwrap()["Color?"].clone();
        assert_eq!(answer("2"), "Blue");
        assert_eq!(answer("1,2"), "Red, Blue");
        assert_eq!(answer("something in between"), "something in between");
        assert_eq!(answer("9"), "9");
        assert_eq!(read(&asked, "n"), Some(no("")));
        let two = r#"{"questions":[{"question":"A?","options":[{"label":"a"}]},{"question":"B?","options":[]}]}"#;
        let asked = approval(ApprovalKind::Question, two);
        let answers = read(&asked, "1; own words").unwrap().answers.unwrap();
        assert_eq!((answers["A?"].as_str(), answers["B?"].as_str()), ("a", "own words"));
        assert_eq!(read(&asked, "1"), None, "two questions need two answers");
    }
}
