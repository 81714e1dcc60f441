//! Bad input of every kind gets a coded error or a close code, and the next good request works.

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use testkit::client::ClientError;

use super::*;

#[tokio::test]
async fn every_bad_frame_is_answered_and_the_connection_lives() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let deep = format!(r#"{{"type":"execute","data":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let large = format!(r#"{{"type":"execute","data":{{"prompt":"{}"}}}}"#, "a".repeat(1 << 20));
    for (text, code) in [
        ("", "VALIDATION_FAILED"),
        ("{", "VALIDATION_FAILED"),
        ("null", "VALIDATION_FAILED"),
        ("[]", "VALIDATION_FAILED"),
        (r#"{"type":"nonsense"}"#, "VALIDATION_FAILED"),
        (r#"{"type":7}"#, "VALIDATION_FAILED"),
        (r#"{"data":{}}"#, "VALIDATION_FAILED"),
        (r#"{"type":"execute","data":{"prompt":7}}"#, "VALIDATION_FAILED"),
        (r#"{"type":"execute","data":[]}"#, "VALIDATION_FAILED"),
        (r#"{"type":"execute","data":{"prompt":"x"}}"#, "PROJECT_NOT_FOUND"),
        (r#"{"type":"execute","project_id":"x"}"#, "VALIDATION_FAILED"),
        (r#"{"type":"get_messages","data":{"limit":-1}}"#, "VALIDATION_FAILED"),
        (r#"{"type":"subscribe","data":{"topic":"room:1"}}"#, "VALIDATION_FAILED"),
        (r#"{"type":"runner_hello","data":{}}"#, "VALIDATION_FAILED"),
        (r#"{"type":"project_create","data":{"path":"a\u0000b"}}"#, "INVALID_PATH"),
        (deep.as_str(), "VALIDATION_FAILED"),
        (large.as_str(), "MESSAGE_TOO_LARGE"),
    ] {
        client.send_text(text).await.unwrap();
        let error = client.wait_for("an error", |f| f["type"] == "error").await.unwrap();
        let shown: String = text.chars().take(60).collect();
        assert_eq!(error["data"]["code"], code, "{shown}: {error}");
        assert!(!error["data"]["message"].as_str().unwrap().is_empty());
    }
    client.send(Message::binary(vec![0, 159, 146, 150])).await.unwrap();
    let error = client.wait_for("an error", |f| f["type"] == "error").await.unwrap();
    assert_eq!(error["data"]["code"], "VALIDATION_FAILED");
    let list = client.ask("project_list", json!({})).await.unwrap();
    assert_eq!(list["projects"], json!([]));
}

#[tokio::test]
async fn violations_of_the_websocket_close_with_their_code() {
    let afield = demo().await;
    for (frame, expected) in [
        (Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true), 1007),
        (Frame::message(b"x".to_vec(), OpCode::Data(Data::Continue), true), 1002),
        (Frame::message(b"x".to_vec(), OpCode::Data(Data::Reserved(5)), true), 1002),
    ] {
        let mut client = afield.client().await;
        client.send(Message::Frame(frame)).await.unwrap();
        let closed = loop {
            match client.next().await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(closed, ClientError::Closed(code, _) if code == expected), "{closed}");
    }
    afield.client().await.ask("project_list", json!({})).await.unwrap();
}

#[tokio::test]
async fn requests_in_the_wrong_order_are_refused_by_name() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let nowhere = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (kind, code) in [
        ("execute", "PROJECT_NOT_FOUND"),
        ("project_join", "PROJECT_NOT_FOUND"),
        ("agent_kill", "PROJECT_NOT_FOUND"),
        ("agent_new_session", "PROJECT_NOT_FOUND"),
        ("get_messages", "PROJECT_NOT_FOUND"),
        ("project_delete", "PROJECT_NOT_FOUND"),
    ] {
        let data = json!({ "project_id": nowhere, "prompt": "x" });
        let refused = testkit::harness::code(client.ask(kind, data).await);
        assert_eq!(refused, code, "{kind}");
        let refused = testkit::harness::code(client.ask(kind, json!({ "prompt": "x" })).await);
        assert_eq!(refused, code, "{kind} without a project");
    }
    let project = afield.project(&mut client, "p").await;
    let empty = json!({ "project_id": project, "prompt": "  " });
    assert_eq!(testkit::harness::code(client.ask("execute", empty).await), "VALIDATION_FAILED");
    let misspelt = json!({ "project_id": project, "prompt": "x", "options": { "modell": "y" } });
    assert_eq!(testkit::harness::code(client.ask("execute", misspelt).await), "VALIDATION_FAILED");
    let missing = json!({ "project_id": project, "prompt": "x", "agent": "claude" });
    assert_eq!(testkit::harness::code(client.ask("execute", missing).await), "CLAUDE_NOT_FOUND");
    let shell = json!({ "project_id": project, "prompt": "id", "agent": "command" });
    let command = client.ask("execute", shell).await.unwrap();
    follow(&mut client, &project, 0).await;
    let end = finished(&mut client, &command).await;
    assert_eq!(end["outcome"]["code"], "POLICY_REFUSED", "shell lines are off by default: {end}");
}
