//! The queue as people use it in a terminal: sending to a machine that is asleep, looking, and
//! changing what waits.

use std::process::Stdio;

use testkit::harness::{Output, until};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::*;

/// The one JSON value a command prints.
fn value(output: &Output) -> Value {
    assert_eq!(output.stdout.lines().count(), 1, "one line: {output:?}");
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

async fn json_of(afield: &Afield, args: &[&str]) -> Value {
    let output = afield.cli(&[args, &["--json"]].concat()).await;
    assert_eq!(output.code, Some(0), "{args:?}: {output:?}");
    value(&output)
}

async fn text_of(afield: &Afield, args: &[&str]) -> String {
    let output = afield.cli(args).await;
    assert_eq!(output.code, Some(0), "{args:?}: {output:?}");
    output.stdout
}

/// Starts what was stopped, on the same data; ended with everything below it when dropped.
async fn start_again(afield: &Afield) -> Child {
    let mut up = Command::new(env!("CARGO_BIN_EXE_afield"))
        .args(["up", "--json", "--listen", afield.url.trim_start_matches("http://")])
        .arg("--data-dir")
        .arg(afield.data_dir())
        .env("AFIELD_RUNNER_ROOTS", afield.root())
        .env("AFIELD_DEMO_PACE", "0.02")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut lines = BufReader::new(up.stdout.take().unwrap());
    lines.read_line(&mut first).await.unwrap();
    assert!(first.contains("ready"), "{first}");
    up
}

/// Nothing that waits is taken for what runs: not by a kill on a project at rest, nor by one that comes as
/// a turn has just ended.
#[tokio::test]
async fn a_kill_stops_what_runs_and_nothing_that_waits() {
    let afield = demo().await;
    let dir = afield.make_dir("p");
    afield.cli(&["projects", "add", &dir]).await;
    let send = async |more: &[&str], prompt| {
        let run = ["run", "-p", &dir, "--agent", "demo", "--detach"];
        json_of(&afield, &[&run[..], more, &[prompt]].concat()).await["command_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let later = send(&["--at", "2h"], "important").await;
    let held = send(&["--hold"], "held").await;
    for command in ["kill", "interrupt"] {
        let refused = afield.cli(&[command, "-p", &dir]).await;
        assert_eq!(refused.code, Some(3), "{refused:?}");
        assert!(refused.stderr.contains("nothing runs in this project"), "{}", refused.stderr);
        let advice = format!("afield queue cancel {} {}", tail(&held), tail(&later));
        assert!(refused.stderr.contains(&advice), "{advice}: {}", refused.stderr);
    }
    let fresh = afield.cli(&["new-session", "-p", &dir]).await;
    assert_eq!(fresh.code, Some(0), "what is held or for later is no obstacle: {fresh:?}");
    let running = send(&["--order", "other"], "ask first").await;
    let mut client = afield.client().await;
    let project = json_of(&afield, &["projects", "show", &dir]).await;
    follow(&mut client, project["id"].as_str().unwrap(), 0).await;
    let runs = |data: &Value| data["id"] == running && data["state"] == "running";
    client.event("command_state", runs).await.unwrap();
    let refused = afield.cli(&["new-session", "-p", &dir]).await;
    assert!(refused.stderr.contains(&format!("queue cancel {}", tail(&running))), "{refused:?}");
    let killed = json_of(&afield, &["kill", "-p", &dir]).await;
    assert_eq!(killed["command_id"], running);
    let left = json_of(&afield, &["queue", "ls"]).await;
    let left: Vec<_> = left.as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    assert!(left.len() == 2 && left.contains(&json!(later)) && left.contains(&json!(held)));
}

/// A runner that can't write that something starts says so, on every screen; what it was given is cancelled
/// at once, and starts when there is room.
#[tokio::test]
async fn a_disk_that_takes_no_start_is_named_as_the_reason() {
    let afield = demo().await;
    let dir = afield.make_dir("p");
    afield.cli(&["projects", "add", &dir]).await;
    let attempts = afield.data_dir().join("runner/attempts");
    let aside = attempts.with_file_name("aside");
    std::fs::rename(&attempts, &aside).unwrap();
    std::fs::write(&attempts, "no directory can be made here").unwrap();
    let run = ["run", "-p", &dir, "--agent", "demo", "--detach", "hello"];
    let id = json_of(&afield, &run).await["command_id"].as_str().unwrap().to_owned();
    let began = std::time::Instant::now();
    let explained = loop {
        let explained = text_of(&afield, &["queue", "explain", &id]).await;
        if explained.contains("takes no writes") {
            break explained;
        }
        assert!(began.elapsed().as_secs() < 30, "{explained}");
    };
    assert!(explained.contains("make room on the disk of "), "{explained}");
    assert!(text_of(&afield, &["queue", "ls"]).await.contains("leased: disk"));
    let health = text_of(&afield, &["health"]).await;
    assert!(
        health.starts_with("degraded") && health.contains("its disk takes no writes"),
        "{health}"
    );
    let began = std::time::Instant::now();
    let cancelled = json_of(&afield, &["queue", "cancel", &id]).await;
    assert_eq!(cancelled[0]["state"], "cancelled", "{cancelled}");
    let id = json_of(&afield, &run).await["command_id"].as_str().unwrap().to_owned();
    let killed = json_of(&afield, &["kill", "-p", &dir]).await;
    assert_eq!(killed, json!({ "command_id": id, "killed": [] }));
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    std::fs::remove_file(&attempts).unwrap();
    std::fs::rename(&aside, &attempts).unwrap();
    let done = afield.cli(&["run", "-p", &dir, "--agent", "demo", "hello"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// What is listed: the beginnings of the prompts, in order.
fn summaries(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it["summary"].as_str().unwrap()).collect()
}

/// The end of an id, as lists show it.
fn tail(id: &str) -> &str {
    &id[id.len() - 8..]
}

async fn submit(afield: &Afield, project: &str, prompt: &str) -> String {
    let reply = json_of(afield, &["run", "-p", project, "--detach", prompt]).await;
    reply["command_id"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
}

/// A second runner on this machine, with its own name and directory.
struct Second {
    token_file: std::path::PathBuf,
    data: std::path::PathBuf,
    root: std::path::PathBuf,
    /// Seconds for each step of the demo agent.
    pace: &'static str,
}

impl Second {
    async fn paired(afield: &Afield) -> Self {
        let (data, root) = (afield.path("box"), afield.path("box-root"));
        std::fs::create_dir_all(&root).unwrap();
        let made =
            json_of(afield, &["token", "create", "--name", "box", "--scopes", "runner"]).await;
        let token_file = afield.path("box.token");
        std::fs::write(&token_file, made["token"].as_str().unwrap()).unwrap();
        Self { token_file, data, root, pace: "0" }
    }

    fn start(&self, afield: &Afield) -> Child {
        Command::new(env!("CARGO_BIN_EXE_afield"))
            .args(["runner", "--name", "box", "--json", "--server", &afield.url, "--token-file"])
            .arg(&self.token_file)
            .arg("--data-dir")
            .arg(&self.data)
            .env("AFIELD_RUNNER_ROOTS", &self.root)
            .env("AFIELD_DEMO_PACE", self.pace)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// A project on it, once it is there.
    async fn project(&self, afield: &Afield) -> String {
        self.is(afield, true).await;
        let dir = self.root.join("shop");
        std::fs::create_dir(&dir).unwrap();
        let dir = dir.to_str().unwrap();
        let add = ["projects", "add", dir, "--runner", "box", "--agent", "demo"];
        json_of(afield, &add).await["id"].as_str().unwrap().to_owned()
    }

    async fn is(&self, afield: &Afield, online: bool) {
        loop {
            let mut client = afield.client().await;
            let list = client.ask("runner_list", json!({})).await.unwrap();
            let runners = list["runners"].as_array().unwrap();
            if runners.iter().any(|it| it["name"] == "box" && it["online"] == online) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

async fn over(afield: &Afield, id: &str) -> Value {
    reach(afield, id, "finished_at").await
}

/// Waits until this time of a command is known.
async fn reach(afield: &Afield, id: &str, at: &str) -> Value {
    let mut client = afield.client().await;
    loop {
        let command = client.ask("command_get", json!({ "command_id": id })).await.unwrap();
        if !command[at].is_null() {
            return command;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn why_it_waits_goes_back_to_what_runs_on_a_machine_that_went_away() {
    let afield = demo().await;
    let second = Second { pace: "0.02", ..Second::paired(&afield).await };
    let mut runner = second.start(&afield);
    let project = second.project(&afield).await;
    let runs = submit(&afield, &project, "work 1000").await;
    reach(&afield, &runs, "started_at").await;
    runner.kill().await.unwrap();
    second.is(&afield, false).await;
    let own = ["run", "-p", &project, "-d", "--order", "own"];
    let head = json_of(&afield, &[&own[..], &["first"]].concat()).await;
    let last = json_of(&afield, &[&own[..], &["second"]].concat()).await;
    let last = last["command_id"].as_str().unwrap();
    let why = json_of(&afield, &["queue", "explain", last]).await;
    let causes = why["causes"].as_array().unwrap();
    let reasons = [&why, &causes[0], &causes[1]].map(|it| &it["waiting"]["reason"]);
    assert_eq!(reasons, ["order", "slot", "runner"]);
    assert_eq!(causes[0]["command"]["id"], head["command_id"]);
    assert_eq!(causes[1]["command"]["id"], runs);
    let why = text_of(&afield, &["queue", "explain", last]).await;
    let root = format!(
        "{} is running: what became of it is heard once its runner is back: box",
        tail(&runs)
    );
    assert!(why.contains(&root), "{why}");
    assert!(why.contains(&format!("queue resolve {}", tail(&runs))), "{why}");
}

#[tokio::test]
async fn what_is_sent_to_a_sleeping_machine_runs_in_order_when_it_wakes() {
    let afield = demo().await;
    let second = Second::paired(&afield).await;
    let mut runner = second.start(&afield);
    let project = &second.project(&afield).await;
    runner.kill().await.unwrap();
    second.is(&afield, false).await;
    let mut ids = Vec::new();
    for index in 0..20 {
        ids.push(submit(&afield, project, &format!("step {index}")).await);
    }
    let list = json_of(&afield, &["queue", "ls", "-p", project]).await;
    let expected: Vec<_> = (0..20).map(|index| format!("step {index}")).collect();
    assert_eq!(summaries(&list), expected);
    let table = text_of(&afield, &["queue", "ls", "--runner", "box"]).await;
    assert!(table.contains("box is away") && table.contains("shop"), "{table}");
    let why = text_of(&afield, &["queue", "explain", &ids[0]]).await;
    assert!(why.contains("waiting for runner box, last seen") && why.contains("next:"), "{why}");
    let behind = text_of(&afield, &["queue", "explain", tail(&ids[5])]).await;
    assert!(behind.contains(&ids[0]) && behind.contains("behind"), "{behind}");
    let root = format!("{} is queued: waiting for runner box", tail(&ids[0]));
    assert!(behind.contains(&root) && behind.contains("next: start its runner"), "{behind}");
    let cancelled = json_of(&afield, &["queue", "cancel", &ids[3], tail(&ids[7])]).await;
    assert_eq!(cancelled[0]["state"], "cancelled");
    assert_eq!(cancelled[1]["id"], ids[7].as_str());
    afield.kill_child("server").await;
    afield.client_again().await;
    assert_eq!(json_of(&afield, &["queue", "ls"]).await.as_array().unwrap().len(), 18);
    let _runner = second.start(&afield);
    over(&afield, &ids[19]).await;
    let all = json_of(&afield, &["queue", "ls", "-p", project, "--all"]).await;
    let mut done: Vec<_> = all.as_array().unwrap().iter().collect();
    assert_eq!(done.len(), 20);
    done.retain(|command| command["state"] == "succeeded");
    done.sort_by_key(|command| command["started_at"].as_str().unwrap());
    let ran: Vec<_> = done.iter().map(|command| command["summary"].as_str().unwrap()).collect();
    let expected: Vec<_> =
        (0..20).filter(|it| ![3, 7].contains(it)).map(|it| format!("step {it}")).collect();
    assert_eq!(ran, expected);
    let empty = text_of(&afield, &["queue", "ls"]).await;
    assert!(empty.contains("Nothing waits"), "{empty}");
    assert_eq!(json_of(&afield, &["queue", "ls"]).await, json!([]));
}

/// An Afield with one project whose agent is the built-in one.
async fn with_project() -> (Afield, String) {
    let afield = demo().await;
    let dir = afield.make_dir("shop");
    let added = json_of(&afield, &["projects", "add", &dir, "--agent", "demo"]).await;
    let id = added["id"].as_str().unwrap().to_owned();
    (afield, id)
}

#[tokio::test]
async fn the_same_key_gives_the_first_command_and_a_reply_has_its_shape() {
    let (afield, project) = with_project().await;
    let ask = ["run", "-p", &project, "--detach", "--key", "k1", "hello"];
    let first = json_of(&afield, &ask).await;
    let again = json_of(&afield, &ask).await;
    assert!(first["command_id"].is_string() && first["command_id"] == again["command_id"]);
    let id = first["command_id"].as_str().unwrap();
    over(&afield, id).await;
    let detail = json_of(&afield, &["queue", "show", id]).await;
    assert_eq!((&detail["id"], &detail["state"]), (&json!(id), &json!("succeeded")));
    let steps: Vec<_> =
        detail["chain"].as_array().unwrap().iter().map(|it| it["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["submitted", "accepted", "leased", "consumed", "finished"]);
    assert_eq!(detail["attempts"][0]["attempt"], 1);
    assert_eq!(detail["payload"]["prompt"], "hello");
    let text = text_of(&afield, &["queue", "show", tail(id)]).await;
    assert!(text.contains("consumed") && text.contains("by console"), "{text}");
    assert!(text.contains("1. on ") && text.contains("succeeded"), "{text}");
    let other = afield.cli(&["run", "-p", &project, "-d", "--key", "k1", "another"]).await;
    assert_eq!(other.code, Some(3), "{other:?}");
    let unknown = afield.cli(&["queue", "show", "ffffffff"]).await;
    assert_eq!(unknown.code, Some(3), "{unknown:?}");
    let part = afield.cli(&["queue", "show", "abc"]).await;
    assert_eq!(part.code, Some(2), "{part:?}");
}

#[tokio::test]
async fn what_waits_can_be_held_moved_edited_and_put_back() {
    let (afield, project) = with_project().await;
    let held = json_of(&afield, &["queue", "hold", "--project", &project]).await;
    assert_eq!(held, json!({ "changed": true }));
    let a = submit(&afield, &project, "aaa").await;
    let b = submit(&afield, &project, "bbb").await;
    let c = submit(&afield, &project, "ccc").await;
    let table = text_of(&afield, &["queue", "ls"]).await;
    assert!(table.contains("project shop is held (by console"), "{table}");
    assert!(table.contains("queued: hold"), "{table}");
    let why = text_of(&afield, &["queue", "explain", &a]).await;
    assert!(why.contains("its project is held by device console"), "{why}");
    assert!(why.contains(&format!("afield queue release --project {project}")), "{why}");
    json_of(&afield, &["queue", "move", &c, "--first"]).await;
    json_of(&afield, &["queue", "move", tail(&a), "--after", tail(&b)]).await;
    let list = json_of(&afield, &["queue", "ls"]).await;
    assert_eq!(summaries(&list), ["ccc", "bbb", "aaa"]);
    let edit = ["queue", "edit", &a, "--prompt", "please fail", "--priority", "high"];
    assert_eq!(json_of(&afield, &edit).await["priority"], "high");
    let together: Vec<_> = [&a, &b, &c].iter().map(|id| &id[..6]).collect();
    let ambiguous = afield.cli(&["queue", "cancel", together[0]]).await;
    assert_eq!(ambiguous.code, Some(3), "{ambiguous:?}");
    assert!(ambiguous.stderr.contains(&a) && ambiguous.stderr.contains(&b), "{ambiguous:?}");
    let later = ["run", "-p", &project, "-d", "--at", "1h", "--order", "own", "later"];
    let later = json_of(&afield, &later).await;
    let later = later["command_id"].as_str().unwrap();
    json_of(&afield, &["queue", "release", "--project", &project]).await;
    assert_eq!(over(&afield, &a).await["state"], "failed");
    let waits = text_of(&afield, &["queue", "explain", later]).await;
    assert!(waits.contains("does not start before"), "{waits}");
    json_of(&afield, &["queue", "edit", later, "--not-before", "now"]).await;
    assert_eq!(over(&afield, later).await["state"], "succeeded");
    let back = json_of(&afield, &["queue", "retry", &a, "--prompt", "well"]).await;
    assert_eq!(back[0]["id"], a.as_str());
    assert_eq!(over(&afield, &a).await["state"], "succeeded");
}

#[tokio::test]
async fn a_command_held_alone_waits_for_its_release() {
    let (afield, project) = with_project().await;
    let held = json_of(&afield, &["run", "-p", &project, "-d", "--hold", "wait"]).await;
    let id = held["command_id"].as_str().unwrap();
    let why = json_of(&afield, &["queue", "explain", id]).await;
    assert_eq!(why["waiting"]["reason"], "hold");
    let said = text_of(&afield, &["queue", "release", tail(id)]).await;
    assert!(said.contains("released"), "{said}");
    over(&afield, id).await;
    let said = text_of(&afield, &["queue", "release", "--all"]).await;
    assert!(said.contains("was not held"), "{said}");
    json_of(&afield, &["queue", "hold", "--all"]).await;
    let id = submit(&afield, &project, "all").await;
    let why = text_of(&afield, &["queue", "explain", &id]).await;
    assert!(why.contains("everything is held") && why.contains("release --all"), "{why}");
    json_of(&afield, &["queue", "release", "--all"]).await;
    over(&afield, &id).await;
}

#[tokio::test]
async fn retries_end_among_the_dead_letters() {
    let (afield, project) = with_project().await;
    let none = text_of(&afield, &["queue", "dead"]).await;
    assert!(none.contains("No dead letters"), "{none}");
    let ask = ["run", "-p", &project, "-d", "--retry", "2", "please fail"];
    let reply = json_of(&afield, &ask).await;
    let id = reply["command_id"].as_str().unwrap();
    assert_eq!(over(&afield, id).await["state"], "dead");
    let dead = text_of(&afield, &["queue", "dead"]).await;
    assert!(dead.contains(tail(id)) && dead.contains("as you asked"), "{dead}");
    let list = json_of(&afield, &["queue", "dead"]).await;
    assert_eq!((&list[0]["id"], &list[0]["attempt"]), (&json!(id), &json!(2)));
    let detail = json_of(&afield, &["queue", "show", id]).await;
    assert_eq!(detail["attempts"].as_array().unwrap().len(), 2);
    let back = json_of(&afield, &["queue", "retry", "--all-dead", "-p", &project]).await;
    assert_eq!(back[0]["id"], id);
    assert_eq!(over(&afield, id).await["state"], "dead");
    let purged = json_of(&afield, &["queue", "purge", "--all-dead"]).await;
    assert_eq!(purged[0]["id"], id);
    assert_eq!(json_of(&afield, &["queue", "dead"]).await, json!([]));
}

#[tokio::test]
async fn a_person_decides_about_what_nobody_saw_the_end_of() {
    let (afield, project) = with_project().await;
    let mut client = afield.client().await;
    follow(&mut client, &project, 0).await;
    let id = submit(&afield, &project, "work 1000").await;
    client.event("agent_message", |data| data["direction"] == "claude").await.unwrap();
    afield.kill_child("runner").await;
    assert_eq!(over(&afield, &id).await["state"], "interrupted");
    let why = text_of(&afield, &["queue", "explain", &id]).await;
    assert!(why.contains("outcome unknown") && why.contains("queue resolve"), "{why}");
    let both = afield.cli(&["queue", "resolve", &id, "--requeue", "--failed"]).await;
    assert_eq!(both.code, Some(2), "{both:?}");
    let resolved = json_of(&afield, &["queue", "resolve", &id, "--succeeded"]).await;
    assert_eq!(resolved["state"], "succeeded");
}

#[tokio::test]
async fn a_program_and_a_selector_go_the_same_way() {
    let (afield, project) = with_project().await;
    let ran = afield.cli(&["run", "-p", &project, "--", "printf", "%s", "two words"]).await;
    assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "two words"), "{ran:?}");
    let ran = afield.cli(&["run", "--on", "agents has \"demo\"", "--", "echo", "-n", "x"]).await;
    assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "x"), "{ran:?}");
    let wrong = afield.cli(&["run", "--on", "os ~ 9", "-d", "x"]).await;
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
}

#[tokio::test]
async fn what_fits_nobody_waits_and_is_followed_to_its_runner() {
    let (afield, _) = with_project().await;
    let on = "labels has \"gpu\"";
    let id = text_of(&afield, &["run", "--on", on, "--agent", "demo", "-d", "later"]).await;
    let list = text_of(&afield, &["queue", "ls"]).await;
    assert!(list.contains("no runner fits"), "{list}");
    let why = text_of(&afield, &["queue", "explain", id.trim()]).await;
    assert!(why.contains("waits: nobody fits now (0 of 1 fitted)"), "{why}");
    assert!(why.contains("rejected") && why.contains("not so: labels has \"gpu\""), "{why}");
    let watched = ["run", "--on", on, "--agent", "demo", "watched"];
    let (ran, ()) = tokio::join!(afield.cli(&watched), async {
        let waits = async || {
            let list = json_of(&afield, &["queue", "ls"]).await;
            list.as_array().unwrap().len()
        };
        while waits().await < 2 {}
        let runner = json_of(&afield, &["devices"]).await;
        let runner = runner.as_array().unwrap().iter().find(|it| it["kind"] == "runner");
        let name = runner.unwrap()["name"].as_str().unwrap().to_owned();
        text_of(&afield, &["devices", "label", &name, "gpu"]).await;
    });
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("You said: “watched”"), "{ran:?}");
    let id = id.trim();
    assert_eq!(over(&afield, id).await["state"], "succeeded");
    let shown = text_of(&afield, &["queue", "show", id]).await;
    assert!(shown.contains("moved") && shown.contains("somebody fits: to"), "{shown}");
}

#[tokio::test]
async fn a_busy_project_takes_the_next_prompt_and_says_what_it_waits_for() {
    let (afield, project) = with_project().await;
    let ask = json!({ "project_id": project, "prompt": "work 100", "agent": "demo" });
    let mut client = afield.client().await;
    follow(&mut client, &project, 0).await;
    let busy = client.ask("execute", ask).await.unwrap();
    let busy = busy["id"].as_str().unwrap();
    client.event("agent_message", |data| data["direction"] == "claude").await.unwrap();
    let done = afield.cli(&["run", "-p", &project, "next"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains(&format!("behind command {busy}")), "{done:?}");
    assert!(done.stdout.contains("You said: “next”"), "{done:?}");
    assert_eq!(over(&afield, busy).await["state"], "succeeded");
}

#[tokio::test]
async fn prompts_typed_while_a_turn_runs_wait_and_are_shown_once() {
    let (afield, project) = with_project().await;
    let input = "work 50\nnext words\n/steer first of all\n";
    let attached = afield.cli_with_input(&["attach", "-p", &project], input).await;
    assert_eq!(attached.code, Some(0), "{attached:?}");
    assert!(attached.stdout.contains("queued as"), "{attached:?}");
    let list = json_of(&afield, &["queue", "ls", "--all"]).await;
    for command in list.as_array().unwrap() {
        over(&afield, command["id"].as_str().unwrap()).await;
    }
    let history = text_of(&afield, &["history", "-p", &project]).await;
    let prompts: Vec<_> = history.lines().filter(|line| line.starts_with("› ")).collect();
    let place = |prompt| prompts.iter().position(|line| *line == prompt).expect(&history);
    assert!(place("› first of all") < place("› next words"), "{history}");
    assert!(place("› work 50") < place("› next words"), "{history}");
    assert_eq!(prompts.len(), 3, "{history}");
}

#[tokio::test]
async fn what_can_not_be_handed_over_is_kept_and_sent_once() {
    let (mut afield, project) = with_project().await;
    assert!(afield.stop().await.success());
    let notes = afield.path("notes.txt");
    std::fs::write(&notes, "seen from the train").unwrap();
    let notes = notes.to_str().unwrap();
    let ask = ["run", "-p", &project, "-d", "--key", "k1", "--attach", notes, "from the train"];
    let kept = json_of(&afield, &ask).await;
    std::fs::remove_file(notes).unwrap();
    let expected = json!({ "command_id": null, "queued_locally": true, "key": "k1" });
    assert_eq!(kept, expected);
    let nowhere = "01990000-0000-7000-8000-000000000000";
    json_of(&afield, &["run", "-p", nowhere, "-d", "to nobody"]).await;
    let third = afield.cli(&["run", "-p", "shop", "-d", "by its name"]).await;
    assert_eq!(third.code, Some(0), "{third:?}");
    assert!(third.stderr.contains("kept on this machine"), "{third:?}");
    let unknown = afield.cli(&["run", "-p", "elsewhere", "-d", "x"]).await;
    assert_eq!(unknown.code, Some(4), "{unknown:?}");
    let list = json_of(&afield, &["queue", "ls"]).await;
    assert_eq!(summaries(&list), ["from the train", "to nobody", "by its name"]);
    assert_eq!((&list[0]["state"], &list[0]["queued_locally"]), (&json!("unsent"), &json!(true)));
    let outbox = afield.data_dir().join("outbox");
    let files = || std::fs::read_dir(&outbox).unwrap().flatten().filter(|it| it.path().is_file());
    assert_eq!(files().count(), 3);
    let copy = files().map(|it| it.path()).min().unwrap();
    let bytes = std::fs::read(&copy).unwrap();
    let _up = start_again(&afield).await;
    // Anything that reaches the server sends it.
    let sent = afield.cli(&["projects", "list"]).await;
    assert!(sent.stderr.contains("outbox: 2 commands sent, 1 refused"), "{sent:?}");
    until("the outbox is empty", || files().count() == 0).await;
    let list = json_of(&afield, &["queue", "ls", "--all"]).await;
    let mine =
        |list: &Value| list.as_array().unwrap().iter().filter(|it| it["key"] == "k1").count();
    assert_eq!(mine(&list), 1);
    let first = list.as_array().unwrap().iter().find(|it| it["key"] == "k1").unwrap();
    let shown = json_of(&afield, &["queue", "show", first["id"].as_str().unwrap()]).await;
    assert_eq!(shown["payload"]["attachments"][0]["name"], "notes.txt", "{shown}");
    // A crash before the file was removed: it is sent again, and is the same command.
    std::fs::write(&copy, bytes).unwrap();
    let flushed = json_of(&afield, &["queue", "flush"]).await;
    assert_eq!(flushed["sent"].as_array().unwrap().len(), 1, "{flushed}");
    let list = json_of(&afield, &["queue", "ls", "--all"]).await;
    assert_eq!(mine(&list), 1, "{list}");
    let refused = text_of(&afield, &["queue", "ls"]).await;
    assert!(refused.contains("PROJECT_NOT_FOUND"), "{refused}");
    let refused = json_of(&afield, &["queue", "ls"]).await;
    let refused = refused.as_array().unwrap().iter().find(|it| it["state"] == "refused").unwrap();
    let id = refused["id"].as_str().unwrap().to_owned();
    text_of(&afield, &["queue", "cancel", &id]).await;
    let id_of = |it: &Value| it["id"].as_str().unwrap().to_owned();
    let left = json_of(&afield, &["queue", "ls"]).await;
    assert!(left.as_array().unwrap().iter().all(|it| id_of(it) != id), "{left}");
}
