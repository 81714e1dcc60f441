//! kill -9 of server, runner or both at random moments while senders use all of the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use testkit::duo::{Duo, Setup};
use testkit::load::{Mix, Sender};
use testkit::random::Random;

use crate::{Progress, Seen, asked, judge, senders, setup};

/// How often something is killed; AFIELD_TEST_CYCLES asks for more.
const CYCLES: u64 = 200;
/// After so many kills all evidence is compared, and another product begins with another seed: what
/// is sent faster than it is worked on must not pile up for ever.
const SERIES: u64 = 100;
/// Products that are killed at the same time: each waits half of its time.
const AT_ONCE: usize = 2;
/// Senders, as many as the runner works on at once.
const SENDERS: u64 = 4;

/// Kills again and again under load. With AFIELD_TEST_KEEP what was recorded of a failure is kept
/// in the temporary directory, as `afield-kills-SEED`.
pub(crate) async fn kill_again_and_again(setup: Setup, mix: Mix, cycles: u64, seed: u64) -> Seen {
    let mut duo = Duo::start(setup).await;
    let mut senders = senders(&duo, SENDERS, mix).await;
    let mut random = Random::new(seed);
    let progress = Progress::of("kills", cycles);
    for cycle in 0..cycles {
        progress.at(cycle);
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for sender in senders.drain(..) {
            tasks.push(tokio::spawn(work(sender, duo.client().await, Arc::clone(&stop))));
        }
        tokio::time::sleep(Duration::from_millis(100 + random.up_to(500))).await;
        let which = random.up_to(2);
        if which != 0 {
            duo.kill_runner().await;
        }
        if which != 1 {
            duo.kill_server().await;
        }
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            senders.push(task.await.unwrap());
        }
        // Sometimes the runner is back first and finds no server.
        if which != 0 && random.chance(50) {
            duo.start_runner();
        }
        if which != 1 {
            duo.start_server().await;
        }
        if duo.runner_is_down() {
            duo.start_runner();
        }
    }
    duo.runner_connected().await;
    let seen = judge(&duo, senders).await;
    if !seen.violations.is_empty() && std::env::var_os("AFIELD_TEST_KEEP").is_some() {
        let kept = std::env::temp_dir().join(format!("afield-kills-{seed}"));
        duo.keep(&kept);
    }
    seen
}

async fn work(
    mut sender: Sender,
    mut client: testkit::client::Client,
    stop: Arc<AtomicBool>,
) -> Sender {
    // However it ends, it ends with the connection or the cycle.
    let _ = sender.work(&mut client, &stop, || ()).await;
    sender
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_break_no_promise_of_the_queue() {
    let (cycles, seed) = (asked("AFIELD_TEST_CYCLES", CYCLES), asked("AFIELD_TEST_SEED", 0x5eed));
    let series = (0..cycles).step_by(SERIES as usize).map(|done| async move {
        let (seed, kills) = (seed + done, SERIES.min(cycles - done));
        let setup = setup(env!("CARGO_BIN_EXE_afield").into());
        let seen = kill_again_and_again(setup, Mix::ALL, kills, seed).await;
        assert_eq!(seen.violations, [], "seed {seed}");
        let least = usize::try_from(kills).unwrap();
        assert!(seen.acknowledged > 3 * least && seen.started > least, "there was load: {seen:?}");
        println!("kills: {kills} with seed {seed}; {seen:?}");
    });
    stream::iter(series).buffer_unordered(AT_ONCE).collect::<()>().await;
}
