//! The command line: what can be said, and who does it.

mod answer;
mod approvals;
mod attach;
mod audit;
mod config_cmd;
mod control;
mod devices;
mod discover;
mod doctor;
mod event_line;
mod explain;
mod handoff;
mod health;
mod history;
mod link;
mod login;
mod pair;
mod patience;
mod prefer;
mod projects;
mod queue;
mod run;
mod search;
mod sessions;
mod shell;
mod state;
mod throw_out;
mod token;
mod typed;
mod when;

use clap::{Parser, Subcommand};

use crate::connect::Global;
use crate::failure::Failure;
use crate::out::Unwritten;
use crate::{Outcome, config, exit, logging, runner_cmd, serve, up};

/// Run and orchestrate coding agents on your own machines, from any device.
#[derive(Debug, Parser)]
#[command(name = "afield", version, after_help = exit::TABLE, disable_help_subcommand = true)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Cli {
    /// Flags every command understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a server and a runner on this machine
    Up(up::Args),
    /// Start a server alone
    Server(serve::Args),
    /// Start a runner: this machine works for a server
    Runner(runner_cmd::Args),
    /// Send a prompt to a project's agent and watch it work
    Run(run::Args),
    /// Watch a project live, type prompts, answer what the agent asks
    Attach(attach::Args),
    /// Stop what runs in a project, with every process it made
    Kill(control::Args),
    /// End the running turn; the conversation can go on
    Interrupt(control::Args),
    /// Make the next prompt start a new conversation
    NewSession(control::Args),
    /// Add, list and change projects
    #[command(subcommand)]
    Projects(projects::Command),
    /// See what waits and why; stop, move, hold, retry it
    #[command(subcommand)]
    Queue(queue::Command),
    /// List and show conversations; go on with one in another project
    #[command(subcommand)]
    Sessions(sessions::Command),
    /// Show what was said in a project
    History(history::Args),
    /// Look for words in everything that was said, in all projects
    Search(search::Args),
    /// Show what agents ask, and answer
    Approvals(approvals::Args),
    /// Let a new device in: shows a QR code and a code to type
    Pair(pair::Args),
    /// Make this machine a device of a server, with a code from `afield pair`
    Login(login::Args),
    /// Look for servers that announce themselves on the local network
    Discover(discover::Args),
    /// Have the server forget this machine
    Logout,
    /// Show which devices are there, change what they may do, throw one out, send them messages
    Devices(devices::Args),
    /// Show which screen holds the focus; afield attach --here continues here
    Handoff,
    /// Show and check the record of who was let in, what was allowed, what ran
    #[command(subcommand)]
    Audit(audit::Command),
    /// Make, list and revoke tokens: credentials for scripts
    #[command(subcommand)]
    Token(token::Command),
    /// Make a one-time link (and QR code) that lets a browser in at once
    Link(link::Args),
    /// Show and write what your devices share: preferences, pins, read markers, drafts
    #[command(subcommand)]
    State(state::Command),
    /// Show or change what this machine starts with when nothing else is said
    Prefer(prefer::Args),
    /// Show the configuration
    #[command(subcommand)]
    Config(config_cmd::Command),
    /// Look for what is wrong, and say what to do
    Doctor,
    /// Explain an error code
    Explain(explain::Args),
    /// Measure the server, its store and its runners
    Health,
    /// Print completions for a shell
    Completions(shell::CompletionsArgs),
    /// Print the manual page
    Man,
}

/// Does it.
pub(crate) fn run(cli: Cli) -> Outcome {
    let Cli { global, command } = cli;
    if command.is_service() {
        // Its work is not what it prints.
        Unwritten::GoOn.apply();
    } else {
        logging::start_client(global.verbose);
    }
    match command {
        Command::Explain(args) => explain::run(&global, &args),
        Command::Completions(args) => Ok(shell::completions(&args)),
        Command::Man => shell::manual(),
        Command::Config(command) => config_cmd::run(&global, &command),
        other => block_on(dispatch(global, other)),
    }
}

impl Command {
    /// Commands that start something and stay: they log as the configuration says.
    fn is_service(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Server(_) | Self::Runner(_))
    }
}

async fn dispatch(global: Global, command: Command) -> Outcome {
    match command {
        Command::Up(args) => Box::pin(up::run(&global, args)).await,
        Command::Server(args) => Box::pin(serve::run(&global, args)).await,
        Command::Runner(args) => Box::pin(runner_cmd::run(&global, args)).await,
        Command::Run(args) => Box::pin(run::run(&global, args)).await,
        Command::Attach(args) => Box::pin(attach::run(&global, args)).await,
        Command::Kill(args) => control::kill(&global, &args).await,
        Command::Interrupt(args) => control::interrupt(&global, &args).await,
        Command::NewSession(args) => control::new_session(&global, &args).await,
        Command::Projects(command) => projects::run(&global, command).await,
        Command::Queue(command) => Box::pin(queue::run(&global, command)).await,
        Command::Sessions(command) => sessions::run(&global, command).await,
        Command::History(args) => history::run(&global, &args).await,
        Command::Search(args) => search::run(&global, &args).await,
        Command::Approvals(args) => approvals::run(&global, &args).await,
        Command::Pair(args) => pair::run(&global, args).await,
        Command::Login(args) => login::login(&global, args).await,
        Command::Discover(args) => discover::run(&global, args).await,
        Command::Logout => login::logout(&global).await,
        Command::Audit(command) => audit::run(&global, command).await,
        Command::Token(command) => token::run(&global, command).await,
        Command::Link(args) => link::run(&global, args).await,
        Command::Devices(args) => devices::run(&global, args).await,
        Command::Handoff => handoff::run(&global).await,
        Command::State(command) => Box::pin(state::run(&global, command)).await,
        Command::Prefer(args) => prefer::run(&global, &args).await,
        Command::Doctor => Box::pin(doctor::run(&global)).await,
        Command::Health => health::run(&global).await,
        Command::Explain(_) | Command::Completions(_) | Command::Man | Command::Config(_) => {
            unreachable!("these need no runtime and are done by now")
        }
    }
}

fn block_on(future: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::from(anyhow::Error::new(error)))?;
    let outcome = runtime.block_on(future);
    // A thread that waits for standard input would hold the program.
    runtime.shutdown_background();
    outcome
}

/// The configuration that goes with these flags.
pub(crate) fn load_config(
    global: &Global,
    file: Option<std::path::PathBuf>,
    flags: Vec<config::Flag>,
) -> Result<config::Loaded, Failure> {
    let sources = config::Sources {
        data_dir: global.data_dir()?.path().to_owned(),
        file,
        environment: environment(),
        flags,
    };
    config::load(&sources).map_err(|error| {
        Failure::usage(error.to_string()).with_next("see what can be set: afield config default")
    })
}

/// The environment; what is no UTF-8 in it has marks in its place.
fn environment() -> Vec<(String, String)> {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_lines_scripts_use_are_understood() {
        for line in [
            "afield up --data-dir D --listen 127.0.0.1:0 --json",
            "afield --data-dir D token create --name N --scopes all --json",
            "afield token create --name N --kind runner --scopes runner",
            "afield runner --server http://h:1 --token-file F --name N --data-dir D",
            "afield projects add --runner N DIR --json",
            "afield run -p . --agent demo --model m --permission-mode acceptEdits --timeout 5 --key k hi",
            "afield run -",
            "afield run -p x -- make test",
            "afield run -p x --detach --at 10m --expires 2h --priority high --order k --mode steer hi",
            "afield run -d --retry 3 --retry-safe --wait-for-limit --hold --on os=\"linux\" hi",
            "afield run -d --on os=\"linux\" --route order --prefer box --prefer other hi",
            "afield run --mcp-config f --dangerously-skip-permissions hi",
            "afield queue ls -p x --runner box --all --state dead --json",
            "afield queue move 01234567 --after 76543210",
            "afield queue hold --all",
            "afield queue release --runner box",
            "afield queue retry --all-dead -p x",
            "afield queue resolve 01234567 --requeue",
            "afield queue edit 01234567 --prompt p --priority low --not-before 3d --expires 4d",
            "afield history -p x --limit 5 --before 9 --kind text --direction claude --search w",
            "afield search needle -p x -p y --kind text --direction claude -n 5 --before 1.2.3",
            "afield approvals answer 0190 --allow",
            "afield pair --scopes view,approve --name phone --json",
            "afield pair --runner",
            "afield login BCDF-GHJK --server http://h:1 --name laptop",
            "afield logout",
            "afield discover --json --timeout 5s",
            "afield server --listen 0.0.0.0:0 --tls self-signed --announce",
            "afield runner --pair BCDF-GHJK --server http://h:1",
            "afield devices list",
            "afield devices ls",
            "afield devices --wide",
            "afield devices list --wide",
            "afield projects ls",
            "afield projects list",
            "afield token ls",
            "afield sessions list",
            "afield audit list",
            "afield queue list",
            "afield devices revoke-others --runners",
            "afield devices scopes phone view,approve",
            "afield devices rename phone tablet",
            "afield devices label box gpu office --priority -5",
            "afield devices label box --none",
            "afield audit ls --limit 5 --before 9",
            "afield audit verify --since 5:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "afield state set pref:theme dark",
            "afield state list",
            "afield prefer -p shop --agent demo --json",
            "afield prefer --none",
            "afield devices",
            "afield devices message phone hi --hold",
            "afield devices message all hi",
            "afield devices sleep",
            "afield sessions ls -p shop -n 5 --json",
            "afield sessions show 01990000",
            "afield sessions move shop shop-on-box",
            "afield handoff --json",
            "afield attach --here",
            "afield explain",
            "afield explain PROJECT_NOT_FOUND",
        ] {
            let parsed = Cli::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().unwrap());
        }
    }

    #[test]
    fn every_option_of_run_stands_under_its_own_heading() {
        let mut command = Cli::command();
        command.build();
        let run = command.find_subcommand("run").unwrap();
        let under = |id: &str| {
            let argument = run.get_arguments().find(|it| it.get_id() == id).unwrap();
            argument.get_help_heading()
        };
        for (id, heading) in [
            ("project", None),
            ("attach", None),
            ("detach", None),
            ("agent", Some("Agent")),
            ("timeout", Some("Agent")),
            ("route", Some("With --on")),
            ("prefer", Some("With --on")),
            ("mode", Some("Queue")),
            ("hold", Some("Queue")),
            ("server", Some("Global options")),
        ] {
            assert_eq!(under(id), heading, "{id}");
        }
    }

    #[test]
    fn help_names_the_exit_codes() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("Exit codes:") && help.contains("attach"));
    }
}
