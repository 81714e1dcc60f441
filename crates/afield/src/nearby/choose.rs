//! Which server to be paired with, when the code does not say or where it says nobody answers.
//!
//! An address from the network is used only when a certificate the person was told about (in the
//! link, by `--fingerprint` or `--ca-file`) is there, since the code is sent to it.

use std::time::Duration;

use afield_client::{Endpoint, Trust, server_fingerprint};

use super::found::Found;
use super::{LOOK_TIME, look};
use crate::config::Discovery;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity::Given;
use crate::out;

/// How long a server may take to show its key.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The address to be paired at, when it is not the one of the link.
///
/// **Errors**: nothing says which server is meant, and the network does not either.
pub(crate) async fn server_for(
    settings: &Discovery,
    given: &Given,
    trust: &Trust,
) -> Result<Option<String>, Failure> {
    let trust = given.trust(trust)?;
    let linked = given.url.is_some();
    if let Some(url) = &given.url
        && (trust == Trust::System || answers(url, &trust).await.is_some())
    {
        return Ok(None);
    }
    let mut found = match look(settings, LOOK_TIME, None).await {
        Err(_) if linked => return Ok(None),
        looked => looked?,
    };
    if let Some(key) = &given.server_fingerprint {
        found.retain(|server| server.key.eq_ignore_ascii_case(key));
    }
    if trust == Trust::System {
        return Err(nothing_vouches(&found));
    }
    let asked = found.iter().filter(|server| server.is_secure());
    let asked = futures::future::join_all(asked.map(|server| vouched(server, &trust))).await;
    let mut vouched: Vec<(&Found, &str)> = asked.into_iter().flatten().collect();
    match (vouched.pop(), vouched.is_empty(), linked) {
        (Some((server, url)), true, _) => {
            out::error_line(format!(
                "found {:?} on the local network at {url}; its certificate is the one that was named",
                server.name
            ));
            Ok(Some(url.to_owned()))
        }
        // The link's own address says best what is wrong with it.
        (_, _, true) => Ok(None),
        (None, ..) => Err(nobody_answers(&found)),
        (Some(_), ..) => Err(several(&found)),
    }
}

/// The address of a server that really is there, with the key it announced.
async fn vouched<'f>(server: &'f Found, trust: &Trust) -> Option<(&'f Found, &'f str)> {
    for url in &server.urls {
        if answers(url, trust).await.as_deref() == Some(&server.key) {
            return Some((server, url));
        }
    }
    None
}

/// The fingerprint of the key that answers there.
async fn answers(url: &str, trust: &Trust) -> Option<String> {
    let endpoint = Endpoint::new(url, "").ok()?.with_trust(trust.clone());
    let asked = tokio::time::timeout(ANSWER_TIMEOUT, Box::pin(server_fingerprint(&endpoint)));
    asked.await.ok()?.ok()
}

fn which(found: &[Found]) -> String {
    let server = |server: &Found| format!("{:?} at {}", server.name, server.urls.join(" or "));
    found.iter().map(server).collect::<Vec<_>>().join("; ")
}

fn nothing_vouches(found: &[Found]) -> Failure {
    let failure = Failure::usage("which server? a typed code does not say");
    match found {
        [] => failure.with_next("add: --server URL (none is announced on the local network)"),
        found => failure.with_next(format!(
            "add --fingerprint HEX of the one that is meant, or --server URL; announced are {}",
            which(found)
        )),
    }
}

fn nobody_answers(found: &[Found]) -> Failure {
    let text = "no server on the local network has the certificate that was named";
    let failure = Failure::new(Exit::NoServer, text);
    match found {
        [] => failure.with_next("none is announced; see afield discover, or add: --server URL"),
        found => failure.with_next(format!("add --server URL; announced are {}", which(found))),
    }
}

fn several(found: &[Found]) -> Failure {
    Failure::usage("several servers on the local network have the certificate that was named")
        .with_next(format!("add --server URL; announced are {}", which(found)))
}
