//! A runner that is asleep while commands are sent to it, some of which live shorter than it
//! sleeps: those never start, all others do, in their order.

use std::time::Duration;

use testkit::duo::{Duo, Setup};
use testkit::load::Mix;

use crate::{Seen, judge, senders, setup};

/// Commands that are sent to the sleeping runner.
const COMMANDS: usize = 120;
/// Senders, each with a project of its own.
const SENDERS: u64 = 4;
/// How long it sleeps once everything is sent: longer than the short-lived live, by more than what
/// the checker forgives a busy machine.
pub(crate) const ASLEEP: Duration = Duration::from_millis(4_500);

/// Much that does not live long, and what else waits in a queue.
const MIX: Mix = Mix {
    keys: 40,
    delayed: 20,
    short_lived: 40,
    held: 10,
    timed: true,
    patience: Some(Duration::from_secs(10)),
    ..Mix::PLAIN
};

/// Sends commands to a runner that sleeps, and wakes it.
pub(crate) async fn sleep_and_wake(setup: Setup, asleep: Duration) -> Seen {
    let mut duo = Duo::start(setup).await;
    let mut senders = senders(&duo, SENDERS, MIX).await;
    duo.kill_runner().await;
    for sender in &mut senders {
        let count = COMMANDS / usize::try_from(SENDERS).unwrap();
        sender.submit_many(&mut duo.client().await, count).await.unwrap();
    }
    // What passes here is what the test is about: time.
    tokio::time::sleep(asleep).await;
    duo.start_runner();
    duo.runner_connected().await;
    judge(&duo, senders).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expired_while_the_runner_slept_never_starts() {
    let seen = sleep_and_wake(setup(env!("CARGO_BIN_EXE_afield").into()), ASLEEP).await;
    assert_eq!(seen.violations, []);
    assert_eq!(seen.acknowledged, COMMANDS);
    assert!((COMMANDS / 4..COMMANDS * 3 / 4).contains(&seen.started), "{seen:?}");
}
