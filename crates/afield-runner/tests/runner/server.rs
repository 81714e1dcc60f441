//! A server in memory: takes records in order, each once, and remembers what it was told.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use afield_proto::agent::AgentMessage;
use afield_proto::limits::BLOB_PART_BYTES;
use afield_proto::runner::{
    Acknowledged, Attempt, Record, RunnerBlob, RunnerBlobPart, RunnerHello, RunnerPartial,
    RunnerRecords, RunnerWelcome,
};
use afield_proto::{DeviceId, ErrorBody, ErrorCode};
use afield_runner::{AskError, Uplink};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::watch;

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct State {
    up: bool,
    records: HashMap<Attempt, Vec<Record>>,
    partials: Vec<AgentMessage>,
    hellos: Vec<RunnerHello>,
    closed: Vec<Attempt>,
    /// How often records were sent that were there already.
    repeated: usize,
    /// Takes records and loses the answer, so many times.
    lose_answers: usize,
    largest_batch: usize,
    /// What refused orders were answered with.
    fences_seen: Vec<u64>,
    /// Files by their hash.
    files: HashMap<String, Vec<u8>>,
    /// Parts of files that were given.
    parts: usize,
    /// Breaks the connection instead of giving this part.
    break_at_part: Option<usize>,
}

/// The server.
pub(crate) struct Server {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), changed: watch::Sender::new(0) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.state.lock().unwrap());
        self.changed.send_modify(|changes| *changes += 1);
        result
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.with(|state| state.up = up);
    }

    pub(crate) fn close(&self, attempt: Attempt) {
        self.with(|state| state.closed.push(attempt));
    }

    pub(crate) fn lose_answers(&self, count: usize) {
        self.with(|state| state.lose_answers = count);
    }

    /// Has a file, under whatever hash.
    pub(crate) fn keep_file(&self, hash: &str, body: Vec<u8>) {
        self.with(|state| state.files.insert(hash.to_owned(), body));
    }

    pub(crate) fn break_at_part(&self, part: usize) {
        self.with(|state| state.break_at_part = Some(part));
    }

    pub(crate) fn parts(&self) -> usize {
        self.state.lock().unwrap().parts
    }

    /// Records the server has from an earlier life of the runner.
    pub(crate) fn has(&self, attempt: Attempt, records: Vec<Record>) {
        self.with(|state| state.records.insert(attempt, records));
    }

    pub(crate) fn records(&self, attempt: Attempt) -> Vec<Record> {
        self.state.lock().unwrap().records.get(&attempt).cloned().unwrap_or_default()
    }

    pub(crate) fn partials(&self) -> Vec<AgentMessage> {
        self.state.lock().unwrap().partials.clone()
    }

    pub(crate) fn hellos(&self) -> Vec<RunnerHello> {
        self.state.lock().unwrap().hellos.clone()
    }

    pub(crate) fn repeated(&self) -> usize {
        self.state.lock().unwrap().repeated
    }

    pub(crate) fn fences_seen(&self) -> Vec<u64> {
        self.state.lock().unwrap().fences_seen.clone()
    }

    pub(crate) fn largest_batch(&self) -> usize {
        self.state.lock().unwrap().largest_batch
    }

    /// Waits until the records of an attempt are as wanted.
    pub(crate) async fn until(
        &self,
        attempt: Attempt,
        wanted: impl Fn(&[Record]) -> bool,
    ) -> Vec<Record> {
        let mut changed = self.changed.subscribe();
        let waited = tokio::time::timeout(PATIENCE, async {
            while !wanted(&self.records(attempt)) {
                changed.changed().await.unwrap();
            }
        });
        let in_time = waited.await.is_ok();
        let records = self.records(attempt);
        assert!(in_time, "in {PATIENCE:?} there was only this: {records:#?}");
        records
    }

    /// Waits until the connection broke.
    pub(crate) async fn until_down(&self) {
        let mut changed = self.changed.subscribe();
        let waited = tokio::time::timeout(PATIENCE, async {
            while self.state.lock().unwrap().up {
                changed.changed().await.unwrap();
            }
        });
        assert!(waited.await.is_ok(), "the connection still stands");
    }

    fn answer(&self, name: &str, data: &RawValue) -> Result<Box<RawValue>, AskError> {
        if !self.state.lock().unwrap().up {
            return Err(AskError::Disconnected);
        }
        match name {
            "runner_hello" => Ok(self.hello(serde_json::from_str(data.get()).unwrap())),
            "runner_records" => {
                self.take(serde_json::from_str(data.get()).unwrap(), data.get().len())
            }
            "runner_blob" => self.part(serde_json::from_str(data.get()).unwrap()),
            other => {
                let message = format!("there is no request {other}");
                Err(AskError::Refused(ErrorBody::new(ErrorCode::ValidationFailed, message)))
            }
        }
    }

    fn part(&self, ask: RunnerBlob) -> Result<Box<RawValue>, AskError> {
        self.with(|state| {
            if state.break_at_part == Some(state.parts) {
                (state.break_at_part, state.up) = (None, false);
                return Err(AskError::Disconnected);
            }
            state.parts += 1;
            let Some(body) = state.files.get(&ask.hash) else {
                let none = ErrorBody::new(ErrorCode::NotFound, "there is no such blob");
                return Err(AskError::Refused(none));
            };
            let rest = body.get(ask.offset as usize..).unwrap_or_default();
            let part = &rest[..rest.len().min(BLOB_PART_BYTES)];
            Ok(to_raw_value(&RunnerBlobPart { data: STANDARD.encode(part) }).unwrap())
        })
    }

    fn hello(&self, hello: RunnerHello) -> Box<RawValue> {
        self.with(|state| {
            let known = hello.attempts.iter().map(|report| state.acknowledged(report.attempt));
            let welcome = RunnerWelcome {
                runner_id: DeviceId::generate(),
                protocol: 1,
                features: Vec::new(),
                acknowledged: known.collect(),
                ping_interval_ms: 30_000,
            };
            state.hellos.push(hello);
            to_raw_value(&welcome).unwrap()
        })
    }

    fn take(&self, batch: RunnerRecords, bytes: usize) -> Result<Box<RawValue>, AskError> {
        self.with(|state| {
            state.largest_batch = state.largest_batch.max(bytes);
            state.fences_seen.extend(batch.fence_seen);
            let records = state.records.entry(batch.attempt).or_default();
            for (number, record) in (batch.first_record..).zip(batch.records) {
                let next = records.len() as u64 + 1;
                if number > next {
                    break;
                }
                if number == next {
                    records.push(record);
                } else {
                    state.repeated += 1;
                }
            }
            if state.lose_answers > 0 {
                state.lose_answers -= 1;
                state.up = false;
                return Err(AskError::Disconnected);
            }
            Ok(to_raw_value(&state.acknowledged(batch.attempt)).unwrap())
        })
    }
}

impl State {
    fn acknowledged(&self, attempt: Attempt) -> Acknowledged {
        let last_record = self.records.get(&attempt).map_or(0, Vec::len) as u64;
        Acknowledged { attempt, last_record, closed: self.closed.contains(&attempt) }
    }
}

impl Uplink for Server {
    fn ask(
        &self,
        name: &'static str,
        data: Box<RawValue>,
    ) -> BoxFuture<'_, Result<Box<RawValue>, AskError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.answer(name, &data)
        })
    }

    fn notice(&self, name: &'static str, data: Box<RawValue>) -> bool {
        assert_eq!(name, "runner_partial");
        let partial: RunnerPartial = serde_json::from_str(data.get()).unwrap();
        self.with(|state| state.partials.extend(partial.messages));
        true
    }
}
