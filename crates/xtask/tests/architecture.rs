//! Which crate may depend on which: the table of docs/ARCHITECTURE.md, checked over cargo metadata.
//!
//! Only what a crate itself is built from counts; dev-dependencies and build scripts do not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// How far a prohibition reaches.
#[derive(Clone, Copy)]
enum Reach {
    /// Neither the crate nor anything it is built from.
    Anywhere,
    /// Not in the crate's own manifest; what it uses may bring it.
    Directly,
}

struct Rule {
    of: &'static str,
    reach: Reach,
    forbidden: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        of: "afield-proto",
        reach: Reach::Anywhere,
        forbidden: &["tokio", "rusqlite", "tokio-postgres", "axum", "hyper"],
        why: "words only: no I/O, no SQL",
    },
    Rule {
        of: "afield-flow",
        reach: Reach::Anywhere,
        forbidden: &["tokio", "rusqlite", "tokio-postgres", "axum", "hyper"],
        why: "decisions only: replayable without I/O",
    },
    Rule {
        of: "afield-store",
        reach: Reach::Anywhere,
        forbidden: &["axum", "afield-server", "afield-client", "afield-runner"],
        why: "state knows nothing of who serves it",
    },
    Rule {
        of: "afield-client",
        reach: Reach::Anywhere,
        forbidden: &["axum", "rusqlite", "tokio-postgres", "afield-store", "afield-server"],
        why: "a client sees the wire and nothing else",
    },
    Rule {
        of: "afield-server",
        reach: Reach::Anywhere,
        forbidden: &["afield-runner", "process-wrap"],
        why: "the network-facing process starts no program",
    },
    Rule {
        of: "afield-server",
        reach: Reach::Directly,
        forbidden: &["rusqlite", "tokio-postgres", "deadpool-postgres", "refinery"],
        why: "SQL lives in the store alone",
    },
    Rule {
        of: "afield-runner",
        reach: Reach::Anywhere,
        forbidden: &["axum", "rusqlite", "tokio-postgres", "afield-server", "afield-store"],
        why: "a runner listens nowhere and has no database of the server",
    },
    Rule {
        of: "afield",
        reach: Reach::Anywhere,
        forbidden: &["testkit", "powercut-shim"],
        why: "doubles are not shipped",
    },
    Rule {
        of: "afield",
        reach: Reach::Directly,
        forbidden: &["rusqlite", "tokio-postgres", "deadpool-postgres", "refinery"],
        why: "SQL lives in the store alone",
    },
    Rule {
        of: "xtask",
        reach: Reach::Anywhere,
        forbidden: &["afield-store", "afield-client", "afield-server", "afield-runner", "afield"],
        why: "the checks must run while the product does not compile",
    },
];

/// Package name to the names of what it is built from.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Every broken rule, each with the way from the crate to what it must not contain.
fn violations(graph: &Graph, rules: &[Rule]) -> Vec<String> {
    let mut found = Vec::new();
    for rule in rules {
        for forbidden in rule.forbidden {
            let way = match rule.reach {
                Reach::Anywhere => shortest_way(graph, rule.of, forbidden),
                Reach::Directly => graph[rule.of]
                    .contains(*forbidden)
                    .then(|| vec![rule.of.to_owned(), (*forbidden).to_owned()]),
            };
            if let Some(way) = way {
                found.push(format!("{} ({})", way.join(" -> "), rule.why));
            }
        }
    }
    found
}

fn shortest_way(graph: &Graph, from: &str, to: &str) -> Option<Vec<String>> {
    let mut seen = BTreeSet::from([from.to_owned()]);
    let mut ways = VecDeque::from([vec![from.to_owned()]]);
    while let Some(way) = ways.pop_front() {
        for next in graph.get(way.last()?).into_iter().flatten() {
            let longer: Vec<String> = way.iter().chain([next]).cloned().collect();
            if next == to {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// The graph of this workspace for this machine's platform.
fn workspace() -> Graph {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .other_options(["--filter-platform".to_owned(), host()])
        .exec()
        .expect("cargo metadata answers");
    let name = |id: &cargo_metadata::PackageId| metadata[id].name.to_string();
    let mut graph = Graph::new();
    for node in &metadata.resolve.as_ref().expect("dependencies were asked for").nodes {
        let built_from = node
            .deps
            .iter()
            .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal))
            .map(|dep| name(&dep.pkg));
        graph.entry(name(&node.id)).or_default().extend(built_from);
    }
    graph
}

fn host() -> String {
    let told = Command::new("rustc").arg("-vV").output().expect("rustc answers").stdout;
    let told = String::from_utf8(told).expect("rustc speaks UTF-8");
    let line = told.lines().find_map(|line| line.strip_prefix("host: "));
    line.expect("rustc names its host").to_owned()
}

#[test]
fn no_crate_contains_what_it_must_not() {
    let graph = workspace();
    for rule in RULES {
        assert!(graph.contains_key(rule.of), "there is no crate {}", rule.of);
    }
    assert_eq!(violations(&graph, RULES), Vec::<String>::new());
}

#[test]
fn the_graph_is_really_followed() {
    let graph = workspace();
    let way = shortest_way(&graph, "afield-proto", "serde_core").expect("serde brings its core");
    assert_eq!(way.first().map(String::as_str), Some("afield-proto"));
    assert!(way.len() >= 3, "{way:?}");
    assert!(!graph["afield-proto"].contains("proptest"), "dev-dependencies do not count");
}

fn planted(edges: &[(&str, &str)]) -> Graph {
    let mut graph = Graph::new();
    for (from, to) in edges {
        graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        graph.entry((*to).to_owned()).or_default();
    }
    graph
}

#[test]
fn a_planted_dependency_is_found() {
    let rules = [
        Rule { of: "words", reach: Reach::Anywhere, forbidden: &["io"], why: "pure" },
        Rule { of: "server", reach: Reach::Directly, forbidden: &["sql"], why: "store only" },
    ];
    let clean = planted(&[("words", "serde"), ("server", "store"), ("store", "sql")]);
    assert_eq!(violations(&clean, &rules), Vec::<String>::new());
    let far = planted(&[("words", "a"), ("a", "b"), ("b", "a"), ("b", "io"), ("server", "x")]);
    assert_eq!(violations(&far, &rules), ["words -> a -> b -> io (pure)"]);
    let near = planted(&[("words", "a"), ("server", "store"), ("server", "sql")]);
    assert_eq!(violations(&near, &rules), ["server -> sql (store only)"]);
}
