//! The flags of `afield server`, which `afield up` takes too and hands on.

use std::path::PathBuf;

use crate::config::Flag;

/// Flags that set values of the configuration.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Flags {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:7433]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Encryption: off, self-signed or files
    #[arg(long, value_name = "MODE")]
    pub tls: Option<String>,
    /// Certificate chain (PEM), for --tls files
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<String>,
    /// Private key (PEM), for --tls files
    #[arg(long, value_name = "FILE")]
    pub key: Option<String>,
    /// A proxy in front encrypts, and names clients in X-Forwarded-For
    #[arg(long)]
    pub behind_proxy: bool,
    /// A name people use for this server (repeatable)
    #[arg(long = "allowed-host", value_name = "HOST")]
    pub allowed_hosts: Vec<String>,
    /// Tell the local network that the server is there; afield discover finds it
    #[arg(long)]
    pub announce: bool,
    /// The database: postgres://... [default: SQLite in the data directory]
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Configuration file [default: afield.toml in the data directory]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How logs are written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// Flags about logs.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct LogFlags {
    /// error, warn, info, debug, trace, or a filter [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

impl LogFlags {
    /// The values these flags set.
    pub(crate) fn values(&self) -> Vec<Flag> {
        let text = |name, key, value: &Option<String>| {
            value.as_ref().map(|value| Flag { name, key, value: value.as_str().into() })
        };
        let flags = [
            text("log-level", "log.level", &self.log_level),
            text("log-format", "log.format", &self.log_format),
        ];
        flags.into_iter().flatten().collect()
    }
}

impl Flags {
    /// The values these flags set.
    pub(crate) fn values(&self) -> Vec<Flag> {
        let text = |name, key, value: &Option<String>| {
            value.as_ref().map(|value| Flag { name, key, value: value.as_str().into() })
        };
        let flags = [
            text("listen", "server.listen", &self.listen),
            text("tls", "tls.mode", &self.tls),
            text("certificate", "tls.certificate", &self.certificate),
            text("key", "tls.key", &self.key),
            text("store", "store.url", &self.store),
        ];
        let mut values: Vec<Flag> = flags.into_iter().flatten().collect();
        if self.behind_proxy {
            values.push(Flag {
                name: "behind-proxy",
                key: "server.behind_proxy",
                value: true.into(),
            });
        }
        if self.announce {
            values.push(Flag { name: "announce", key: "discovery.announce", value: true.into() });
        }
        if !self.allowed_hosts.is_empty() {
            let value = self.allowed_hosts.clone().into();
            values.push(Flag { name: "allowed-host", key: "server.allowed_hosts", value });
        }
        values.extend(self.log.values());
        values
    }

    /// The same flags for a process to start.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let config = self.config.as_ref().map(|path| path.display().to_string());
        for (name, value) in [
            ("--listen", &self.listen),
            ("--tls", &self.tls),
            ("--certificate", &self.certificate),
            ("--key", &self.key),
            ("--store", &self.store),
            ("--config", &config),
        ] {
            arguments.extend(value.iter().flat_map(|value| [name.to_owned(), value.clone()]));
        }
        if self.behind_proxy {
            arguments.push("--behind-proxy".to_owned());
        }
        if self.announce {
            arguments.push("--announce".to_owned());
        }
        for host in &self.allowed_hosts {
            arguments.extend(["--allowed-host".to_owned(), host.clone()]);
        }
        arguments.extend(self.log.arguments());
        arguments
    }
}

impl LogFlags {
    /// The same flags for a process to start.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let flags = [("--log-level", &self.log_level), ("--log-format", &self.log_format)];
        let given = |(name, value): (&str, &Option<String>)| {
            value.as_ref().map(|value| [name.to_owned(), value.clone()])
        };
        flags.into_iter().filter_map(given).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn flags_survive_the_way_to_a_child() {
        let line = "x --listen [::1]:1 --tls files --certificate c --key k --behind-proxy \
                    --allowed-host a --allowed-host b --store postgres://h/d --config f --announce \
                    --log-level debug --log-format json";
        let flags = Line::parse_from(line.split_whitespace()).flags;
        let again = std::iter::once("x".to_owned()).chain(flags.arguments());
        let again = Line::parse_from(again).flags;
        assert_eq!(format!("{flags:?}"), format!("{again:?}"));
        assert_eq!(flags.values().len(), 10);
    }
}
