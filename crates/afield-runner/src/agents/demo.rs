//! The demonstration agent: no model, no account, the whole product.
//!
//! A program of its own that speaks Claude's stream-json dialogue over standard input and output,
//! so that the Claude adapter drives it. It reads the names in its directory and changes nothing.
//! What it does depends on words in the prompt: "ask" asks for permission, "fail" fails,
//! "work N" works for N seconds.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// Longest time "work N" may ask for, in seconds.
const WORK_SECONDS_MAX: u64 = 3600;
/// Names of the directory that are listed.
const NAMES_MAX: usize = 20;

/// Scales the pauses of the demonstration agent: 1 is a comfortable speed for people, 0 none.
pub const PACE_VARIABLE: &str = "AFIELD_DEMO_PACE";

/// The variables it gets from the runner's own environment.
pub(crate) fn variables() -> Vec<(&'static str, OsString)> {
    std::env::var_os(PACE_VARIABLE).map(|pace| (PACE_VARIABLE, pace)).into_iter().collect()
}

/// Runs the agent on a pair of streams until its input ends.
///
/// `pace` is the value of [`PACE_VARIABLE`].
pub fn run(
    input: impl BufRead + Send + 'static,
    output: impl Write,
    arguments: &[String],
    pace: f64,
) -> ExitCode {
    let (sender, frames) = channel();
    std::thread::spawn(move || {
        for line in input.lines() {
            let Ok(line) = line else { return };
            if let Ok(frame) = serde_json::from_str::<Value>(&line)
                && sender.send(frame).is_err()
            {
                return;
            }
        }
    });
    converse(frames, output, arguments, pace)
}

fn converse(
    frames: Receiver<Value>,
    output: impl Write,
    arguments: &[String],
    pace: f64,
) -> ExitCode {
    let session = session_id(arguments);
    let said = VecDeque::new();
    let mut demo = Demo { output, frames, session, pace, said, failed: false, frame: 0 };
    // An output that takes nothing means that nobody listens any more.
    let _ = demo.listen();
    if demo.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn session_id(arguments: &[String]) -> String {
    let value = |name: &str| {
        arguments.iter().find_map(|argument| argument.strip_prefix(name)).map(str::to_owned)
    };
    let id = value("--resume=").or_else(|| value("--session-id="));
    id.unwrap_or_else(|| "00000000-0000-7000-8000-000000000000".to_owned())
}

/// What a person says in a frame, without the files that go with it.
fn words(frame: &Value) -> String {
    let content = &frame["message"]["content"];
    let last = content.as_array().and_then(|blocks| blocks.last()?["text"].as_str());
    content.as_str().or(last).unwrap_or_default().to_owned()
}

/// The images and files that go with it, counted.
fn attached(frame: &Value) -> usize {
    let blocks = frame["message"]["content"].as_array();
    blocks.map_or(0, |blocks| blocks.len().saturating_sub(1))
}

struct Demo<W> {
    output: W,
    frames: Receiver<Value>,
    session: String,
    pace: f64,
    /// What a person said while the turn goes on.
    said: VecDeque<Value>,
    failed: bool,
    frame: u64,
}

/// How a turn goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    Interrupted,
}

type Io<T> = std::io::Result<T>;

impl<W: Write> Demo<W> {
    fn listen(&mut self) -> Io<()> {
        while let Ok(frame) = self.frames.recv() {
            match frame["type"].as_str() {
                Some("user") => self.turn(&frame)?,
                Some("control_request") => {
                    self.control(&frame)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn say(&mut self, mut frame: Value) -> Io<()> {
        self.frame += 1;
        frame["session_id"] = json!(self.session);
        frame["uuid"] = json!(format!("d0000000-0000-7000-8000-{:012x}", self.frame));
        writeln!(self.output, "{frame}")?;
        self.output.flush()
    }

    /// Answers a control request. Says whether it was an interrupt.
    fn control(&mut self, frame: &Value) -> Io<Go> {
        let response = json!({
            "subtype": "success", "request_id": frame["request_id"], "response": {},
        });
        writeln!(self.output, "{}", json!({ "type": "control_response", "response": response }))?;
        self.output.flush()?;
        let interrupt = frame["request"]["subtype"] == "interrupt";
        Ok(if interrupt { Go::Interrupted } else { Go::On })
    }

    /// Waits, and answers what comes meanwhile.
    fn pause(&mut self, seconds: f64) -> Io<Go> {
        let end = std::time::Instant::now() + Duration::from_secs_f64(seconds * self.pace);
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            match self.frames.recv_timeout(left) {
                Ok(frame) if frame["type"] == "control_request" => {
                    if self.control(&frame)? == Go::Interrupted {
                        return Ok(Go::Interrupted);
                    }
                }
                Ok(frame) if frame["type"] == "user" => self.said.push_back(frame),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(Go::On),
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(left);
                    return Ok(Go::On);
                }
            }
        }
    }

    fn turn(&mut self, frame: &Value) -> Io<()> {
        let prompt = words(frame);
        let directory = std::env::current_dir().unwrap_or_default();
        self.say(json!({
            "type": "system", "subtype": "init", "cwd": directory, "model": "demo",
            "tools": ["ListDirectory"], "permissionMode": "default", "apiKeySource": "none",
            "claude_code_version": "demo", "mcp_servers": [], "slash_commands": [],
        }))?;
        self.failed = false;
        let answer = match self.answer(&prompt, attached(frame))? {
            Some(text) => (self.listen_again()? == Go::On).then_some(text),
            None => None,
        };
        for frame in std::mem::take(&mut self.said) {
            self.lifecycle(&frame, "discarded")?;
        }
        match answer {
            Some(text) if wants(&prompt, "fail") => self.fail(&text, frame),
            Some(text) => self.succeed(&text, frame),
            None => self.aborted(frame),
        }
    }

    /// Answers what was said while the turn went on.
    fn listen_again(&mut self) -> Io<Go> {
        while let Some(frame) = self.said.pop_front() {
            self.lifecycle(&frame, "started")?;
            let said = words(&frame);
            let shown: String = said.chars().take(80).collect();
            if self.speak(&format!("You also said: \u{201c}{shown}\u{201d}."))? == Go::Interrupted {
                self.lifecycle(&frame, "discarded")?;
                return Ok(Go::Interrupted);
            }
            self.lifecycle(&frame, "completed")?;
        }
        Ok(Go::On)
    }

    fn lifecycle(&mut self, frame: &Value, state: &str) -> Io<()> {
        self.say(json!({
            "type": "command_lifecycle", "command_uuid": frame["uuid"], "state": state,
        }))
    }

    /// Carries out the turn. `None` when it was interrupted.
    fn answer(&mut self, prompt: &str, files: usize) -> Io<Option<String>> {
        let shown: String = prompt.chars().take(80).collect();
        let with = match files {
            0 => String::new(),
            1 => " With it came a file.".to_owned(),
            _ => format!(" With it came {files} files."),
        };
        let greeting = format!(
            "This is Afield's demo agent: no model, only this machine. You said: \u{201c}{shown}\u{201d}.{with}"
        );
        if self.speak(&greeting)? == Go::Interrupted || self.list()? == Go::Interrupted {
            return Ok(None);
        }
        if let Some(seconds) = work_seconds(prompt)
            && self.work(seconds)? == Go::Interrupted
        {
            return Ok(None);
        }
        if wants(prompt, "ask") {
            return self.ask();
        }
        let text = "Prompts are on disk before they start, every screen sees this at once, and a \
            stop leaves nothing behind. Try \u{201c}ask\u{201d}, \u{201c}work 20\u{201d} or \u{201c}fail\u{201d}.";
        Ok((self.speak(text)? == Go::On).then(|| text.to_owned()))
    }

    /// Types a text out in pieces, then says it whole.
    fn speak(&mut self, text: &str) -> Io<Go> {
        let id = format!("msg_demo_{}", self.frame);
        let event = |event: Value| json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null });
        self.say(event(json!({ "type": "message_start", "message": { "id": id, "role": "assistant", "content": [] } })))?;
        self.say(event(json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } })))?;
        for word in text.split_inclusive(' ') {
            let delta = json!({ "type": "text_delta", "text": word });
            self.say(event(json!({ "type": "content_block_delta", "index": 0, "delta": delta })))?;
            if self.pause(0.03)? == Go::Interrupted {
                return Ok(Go::Interrupted);
            }
        }
        self.say(event(json!({ "type": "content_block_stop", "index": 0 })))?;
        self.say(event(json!({ "type": "message_stop" })))?;
        self.assistant(&id, json!({ "type": "text", "text": text }))?;
        Ok(Go::On)
    }

    fn assistant(&mut self, id: &str, block: Value) -> Io<()> {
        self.say(json!({
            "type": "assistant", "parent_tool_use_id": null,
            "message": { "id": id, "type": "message", "role": "assistant", "model": "demo", "content": [block] },
        }))
    }

    /// Reads the names in the directory, as a tool would.
    fn list(&mut self) -> Io<Go> {
        let tool = self.tool_id();
        let input = json!({ "path": "." });
        let block =
            json!({ "type": "tool_use", "id": tool, "name": "ListDirectory", "input": input });
        self.assistant("msg_demo_list", block)?;
        if self.pause(0.3)? == Go::Interrupted {
            return Ok(Go::Interrupted);
        }
        let mut names: Vec<String> = std::fs::read_dir(".")
            .map(|entries| {
                entries
                    .flatten()
                    .map(|entry| entry.file_name().to_string_lossy().into_owned())
                    .collect()
            })
            .unwrap_or_default();
        names.sort();
        names.truncate(NAMES_MAX);
        let content = if names.is_empty() { "(empty)".to_owned() } else { names.join("\n") };
        self.tool_result(&tool, &content, false)?;
        Ok(Go::On)
    }

    fn tool_result(&mut self, tool: &str, content: &str, is_error: bool) -> Io<()> {
        let block = json!({
            "type": "tool_result", "tool_use_id": tool, "content": content, "is_error": is_error,
        });
        let message = json!({ "role": "user", "content": [block] });
        self.say(json!({ "type": "user", "message": message, "parent_tool_use_id": null }))
    }

    fn work(&mut self, seconds: u64) -> Io<Go> {
        for second in 1..=seconds {
            if self.pause(1.0)? == Go::Interrupted {
                return Ok(Go::Interrupted);
            }
            if second % 5 == 0 || second == seconds {
                let text = format!("Worked for {second} of {seconds} seconds.");
                self.assistant("msg_demo_work", json!({ "type": "text", "text": text }))?;
            }
        }
        Ok(Go::On)
    }

    /// Of the call it makes now: no earlier process of this conversation gave it.
    fn tool_id(&self) -> String {
        format!("toolu_demo_{}_{}", std::process::id(), self.frame)
    }

    /// Asks whether it may pretend to write a file.
    fn ask(&mut self) -> Io<Option<String>> {
        let request_id = format!("demo-{}", self.frame);
        let tool = self.tool_id();
        let input = json!({ "file_path": "demo.txt", "content": "hello from the demo agent\n" });
        let block = json!({ "type": "tool_use", "id": tool, "name": "Write", "input": input });
        self.assistant("msg_demo_ask", block)?;
        let request = json!({
            "subtype": "can_use_tool", "tool_name": "Write", "input": input, "tool_use_id": tool,
            "permission_suggestions": [], "title": "The demo agent wants to (pretend to) write demo.txt",
        });
        let frame =
            json!({ "type": "control_request", "request_id": request_id, "request": request });
        writeln!(self.output, "{frame}")?;
        self.output.flush()?;
        let Some(allowed) = self.decision(&request_id)? else { return Ok(None) };
        let (content, text) = if allowed {
            ("(pretended to write demo.txt)", "You allowed it, so I pretended to write the file.")
        } else {
            ("The user said no.", "You said no, so nothing happened.")
        };
        self.tool_result(&tool, content, !allowed)?;
        Ok((self.speak(text)? == Go::On).then(|| text.to_owned()))
    }

    /// Waits for a person's answer. `None` when the turn is interrupted or nobody listens.
    fn decision(&mut self, request_id: &str) -> Io<Option<bool>> {
        while let Ok(frame) = self.frames.recv() {
            let response = &frame["response"];
            if frame["type"] == "control_response" && response["request_id"] == request_id {
                return Ok(Some(response["response"]["behavior"] == "allow"));
            }
            if frame["type"] == "control_request" && self.control(&frame)? == Go::Interrupted {
                return Ok(None);
            }
            if frame["type"] == "user" {
                self.said.push_back(frame);
            }
        }
        Ok(None)
    }

    fn succeed(&mut self, text: &str, asked: &Value) -> Io<()> {
        self.result(asked, json!({
            "subtype": "success", "is_error": false, "result": text, "terminal_reason": "completed",
        }))
    }

    fn fail(&mut self, _text: &str, asked: &Value) -> Io<()> {
        self.failed = true;
        self.result(
            asked,
            json!({
                "subtype": "error_during_execution", "is_error": true,
                "errors": ["the demo agent failed, as you asked"],
            }),
        )
    }

    fn aborted(&mut self, asked: &Value) -> Io<()> {
        self.result(
            asked,
            json!({
                "subtype": "error_during_execution", "is_error": true, "errors": [],
                "terminal_reason": "aborted_streaming",
            }),
        )
    }

    fn result(&mut self, asked: &Value, mut result: Value) -> Io<()> {
        result["type"] = json!("result");
        result["num_turns"] = json!(1);
        result["total_cost_usd"] = json!(0.0);
        result["user_message_uuid"] = asked["uuid"].clone();
        self.say(result)
    }
}

/// Whether a word is in the prompt, as a word of its own.
fn wants(prompt: &str, word: &str) -> bool {
    prompt.split(|c: char| !c.is_alphanumeric()).any(|found| found.eq_ignore_ascii_case(word))
}

/// N of "work N".
fn work_seconds(prompt: &str) -> Option<u64> {
    let words: Vec<&str> = prompt.split_whitespace().collect();
    let pair = words.windows(2).find(|pair| pair[0].eq_ignore_ascii_case("work"))?;
    pair[1].parse().ok().map(|seconds: u64| seconds.min(WORK_SECONDS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it says when all of this has arrived before it begins.
    fn talk(frames: &[Value]) -> Vec<Value> {
        let (sender, arrived) = channel();
        frames.iter().for_each(|frame| sender.send(frame.clone()).unwrap());
        drop(sender);
        let mut output = Vec::new();
        converse(arrived, &mut output, &["--session-id=s1".into()], 0.0);
        let text = String::from_utf8(output).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn user(prompt: &str) -> Value {
        json!({ "type": "user", "uuid": "u1", "message": { "role": "user", "content": prompt } })
    }

    #[test]
    fn it_answers_in_pieces_and_whole() {
        let frames = talk(&[user("hello")]);
        assert_eq!(frames[0]["subtype"], "init");
        let result = frames.last().unwrap();
        assert_eq!(
            (&result["subtype"], &result["user_message_uuid"]),
            (&json!("success"), &json!("u1"))
        );
        let pieces: String =
            frames.iter().filter_map(|frame| frame["event"]["delta"]["text"].as_str()).collect();
        let whole: String = frames
            .iter()
            .filter_map(|frame| frame["message"]["content"][0]["text"].as_str())
            .collect();
        assert_eq!(pieces, whole);
    }

    #[test]
    fn it_answers_what_is_said_while_it_works() {
        let mut said = user("and this");
        said["uuid"] = json!("u2");
        let frames = talk(&[user("hello"), said]);
        let texts =
            frames.iter().filter_map(|frame| frame["message"]["content"][0]["text"].as_str());
        assert!(texts.clone().any(|text| text.contains("You also said: “and this”")));
        let states = frames.iter().filter(|frame| frame["command_uuid"] == "u2");
        let states: Vec<_> = states.map(|frame| frame["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["started", "completed"]);
        assert_eq!(frames.iter().filter(|frame| frame["type"] == "result").count(), 1);
    }

    #[test]
    fn it_fails_asks_and_takes_a_no() {
        assert_eq!(talk(&[user("fail")]).last().unwrap()["is_error"], true);
        let frames = talk(&[user("ask")]);
        assert!(frames.iter().any(|frame| frame["request"]["subtype"] == "can_use_tool"));
        assert_eq!(work_seconds("please work 20 now"), Some(20));
        assert!(wants("please ask me", "ask") && !wants("task", "ask"));
    }
}
