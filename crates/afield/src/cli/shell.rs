//! `afield completions` and `afield man`.

use std::io::Write as _;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use crate::exit::Exit;
use crate::{Outcome, out};

/// `afield completions`
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints completions.
pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "afield", &mut script);
    out::text(&String::from_utf8_lossy(&script));
    Exit::Done
}

/// Prints the manual page, with one section per command.
pub(super) fn manual() -> Outcome {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page).context("the manual page")?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        section("AFIELD", sub, &mut page).context("the manual page")?;
    }
    out::text(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}

/// The section of one command, and those of the commands below it.
fn section(above: &str, command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let name = format!("{above} {}", command.get_name().to_uppercase());
    writeln!(page, ".SH \"{name}\"\n{about}")?;
    let man = clap_mangen::Man::new(command.clone());
    man.render_synopsis_section(page)?;
    man.render_options_section(page)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        section(&name, sub, page)?;
    }
    Ok(())
}
