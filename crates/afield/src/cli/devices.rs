//! `afield devices`: who is paired, which are there, what they may do, how to be rid of one; and
//! messages to them.

use std::time::Duration;

use afield_client::Connection;
use afield_proto::device::{CredentialKind, Device, MessageState, Presence, Scopes, shown_name};
use afield_proto::live::Skew;
use afield_proto::request::{
    DeviceBroadcast, DeviceLabel, DeviceList, DeviceMessageSend, DeviceRename, DeviceRevokeOthers,
    DeviceSetScopes, RunnerSleep,
};
use comfy_table::Table;
use serde_json::Value;

use super::throw_out;
use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::short_id::{fits_among_few, short};
use crate::words::{count, duration};
use crate::{Outcome, out};

/// `afield devices`
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How they are listed.
    #[command(flatten)]
    list: ListArgs,
}

/// `afield devices list`
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ListArgs {
    /// Also scopes, labels, addresses, versions, credentials and whole ids
    #[arg(long)]
    wide: bool,
}

/// What to do with devices; nothing lists them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the devices, with what was last heard of each
    #[command(alias = "ls")]
    List(ListArgs),
    /// Throw a device out; its connections are cut at once
    Revoke(throw_out::Args),
    /// Throw every other device out (runners stay)
    RevokeOthers {
        /// Runners too
        #[arg(long)]
        runners: bool,
    },
    /// Throw a device out and list it no more
    Forget(throw_out::Args),
    /// Change what a device may do
    Scopes {
        /// The device: id, its beginning or end, or its name
        #[arg(value_name = "DEVICE")]
        device: String,
        /// all, or some of view,approve,prompt,shell,admin
        #[arg(value_name = "SCOPES")]
        scopes: Scopes,
    },
    /// Give a device another name
    Rename {
        /// The device: id, its beginning or end, or its name
        #[arg(value_name = "DEVICE")]
        device: String,
        /// Its new name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Give a device labels for selectors, such as gpu, and a rank when work is placed
    Label {
        /// The device: id, its beginning or end, or its name
        #[arg(value_name = "DEVICE")]
        device: String,
        /// Its labels from now on, all of them
        #[arg(value_name = "LABEL", conflicts_with = "none")]
        labels: Vec<String>,
        /// Take its labels away
        #[arg(long)]
        none: bool,
        /// Its rank: of several runners the greater is asked first (afield run --route order)
        #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
        priority: Option<i32>,
    },
    /// Send a message to a device
    Message {
        /// The device: id, its beginning or end, or its name; all: every other device of yours
        #[arg(value_name = "DEVICE")]
        device: String,
        /// JSON, or a text
        #[arg(value_name = "BODY")]
        body: String,
        /// Keep it while the device does not listen
        #[arg(long)]
        hold: bool,
    },
    /// Say that this runner's machine falls asleep (with the runner's credential)
    Sleep,
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> Outcome {
    let command = args.command.unwrap_or(Command::List(args.list));
    let connection = connect(global).await?;
    if let Command::Sleep = command {
        connection.ask(&RunnerSleep {}).await?;
        return Ok(Exit::Done);
    }
    let devices = connection.ask(&DeviceList {}).await?.devices;
    match command {
        Command::Sleep => {}
        Command::List(args) => list(global, &devices, args.wide),
        Command::Revoke(args) => {
            let device = choose(&devices, &args.device, true)?;
            throw_out::revoke(global, &connection, device, args.yes).await?;
        }
        Command::RevokeOthers { runners } => revoke_others(global, &connection, runners).await?,
        Command::Forget(args) => {
            let device = choose(&devices, &args.device, false)?;
            throw_out::forget(global, &connection, device, args.yes).await?;
        }
        Command::Scopes { device, scopes } => {
            let device_id = choose(&devices, &device, true)?.id;
            let device =
                connection.ask(&DeviceSetScopes { device_id, scopes, base_scopes: None }).await?;
            done(global, &device, &format!("may now: {scopes}"));
        }
        Command::Rename { device, name } => {
            let device_id = choose(&devices, &device, false)?.id;
            let device = connection.ask(&DeviceRename { device_id, name }).await?;
            done(global, &device, "is its name now");
        }
        Command::Label { device, labels, none, priority } => {
            let device_id = choose(&devices, &device, true)?.id;
            let labels = (none || !labels.is_empty()).then_some(labels);
            if labels.is_none() && priority.is_none() {
                return Err(Failure::usage("name labels, --none or --priority"));
            }
            let device = connection
                .ask(&DeviceLabel { device_id, labels, base_labels: None, priority })
                .await?;
            done(global, &device, &labelled(&device));
        }
        Command::Message { device, body, hold } if device == "all" => {
            broadcast(global, &connection, body, hold).await?;
        }
        Command::Message { device, body, hold } => {
            let to = choose(&devices, &device, true)?;
            message(global, &connection, to, body, hold).await?;
        }
    }
    Ok(Exit::Done)
}

/// Says what became of a device.
pub(super) fn done(global: &Global, device: &Device, what: &str) {
    if global.json {
        out::json(device);
    } else {
        out::line(format!("{} {what}", shown_name(&device.name)));
    }
}

fn labelled(device: &Device) -> String {
    let labels = match device.labels.is_empty() {
        true => "no labels".to_owned(),
        false => device.labels.join(", "),
    };
    format!("has now: {labels}; priority {}", device.priority)
}

async fn revoke_others(
    global: &Global,
    connection: &Connection,
    runners: bool,
) -> Result<(), Failure> {
    let reply = connection.ask(&DeviceRevokeOthers { runners }).await?;
    if global.json {
        out::json(&reply);
        return Ok(());
    }
    for device in &reply.devices {
        out::line(format!("{} is thrown out", shown_name(&device.name)));
    }
    out::error_line(count(reply.devices.len(), "device thrown out", "devices thrown out"));
    Ok(())
}

fn list(global: &Global, devices: &[Device], wide: bool) {
    if global.json {
        out::json(&devices);
    } else {
        out::line(if wide { wide_table(devices) } else { table(devices) });
    }
}

/// What tells devices apart, and whether they are there.
fn table(devices: &[Device]) -> Table {
    let mut table =
        crate::table::table(&["NAME", "KIND", "PRESENCE", "HEARD", "SYSTEM", "ID"], &[]);
    for device in devices {
        let about = device.about.clone().unwrap_or_default();
        table.add_row([
            shown_name(&device.name),
            kind(device),
            presence(device),
            heard(device),
            shown_name(&about.system),
            short(device.id),
        ]);
    }
    table
}

fn wide_table(devices: &[Device]) -> Table {
    let heads = [
        "NAME", "KIND", "PRESENCE", "SCOPES", "LABELS", "HEARD", "FROM", "SYSTEM", "VERSION", "BY",
        "ID",
    ];
    let mut table = crate::table::table(&heads, &[]);
    for device in devices {
        let about = device.about.clone().unwrap_or_default();
        table.add_row([
            shown_name(&device.name),
            kind(device),
            presence(device),
            device.scopes.to_string(),
            shown_name(&device.labels.join(",")),
            heard(device),
            device.last_address.clone().unwrap_or_default(),
            shown_name(&about.system),
            version(&about.version, device.skew),
            credential(device.credential).to_owned(),
            device.id.to_string(),
        ]);
    }
    table
}

fn kind(device: &Device) -> String {
    format!("{:?}", device.kind).to_lowercase()
}

fn presence(device: &Device) -> String {
    device.presence.map_or("", Presence::name).to_owned()
}

/// The version of its Afield, and how that compares with the server's.
fn version(version: &str, skew: Option<Skew>) -> String {
    match skew {
        Some(skew) => format!("{} ({} than the server)", shown_name(version), skew.name()),
        None => shown_name(version),
    }
}

fn heard(device: &Device) -> String {
    match device.silent_ms {
        Some(ms) => format!("{} ago", duration(Duration::from_millis(ms))),
        None => "never".to_owned(),
    }
}

async fn message(
    global: &Global,
    connection: &Connection,
    to: &Device,
    body: String,
    hold: bool,
) -> Result<(), Failure> {
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let (expires_in_ms, message_id) = (None, None);
    let (to_id, selector) = (Some(to.id), None);
    let request = DeviceMessageSend { to: to_id, selector, body, hold, expires_in_ms, message_id };
    let status = connection.ask(&request).await?;
    if global.json {
        out::json(&status);
        return Ok(());
    }
    let name = shown_name(&to.name);
    out::line(match status.state {
        MessageState::Delivered => format!("{name} has it"),
        MessageState::Held => format!("kept until {name} comes"),
    });
    Ok(())
}

async fn broadcast(
    global: &Global,
    connection: &Connection,
    body: String,
    hold: bool,
) -> Result<(), Failure> {
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let request = DeviceBroadcast { body, hold, expires_in_ms: None, message_id: None };
    let reply = connection.ask(&request).await?;
    if global.json {
        out::json(&reply);
        return Ok(());
    }
    for receiver in &reply.receivers {
        let name = shown_name(&receiver.name);
        out::line(match receiver.state {
            Some(MessageState::Delivered) => format!("{name} has it"),
            Some(MessageState::Held) => format!("kept until {name} comes"),
            None => format!("{name} does not listen"),
        });
    }
    Ok(())
}

fn credential(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Token => "token",
        CredentialKind::Key => "key",
    }
}

/// The device that is meant, asked from the server.
pub(super) async fn find(connection: &Connection, meant: &str) -> Result<Device, Failure> {
    let devices = connection.ask(&DeviceList {}).await?.devices;
    choose(&devices, meant, true).cloned()
}

/// The device that is meant; `valid`: one that was not thrown out.
fn choose<'d>(devices: &'d [Device], meant: &str, valid: bool) -> Result<&'d Device, Failure> {
    let fits = |device: &&Device| {
        (device.revoked_at.is_none() || !valid)
            && (device.name == meant || fits_among_few(device.id, meant))
    };
    let found: Vec<_> = devices.iter().filter(fits).collect();
    match found.as_slice() {
        [device] => Ok(*device),
        [] => Err(Failure::new(Exit::Refused, format!("no such device is called {meant}"))
            .with_next("see what there is: afield devices list")),
        _ => Err(Failure::new(Exit::Refused, format!("several devices are called {meant}"))
            .with_next("name one by its id: afield devices list")),
    }
}
