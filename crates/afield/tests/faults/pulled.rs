//! The network is pulled in the middle of a run: one start, complete output, no gap; whether it is
//! back before the program ends or after.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::checker::read_effects;
use testkit::client::{Client, ClientError};
use testkit::duo::Duo;
use testkit::proxy::{Conditions, CutKind, Proxy, Way};

use crate::setup;

/// What the program prints, in all.
const LINES: usize = 300;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// A file tells nobody that it has changed: it is looked at this often.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Leaves a trace of its start and of its end, and prints numbered lines meanwhile.
const PROGRAM: &str = r#"echo "START $AFIELD_RUN_ID $AFIELD_ATTEMPT $$" >> "$1"
i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo "line $i"; sleep 0.01; done
echo "END $AFIELD_RUN_ID $AFIELD_ATTEMPT $$" >> "$1""#;

/// When the network comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Back {
    WhileItRuns,
    AfterItsEnd,
}

/// A network that can be pulled.
struct Cable(Proxy);

impl Cable {
    async fn to(duo: &Duo, seed: u64) -> Self {
        Self(Proxy::start(duo.socket_address(), seed).await.unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.address())
    }

    fn pull(&self) {
        let silence = Conditions { blackhole: true, ..Conditions::default() };
        self.0.set(Way::ToServer, silence.clone());
        self.0.set(Way::ToClient, silence);
        self.0.cut_all(CutKind::Reset);
    }
}

/// Somebody who looks at a project, on whatever connections there are.
struct Viewer {
    project: String,
    last: u64,
    lines: Vec<String>,
    end: Option<Value>,
}

impl Viewer {
    /// Looks until a condition holds or the connection ends.
    ///
    /// **Errors**: the connection broke, or nothing came.
    async fn look(
        &mut self,
        client: &mut Client,
        enough: impl Fn(&Self) -> bool,
    ) -> Result<(), ClientError> {
        let topic = format!("project:{}", self.project);
        let ask = json!({ "topic": topic, "after": self.last });
        assert_eq!(client.ask("subscribe", ask).await?["verdict"], "ok");
        while !enough(self) {
            let frame = client.next().await?;
            self.take(&frame);
        }
        Ok(())
    }

    fn take(&mut self, frame: &Value) {
        let Some(seq) = frame["seq"].as_u64().filter(|_| frame["type"] == "event") else { return };
        assert_eq!(seq, self.last + 1, "no gap and no duplicate");
        self.last = seq;
        let data = &frame["data"]["data"];
        if let Some(text) = data["text"].as_str().filter(|text| text.starts_with("line ")) {
            self.lines.push(text.to_owned());
        }
        if frame["data"]["type"] == "command_state" && !data["finished_at"].is_null() {
            self.end = Some(data.clone());
        }
    }
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "{what}: not in time");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn runner_is_away(duo: &Duo) -> bool {
    let runners = duo.client().await.ask("runner_list", json!({})).await.unwrap();
    runners["runners"].as_array().unwrap().iter().all(|runner| runner["online"] == false)
}

fn has_ended(effects: &Path) -> bool {
    std::fs::read_to_string(effects).unwrap().contains("END ")
}

async fn pull_the_network(back: Back) {
    let mut duo = Duo::server(setup(env!("CARGO_BIN_EXE_afield").into())).await;
    let (of_runner, of_viewer) = (Cable::to(&duo, 1).await, Cable::to(&duo, 2).await);
    duo.behind(&[of_runner.0.address(), of_viewer.0.address()]).await;
    duo.runner_url = Some(of_runner.url());
    duo.start_runner();
    duo.runner_connected().await;
    let (project, effects) = (duo.project("pulled").await, duo.path("effects"));
    let argv = json!(["/bin/sh", "-c", PROGRAM, "sh", effects]);
    let payload = json!({ "prompt": "", "agent": "command", "options": { "argv": argv } });
    let ask = json!({ "target": { "project_id": project }, "payload": payload, "key": "k" });
    let mut client = duo.client().await;
    let sent = client.ask("command_submit", ask.clone()).await.unwrap();

    let mut viewer = Viewer { project, last: 0, lines: Vec::new(), end: None };
    let mut phone = Client::connect(&of_viewer.url(), &duo.token).await.unwrap();
    viewer.look(&mut phone, |viewer| viewer.lines.len() >= 30).await.unwrap();
    of_runner.pull();
    of_viewer.pull();
    let broken = viewer.look(&mut phone, |_| false).await;
    assert!(matches!(broken, Err(ClientError::Broken(_))), "{broken:?}");
    until("the server sees it", async || runner_is_away(&duo).await).await;
    if back == Back::AfterItsEnd {
        until("the program ends", async || has_ended(&effects)).await;
    }
    assert_eq!(has_ended(&effects), back == Back::AfterItsEnd);
    // Who sends it again meanwhile sends the same.
    let again = client.ask("command_submit", ask).await.unwrap();
    assert_eq!(again["id"], sent["id"]);
    of_runner.0.heal();
    of_viewer.0.heal();

    let mut phone = Client::connect(&of_viewer.url(), &duo.token).await.unwrap();
    viewer.look(&mut phone, |viewer| viewer.end.is_some()).await.unwrap();
    let end = viewer.end.unwrap();
    assert_eq!((&end["state"], &end["attempt"]), (&json!("succeeded"), &json!(1)), "{end}");
    let expected: Vec<String> = (1..=LINES).map(|number| format!("line {number}")).collect();
    assert_eq!(viewer.lines, expected);
    assert_eq!(read_effects(&effects).unwrap().len(), 1, "one start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_back_while_the_program_runs_leaves_no_trace() {
    pull_the_network(Back::WhileItRuns).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_back_after_the_programs_end_leaves_no_trace() {
    pull_the_network(Back::AfterItsEnd).await;
}
