//! The requests of the mock that the host has not dealt with, and the answers it gave. Data and judgement; `ask` acts.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::mock_claude::values::With;

/// Requests and answers of the current turn.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Without an answer.
    open: Vec<Request>,
    /// Answered, but no script has looked at the answer.
    arrived: VecDeque<Answer>,
    /// Looked at, but the tool has no result yet.
    taken: Vec<Answer>,
    /// What the next result lists as denied.
    denials: Vec<Denial>,
}

/// A request to the host.
#[derive(Debug)]
struct Request {
    id: String,
    body: Body,
    /// The frame, to be printed again for a host that comes back.
    line: String,
}

/// The part of a request the mock itself needs again.
#[derive(Debug, Deserialize)]
struct Body {
    #[serde(default)]
    tool_name: String,
    #[serde(default)]
    tool_use_id: String,
    input: Option<Box<RawValue>>,
}

/// The input of a hook callback.
#[derive(Debug, Deserialize)]
struct HookInput {
    tool_name: String,
    tool_input: Option<Box<RawValue>>,
}

/// What the host answered.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    /// `success` or `error`.
    pub(super) status: String,
    payload: Value,
}

#[derive(Debug, Serialize)]
struct Denial {
    tool_name: String,
    tool_use_id: String,
    tool_input: Option<Box<RawValue>>,
}

impl Ledger {
    /// Forgets everything: late answers will match nothing.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Notes a request that was printed.
    pub(super) fn asked(&mut self, id: &str, request: &str, line: &str) {
        if let Some(body) = body(request) {
            self.open.push(Request { id: id.to_owned(), body, line: line.to_owned() });
        }
    }

    /// Notes that a request was withdrawn.
    pub(super) fn withdrawn(&mut self, id: &str) {
        self.open.retain(|request| request.id != id);
    }

    /// Notes the answer to an open request; `None` if there is no such request.
    pub(super) fn answered(&mut self, id: &str, response: &Value) -> Option<&Answer> {
        let at = self.open.iter().position(|request| request.id == id)?;
        let status = response["subtype"].as_str().unwrap_or_default().to_owned();
        let payload = response["response"].clone();
        let body = self.open.remove(at).body;
        self.arrived.push_back(Answer { body, status, payload });
        self.arrived.back()
    }

    /// Notes the answer to a request that was never printed.
    pub(super) fn decided(&mut self, request: &str, payload: Value) {
        if let Some(body) = body(request) {
            self.arrived.push_back(Answer { body, status: "success".to_owned(), payload });
        }
    }

    /// Looks at the next answer.
    pub(super) fn look(&mut self) -> Option<&Answer> {
        self.taken.push(self.arrived.pop_front()?);
        self.taken.last()
    }

    /// Gives away the answer that was looked at last, to be settled.
    pub(super) fn settle(&mut self) -> Option<Answer> {
        self.taken.pop()
    }

    /// Notes a denial and lists all of them, as JSON.
    pub(super) fn denied(&mut self, answer: Answer) -> String {
        let Body { tool_name, tool_use_id, input } = answer.body;
        self.denials.push(Denial { tool_name, tool_use_id, tool_input: input });
        serde_json::to_string(&self.denials).unwrap_or_default()
    }

    /// The ids of the open requests.
    pub(super) fn open_ids(&self) -> Vec<String> {
        self.open.iter().map(|request| request.id.clone()).collect()
    }

    /// The open requests as they were printed.
    pub(super) fn open_lines(&self) -> Vec<String> {
        self.open.iter().map(|request| request.line.clone()).collect()
    }
}

/// The body of a request; a hook callback has the tool one level deeper.
fn body(request: &str) -> Option<Body> {
    let mut body: Body = serde_json::from_str(request).ok()?;
    let hook =
        body.input.as_ref().and_then(|input| serde_json::from_str::<HookInput>(input.get()).ok());
    if let (true, Some(hook)) = (body.tool_name.is_empty(), hook) {
        body.tool_name = hook.tool_name;
        body.input = hook.tool_input;
    }
    Some(body)
}

impl Answer {
    /// Whether the tool may run.
    pub(super) fn allows(&self) -> bool {
        self.behavior() == "allow" || self.decision() == "allow"
    }

    pub(super) fn behavior(&self) -> &str {
        self.payload["behavior"].as_str().unwrap_or_default()
    }

    pub(super) fn decision(&self) -> &str {
        self.payload["hookSpecificOutput"]["permissionDecision"].as_str().unwrap_or_default()
    }

    /// Why it is denied, in the words of whoever did.
    pub(super) fn message(&self) -> &str {
        let hook = self.payload["hookSpecificOutput"]["permissionDecisionReason"].as_str();
        self.payload["message"].as_str().or(hook).unwrap_or("Permission was not given.")
    }

    /// The answers to a question as one text; empty unless every question is kept and answered under its full text.
    pub(super) fn answers(&self) -> String {
        let asked = self.asked_input()["questions"].take();
        let given = &self.payload["updatedInput"];
        if given["questions"] != asked {
            return String::new();
        }
        let answer = |question: &Value| {
            let question = question["question"].as_str()?;
            Some(format!("{question:?}={:?}", given["answers"][question].as_str()?))
        };
        let answers: Option<Vec<String>> =
            asked.as_array().and_then(|all| all.iter().map(answer).collect());
        answers.unwrap_or_default().join(", ")
    }

    /// The text of the result of an MCP tool.
    pub(super) fn mcp_text(&self) -> &str {
        self.payload["mcp_response"]["result"]["content"][0]["text"].as_str().unwrap_or_default()
    }

    /// Whether the turn ends with the denial.
    pub(super) fn interrupts(&self) -> bool {
        self.payload["interrupt"] == true
    }

    /// The permission mode that comes with the permission.
    pub(super) fn mode(&self) -> Option<&str> {
        let updates = self.payload["updatedPermissions"].as_array()?;
        updates.iter().rfind(|update| update["type"] == "setMode")?["mode"].as_str()
    }

    /// The tool, and the id of its use.
    pub(super) fn tool(&self) -> (&str, &str) {
        (&self.body.tool_name, &self.body.tool_use_id)
    }

    /// The texts of the input the tool really runs with, as `in.<key>`.
    pub(super) fn effective_input(&self) -> With {
        let updated = Some(&self.payload["updatedInput"]).filter(|input| input.is_object());
        let input = updated.cloned().unwrap_or_else(|| self.asked_input());
        let texts = input.as_object().into_iter().flatten();
        texts
            .filter_map(|(key, value)| Some((format!("in.{key}"), value.as_str()?.to_owned())))
            .collect()
    }

    fn asked_input(&self) -> Value {
        let input =
            self.body.input.as_ref().and_then(|input| serde_json::from_str(input.get()).ok());
        input.unwrap_or_default()
    }
}
