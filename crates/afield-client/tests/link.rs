//! A link against a scripted server on a real socket: coming back, continuing, giving up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use afield_client::{
    AskError, DialOptions, Endpoint, Fingerprint, Follow, Followed, Gap, Link, LinkOptions,
    LinkState, Trust,
};
use afield_proto::request::{ProjectList, SubscribeReply, Verdict};
use afield_proto::wire::{self, Incoming};
use afield_proto::{ErrorBody, ErrorCode, ProjectId, Timestamp, Topic};
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

struct Server(TcpListener);

struct Peer<S = TcpStream>(WebSocketStream<S>);

impl Server {
    async fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    fn link(&self) -> Link {
        self.link_with(Duration::from_millis(20))
    }

    fn link_with(&self, backoff_min: Duration) -> Link {
        let dial = DialOptions { backoff_min, backoff_max: backoff_min, ..DialOptions::default() };
        let endpoint = Endpoint::new(&self.url(), "t").unwrap();
        Link::start(endpoint, LinkOptions { dial, ..LinkOptions::default() })
    }

    async fn accept(&self) -> Peer {
        Peer::over(self.0.accept().await.unwrap().0).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    async fn over(stream: S) -> Self {
        #[expect(clippy::result_large_err, reason = "the callback's type is given")]
        let choose = |request: &Request, mut response: Response| {
            let protocol = request.headers()["sec-websocket-protocol"].clone();
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

    async fn send(&mut self, text: String) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Answers one subscription; returns the number it asked to continue after.
    async fn subscribed(&mut self, seq: u64, verdict: Verdict) -> Option<u64> {
        let request = self.receive().await;
        assert_eq!(request.kind, "subscribe");
        let asked: afield_proto::request::Subscribe = request.data().unwrap();
        let reply = SubscribeReply { topic: asked.topic, seq, verdict };
        self.send(wire::reply_frame("subscribe", request.id.as_ref(), None, &reply)).await;
        asked.after
    }

    async fn event(&mut self, topic: Topic, seq: Option<u64>) {
        let body = r#"{"type":"server_stats","data":{}}"#;
        self.send(wire::event_frame(&topic, body, seq, Timestamp::now()).concat()).await;
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        self.0.send(Message::Close(Some(frame))).await.unwrap();
        while let Some(Ok(_)) = self.0.next().await {}
    }
}

fn topic() -> Topic {
    Topic::Project(ProjectId::generate())
}

async fn seqs(follow: &mut Follow, count: usize) -> Vec<Option<u64>> {
    let mut seen = Vec::new();
    while seen.len() < count {
        match follow.next().await {
            Some(Followed::Event(event)) => seen.push(event.seq),
            other => panic!("an event is expected, not {other:?}"),
        }
    }
    seen
}

#[tokio::test]
async fn continues_after_the_last_event_and_shows_each_once() {
    let (server, topic) = (Server::listen().await, topic());
    let link = server.link();
    let serving = async {
        let mut peer = server.accept().await;
        assert_eq!(peer.subscribed(7, Verdict::Ok).await, Some(5));
        for seq in [6, 7, 8] {
            peer.event(topic, Some(seq)).await;
        }
        drop(peer);
        let mut peer = server.accept().await;
        assert_eq!(peer.subscribed(10, Verdict::Ok).await, Some(8), "resumes where it stopped");
        for seq in [7, 8, 9, 10] {
            peer.event(topic, Some(seq)).await;
        }
        peer
    };
    let following = async {
        let mut follow = link.follow(topic, Some(5)).await.unwrap();
        assert_eq!(follow.start(), 7);
        seqs(&mut follow, 5).await
    };
    let (_peer, seen) = tokio::join!(serving, following);
    assert_eq!(seen, [6, 7, 8, 9, 10].map(Some));
}

#[tokio::test]
async fn a_gap_is_said_and_following_goes_on() {
    let (server, topic) = (Server::listen().await, topic());
    let link = server.link();
    let serving = async {
        let mut peer = server.accept().await;
        assert_eq!(peer.subscribed(95, Verdict::Gap).await, Some(3));
        // What the server still has.
        peer.event(topic, Some(91)).await;
        peer.event(topic, Some(94)).await;
        peer
    };
    let following = async {
        let mut follow = link.follow(topic, Some(3)).await.unwrap();
        let gap = |followed| match followed {
            Some(Followed::Gap(gap)) => gap,
            other => panic!("a gap is expected, not {other:?}"),
        };
        assert_eq!(gap(follow.next().await), Gap { after: 3, until: 90 });
        assert_eq!(seqs(&mut follow, 1).await, [Some(91)]);
        assert_eq!(gap(follow.next().await), Gap { after: 91, until: 93 });
        assert_eq!(seqs(&mut follow, 1).await, [Some(94)]);
    };
    tokio::join!(serving, following);
}

#[tokio::test]
async fn ephemeral_events_pass_without_a_number() {
    let (server, topic) = (Server::listen().await, topic());
    let link = server.link();
    let serving = async {
        let mut peer = server.accept().await;
        assert_eq!(peer.subscribed(4, Verdict::Ok).await, None);
        peer.event(topic, None).await;
        peer.event(topic, Some(5)).await;
        peer.event(topic, None).await;
        peer
    };
    let following = async {
        let mut follow = link.follow(topic, None).await.unwrap();
        seqs(&mut follow, 3).await
    };
    let (_peer, seen) = tokio::join!(serving, following);
    assert_eq!(seen, [None, Some(5), None]);
}

#[tokio::test]
async fn a_refusal_for_good_ends_it() {
    for code in [ErrorCode::Unauthorized, ErrorCode::Forbidden, ErrorCode::ProtocolMismatch] {
        let server = Server::listen().await;
        let link = server.link();
        let mut state = link.state();
        let mut peer = server.accept().await;
        peer.close(code.close_code(), "no").await;
        let ended = state.wait_for(|state| matches!(state, LinkState::Ended(_))).await.unwrap();
        assert!(matches!(&*ended, LinkState::Ended(error) if error.code == code));
        drop(ended);
        let asked = link.ask(&ProjectList {}).await.unwrap_err();
        assert!(matches!(asked, AskError::Refused(error) if error.code == code));
        let followed = link.follow(topic(), None).await.unwrap_err();
        assert!(matches!(followed, AskError::Refused(error) if error.code == code));
    }
}

#[tokio::test]
async fn a_refused_upgrade_ends_it_with_the_servers_words() {
    let server = Server::listen().await;
    let link = server.link();
    let (mut stream, _) = server.0.accept().await.unwrap();
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    let body = serde_json::to_string(&ErrorBody::new(ErrorCode::Unauthorized, "revoked")).unwrap();
    let answer = format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    let asked = link.ask(&ProjectList {}).await.unwrap_err();
    assert!(matches!(asked, AskError::Refused(error) if error.message == "revoked"));
}

#[tokio::test]
async fn comes_back_when_the_server_asked_it_to() {
    let server = Server::listen().await;
    // Its own wait would be an hour.
    let link = server.link_with(Duration::from_secs(3600));
    let mut first = server.accept().await;
    first.close(1012, r#"{"retry_in_ms":30}"#).await;
    let mut second = server.accept().await;
    second.close(1012, r#"{"retry_in_ms":30}"#).await;
    let third = tokio::time::timeout(Duration::from_secs(30), server.accept()).await;
    assert!(third.is_ok(), "the hint goes before the backoff");
    drop(link);
}

#[tokio::test]
async fn requests_in_flight_fail_and_harmless_ones_are_asked_again() {
    let server = Server::listen().await;
    let link = server.link();
    let serving = async {
        let mut peer = server.accept().await;
        let (first, second) = (peer.receive().await, peer.receive().await);
        assert_eq!((first.kind, second.kind), ("project_list".into(), "project_list".into()));
        drop(peer);
        let mut peer = server.accept().await;
        let again = peer.receive().await;
        let reply = serde_json::json!({ "projects": [] });
        peer.send(wire::reply_frame(&again.kind, again.id.as_ref(), None, &reply)).await;
        peer
    };
    let request = ProjectList {};
    let (_peer, once, repeated) = tokio::join!(
        serving,
        link.ask(&request),
        link.ask_until_answered(&request, Duration::from_secs(30)),
    );
    assert_eq!(once.unwrap_err(), AskError::Disconnected);
    assert!(repeated.unwrap().projects.is_empty());
}

#[tokio::test]
async fn a_refused_topic_is_an_error_and_a_second_follower_too() {
    let (server, topic) = (Server::listen().await, topic());
    let link = server.link();
    let serving = async {
        let mut peer = server.accept().await;
        let request = peer.receive().await;
        let refusal = ErrorBody::new(ErrorCode::NotFound, "no such topic");
        peer.send(wire::error_frame(request.id.as_ref(), &refusal)).await;
        peer.subscribed(1, Verdict::Ok).await;
        peer
    };
    let following = async {
        let refused = link.follow(topic, None).await.unwrap_err();
        assert!(matches!(refused, AskError::Refused(error) if error.code == ErrorCode::NotFound));
        let held = link.follow(topic, None).await.unwrap();
        let twice = link.follow(topic, None).await.unwrap_err();
        assert!(matches!(twice, AskError::Refused(error) if error.code == ErrorCode::Conflict));
        held
    };
    tokio::join!(serving, following);
}

#[tokio::test]
async fn says_that_it_is_offline_and_why() {
    let server = Server::listen().await;
    let link = server.link();
    let mut state = link.state();
    let peer = server.accept().await;
    state.wait_for(|state| matches!(state, LinkState::Online { .. })).await.unwrap();
    drop((peer, server));
    let offline = state.wait_for(|state| matches!(state, LinkState::Offline { .. })).await.unwrap();
    assert!(matches!(&*offline, LinkState::Offline { reason, .. } if !reason.is_empty()));
}

mod tls {
    use super::*;
    use std::sync::Arc;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

    struct Certificate {
        acceptor: TlsAcceptor,
        fingerprint: Fingerprint,
        pem: String,
    }

    fn certificate() -> Certificate {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Certificate {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            fingerprint: Fingerprint::of(made.cert.der()),
            pem: made.cert.pem(),
        }
    }

    async fn connects(certificate: &Certificate, trust: Trust) -> bool {
        let server = Server::listen().await;
        let url = format!("https://localhost:{}", server.0.local_addr().unwrap().port());
        let endpoint = Endpoint::new(&url, "t").unwrap().with_trust(trust);
        let link = Link::start(endpoint, LinkOptions::default());
        let mut state = link.state();
        let settled = state.wait_for(|state| !matches!(state, LinkState::Connecting));
        let serving = async {
            let (stream, _) = server.0.accept().await.unwrap();
            match certificate.acceptor.accept(stream).await {
                Ok(stream) => Some(Peer::over(stream).await),
                Err(_) => None,
            }
        };
        let (settled, _peer) = tokio::join!(settled, serving);
        matches!(&*settled.unwrap(), LinkState::Online { .. })
    }

    #[tokio::test]
    async fn only_the_certificate_that_is_trusted_is_accepted() {
        let (right, other) = (certificate(), certificate());
        assert!(connects(&right, Trust::Fingerprint(right.fingerprint)).await);
        assert!(!connects(&right, Trust::Fingerprint(other.fingerprint)).await);
        let file = |certificate: &Certificate| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &certificate.pem).unwrap();
            file
        };
        let (right_file, other_file) = (file(&right), file(&other));
        assert!(connects(&right, Trust::CaFile(right_file.path().to_owned())).await);
        assert!(!connects(&right, Trust::CaFile(other_file.path().to_owned())).await);
    }
}
