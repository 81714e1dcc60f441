//! `afield prefer`: what this machine starts with when nothing else is said.

use afield_client::Connection;
use afield_proto::agent::AgentKind;
use afield_proto::request::{ProjectList, StateGet, StateSet};
use afield_proto::state::{DevicePreference, StateRegister};
use afield_proto::{DeviceId, ProjectId};

use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words::visible;
use crate::{Outcome, out, project_ref};

/// `afield prefer`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where work goes that names no project and is started in none: id, name or directory
    #[arg(short, long, value_name = "PROJECT")]
    project: Option<String>,
    /// Who does it where the project has no agent of its own: claude, demo or command
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentKind>,
    /// Prefer nothing
    #[arg(long, conflicts_with_all = ["project", "agent"])]
    none: bool,
}

/// What a device prefers, and the version of its register.
struct Known {
    device_id: DeviceId,
    preference: DevicePreference,
    version: u64,
}

/// Does it.
pub(super) async fn run(global: &Global, args: &Args) -> Outcome {
    let connection = connect(global).await?;
    let projects = connection.ask(&ProjectList {}).await?.projects;
    let Some(known) = known(&connection).await? else {
        return Err(Failure::new(Exit::Refused, "this server is too old to keep preferences")
            .with_next("update it"));
    };
    let project = args.project.as_deref();
    let project = project.map(|meant| project_ref::choose(&projects, Some(meant))).transpose()?;
    let before = if args.none { DevicePreference::default() } else { known.preference };
    let preference = DevicePreference {
        project_id: project.map(|project| project.id).or(before.project_id),
        agent: args.agent.or(before.agent),
    };
    if preference != known.preference {
        let is_empty = preference == DevicePreference::default();
        let value = (!is_empty).then(|| serde_json::json!(preference));
        let key = DevicePreference::key(known.device_id);
        connection
            .ask(&StateSet { key, base_version: Some(known.version), value, hlc: None })
            .await?;
    }
    if global.json {
        out::json(&preference);
        return Ok(Exit::Done);
    }
    let path = |id: ProjectId| {
        let found = projects.iter().find(|project| project.id == id);
        found.map_or_else(|| format!("{id} (gone)"), |project| visible(&project.path))
    };
    let nothing = || "(nothing)".to_owned();
    out::line(format!("project  {}", preference.project_id.map_or_else(nothing, path)));
    let agent = preference.agent.map_or_else(nothing, |agent| agent.name().to_owned());
    out::line(format!("agent    {agent}"));
    Ok(Exit::Done)
}

/// What this device prefers; nothing on a server that does not say who asks.
pub(super) async fn preference(connection: &Connection) -> Result<DevicePreference, Failure> {
    Ok(known(connection).await?.map(|known| known.preference).unwrap_or_default())
}

async fn known(connection: &Connection) -> Result<Option<Known>, Failure> {
    // The last page of everything: only who asks is wanted of it.
    let ask = StateGet { key: None, after: Some(u64::from(u32::MAX) << 20) };
    let Some(device_id) = connection.ask(&ask).await?.device_id else { return Ok(None) };
    let key = DevicePreference::key(device_id);
    let found = connection.ask(&StateGet { key: Some(key), after: None }).await?;
    let register: Option<&StateRegister> = found.registers.first();
    let preference = DevicePreference::read(register.and_then(|one| one.value.as_ref()));
    let version = register.map_or(0, |register| register.version);
    Ok(Some(Known { device_id, preference, version }))
}
