//! Connections under load that end at any byte, most of them within a frame: nothing is lost,
//! nothing starts twice, and nobody believes half a message.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::duo::{Duo, Setup};
use testkit::load::Mix;
use testkit::proxy::{Conditions, Counts, Cut, CutKind, Proxy, Way};
use testkit::random::Random;

use crate::{Progress, Seen, asked, judge, senders, setup, work_on};

/// How often the plan for new connections changes; AFIELD_TEST_TORN asks for more.
const ROUNDS: u64 = 40;
/// Senders, as many as the runner works on at once.
const SENDERS: u64 = 4;
/// The most bytes that pass one way before a connection ends: some dozen frames.
const BYTES_MAX: u64 = 12_000;
/// The most bytes that arrive at once: most frames come in pieces.
const PIECE_BYTES_MAX: u64 = 200;
/// How long a plan holds.
const ROUND: Duration = Duration::from_millis(100);
/// After so many rounds the runner's connection is torn, too: it waits longer each time before it
/// tries again.
const RUNNER_EVERY: u64 = 5;
/// After so many of its torn connections the runner is killed, and its patience begins anew.
const RUNNER_TORN_MAX: u64 = 4;

fn plan(random: &mut Random) -> Conditions {
    let ends = [CutKind::Reset, CutKind::Close, CutKind::HalfClose];
    let how = random.pick(&ends).copied().unwrap_or(CutKind::Reset);
    let piece = usize::try_from(1 + random.up_to(PIECE_BYTES_MAX)).unwrap();
    Conditions {
        piece_bytes_max: NonZeroUsize::new(piece),
        cut: Some(Cut { after_bytes: 1 + random.up_to(BYTES_MAX), how }),
        ..Conditions::default()
    }
}

/// From now on connections end somewhere, in one way or the other.
fn tear(proxy: &Proxy, random: &mut Random) {
    proxy.set(Way::ToServer, plan(random));
    proxy.set(Way::ToClient, plan(random));
}

/// Tears the runner's connection once and lets it have the next one.
async fn tear_runner(proxy: &Proxy, random: &mut Random) {
    let before = proxy.counts().connections;
    tear(proxy, random);
    proxy.wait_for(|counts| counts.connections > before).await;
    proxy.heal();
}

/// Tears connections under load. What passed through the two proxies comes along.
async fn tear_again_and_again(setup: Setup, rounds: u64, seed: u64) -> (Seen, Counts, Counts) {
    let mut duo = Duo::server(setup).await;
    let to_runner = Proxy::start(duo.socket_address(), seed).await.unwrap();
    let to_clients = Proxy::start(duo.socket_address(), seed + 1).await.unwrap();
    duo.behind(&[to_runner.address(), to_clients.address()]).await;
    duo.runner_url = Some(format!("http://{}", to_runner.address()));
    duo.start_runner();
    duo.runner_connected().await;
    let (stop, url) =
        (Arc::new(AtomicBool::new(false)), format!("http://{}", to_clients.address()));
    let mut tasks = Vec::new();
    for sender in senders(&duo, SENDERS, Mix::ALL).await {
        let (url, token, stop) = (url.clone(), duo.token.clone(), Arc::clone(&stop));
        tasks.push(tokio::spawn(work_on(sender, url, token, stop)));
    }
    let mut random = Random::new(seed);
    let progress = Progress::of("rounds of torn connections", rounds);
    for round in 0..rounds {
        progress.at(round);
        tear(&to_clients, &mut random);
        tokio::time::sleep(ROUND).await;
        if round % RUNNER_EVERY == 0 {
            tear_runner(&to_runner, &mut random).await;
        }
        if round % (RUNNER_EVERY * RUNNER_TORN_MAX) == RUNNER_EVERY * RUNNER_TORN_MAX - 1 {
            duo.kill_runner().await;
            duo.start_runner();
        }
    }
    stop.store(true, Ordering::Relaxed);
    to_clients.heal();
    let mut senders = Vec::new();
    for task in tasks {
        senders.push(task.await.unwrap());
    }
    duo.runner_connected().await;
    (judge(&duo, senders).await, to_runner.counts(), to_clients.counts())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_within_a_frame_break_no_promise() {
    let (rounds, seed) = (asked("AFIELD_TEST_TORN", ROUNDS), asked("AFIELD_TEST_SEED", 0x70e4));
    let setup = setup(env!("CARGO_BIN_EXE_afield").into());
    let (seen, of_runner, of_clients) = tear_again_and_again(setup, rounds, seed).await;
    assert_eq!(seen.violations, [], "seed {seed}");
    assert!(seen.acknowledged > 30 && seen.started > 20, "there was load: {seen:?}");
    assert!(of_runner.connections > rounds / RUNNER_EVERY, "{of_runner:?}");
    assert!(of_clients.connections > rounds, "{of_clients:?}");
    let swallowed = of_clients.from_clients - of_clients.to_server;
    assert!(swallowed > 0, "what was on its way got lost: {of_clients:?}");
}
