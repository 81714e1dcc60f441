//! `afield projects add|list|show|set|rm`.

use afield_client::{AskError, Connection};
use afield_proto::agent::{AgentKind, PermissionMode};
use afield_proto::fact::RunnerState;
use afield_proto::project::{Project, ProjectState};
use afield_proto::request::{ProjectCreate, ProjectDelete, ProjectList, ProjectUpdate, RunnerList};
use afield_proto::{DeviceId, ErrorBody, ErrorCode, Timestamp};
use comfy_table::Table;

use super::run::permission_mode;
use crate::connect::{Global, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::short_id::{fits_among_few, short};
use crate::words::{age, shell, visible};
use crate::{Outcome, out, project_ref, unsent};

/// What to do with projects.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a project of a directory
    Add(AddArgs),
    /// List the projects
    #[command(alias = "ls")]
    List,
    /// Forget a project; its directory stays as it is
    Rm(OneArgs),
    /// Show one project
    Show(OneArgs),
    /// Change a project's settings
    Set(SetArgs),
}

/// `afield projects add`
#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// The directory, on its runner
    #[arg(value_name = "DIR", default_value = ".")]
    directory: std::path::PathBuf,
    /// The runner: name or id [default: the only one, or the one on this machine]
    #[arg(long, value_name = "RUNNER")]
    runner: Option<String>,
    /// What is set.
    #[command(flatten)]
    settings: Settings,
}

/// Which project.
#[derive(Debug, clap::Args)]
pub(crate) struct OneArgs {
    /// Project: id, name or directory [default: the one of the current directory]
    #[arg(value_name = "PROJECT")]
    project: Option<String>,
}

/// `afield projects set`
#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Project: id, name or directory [default: the one of the current directory]
    #[arg(value_name = "PROJECT")]
    project: Option<String>,
    /// What is set.
    #[command(flatten)]
    settings: Settings,
}

/// What can be set on a project.
#[derive(Debug, clap::Args)]
struct Settings {
    /// A name to show
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The agent that answers prompts: claude, demo or command
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentKind>,
    /// The model every prompt starts from
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// When the agent asks
    #[arg(long, value_name = "MODE", value_parser = permission_mode)]
    permission_mode: Option<PermissionMode>,
}

impl Settings {
    /// These settings over the ones there are.
    fn over(&self, project: &mut afield_proto::project::ProjectSettings) {
        if let Some(name) = &self.name {
            project.name = (!name.is_empty()).then(|| name.clone());
        }
        project.agent = self.agent.or(project.agent);
        if self.model.is_some() || self.permission_mode.is_some() {
            let options = project.options.get_or_insert_default();
            options.model = self.model.clone().or(options.model.take());
            options.permission_mode = self.permission_mode.or(options.permission_mode);
        }
    }
}

/// Does it.
pub(super) async fn run(global: &Global, command: Command) -> Outcome {
    let connection = connect(global).await?;
    match command {
        Command::Add(args) => add(global, &connection, &args).await,
        Command::List => list(global, &connection).await,
        Command::Rm(args) => remove(global, &connection, &args).await,
        Command::Show(args) => {
            let project = project_ref::find(&connection, args.project.as_deref()).await?;
            show(global, &project);
            Ok(Exit::Done)
        }
        Command::Set(args) => set(global, &connection, &args).await,
    }
}

async fn add(global: &Global, connection: &Connection, args: &AddArgs) -> Outcome {
    let runners = connection.ask(&RunnerList {}).await?.runners;
    let runner_id = match &args.runner {
        Some(meant) => Some(choose_runner(&runners, meant)?),
        None => only_local(&runners),
    };
    if runner_id.is_none() && runners.len() > 1 {
        return Err(which_runner(&runners));
    }
    let mut settings = afield_proto::project::ProjectSettings::default();
    args.settings.over(&mut settings);
    let path = path_on_runner(&args.directory)?;
    let create = ProjectCreate { path, runner_id, settings };
    let project = match connection.ask(&create).await {
        Err(AskError::Refused(error)) if error.code == ErrorCode::InvalidPath => {
            return Err(invalid_path(error, &create, &runners));
        }
        answered => answered?,
    };
    if let Ok(known) = connection.ask(&ProjectList {}).await {
        unsent::remember(global, &known.projects);
    }
    if global.json {
        out::json(&project);
    } else {
        out::line(format!("added {} ({})", visible(&project.path), project.id));
        out::line(format!("next: afield run -p {} \"…\"", shell(&project.path)));
    }
    Ok(Exit::Done)
}

fn which_runner(runners: &[RunnerState]) -> Failure {
    let names: Vec<_> = runners.iter().map(|runner| runner.name.as_str()).collect();
    Failure::usage(format!("there are several runners: {}", names.join(", ")))
        .with_next("name the one it is for: afield projects add --runner NAME DIR")
}

/// The refusal with the path it is about, and the directories that are allowed there.
fn invalid_path(error: ErrorBody, create: &ProjectCreate, runners: &[RunnerState]) -> Failure {
    let sentence = format!("{}: {}", visible(&create.path), error.message);
    let roots_broken = error.details.as_ref().is_some_and(|details| details["rule"] == "roots");
    let failure = Failure::from(error).saying(sentence);
    let is_meant = |runner: &&RunnerState| create.runner_id.is_none_or(|id| runner.runner_id == id);
    match runners.iter().find(is_meant) {
        Some(RunnerState { name, facts: Some(facts), .. }) if roots_broken => {
            let roots = facts.roots.join(", ");
            failure.with_next(format!(
                "choose one below {roots}; or allow more on {name}: roots in its runner.toml"
            ))
        }
        _ => failure,
    }
}

/// Relative directories are meant from here; links are for the runner to resolve.
fn path_on_runner(directory: &std::path::Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(directory)
        .map_err(|error| Failure::usage(format!("{}: {error}", directory.display())))?;
    // `absolute` keeps `..`, which the runner refuses; here it can be resolved.
    let dots = directory.components().any(|part| part == std::path::Component::ParentDir);
    let absolute = if dots { project_ref::absolute(&absolute) } else { absolute };
    absolute
        .into_os_string()
        .into_string()
        .map_err(|_| Failure::usage("the directory's name is no valid UTF-8"))
}

/// The runner with this name, or with this part of an id.
pub(super) fn choose_runner(runners: &[RunnerState], meant: &str) -> Result<DeviceId, Failure> {
    let fits =
        |runner: &&RunnerState| runner.name == meant || fits_among_few(runner.runner_id, meant);
    let found: Vec<_> = runners.iter().filter(fits).collect();
    match found.as_slice() {
        [runner] => Ok(runner.runner_id),
        [] => {
            let names: Vec<_> = runners.iter().map(|runner| runner.name.as_str()).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(Failure::new(
                Exit::Refused,
                format!("no runner is called {meant} (known: {known})"),
            ))
        }
        _ => Err(Failure::new(Exit::Refused, format!("several runners are called {meant}"))
            .with_next("name one by its id; see afield health")),
    }
}

/// Among several runners, the one on this machine.
fn only_local(runners: &[RunnerState]) -> Option<DeviceId> {
    let host = nix::unistd::gethostname().ok()?.into_string().ok()?;
    let here = |runner: &&RunnerState| {
        runner.online && runner.facts.as_ref().is_some_and(|facts| facts.host == host)
    };
    let mut found = runners.iter().filter(here);
    let first = found.next()?;
    found.next().is_none().then_some(first.runner_id)
}

async fn list(global: &Global, connection: &Connection) -> Outcome {
    let projects = connection.ask(&ProjectList {}).await?;
    unsent::remember(global, &projects.projects);
    if global.json {
        out::json(&projects);
        return Ok(Exit::Done);
    }
    if projects.projects.is_empty() {
        out::line("There are no projects yet. Make one of a directory:\n  afield projects add DIR");
        return Ok(Exit::Done);
    }
    let runners = connection.ask(&RunnerList {}).await?.runners;
    out::line(table(&projects.projects, &runners, Timestamp::now()));
    Ok(Exit::Done)
}

fn table(projects: &[Project], runners: &[RunnerState], now: Timestamp) -> Table {
    let heads = ["STATE", "PROJECT", "RUNNER", "LAST ACTIVE", "ID"];
    let mut table = crate::table::table(&heads, &["STATE"]);
    for project in projects {
        let path = visible(&project.path);
        let name = project.settings.name.as_deref().map(visible);
        let shown = name.map_or(path.clone(), |name| format!("{name} ({path})"));
        table.add_row([
            state(project),
            shown,
            runner(runners, project.runner_id),
            age(project.last_active, now),
            short(project.id),
        ]);
    }
    table
}

fn state(project: &Project) -> String {
    match project.state {
        ProjectState::Idle if project.command_id.is_some() => "waiting".to_owned(),
        ProjectState::Idle => "idle".to_owned(),
        ProjectState::Executing => "working".to_owned(),
        ProjectState::Error => match &project.reason {
            Some(reason) => format!("error: {}", crate::words::one_line(reason, 40)),
            None => "error".to_owned(),
        },
    }
}

fn runner(runners: &[RunnerState], id: DeviceId) -> String {
    match runners.iter().find(|runner| runner.runner_id == id) {
        Some(runner) if runner.online => runner.name.clone(),
        Some(runner) => format!("{} (offline)", runner.name),
        None => "gone".to_owned(),
    }
}

async fn remove(global: &Global, connection: &Connection, args: &OneArgs) -> Outcome {
    let project = project_ref::find(connection, args.project.as_deref()).await?;
    connection.ask(&ProjectDelete { project_id: Some(project.id) }).await?;
    if global.json {
        out::json(&serde_json::json!({ "deleted": project.id }));
    } else {
        out::line(format!("forgot {}; the directory is as it was", visible(&project.path)));
    }
    Ok(Exit::Done)
}

async fn set(global: &Global, connection: &Connection, args: &SetArgs) -> Outcome {
    let project = project_ref::find(connection, args.project.as_deref()).await?;
    let mut settings = project.settings.clone();
    args.settings.over(&mut settings);
    if settings == project.settings {
        return Err(Failure::usage("nothing to set").with_next("afield projects set --help"));
    }
    let update = ProjectUpdate { project_id: Some(project.id), settings };
    show(global, &connection.ask(&update).await?);
    Ok(Exit::Done)
}

fn show(global: &Global, project: &Project) {
    if global.json {
        out::json(project);
        return;
    }
    let settings = &project.settings;
    let options = settings.options.clone().unwrap_or_default();
    let or_default = |text: Option<String>| text.unwrap_or_else(|| "(the agent's own)".to_owned());
    out::line(format!("project      {}", project.id));
    out::line(format!("path         {}", visible(&project.path)));
    out::line(format!("name         {}", settings.name.as_deref().unwrap_or("(the directory's)")));
    out::line(format!("state        {}", state(project)));
    out::line(format!("agent        {}", settings.agent.unwrap_or(AgentKind::Claude)));
    out::line(format!("model        {}", or_default(options.model)));
    let mode = options.permission_mode.map(|mode| mode.name().to_owned());
    out::line(format!("permissions  {}", or_default(mode)));
    out::line(format!("last active  {}", age(project.last_active, Timestamp::now())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::ProjectId;
    use afield_proto::project::ProjectSettings;
    use std::path::Path;

    fn runner_called(name: &str, online: bool) -> RunnerState {
        let runner_id = DeviceId::generate();
        RunnerState { name: name.into(), online, ..RunnerState::unknown(runner_id) }
    }

    #[test]
    fn the_table_says_what_is_true() {
        let runners = [runner_called("laptop", true), runner_called("server", false)];
        let now = Timestamp::now();
        let project = |path: &str, runner: &RunnerState, state| Project {
            id: ProjectId::generate(),
            path: path.into(),
            runner_id: runner.runner_id,
            state,
            reason: None,
            session_id: None,
            command_id: None,
            settings: ProjectSettings::default(),
            created_at: now,
            last_active: now,
        };
        let projects = [
            project("/a", &runners[0], ProjectState::Executing),
            project("/b", &runners[1], ProjectState::Idle),
        ];
        let text = table(&projects, &runners, now).to_string();
        let row = |path: &str| text.lines().find(|line| line.contains(path)).unwrap().to_owned();
        assert!(row("/a").contains("working") && row("/a").contains("laptop"));
        assert!(row("/b").contains("idle") && row("/b").contains("server (offline)"));
    }

    #[test]
    fn directories_are_made_absolute_here() {
        let path = path_on_runner(Path::new("some/dir")).unwrap();
        assert!(path.starts_with('/') && path.ends_with("/some/dir"));
        let up = path_on_runner(Path::new("..")).unwrap();
        assert!(!up.contains(".."));
    }

    #[test]
    fn a_named_runner_must_exist() {
        let runners = [runner_called("laptop", true), runner_called("server", true)];
        assert_eq!(choose_runner(&runners, "server").unwrap(), runners[1].runner_id);
        let id = runners[0].runner_id.to_string();
        assert_eq!(choose_runner(&runners, &id).unwrap(), runners[0].runner_id);
        let failure = choose_runner(&runners, "phone").unwrap_err();
        assert!(failure.to_string().contains("laptop, server"));
        let failure = which_runner(&runners);
        assert!(failure.lines().contains("laptop, server") && failure.lines().contains("--runner"));
    }
}
