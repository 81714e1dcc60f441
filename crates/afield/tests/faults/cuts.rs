//! Power cuts of the whole product under load, judged by an outside checker that keeps its own
//! history: nothing acknowledged is lost, nothing starts twice, logs have no gaps.
//!
//! Server and runner run under `powercut-shim`; a cut kills both and takes back every write that
//! was never synced. The negative control runs the same on a disk that lies about syncing and must
//! find losses: a plain kill can't show a missing fsync.

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use powercut_shim::Mode;
use testkit::checker::{HistoryLog, Violation};
use testkit::duo::Setup;
use testkit::load::{Mix, Sender};
use tokio::sync::Notify;
use world::{Address, World};

pub(crate) use world::Disk;

use crate::{Progress, Seen, asked, compare, conclude, setup};

/// Each works in a project of its own.
const SENDERS: u64 = 6;
/// Some of everything, as fast as the server answers.
pub(crate) const MIX: Mix = Mix { pause: Duration::ZERO, ..Mix::ALL };
/// Enough to hit most places where a sync could be missing; AFIELD_TEST_CUTS asks for more.
const CUTS: u64 = 100;

/// Half of the cuts take everything back that was not synced, the others some of it.
pub(crate) fn by_turns(cut: u64) -> Mode {
    match cut.is_multiple_of(2) {
        true => Mode::All,
        false => Mode::RandomPrefix(cut),
    }
}

/// Runs the product under load, cuts its power again and again, and compares all evidence at the
/// end. Says how many writes vanished, too.
pub(crate) async fn cut_again_and_again(
    setup: Setup,
    disk: Disk,
    mix: Mix,
    cuts: u64,
    mode: impl Fn(u64) -> Mode,
) -> (Seen, usize) {
    let world = World::new(setup);
    let history = Arc::new(HistoryLog::open(&world.history()).expect("a history"));
    let mut senders = Vec::new();
    let running = world.start(Disk::Honest).await;
    for number in 0..SENDERS {
        let project = running.project(&world, number).await;
        let (name, history) = (format!("sender-{number}"), Arc::clone(&history));
        senders.push(Sender::new(&name, project, world.effects(), history, mix, number + 1));
    }
    running.stop(&world).await;

    let mut undone = 0;
    let progress = Progress::of("power cuts", cuts);
    for cut in 0..cuts {
        progress.at(cut);
        let running = world.start(disk).await;
        let load = Load::new(usize::try_from(5 + cut * 7 % 40).expect("small"));
        let tasks: Vec<_> = senders
            .into_iter()
            .map(|sender| tokio::spawn(work(sender, running.address(), Arc::clone(&load))))
            .collect();
        load.reached.notified().await;
        undone += running.cut(&world, mode(cut)).await.undone;
        senders = Vec::new();
        for task in tasks {
            senders.push(task.await.expect("a sender does not panic"));
        }
    }

    let running = world.start(Disk::Honest).await;
    let mut clients = Vec::new();
    for _ in &senders {
        clients.push(running.address().connect().await);
    }
    let evidence = conclude(senders, clients).await;
    running.stop(&world).await;
    (compare(evidence, &world.history(), &world.effects()), undone)
}

/// Works until the power is cut: however it ends, it ends with the connection.
async fn work(mut sender: Sender, address: Address, load: Arc<Load>) -> Sender {
    let mut client = address.connect().await;
    let never = AtomicBool::new(false);
    let _ = sender.work(&mut client, &never, || load.acknowledged()).await;
    sender
}

/// How much work one cut waits for.
struct Load {
    left: AtomicUsize,
    reached: Notify,
}

impl Load {
    fn new(acknowledgements: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(acknowledgements), reached: Notify::new() })
    }

    /// A command was acknowledged.
    fn acknowledged(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.reached.notify_one();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cuts_lose_nothing_and_start_nothing_twice() {
    let (setup, cuts) =
        (setup(env!("CARGO_BIN_EXE_afield").into()), asked("AFIELD_TEST_CUTS", CUTS));
    let (seen, undone) = cut_again_and_again(setup, Disk::Honest, MIX, cuts, by_turns).await;
    assert_eq!(seen.violations, []);
    assert!(seen.acknowledged > 100 && seen.started > 50, "{}", seen.acknowledged);
    assert!(undone > 0, "every cut found nothing to take back: is the library loaded?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_test_finds_the_losses_of_a_lying_disk() {
    let setup = setup(env!("CARGO_BIN_EXE_afield").into());
    let (seen, _) = cut_again_and_again(setup, Disk::Lying, MIX, 1, |_| Mode::All).await;
    let lost = seen.violations.iter().any(|found| matches!(found, Violation::Lost { .. }));
    assert!(lost, "{:?}", seen.violations);
}
