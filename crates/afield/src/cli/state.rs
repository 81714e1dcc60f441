//! `afield state ls|set|rm`: what a person's devices share. A write is kept here until the server
//! has it, so that it may be made offline.

use std::path::PathBuf;
use std::time::Duration;

use afield_client::{Link, LinkOptions, LinkState, Local, SharedOptions, SharedState};
use afield_proto::state::{Class, StateKey};
use serde_json::Value;

use crate::connect::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{Outcome, out, unsent};

/// How long the server may take before a write is left to the next time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do with the shared state.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List it: preferences, pins, read markers, drafts
    #[command(alias = "list")]
    Ls,
    /// Write a register; offline it is kept, and sent by the next `afield state`
    Set(SetArgs),
    /// Delete a register
    Rm(RmArgs),
}

/// `afield state set`
#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// pref:NAME, pin:NAME, read:NAME or draft:NAME
    #[arg(value_name = "KEY")]
    key: StateKey,
    /// JSON, or a text
    #[arg(value_name = "VALUE")]
    value: String,
}

/// `afield state rm`
#[derive(Debug, clap::Args)]
pub(crate) struct RmArgs {
    /// Its key
    #[arg(value_name = "KEY")]
    key: StateKey,
}

/// Does it.
pub(super) async fn run(global: &Global, command: Command) -> Outcome {
    let link = Link::start(global.endpoint()?, LinkOptions::default());
    let shared = SharedState::open(&link, SharedOptions { file: Some(file(global)?) })?;
    // What is there is known before anything is written: it is not overwritten unseen.
    let online = reached(&link, shared.fetched()).await?;
    match command {
        Command::Ls => {
            if online {
                let _ = reached(&link, shared.settled()).await?;
            }
            list(global, &shared.all());
        }
        Command::Set(SetArgs { key, value }) => {
            let value = read_value(key.class(), value);
            write(global, &link, &shared, key, Some(value)).await?;
        }
        Command::Rm(RmArgs { key }) => write(global, &link, &shared, key, None).await?,
    }
    match online {
        true => Ok(Exit::Done),
        false => {
            out::error_line("the server can't be reached; what was written waits here");
            Ok(Exit::NoServer)
        }
    }
}

/// Writes wait in a file of their server: another one never gets them.
fn file(global: &Global) -> Result<PathBuf, Failure> {
    let server = unsent::destination(global)?.unwrap_or_else(|| "here".to_owned());
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = server.chars().map(plain).collect();
    Ok(global.data_dir()?.file("shared-state").join(format!("{name}.json")))
}

/// Waits for something of the server; `false` when it can't be reached.
async fn reached(link: &Link, what: impl Future<Output = ()>) -> Result<bool, Failure> {
    let mut state = link.state();
    let gone =
        state.wait_for(|state| matches!(state, LinkState::Offline { .. } | LinkState::Ended(_)));
    tokio::select! {
        () = what => Ok(true),
        gone = gone => match gone.as_deref() {
            Ok(LinkState::Ended(error)) => Err(error.clone().into()),
            _ => Ok(false),
        },
        () = tokio::time::sleep(PATIENCE) => Ok(false),
    }
}

fn read_value(class: Class, value: String) -> Value {
    match class {
        Class::Draft => Value::String(value),
        Class::Pref | Class::Pin | Class::Read => {
            serde_json::from_str(&value).unwrap_or(Value::String(value))
        }
    }
}

async fn write(
    global: &Global,
    link: &Link,
    shared: &SharedState,
    key: StateKey,
    value: Option<Value>,
) -> Result<(), Failure> {
    shared.set(key.clone(), value)?;
    let _ = reached(link, shared.settled()).await?;
    let Some(local) = shared.get(&key) else { return Ok(()) };
    list(global, std::slice::from_ref(&local));
    match local.refused {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn list(global: &Global, registers: &[Local]) {
    for local in registers {
        if global.json {
            out::json(local);
            continue;
        }
        let value = local.value.as_ref().map_or("(deleted)".to_owned(), Value::to_string);
        let waits = if local.waits { "  (waits to be sent)" } else { "" };
        out::line(format!("{}  {value}{waits}", local.key));
        for other in &local.others {
            let text = Value::String(other.text.clone());
            out::line(format!("  beside it, from {}: {text}", other.device_name));
        }
    }
}

impl From<afield_client::SetError> for Failure {
    fn from(error: afield_client::SetError) -> Self {
        match error {
            afield_client::SetError::Value(error) => error.into(),
            afield_client::SetError::Kept(error) => error.into(),
        }
    }
}
