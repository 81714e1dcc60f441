//! A command line that can't be read: said to people as clap says it, and to programs like any other
//! failure. Help and the version are answers, and written like them.

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;

/// Says what clap made of the command line.
pub(crate) fn tell(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let text = error.render().ansi().to_string();
    if !error.use_stderr() {
        out::text(&text);
        return Exit::Done;
    }
    out::Unwritten::GoOn.apply();
    if wants_json(arguments) {
        out::json(&failure(error).json());
    }
    out::error_text(&text);
    Exit::Usage
}

/// Whether `--json` stands where flags stand.
fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

fn failure(error: &clap::Error) -> Failure {
    let failure = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Failure::usage("the command line names no command")
        }
        _ => Failure::usage(sentence(&error.render().to_string())),
    };
    failure.with_next("see what can be said: add --help")
}

/// The first paragraph on one line: what follows are hints and the usage.
fn sentence(rendered: &str) -> String {
    let rendered = rendered.strip_prefix("error: ").unwrap_or(rendered);
    let paragraph = rendered.split("\n\n").next().unwrap_or(rendered);
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn said(line: &[&str]) -> String {
        let error = crate::cli::Cli::try_parse_from(line).unwrap_err();
        failure(&error).to_string()
    }

    #[test]
    fn what_is_wrong_is_one_sentence() {
        let unknown = said(&["afield", "projects", "lst"]);
        assert_eq!(unknown, "unrecognized subcommand 'lst'");
        let missing = said(&["afield", "token", "create"]);
        assert_eq!(missing, "the following required arguments were not provided: --name <NAME>");
        assert_eq!(said(&["afield"]), "the command line names no command");
    }

    #[test]
    fn what_follows_two_dashes_is_no_flag() {
        let line = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(&line(&["afield", "nonsense", "--json"])));
        assert!(!wants_json(&line(&["afield", "run", "--", "tool", "--json"])));
    }
}
