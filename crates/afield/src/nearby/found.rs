//! What was heard of one server, read with suspicion: anybody in the network can have said it.

use std::net::{IpAddr, SocketAddr};

use afield_proto::device::shown_name;
use mdns_sd::ResolvedService;
use serde::Serialize;

/// Addresses of one server that are looked at: a machine has a few, a liar as many as fit.
const ADDRESSES_MAX: usize = 4;
/// Characters of a version or of a protocol range.
const SHORT_TEXT_MAX: usize = 32;
/// Hexadecimal digits of SHA-256.
const KEY_DIGITS: usize = 64;

/// A server as it was announced; nothing of it has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    /// The name it gives itself, with what could deceive written out.
    pub name: String,
    /// Its addresses, the first one to be tried first.
    pub urls: Vec<String>,
    /// SHA-256 of the key it says it has.
    pub key: String,
    /// Its version.
    pub version: String,
    /// The versions of the protocol it speaks.
    pub protocol: String,
    /// Whether it says that it is the server this machine is paired with.
    pub paired: bool,
}

impl Found {
    /// Reads an announcement. `None` for what is no announcement of a server.
    pub(super) fn read(service: &ResolvedService) -> Option<Self> {
        let told = |key| service.get_property_val_str(key);
        let scheme = told("scheme").filter(|scheme| matches!(*scheme, "http" | "https"))?;
        let is_key = |key: &&str| {
            key.len() == KEY_DIGITS && key.bytes().all(|digit| digit.is_ascii_hexdigit())
        };
        let key = told("key").filter(is_key)?.to_ascii_lowercase();
        let addresses = service.get_addresses().iter().map(|address| address.to_ip_addr());
        let urls = urls(scheme, addresses.collect(), service.get_port());
        let short = |key| {
            let text = told(key).unwrap_or_default();
            shown_name(&text.chars().take(SHORT_TEXT_MAX).collect::<String>())
        };
        let name = shown_name(told("name").unwrap_or_default());
        let (version, protocol) = (short("version"), short("protocol"));
        (!urls.is_empty()).then_some(Self { name, urls, key, version, protocol, paired: false })
    }

    /// Whether connections to it are said to be encrypted.
    pub(super) fn is_secure(&self) -> bool {
        self.urls.iter().all(|url| url.starts_with("https://"))
    }
}

/// Addresses as people write them. Those of one link alone need the name of an interface, which no
/// URL has.
fn urls(scheme: &str, mut addresses: Vec<IpAddr>, port: u16) -> Vec<String> {
    addresses.retain(|address| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    });
    addresses.sort_unstable();
    addresses.truncate(ADDRESSES_MAX);
    let url = |address| format!("{scheme}://{}", SocketAddr::new(address, port));
    addresses.into_iter().map(url).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdns_sd::ServiceInfo;

    const KEY: &str = "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff";

    fn heard(told: &[(&str, &str)], addresses: &str) -> Option<Found> {
        let service = ServiceInfo::new("_afield._tcp.local.", "x", "x.local.", addresses, 7, told);
        Found::read(&service.unwrap().as_resolved_service())
    }

    #[test]
    fn an_announcement_is_read() {
        let told = [("scheme", "https"), ("key", KEY), ("name", "box"), ("version", "1.2.3")];
        let found = heard(&told, "fe80::1,192.168.1.5,fd00::5").unwrap();
        assert_eq!(found.urls, ["https://192.168.1.5:7", "https://[fd00::5]:7"]);
        assert_eq!(found.key, KEY.to_lowercase());
        assert_eq!((found.name.as_str(), found.version.as_str()), ("box", "1.2.3"));
        assert!(found.is_secure() && !found.paired);
    }

    #[test]
    fn what_could_deceive_is_written_out_and_cut() {
        let (name, version) = ("\u{1b}[2Jbox\u{202e}\n", "9\r".repeat(100));
        let told = [("scheme", "http"), ("key", KEY), ("name", name), ("version", &version)];
        let found = heard(&told, "10.0.0.1").unwrap();
        assert_eq!(found.name, "\\u{1b}[2Jbox\\u{202e}\\u{a}");
        assert!(found.version.starts_with("9\\u{d}") && found.version.len() <= 6 * SHORT_TEXT_MAX);
        assert!(!found.is_secure());
    }

    #[test]
    fn ten_kilobytes_of_texts_are_nothing_but_texts() {
        let keys: Vec<String> = (0..50).map(|number| format!("k{number}")).collect();
        let long = "x".repeat(200);
        let mut told: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), &*long)).collect();
        told.extend([("scheme", "https"), ("key", KEY), ("name", &long)]);
        let many: Vec<String> = (1..200).map(|number| format!("10.0.0.{number}")).collect();
        let found = heard(&told, &many.join(",")).unwrap();
        assert_eq!(found.urls.len(), ADDRESSES_MAX);
        assert!(serde_json::to_string(&found).unwrap().len() < 1_000);
    }

    #[test]
    fn what_is_no_server_is_left_out() {
        let good = [("scheme", "https"), ("key", KEY)];
        assert!(heard(&good, "10.0.0.1").is_some());
        assert!(heard(&good, "fe80::1").is_none(), "no address that can be written");
        let short = &KEY[1..];
        let no_hex = KEY.replace('A', "g");
        for told in [
            [("scheme", "file"), ("key", KEY)],
            [("scheme", "https"), ("key", short)],
            [("scheme", "https"), ("key", &no_hex)],
            [("scheme", "https"), ("other", KEY)],
        ] {
            assert!(heard(&told, "10.0.0.1").is_none(), "{told:?}");
        }
    }
}
