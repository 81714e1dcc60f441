//! The command line, parsed as strictly as the real one: an unknown option is an error, never a prompt.
//!
//! Called once at the start. The forms are those of the commander library: `--flag value` and `--flag=value`, and lists
//! that swallow everything up to the next option unless the `=` form is used.

mod flags;
mod rules;

use std::collections::BTreeMap;

use flags::{Flag, Takes};

const HELP: &str = "Usage: mock-claude [options] [command] [prompt]\n\n\
A deterministic stand-in for the Claude Code CLI in print mode.\n\n\
Commands:\n  auth status    show the login\n  agents --json  list live sessions";

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Invocation {
    /// Print this and exit.
    Print(String),
    /// Converse.
    Session(Box<Args>),
}

/// The options of a session, by canonical long name without dashes.
#[derive(Debug, Default)]
pub(super) struct Args {
    given: BTreeMap<&'static str, Vec<String>>,
    /// Positional arguments, joined by spaces; also where the value of a valueless option ends up.
    pub(super) prompt: Option<String>,
}

impl Args {
    /// Whether the option was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The last value of the option.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last().map(String::as_str)
    }

    /// All values of the option, in order.
    pub(super) fn values(&self, name: &str) -> &[String] {
        self.given.get(name).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, flag: &Flag, values: impl IntoIterator<Item = String>) -> Result<(), String> {
        let list = self.given.entry(flag.name).or_default();
        for value in values {
            flag.check(&value)?;
            list.push(value);
        }
        Ok(())
    }
}

/// Parses the arguments after the program name.
///
/// **Errors**: the text the real parser would print to stderr before exiting with 1.
pub(super) fn parse(argv: &[String]) -> Result<Invocation, String> {
    match argv.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["auth", "status", ..] => {
            return Ok(Invocation::Print(r#"{"loggedIn":true,"authMethod":"mock"}"#.to_owned()));
        }
        ["agents", "--json"] => return Ok(Invocation::Print("[]".to_owned())),
        _ => {}
    }
    let args = collect(argv)?;
    if args.has("version") {
        return Ok(Invocation::Print(format!("{} (Claude Code)", super::version())));
    }
    if args.has("help") {
        return Ok(Invocation::Print(HELP.to_owned()));
    }
    rules::check(&args)?;
    Ok(Invocation::Session(Box::new(args)))
}

fn collect(argv: &[String]) -> Result<Args, String> {
    let mut args = Args::default();
    let mut positionals = Vec::new();
    let mut rest = argv;
    while let Some((token, tail)) = rest.split_first() {
        rest = tail;
        if token == "--" {
            positionals.extend_from_slice(rest);
            break;
        } else if is_option(token) {
            rest = option(&mut args, token, rest)?;
        } else {
            positionals.push(token.clone());
        }
    }
    args.prompt = (!positionals.is_empty()).then(|| positionals.join(" "));
    Ok(args)
}

/// Takes one option and its values; returns what is left.
fn option<'a>(args: &mut Args, token: &str, rest: &'a [String]) -> Result<&'a [String], String> {
    if let Some(flag) = flags::find(token) {
        let taken = values_after(flag, rest)?;
        args.add(flag, rest[..taken].to_vec())?;
        return Ok(&rest[taken..]);
    }
    let unknown = || format!("error: unknown option '{token}'");
    let (name, value) =
        token.split_once('=').filter(|_| token.starts_with("--")).ok_or_else(unknown)?;
    let flag = flags::find(name).filter(|flag| flag.takes != Takes::Nothing).ok_or_else(unknown)?;
    args.add(flag, [value.to_owned()])?;
    Ok(rest)
}

/// How many of the following tokens belong to the option.
fn values_after(flag: &Flag, rest: &[String]) -> Result<usize, String> {
    let plain = rest.iter().take_while(|token| !is_option(token)).count();
    match flag.takes {
        Takes::Nothing => Ok(0),
        Takes::Optional => Ok(plain.min(1)),
        Takes::One | Takes::Many if rest.is_empty() => {
            Err(format!("error: option '{}' argument missing", flag.usage()))
        }
        Takes::One => Ok(1),
        Takes::Many => Ok(plain.max(1)),
    }
}

fn is_option(token: &str) -> bool {
    token.len() > 1 && token.starts_with('-')
}
