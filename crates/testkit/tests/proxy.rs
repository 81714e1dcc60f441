//! The fault proxy does what it was told, and nothing to the bytes.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::{Duration, Instant};

use testkit::proxy::{Conditions, Counts, Cut, CutKind, Proxy, Way};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A server that lets the test play its side: each accepted connection is handed over.
async fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

struct Pair {
    proxy: Proxy,
    client: TcpStream,
    server: TcpStream,
}

async fn pair(seed: u64, to_client: Conditions) -> Pair {
    let (listener, address) = server().await;
    let proxy = Proxy::start(address, seed).await.expect("it starts");
    proxy.set(Way::ToClient, to_client);
    let client = TcpStream::connect(proxy.address()).await.expect("it accepts");
    let (server, _) = listener.accept().await.expect("it passes on");
    Pair { proxy, client, server }
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 31 % 251).expect("less than 256")).collect()
}

fn cut(after_bytes: u64, how: CutKind) -> Conditions {
    Conditions { cut: Some(Cut { after_bytes, how }), ..Conditions::default() }
}

#[tokio::test]
async fn bytes_pass_both_ways_and_ends_do_too() {
    let Pair { proxy, mut client, mut server } = pair(1, Conditions::default()).await;
    let sent = noise(300_000);
    let forth = async {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.unwrap();
        back
    };
    let echo = async {
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        server.write_all(&received).await.unwrap();
        drop(server);
    };
    let (back, ()) = tokio::join!(forth, echo);
    assert!(back == sent);
    let counts = proxy.wait_for(|counts| counts.to_clients == 300_000).await;
    let whole = 300_000;
    let expected = Counts {
        connections: 1,
        from_clients: whole,
        to_server: whole,
        from_server: whole,
        to_clients: whole,
    };
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn torn_and_late_bytes_keep_their_order() {
    let conditions = Conditions {
        jitter: Duration::from_millis(3),
        piece_bytes_max: NonZeroUsize::new(7),
        ..Conditions::default()
    };
    let Pair { proxy: _proxy, mut client, mut server } = pair(2, conditions).await;
    let sent = noise(5_000);
    server.write_all(&sent).await.unwrap();
    drop(server);
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert!(received == sent);
}

#[tokio::test]
async fn a_delay_and_a_bandwidth_take_their_time() {
    let late = Conditions { delay: Duration::from_millis(80), ..Conditions::default() };
    let Pair { proxy, mut client, mut server } = pair(3, late).await;
    let began = Instant::now();
    server.write_all(b"x").await.unwrap();
    client.read_u8().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(80));

    let slow = Conditions { bytes_per_second: NonZeroU64::new(100_000), ..Conditions::default() };
    proxy.set(Way::ToClient, slow);
    let began = Instant::now();
    server.write_all(&noise(20_000)).await.unwrap();
    client.read_exact(&mut vec![0; 20_000]).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(140), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_cut_comes_after_exactly_so_many_bytes() {
    for at in [0, 1, 1000, 9_999] {
        let Pair { proxy: _proxy, mut client, mut server } = pair(4, cut(at, CutKind::Close)).await;
        let sent = noise(10_000);
        // The way back is closed before all of it is taken: an error here is part of the cut.
        let _ = server.write_all(&sent).await;
        let mut received = Vec::new();
        let _ = client.read_to_end(&mut received).await;
        assert_eq!(received.len() as u64, at);
        assert!(sent.starts_with(&received));
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_for_both() {
    let Pair { proxy: _proxy, mut client, mut server } = pair(5, cut(3, CutKind::Reset)).await;
    server.write_all(b"abcdef").await.unwrap();
    let mut received = Vec::new();
    let error = client.read_to_end(&mut received).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let error = server.read_to_end(&mut received).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_half_close_leaves_the_other_way() {
    let half = cut(2, CutKind::HalfClose);
    let Pair { proxy: _proxy, mut client, mut server } = pair(6, half).await;
    server.write_all(b"abcdef").await.unwrap();
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"ab");
    client.write_all(b"still here").await.unwrap();
    let mut heard = [0; 10];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
    server.write_all(b"nobody hears this").await.unwrap();
}

#[tokio::test]
async fn a_blackhole_holds_one_way_until_it_ends() {
    let Pair { proxy, mut client, mut server } = pair(7, Conditions::default()).await;
    proxy.set(Way::ToServer, Conditions { blackhole: true, ..Conditions::default() });
    client.write_all(b"hold").await.unwrap();
    proxy.wait_for(|counts| counts.from_clients == 4).await;
    // The other way is open: this answer overtakes what is held.
    server.write_all(b"free").await.unwrap();
    let mut back = [0; 4];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(proxy.counts().to_server, 0);
    proxy.heal();
    let mut forth = [0; 4];
    server.read_exact(&mut forth).await.unwrap();
    assert_eq!((&forth, &back), (b"hold", b"free"));
}

#[tokio::test]
async fn cutting_all_spares_those_who_come_later() {
    let (listener, address) = server().await;
    let proxy = Proxy::start(address, 8).await.unwrap();
    let mut early = TcpStream::connect(proxy.address()).await.unwrap();
    let (_held, _) = listener.accept().await.unwrap();
    proxy.cut_all(CutKind::Reset);
    let error = early.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let mut later = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"y").await.unwrap();
    assert_eq!(later.read_u8().await.unwrap(), b'y');
}
