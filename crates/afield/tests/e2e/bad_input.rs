//! Bad input of every kind gets a coded error or a close code, and the next good request works.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
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

/// A request whose body never comes whole: what the server answers before it closes.
async fn promised(afield: &Afield, head: &str) -> String {
    let address = afield.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (line, rest) = head.split_once('\n').unwrap_or((head, ""));
    let rest: String = rest.lines().map(|line| format!("{line}\r\n")).collect();
    let text = format!("{line} HTTP/1.1\r\nHost: {address}\r\n{rest}Content-Length: 500\r\n\r\n{{");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let env = vec![("AFIELD_LIMITS__BODY_TIMEOUT_SECONDS".into(), "1".into())];
    let afield = with_mock_and(env).await;
    let bearer = format!("\nAuthorization: Bearer {}", afield.token);
    let doors = [
        ("POST /api/v1/pair", ""),
        ("POST /api/v1/approvals/one-tap", ""),
        ("POST /api/v1/projects", &*bearer),
        ("GET /api/v1/projects", &*bearer),
        ("POST /api/v1/blobs", &*bearer),
    ];
    let heads: Vec<_> = doors.iter().map(|(line, more)| format!("{line}{more}")).collect();
    let answers = heads.iter().map(|head| promised(&afield, head));
    let answers = tokio::time::timeout(Duration::from_secs(10), join_all(answers)).await.unwrap();
    for (head, answer) in heads.iter().zip(answers) {
        assert_eq!(testkit::http::status(&answer), 408, "{head}: {answer}");
        let error = testkit::http::json(&answer);
        assert_eq!(error["code"], "REQUEST_TIMEOUT", "{head}: {error}");
        assert_eq!(error["details"]["limit"], "body_timeout", "{head}: {error}");
    }
    // What answers without looking at a body does not wait for one either.
    let answer = promised(&afield, "GET /healthz").await;
    assert_eq!(testkit::http::status(&answer), 200, "{answer}");
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
