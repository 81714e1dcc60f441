//! House rules a compiler does not know: how files open, where SQL lives, what no file mentions.

use std::path::{Path, PathBuf};

/// Where string literals may hold SQL: the store, and what measures or tests databases themselves.
const SQL_HOMES: [&str; 4] = [
    "crates/afield-store/",
    "crates/afield-bench/src/peers/",
    "crates/afield-bench/src/floors/",
    "crates/powercut-shim/tests/",
];

/// Beginnings of SQL statements, put together here so that this file does not hold them.
const SQL_WORDS: [&str; 5] = [
    concat!("SEL", "ECT "),
    concat!("INS", "ERT INTO"),
    concat!("DEL", "ETE FROM"),
    concat!("CRE", "ATE TABLE"),
    concat!("ALT", "ER TABLE"),
];

/// What no file mentions: marks of unfinished work, paths of one machine, hosts of registries.
const UNWANTED: [&str; 8] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("/wo", "rk/main"),
    concat!("/wo", "rk/shared"),
    concat!("/tmp/tar", "gets"),
    concat!("/tmp/con", "tract"),
    concat!("index.cra", "tes.io"),
    concat!("registry.npm", "js.org"),
];

const TEXT_ENDINGS: [&str; 12] =
    ["rs", "md", "toml", "sql", "ts", "svelte", "css", "html", "sh", "yml", "yaml", "service"];

fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .canonicalize()
        .expect("the root is there")
}

/// Every text file of the repository, its path relative to the root.
fn texts() -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder can be listed") {
            let path = entry.expect("a folder can be listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "node_modules", "dist", ".git"].contains(&name.as_str()) {
                    folders.push(path);
                }
                continue;
            }
            let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            if TEXT_ENDINGS.contains(&ending.as_str()) || ["Makefile", "setup"].contains(&&*name) {
                let relative = path.strip_prefix(&root).expect("it was found below the root");
                let text = std::fs::read_to_string(&path).expect("a text file is UTF-8");
                found.push((relative.to_string_lossy().into_owned(), text));
            }
        }
    }
    assert!(found.len() > 50, "the repository is found");
    found
}

fn rust_files() -> impl Iterator<Item = (String, String)> {
    texts().into_iter().filter(|(path, _)| path.starts_with("crates/") && path.ends_with(".rs"))
}

/// The contents of the string literals of Rust source; comments and characters are not among them.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(open) = raw_opening(rest) {
            let close = format!("\"{}", "#".repeat(open - 2));
            let end = rest[open..].find(&close).map_or(rest.len(), |end| open + end);
            found.push(rest[open..end].to_owned());
            (end + close.len()).min(rest.len())
        } else if next == '"' {
            let end = plain_end(rest);
            found.push(rest[1..end].to_owned());
            (end + 1).min(rest.len())
        } else if next == '\'' {
            character_length(rest)
        } else {
            next.len_utf8()
        };
        rest = &rest[taken..];
    }
    found
}

/// Length of `r#"` with any number of marks, where a raw literal begins here.
fn raw_opening(text: &str) -> Option<usize> {
    let marks = text.strip_prefix('r')?;
    let after = marks.trim_start_matches('#');
    after.starts_with('"').then_some(text.len() - after.len() + 1)
}

/// Where the plain literal that begins here has its closing mark.
fn plain_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// Length of a character literal; of the mark alone where it begins a lifetime.
fn character_length(text: &str) -> usize {
    let inner: Vec<(usize, char)> = text.char_indices().skip(1).take(12).collect();
    let closing = match inner.as_slice() {
        [(_, '\\'), _, rest @ ..] => rest.iter().find(|(_, c)| *c == '\''),
        [_, second @ (_, '\''), ..] => Some(second),
        _ => None,
    };
    closing.map_or(1, |(at, _)| at + 1)
}

fn holds_sql(source: &str) -> Option<String> {
    literals(source).into_iter().find(|text| SQL_WORDS.iter().any(|word| text.contains(word)))
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> =
        rust_files().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert_eq!(silent, Vec::<String>::new(), "these do not open with //!");
}

#[test]
fn modules_are_files_with_their_own_name() {
    let found: Vec<String> =
        rust_files().map(|(path, _)| path).filter(|path| path.ends_with("/mod.rs")).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn sql_lives_in_the_store_alone() {
    let mut found = Vec::new();
    for (path, text) in rust_files() {
        let home = SQL_HOMES.iter().any(|home| path.starts_with(home));
        if let Some(literal) = holds_sql(&text).filter(|_| !home) {
            found.push(format!("{path}: {literal}"));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn nothing_unwanted_is_mentioned() {
    let mut found = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            if UNWANTED.iter().any(|word| line.contains(word)) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn literals_are_told_from_everything_else() {
    let source = r##"
        // "a comment" 'x
        /* "another" */
        fn f<'a>(c: char, s: &'a str) { let _ = ('"', '\'', '\u{1F600}', "one \" two", r"raw", r#"r"aw"#); }
    "##;
    assert_eq!(literals(source), [r#"one \" two"#, "raw", r#"r"aw"#]);
}

#[test]
fn planted_sql_is_found() {
    let word = SQL_WORDS[0];
    assert!(holds_sql(&format!("let q = \"{word}1\";")).is_some());
    assert!(holds_sql(&format!("let q = r#\"\n  {word}1\"#;")).is_some());
    assert!(holds_sql(&format!("// {word}1\nlet q = 'S';")).is_none());
}
