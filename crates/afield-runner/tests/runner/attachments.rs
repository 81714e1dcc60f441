//! Files that go with a command: all of them are there before anything starts, or nothing does.

use afield_proto::ErrorCode;
use afield_proto::agent::{AgentKind, MessageKind};
use afield_proto::attachment::{Attachment, OCTETS};
use afield_proto::command::OutcomeKind;
use afield_proto::runner::RunnerExecute;
use aws_lc_rs::digest::{SHA256, digest};

use crate::rig::{Home, Rig, texts};

fn attachment(name: &str, body: &[u8]) -> Attachment {
    let hash = digest(&SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let (name, media_type) = (name.to_owned(), OCTETS.to_owned());
    Attachment { hash, name, media_type, bytes: body.len() as u64 }
}

/// A shell line that prints the hashes of what it finds.
fn order(home: &Home, attachments: Vec<Attachment>) -> RunnerExecute {
    let line = "cd \"$AFIELD_ATTACHMENTS\" && stat -c '%a %n' . * && sha256sum *";
    RunnerExecute { attachments, ..home.order(AgentKind::Command, line) }
}

#[tokio::test]
async fn a_broken_connection_is_waited_for_and_nothing_is_left_behind() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let large: Vec<u8> = (0..1_200_000_u32).map(|at| (at % 251) as u8).collect();
    let files = [attachment("a b.bin", &large), attachment("a b.bin", b"other")];
    rig.server.keep_file(&files[0].hash, large);
    rig.server.keep_file(&files[1].hash, b"other".to_vec());
    rig.server.break_at_part(1);
    let order = order(&home, files.to_vec());
    rig.execute(&order).await;
    rig.server.until_down().await;
    rig.disconnect();
    assert!(rig.server.records(order.attempt).is_empty(), "nothing has begun");
    rig.connect().await;
    let (outcome, _) = rig.finished(order.attempt).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    let said = texts(&rig.server.records(order.attempt), MessageKind::Stdout);
    let expected = [
        "700 .".to_owned(),
        "600 1-a b.bin".to_owned(),
        "600 2-a b.bin".to_owned(),
        format!("{}  1-a b.bin", files[0].hash),
        format!("{}  2-a b.bin", files[1].hash),
    ];
    assert_eq!(said, expected);
    assert_eq!(rig.server.parts(), 4, "what had come was not asked for again");
    let left = std::fs::read_dir(home.data().join("attachments")).unwrap().count();
    assert_eq!(left, 0);
    rig.stop().await;
}

#[tokio::test]
async fn what_is_not_what_was_attached_is_not_given_to_the_agent() {
    let home = Home::new();
    let rig = Rig::start(&home, home.policy()).await;
    let file = attachment("a.bin", b"as it was attached");
    rig.server.keep_file(&file.hash, b"something else now".to_vec());
    let (outcome, _) = rig.run(&order(&home, vec![file.clone()])).await;
    assert_eq!(outcome.kind, OutcomeKind::NotStarted);
    assert!(outcome.message.unwrap().contains("\"a.bin\" did not come as it was attached"));
    let missing = Attachment { hash: "0".repeat(64), ..file.clone() };
    let (outcome, _) = rig.run(&order(&home, vec![missing])).await;
    assert_eq!((outcome.kind, outcome.code), (OutcomeKind::NotStarted, Some(ErrorCode::NotFound)));
    let escapes = Attachment { name: "../../escaped".into(), ..file };
    let (outcome, _) = rig.run(&order(&home, vec![escapes])).await;
    assert_eq!(outcome.code, Some(ErrorCode::ValidationFailed));
    rig.stop().await;
}

#[tokio::test]
async fn what_an_earlier_runner_left_is_removed() {
    let home = Home::new();
    let left = home.data().join("attachments/0190-1");
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("1-secret.txt"), "x").unwrap();
    let rig = Rig::start(&home, home.policy()).await;
    assert!(!left.exists());
    rig.stop().await;
}
