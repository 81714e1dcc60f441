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
mod misread;
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

use std::ffi::OsString;

use clap::Parser as _;

use exit::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == runner_cmd::DEMO_COMMAND) {
        // What follows is written as for another program, and no command line of this one.
        return runner_cmd::demo_agent(&arguments[2..]);
    }
    // Before anything speaks TLS. An error says that there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = match cli::Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misread::tell(&error, &arguments).into(),
    };
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
