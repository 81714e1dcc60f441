//! On the local network: a server announces itself, is found, used where a certificate vouches for
//! it, and says goodbye; liars are shown as what they are.
//!
//! Everything goes over the loopback interface, each test on a port of its own.

use std::net::UdpSocket;
use std::process::Stdio;
use std::time::Duration;

use mdns_sd::{IfKind, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::*;

const SERVICE: &str = "_afield._tcp.local.";
/// The loopback interface.
const LOOPBACK: &str = if cfg!(target_os = "macos") { "lo0" } else { "lo" };
const PATIENCE: Duration = Duration::from_secs(60);

/// A network of its own: nobody else uses this port.
struct Network {
    port: u16,
    dir: tempfile::TempDir,
}

impl Network {
    fn new() -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { port: free.local_addr().unwrap().port(), dir: tempfile::tempdir().unwrap() }
    }

    fn command(&self, machine: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_afield"));
        command
            .arg("--data-dir")
            .arg(self.dir.path().join(machine))
            .args(args)
            .env("AFIELD_DISCOVERY__INTERFACES", LOOPBACK)
            .env("AFIELD_DISCOVERY__PORT", self.port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn start(&self, machine: &str, args: &[&str]) -> Process {
        let mut command = self.command(machine, args);
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Process { child, lines }
    }

    /// A server that others could reach, announced.
    async fn server(&self) -> Process {
        let args = ["server", "--listen", "0.0.0.0:0", "--tls", "self-signed", "--announce"];
        let mut server = self.start("server", &[&args[..], &["--json"]].concat());
        assert_eq!(server.json().await["event"], "ready");
        server
    }

    async fn run(&self, machine: &str, args: &[&str]) -> (Option<i32>, String, String) {
        let output = tokio::time::timeout(PATIENCE, self.command(machine, args).output());
        let output = output.await.unwrap().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    async fn discover(&self, machine: &str) -> Vec<Value> {
        let (code, found, _) = self.run(machine, &["discover", "--json"]).await;
        assert_eq!(code, Some(0));
        serde_json::from_str(&found).unwrap()
    }

    /// Somebody else who speaks multicast DNS.
    fn other(&self) -> ServiceDaemon {
        let daemon = ServiceDaemon::new_with_port(self.port).unwrap();
        daemon.disable_interface(IfKind::All).unwrap();
        daemon.enable_interface(LOOPBACK).unwrap();
        daemon
    }

    fn certificate(&self) -> String {
        let server = std::fs::read(self.dir.path().join("server/server.json")).unwrap();
        let server: Value = serde_json::from_slice(&server).unwrap();
        server["fingerprint"].as_str().unwrap().to_owned()
    }
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    async fn json(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line());
        serde_json::from_str(&line.await.unwrap().unwrap().unwrap()).unwrap()
    }

    /// Starts a pairing on the server's machine and returns what it shows.
    async fn shown(&mut self) -> Value {
        let shown = self.json().await;
        assert_eq!(shown["event"], "started");
        shown
    }

    async fn let_in(&mut self) {
        assert_eq!(self.json().await["event"], "claimed");
        self.child.stdin.as_mut().unwrap().write_all(b"y\n").await.unwrap();
        assert_eq!(self.json().await["pairing"]["state"], "approved");
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    }
}

/// Waits for an event of somebody who looks.
async fn seen(
    events: &mdns_sd::Receiver<ServiceEvent>,
    wanted: fn(ServiceEvent) -> Option<Vec<String>>,
) -> Vec<String> {
    let events = events.clone();
    let wait = move || {
        loop {
            let event = events.recv_timeout(PATIENCE).expect("an event in time");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    };
    tokio::task::spawn_blocking(wait).await.unwrap()
}

#[tokio::test]
async fn a_server_is_announced_and_says_goodbye() {
    let network = Network::new();
    let (_, nobody, advice) = network.run("laptop", &["discover", "--timeout", "1s"]).await;
    assert_eq!(nobody, "");
    assert!(advice.contains("--announce") && advice.contains("firewalls"), "{advice}");
    let mut server = network.server().await;
    let looks = network.other();
    let events = looks.browse(SERVICE).unwrap();
    let mut told = seen(&events, |event| match event {
        ServiceEvent::ServiceResolved(service) => {
            Some(service.get_properties().iter().map(|told| told.key().to_owned()).collect())
        }
        _ => None,
    })
    .await;
    told.sort();
    assert_eq!(told, ["key", "name", "protocol", "scheme", "version"], "and nothing else");
    let found = network.discover("laptop").await;
    let [found] = found.as_slice() else { panic!("one server: {found:?}") };
    assert_eq!(found["name"], "afield");
    assert!(found["urls"][0].as_str().unwrap().starts_with("https://127.0.0.1:"), "{found}");
    assert_eq!(found["paired"], false);
    server.terminate();
    seen(&events, |event| match event {
        ServiceEvent::ServiceRemoved(_, name) => Some(vec![name]),
        _ => None,
    })
    .await;
    assert!(server.child.wait().await.unwrap().success());
    assert_eq!(network.discover("laptop").await, Vec::<Value>::new());
    looks.shutdown().unwrap();
}

#[tokio::test]
async fn what_only_this_machine_reaches_is_not_announced() {
    let network = Network::new();
    let refused = network.run("server", &["server", "--listen", "127.0.0.1:0", "--announce"]).await;
    assert_eq!(refused.0, Some(2));
    assert!(refused.2.contains("only this machine reaches"), "{}", refused.2);
    let quiet = network.run("server", &["discover", "--timeout", "1s", "--json"]).await;
    assert_eq!(quiet.1.trim(), "[]");
}

#[tokio::test]
async fn a_link_that_leads_nowhere_finds_its_server_among_liars() {
    let network = Network::new();
    let _server = network.server().await;
    let real = network.discover("laptop").await.remove(0);
    // A liar has the server's key on its tongue, and nothing that answers with it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let told = [("scheme", "https"), ("key", real["key"].as_str().unwrap()), ("name", "real one")];
    let port = silent.local_addr().unwrap().port();
    let lie = ServiceInfo::new(SERVICE, "liar", "liar.local.", "127.0.0.1", port, &told[..]);
    let liar = network.other();
    liar.register(lie.unwrap()).unwrap();
    let pair = ["pair", "--json", "--address", "https://127.0.0.1:1"];
    let mut pair = network.start("server", &pair);
    let shown = pair.shown().await;
    let login = ["login", shown["link"].as_str().unwrap(), "--json"];
    let mut login = network.start("laptop", &login);
    pair.let_in().await;
    let done = login.json().await;
    assert_eq!(done["server"], real["urls"][0]);
    assert_eq!(network.run("laptop", &["projects", "list"]).await.0, Some(0));
    let found = network.discover("laptop").await;
    let said: Vec<&Value> = found.iter().map(|server| &server["paired"]).collect();
    assert_eq!(said, [true, true], "both say so, and that is all it says");
    liar.shutdown().unwrap();
}

#[tokio::test]
async fn a_typed_code_goes_to_the_named_certificate_and_to_nobody_else() {
    let network = Network::new();
    let _server = network.server().await;
    let mut pair = network.start("server", &["pair", "--runner", "--json"]);
    let shown = pair.shown().await;
    let code = shown["code"].as_str().unwrap();
    let (exit, _, why) = network.run("box", &["runner", "--pair", code]).await;
    assert_eq!(exit, Some(2));
    assert!(why.contains("--fingerprint HEX") && why.contains("\"afield\" at https://"), "{why}");
    let wrong = "ab".repeat(32);
    let (exit, _, why) =
        network.run("box", &["runner", "--pair", code, "--fingerprint", &wrong]).await;
    assert_ne!(exit, Some(0));
    assert!(why.contains("has the certificate that was named"), "{why}");
    let certificate = network.certificate();
    let start = ["runner", "--pair", code, "--fingerprint", &certificate, "--json"];
    let mut runner = network.start("box", &start);
    pair.let_in().await;
    assert_eq!(runner.json().await["event"], "connected");
}

/// A name as it stands in a DNS message.
fn name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// An answer nobody asked for: pointer, address and a text record of these texts.
fn announcement(instance: &str, texts: &[String]) -> Vec<u8> {
    let (service, full) = (name(SERVICE), name(&format!("{instance}.{SERVICE}")));
    let host = name(&format!("{instance}.local."));
    let text = texts
        .iter()
        .flat_map(|text| std::iter::once(u8::try_from(text.len()).unwrap()).chain(text.bytes()));
    let place = [&[0, 0, 0, 0, 0, 7][..], &host].concat();
    let records = [
        (&service, 12_u16, full.clone()),
        (&full, 33, place),
        (&full, 16, text.collect()),
        (&host, 1, vec![127, 0, 0, 1]),
    ];
    let mut message = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    for (of, kind, data) in records {
        message.extend(of);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 120]);
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
    }
    message
}

#[tokio::test]
async fn hostile_announcements_are_shown_for_what_they_are() {
    let network = Network::new();
    let _server = network.server().await;
    let key = "ab".repeat(32);
    let base = ["scheme=https".to_owned(), format!("key={key}")];
    let evil = "name=\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}xob\r\n".to_owned();
    let spoken = announcement("evil", &[&base[..], &[evil]].concat());
    let mut long: Vec<String> =
        (0..50).map(|number| format!("k{number}={}", "x".repeat(200))).collect();
    long.extend(base);
    let large = announcement("large", &long);
    assert!(large.len() > 10_000);
    let torn = &spoken[..spoken.len() / 2];
    // Sent from the loopback address, they go out on the loopback interface.
    let mouth = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut looking = network.command("laptop", &["discover"]).spawn().unwrap();
    let ended = loop {
        for message in [&spoken[..], &large, torn] {
            mouth.send_to(message, ("224.0.0.251", network.port)).unwrap();
        }
        let waited = tokio::time::timeout(Duration::from_millis(100), looking.wait()).await;
        if let Ok(ended) = waited {
            break ended.unwrap();
        }
    };
    assert!(ended.success());
    let output = looking.wait_with_output().await.unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("\\u{1b}[2J\\u{1b}]0;owned\\u{7}\\u{202e}xob"), "{shown}");
    let obeyed = |letter: &char| (letter.is_control() && *letter != '\n') || *letter == '\u{202e}';
    assert_eq!(shown.chars().find(obeyed), None, "{shown:?}");
    assert!(shown.contains("afield "), "the real one is there as well: {shown}");
    assert!(shown.len() < 4_000, "{} bytes", shown.len());
}
