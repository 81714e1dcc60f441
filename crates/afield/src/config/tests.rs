//! Layers, unknown keys and the default file.

use super::layers::Origin;
use super::*;

fn sources(
    file: &str,
    environment: &[(&str, &str)],
    flags: Vec<Flag>,
) -> (tempfile::TempDir, Sources) {
    let data_dir = tempfile::tempdir().unwrap();
    std::fs::write(data_dir.path().join(FILE_NAME), file).unwrap();
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let sources = Sources {
        data_dir: data_dir.path().to_owned(),
        file: None,
        environment: environment.iter().map(own).collect(),
        flags,
    };
    (data_dir, sources)
}

fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
    let (_dir, sources) = sources(file, environment, Vec::new());
    load(&sources).unwrap_err().to_string()
}

#[test]
fn the_default_file_equals_the_defaults() {
    let read: Config = toml::from_str(DEFAULT_FILE).unwrap();
    assert_eq!(read, Config::default());
}

#[test]
fn every_key_in_the_default_file_has_a_comment_before_it() {
    let mut commented = false;
    for line in DEFAULT_FILE.lines() {
        match line {
            "" => commented = false,
            _ if line.starts_with('#') => commented = true,
            _ if line.starts_with('[') => {}
            _ => assert!(commented, "{line}"),
        }
    }
}

#[test]
fn later_sources_win_and_are_remembered() {
    let flag = Flag { name: "listen", key: "server.listen", value: "[::1]:3".into() };
    let file = "[server]\nlisten = \"[::1]:1\"\n[log]\nlevel = \"debug\"\n";
    let environment = [
        ("AFIELD_SERVER__LISTEN", "[::1]:2"),
        ("AFIELD_LIMITS__CONNECTIONS", "7"),
        ("AFIELD_SERVER__ALLOWED_HOSTS", "a.example, b.example"),
        ("AFIELD_TOKEN", "not configuration"),
        ("HOME", "/root"),
    ];
    let (dir, sources) = sources(file, &environment, vec![flag]);
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config.server.listen, "[::1]:3");
    assert_eq!(loaded.config.log.level, "debug");
    assert_eq!(loaded.config.limits.connections, 7);
    assert_eq!(loaded.config.server.allowed_hosts, ["a.example", "b.example"]);
    let origin = |key: &str| loaded.values[key].1.clone();
    assert_eq!(origin("server.listen"), Origin::Flag("listen"));
    assert_eq!(origin("log.level"), Origin::File(dir.path().join(FILE_NAME)));
    assert_eq!(origin("limits.connections"), Origin::Variable("AFIELD_LIMITS__CONNECTIONS".into()));
    assert_eq!(origin("tls.mode"), Origin::Default);
    assert!(loaded.chosen("log.level") && !loaded.chosen("tls.mode"));
}

#[test]
fn a_missing_file_is_fine_unless_it_was_named() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut sources = Sources { data_dir: data_dir.path().to_owned(), ..Sources::default() };
    assert_eq!(load(&sources).unwrap().config, Config::default());
    sources.file = Some(data_dir.path().join("other.toml"));
    assert!(load(&sources).unwrap_err().to_string().contains("other.toml"));
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    let said = refusal("[server]\nlisen = \"x\"\n", &[]);
    assert!(said.contains("no key server.lisen"), "{said}");
    assert!(said.contains("did you mean server.listen?"), "{said}");
    let said = refusal("", &[("AFIELD_LIMITS__CONECTIONS", "1")]);
    assert!(said.contains("$AFIELD_LIMITS__CONECTIONS"), "{said}");
    assert!(said.contains("did you mean limits.connections?"), "{said}");
}

#[test]
fn wrong_kinds_are_refused_by_key_and_place() {
    let said = refusal("[limits]\nconnections = \"many\"\n", &[]);
    assert!(said.contains("limits.connections") && said.contains("a whole number"), "{said}");
    let said = refusal("", &[("AFIELD_SERVER__BEHIND_PROXY", "maybe")]);
    assert!(said.contains("true or false"), "{said}");
    for name in ["connections", "handoff_grace_seconds"] {
        let said = refusal(&format!("[limits]\n{name} = -1\n"), &[]);
        assert!(said.starts_with(&format!("limits.{name} (in /")), "{said}");
        assert!(said.ends_with("afield.toml) must be 0 or more, not -1"), "{said}");
    }
    let said = refusal("", &[("AFIELD_LIMITS__HANDOFF_GRACE_SECONDS", "5000000000")]);
    assert!(said.contains("$AFIELD_LIMITS__HANDOFF_GRACE_SECONDS"), "{said}");
    assert!(said.contains("must be a smaller number, not 5000000000"), "{said}");
    let said = refusal("[log]\nlevel = \"debug\"\n[tls]\nmode = \"on\"\n", &[]);
    assert!(said.starts_with("tls.mode (in /") && said.contains("self-signed"), "{said}");
    let said = refusal("server = 1\n", &[]);
    assert!(said.contains("no key server"), "{said}");
}
