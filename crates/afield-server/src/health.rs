//! What the server measures: on request, and every ten seconds.

use std::path::Path;
use std::time::{Duration, Instant};

use afield_proto::fact::{
    Fact, HealthCheck, HealthStatus, RunnerLinkHealth, ServerStats, StoreHealth,
};
use afield_proto::project::ProjectState;
use afield_proto::runner::{RunnerHealth, RunnerMeasure};
use afield_proto::{ErrorBody, Timestamp, wire};
use afield_store::RunnerRow;
use sysinfo::{Disks, MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::core::Core;
use crate::error::{from_store, internal};
use crate::socket::codec;
use crate::socket::conn::Actor;

/// A runner that does not answer within this time counts as not answering.
const RUNNER_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between the two looks that processor use is computed from.
const CPU_INTERVAL: Duration = Duration::from_millis(200);

/// `health_check`: everything in it is measured now.
pub(crate) async fn check(core: &Core, actor: &Actor) -> Result<HealthCheck, ErrorBody> {
    let rows = core.store.runners(actor.org).await.map_err(from_store)?;
    let live = rows.into_iter().filter(|row| row.device.revoked_at.is_none());
    let links = futures::future::join_all(live.map(|row| runner(core, row)));
    let data_dir = core.options.data_dir.clone();
    let machine = tokio::task::spawn_blocking(move || machine(&data_dir));
    let (runners, machine, store) = tokio::join!(links, machine, store(core));
    let machine = machine.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?;
    let status = if store.status == HealthStatus::Failed {
        HealthStatus::Failed
    } else if store.status == HealthStatus::Degraded
        || runners.iter().all(|runner| !runner.online)
        || runners.iter().any(|runner| runner.disk_refuses)
    {
        HealthStatus::Degraded
    } else {
        HealthStatus::Ok
    };
    Ok(HealthCheck {
        status,
        at: Timestamp::now(),
        version: core.options.version.clone(),
        cpu: machine.cpu,
        memory_used_bytes: machine.memory_used,
        memory_total_bytes: machine.memory_total,
        disk_free_bytes: machine.disk_free,
        store,
        runners,
    })
}

async fn runner(core: &Core, row: RunnerRow) -> RunnerLinkHealth {
    let known = row.facts.map(|facts| facts.agents).unwrap_or_default();
    let mut health = RunnerLinkHealth {
        runner_id: row.device.id,
        name: row.device.name,
        online: false,
        last_seen_at: row.device.last_seen_at,
        round_trip_ms: None,
        disk_refuses: false,
        agents: known,
    };
    let Some(link) = core.runners.get(row.device.id) else { return health };
    health.online = true;
    health.disk_refuses = link.disk_refuses();
    let start = Instant::now();
    let measured: Result<RunnerHealth, _> =
        link.ask("runner_measure", &RunnerMeasure {}, RUNNER_TIMEOUT).await;
    if let Ok(measured) = measured {
        health.round_trip_ms = Some(start.elapsed().as_secs_f64() * 1000.0);
        health.last_seen_at = Some(Timestamp::now());
        health.agents = measured.agents;
    }
    health
}

async fn store(core: &Core) -> StoreHealth {
    let write = core.store.probe_write(Timestamp::now()).await;
    let damaged = core.store.damaged_count().await.unwrap_or(0);
    let status = match &write {
        Err(_) => HealthStatus::Failed,
        Ok(_) if damaged > 0 => HealthStatus::Degraded,
        Ok(_) => HealthStatus::Ok,
    };
    StoreHealth {
        status,
        engine: core.store.engine(),
        write_ms: write.map_or(-1.0, |took| took.as_secs_f64() * 1000.0),
        damaged,
    }
}

struct Machine {
    cpu: f64,
    memory_used: u64,
    memory_total: u64,
    disk_free: u64,
}

/// Blocks for [`CPU_INTERVAL`].
fn machine(data_dir: &Path) -> Result<Machine, String> {
    let mut system = System::new().map_err(|error| error.to_string())?;
    system.refresh_cpu_usage();
    std::thread::sleep(CPU_INTERVAL.max(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL));
    system.refresh_cpu_usage();
    system.refresh_memory_specifics(MemoryRefreshKind::everything());
    let disks = Disks::new_with_refreshed_list().map_err(|error| error.to_string())?;
    let holding = disks.iter().filter(|disk| data_dir.starts_with(disk.mount_point()));
    let nearest = holding.max_by_key(|disk| disk.mount_point().as_os_str().len());
    Ok(Machine {
        cpu: f64::from(system.global_cpu_usage()) / 100.0,
        memory_used: system.used_memory(),
        memory_total: system.total_memory(),
        disk_free: nearest.map_or(0, sysinfo::Disk::available_space),
    })
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident_bytes() -> u64 {
    let Ok(mut system) = System::new() else { return 0 };
    let Ok(pid) = sysinfo::get_current_pid() else { return 0 };
    let what = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
    system.process(pid).map_or(0, sysinfo::Process::memory)
}

/// Projects and those that execute, and after which event they were counted: they change with
/// events only, so a server at rest asks the store nothing.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    at_event: Option<u64>,
    projects: u64,
    executing: u64,
}

async fn counted(
    core: &Core,
    known: &mut Counted,
    events_written: u64,
) -> Result<(u64, u64), ErrorBody> {
    if known.at_event != Some(events_written) {
        let projects = core.store.projects(core.owner.org_id).await.map_err(from_store)?;
        let executing = projects.iter().filter(|project| project.state == ProjectState::Executing);
        let (projects, executing) = (projects.len() as u64, executing.count() as u64);
        *known = Counted { at_event: Some(events_written), projects, executing };
    }
    Ok((known.projects, known.executing))
}

/// Takes the server's figures and tells them to every client.
pub(crate) async fn tell_stats(core: &Core, known: &mut Counted) -> Result<(), ErrorBody> {
    let (messages_received, messages_sent, events_written) = core.counters.read();
    let (projects, executing) = counted(core, known, events_written).await?;
    let stats = ServerStats {
        at: Timestamp::now(),
        uptime_seconds: core.started.elapsed().as_secs(),
        connections: core.conn_count() as u64,
        runners: core.runners.count() as u64,
        projects,
        executing,
        messages_received,
        messages_sent,
        events_written,
        memory_bytes: resident_bytes(),
    };
    crate::metrics::record(&stats);
    let body = wire::fact_body(None, &Fact::ServerStats(stats));
    let frame = codec::pieces_frame(&wire::fact_frame(&body, None, Timestamp::now()));
    for conn in core.all_conns() {
        if !conn.is_runner() && conn.actor().org == core.owner.org_id {
            conn.outbox().push_ephemeral(&frame);
        }
    }
    Ok(())
}
