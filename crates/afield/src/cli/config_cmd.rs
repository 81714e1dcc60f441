//! `afield config show|default`.

use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table, presets};

use crate::config::{DEFAULT_FILE, Loaded};
use crate::connect::Global;
use crate::exit::Exit;
use crate::{Outcome, out, serve};

/// What to show.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show each value and where it came from
    Show {
        /// Another file than afield.toml in the data directory
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the commented file with all defaults
    Default,
}

/// Does it.
pub(super) fn run(global: &Global, command: &Command) -> Outcome {
    match command {
        Command::Default => out::text(DEFAULT_FILE),
        Command::Show { config } => {
            let loaded = super::load_config(global, config.clone(), Vec::new())?;
            if global.json {
                show_json(&loaded)
            } else {
                show(&loaded)
            }
            // What stands where is shown also of a configuration that a server would refuse.
            serve::options(&loaded, &global.data_dir()?)?;
        }
    }
    Ok(Exit::Done)
}

fn show_json(loaded: &Loaded) {
    for (key, (value, origin)) in &loaded.values {
        let origin = origin.to_string();
        let value = shown(key, value);
        out::json(&serde_json::json!({ "key": key, "value": value, "origin": origin }));
    }
}

fn show(loaded: &Loaded) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["KEY", "VALUE", "FROM"]);
    for (key, (value, origin)) in &loaded.values {
        table.add_row([key.clone(), shown(key, value).to_string(), origin.to_string()]);
    }
    out::line(table);
}

/// The value, without the password of a database.
fn shown(key: &str, value: &toml::Value) -> toml::Value {
    match (key, value.as_str()) {
        ("store.url", Some(url)) => toml::Value::String(without_password(url)),
        _ => value.clone(),
    }
}

/// `postgres://user:…@host/database`
pub(super) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((user, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    match user.split_once(':') {
        Some((name, _)) => format!("{scheme}://{name}:…@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_password("postgres://a:b@c@h/d"), "postgres://a:…@h/d");
        assert_eq!(without_password("postgres://h/d"), "postgres://h/d");
        assert_eq!(without_password(""), "");
    }
}
