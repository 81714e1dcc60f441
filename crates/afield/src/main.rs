//! `afield`: run and orchestrate coding agents on your own machines, from any device.
//!
//! The binary wires the other crates together and holds no rule of the product itself:
//! `cli` (a client of a server, near or far) | `up` (server and local runner, supervised) |
//! `serve`, `runner_cmd` (one of the two) | `config`.

mod cli;
mod config;
mod connect;
mod data_dir;
mod exit;
mod failure;
mod identity;
mod logging;
mod nearby;
mod out;
mod parent;
mod project_ref;
mod qr;
mod runner_cmd;
mod screen;
mod serve;
mod short_id;
mod stop;
mod table;
mod transcript;
mod unsent;
mod up;
mod words;

use clap::Parser as _;

use exit::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((runner_cmd::DEMO_COMMAND, rest)) =
        arguments.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        // What follows is written as for another program, and no command line of this one.
        return runner_cmd::demo_agent(rest);
    }
    // Before anything speaks TLS. An error says that there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = cli::Cli::parse();
    cli.global.color.apply();
    let json = cli.global.json;
    match cli::run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report(&failure, json);
            failure.exit().into()
        }
    }
}

fn report(failure: &failure::Failure, json: bool) {
    // The exit code tells it to whoever does not read it.
    out::Unwritten::GoOn.apply();
    if json {
        out::json(&failure.json());
    }
    out::error_line(failure.lines());
}

/// What every command ends with.
type Outcome = Result<Exit, failure::Failure>;
