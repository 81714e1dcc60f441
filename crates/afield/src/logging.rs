//! Logs: to standard error, as text or JSON, as loud as was asked.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::failure::Failure;

/// For client commands: warnings only, more when asked.
pub(crate) fn start_client(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let log = Log { level: level.to_owned(), format: LogFormat::Text };
    // The level is one of three that are known to be right.
    let _ = start(&log);
}

/// For servers and runners: as configured, `-v` adds.
pub(crate) fn start_service(log: &Log, verbose: u8) -> Result<(), Failure> {
    let level = match verbose {
        0 => log.level.clone(),
        1 => "debug".to_owned(),
        _ => "trace".to_owned(),
    };
    start(&Log { level, format: log.format })
}

/// What is logged.
///
/// **Errors**: the level is none.
pub(crate) fn filter(log: &Log) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(&log.level).map_err(|error| {
        Failure::usage(format!("log.level: {:?} is no level: {error}", log.level))
            .with_next("write one of error, warn, info, debug, trace; or targets, such as info,afield_store=debug")
    })
}

fn start(log: &Log) -> Result<(), Failure> {
    let filter = filter(log)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would say so on standard error, and panic because nobody reads that.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
