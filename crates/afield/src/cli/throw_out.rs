//! Throwing a device out, for `afield devices` and `afield token`. Whom it locks out (this machine, or the one
//! of the server) is asked first; the server cuts the connection of a device that throws itself out before
//! it answers, and has done it all the same.

use std::io::IsTerminal as _;

use afield_client::{AskError, Connection};
use afield_proto::device::{Device, DeviceKind};
use afield_proto::request::{DeviceForget, DeviceRevoke};
use afield_proto::{ErrorCode, Timestamp};

use super::{devices, typed};
use crate::connect::{Global, open};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;

/// Which device is to go.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device: id, its beginning or end, or its name
    #[arg(value_name = "DEVICE")]
    pub(super) device: String,
    /// Do not ask, even when it is this machine or the console
    #[arg(long)]
    pub(super) yes: bool,
}

/// Throws it out.
pub(super) async fn revoke(
    global: &Global,
    connection: &Connection,
    device: &Device,
    yes: bool,
) -> Result<(), Failure> {
    let loss = agreed(global, device, yes).await?;
    let answer = connection.ask(&DeviceRevoke { device_id: device.id }).await;
    let device = gone(global, device, answer).await?;
    devices::done(global, &device, "is thrown out; its connections are cut");
    tell(loss);
    Ok(())
}

/// Throws it out, and has it listed no more.
pub(super) async fn forget(
    global: &Global,
    connection: &Connection,
    device: &Device,
    yes: bool,
) -> Result<(), Failure> {
    let loss = agreed(global, device, yes).await?;
    let answer = connection.ask(&DeviceForget { device_id: device.id }).await;
    let device = gone(global, device, answer).await?;
    devices::done(global, &device, "is thrown out and forgotten");
    tell(loss);
    Ok(())
}

/// What its going means for those who work here.
fn loss(global: &Global, device: &Device) -> Result<Option<&'static str>, Failure> {
    if device.kind == DeviceKind::Console {
        return Ok(Some(
            "the console is what afield uses on the server's machine, which is let in no more; the next \
             start of afield up or afield server makes a new one",
        ));
    }
    let is_here = global.device_id()? == Some(device.id);
    Ok(is_here
        .then_some("this machine has to be paired again: afield pair elsewhere, afield login here"))
}

/// Somebody wants that.
async fn agreed(
    global: &Global,
    device: &Device,
    yes: bool,
) -> Result<Option<&'static str>, Failure> {
    // One that is out already takes nothing with it.
    let valid = device.revoked_at.is_none();
    let Some(loss) = loss(global, device)?.filter(|_| valid) else { return Ok(None) };
    if yes {
        return Ok(Some(loss));
    }
    if global.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::usage(loss).with_next("if that is meant: the same with --yes"));
    }
    typed::forget_waiting();
    out::error_text(&format!("{loss}\nThrow it out? [y/N] "));
    match typed::lines().recv().await.is_some_and(|line| typed::is_yes(&line)) {
        // They have read it.
        true => Ok(None),
        false => Err(Failure::new(Exit::Refused, "it was not thrown out")),
    }
}

/// The device afterwards. Without an answer it is gone when its credential is no longer valid.
async fn gone(
    global: &Global,
    device: &Device,
    answer: Result<Device, AskError>,
) -> Result<Device, Failure> {
    match answer {
        Err(AskError::Disconnected) if is_out(global).await => {
            let revoked_at = device.revoked_at.or(Some(Timestamp::now()));
            Ok(Device { revoked_at, presence: None, silent_ms: None, skew: None, ..device.clone() })
        }
        answer => Ok(answer?),
    }
}

async fn is_out(global: &Global) -> bool {
    let refused = open(global).await.err().and_then(|failure| failure.code());
    refused == Some(ErrorCode::Unauthorized)
}

fn tell(loss: Option<&str>) {
    if let Some(loss) = loss {
        out::error_line(loss);
    }
}
