//! Cycles in the store layer: what the server asks of the store for a command, and nothing else.

use std::time::{Duration, Instant};

use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::runner::{Attempt, Record, RunnerExecute, RunnerRecords};
use afield_proto::{ProjectId, Timestamp};
use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use futures::future::try_join_all;
use futures::stream::FuturesUnordered;
use tokio::sync::{Mutex, Notify, mpsc};

use crate::in_store::{InStore, Machine};
use crate::process::threads_cpu_time;

/// Projects of one runner, and so commands it works on at once.
const PROJECTS_PER_RUNNER: usize = 16;

/// The thread everything is written on.
const WRITER: &str = "afield-store-wr";

/// As many projects as there are cycles under way.
pub(crate) struct Cycles {
    machines: Vec<Machine>,
}

impl Cycles {
    /// Makes the runners and their projects.
    pub(crate) async fn new(base: &mut InStore, in_flight: usize) -> Result<Self> {
        let projects = in_flight.min(PROJECTS_PER_RUNNER);
        Ok(Self { machines: base.add(in_flight / projects, projects).await? })
    }

    /// Cycles per second, and the CPU time of the store's writer for each in microseconds.
    pub(crate) async fn per_second(
        &self,
        base: &InStore,
        prompt: &str,
        time: Duration,
    ) -> Result<(f64, f64)> {
        let began = Instant::now();
        let before = threads_cpu_time(WRITER)?;
        let until = began + time;
        let work = self.machines.iter().map(|machine| work(base, machine, prompt, until));
        let cycles: usize = try_join_all(work).await?.into_iter().sum();
        let used = threads_cpu_time(WRITER)? - before;
        let rate = cycles as f64 / began.elapsed().as_secs_f64();
        Ok((rate, used.as_secs_f64() * 1e6 / cycles as f64))
    }
}

/// Everything that happens for one runner.
async fn work(base: &InStore, machine: &Machine, prompt: &str, until: Instant) -> Result<usize> {
    let (waiting, leasing) = (Notify::new(), Mutex::new(()));
    let over: Vec<Notify> = machine.projects.iter().map(|_| Notify::new()).collect();
    let (orders, receiver) = mpsc::unbounded_channel();
    let lanes = machine.projects.iter().zip(&over).map(|(project, over)| async {
        let mut cycles = 0;
        while Instant::now() < until {
            let submit = base.submit(*project, prompt);
            let submit = base.store.submit_command(submit, Timestamp::now());
            let at_once = async {
                let Ok(_leasing) = leasing.try_lock() else { return Ok(()) };
                lease(base, machine, &orders).await
            };
            let (submitted, leased) = futures::join!(submit, at_once);
            submitted?;
            leased?;
            waiting.notify_one();
            over.notified().await;
            cycles += 1;
        }
        anyhow::Ok(cycles)
    });
    tokio::select! {
        cycles = try_join_all(lanes) => Ok(cycles?.into_iter().sum()),
        failed = deliver(base, machine, (&waiting, &leasing), &orders) => Err(failed),
        failed = attend(base, machine, receiver, &over) => Err(failed),
    }
}

/// Leases whenever something may wait; what came meanwhile is leased together.
async fn deliver(
    base: &InStore,
    machine: &Machine,
    (waiting, leasing): (&Notify, &Mutex<()>),
    orders: &mpsc::UnboundedSender<RunnerExecute>,
) -> anyhow::Error {
    loop {
        waiting.notified().await;
        let _leasing = leasing.lock().await;
        if let Err(error) = lease(base, machine, orders).await {
            return error;
        }
    }
}

async fn lease(
    base: &InStore,
    machine: &Machine,
    orders: &mpsc::UnboundedSender<RunnerExecute>,
) -> Result<()> {
    let slots = machine.projects.len();
    let now = Timestamp::now();
    let leased = base.store.lease_commands(base.org, machine.runner, slots, now).await?;
    for order in leased {
        orders.send(order)?;
    }
    Ok(())
}

/// Reports start and end of everything that was leased.
async fn attend(
    base: &InStore,
    machine: &Machine,
    mut orders: mpsc::UnboundedReceiver<RunnerExecute>,
    over: &[Notify],
) -> anyhow::Error {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(order) = orders.recv() => running.push(run(base, machine, order)),
            Some(done) = running.next() => match done {
                Ok(project) => {
                    let at = machine.projects.iter().position(|known| *known == project);
                    at.and_then(|at| over.get(at)).expect("it is the runner's").notify_one();
                }
                Err(error) => return error,
            },
        }
    }
}

async fn run(base: &InStore, machine: &Machine, order: RunnerExecute) -> Result<ProjectId> {
    let report = |first_record, record| {
        let attempt: Attempt = order.attempt;
        let records = RunnerRecords::new(attempt, first_record, vec![record]);
        base.store.apply_records(base.org, machine.runner, records, Timestamp::now())
    };
    report(1, Record::Started { at: Timestamp::now() }).await.context("started")?;
    let outcome = Outcome::new(OutcomeKind::Succeeded);
    let finished = Record::Finished { at: Timestamp::now(), outcome, killed: Vec::new() };
    report(2, finished).await.context("finished")?;
    Ok(order.project_id)
}
