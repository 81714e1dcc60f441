//! What the journal knows after the runner came back.

use afield_proto::agent::{
    AgentKind, AgentMessage, Direction, ExecuteOptions, MessageFlags, MessageKind,
};
use afield_proto::command::{Outcome, OutcomeKind};
use afield_proto::output::{OutputLines, OutputStream};
use afield_proto::{ProjectId, RequestId, SessionId, Timestamp};
use serde_json::value::RawValue;

use super::*;

fn order() -> RunnerExecute {
    RunnerExecute {
        attempt: Attempt { command_id: CommandId::generate(), attempt: 1, fence: 5 },
        request_id: RequestId::generate(),
        project_id: ProjectId::generate(),
        path: "/".into(),
        session_id: SessionId::generate(),
        native_session: None,
        agent: AgentKind::Demo,
        prompt: "hello".into(),
        options: ExecuteOptions::default(),
        attachments: Vec::new(),
    }
}

fn started() -> Record {
    Record::Started { at: Timestamp::now() }
}

fn finished() -> Record {
    let outcome = Outcome::new(OutcomeKind::Succeeded);
    Record::Finished { at: Timestamp::now(), outcome, killed: Vec::new() }
}

fn message(kind: MessageKind, text: &str) -> Record {
    Record::Message(AgentMessage {
        timestamp: Timestamp::now(),
        direction: Direction::Claude,
        kind,
        command_id: None,
        session_id: None,
        text: Some(text.to_owned()),
        tool: None,
        parent: None,
        news: None,
        flags: MessageFlags::default(),
        message: RawValue::from_string("{}".into()).unwrap(),
    })
}

const LIMIT: BatchLimit = BatchLimit { count: 100, bytes: 1 << 20, up_to: u64::MAX };

fn open_running(
    data: &Path,
    spool_bytes_max: u64,
) -> (Journal, Vec<AttemptLog>, BTreeMap<CommandId, u64>, tokio::task::JoinHandle<()>) {
    let opened = open(data, spool_bytes_max).unwrap();
    let task = tokio::spawn(opened.writer.run(tokio_util::sync::CancellationToken::new()));
    (opened.journal, opened.logs, opened.fences, task)
}

#[tokio::test]
async fn a_started_attempt_is_known_after_a_restart_and_never_begins_again() {
    let data = tempfile::tempdir().unwrap();
    let order = order();
    {
        let (journal, _, _, task) = open_running(data.path(), u64::MAX);
        let log = journal.begin(&order, &started()).await.unwrap();
        log.append_durably(&message(MessageKind::Text, "hi")).await.unwrap();
        assert_eq!(*log.on_disk().borrow(), OnDisk { last: 2, finished: false });
        drop((journal, log));
        task.await.unwrap();
    }
    let (_journal, logs, _, _task) = open_running(data.path(), u64::MAX);
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].attempt, order.attempt);
    assert_eq!(*logs[0].on_disk().borrow(), OnDisk { last: 2, finished: false });
    logs[0].append_durably(&finished()).await.unwrap();
    assert_eq!(*logs[0].on_disk().borrow(), OnDisk { last: 3, finished: true });
    let batch = logs[0].read(logs[0].cursor(2).await.unwrap(), LIMIT).await.unwrap();
    assert_eq!((batch.first, batch.records.len()), (2, 2));
    assert!(batch.records[0].contains("\"hi\""));
}

#[tokio::test]
async fn of_a_forgotten_attempt_the_fence_is_left() {
    let data = tempfile::tempdir().unwrap();
    let order = order();
    {
        let (journal, _, _, task) = open_running(data.path(), u64::MAX);
        let log = journal.begin(&order, &started()).await.unwrap();
        log.append_durably(&finished()).await.unwrap();
        keep_long_line(&log.long_lines(), 1, "long").unwrap();
        log.forget().await.unwrap();
        drop((journal, log));
        task.await.unwrap();
    }
    let (_journal, logs, fences, _task) = open_running(data.path(), u64::MAX);
    assert!(logs.is_empty());
    assert_eq!(fences.get(&order.attempt.command_id), Some(&5));
    let kept = data.path().join("long-lines").join(order.attempt.command_id.to_string());
    assert!(kept.join("000001.json").exists());
}

#[tokio::test]
async fn messages_are_on_disk_soon_without_anybody_waiting() {
    let data = tempfile::tempdir().unwrap();
    let (journal, _, _, _task) = open_running(data.path(), u64::MAX);
    let log = journal.begin(&order(), &started()).await.unwrap();
    for _ in 0..100 {
        log.append(&message(MessageKind::Text, "word")).await.unwrap();
    }
    log.on_disk().wait_for(|on_disk| on_disk.last == 101).await.unwrap();
}

#[tokio::test]
async fn a_full_spool_leaves_out_what_matters_least_and_never_a_result() {
    let data = tempfile::tempdir().unwrap();
    let (journal, _, _, _task) = open_running(data.path(), 4000);
    let log = journal.begin(&order(), &started()).await.unwrap();
    let long = "x".repeat(500);
    for _ in 0..40 {
        log.append(&message(MessageKind::System, &long)).await.unwrap();
        log.append_durably(&message(MessageKind::Warning, "")).await.unwrap();
    }
    assert!(log.left_out() > 20, "{}", log.left_out());
    log.append_durably(&message(MessageKind::Result, "done")).await.unwrap();
    log.append_durably(&finished()).await.unwrap();
    assert!(log.on_disk().borrow().finished);
}

/// A log whose disk takes no record before the directory is removed: its next file can't be made.
/// Two records are on disk then.
async fn refusing(data: &Path, journal: &Journal) -> (AttemptLog, PathBuf) {
    let order = order();
    let log = journal.begin(&order, &started()).await.unwrap();
    log.append_durably(&message(MessageKind::Text, &"x".repeat(8 * 1024 * 1024))).await.unwrap();
    let path = directory(data, order.attempt.command_id).join("records-000000000003.log");
    std::fs::create_dir(&path).unwrap();
    (log, path)
}

/// Returns when the writer has seen all that was appended.
async fn is_refused(log: &AttemptLog, record: &Record) {
    let error = log.append_durably(record).await.unwrap_err();
    assert!(matches!(error, JournalError::Io(_)), "{error}");
}

#[tokio::test]
async fn an_attempt_does_not_end_before_it_is_told_what_the_disk_did_not_take() {
    let data = tempfile::tempdir().unwrap();
    let (journal, _, _, _task) = open_running(data.path(), u64::MAX);
    let (log, refuses) = refusing(data.path(), &journal).await;
    for number in 0..100 {
        log.append(&message(MessageKind::Text, &number.to_string())).await.unwrap();
    }
    let mut lines = OutputLines::default();
    ["one", "two", "three"].into_iter().for_each(|line| lines.push(line));
    let stream = OutputStream::Stdout;
    log.append(&Record::Output { at: Timestamp::now(), stream, lines }).await.unwrap();
    log.append(&message(MessageKind::Result, "the result")).await.unwrap();
    is_refused(&log, &finished()).await;
    assert_eq!(*log.on_disk().borrow(), OnDisk { last: 2, finished: false });
    std::fs::remove_dir(refuses).unwrap();
    log.append_durably(&finished()).await.unwrap();
    assert_eq!(*log.on_disk().borrow(), OnDisk { last: 5, finished: true });
    let read = log.read(log.cursor(3).await.unwrap(), LIMIT).await.unwrap().records;
    assert_eq!(read.len(), 3, "{read:?}");
    assert!(read[0].contains("\"103 messages were left out"), "{}", read[0]);
    assert!(read[1].contains("\"the result\""), "{}", read[1]);
    assert!(read[2].starts_with("{\"finished\""), "{}", read[2]);
}

/// The same with a disk that takes records and does not keep them: its next file syncs nothing.
async fn forgetting(data: &Path, journal: &Journal) -> AttemptLog {
    let (log, path) = refusing(data, journal).await;
    std::fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", path).unwrap();
    log
}

#[tokio::test(start_paused = true)]
async fn what_was_written_and_not_synced_is_told_like_what_was_refused() {
    let data = tempfile::tempdir().unwrap();
    let (journal, _, _, _task) = open_running(data.path(), u64::MAX);
    let log = forgetting(data.path(), &journal).await;
    log.append(&message(MessageKind::Text, "one")).await.unwrap();
    log.append(&message(MessageKind::Text, "two")).await.unwrap();
    log.append(&message(MessageKind::Result, "the result")).await.unwrap();
    is_refused(&log, &finished()).await;
    assert_eq!(*log.on_disk().borrow(), OnDisk { last: 2, finished: false });
    log.append_durably(&finished()).await.unwrap();
    assert_eq!(*log.on_disk().borrow(), OnDisk { last: 5, finished: true });
    let read = log.read(log.cursor(3).await.unwrap(), LIMIT).await.unwrap().records;
    assert_eq!(read.len(), 3, "{read:?}");
    assert!(read[0].contains("\"2 messages were left out"), "{}", read[0]);
    assert!(read[1].contains("\"the result\""), "{}", read[1]);
    assert!(read[2].starts_with("{\"finished\""), "{}", read[2]);
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_did_not_take_is_told_as_soon_as_it_does_though_nothing_follows() {
    let data = tempfile::tempdir().unwrap();
    let (journal, _, _, _task) = open_running(data.path(), u64::MAX);
    let (log, refuses) = refusing(data.path(), &journal).await;
    log.append(&message(MessageKind::Text, "word")).await.unwrap();
    log.append(&message(MessageKind::Result, "the result")).await.unwrap();
    is_refused(&log, &started()).await;
    // The disk is tried again and again meanwhile.
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    std::fs::remove_dir(refuses).unwrap();
    let mut on_disk = log.on_disk();
    let told = on_disk.wait_for(|on_disk| on_disk.last == 4);
    let minute = std::time::Duration::from_secs(60);
    drop(tokio::time::timeout(minute, told).await.expect("nothing else has to happen").unwrap());
    log.append_durably(&message(MessageKind::Text, "more")).await.unwrap();
    let read = log.read(log.cursor(3).await.unwrap(), LIMIT).await.unwrap().records;
    assert_eq!(read.len(), 3, "{read:?}");
    assert!(read[0].contains("\"1 messages were left out"), "{}", read[0]);
    assert!(read[1].contains("\"the result\"") && read[2].contains("\"more\""), "{read:?}");
}

#[tokio::test]
async fn two_runners_can_not_share_a_data_directory() {
    let data = tempfile::tempdir().unwrap();
    let _first = open(data.path(), u64::MAX).unwrap();
    let second = open(data.path(), u64::MAX);
    assert!(matches!(second.err(), Some(JournalError::InUse(_))));
}

#[tokio::test]
async fn an_attempt_that_can_not_be_read_is_set_aside() {
    let data = tempfile::tempdir().unwrap();
    let order = order();
    {
        let (journal, _, _, task) = open_running(data.path(), u64::MAX);
        drop((journal.begin(&order, &started()).await.unwrap(), journal));
        task.await.unwrap();
    }
    let name = order.attempt.command_id.to_string();
    std::fs::write(data.path().join("attempts").join(&name).join("order.json"), "{").unwrap();
    let (_journal, logs, _, _task) = open_running(data.path(), u64::MAX);
    assert!(logs.is_empty());
    assert!(data.path().join("set-aside").join(name).exists());
}
