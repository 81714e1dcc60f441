//! The address of a push service, as a browser says it: not to be trusted.
//!
//! Who may subscribe must not make the server knock on doors of its own network. So only encrypted
//! addresses of the public internet are taken, and [`post`](super::post) looks at what a name stands
//! for each time it connects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;

/// Longest address, in bytes; those of the known services have about 200.
const BYTES_MAX: usize = 2048;

/// Why an address is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// It can't be read.
    #[error("it is no address of a push service")]
    Unreadable,
    /// It is too long.
    #[error("it has more than {BYTES_MAX} bytes")]
    TooLong,
    /// It is not encrypted.
    #[error("it must begin with https://")]
    NotEncrypted,
    /// It leads into a network of somebody's own.
    #[error("it leads to an address that is not of the public internet")]
    NotPublic,
}

/// Where a push service takes messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Scheme, host and port.
    pub(super) origin: String,
    /// Host and port, as the `Host` header has them.
    pub(super) authority: String,
    /// The host, without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
    pub(super) is_encrypted: bool,
}

impl Endpoint {
    /// `private`: also plain HTTP and addresses of one's own, for push services inside a network.
    ///
    /// **Errors**: why it is not taken.
    pub(super) fn parse(text: &str, private: bool) -> Result<Self, Unfit> {
        if text.len() > BYTES_MAX {
            return Err(Unfit::TooLong);
        }
        let uri: Uri = text.parse().map_err(|_| Unfit::Unreadable)?;
        let is_encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if private => false,
            Some("http") => return Err(Unfit::NotEncrypted),
            _ => return Err(Unfit::Unreadable),
        };
        let authority = uri.authority().ok_or(Unfit::Unreadable)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || authority.as_str().contains('@') || text.contains('#') {
            return Err(Unfit::Unreadable);
        }
        if host.parse().is_ok_and(|address| !private && !is_public(address)) {
            return Err(Unfit::NotPublic);
        }
        Ok(Self {
            origin: format!("{}://{authority}", if is_encrypted { "https" } else { "http" }),
            authority: authority.to_string(),
            host,
            port: authority.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 }),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            is_encrypted,
        })
    }
}

/// Whether an address is one of the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // "This" network; shared by carriers; protocols; benchmarks; multicast, reserved, broadcast.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 224;
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, ..] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([h1, h2], [l1, l2]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(h1, h2, l1, l2))
    };
    let [.., g, h] = address.segments();
    match (a, b) {
        // An IPv4 address behind a translator, and 6to4: what they lead to counts.
        (0x64, 0xff9b) => c == 0 && d == 0 && embedded(g, h),
        (0x2002, _) => embedded(b, c),
        // Teredo, and other addresses for protocols; documentation.
        (0x2001, 0..0x200) | (0x2001, 0xdb8) => false,
        // Only this eighth is given out as public.
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_services_are_taken_apart() {
        let found = Endpoint::parse("https://push.example/send/a?b=c", false).unwrap();
        assert_eq!((found.origin.as_str(), found.port), ("https://push.example", 443));
        assert_eq!((found.host.as_str(), found.path.as_str()), ("push.example", "/send/a?b=c"));
        let found = Endpoint::parse("https://push.example:8443", false).unwrap();
        assert_eq!((found.authority.as_str(), found.port), ("push.example:8443", 8443));
        assert_eq!(found.path, "/");
        let found = Endpoint::parse("https://[2606:4700::1111]/x", false).unwrap();
        assert_eq!(found.host, "2606:4700::1111");
        let found = Endpoint::parse("http://127.0.0.1:9/x", true).unwrap();
        assert!(!found.is_encrypted && found.origin == "http://127.0.0.1:9");
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("https://push.example/{}", "x".repeat(BYTES_MAX));
        for (text, expected) in [
            ("http://push.example/x", Unfit::NotEncrypted),
            ("https://127.0.0.1/x", Unfit::NotPublic),
            ("https://[::1]/x", Unfit::NotPublic),
            ("https://[::ffff:10.0.0.1]/x", Unfit::NotPublic),
            ("https://169.254.169.254/latest", Unfit::NotPublic),
            ("https://user@push.example/x", Unfit::Unreadable),
            ("https://user:word@push.example/x", Unfit::Unreadable),
            ("https://push.example/x#y", Unfit::Unreadable),
            ("https:///x", Unfit::Unreadable),
            ("ftp://push.example/x", Unfit::Unreadable),
            ("/x", Unfit::Unreadable),
            ("https://push.example/a b", Unfit::Unreadable),
            ("https://push.example/\r\nX: y", Unfit::Unreadable),
            ("", Unfit::Unreadable),
            (&long, Unfit::TooLong),
        ] {
            assert_eq!(Endpoint::parse(text, false), Err(expected), "{text}");
        }
    }

    #[test]
    fn only_the_public_internet_is_public() {
        for public in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.1.1",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }
}
