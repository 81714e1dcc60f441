//! `afield pair`: lets a new device in. Shows a QR code and a code to type, waits for the device,
//! asks whether it is the right one.

use std::time::Duration;

use afield_client::{Connection, Endpoint};
use afield_proto::Timestamp;
use afield_proto::device::{Scope, Scopes, shown_name};
use afield_proto::pairing::{Claim, Pairing, PairingState, link};
use afield_proto::request::{
    DevicePairDecide, DevicePairStart, DevicePairStartReply, DevicePairStatus,
};

use super::typed;
use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{Outcome, identity, out, qr};

/// How often it is asked whether a device came.
const ASK_INTERVAL: Duration = Duration::from_millis(300);

/// `afield pair`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the new device may do: all, or some of view,approve,prompt,shell,admin
    #[arg(long, value_name = "SCOPES", default_value = "view,approve,prompt")]
    scopes: Scopes,
    /// The new device is a runner: it works for this server
    #[arg(long, conflicts_with = "scopes")]
    runner: bool,
    /// The server's address as the new device reaches it [default: as this one does]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Its name in lists [default: the one it gives itself]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> Outcome {
    let endpoint = global.endpoint()?;
    let connection = connect(global).await?;
    let scopes = if args.runner { [Scope::Runner].into_iter().collect() } else { args.scopes };
    let started = connection.ask(&DevicePairStart { name: args.name, scopes }).await?;
    let certificate = global.known_fingerprint()?;
    let url = match args.address {
        Some(address) => Endpoint::new(&address, "")?.url(),
        None => endpoint.url(),
    };
    show(global, &started, &url, certificate.as_deref(), args.runner);
    let came = wait_for_device(&connection, started.pairing).await?;
    let (Some(claim), Some(digits)) = (&came.claim, &came.digits) else {
        return Err(Failure::new(
            Exit::Failed,
            "the server says that a device came, but not which",
        ));
    };
    // Nobody can have compared digits that were not there yet.
    typed::forget_waiting();
    ask(global, &came, claim, digits);
    let approve = typed::lines().recv().await.is_some_and(|line| typed::is_yes(&line));
    let digits = approve.then(|| digits.clone());
    let decide = DevicePairDecide { pairing_id: came.id, approve, digits };
    let decided = connection.ask(&decide).await?;
    Ok(told(global, &decided, claim))
}

fn show(
    global: &Global,
    started: &DevicePairStartReply,
    url: &str,
    certificate: Option<&str>,
    runner: bool,
) {
    let link = link(url, &started.secret, &started.server_fingerprint, certificate);
    if global.json {
        let (id, code) = (started.pairing.id, &started.code);
        out::json(&serde_json::json!({
            "event": "started", "pairing_id": id, "code": code, "link": link,
            "expires_at": started.pairing.expires_at,
        }));
        return;
    }
    if let Some(code) = qr::render(&link) {
        out::line(code);
    }
    out::line(&link);
    let verb = if runner { "runner --pair" } else { "login" };
    out::line(format!(
        "\nOr on the new device, with this code:\n  afield {verb} {} --server {url}",
        started.code
    ));
    out::error_line(format!(
        "it works once, for {}; waiting for the device (Ctrl-C gives up)",
        identity::left(started.pairing.expires_at)
    ));
}

async fn wait_for_device(connection: &Connection, started: Pairing) -> Result<Pairing, Failure> {
    let mut now = started;
    loop {
        match now.state {
            PairingState::Claimed => return Ok(now),
            PairingState::Locked => {
                let text = "five wrong codes were typed; this one works no more";
                return Err(Failure::new(Exit::Refused, text).with_next("afield pair"));
            }
            PairingState::Approved | PairingState::Refused => {
                return Err(Failure::new(Exit::Refused, "somebody else decided about it already"));
            }
            PairingState::Open if now.expires_at <= Timestamp::now() => {
                return Err(
                    Failure::new(Exit::TimedOut, "no device came in time").with_next("afield pair")
                );
            }
            PairingState::Open => {}
        }
        tokio::time::sleep(ASK_INTERVAL).await;
        now = connection.ask(&DevicePairStatus { pairing_id: now.id }).await?;
    }
}

fn ask(global: &Global, came: &Pairing, claim: &Claim, digits: &str) {
    if global.json {
        out::json(&serde_json::json!({ "event": "claimed", "claim": claim, "digits": digits }));
        return;
    }
    let kind = format!("{:?}", claim.kind).to_lowercase();
    let system = shown_name(&claim.about.system);
    out::line(format!(
        "\n{} ({kind}, {system}) came from {}.\nIt would have the scopes: {}\n\n    {digits}\n",
        shown_name(&claim.name),
        claim.address,
        came.scopes
    ));
    out::error_text("Does it show these digits? Let it in? [y/N] ");
}

fn told(global: &Global, decided: &Pairing, claim: &Claim) -> Exit {
    let paired = decided.state == PairingState::Approved;
    if global.json {
        out::json(&serde_json::json!({ "event": "decided", "pairing": decided }));
    } else if paired {
        out::line(format!(
            "{} is paired",
            shown_name(decided.name.as_ref().unwrap_or(&claim.name))
        ));
    } else {
        out::line("it was not let in");
    }
    if paired { Exit::Done } else { Exit::Refused }
}
