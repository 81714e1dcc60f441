//! Cycles over the wire: clients submit to the real server, runners that run nothing report start
//! and end as soon as they are told.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::FutureExt as _;
use futures::future::try_join_all;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{Interval, interval_at};

use crate::product::Server;
use crate::product::link::Link;
use crate::product::runner::{Runner, make_projects};

/// Projects of one runner, and so commands it works on at once.
const PROJECTS_PER_RUNNER: usize = 16;
/// Cycles under way are spread over this many connections of clients.
const CLIENTS_MAX: usize = 16;
/// Nothing takes longer, unless something is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// A server, runners at work, and clients with projects that are free.
pub(crate) struct Cycles {
    clients: Vec<Client>,
    runners: JoinSet<Result<()>>,
    starts: Starts,
    _server: Server,
}

struct Client {
    link: Link,
    free: UnboundedReceiver<Arc<str>>,
    freed: UnboundedSender<Arc<str>>,
    /// How many projects are its own.
    projects: usize,
}

/// When what runs in a project was submitted, and how long it took until its start was durable.
#[derive(Clone, Default)]
struct Starts {
    submitted: Arc<Mutex<HashMap<Arc<str>, Instant>>>,
    took: Arc<Mutex<Vec<Duration>>>,
}

/// How long starts took, in milliseconds.
pub(crate) struct Delays {
    pub(crate) median_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) longest_ms: f64,
}

type Free = HashMap<Arc<str>, UnboundedSender<Arc<str>>>;

impl Cycles {
    /// Starts the server on the disk of `folder`, with as many projects as cycles are under way.
    pub(crate) async fn start(folder: &Path, in_flight: usize) -> Result<Self> {
        let server = Server::start(folder)?;
        let mut admin = Link::connect(&server.url, &server.token).await?;
        let per_runner = in_flight.min(PROJECTS_PER_RUNNER);
        let (mut runners, starts) = (JoinSet::new(), Starts::default());
        let mut clients = Vec::new();
        for _ in 0..in_flight.min(CLIENTS_MAX) {
            let link = Link::connect(&server.url, &server.token).await?;
            let (freed, free) = mpsc::unbounded_channel();
            clients.push(Client { link, free, freed, projects: 0 });
        }
        for _ in 0..in_flight / per_runner {
            let mut runner = Runner::with_slots(&server, &mut admin, per_runner).await?;
            let projects = make_projects(&server, &mut runner, per_runner).await?;
            let mut free = Free::new();
            for (number, project) in projects.into_iter().enumerate() {
                let project: Arc<str> = project.into();
                let owner = number % clients.len();
                let client: &mut Client = &mut clients[owner];
                client.projects += 1;
                client.freed.send(Arc::clone(&project))?;
                free.insert(project, client.freed.clone());
            }
            let starts = starts.clone();
            runners.spawn(async move { attend(runner.link, free, starts).await });
        }
        Ok(Self { clients, runners, starts, _server: server })
    }

    /// Cycles per second.
    pub(crate) async fn per_second(&mut self, prompt: &str, time: Duration) -> Result<f64> {
        let began = Instant::now();
        let (until, starts) = (began + time, &self.starts);
        let clients = self.clients.iter_mut();
        let work = try_join_all(clients.map(|client| client.submit(prompt, until, starts)));
        let cycles = tokio::select! {
            cycles = tokio::time::timeout(time + DEADLINE, work) => {
                cycles.context("cycles stand still")??.into_iter().sum::<usize>()
            }
            Some(ended) = self.runners.join_next() => bail!("a runner ended: {:?}", ended?),
        };
        Ok(cycles as f64 / began.elapsed().as_secs_f64())
    }

    /// How long starts take while commands are submitted at a steady pace: the clients take turns.
    pub(crate) async fn delays(
        &mut self,
        prompt: &str,
        per_second: u32,
        time: Duration,
    ) -> Result<Delays> {
        let starts = &self.starts;
        let count = u32::try_from(self.clients.len())?;
        let (now, pace) =
            (tokio::time::Instant::now(), Duration::from_secs(1) * count / per_second);
        let paces = (0..count).map(|turn| interval_at(now + pace * turn / count, pace));
        let clients = self.clients.iter_mut().zip(paces);
        let work = clients.map(|(client, pace)| client.keep_pace(prompt, pace, time, starts));
        try_join_all(work).await?;
        let mut took = std::mem::take(&mut *starts.took.lock().expect("nobody panics with it"));
        took.sort_unstable();
        let at = |share: f64| {
            let place = (took.len() as f64 * share) as usize;
            took.get(place).or(took.last()).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
        };
        Ok(Delays { median_ms: at(0.5), p99_ms: at(0.99), longest_ms: at(1.0) })
    }
}

impl Starts {
    fn submitted(&self, project: &Arc<str>) {
        let mut submitted = self.submitted.lock().expect("nobody panics with it");
        submitted.insert(Arc::clone(project), Instant::now());
    }

    fn started(&self, project: &str) {
        let submitted = self.submitted.lock().expect("nobody panics with it").remove(project);
        let mut took = self.took.lock().expect("nobody panics with it");
        took.extend(submitted.map(|at| at.elapsed()));
    }
}

impl Client {
    async fn feed(&mut self, project: &Arc<str>, prompt: &str, starts: &Starts) -> Result<()> {
        starts.submitted(project);
        let target = json!({ "project_id": project });
        let data = json!({ "target": target, "payload": { "prompt": prompt } });
        let frame = json!({ "type": "command_submit", "id": 1, "data": data });
        self.link.feed(frame.to_string()).await
    }

    /// Submits to every project that is free until the time is over and all are free again.
    async fn submit(&mut self, prompt: &str, until: Instant, starts: &Starts) -> Result<usize> {
        let mut cycles = 0;
        let mut rest = Vec::new();
        loop {
            tokio::select! {
                Some(project) = self.free.recv() => {
                    let mut next = Some(project);
                    while let Some(project) = next {
                        if Instant::now() < until {
                            self.feed(&project, prompt, starts).await?;
                            cycles += 1;
                        } else {
                            rest.push(project);
                        }
                        next = self.free.try_recv().ok();
                    }
                    self.link.flush().await?;
                }
                frame = self.link.next() => is_accepted(&frame?)?,
            }
            if rest.len() == self.projects {
                rest.into_iter().try_for_each(|project| self.freed.send(project))?;
                return Ok(cycles);
            }
        }
    }

    /// Submits at each tick when a project is free.
    async fn keep_pace(
        &mut self,
        prompt: &str,
        mut ticks: Interval,
        time: Duration,
        starts: &Starts,
    ) -> Result<()> {
        let end = tokio::time::sleep(time);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Ok(()),
                _ = ticks.tick() => {
                    if let Some(project) = self.free.recv().now_or_never().flatten() {
                        self.feed(&project, prompt, starts).await?;
                        self.link.flush().await?;
                    }
                }
                frame = self.link.next() => is_accepted(&frame?)?,
            }
        }
    }
}

/// Facts and replies pass; a refusal ends the benchmark.
fn is_accepted(frame: &str) -> Result<()> {
    match frame.starts_with(r#"{"type":"error""#) {
        true => bail!("a command is refused: {frame}"),
        false => Ok(()),
    }
}

#[derive(Deserialize)]
struct Frame<'f> {
    #[serde(rename = "type")]
    kind: &'f str,
    id: Option<u64>,
    #[serde(borrow)]
    data: Option<&'f RawValue>,
}

#[derive(Deserialize)]
struct Order<'f> {
    #[serde(borrow)]
    attempt: &'f RawValue,
    project_id: Arc<str>,
}

/// What a runner waits for: that a report about a project is on the server's disk.
struct Reported {
    project: Arc<str>,
    attempt: Box<RawValue>,
    over: bool,
}

/// A runner at work.
struct Attending {
    free: Free,
    starts: Starts,
    reported: HashMap<u64, Reported>,
    next_id: u64,
}

/// Works until the connection ends.
async fn attend(mut link: Link, free: Free, starts: Starts) -> Result<()> {
    let mut work = Attending { free, starts, reported: HashMap::new(), next_id: 1_000_000 };
    loop {
        let mut next = Some(link.next().await);
        while let Some(frame) = next {
            if let Some(report) = work.take(&frame?)? {
                link.feed(records(work.next_id, &report)).await?;
                work.reported.insert(work.next_id, report);
                work.next_id += 1;
            }
            next = link.next().now_or_never();
        }
        link.flush().await?;
    }
}

impl Attending {
    /// What is to be reported after a frame.
    fn take(&mut self, frame: &str) -> Result<Option<Reported>> {
        let parsed: Frame<'_> = serde_json::from_str(frame)?;
        match (parsed.kind, parsed.id) {
            ("runner_execute", _) => {
                let data = parsed.data.context("an order has data")?;
                let order: Order<'_> = serde_json::from_str(data.get())?;
                let attempt = order.attempt.to_owned();
                Ok(Some(Reported { project: order.project_id, attempt, over: false }))
            }
            ("error", _) => bail!("a report is refused: {frame}"),
            (_, Some(id)) => self.acknowledged(id),
            _ => Ok(None),
        }
    }

    fn acknowledged(&mut self, id: u64) -> Result<Option<Reported>> {
        let Some(known) = self.reported.remove(&id) else { return Ok(None) };
        if known.over {
            self.free.get(&known.project).context("it is the runner's")?.send(known.project)?;
            return Ok(None);
        }
        self.starts.started(&known.project);
        Ok(Some(Reported { over: true, ..known }))
    }
}

fn records(id: u64, report: &Reported) -> String {
    let (first, record) = match report.over {
        false => (1, r#"{"started":{"at":"2026-01-01T00:00:00Z"}}"#),
        true => (2, r#"{"finished":{"at":"2026-01-01T00:00:01Z","outcome":{"kind":"succeeded"}}}"#),
    };
    let attempt = &report.attempt;
    format!(
        r#"{{"type":"runner_records","id":{id},"data":{{"attempt":{attempt},"first_record":{first},"records":[{record}]}}}}"#
    )
}
