//! Stopping real processes that do not want to be stopped.

use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};

use super::*;

/// Starts a shell script with a mark of its own and waits until it wrote `lines` lines.
async fn script(text: &str, lines: usize) -> (Process, Vec<String>) {
    script_in(text, lines, true).await
}

async fn script_in(text: &str, lines: usize, own_group: bool) -> (Process, Vec<String>) {
    let launch = Launch {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), text.into()],
        environment: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
        directory: std::env::temp_dir(),
        mark: uuid::Uuid::now_v7().to_string(),
    };
    let leaf = own_group.then(|| cgroup::Leaf::create(&launch.mark)).flatten();
    let mut process = start_in(launch, leaf).unwrap();
    let mut output = tokio::io::BufReader::new(&mut process.stdout).lines();
    let mut read = Vec::new();
    while read.len() < lines {
        read.push(output.next_line().await.unwrap().expect("the script writes more lines"));
    }
    (process, read)
}

fn alive(pid: &str) -> bool {
    table::one(pid.parse().unwrap()).is_some_and(|entry| !entry.zombie)
}

/// Kills a process and all of its kin; returns how many were stopped.
async fn kill(mut process: Process) -> (usize, Duration) {
    let begin = Instant::now();
    let mut killed = process.kin.kill_all();
    process.child.wait().await.unwrap();
    process.kin.leader_gone();
    killed.extend(sweep(process.kin, Duration::ZERO).await);
    (killed.list().len(), begin.elapsed())
}

#[tokio::test]
async fn children_that_ignore_signals_and_leave_the_session_are_killed() {
    // Each says its number when it has a child as well.
    let text = "trap '' TERM INT HUP\n\
        sh -c 'trap \"\" TERM; sleep 600 & echo $$; wait' &\n\
        setsid sh -c 'trap \"\" TERM; sleep 600 & echo $$; wait' &\n\
        (setsid sh -c 'trap \"\" TERM; sleep 600 & echo $$; wait' & ) \n\
        while :; do sleep 600; done";
    for own_group in [true, false] {
        let (process, pids) = script_in(text, 3, own_group).await;
        assert!(pids.iter().all(|pid| alive(pid)));
        let (killed, took) = kill(process).await;
        assert!(killed >= 7, "{killed}");
        assert!(pids.iter().all(|pid| !alive(pid)), "survivors of {pids:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_swept_after_it_ended_by_itself() {
    let text = "setsid sh -c 'echo $$; exec sleep 600' & exec sleep 0.05";
    let (mut process, pids) = script(text, 1).await;
    process.child.wait().await.unwrap();
    process.kin.leader_gone();
    let killed = sweep(process.kin, Duration::from_secs(5)).await;
    assert!(!alive(&pids[0]));
    let list = killed.list();
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((list[0].name.as_str(), list[0].signal.as_str()), ("sleep", "TERM"));
}

/// What to start with a mark of its own, and its leaf where this machine gives cgroups.
fn with_leaf(program: &str, arguments: &[&str]) -> (Launch, Option<cgroup::Leaf>) {
    let launch = Launch {
        program: program.into(),
        arguments: arguments.iter().map(Into::into).collect(),
        environment: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
        directory: std::env::temp_dir(),
        mark: uuid::Uuid::now_v7().to_string(),
    };
    let leaf = cgroup::Leaf::create(&launch.mark);
    (launch, leaf)
}

/// All that a process writes until it ended.
async fn output(process: &mut Process) -> String {
    let mut text = String::new();
    process.stdout.read_to_string(&mut text).await.unwrap();
    assert!(process.child.wait().await.unwrap().success());
    text
}

#[tokio::test]
async fn what_becomes_a_daemon_at_once_does_not_escape() {
    // Out of its parent, group and session before anybody could look; in a cgroup without its mark as well.
    let daemon = "(/bin/sh -c 'echo $$; exec sleep 600' &)";
    for _ in 0..8 {
        let strip = if has_cgroups() { "-i" } else { "--" };
        let (launch, leaf) = with_leaf("setsid", &["-f", "env", strip, "/bin/sh", "-c", daemon]);
        let mut process = start_in(launch, leaf).unwrap();
        let mut output = tokio::io::BufReader::new(&mut process.stdout).lines();
        let pid = output.next_line().await.unwrap().expect("the daemon says who it is");
        process.child.wait().await.unwrap();
        process.kin.leader_gone();
        sweep(process.kin, Duration::ZERO).await;
        assert!(!alive(&pid), "{pid} survives");
    }
}

#[tokio::test]
async fn a_program_begins_in_its_cgroup_where_there_are_any() {
    let (launch, leaf) = with_leaf("cat", &["/proc/self/cgroup"]);
    let (own, given) = (format!("/afield-{}", launch.mark), leaf.is_some());
    let mut process = start_in(launch, leaf).unwrap();
    let groups = output(&mut process).await;
    assert_eq!(groups.lines().any(|group| group.ends_with(&own)), given, "{groups}");
}

#[tokio::test]
async fn a_program_whose_cgroup_is_gone_starts_all_the_same() {
    let (launch, leaf) = with_leaf("echo", &["here"]);
    drop(cgroup::Leaf::find(&launch.mark));
    let mut process = start_in(launch, leaf).unwrap();
    assert_eq!(output(&mut process).await, "here\n");
}

#[tokio::test]
async fn processes_of_another_attempt_are_left_alone() {
    let (mine, _) = script("echo ready; sleep 600", 1).await;
    let (other, pids) = script("setsid sh -c 'echo $$; sleep 600' & wait", 1).await;
    kill(mine).await;
    assert!(alive(&pids[0]) && alive(&other.pid.to_string()));
    kill(other).await;
    assert!(!alive(&pids[0]));
}

#[tokio::test]
async fn what_an_earlier_runner_left_is_found_by_its_mark() {
    let (process, pids) = script("setsid sh -c 'echo $$; sleep 600' & wait", 1).await;
    let mark = process.kin.mark().to_owned();
    let Process { mut child, kin, .. } = process;
    std::mem::forget(kin);
    let killed = sweep(Kin::left_behind(&mark), Duration::ZERO).await;
    assert!(killed.list().len() >= 2);
    assert!(!alive(&pids[0]));
    child.wait().await.unwrap();
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_an_error() {
    let launch = Launch {
        program: "/nowhere/at-all".into(),
        arguments: Vec::new(),
        environment: Vec::new(),
        directory: std::env::temp_dir(),
        mark: uuid::Uuid::now_v7().to_string(),
    };
    let error = start(launch).err().expect("there is no such program");
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}
