//! Claude's questions to a person, and a person's answers to Claude. Pure.

use afield_proto::ApprovalId;
use afield_proto::approval::{Answer, ApprovalAsk, ApprovalKind, Behavior};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::frame::Fields;
use super::rules;

/// What Claude is told when a person says no without a reason.
const DENIED: &str = "The user does not want this. Stop and ask how to go on.";

/// A question that waits for its answer.
#[derive(Debug)]
pub(super) struct Open {
    /// Claude's own mark of it.
    pub(super) request_id: String,
    /// What was asked.
    ask: ApprovalAsk,
    suggestions: Vec<Value>,
}

/// Reads a `can_use_tool` request.
pub(super) fn read(
    request_id: String,
    request: &Fields<'_>,
    directory: &str,
) -> (Open, ApprovalAsk) {
    let tool = request.text("tool_name").unwrap_or_default();
    let kind = match tool.as_str() {
        "AskUserQuestion" => ApprovalKind::Question,
        "ExitPlanMode" => ApprovalKind::Plan,
        _ => ApprovalKind::Tool,
    };
    let input = request.raw("input").map_or_else(empty, ToOwned::to_owned);
    let suggestions: Vec<Value> = request.get("permission_suggestions").unwrap_or_default();
    let ask = ApprovalAsk {
        approval_id: ApprovalId::generate(),
        kind,
        tool,
        input,
        title: ["title", "display_name", "description"].iter().find_map(|name| request.text(name)),
        reason: request.text("decision_reason"),
        session_rule: kind == ApprovalKind::Plan || !suggestions.is_empty(),
        rules: rules::suggested(&suggestions),
        directory: directory.to_owned(),
    };
    (Open { request_id, ask: ask.clone(), suggestions }, ask)
}

fn empty() -> Box<RawValue> {
    to_raw_value(&json!({})).expect("an empty object is JSON")
}

impl Open {
    /// The frame that tells Claude the answer.
    pub(super) fn response(&self, answer: &Answer) -> String {
        let response = match answer.behavior {
            Behavior::Allow => self.allow(answer),
            Behavior::Deny => deny(answer),
        };
        success(&self.request_id, &response)
    }

    /// Yes, to exactly the input that was shown.
    fn allow(&self, answer: &Answer) -> String {
        let input = self.answered_input(answer);
        let permissions = self.permissions(answer);
        if permissions.is_empty() {
            return format!(r#"{{"behavior":"allow","updatedInput":{input}}}"#);
        }
        let permissions = Value::Array(permissions);
        format!(
            r#"{{"behavior":"allow","updatedInput":{input},"updatedPermissions":{permissions}}}"#
        )
    }

    /// The input, with the answers beside the questions they are keyed by.
    fn answered_input(&self, answer: &Answer) -> String {
        let input = self.ask.input.get();
        let (ApprovalKind::Question, Some(answers)) = (self.ask.kind, &answer.answers) else {
            return input.to_owned();
        };
        let answers = json!(answers);
        match input.strip_suffix('}').map(str::trim_end) {
            Some(open) if open.ends_with('{') => format!(r#"{open}"answers":{answers}}}"#),
            Some(open) => format!(r#"{open},"answers":{answers}}}"#),
            None => input.to_owned(),
        }
    }

    /// The rules that hold from now on: those a person wrote, where they said; or the suggested ones,
    /// and then never longer than the session.
    fn permissions(&self, answer: &Answer) -> Vec<Value> {
        if self.ask.kind == ApprovalKind::Plan {
            let mode = if answer.for_session { "acceptEdits" } else { "default" };
            return vec![json!({ "type": "setMode", "mode": mode, "destination": "session" })];
        }
        // The server has checked them; what it says is not believed here.
        let mut permissions = match answer.check(&self.ask) {
            Ok(()) => rules::updates(&answer.rules),
            Err(why) => {
                tracing::warn!(why, "rules that are none were left out");
                Vec::new()
            }
        };
        if !answer.for_session {
            return permissions;
        }
        let mut rules = self.suggestions.clone();
        rules.retain(Value::is_object);
        rules.iter_mut().for_each(|rule| rule["destination"] = json!("session"));
        permissions.extend(rules);
        permissions
    }
}

fn deny(answer: &Answer) -> String {
    let message = answer.message.as_deref().unwrap_or(DENIED);
    let mut response = json!({ "behavior": "deny", "message": message });
    if answer.interrupt {
        response["interrupt"] = json!(true);
    }
    response.to_string()
}

/// The frame of an answer; `response` is JSON.
fn success(request_id: &str, response: &str) -> String {
    let request_id = json!(request_id);
    format!(
        r#"{{"type":"control_response","response":{{"subtype":"success","request_id":{request_id},"response":{response}}}}}"#
    )
}

/// The frame that refuses a request.
pub(super) fn refusal(request_id: &str, error: &str) -> String {
    let response = json!({ "subtype": "error", "request_id": request_id, "error": error });
    json!({ "type": "control_response", "response": response }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: &str = r#"{"subtype":"can_use_tool","tool_name":"Write","input":{"file_path":"/x", "n":1.50},"permission_suggestions":[{"type":"addRules","rules":[{"toolName":"Write"}],"behavior":"allow","destination":"localSettings"}],"title":"Claude wants to write","decision_reason":"not yet allowed"}"#;
    const QUESTION: &str = r#"{"subtype":"can_use_tool","tool_name":"AskUserQuestion","input":{"questions":[{"question":"Which?","header":"Color","options":[],"multiSelect":false}]}}"#;

    fn respond(request: &str, answer: &str) -> Value {
        let (open, _) = read("r1".into(), &Fields::of(request), "/project");
        let frame: Value =
            serde_json::from_str(&open.response(&serde_json::from_str(answer).unwrap())).unwrap();
        assert_eq!(frame["response"]["request_id"], "r1");
        frame["response"]["response"].clone()
    }

    #[test]
    fn a_yes_repeats_the_input_to_the_byte() {
        let (open, ask) = read("r1".into(), &Fields::of(TOOL), "/project");
        let answer: Answer = serde_json::from_str(r#"{"behavior":"allow"}"#).unwrap();
        let frame = open.response(&answer);
        assert!(frame.contains(r#""updatedInput":{"file_path":"/x", "n":1.50}"#), "{frame}");
        assert!(!frame.contains("updatedPermissions"));
        assert_eq!((ask.kind, ask.session_rule), (ApprovalKind::Tool, true));
        assert_eq!(ask.title.as_deref(), Some("Claude wants to write"));
        assert_eq!(ask.reason.as_deref(), Some("not yet allowed"));
    }

    #[test]
    fn a_yes_for_the_session_takes_the_rule_and_no_more_than_the_session() {
        let response = respond(TOOL, r#"{"behavior":"allow","for_session":true}"#);
        assert_eq!(response["updatedPermissions"][0]["destination"], "session");
        assert_eq!(response["updatedPermissions"][0]["rules"][0]["toolName"], "Write");
    }

    #[test]
    fn a_persons_own_rule_takes_the_place_of_the_suggested_one() {
        let rule = r#"{"behavior":"allow","rules":[{"tool":"Write","content":"/x/**","destination":"local_settings"}]}"#;
        let told = respond(TOOL, rule)["updatedPermissions"].clone();
        let expected = json!([{ "type": "addRules", "behavior": "allow",
            "destination": "localSettings",
            "rules": [{ "toolName": "Write", "ruleContent": "/x/**" }] }]);
        assert_eq!(told, expected);
        let foreign = rule.replace("Write", "Bash");
        assert_eq!(respond(TOOL, &foreign)["updatedPermissions"], Value::Null);
    }

    #[test]
    fn a_no_says_why_and_may_end_the_turn() {
        let response =
            respond(TOOL, r#"{"behavior":"deny","message":"narrower","interrupt":true}"#);
        assert_eq!(
            response,
            json!({ "behavior": "deny", "message": "narrower", "interrupt": true })
        );
        assert_eq!(respond(TOOL, r#"{"behavior":"deny"}"#)["message"], DENIED);
    }

    #[test]
    fn answers_stand_beside_the_questions() {
        let response = respond(QUESTION, r#"{"behavior":"allow","answers":{"Which?":"Blue"}}"#);
        assert_eq!(response["updatedInput"]["answers"], json!({ "Which?": "Blue" }));
        assert_eq!(response["updatedInput"]["questions"][0]["header"], "Color");
    }

    #[test]
    fn a_plan_leaves_the_planning_mode_and_edits_freely_only_when_asked_to() {
        let plan = r#"{"tool_name":"ExitPlanMode","input":{"plan":"do"}}"#;
        let mode = |answer| respond(plan, answer)["updatedPermissions"][0]["mode"].clone();
        assert_eq!(mode(r#"{"behavior":"allow"}"#), "default");
        assert_eq!(mode(r#"{"behavior":"allow","for_session":true}"#), "acceptEdits");
    }
}
