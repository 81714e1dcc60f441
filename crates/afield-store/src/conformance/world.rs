//! What the cases stand on: an empty place, an opened store with an org, a runner and a phone.

use std::sync::atomic::{AtomicU8, Ordering};

use afield_proto::agent::{
    AgentKind, AgentMessage, Direction, ExecuteOptions, MessageFlags, MessageKind,
};
use afield_proto::approval::{ApprovalAsk, ApprovalKind};
use afield_proto::command::{Command, CommandKind, CommandState, Outcome as Ended, OutcomeKind};
use afield_proto::device::{DeviceKind, Scopes};
use afield_proto::project::{Project, ProjectSettings};
use afield_proto::queue::Priority;
use afield_proto::runner::{Attempt, Record, RunnerExecute, RunnerRecords};
use afield_proto::{
    ApprovalId, CommandId, DeviceId, OrgId, ProjectId, RequestId, Timestamp, Topic, UserId,
};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::tx::Tx;
use crate::{
    Accept, Applied, CommandFilter, CommittedEvents, Error, Location, NewDevice, NewProject,
    Options, Owner, Refusal, Store, StoredEvent, SubmitCommand, Submitted,
};

/// Committed events that may wait for a case to look at them.
const COMMITTED: usize = 65_536;

/// An empty database.
pub struct Place {
    location: Location,
}

impl Place {
    /// The place a case may use.
    pub fn new(location: Location) -> Self {
        Self { location }
    }

    /// Options for this place.
    pub fn options(&self) -> Options {
        Options::new(self.location.clone())
    }

    /// Whether it is on SQLite.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.location, Location::Sqlite(_))
    }

    /// Changes stored data behind the store's back, in the words of whichever database it is.
    pub async fn raw(&self, store: &Store, sqlite: &str, postgres: &str) -> Result<(), Error> {
        let text = if self.is_sqlite() { sqlite } else { postgres };
        store.write((text.to_owned(),), run_raw).await
    }
}

/// Makes a second org with its owner, as an installation for several would have it.
pub async fn another_org(store: &Store) -> Result<Owner, Error> {
    let (org_id, user_id) = (OrgId::generate(), UserId::generate());
    let text = format!(
        "INSERT INTO orgs (id, name, created_at) VALUES ('{org_id}', 'other', 0); \
         INSERT INTO users (id, org_id, name, created_at) VALUES ('{user_id}', '{org_id}', 'owner', 0)"
    );
    store.write((text,), run_raw).await?;
    Ok(Owner { org_id, user_id, created: true })
}

async fn run_raw(tx: &mut Tx, (text,): &(String,)) -> Result<(), Error> {
    tx.batch(text).await
}

/// A point in time of the cases.
pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_795_176_000_000 + ms)
}

/// A message with these words.
pub fn note(text: &str) -> AgentMessage {
    let frame = serde_json::json!({ "text": text }).to_string();
    AgentMessage {
        timestamp: at(0),
        direction: Direction::Claude,
        kind: MessageKind::Text,
        command_id: None,
        session_id: None,
        text: Some(text.to_owned()),
        tool: None,
        parent: None,
        news: None,
        flags: MessageFlags::default(),
        message: RawValue::from_string(frame).expect("it was just written"),
    }
}

/// A record that says these words.
pub(super) fn says(text: &str) -> Record {
    Record::Message(note(text))
}

/// The record of a start.
pub(super) fn started() -> Record {
    Record::Started { at: at(10) }
}

/// The record of an end.
pub(super) fn finished(kind: OutcomeKind) -> Record {
    Record::Finished { at: at(20), outcome: Ended::new(kind), killed: Vec::new() }
}

/// All records of an attempt that starts and ends.
pub(super) fn over(attempt: Attempt, kind: OutcomeKind) -> RunnerRecords {
    RunnerRecords::new(attempt, 1, vec![started(), finished(kind)])
}

/// The record of a question.
pub(super) fn asks(approval_id: ApprovalId) -> Record {
    let input = RawValue::from_string(r#"{"command": "ls  -l"}"#.into());
    let ask = ApprovalAsk {
        approval_id,
        kind: ApprovalKind::Tool,
        tool: "Bash".into(),
        input: input.expect("it is JSON"),
        title: None,
        reason: None,
        session_rule: false,
        rules: Vec::new(),
        directory: "/home/me".into(),
    };
    Record::Asked { at: at(15), ask }
}

/// A small generator: the same steps on every database and every run.
pub(super) struct Steps(pub(super) u64);

impl Steps {
    /// A number below this one.
    pub(super) fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// An opened store with an org, a runner and a phone.
pub struct World {
    /// The store.
    pub store: Store,
    /// The org.
    pub org: OrgId,
    /// Its owner.
    pub user: UserId,
    /// A runner.
    pub runner: DeviceId,
    /// A phone.
    pub phone: DeviceId,
    /// What was committed.
    pub committed: mpsc::Receiver<Vec<CommittedEvents>>,
}

impl World {
    /// Opens the place and makes what a world has.
    pub async fn open(place: &Place) -> Result<Self, Error> {
        Self::open_with(place.options()).await
    }

    /// The same with other options.
    pub async fn open_with(mut options: Options) -> Result<Self, Error> {
        let (sender, committed) = mpsc::channel(COMMITTED);
        options.committed.get_or_insert(sender);
        let store = Store::open(options).await?;
        let owner = store.bootstrap(at(0)).await?;
        let new = |kind| new_device(owner.org_id, owner.user_id, kind);
        let runner = store.create_device(new(DeviceKind::Runner), at(0)).await?.id;
        let phone = store.create_device(new(DeviceKind::Browser), at(0)).await?.id;
        Ok(Self { store, org: owner.org_id, user: owner.user_id, runner, phone, committed })
    }

    /// A project of the runner at this path.
    pub async fn project(&self, path: &str) -> Result<Project, Error> {
        self.store.create_project(self.new_project(path), 100, at(1)).await
    }

    /// A project to be made.
    pub fn new_project(&self, path: &str) -> NewProject {
        NewProject {
            org: self.org,
            runner_id: self.runner,
            path: path.to_owned(),
            path_key: path.to_lowercase(),
            settings: ProjectSettings::default(),
        }
    }

    /// A prompt of the phone.
    pub fn prompt(&self, project_id: ProjectId, prompt: &str, key: Option<&str>) -> SubmitCommand {
        SubmitCommand {
            org: self.org,
            project_id,
            submitted_by: self.phone,
            kind: CommandKind::Prompt,
            agent: AgentKind::Claude,
            prompt: prompt.to_owned(),
            options: ExecuteOptions::default(),
            attachments: Vec::new(),
            key: key.map(str::to_owned),
            request_id: RequestId::generate(),
            accept: Accept::Immediate,
            session_id: None,
            order: None,
            priority: Priority::Normal,
            not_before: None,
            expires_at: None,
            retry: None,
            hold: false,
            submitted_at: None,
        }
    }

    /// Submits a prompt of the phone.
    pub async fn submit(&self, id: ProjectId, prompt: &str) -> Result<Command, Error> {
        let Submitted { command, .. } =
            self.store.submit_command(self.prompt(id, prompt, None), at(2)).await?;
        Ok(command)
    }

    /// A prompt of the phone that goes behind what waits.
    pub fn queued(&self, project_id: ProjectId, prompt: &str) -> SubmitCommand {
        SubmitCommand { accept: Accept::Queue, ..self.prompt(project_id, prompt, None) }
    }

    /// Submits at a point in time.
    pub async fn accept(&self, submit: SubmitCommand, now: i64) -> Result<CommandId, Error> {
        Ok(self.store.submit_command(submit, at(now)).await?.command.id)
    }

    /// A prompt behind what waits; its id.
    pub async fn enqueue(&self, project_id: ProjectId, prompt: &str) -> Result<CommandId, Error> {
        self.accept(self.queued(project_id, prompt), 2).await
    }

    /// Leases what waits; the attempts in the order they are given.
    pub async fn attempts(&self, slots: usize, now: i64) -> Result<Vec<Attempt>, Error> {
        let orders = self.store.lease_commands(self.org, self.runner, slots, at(now)).await?;
        Ok(orders.into_iter().map(|order| order.attempt).collect())
    }

    /// Leases what waits; the ids in the order they are given.
    pub async fn given(&self, now: i64) -> Result<Vec<CommandId>, Error> {
        let attempts = self.attempts(usize::MAX, now).await?;
        Ok(attempts.into_iter().map(|attempt| attempt.command_id).collect())
    }

    /// A leased attempt starts and ends; its command afterwards.
    pub async fn run(&self, attempt: Attempt, kind: OutcomeKind) -> Result<Command, Error> {
        self.run_until(attempt, Ended::new(kind), 20).await
    }

    /// The same with a whole outcome at a point in time.
    pub async fn run_until(
        &self,
        attempt: Attempt,
        outcome: Ended,
        now: i64,
    ) -> Result<Command, Error> {
        let end = Record::Finished { at: at(now), outcome, killed: Vec::new() };
        let records = RunnerRecords::new(attempt, 1, vec![started(), end]);
        let applied = self.store.apply_records(self.org, self.runner, records, at(now)).await?;
        Ok(applied.command)
    }

    /// Runs everything that may start until nothing may; the ids in the order they started.
    pub async fn drain(&self, now: i64) -> Result<Vec<CommandId>, Error> {
        let mut ran = Vec::new();
        loop {
            let attempts = self.attempts(usize::MAX, now).await?;
            if attempts.is_empty() {
                return Ok(ran);
            }
            for attempt in attempts {
                self.run_until(attempt, Ended::new(OutcomeKind::Succeeded), now).await?;
                ran.push(attempt.command_id);
            }
        }
    }

    /// One command.
    pub async fn command(&self, id: CommandId) -> Result<Command, Error> {
        self.store.command(self.org, id).await
    }

    /// How far a command is.
    pub async fn state(&self, id: CommandId) -> Result<CommandState, Error> {
        Ok(self.command(id).await?.state)
    }

    /// Leases what waits, as much as there is.
    pub async fn leases(&self, now: i64) -> Result<Vec<RunnerExecute>, Error> {
        self.store.lease_commands(self.org, self.runner, usize::MAX, at(now)).await
    }

    /// Commands, newest first.
    pub async fn commands(&self, project_id: Option<ProjectId>) -> Result<Vec<Command>, Error> {
        let filter = CommandFilter { project_id, limit: 10, ..CommandFilter::default() };
        self.store.commands(self.org, filter).await
    }

    /// Leases what waits; the first of it.
    pub async fn lease(&self) -> Result<RunnerExecute, Box<dyn std::error::Error>> {
        let orders = self.leases(3).await?;
        Ok(orders.into_iter().next().ok_or("nothing was leased")?)
    }

    /// A command that was submitted and leased.
    pub async fn leased(&self, id: ProjectId) -> Result<Attempt, Box<dyn std::error::Error>> {
        self.submit(id, "do it").await?;
        Ok(self.lease().await?.attempt)
    }

    /// A command that was submitted behind what waits and leased, the only one that could be.
    pub async fn leased_behind(&self, id: ProjectId) -> Result<Attempt, Error> {
        self.enqueue(id, "x").await?;
        let attempts = self.attempts(usize::MAX, 3).await?;
        Ok(*attempts.last().ok_or(Refusal::CommandNotFound)?)
    }

    /// Applies records of the runner.
    pub async fn apply(
        &self,
        attempt: Attempt,
        first_record: u64,
        records: Vec<Record>,
    ) -> Result<Applied, Error> {
        let records = RunnerRecords::new(attempt, first_record, records);
        self.store.apply_records(self.org, self.runner, records, at(4)).await
    }

    /// Every event of a topic that can be read, in pages of 7.
    pub async fn events(&self, topic: Topic) -> Result<Vec<StoredEvent>, Error> {
        let (mut events, mut after) = (Vec::new(), 0);
        loop {
            let page = self.store.read_events(topic, after, 7).await?;
            events.extend(page.events);
            after = page.through;
            if !page.more {
                return Ok(events);
            }
        }
    }

    /// The words of a topic's events, in order.
    pub async fn told(&self, topic: Topic) -> Result<Vec<String>, Error> {
        let name = |event: StoredEvent| {
            event.body.trim_start_matches("{\"type\":\"").split('"').next().map(str::to_owned)
        };
        Ok(self.events(topic).await?.into_iter().filter_map(name).collect())
    }

    /// What a topic's events of this name say, in order.
    pub async fn said(&self, topic: Topic, name: &str) -> Result<Vec<Value>, Error> {
        let read = |event: StoredEvent| {
            let body: Value = serde_json::from_str(&event.body).expect("an event is JSON");
            (body["type"] == name).then(|| body["data"].clone())
        };
        Ok(self.events(topic).await?.into_iter().filter_map(read).collect())
    }
}

/// A device to be made; each has another token.
pub(super) fn new_device(org: OrgId, user: UserId, kind: DeviceKind) -> NewDevice {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let mut token_hash = [NEXT.fetch_add(1, Ordering::Relaxed); 32];
    token_hash[..16].copy_from_slice(RequestId::generate().uuid().as_bytes());
    let scopes = match kind {
        DeviceKind::Runner => "runner".parse(),
        _ => "all".parse(),
    };
    NewDevice {
        org,
        user,
        name: "a device".into(),
        kind,
        scopes: scopes.unwrap_or(Scopes::NONE),
        token_hash,
        expires_at: None,
        created_by: None,
    }
}

/// Fails the case unless the operation was refused like this.
macro_rules! assert_refused {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        match $result {
            Err($crate::Error::Refused($pattern)) $(if $guard)? => {}
            other => return Err(format!("not refused as expected: {other:?}").into()),
        }
    };
}
pub(crate) use assert_refused;
