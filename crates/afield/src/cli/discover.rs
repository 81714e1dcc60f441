//! `afield discover`: which servers announce themselves on the local network.

use std::time::Duration;

use afield_client::key_fingerprint;
use comfy_table::{ContentArrangement, Table, presets};

use super::load_config;
use super::when::duration;
use crate::connect::Global;
use crate::exit::Exit;
use crate::nearby::{Found, LOOK_TIME, look};
use crate::{Outcome, out};

/// Longest time to listen.
const TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// `afield discover`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long to listen for answers, such as 10s [default: 3s]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    timeout: Option<Duration>,
}

fn timeout(text: &str) -> Result<Duration, String> {
    let time = duration(text).filter(|time| !time.is_zero() && *time <= TIMEOUT_MAX);
    time.ok_or_else(|| "write a time from 1s to 5m".to_owned())
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> Outcome {
    let settings = load_config(global, None, Vec::new())?.config.discovery;
    let paired = global.data_dir()?.paired_with().map(|with| key_fingerprint(&with.server_key));
    let found = look(&settings, args.timeout.unwrap_or(LOOK_TIME), paired.as_deref()).await?;
    if global.json {
        out::json(&found);
    } else if found.is_empty() {
        out::error_line(NOBODY);
    } else {
        out::line(table(&found));
        out::error_line(ADVICE);
    }
    Ok(Exit::Done)
}

const NOBODY: &str = "no server announces itself on the local network\n  \
    - a server does so only when it was started with --announce (or discovery.announce = true)\n  \
    - it must be in the same network: guest networks and VPNs are others\n  \
    - firewalls on both machines must let UDP port 5353 through, and the server's TCP port\n  \
    with its address none of this is needed: afield login CODE --server URL";

const ADVICE: &str = "anybody in the network can announce anything; the link, or the fingerprint of the \
    certificate, decides which is yours";

fn table(found: &[Found]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["NAME", "ADDRESS", "VERSION", "PAIRED", "KEY (SHA-256)"]);
    for server in found {
        table.add_row([
            server.name.clone(),
            server.urls.join("\n"),
            server.version.clone(),
            if server.paired { "says so" } else { "" }.to_owned(),
            server.key.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_listen_have_an_end() {
        assert_eq!(timeout("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(timeout("5m"), Ok(TIMEOUT_MAX));
        for bad in ["0s", "6m", "3", "soon", ""] {
            assert!(timeout(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_network_says_what_to_check() {
        for word in ["--announce", "same network", "firewalls", "--server URL"] {
            assert!(NOBODY.contains(word), "{word}");
        }
    }
}
