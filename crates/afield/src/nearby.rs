//! Servers on the local network, by multicast DNS: a server that was asked to says that it is there
//! (`announce`), a machine that looks hears it (`look`), one that wants to be paired may use what it
//! found (`choose`).
//!
//! Anybody in the network can say anything here. So what is heard is an address to try and nothing
//! else: whom to believe is decided by the certificate and the key a person was given.

mod announce;
mod choose;
mod found;
mod look;

use mdns_sd::{IfKind, ServiceDaemon};

use crate::config::Discovery;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) use announce::{Announced, Subject, check};
pub(crate) use choose::server_for;
pub(crate) use found::Found;
pub(crate) use look::{LOOK_TIME, look};

/// The kind of service, as in DNS-SD (RFC 6763).
const SERVICE: &str = "_afield._tcp.local.";

/// Multicast DNS on the interfaces that are meant.
///
/// **Errors**: no socket for it.
fn open(settings: &Discovery) -> Result<ServiceDaemon, Failure> {
    let opened = ServiceDaemon::new_with_port(settings.port).and_then(|daemon| {
        if settings.interfaces.is_empty() {
            daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        } else {
            daemon.disable_interface(IfKind::All)?;
            let named = settings.interfaces.iter().cloned().map(IfKind::Name);
            daemon.enable_interface(named.collect::<Vec<_>>())?;
        }
        Ok(daemon)
    });
    opened.map_err(failed)
}

fn failed(error: mdns_sd::Error) -> Failure {
    Failure::new(Exit::Failed, format!("multicast DNS does not work here: {error}"))
        .with_next("see discovery.interfaces and discovery.port: afield config show")
}
