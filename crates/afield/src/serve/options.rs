//! From the configuration to what the server is told.

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;

use afield_server::{Limits, Options, PushOptions, Tls};
use afield_store::{Location, PostgresServer};

use crate::config::{self, Config, Loaded, TlsMode, seconds};
use crate::data_dir::DataDir;
use crate::failure::Failure;

/// What the server is told.
pub(super) fn options(loaded: &Loaded, data_dir: &DataDir) -> Result<Options, Failure> {
    let config = &loaded.config;
    check_limits(loaded)?;
    let listen = config.server.listen.to_socket_addrs().ok().and_then(|mut found| found.next());
    let listen = listen.ok_or_else(|| {
        Failure::usage(format!("server.listen: {:?} is no address", config.server.listen))
            .with_next("write it like 127.0.0.1:7433 or [::1]:7433")
    })?;
    Ok(Options {
        data_dir: data_dir.path().to_owned(),
        listen,
        store: location(config, data_dir)?,
        tls: tls(config)?,
        behind_proxy: config.server.behind_proxy,
        allowed_hosts: allowed_hosts(config)?,
        push: push(config)?,
        limits: limits(config),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// What no request can name would let nobody in, and nobody would know why.
fn allowed_hosts(config: &Config) -> Result<Vec<String>, Failure> {
    let hosts = &config.server.allowed_hosts;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
    match hosts.iter().find(|host| host.is_empty() || !host.chars().all(fits)) {
        None => Ok(hosts.clone()),
        Some(host) => Err(Failure::usage(format!("server.allowed_hosts: {host:?} is no host"))
            .with_next("write a name or an address, and its port if that is another, such as afield.example:8443")),
    }
}

fn location(config: &Config, data_dir: &DataDir) -> Result<Location, Failure> {
    let (url, authorities) = (&config.store.url, &config.store.authorities);
    if !authorities.is_empty() && !url.contains("sslmode=require") {
        return Err(Failure::usage("store.authorities has no effect without TLS")
            .with_next("add ?sslmode=require to store.url"));
    }
    match url.as_str() {
        "" => Ok(Location::Sqlite(data_dir.file("afield.db"))),
        url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            let authorities = (!authorities.is_empty()).then(|| authorities.into());
            Ok(Location::Postgres(PostgresServer { connection: url.to_owned(), authorities }))
        }
        _ => Err(Failure::usage("store.url must be empty, or begin with postgres://")),
    }
}

fn push(config: &Config) -> Result<PushOptions, Failure> {
    let push = &config.push;
    let contact = match push.contact.as_str() {
        "" => PushOptions::default().contact,
        contact if contact.starts_with("mailto:") || contact.starts_with("https:") => {
            contact.to_owned()
        }
        _ => return Err(Failure::usage("push.contact must begin with mailto: or https:")),
    };
    Ok(PushOptions { contact, private_addresses: push.private_addresses })
}

fn tls(config: &Config) -> Result<Tls, Failure> {
    let tls = &config.tls;
    let named = !tls.certificate.is_empty() && !tls.key.is_empty();
    match tls.mode {
        TlsMode::Off => Ok(Tls::Off),
        TlsMode::SelfSigned => Ok(Tls::SelfSigned),
        TlsMode::Files if named => {
            let (certificate, key) = (PathBuf::from(&tls.certificate), PathBuf::from(&tls.key));
            Ok(Tls::Files { certificate, key })
        }
        TlsMode::Files => Err(Failure::usage("tls.mode files needs tls.certificate and tls.key")),
    }
}

/// Limits that may be 0, which means what it says: no attachments, no wait, no pairing. With any other at 0 nothing or
/// nobody gets through, or it is the same as 1.
const MAY_BE_ZERO: [&str; 9] = [
    "attachments_bytes_per_org",
    "breaker_open_seconds",
    "failover_grace_seconds",
    "handoff_grace_seconds",
    "held_messages",
    "pairings_open",
    "shutdown_timeout_seconds",
    "state_bytes",
    "state_keys",
];
/// Limits of which more than 1 is needed, and what for.
const NEEDED: [(&str, i64, &str); 4] = [
    ("finished_kept_hours", 24, "a key given with a command is remembered so long"),
    ("message_bytes", 4096, "a request has to fit"),
    ("outbound_bytes", 65_536, "a reply has to fit"),
    ("runner_message_bytes", 524_288, "a batch of output has to fit"),
];

/// **Errors**: the first limit with which the server would be of no use.
fn check_limits(loaded: &Loaded) -> Result<(), Failure> {
    for (key, (value, origin)) in &loaded.values {
        let Some((name, value)) = key.strip_prefix("limits.").zip(value.as_integer()) else {
            continue;
        };
        let needed = NEEDED.iter().find(|(needed, ..)| *needed == name);
        let zero = i64::from(!MAY_BE_ZERO.contains(&name));
        let least = needed.map_or(zero, |(_, least, _)| *least);
        if value < least {
            let why = needed.map(|(.., why)| format!("{why}; ")).unwrap_or_default();
            let said = format!("{key} (in {origin}) must be {least} or more, not {value}");
            let defaults = toml::Table::try_from(config::Limits::default()).unwrap_or_default();
            let default =
                defaults.get(name).map(|value| format!(" of {value}")).unwrap_or_default();
            let next =
                format!("{why}write {least} or more, or leave it out for the default{default}");
            return Err(Failure::usage(said).with_next(next));
        }
    }
    Ok(())
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        message_bytes: limits.message_bytes,
        runner_message_bytes: limits.runner_message_bytes,
        connections: limits.connections,
        connections_per_address: limits.connections_per_address,
        projects_per_org: limits.projects_per_org,
        queued_per_project: limits.queued_per_project,
        queued_per_device: limits.queued_per_device,
        queued_per_org: limits.queued_per_org,
        queued_bytes: limits.queued_bytes,
        submissions_per_minute: limits.submissions_per_minute,
        finished_kept: seconds(limits.finished_kept_hours.saturating_mul(3600)),
        attachments_bytes_per_org: limits.attachments_bytes_per_org,
        attachments_kept: seconds(limits.attachments_kept_hours.saturating_mul(3600)),
        state_keys: limits.state_keys,
        state_bytes: limits.state_bytes,
        held_messages: limits.held_messages,
        handoff_grace: seconds(limits.handoff_grace_seconds),
        failover_grace: seconds(limits.failover_grace_seconds),
        breaker_failures: limits.breaker_failures,
        breaker_open: seconds(limits.breaker_open_seconds),
        requests_per_second: limits.requests_per_second,
        http_requests_per_second: limits.http_requests_per_second,
        auth_failures: limits.auth_failures,
        pairing_tries_per_minute: limits.pairing_tries_per_minute,
        pairing_tries_per_minute_in_all: limits.pairing_tries_per_minute_in_all,
        pairings_open: limits.pairings_open,
        outbound_bytes: limits.outbound_bytes,
        slow_consumer_timeout: seconds(limits.slow_consumer_timeout_seconds),
        ping_interval: seconds(limits.ping_interval_seconds),
        idle_timeout: seconds(limits.idle_timeout_seconds),
        first_byte_timeout: seconds(limits.first_byte_timeout_seconds),
        handshake_timeout: seconds(limits.handshake_timeout_seconds),
        header_timeout: seconds(limits.header_timeout_seconds),
        body_timeout: seconds(limits.body_timeout_seconds),
        shutdown_timeout: seconds(limits.shutdown_timeout_seconds),
        segment_messages: limits.segment_messages,
        segment_bytes: limits.segment_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FILE_NAME, Sources, load};

    #[test]
    fn the_configurations_defaults_are_the_servers() {
        let ours = format!("{:?}", limits(&Config::default()));
        assert_eq!(ours, format!("{:?}", Limits::default()));
    }

    #[test]
    fn impossible_settings_are_named() {
        let mut config = Config::default();
        config.tls.mode = TlsMode::Files;
        assert!(tls(&config).is_err());
        for host in ["", "https://afield.example", "[\"afield.example\"]"] {
            config.server.allowed_hosts = vec!["[::1]:1".into(), "a.example".into(), host.into()];
            assert!(allowed_hosts(&config).is_err(), "{host}");
        }
        config.server.allowed_hosts.pop();
        assert!(allowed_hosts(&config).is_ok());
        config.push.contact = "me@example.org".into();
        assert!(push(&config).is_err());
        config.store.url = "mysql://x".into();
        let data_dir = DataDir::resolve(Some("/nowhere".into())).unwrap();
        assert!(location(&config, &data_dir).is_err());
        config.store.url = "postgres://db.example/afield".into();
        assert!(location(&config, &data_dir).is_ok());
        config.store.authorities = "/etc/ca.pem".into();
        assert!(location(&config, &data_dir).is_err());
        config.store.url.push_str("?sslmode=require");
        assert!(location(&config, &data_dir).is_ok());
    }

    /// What is said of a file with these limits, if it is refused.
    fn refused(limits: &str) -> Option<String> {
        let data_dir = tempfile::tempdir().unwrap();
        std::fs::write(data_dir.path().join(FILE_NAME), format!("[limits]\n{limits}\n")).unwrap();
        let sources = Sources { data_dir: data_dir.path().to_owned(), ..Sources::default() };
        check_limits(&load(&sources).unwrap()).err().map(|failure| format!("{failure:?}"))
    }

    #[test]
    fn a_limit_that_lets_nothing_through_is_refused_by_its_key_and_place() {
        let all = toml::Table::try_from(Config::default().limits).unwrap();
        for name in all.keys() {
            let said = refused(&format!("{name} = 0"));
            match MAY_BE_ZERO.contains(&name.as_str()) {
                true => assert_eq!(said, None),
                false => {
                    let said = said.unwrap_or_else(|| panic!("{name} = 0 is taken"));
                    assert!(said.contains(&format!("limits.{name} (in ")), "{said}");
                    assert!(said.contains("or more, not 0"), "{said}");
                }
            }
        }
        for (name, least, why) in NEEDED {
            assert_eq!(refused(&format!("{name} = {least}")), None);
            let said = refused(&format!("{name} = {}", least - 1)).unwrap();
            assert!(
                said.contains(&format!("must be {least} or more")) && said.contains(why),
                "{said}"
            );
        }
        let named = MAY_BE_ZERO.into_iter().chain(NEEDED.map(|(name, ..)| name));
        named.for_each(|name| assert!(all.contains_key(name), "there is no limit {name}"));
        assert_eq!(refused(""), None);
    }
}
