//! Host and Origin allow-lists: what a web page of somebody else, or a rebound name, can't get past.
//!
//! Checked before the credential, on every request and upgrade.

use std::net::{IpAddr, SocketAddr};

use afield_proto::{ErrorBody, ErrorCode};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri, header};

/// The names the server answers to, lower-case with port.
#[derive(Debug, Clone)]
pub(crate) struct Allowed {
    hosts: Vec<String>,
    secure: bool,
    /// The port, of a server that listens on every address of its machine.
    everywhere: Option<u16>,
}

impl Allowed {
    /// The loopback names and the listening address, and those of the configuration.
    pub(crate) fn new(listening: SocketAddr, configured: &[String], secure: bool) -> Self {
        let port = listening.port();
        let mut hosts: Vec<String> =
            ["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}")).into();
        if !listening.ip().is_unspecified() {
            hosts.push(listening.to_string());
        }
        hosts.extend(configured.iter().map(|host| {
            let host = host.to_ascii_lowercase();
            let with_port = host.parse::<Authority>().is_ok_and(|a| a.port().is_some());
            if with_port { host } else { format!("{host}:{port}") }
        }));
        let default_port = if secure { ":443" } else { ":80" };
        let bare: Vec<String> = hosts
            .iter()
            .filter_map(|host| host.strip_suffix(default_port).map(str::to_owned))
            .collect();
        hosts.extend(bare);
        let everywhere = listening.ip().is_unspecified().then_some(port);
        Self { hosts, secure, everywhere }
    }

    fn has_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.hosts.contains(&host) || is_loopback_network(&host, &self.hosts)
    }

    /// A server that listens on every address is asked for by one of them, which change. An address
    /// is no name that could be rebound: who asks for it asked this machine.
    fn is_own_address(&self, host: &str) -> bool {
        let address = host.parse::<SocketAddr>().ok().filter(|address| {
            !address.ip().is_unspecified() && address.ip().to_canonical() == address.ip()
        });
        address.is_some_and(|address| Some(address.port()) == self.everywhere)
    }

    /// **Errors**: FORBIDDEN for a host name that is not the server's, and for pages of other
    /// origins.
    pub(crate) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), ErrorBody> {
        self.check_host(uri, headers)?;
        self.check_origin(headers)?;
        let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
        let foreign = matches!(site, Some(b"cross-site" | b"same-site"));
        if foreign && !(method == Method::GET && is_navigation(headers)) {
            return Err(forbidden("a page of another site sent this request"));
        }
        Ok(())
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ErrorBody> {
        let mut named = headers.get_all(header::HOST).iter();
        let host = match (named.next(), named.next(), uri.authority()) {
            (Some(host), None, None) => host.to_str().unwrap_or_default(),
            (Some(host), None, Some(authority)) if host == authority.as_str() => authority.as_str(),
            (None, _, Some(authority)) => authority.as_str(),
            _ => "",
        };
        if self.has_host(host) || self.is_own_address(host) {
            return Ok(());
        }
        let shown: String = host.chars().take(100).collect();
        Err(forbidden(&format!(
            "the server does not answer to the name {shown:?}; add it to server.allowed_hosts"
        )))
    }

    /// A missing origin is fine: browsers name it with everything that matters, and no credential
    /// is sent unasked.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), ErrorBody> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let scheme = if self.secure { "https://" } else { "http://" };
        let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix(scheme));
        let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_ours =
            |host| self.has_host(host) || (self.is_own_address(host) && Some(host) == named);
        if origins.next().is_none() && host.is_some_and(is_ours) {
            return Ok(());
        }
        Err(forbidden("the page's origin is not this server"))
    }
}

/// Any address of 127.0.0.0/8 is this machine; the port must be the server's.
fn is_loopback_network(host: &str, hosts: &[String]) -> bool {
    let Ok(address) = host.parse::<SocketAddr>() else { return false };
    let IpAddr::V4(v4) = address.ip() else { return false };
    v4.is_loopback() && hosts.contains(&format!("127.0.0.1:{}", address.port()))
}

fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")
}

fn forbidden(message: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn check(pairs: &[(&str, &str)]) -> bool {
        let allowed = Allowed::new("127.0.0.1:7433".parse().unwrap(), &["box.lan".into()], false);
        let headers = pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .collect();
        allowed.check(&Method::POST, &Uri::from_static("/api/v1/projects"), &headers).is_ok()
    }

    #[test]
    fn its_own_names_pass() {
        for host in [
            "127.0.0.1:7433",
            "localhost:7433",
            "LocalHost:7433",
            "[::1]:7433",
            "box.lan:7433",
            "127.0.0.9:7433",
        ] {
            assert!(check(&[("host", host)]), "{host}");
            assert!(check(&[("host", host), ("origin", &format!("http://{host}"))]), "{host}");
        }
    }

    #[test]
    fn a_server_on_every_address_answers_to_each_and_to_pages_from_there_alone() {
        let check = |host: &str, origin: Option<&str>| {
            let allowed = Allowed::new("0.0.0.0:7433".parse().unwrap(), &[], true);
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            allowed.check(&Method::POST, &Uri::from_static("/api/v1/projects"), &headers).is_ok()
        };
        for host in ["192.168.1.5:7433", "[fd00::5]:7433"] {
            assert!(check(host, None) && check(host, Some(&format!("https://{host}"))), "{host}");
            assert!(!check(host, Some("https://10.0.0.9:7433")), "a page of another machine");
            assert!(!check(host, Some("https://evil.example:7433")));
        }
        for host in
            ["0.0.0.0:7433", "[::]:7433", "192.168.1.5:80", "192.168.1.5", "evil.example:7433"]
        {
            assert!(!check(host, None), "{host}");
        }
        assert!(!check("localhost:7433", Some("https://192.168.1.5:7433")));
    }

    #[test]
    fn every_other_name_is_refused() {
        for host in [
            "",
            "evil.example",
            "localhost",
            "localhost:80",
            "127.0.0.1:7434",
            "localhost.:7433",
            "0.0.0.0:7433",
            "localhost.evil.example:7433",
            "127.0.0.1:7433.evil.example",
            "[::]:7433",
            "[::ffff:127.0.0.1]:7433",
            "2130706433:7433",
            "0x7f.1:7433",
        ] {
            assert!(!check(&[("host", host)]), "{host}");
        }
        assert!(!check(&[("host", "localhost:7433"), ("host", "evil.example")]));
        assert!(!check(&[]));
    }

    #[test]
    fn every_other_origin_is_refused() {
        for origin in [
            "null",
            "",
            "http://evil.example",
            "https://localhost:7433",
            "http://localhost:7433.evil",
            "http://localhost",
            "http://localhost:7433/",
            "file://",
            "http://user@localhost:7433",
        ] {
            assert!(!check(&[("host", "localhost:7433"), ("origin", origin)]), "{origin}");
        }
        assert!(!check(&[("host", "localhost:7433"), ("sec-fetch-site", "cross-site")]));
    }
}
