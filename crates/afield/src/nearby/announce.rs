//! A server says that it is there, until it says goodbye.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use afield_proto::device::is_name;
use afield_proto::limits::PROTOCOL_VERSIONS;
use mdns_sd::{ServiceDaemon, ServiceInfo};

use super::{SERVICE, failed, open};
use crate::config::Discovery;
use crate::failure::Failure;

/// How long the goodbye may take: it is one packet for each interface.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// Digits of the key's fingerprint in the names of the network, which must differ from others'.
const NAME_DIGITS: usize = 16;
/// Bytes of the name, so that it fits into one text of a record with room for its key.
const NAME_BYTES_MAX: usize = 63;

/// What is announced.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Whether connections to it are encrypted.
    pub secure: bool,
    /// SHA-256 of its key, in hexadecimal.
    pub key: &'a str,
}

/// A server that is announced. [`Announced::goodbye`] takes it back.
pub(crate) struct Announced {
    daemon: ServiceDaemon,
    fullname: String,
}

/// **Errors**: an address nobody else can reach, a name that can't be told.
pub(crate) fn check(address: SocketAddr, name: &str) -> Result<(), Failure> {
    if address.ip().to_canonical().is_loopback() {
        let why = format!(
            "only this machine reaches {address}, so there is nothing to announce to others"
        );
        return Err(Failure::usage(why)
            .with_next("leave --announce out, or: --listen 0.0.0.0:7433 --tls self-signed"));
    }
    if !is_name(name) || name.len() > NAME_BYTES_MAX {
        let what = format!(
            "discovery.name must have 1 to {NAME_BYTES_MAX} bytes and no control characters"
        );
        return Err(Failure::usage(what));
    }
    Ok(())
}

impl Announced {
    /// Says that the server is there, now and to whoever asks.
    ///
    /// **Errors**: no socket for multicast DNS.
    pub(crate) fn start(settings: &Discovery, subject: &Subject<'_>) -> Result<Self, Failure> {
        let service = service(&settings.name, subject).map_err(failed)?;
        let fullname = service.get_fullname().to_owned();
        let daemon = open(settings)?;
        daemon.register(service).map_err(failed)?;
        Ok(Self { daemon, fullname })
    }

    /// Tells the network that it is gone.
    pub(crate) async fn goodbye(self) {
        let said = tokio::task::spawn_blocking(move || {
            let told =
                self.daemon.unregister(&self.fullname)?.recv_timeout(GOODBYE_TIMEOUT).is_ok();
            let ended = self.daemon.shutdown()?.recv_timeout(GOODBYE_TIMEOUT).is_ok();
            Ok::<_, mdns_sd::Error>(told && ended)
        });
        if !matches!(said.await, Ok(Ok(true))) {
            tracing::warn!("the local network was not told that the server is gone");
        }
    }
}

/// What is told: enough to recognise the server by its key, and nothing of the machine it is on.
fn service(name: &str, subject: &Subject<'_>) -> mdns_sd::Result<ServiceInfo> {
    let Subject { address, secure, key } = subject;
    let unique = format!("afield-{}", &key[..NAME_DIGITS.min(key.len())]);
    let (oldest, newest) = PROTOCOL_VERSIONS;
    let told = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("protocol", format!("{oldest}-{newest}")),
        ("scheme", if *secure { "https" } else { "http" }.to_owned()),
        ("key", (*key).to_owned()),
        ("name", name.to_owned()),
    ];
    let host = format!("{unique}.local.");
    let ips: &[IpAddr] = if address.ip().is_unspecified() { &[] } else { &[address.ip()] };
    let service = ServiceInfo::new(SERVICE, &unique, &host, ips, address.port(), &told[..])?;
    Ok(if ips.is_empty() { service.enable_addr_auto() } else { service })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn what_is_told_is_this_and_nothing_else() {
        let subject =
            Subject { address: "192.168.1.5:7433".parse().unwrap(), secure: true, key: KEY };
        let service = service("box", &subject).unwrap();
        let told: Vec<String> =
            service.get_properties().iter().map(|told| told.to_string()).collect();
        let version = format!("version={}", env!("CARGO_PKG_VERSION"));
        let (oldest, newest) = PROTOCOL_VERSIONS;
        let protocol = format!("protocol={oldest}-{newest}");
        let key = format!("key={KEY}");
        assert_eq!(told, [&version, &protocol, "scheme=https", &key, "name=box"]);
        assert_eq!(service.get_hostname(), "afield-0011223344556677.local.");
        assert_eq!(service.get_fullname(), "afield-0011223344556677._afield._tcp.local.");
        assert_eq!(service.get_port(), 7433);
        assert_eq!(service.get_addresses().len(), 1);
        assert!(!service.is_addr_auto(), "the one address it listens on, and no other");
    }

    #[test]
    fn what_nobody_reaches_is_not_announced() {
        for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            let refused = check(address.parse().unwrap(), "box").unwrap_err();
            assert!(refused.to_string().contains("only this machine reaches"), "{refused}");
        }
        for address in ["0.0.0.0:1", "[::]:1", "192.168.1.5:1"] {
            check(address.parse().unwrap(), "box").unwrap();
        }
        for name in ["", " ", "a\u{1b}[31m", &"x".repeat(64)] {
            assert!(check("0.0.0.0:1".parse().unwrap(), name).is_err(), "{name:?}");
        }
    }
}
