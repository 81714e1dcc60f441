//! One client at work: submits commands to its project, follows its events over every cut, and
//! writes down what it did.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use afield_proto::command::Command;
use serde_json::{Value, json};
use testkit::checker::{Evidence, FinalCommand, Follower, HistoryLog, Line, Seen, Step};
use testkit::client::{Client, ClientError};

use crate::Load;
use crate::world::Address;

/// A client and its project.
pub(crate) struct Worker {
    name: String,
    project: String,
    effects: PathBuf,
    history: Arc<HistoryLog>,
    follower: Follower,
    /// The command that is not over, as far as the events say.
    open: Option<String>,
    submitted: usize,
    /// A mark whose answer never came; it is sent again with the same key.
    unanswered: Option<String>,
}

/// Whether a line of a history is an acknowledgement.
pub(crate) fn is_ok(line: &Line) -> bool {
    matches!(line.step, Step::Ok { .. })
}

impl Worker {
    pub(crate) fn new(
        number: usize,
        project: String,
        effects: PathBuf,
        history: Arc<HistoryLog>,
    ) -> Self {
        let name = format!("worker-{number}");
        let topic = format!("project:{project}");
        let follower = Follower { name: name.clone(), topic, ..Follower::default() };
        Self {
            name,
            project,
            effects,
            history,
            follower,
            open: None,
            submitted: 0,
            unanswered: None,
        }
    }

    fn note(&self, mark: &str, step: Step) {
        self.history.write(&self.name, mark, step).expect("the history can be written");
    }

    /// Works until the power is cut.
    pub(crate) async fn work(mut self, address: Address, load: Arc<Load>) -> Self {
        let mut client = address.connect().await;
        // However it ends, it ends with the connection.
        let _ = self.submit_all(&mut client, &load).await;
        let late = std::mem::take(&mut client.unread);
        late.iter().for_each(|frame| self.take(frame));
        self
    }

    async fn submit_all(&mut self, client: &mut Client, load: &Load) -> Result<(), ClientError> {
        self.catch_up(client).await?;
        loop {
            self.idle(client).await?;
            let mark = self.unanswered.clone().unwrap_or_else(|| {
                self.submitted += 1;
                format!("{}-{}", self.name, self.submitted)
            });
            self.note(&mark, Step::Invoke);
            match client.ask("execute", self.execute(&mark)).await {
                Ok(command) => {
                    self.unanswered = None;
                    self.note(&mark, Step::Ok { id: text(&command["id"]) });
                    load.acknowledged();
                    self.open =
                        Some(text(&command["id"])).filter(|_| command["finished_at"].is_null());
                }
                Err(error @ ClientError::Refused(_)) => {
                    self.note(&mark, Step::Fail { code: error.to_string() });
                    panic!("nobody else submits to this project: {error}");
                }
                Err(error) => {
                    self.note(&mark, Step::Info { reason: error.to_string() });
                    self.unanswered = Some(mark);
                    return Err(error);
                }
            }
        }
    }

    /// A command that leaves a trace of its start, past everything that loses power.
    fn execute(&self, mark: &str) -> Value {
        let script = r#"echo "START $1 1 $$" >> "$2""#;
        let argv = json!(["/bin/sh", "-c", script, "sh", mark, self.effects]);
        json!({
            "project_id": self.project,
            "prompt": mark,
            "key": mark,
            "agent": "command",
            "options": { "argv": argv },
        })
    }

    fn last_seen(&self) -> u64 {
        self.follower.seen.last().map_or(0, |event| event.seq)
    }

    /// Follows from the last event seen, and takes all there is.
    async fn catch_up(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let after = self.last_seen();
        let ask = json!({ "topic": self.follower.topic, "after": after });
        let head = client.ask("subscribe", ask).await?["seq"].as_u64().unwrap_or(0);
        while self.last_seen() < head {
            let frame = client.next().await?;
            self.take(&frame);
        }
        self.still_open(client).await
    }

    /// A command that is lost, or over without an event, is nothing to wait for: the checker will
    /// say what is missing.
    async fn still_open(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let Some(id) = self.open.take() else { return Ok(()) };
        match client.ask("command_get", json!({ "command_id": id })).await {
            Ok(command) if command["finished_at"].is_null() => self.open = Some(id),
            Ok(_) | Err(ClientError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Waits until nothing of this project is at work.
    async fn idle(&mut self, client: &mut Client) -> Result<(), ClientError> {
        while self.open.is_some() {
            let frame = client.next().await?;
            self.take(&frame);
        }
        Ok(())
    }

    fn take(&mut self, frame: &Value) {
        let Some(seen) = event(frame) else { return };
        if let Some((id, state)) = &seen.command {
            // Words about an earlier command may still come when the next one was accepted.
            if !state.is_final() {
                self.open.get_or_insert_with(|| id.clone());
            } else if self.open.as_ref() == Some(id) {
                self.open = None;
            }
        }
        self.follower.seen.push(seen);
    }

    /// Waits until all is quiet, then adds what it saw and what the product says in the end.
    pub(crate) async fn conclude(mut self, address: Address, evidence: &mut Evidence) {
        let mut client = address.connect().await;
        self.catch_up(&mut client).await.expect("the server answers");
        self.idle(&mut client).await.expect("what was at work comes to an end");
        let log = self.whole_log(&mut address.connect().await).await;
        let marks = marks(&log);
        for command in self.commands(&mut client, &marks).await {
            let id = command.id.to_string();
            let mark = marks.get(&id).cloned().unwrap_or_default();
            evidence.end.commands.push(FinalCommand::of(&command, mark));
        }
        evidence.end.topics.insert(self.follower.topic.clone(), log);
        evidence.followers.push(self.follower);
    }

    /// Every command there is: the list shows the newest, the log names those before.
    async fn commands(&self, client: &mut Client, marks: &HashMap<String, String>) -> Vec<Command> {
        let ask = json!({ "project_id": self.project, "limit": 1000 });
        let list = client.ask("command_list", ask).await.expect("a list")["commands"].take();
        let mut found: Vec<Command> = serde_json::from_value(list).expect("commands");
        let listed: HashSet<String> = found.iter().map(|command| command.id.to_string()).collect();
        for id in marks.keys().filter(|id| !listed.contains(*id)) {
            if let Ok(command) = client.ask("command_get", json!({ "command_id": id })).await {
                found.push(serde_json::from_value(command).expect("a command"));
            }
        }
        found
    }

    async fn whole_log(&self, client: &mut Client) -> Vec<Seen> {
        let ask = json!({ "topic": self.follower.topic, "after": 0 });
        let head =
            client.ask("subscribe", ask).await.expect("a reply")["seq"].as_u64().unwrap_or(0);
        let mut log: Vec<Seen> = Vec::new();
        while log.last().map_or(0, |event| event.seq) < head {
            log.extend(event(&client.next().await.expect("an event")));
        }
        log
    }
}

fn event(frame: &Value) -> Option<Seen> {
    if frame["type"] != "event" {
        return None;
    }
    let frame = serde_json::from_str(&frame.to_string()).expect("an event is a frame");
    Seen::of(&frame)
}

/// Which mark each command was submitted with: its prompt is the mark.
fn marks(log: &[Seen]) -> HashMap<String, String> {
    let prompts = log.iter().filter_map(|event| {
        let fact: Value = serde_json::from_str(&event.body).ok()?;
        let message = &fact["data"];
        (message["kind"] == "prompt")
            .then(|| (text(&message["command_id"]), text(&message["text"])))
    });
    prompts.collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
