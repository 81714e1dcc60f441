//! `afield login` and `afield logout`: this machine becomes a device of a server, and ceases to be.

use afield_proto::device::DeviceKind;
use afield_proto::request::DeviceForget;

use super::load_config;
use crate::connect::{Global, open};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity::{Given, Wish, become_device};
use crate::nearby::server_for;
use crate::{Outcome, out};

/// `afield login`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The code that `afield pair` shows on a trusted device, or its whole link, or that of `afield link`
    #[arg(value_name = "CODE")]
    code: String,
    /// A name for lists [default: the host name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Does it.
pub(super) async fn login(global: &Global, args: Args) -> Outcome {
    let (given, trust) = (Given::read(&args.code), global.stated_trust()?);
    let server = match &global.server {
        Some(named) => Some(named.clone()),
        None => {
            let settings = load_config(global, None, Vec::new())?.config.discovery;
            server_for(&settings, &given, &trust).await?
        }
    };
    let wish = Wish { given, server, trust, name: args.name, kind: DeviceKind::Cli };
    let paired = become_device(&global.data_dir()?, wish).await?;
    if global.json {
        out::json(&serde_json::json!({ "device_id": paired.device_id, "server": paired.url }));
    } else {
        out::line(format!("this machine is a device of {} now", paired.url));
    }
    Ok(Exit::Done)
}

/// Takes it back: on the server when it can be reached, here in any case.
pub(super) async fn logout(global: &Global) -> Outcome {
    let data_dir = global.data_dir()?;
    let Some(paired) = data_dir.paired_with() else {
        return Err(Failure::new(Exit::Refused, "this machine is not paired with a server"));
    };
    let there = Global { server: Some(paired.url.clone()), ..global.clone() };
    let told = async {
        let connection = open(&there).await?;
        let device_id = paired.device_id;
        // The server cuts the connection of a device it forgets, maybe before it answers.
        let _answer = connection.ask(&DeviceForget { device_id }).await;
        Ok::<_, Failure>(())
    };
    let reached = told.await;
    data_dir.forget_server()?;
    match reached {
        Ok(()) => out::line(format!("{} has forgotten this machine", paired.url)),
        Err(failure) => out::line(format!(
            "this machine has forgotten {}, which could not be told ({failure}); on another device: \
             afield devices forget {}",
            paired.url, paired.device_id
        )),
    }
    Ok(Exit::Done)
}
