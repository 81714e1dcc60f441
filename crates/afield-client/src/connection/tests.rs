//! A connection against a server of a few lines.

use std::time::Duration;

use afield_proto::request::{HealthCheckAsk, ProjectList};
use afield_proto::{ErrorBody, ErrorCode, ProjectId, Timestamp, Topic, wire};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::value::RawValue;
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::*;
use wire::{CorrelationId, Incoming};

/// The server's end, scripted by the test.
struct Peer(WebSocketStream<DuplexStream>);

impl Peer {
    async fn accept(stream: DuplexStream) -> Self {
        // The shape of the error is tungstenite's.
        #[expect(clippy::result_large_err, reason = "the callback's type is given")]
        let choose = |request: &Request, mut response: Response| {
            let protocol = request.headers()["sec-websocket-protocol"].clone();
            assert_eq!(protocol, "afield.v1");
            assert_eq!(request.headers()["authorization"], "Bearer t");
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        Self(tokio_tungstenite::accept_hdr_async(stream, choose).await.unwrap())
    }

    async fn receive(&mut self) -> Incoming {
        loop {
            if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                return Incoming::read(&text).unwrap();
            }
        }
    }

    async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    async fn answer(&mut self, request: &Incoming, data: serde_json::Value) {
        self.send(wire::reply_frame(&request.kind, request.id.as_ref(), None, &data)).await;
    }
}

async fn pair(options: ConnectionOptions) -> (Connection, Inbox, Peer) {
    let (here, there) = tokio::io::duplex(64 * 1024);
    let (opened, peer) = tokio::join!(Connection::open_over(here, &options), Peer::accept(there));
    let (connection, inbox) = opened.unwrap();
    (connection, inbox, peer)
}

fn no_projects() -> serde_json::Value {
    serde_json::json!({ "projects": [] })
}

#[tokio::test]
async fn replies_find_their_requests_in_any_order() {
    let (connection, _inbox, mut peer) = pair(ConnectionOptions::default()).await;
    let (first, second) = (connection.clone(), connection);
    let asking = async { tokio::join!(first.ask(&ProjectList {}), second.ask(&HealthCheckAsk {})) };
    let serving = async {
        let (list, health) = (peer.receive().await, peer.receive().await);
        let refusal = ErrorBody::new(ErrorCode::Unavailable, "not now");
        peer.send(wire::error_frame(health.id.as_ref(), &refusal)).await;
        peer.answer(&list, no_projects()).await;
    };
    let ((list, health), ()) = tokio::join!(asking, serving);
    assert!(list.unwrap().projects.is_empty());
    assert!(
        matches!(health.unwrap_err(), AskError::Refused(e) if e.code == ErrorCode::Unavailable)
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_line_is_noticed_and_ends_what_is_in_flight() {
    let (connection, mut inbox, _peer_never_reads) = pair(ConnectionOptions::default()).await;
    let began = tokio::time::Instant::now();
    let asking = connection.ask_within(&ProjectList {}, Duration::from_secs(600));
    assert_eq!(asking.await.unwrap_err(), AskError::Disconnected);
    assert_eq!(began.elapsed().as_secs(), 45);
    assert!(matches!(connection.closed().await, Closed::Silent(_)));
    assert!(inbox.next().await.is_none());
    assert_eq!(connection.ask(&ProjectList {}).await.unwrap_err(), AskError::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn pings_keep_a_quiet_line_alive() {
    let (connection, _inbox, mut peer) = pair(ConnectionOptions::default()).await;
    let serving = tokio::spawn(async move {
        let mut pings = 0;
        while let Some(Ok(message)) = peer.0.next().await {
            pings += u32::from(message.is_ping());
        }
        pings
    });
    let quiet = tokio::time::timeout(Duration::from_secs(600), connection.closed()).await;
    assert!(quiet.is_err(), "still open after ten quiet minutes");
    connection.close();
    assert_eq!(connection.closed().await, Closed::Here);
    assert!(serving.await.unwrap() >= 39, "pinged every 15 s");
}

#[tokio::test(start_paused = true)]
async fn a_request_has_a_time_limit_and_leaves_nothing_behind() {
    let (connection, _inbox, mut peer) = pair(ConnectionOptions::default()).await;
    let asking = connection.ask_within(&ProjectList {}, Duration::from_secs(3));
    assert_eq!(asking.await.unwrap_err(), AskError::Timeout);
    let late = peer.receive().await;
    peer.answer(&late, no_projects()).await;
    let (reply, ()) = tokio::join!(connection.ask(&ProjectList {}), async {
        let request = peer.receive().await;
        peer.answer(&request, no_projects()).await;
    });
    assert!(reply.is_ok(), "the late reply went nowhere");
}

#[tokio::test]
async fn orders_are_answered_under_their_own_ids() {
    let (connection, mut inbox, mut peer) = pair(ConnectionOptions::default()).await;
    let asking = tokio::spawn(async move { connection.ask(&ProjectList {}).await });
    let request = peer.receive().await;
    // The server counts by itself: its ids may well be the same as the client's.
    for (name, id) in [("runner_measure", request.id.clone()), ("runner_kill", None)] {
        let id = id.unwrap_or(CorrelationId::Number(7));
        peer.send(wire::request_frame(name, &id, &serde_json::json!({}))).await;
    }
    let Some(Inbound::Order(measure)) = inbox.next().await else { panic!("an order") };
    assert_eq!(measure.name, "runner_measure");
    let data = RawValue::from_string("{\"x\":1}".to_owned()).unwrap();
    assert!(measure.responder.reply(Ok(data)).await);
    let reply = peer.receive().await;
    assert_eq!((reply.kind.as_str(), &reply.id), ("runner_measure", &request.id));
    let Some(Inbound::Order(kill)) = inbox.next().await else { panic!("an order") };
    let refusal = ErrorBody::new(ErrorCode::ProcessNotFound, "nothing runs");
    assert!(kill.responder.reply(Err(refusal)).await);
    let reply = peer.receive().await;
    assert_eq!((reply.kind.as_str(), reply.id.clone()), ("error", Some(CorrelationId::Number(7))));
    peer.answer(&request, no_projects()).await;
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test]
async fn large_frames_pass_in_both_directions() {
    let (connection, mut inbox, mut peer) = pair(ConnectionOptions::default()).await;
    let text = "x".repeat(8 * 1024 * 1024);
    let notice = serde_json::json!({ "text": text });
    assert!(connection.notice("runner_partial", &notice));
    assert!(peer.receive().await.data.unwrap().get().len() > text.len());
    let body = format!(r#"{{"type":"agent_message","data":{{"text":"{text}"}}}}"#);
    let topic = Topic::Project(ProjectId::generate());
    peer.send(wire::event_frame(&topic, &body, Some(1), Timestamp::now()).concat()).await;
    let Some(Inbound::Event(event)) = inbox.next().await else { panic!("an event") };
    assert_eq!((event.topic, event.seq), (topic, Some(1)));
    assert!(event.frame.data.unwrap().get().len() > text.len());
}

#[tokio::test(start_paused = true)]
async fn a_full_inbox_holds_the_line_and_loses_nothing() {
    let options = ConnectionOptions { inbox_frames: 4, ..ConnectionOptions::default() };
    let (connection, mut inbox, mut peer) = pair(options).await;
    let serving = tokio::spawn(async move {
        for n in 0..5000 {
            peer.send(format!(r#"{{"type":"server_stats","data":{n}}}"#)).await;
        }
        peer
    });
    let held = tokio::time::timeout(Duration::from_secs(300), connection.closed()).await;
    assert!(held.is_err(), "not reading is no silence of the server");
    for n in 0..5000 {
        let Some(Inbound::Fact(fact)) = inbox.next().await else { panic!("fact {n}") };
        assert_eq!(fact.data.unwrap().get(), n.to_string());
    }
    drop(serving.await.unwrap());
}

#[tokio::test]
async fn unreadable_frames_are_passed_over() {
    let (connection, mut inbox, mut peer) = pair(ConnectionOptions::default()).await;
    for bad in ["", "[]", "{", r#"{"type":"event"}"#, r#"{"type":"error","data":7}"#] {
        peer.send(bad).await;
    }
    peer.0.send(Message::binary(vec![0xFF, 0x00])).await.unwrap();
    peer.send(r#"{"type":"project_state","data":{}}"#).await;
    assert!(matches!(inbox.next().await, Some(Inbound::Fact(f)) if f.kind == "project_state"));
    drop(connection);
    assert!(inbox.next().await.is_none(), "closed with its last handle");
}

#[test]
fn close_codes_say_whether_to_come_back() {
    let closed = |code, reason: &str| Closed::There { code, reason: reason.to_owned() };
    for code in [4401, 4403, 4422] {
        assert!(closed(code, "").terminal().is_some(), "{code}");
    }
    for code in [1000, 1005, 1012, 4408, 4429, 4500, 4503] {
        assert!(closed(code, "").terminal().is_none(), "{code}");
    }
    let hint = closed(1012, r#"{"retry_in_ms":250}"#).retry_hint();
    assert_eq!(hint, Some(Duration::from_millis(250)));
    assert_eq!(closed(1012, "soon").retry_hint(), None);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_though_the_refusal_names_no_id() {
    let (connection, _inbox, mut peer) = pair(ConnectionOptions::default()).await;
    let small = connection.ask(&ProjectList {});
    let text = RawValue::from_string(format!("\"{}\"", "x".repeat(2000))).unwrap();
    let large = connection.ask_raw("execute", text, Duration::from_secs(60));
    let server = async {
        let first = peer.receive().await;
        peer.receive().await;
        peer.send(wire::error_frame(None, &wire::too_large(2040, 1024))).await;
        peer.answer(&first, no_projects()).await;
    };
    let (small, large, ()) = tokio::join!(small, large, server);
    assert!(small.unwrap().projects.is_empty(), "it was small enough");
    let AskError::Refused(error) = large.unwrap_err() else { panic!("a refusal") };
    assert_eq!(error.code, ErrorCode::MessageTooLarge);
    assert!(error.message.ends_with("the limit message_bytes is 1024"), "{}", error.message);
}
