//! How many commands per second the store accepts on SQLite, beside the floor of this disk.
//!
//! Run with `cargo run --release -p afield-store --example accept [DIRECTORY] [IN_FLIGHT [GROUP]]`. Each accepted
//! command is a row, two events and a project's new state, on disk before it is answered. The
//! floor writes only its prompt's bytes into a preallocated file, one `fdatasync` per group.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use afield_proto::agent::{AgentKind, ExecuteOptions};
use afield_proto::command::CommandKind;
use afield_proto::{DeviceId, OrgId, ProjectId, RequestId, Timestamp};
use afield_store::conformance::{Place, World};
use afield_store::{Location, Store, SubmitCommand};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

const IN_FLIGHT: [usize; 4] = [1, 16, 256, 1024];
const PROJECTS: u64 = 4096;
const PROMPT_BYTES: usize = 500;
const MEASURE: Duration = Duration::from_secs(3);
const FILE_BYTES: u64 = 256 * 1024 * 1024;

type Anything = Box<dyn std::error::Error>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Anything> {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let only = std::env::args().nth(2).and_then(|only| only.parse::<usize>().ok());
    let directory = tempfile::tempdir_in(parent)?;
    let mut out = std::io::stdout();
    writeln!(out, "in flight   floor/s   accepts/s   of the floor   writer us/accept")?;
    let accepts = Accepts::prepare(directory.path()).await?;
    for in_flight in IN_FLIGHT.into_iter().filter(|count| only.is_none_or(|only| only == *count)) {
        let floor = Floor::start(&directory.path().join("floor"))?;
        let floor_rate = timed(in_flight, MEASURE, move || floor.clone().write()).await;
        let Measured { rate, writer_us } = accepts.measure(in_flight).await?;
        let share = rate / floor_rate;
        writeln!(out, "{in_flight:9} {floor_rate:9.0} {rate:11.0} {share:14.3} {writer_us:18.2}")?;
    }
    Ok(())
}

/// Operations per second with so many in flight.
async fn timed<F: Future<Output = ()> + Send>(
    in_flight: usize,
    measure: Duration,
    operation: impl Fn() -> F + Clone + Send + 'static,
) -> f64 {
    let began = Instant::now();
    let work = move || {
        let operation = operation.clone();
        async move {
            let mut count = 0_u64;
            while began.elapsed() < measure {
                operation().await;
                count += 1;
            }
            count
        }
    };
    let tasks: Vec<_> = (0..in_flight).map(|_| tokio::spawn(work())).collect();
    let mut count = 0;
    for task in tasks {
        count += task.await.unwrap_or(0);
    }
    count as f64 / began.elapsed().as_secs_f64()
}

/// A thread that writes groups of records and syncs once per group.
#[derive(Clone)]
struct Floor {
    queue: mpsc::Sender<oneshot::Sender<()>>,
}

impl Floor {
    fn start(path: &Path) -> Result<Self, std::io::Error> {
        let mut file = File::create(path)?;
        let zeros = vec![0; 1024 * 1024];
        for _ in 0..FILE_BYTES / zeros.len() as u64 {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        let (queue, mut waiting) = mpsc::channel::<oneshot::Sender<()>>(8192);
        std::thread::spawn(move || -> Result<(), std::io::Error> {
            let (mut callers, mut at) = (Vec::new(), 0);
            let record = vec![b'x'; PROMPT_BYTES];
            let mut group = Vec::new();
            while waiting.blocking_recv_many(&mut callers, 1024) > 0 {
                group.clear();
                callers.iter().for_each(|_| group.extend_from_slice(&record));
                if at + group.len() as u64 > FILE_BYTES {
                    at = 0;
                }
                file.seek(SeekFrom::Start(at))?;
                file.write_all(&group)?;
                file.sync_data()?;
                at += group.len() as u64;
                for caller in callers.drain(..) {
                    let _gone = caller.send(());
                }
            }
            Ok(())
        });
        Ok(Self { queue })
    }

    async fn write(self) {
        let (caller, done) = oneshot::channel();
        if self.queue.send(caller).await.is_ok() {
            let _done = done.await;
        }
    }
}

/// The store with many projects.
struct Accepts {
    place: Place,
    store: Store,
    org: OrgId,
    phone: DeviceId,
    /// In no order of their ids: the next command may be anywhere.
    projects: Arc<Vec<ProjectId>>,
}

impl Accepts {
    async fn prepare(directory: &Path) -> Result<Self, Anything> {
        let place = Place::new(Location::Sqlite(directory.join("afield.db")));
        let mut options = place.options();
        if let Some(group) = std::env::args().nth(3).and_then(|group| group.parse().ok()) {
            options.group_commit_max = group;
        }
        let World { store, org, phone, runner, mut committed, .. } =
            World::open_with(options).await?;
        tokio::spawn(async move { while committed.recv().await.is_some() {} });
        let insert = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {PROJECTS})
             INSERT INTO projects (id, org_id, runner_id, path, path_key, state, session_id,
                 settings, created_at, last_active)
             SELECT printf('00000000-0000-7000-8000-%012x', i), '{org}', '{runner}',
                 '/home/me/project' || i, '/home/me/project' || i, 'IDLE',
                 printf('00000000-0000-7000-9000-%012x', i), '{{}}', 0, 0 FROM n"
        );
        place.raw(&store, &insert, "").await?;
        let id = |n: u64| {
            let shuffled = n.wrapping_mul(2_654_435_761) % PROJECTS + 1;
            ProjectId::from(Uuid::from_u128(0x7000_8000_0000_0000_0000 + u128::from(shuffled)))
        };
        let projects = Arc::new((0..PROJECTS).map(id).collect());
        let accepts = Self { place, store, org, phone, projects };
        accepts.round(256).await?;
        Ok(accepts)
    }

    /// Accepts per second, over rounds of one command for every project.
    async fn measure(&self, in_flight: usize) -> Result<Measured, Anything> {
        let (mut count, mut spent, mut writer) = (0, Duration::ZERO, Duration::ZERO);
        while spent < MEASURE {
            let idle = "UPDATE commands SET state = 'cancelled', finished_at = 0 \
                WHERE finished_at IS NULL";
            self.place.raw(&self.store, idle, idle).await?;
            let before = writer_time()?;
            spent += self.round(in_flight).await?;
            writer += writer_time()?.saturating_sub(before);
            count += PROJECTS;
        }
        let rate = count as f64 / spent.as_secs_f64();
        Ok(Measured { rate, writer_us: writer.as_secs_f64() * 1e6 / count as f64 })
    }

    async fn round(&self, in_flight: usize) -> Result<Duration, Anything> {
        let next = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let tasks: Vec<_> = (0..in_flight).map(|_| tokio::spawn(self.submit(&next))).collect();
        for task in tasks {
            task.await??;
        }
        Ok(began.elapsed())
    }

    /// Submits to one project after the other until none is left.
    fn submit(
        &self,
        next: &Arc<AtomicUsize>,
    ) -> impl Future<Output = Result<(), afield_store::Error>> + Send + 'static {
        let (store, projects, next) = (self.store.clone(), self.projects.clone(), next.clone());
        let (org, submitted_by) = (self.org, self.phone);
        async move {
            while let Some(project_id) = projects.get(next.fetch_add(1, Ordering::Relaxed)) {
                let submit = SubmitCommand {
                    org,
                    project_id: *project_id,
                    submitted_by,
                    kind: CommandKind::Prompt,
                    agent: AgentKind::Claude,
                    prompt: "x".repeat(PROMPT_BYTES),
                    options: ExecuteOptions::default(),
                    key: None,
                    request_id: RequestId::generate(),
                };
                store.submit_command(submit, Timestamp::now()).await?;
            }
            Ok(())
        }
    }
}

struct Measured {
    rate: f64,
    /// Processor time of the writer thread, which does not depend on what else the machine does.
    writer_us: f64,
}

/// The processor time the writer thread has used; zero where the system does not tell.
fn writer_time() -> Result<Duration, Anything> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Ok(Duration::ZERO) };
    for thread in threads {
        let path = thread?.path();
        if std::fs::read_to_string(path.join("comm"))?.starts_with("afield-store-wr") {
            let used = std::fs::read_to_string(path.join("schedstat"))?;
            let nanos = used.split(' ').next().unwrap_or("0").parse()?;
            return Ok(Duration::from_nanos(nanos));
        }
    }
    Ok(Duration::ZERO)
}
