//! `afield token create|list|revoke`: credentials of devices.

use std::time::Duration;

use afield_client::Connection;
use afield_proto::Timestamp;
use afield_proto::device::{Device, DeviceKind, Scopes, shown_name};
use afield_proto::request::{DeviceCreate, DeviceList};

use super::throw_out;
use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::short_id::{fits_among_few, short};
use crate::words::age;
use crate::{Outcome, out};

/// What to do with credentials.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a device and its credential
    Create(CreateArgs),
    /// List the devices
    #[command(alias = "ls")]
    List,
    /// Throw a device out; its connections are cut
    Revoke(throw_out::Args),
}

/// `afield token create`
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// A name for lists
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it may do: all, or some of view,approve,prompt,shell,admin,runner
    #[arg(long, default_value = "all", value_name = "SCOPES")]
    scopes: Scopes,
    /// What it is [default: cli, or runner with the scope runner]
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// End it by itself after so many days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
}

/// What a device can be.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Cli,
    Browser,
    Editor,
    Runner,
}

/// Does it.
pub(super) async fn run(global: &Global, command: Command) -> Outcome {
    let connection = connect(global).await?;
    match command {
        Command::Create(args) => create(global, &connection, args).await,
        Command::List => list(global, &connection).await,
        Command::Revoke(args) => revoke(global, &connection, &args).await,
    }
}

async fn create(global: &Global, connection: &Connection, args: CreateArgs) -> Outcome {
    let kind = args.kind.map(|kind| match kind {
        Kind::Cli => DeviceKind::Cli,
        Kind::Browser => DeviceKind::Browser,
        Kind::Editor => DeviceKind::Editor,
        Kind::Runner => DeviceKind::Runner,
    });
    let day = Duration::from_secs(24 * 60 * 60);
    let expires_at = args.days.map(|days| Timestamp::now().plus(day * days));
    let scopes = args.scopes;
    let request = DeviceCreate { name: args.name, kind, scopes, expires_at };
    let reply = connection.ask(&request).await?;
    if global.json {
        let json = serde_json::json!({ "token": reply.token, "device_id": reply.device.id });
        out::json_once(&json).map_err(|failure| lost(failure, &reply.device))?;
    } else {
        out::line_once(&reply.token).map_err(|failure| lost(failure, &reply.device))?;
        out::error_line(format!("for {} ({}); it is shown only now", reply.device.name, scopes));
    }
    Ok(Exit::Done)
}

/// Nobody has the token: the device stands there for nothing.
fn lost(failure: Failure, device: &Device) -> Failure {
    failure.with_next(format!("the token is lost; throw it out: afield token revoke {}", device.id))
}

async fn list(global: &Global, connection: &Connection) -> Outcome {
    let devices = connection.ask(&DeviceList {}).await?;
    if global.json {
        out::json(&devices);
        return Ok(Exit::Done);
    }
    let now = Timestamp::now();
    let heads = ["NAME", "KIND", "SCOPES", "LAST SEEN", "STATE", "ID"];
    let mut table = crate::table::table(&heads, &[]);
    for device in &devices.devices {
        table.add_row([
            shown_name(&device.name),
            format!("{:?}", device.kind).to_lowercase(),
            device.scopes.to_string(),
            device.last_seen_at.map_or("never".to_owned(), |at| age(at, now)),
            state(device, now).to_owned(),
            short(device.id),
        ]);
    }
    out::line(table);
    Ok(Exit::Done)
}

fn state(device: &Device, now: Timestamp) -> &'static str {
    match (device.revoked_at, device.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(at)) if at <= now => "expired",
        (None, _) => "valid",
    }
}

async fn revoke(global: &Global, connection: &Connection, args: &throw_out::Args) -> Outcome {
    let devices = connection.ask(&DeviceList {}).await?.devices;
    throw_out::revoke(global, connection, choose(&devices, &args.device)?, args.yes).await?;
    Ok(Exit::Done)
}

fn choose<'d>(devices: &'d [Device], meant: &str) -> Result<&'d Device, Failure> {
    let fits = |device: &&Device| {
        device.revoked_at.is_none() && (device.name == meant || fits_among_few(device.id, meant))
    };
    let found: Vec<_> = devices.iter().filter(fits).collect();
    match found.as_slice() {
        [device] => Ok(*device),
        [] => Err(Failure::new(Exit::Refused, format!("no valid device is called {meant}"))
            .with_next("see what there is: afield token list")),
        _ => Err(Failure::new(Exit::Refused, format!("several devices are called {meant}"))
            .with_next("name one by its id: afield token list")),
    }
}
