//! Messages between runner, server and clients arrive twice, late, and in another order on one
//! connection than on the other: nothing starts twice, everything ends, each order is kept.

use std::sync::Arc;
use std::time::Duration;

use testkit::checker::{Evidence, HistoryLog, check, read_effects, read_history};
use testkit::client::Client;
use testkit::duo::{Duo, Setup};
use testkit::load::{Mix, Sender};
use testkit::proxy::{FrameFaults, FrameProxy};

use super::queue_chaos::asked;

/// Small commands; AFIELD_TEST_COMMANDS asks for more.
const COMMANDS: u64 = 1_000;
/// Senders, each with a project of its own: as many as the runner works on at once.
const SENDERS: u64 = 4;
/// Almost every third message comes twice.
const FAULTS: FrameFaults = FrameFaults { repeated: 30, delay_max: Duration::from_millis(10) };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_come_twice_and_late_start_nothing_twice() {
    let config = "[limits]\nsubmissions_per_minute = 1000000\n".into();
    let binary = env!("CARGO_BIN_EXE_afield").into();
    let mut duo = Duo::server(Setup { binary, config, ..Setup::default() }).await;
    let to_runner = FrameProxy::start(duo.socket_address(), FAULTS, 1).await.unwrap();
    let to_clients = FrameProxy::start(duo.socket_address(), FAULTS, 2).await.unwrap();
    duo.runner_url = Some(to_runner.url());
    duo.start_runner();
    duo.runner_connected().await;
    let history = Arc::new(HistoryLog::open(&duo.path("history")).unwrap());
    let count = usize::try_from(asked("AFIELD_TEST_COMMANDS", COMMANDS) / SENDERS).unwrap();
    let mut tasks = Vec::new();
    for number in 0..SENDERS {
        let name = format!("sender-{number}");
        let project = duo.project(&name).await;
        let mix = Mix { keys: 40, ..Mix::PLAIN };
        let (effects, history) = (duo.path("effects"), Arc::clone(&history));
        let mut sender = Sender::new(&name, project, effects, history, mix, number + 1);
        let mut client = Client::connect(&to_clients.url(), &duo.token).await.unwrap();
        tasks.push(tokio::spawn(async move {
            sender.submit_many(&mut client, count).await.unwrap();
            sender
        }));
    }
    let mut evidence = Evidence::default();
    let mut senders = Vec::new();
    for task in tasks {
        senders.push(task.await.unwrap());
    }
    for sender in senders {
        sender.conclude(&mut duo.client().await, &mut evidence).await;
    }
    evidence.history = read_history(&duo.path("history")).unwrap();
    evidence.starts = read_effects(&duo.path("effects")).unwrap();
    assert_eq!(check(&evidence), []);
    assert_eq!(evidence.starts.len(), count * usize::try_from(SENDERS).unwrap());
    let repeated = (to_runner.repeated(), to_clients.repeated());
    assert!(repeated.0 > 100 && repeated.1 > 100, "messages were repeated: {repeated:?}");
}
