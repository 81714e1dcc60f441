//! Laying the sources over each other, and remembering where each value came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::nearest::nearest;
use super::{Config, FILE_NAME};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// The command line.
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// A value given on the command line.
#[derive(Debug, Clone)]
pub(crate) struct Flag {
    /// The flag's name, without the dashes.
    pub name: &'static str,
    /// The key it sets.
    pub key: &'static str,
    /// What it sets it to.
    pub value: Value,
}

/// Everything a configuration is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// Where `afield.toml` is looked for.
    pub data_dir: PathBuf,
    /// A file named instead, which must exist.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// The command line.
    pub flags: Vec<Flag>,
}

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    #[error("can't read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// There is no such key.
    #[error("there is no key {key} (in {origin}){}", suggest(.near.as_deref()))]
    Unknown {
        /// The key.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// What was probably meant.
        near: Option<String>,
    },
    /// The value is of the wrong kind.
    #[error("{key} (in {origin}) must be {expected}, not {found}")]
    Kind {
        /// The key.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// What is expected.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The value makes no sense.
    #[error("{0}")]
    Value(String),
}

fn suggest(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

/// A configuration with the origin of each value.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Each key with its value and where it came from.
    pub values: BTreeMap<String, (Value, Origin)>,
}

impl Loaded {
    /// Whether somebody chose this value.
    pub(crate) fn chosen(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|(_, origin)| *origin != Origin::Default)
    }
}

/// Reads all sources; later ones win.
///
/// **Errors**: [`ConfigError`], naming the key and where it stands.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut values = with_origin(defaults());
    if let Some((path, table)) = read_file(sources)? {
        for (key, value) in flatten(&table) {
            set(&mut values, key, value, Origin::File(path.clone()))?;
        }
    }
    for (name, text) in &sources.environment {
        if let Some(key) = key_of(name) {
            let origin = Origin::Variable(name.clone());
            let value = read_variable(&values, &key, text, &origin)?;
            set(&mut values, key, value, origin)?;
        }
    }
    for flag in &sources.flags {
        set(&mut values, flag.key.to_owned(), flag.value.clone(), Origin::Flag(flag.name))?;
    }
    match unflatten(&values).try_into() {
        Ok(config) => Ok(Loaded { config, values }),
        Err(error) => Err(misfit(&values).unwrap_or(ConfigError::Value(said(&error)))),
    }
}

/// The value that a configuration can't have: each that somebody chose is tried among the defaults.
fn misfit(values: &BTreeMap<String, (Value, Origin)>) -> Option<ConfigError> {
    values.iter().filter(|(_, (_, origin))| *origin != Origin::Default).find_map(
        |(key, (value, origin))| {
            let mut alone = with_origin(defaults());
            alone.insert(key.clone(), (value.clone(), origin.clone()));
            let error = unflatten(&alone).try_into::<Config>().err()?;
            let (key, origin) = (key.clone(), origin.clone());
            Some(match value {
                Value::Integer(number) => {
                    let expected = if *number < 0 { "0 or more" } else { "a smaller number" };
                    ConfigError::Kind { key, origin, expected, found: number.to_string() }
                }
                _ => ConfigError::Value(format!("{key} (in {origin}): {}", said(&error))),
            })
        },
    )
}

fn said(error: &toml::de::Error) -> String {
    error.message().trim().to_owned()
}

fn with_origin(defaults: Vec<(String, Value)>) -> BTreeMap<String, (Value, Origin)> {
    defaults.into_iter().map(|(key, value)| (key, (value, Origin::Default))).collect()
}

fn defaults() -> Vec<(String, Value)> {
    let table = Table::try_from(Config::default()).expect("the defaults are a table");
    flatten(&table)
}

fn read_file(sources: &Sources) -> Result<Option<(PathBuf, Table)>, ConfigError> {
    let path = sources.file.clone().unwrap_or_else(|| sources.data_dir.join(FILE_NAME));
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&path, &text).map(|table| Some((path, table))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && sources.file.is_none() => {
            Ok(None)
        }
        Err(source) => Err(ConfigError::Read { path, source }),
    }
}

fn parse(path: &Path, text: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>()
        .map_err(|error| ConfigError::Parse { path: path.to_owned(), source: Box::new(error) })
}

/// `AFIELD_SERVER__LISTEN` is `server.listen`. Variables without a double underscore are not
/// configuration (`AFIELD_DATA_DIR`, `AFIELD_TOKEN`, ...).
fn key_of(variable: &str) -> Option<String> {
    let rest = variable.strip_prefix("AFIELD_")?;
    rest.contains("__").then(|| rest.replace("__", ".").to_ascii_lowercase())
}

/// Reads the text of a variable as what its key holds.
fn read_variable(
    values: &BTreeMap<String, (Value, Origin)>,
    key: &str,
    text: &str,
    origin: &Origin,
) -> Result<Value, ConfigError> {
    let known = values.get(key).map(|(value, _)| value);
    let read = match known {
        Some(Value::Integer(_)) => text.trim().parse().ok().map(Value::Integer),
        Some(Value::Boolean(_)) => text.trim().parse().ok().map(Value::Boolean),
        Some(Value::Array(_)) => Some(list(text)),
        _ => Some(Value::String(text.to_owned())),
    };
    read.ok_or_else(|| ConfigError::Kind {
        key: key.to_owned(),
        origin: origin.clone(),
        expected: known.map_or("a text", kind),
        found: format!("{text:?}"),
    })
}

fn list(text: &str) -> Value {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    Value::Array(words.map(|word| Value::String(word.to_owned())).collect())
}

fn set(
    values: &mut BTreeMap<String, (Value, Origin)>,
    key: String,
    value: Value,
    origin: Origin,
) -> Result<(), ConfigError> {
    let Some((known, _)) = values.get(&key) else {
        let near = nearest(&key, values.keys().map(String::as_str)).map(str::to_owned);
        return Err(ConfigError::Unknown { key, origin, near });
    };
    if std::mem::discriminant(known) != std::mem::discriminant(&value) {
        let found = kind(&value).to_owned();
        return Err(ConfigError::Kind { expected: kind(known), key, origin, found });
    }
    values.insert(key, (value, origin));
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

fn flatten(table: &Table) -> Vec<(String, Value)> {
    let mut leaves = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => leaves.extend(
                flatten(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)),
            ),
            leaf => leaves.push((key.clone(), leaf.clone())),
        }
    }
    leaves
}

/// The keys have two parts: section and name.
fn unflatten(values: &BTreeMap<String, (Value, Origin)>) -> Table {
    let mut root = Table::new();
    for (key, (value, _)) in values {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let section = root.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section {
            section.insert(name.to_owned(), value.clone());
        }
    }
    root
}
