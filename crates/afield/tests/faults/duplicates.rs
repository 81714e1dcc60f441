//! Messages between runner, server and clients arrive twice, late, and in another order on one
//! connection than on the other: nothing starts twice, everything ends, each order is kept.

use std::time::Duration;

use testkit::client::Client;
use testkit::duo::{Duo, Setup};
use testkit::load::Mix;
use testkit::proxy::{FrameFaults, FrameProxy};

use crate::{Seen, asked, judge, senders, setup};

/// Small commands; AFIELD_TEST_COMMANDS asks for more.
const COMMANDS: u64 = 1_000;
/// Senders, as many as the runner works on at once.
const SENDERS: u64 = 4;
/// Almost every third message comes twice, some of those once more much later.
pub(crate) const FAULTS: FrameFaults = FrameFaults {
    repeated: 30,
    late: 20,
    delay_max: Duration::from_millis(10),
    late_max: Duration::from_millis(500),
};

/// Sends small commands over faulty connections.
pub(crate) async fn send_over_faulty_wires(setup: Setup, commands: u64, mix: Mix) -> Seen {
    let mut duo = Duo::server(setup).await;
    let to_runner = FrameProxy::start(duo.socket_address(), FAULTS, 1).await.unwrap();
    let to_clients = FrameProxy::start(duo.socket_address(), FAULTS, 2).await.unwrap();
    duo.runner_url = Some(to_runner.url());
    duo.start_runner();
    duo.runner_connected().await;
    let count = usize::try_from(commands / SENDERS).unwrap();
    let mut tasks = Vec::new();
    for mut sender in senders(&duo, SENDERS, mix).await {
        let mut client = Client::connect(&to_clients.url(), &duo.token).await.unwrap();
        tasks.push(tokio::spawn(async move {
            sender.submit_many(&mut client, count).await.unwrap();
            sender
        }));
    }
    let mut senders = Vec::new();
    for task in tasks {
        senders.push(task.await.unwrap());
    }
    let seen = judge(&duo, senders).await;
    let repeated = (to_runner.repeated(), to_clients.repeated());
    assert!(repeated.0 > commands / 10 && repeated.1 > commands / 10, "repeated: {repeated:?}");
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_come_twice_and_late_start_nothing_twice() {
    let commands = asked("AFIELD_TEST_COMMANDS", COMMANDS);
    let mix = Mix { keys: 40, ..Mix::PLAIN };
    let binary = env!("CARGO_BIN_EXE_afield").into();
    let seen = send_over_faulty_wires(setup(binary), commands, mix).await;
    assert_eq!(seen.violations, []);
    assert_eq!(seen.started, usize::try_from(commands).unwrap());
}
