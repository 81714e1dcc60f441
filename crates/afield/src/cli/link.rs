//! `afield link`: a one-time link that signs a browser in, with its QR code.

use afield_proto::request::DeviceLink;

use crate::connect::{Global, ask};
use crate::exit::Exit;
use crate::{Outcome, out, qr};

/// Does it.
pub(super) async fn run(global: &Global) -> Outcome {
    let url = global.endpoint()?.url();
    let reply = ask(global, &DeviceLink { scopes: None }).await?;
    let link = format!("{url}/#link={}", reply.secret);
    if global.json {
        out::json(&serde_json::json!({ "link": link, "expires_at": reply.expires_at }));
        return Ok(Exit::Done);
    }
    if let Some(code) = qr::render(&link) {
        out::line(code);
    }
    out::line(&link);
    out::error_line(format!("works once, until {}", reply.expires_at));
    Ok(Exit::Done)
}
