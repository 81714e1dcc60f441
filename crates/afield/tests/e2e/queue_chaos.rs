//! kill -9 of server, runner or both at random moments while senders use all of the queue, and a
//! checker outside that compares what they asked for with what was started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::checker::{Evidence, HistoryLog, check, read_effects, read_history};
use testkit::duo::{Duo, Setup};
use testkit::load::{Mix, Sender, is_ok};
use testkit::random::Random;

/// How often something is killed; AFIELD_TEST_CYCLES asks for more.
const CYCLES: u64 = 40;
/// Senders, each with a project of its own.
const SENDERS: u64 = 4;

/// A number from the environment, for longer runs.
pub(super) fn asked(name: &str, usual: u64) -> u64 {
    let asked = std::env::var(name).ok();
    asked.map_or(usual, |asked| asked.parse().expect("the number of a test is a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_break_no_promise_of_the_queue() {
    let binary = env!("CARGO_BIN_EXE_afield").into();
    let mut duo = Duo::start(Setup { binary, ..Setup::default() }).await;
    let history = Arc::new(HistoryLog::open(&duo.path("history")).unwrap());
    let mut senders = Vec::new();
    for number in 0..SENDERS {
        let name = format!("sender-{number}");
        let project = duo.project(&name).await;
        let (effects, history) = (duo.path("effects"), Arc::clone(&history));
        senders.push(Sender::new(&name, project, effects, history, Mix::ALL, number + 1));
    }
    let mut random = Random::new(asked("AFIELD_TEST_SEED", 0x5eed));
    for _ in 0..asked("AFIELD_TEST_CYCLES", CYCLES) {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for mut sender in senders.drain(..) {
            let (mut client, stop) = (duo.client().await, Arc::clone(&stop));
            tasks.push(tokio::spawn(async move {
                // However it ends, it ends with the connection or the cycle.
                let _ = sender.work(&mut client, &stop, || ()).await;
                sender
            }));
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
        if which != 0 && duo.runner_is_down() {
            duo.start_runner();
        }
    }
    duo.runner_connected().await;
    let history = read_history(&duo.path("history")).unwrap();
    let mut evidence = Evidence { history, ..Evidence::default() };
    for sender in senders {
        sender.conclude(&mut duo.client().await, &mut evidence).await;
    }
    evidence.history = read_history(&duo.path("history")).unwrap();
    evidence.starts = read_effects(&duo.path("effects")).unwrap();
    let found = check(&evidence);
    let acknowledged = evidence.history.iter().filter(|line| is_ok(line)).count();
    println!("{acknowledged} acknowledged, {} started", evidence.starts.len());
    if !found.is_empty() {
        let kept = std::env::temp_dir().join("afield-queue-chaos");
        println!("the evidence is kept in {}", kept.display());
        duo.keep(&kept);
    }
    assert_eq!(found, []);
    assert!(acknowledged > 200 && evidence.starts.len() > 100, "there was load");
}
