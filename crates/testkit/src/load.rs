//! A sender under faults: submits commands of every kind, cancels, holds, releases, repeats, puts
//! back, and writes down what it did, for the [checker](crate::checker).
//!
//! One sender works on one project, one request after the other. What it does follows from its
//! seed. When its connection breaks it stops; [`Sender::work`] goes on with a new one.

mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use afield_proto::command::{Command, CommandState};
use serde_json::{Value, json};

use crate::checker::{
    Evidence, FinalCommand, Follower, HistoryLog, Line, Seen, Step, Terms, unix_ms,
};
use crate::client::{Client, ClientError};
use crate::random::Random;

pub use script::Mix;
use script::Submission;

/// How long a sender waits for all to come to an end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it asks whether that is so.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Whether a line of a history is an acknowledgement.
pub fn is_ok(line: &Line) -> bool {
    matches!(line.step, Step::Ok { .. })
}

/// A client and its project.
pub struct Sender {
    name: String,
    project: String,
    effects: PathBuf,
    history: Arc<HistoryLog>,
    random: Random,
    mix: Mix,
    follower: Follower,
    /// Everything sent, by its mark.
    sent: BTreeMap<String, (&'static str, Value)>,
    /// Acknowledged commands and their marks.
    marks: BTreeMap<String, String>,
    /// The mark whose answer never came; it is sent again with the same key.
    unanswered: Option<String>,
    held: Vec<String>,
    /// To be released; the answer has not come yet.
    releasing: BTreeSet<String>,
    project_held: bool,
}

impl Sender {
    /// A sender that has done nothing yet. Starts go to `effects`.
    pub fn new(
        name: &str,
        project: String,
        effects: PathBuf,
        history: Arc<HistoryLog>,
        mix: Mix,
        seed: u64,
    ) -> Self {
        let topic = format!("project:{project}");
        Self {
            name: name.to_owned(),
            effects,
            history,
            random: Random::new(seed),
            mix,
            follower: Follower { name: name.to_owned(), topic, ..Follower::default() },
            project,
            sent: BTreeMap::new(),
            marks: BTreeMap::new(),
            unanswered: None,
            held: Vec::new(),
            releasing: BTreeSet::new(),
            project_held: false,
        }
    }

    fn note(&self, mark: &str, step: Step) {
        self.history.write(&self.name, mark, step).expect("the history can be written");
    }

    /// Works until told to stop or the connection breaks. `acknowledged` hears of each answer.
    pub async fn work(
        &mut self,
        client: &mut Client,
        stop: &AtomicBool,
        acknowledged: impl Fn(),
    ) -> Result<(), ClientError> {
        let worked = self.work_on(client, stop, &acknowledged).await;
        let late = std::mem::take(&mut client.unread);
        late.iter().for_each(|frame| self.take(frame));
        worked
    }

    async fn work_on(
        &mut self,
        client: &mut Client,
        stop: &AtomicBool,
        acknowledged: &impl Fn(),
    ) -> Result<(), ClientError> {
        self.catch_up(client).await?;
        while !stop.load(Ordering::Relaxed) {
            self.act(client, acknowledged).await?;
            if !self.mix.pause.is_zero() {
                tokio::time::sleep(self.mix.pause).await;
            }
        }
        Ok(())
    }

    /// Submits so many new commands.
    ///
    /// **Errors**: the connection broke.
    pub async fn submit_many(
        &mut self,
        client: &mut Client,
        count: usize,
    ) -> Result<(), ClientError> {
        for _ in 0..count {
            let mark = self.draft();
            self.submit(client, &mark, &|| ()).await?;
        }
        Ok(())
    }

    async fn act(
        &mut self,
        client: &mut Client,
        acknowledged: &impl Fn(),
    ) -> Result<(), ClientError> {
        if let Some(mark) = self.unanswered.clone() {
            return self.submit(client, &mark, acknowledged).await;
        }
        let mix = self.mix;
        if self.random.chance(mix.repeats) && !self.sent.is_empty() {
            let marks: Vec<_> = self.sent.keys().cloned().collect();
            let mark = self.random.pick(&marks).cloned().expect("there is one");
            return self.submit(client, &mark, acknowledged).await;
        }
        if self.random.chance(mix.cancels) {
            return self.cancel(client).await;
        }
        if self.random.chance(mix.holds) {
            return self.release_or_hold(client).await;
        }
        let mark = self.draft();
        self.submit(client, &mark, acknowledged).await
    }

    /// Thinks of a new command and returns its mark.
    fn draft(&mut self) -> String {
        let mark = format!("{}-{}", self.name, self.sent.len());
        let submission = Submission::draw(&mut self.random, &self.mix, &mark);
        if submission.hold {
            self.held.push(mark.clone());
        }
        self.note(&mark, Step::Terms(submission.terms(&self.project)));
        let ask = submission.ask(&self.project, &mark, &self.effects);
        self.sent.insert(mark.clone(), ask);
        mark
    }

    async fn submit(
        &mut self,
        client: &mut Client,
        mark: &str,
        acknowledged: &impl Fn(),
    ) -> Result<(), ClientError> {
        let (request, ask) = self.sent[mark].clone();
        self.note(mark, Step::Invoke);
        match client.ask(request, ask).await {
            Ok(command) => {
                let id = text(&command["id"]);
                self.note(mark, Step::Ok { id: id.clone() });
                self.marks.insert(id, mark.to_owned());
                self.unanswered = None;
                acknowledged();
                Ok(())
            }
            // Its time may have passed before it could be sent again.
            Err(ClientError::Refused(error)) => {
                self.note(mark, Step::Fail { code: text(&error["code"]) });
                self.unanswered = None;
                Ok(())
            }
            Err(error) => {
                self.note(mark, Step::Info { reason: error.to_string() });
                self.unanswered = Some(mark.to_owned());
                Err(error)
            }
        }
    }

    /// Cancels one of the last it sent.
    async fn cancel(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let last: Vec<(String, String)> =
            self.marks.iter().rev().take(10).map(|(id, mark)| (id.clone(), mark.clone())).collect();
        let Some((id, mark)) = self.random.pick(&last).cloned() else { return Ok(()) };
        let answer = client.ask("command_cancel", json!({ "command_id": id })).await;
        let Some(command) = answered(answer)? else { return Ok(()) };
        if command["state"] == "cancelled" {
            let attempts = command["attempt"].as_u64().unwrap_or(0);
            let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
            self.note(&mark, Step::Cancelled { attempts });
        }
        Ok(())
    }

    async fn release_or_hold(&mut self, client: &mut Client) -> Result<(), ClientError> {
        match (self.held.is_empty(), self.random.chance(50)) {
            (false, true) => {
                let mark = self.held.remove(0);
                self.releasing.insert(mark);
                self.release(client).await
            }
            _ => self.turn_project(client, !self.project_held).await,
        }
    }

    async fn turn_project(&mut self, client: &mut Client, hold: bool) -> Result<(), ClientError> {
        // A hold whose answer is lost may be there: it counts as there.
        self.project_held = true;
        let name = if hold { "command_hold" } else { "command_release" };
        let turned = client.ask(name, json!({ "project_id": self.project })).await;
        if answered(turned)?.is_some() {
            self.project_held = hold;
        }
        Ok(())
    }

    /// Releases what is to be released and was not acknowledged yet.
    async fn release(&mut self, client: &mut Client) -> Result<(), ClientError> {
        for mark in self.releasing.clone() {
            let found = self.marks.iter().find(|(_, known)| **known == mark);
            let Some(id) = found.map(|(id, _)| id.clone()) else { continue };
            self.note(&mark, Step::Release);
            // One that does not wait any more needs no release.
            answered(client.ask("command_release", json!({ "command_id": id })).await)?;
            self.releasing.remove(&mark);
        }
        Ok(())
    }

    /// Follows from the last event seen, and takes all there is.
    async fn catch_up(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let (after, patience) =
            (self.follower.seen.last().map_or(0, |event| event.seq), self.patience());
        let head = subscribe(client, &self.follower.topic, after).await?;
        self.follower.head = head;
        take_until(client, head, patience, &mut self.follower.seen).await
    }

    /// Longest wait for anything to go on. What is missing then is for the checker to say.
    fn patience(&self) -> Duration {
        self.mix.patience.unwrap_or(PATIENCE)
    }

    fn take(&mut self, frame: &Value) {
        self.follower.seen.extend(event(frame));
    }

    /// Lets everything come to an end, puts back some of what was interrupted, and says what it
    /// saw and what the product says in the end.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn conclude(mut self, client: &mut Client) -> Evidence {
        let mut evidence = Evidence { settled: true, ..Evidence::default() };
        self.heal(client).await.expect("the server answers");
        self.settle(client).await.expect("the server answers");
        if self.put_back(client).await.expect("the server answers") > 0 {
            self.settle(client).await.expect("the server answers");
        }
        self.catch_up(client).await.expect("the server answers");
        let (topic, patience) = (self.follower.topic.clone(), self.patience());
        let log = whole_log(client, &topic, patience).await.expect("the server answers");
        for command in self.all(client).await.expect("the server answers") {
            let known = self.marks.get(&command.id.to_string()).or(command.key.as_ref());
            let mark = known.cloned().unwrap_or_default();
            evidence.end.commands.push(FinalCommand::of(&command, mark));
        }
        evidence.end.heads.insert(topic.clone(), log.0);
        evidence.end.topics.insert(topic, log.1);
        evidence.followers.push(self.follower);
        evidence
    }

    /// Sends again what was not answered.
    async fn heal(&mut self, client: &mut Client) -> Result<(), ClientError> {
        if let Some(mark) = self.unanswered.clone() {
            self.submit(client, &mark, &|| ()).await?;
        }
        self.turn_project(client, false).await?;
        self.release(client).await
    }

    /// Waits until only what is held waits. What is stuck is for the checker to say.
    async fn settle(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let (mut progress, mut before) = (Instant::now(), (usize::MAX, 0));
        loop {
            let ask = json!({ "project_id": self.project, "waiting": true, "limit": 1000 });
            let asked = Instant::now();
            let list = client.ask("command_list", ask).await?;
            let took = asked.elapsed();
            let list = list["commands"].as_array().cloned().unwrap_or_default();
            let left = list.iter().filter(|command| command["held_by"].is_null()).count();
            // A list has an end, what waits may not: whatever starts counts, too.
            let now = (left, std::fs::metadata(&self.effects).map_or(0, |file| file.len()));
            if now != before {
                (progress, before) = (Instant::now(), now);
            }
            if left == 0 || progress.elapsed() > self.patience() {
                return Ok(());
            }
            // A long list takes its time: looking at it must not be what keeps the server busy.
            tokio::time::sleep(POLL_INTERVAL.max(10 * took)).await;
        }
    }

    /// A person decides that some of what was interrupted is to run again.
    async fn put_back(&mut self, client: &mut Client) -> Result<usize, ClientError> {
        let mut count = 0;
        for command in self.all(client).await? {
            if command.state == CommandState::Interrupted && self.random.chance(self.mix.put_back) {
                self.note(command.key.as_deref().unwrap_or_default(), Step::Decide);
                let ask = json!({ "command_ids": [command.id] });
                count += usize::from(answered(client.ask("command_retry", ask).await)?.is_some());
            }
        }
        Ok(count)
    }

    /// Every command there is.
    async fn all(&self, client: &mut Client) -> Result<Vec<Command>, ClientError> {
        let mut found: Vec<Command> = Vec::new();
        loop {
            let before = found.last().map(|command| command.id);
            let ask = json!({ "project_id": self.project, "limit": 1000, "before_id": before });
            let page = client.ask("command_list", ask).await?["commands"].take();
            let page: Vec<Command> = serde_json::from_value(page).expect("commands");
            let more = !page.is_empty();
            found.extend(page);
            if !more {
                return Ok(found);
            }
        }
    }
}

/// `None` for a refusal, which is an answer, too.
fn answered(reply: Result<Value, ClientError>) -> Result<Option<Value>, ClientError> {
    match reply {
        Ok(value) => Ok(Some(value)),
        Err(ClientError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Subscribes to what comes after an event, and says which is the last there is.
async fn subscribe(client: &mut Client, topic: &str, after: u64) -> Result<u64, ClientError> {
    let ask = json!({ "topic": topic, "after": after });
    Ok(client.ask("subscribe", ask).await?["seq"].as_u64().unwrap_or(0))
}

/// Takes events up to the one given, or until none has come for too long.
async fn take_until(
    client: &mut Client,
    last: u64,
    patience: Duration,
    seen: &mut Vec<Seen>,
) -> Result<(), ClientError> {
    while seen.last().map_or(0, |event| event.seq) < last {
        match tokio::time::timeout(patience, client.next()).await {
            Ok(frame) => seen.extend(event(&frame?)),
            Err(_) => break,
        }
    }
    Ok(())
}

/// All events of a topic, and the number of the last there is said to be.
async fn whole_log(
    client: &mut Client,
    topic: &str,
    patience: Duration,
) -> Result<(u64, Vec<Seen>), ClientError> {
    client.ask("unsubscribe", json!({ "topic": topic })).await?;
    client.unread.clear();
    let (head, mut log) = (subscribe(client, topic, 0).await?, Vec::new());
    take_until(client, head, patience, &mut log).await?;
    Ok((head, log))
}

fn event(frame: &Value) -> Option<Seen> {
    if frame["type"] != "event" {
        return None;
    }
    let frame = serde_json::from_str(&frame.to_string()).expect("an event is a frame");
    Seen::of(&frame)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Unix milliseconds from now.
fn in_ms(ms: u64) -> i64 {
    unix_ms() + i64::try_from(ms).unwrap_or(i64::MAX)
}
