//! What the mock asks the host, and what the host answers: permissions, hooks, messages to its MCP server.

use serde_json::{Value, json};

use super::{End, Session, ledger::Answer, observe, turn::with};
use crate::mock_claude::values::With;

/// The tools that need a person whatever the permission mode is.
const NEEDS_A_PERSON: [&str; 2] = ["AskUserQuestion", "ExitPlanMode"];

impl Session {
    /// Asks for permission to use a tool, unless mode and options have decided already.
    pub(in crate::mock_claude) fn ask(&mut self, tool: &str) -> Result<(), End> {
        let line = self.render(&format!("ask_{tool}"), &With::new())?;
        if self.asks_nobody(tool) {
            self.decide(&line, json!({ "behavior": "allow" }));
            return Ok(());
        }
        if self.can_ask() {
            return self.emit_line(&line);
        }
        let message = format!("Permission to use {tool} was denied");
        let id = observe::tool_use_id(&line);
        self.emit("permission_denied", &with([("tool_name", tool), ("tool_id", &id)]))?;
        self.decide(&line, json!({ "behavior": "deny", "message": message }));
        Ok(())
    }

    /// Whether the tool is allowed without asking.
    fn asks_nobody(&self, tool: &str) -> bool {
        let mode = self.values.text("mode");
        let edits = mode == "acceptEdits" && ["Write", "Edit"].contains(&tool);
        let rules =
            self.args.values("allowed-tools").iter().flat_map(|list| list.split([',', ' ']));
        let allowed =
            mode == "bypassPermissions" || edits || rules.into_iter().any(|rule| rule == tool);
        allowed && !NEEDS_A_PERSON.contains(&tool)
    }

    /// Whether there is anybody to ask.
    fn can_ask(&self) -> bool {
        let stdio = self.args.value("permission-prompt-tool") == Some("stdio");
        let host = self.args.value("permission-prompts") == Some("host");
        let never = self.args.value("permission-prompts") == Some("none")
            || self.values.text("mode") == "dontAsk";
        (stdio || host) && !never
    }

    /// Answers a request that is never printed.
    fn decide(&mut self, line: &str, payload: Value) {
        self.ledger.decided(&observe::request(line).unwrap_or_default(), payload);
    }

    /// Takes a `control_response` frame; one that answers nothing is journalled and dropped.
    pub(super) fn take_response(&mut self, response: &Value) {
        let id = response["request_id"].as_str().unwrap_or_default();
        match self.ledger.answered(id, response) {
            Some(answer) => {
                if let Some(mode) = answer.mode() {
                    self.values.set("mode", mode);
                }
            }
            None => self.journal.unmatched_response(id),
        }
    }

    /// Looks at the next answer and names its parts; `false` if none has arrived.
    pub(in crate::mock_claude) fn take_answer(&mut self) -> bool {
        let Some(answer) = self.ledger.look() else { return false };
        for (name, value) in [
            ("status", answer.status.as_str()),
            ("behavior", answer.behavior()),
            ("decision", answer.decision()),
            ("message", answer.message()),
            ("answers", &answer.answers()),
            ("mcp_text", answer.mcp_text()),
            ("interrupt", if answer.interrupts() { "true" } else { "false" }),
        ] {
            self.values.set(name, value);
        }
        true
    }

    /// Prints the results of the tools whose answers were looked at, latest first.
    pub(in crate::mock_claude) fn settle(&mut self, done: Option<&str>) -> Result<(), End> {
        while let Some(answer) = self.ledger.settle() {
            if answer.allows() {
                let frame = format!("done_{}", answer.tool().0);
                self.emit(done.unwrap_or(&frame), &answer.effective_input())?;
            } else {
                self.deny(answer)?;
            }
        }
        Ok(())
    }

    fn deny(&mut self, answer: Answer) -> Result<(), End> {
        self.emit(
            "rejected",
            &with([("tool_id", answer.tool().1), ("message", answer.message())]),
        )?;
        let denials = self.ledger.denied(answer);
        self.values.set("denials", denials);
        Ok(())
    }
}
