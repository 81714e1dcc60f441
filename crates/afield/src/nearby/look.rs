//! Looking for servers: asks the local network, and listens for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mdns_sd::{Receiver, ServiceEvent};

use super::found::Found;
use super::{SERVICE, failed, open};
use crate::config::Discovery;
use crate::failure::Failure;

/// How long to listen, unless somebody says: who is there answers within a second, and is asked
/// again after one and after two more.
pub(crate) const LOOK_TIME: Duration = Duration::from_secs(3);
/// Announcements that are kept: more than any home has, few enough to read.
const FOUND_MAX: usize = 64;

/// The servers that announce themselves, by name; `paired_key` is the fingerprint of the server
/// this machine is paired with.
///
/// **Errors**: no socket for multicast DNS.
pub(crate) async fn look(
    settings: &Discovery,
    time: Duration,
    paired_key: Option<&str>,
) -> Result<Vec<Found>, Failure> {
    let daemon = open(settings)?;
    let events = daemon.browse(SERVICE).map_err(failed)?;
    let heard = tokio::task::spawn_blocking(move || listen(&events, Instant::now() + time)).await;
    let _ = daemon.shutdown();
    let mut found = heard.context("listening to the local network")?;
    for server in &mut found {
        server.paired = paired_key == Some(server.key.as_str());
    }
    found.sort_by(|a, b| (&a.name, &a.urls).cmp(&(&b.name, &b.urls)));
    Ok(found)
}

/// What is there at the end: who said goodbye meanwhile is not.
fn listen(events: &Receiver<ServiceEvent>, until: Instant) -> Vec<Found> {
    let mut found = BTreeMap::new();
    while let Ok(event) = events.recv_deadline(until) {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                let known = found.contains_key(&service.fullname) || found.len() < FOUND_MAX;
                if let Some(server) = Found::read(&service).filter(|_| known) {
                    found.insert(service.fullname, server);
                }
            }
            ServiceEvent::ServiceRemoved(_, fullname) => {
                found.remove(&fullname);
            }
            _ => {}
        }
    }
    found.into_values().collect()
}
