//! What the host asks the mock: the control requests that are answered at any time, whatever script plays.

use serde_json::{Value, json};

use super::{End, Seen, Session, turn::with};
use crate::mock_claude::{script::Reaction, values::With};

/// The model unless the host chose one.
pub(super) const MODEL: &str = "claude-mock-1";

/// The model nobody has.
const UNKNOWN_MODEL: &str = "nope";

/// The modes a host can switch to.
const MODES: [&str; 7] =
    ["acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "manual", "plan"];

impl Session {
    /// Answers one request.
    pub(super) fn answer_host(&mut self, id: &str, request: &Value) -> Result<Seen, End> {
        let subtype = request["subtype"].as_str().unwrap_or_default();
        match subtype {
            "initialize" => self.initialize(id, request)?,
            "interrupt" => self.interrupt(id, request)?,
            "set_permission_mode" => {
                self.set_mode(id, request["mode"].as_str().unwrap_or_default())?
            }
            "set_model" => self.set_model(id, request["model"].as_str())?,
            "get_context_usage" => self.reply_with(id, "context_usage")?,
            "mcp_status" => {
                self.reply(id, r#"{"mcpServers":[{"name":"afield","status":"connected"}]}"#)?
            }
            "stop_task" => self.reply(id, "{}")?,
            "cancel_async_message" => {
                let cancelled =
                    self.cancel_prompt(request["message_uuid"].as_str().unwrap_or_default())?;
                self.reply(id, &json!({ "cancelled": cancelled }).to_string())?;
            }
            other => self.refuse(id, &format!("Unsupported control request subtype: {other}"))?,
        }
        Ok(Seen::Request(subtype.to_owned()))
    }

    /// The first time a greeting; after that it brings a host that comes back up to date.
    fn initialize(&mut self, id: &str, request: &Value) -> Result<(), End> {
        if let Some(hook) = request["hooks"]["PreToolUse"][0]["hookCallbackIds"][0].as_str() {
            self.values.set("hook", hook);
        }
        if !self.initialized {
            self.initialized = true;
            return self.reply_with(id, "initialized");
        }
        let open = self.ledger.open_lines();
        let pending = self
            .render("initialized_again", &with([("pending", &format!("[{}]", open.join(",")))]))?;
        self.reply(id, &pending)?;
        for line in open {
            self.print(&line)?;
        }
        let tasks = json!(self.tasks).to_string();
        self.emit("background_tasks", &with([("tasks", &tasks)]))
    }

    /// Acknowledges an interrupt and ends the turn, unless there is nothing to end or a script knows better.
    fn interrupt(&mut self, id: &str, request: &Value) -> Result<(), End> {
        if request["cancel_queued"] == true {
            for queued in self.queued() {
                self.cancel_prompt(&queued)?;
            }
        }
        self.reply(id, &json!({ "still_queued": self.queued() }).to_string())?;
        if self.turn.is_none() || !self.announced || self.awaits_interrupt {
            return Ok(());
        }
        match self.traps.interrupt.clone() {
            Reaction::Ignore => Ok(()),
            Reaction::Exit(code) => Err(End::Exit(code)),
            Reaction::Goto(label) => Err(End::Goto(label)),
            Reaction::Default | Reaction::Graceful => self.abort_turn(),
        }
    }

    /// Withdraws what was asked and ends the turn as aborted.
    fn abort_turn(&mut self) -> Result<(), End> {
        for request in self.ledger.open_ids() {
            self.emit("cancel", &with([("req", &request)]))?;
        }
        let reason = if self.open_tools.is_empty() { "aborted_streaming" } else { "aborted_tools" };
        self.emit("aborted", &with([("reason", reason)]))?;
        Err(End::Interrupted)
    }

    fn set_mode(&mut self, id: &str, mode: &str) -> Result<(), End> {
        if !MODES.contains(&mode) {
            return self.refuse(id, &format!("Unknown permission mode: {mode}"));
        }
        let unlocked = self.args.has("allow-dangerously-skip-permissions")
            || self.args.has("dangerously-skip-permissions")
            || self.args.value("permission-mode") == Some("bypassPermissions");
        if mode == "bypassPermissions" && !unlocked {
            return self.refuse(id, "bypassPermissions was not unlocked at the start");
        }
        self.values.set("mode", if mode == "manual" { "default" } else { mode });
        self.reply(id, &json!({ "mode": self.values.text("mode") }).to_string())
    }

    fn set_model(&mut self, id: &str, model: Option<&str>) -> Result<(), End> {
        if model == Some(UNKNOWN_MODEL) {
            return self.refuse(id, &format!("Unknown model: {UNKNOWN_MODEL}"));
        }
        self.values.set("model", model.filter(|model| *model != "default").unwrap_or(MODEL));
        self.reply(id, "{}")
    }

    fn reply_with(&mut self, id: &str, frame: &str) -> Result<(), End> {
        let payload = self.render(frame, &With::new())?;
        self.reply(id, &payload)
    }

    fn reply(&mut self, id: &str, payload: &str) -> Result<(), End> {
        self.emit("reply", &with([("request_id", id), ("payload", payload)]))
    }

    fn refuse(&mut self, id: &str, error: &str) -> Result<(), End> {
        self.emit("refusal", &with([("request_id", id), ("error", error)]))
    }
}
