//! `afield link`: a one-time link, with its QR code, that lets a browser or another device in at once.

use afield_proto::device::Scopes;
use afield_proto::pairing::link;
use afield_proto::request::DeviceLink;

use crate::connect::{Global, ask};
use crate::exit::Exit;
use crate::{Outcome, identity, out, qr};

/// `afield link`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the new device may do: some of view,approve,prompt,shell,admin [default: what this one may]
    #[arg(long, value_name = "SCOPES")]
    scopes: Option<Scopes>,
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> Outcome {
    let url = global.endpoint()?.url();
    let made = ask(global, &DeviceLink { scopes: args.scopes }).await?;
    let certificate = global.known_fingerprint()?;
    let link = link(&url, &made.secret, &made.server_fingerprint, certificate.as_deref());
    if global.json {
        out::json(&serde_json::json!({ "link": link, "expires_at": made.expires_at }));
        return Ok(Exit::Done);
    }
    if let Some(code) = qr::render(&link) {
        out::line(code);
    }
    out::line(&link);
    out::error_line(format!(
        "who opens it is let in at once; it works once, for {}",
        identity::left(made.expires_at)
    ));
    Ok(Exit::Done)
}
