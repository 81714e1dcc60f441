//! Where a path leads, by its text alone.

use super::Finding;
use crate::path::{Relation, relation};

/// Parts of a project that decide what runs later, or hold what nobody else should see.
const GUARDED: [&str; 3] = [".git", ".claude", ".env"];

/// Devices that take or give bytes and keep nothing.
const SINKS: [&str; 4] = ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"];

/// What writing this file means.
pub(super) fn write(path: &str, directory: &str) -> Finding {
    if SINKS.contains(&path) {
        return Finding::Looks;
    }
    if !is_inside(path, directory) {
        return Finding::Destroys(format!("writes outside the project: {path}"));
    }
    match path.split('/').find(|part| GUARDED.contains(part)) {
        Some(part) => Finding::Destroys(format!("writes to {part}")),
        None => Finding::Works,
    }
}

/// Whether a path surely leads to a place in the directory: one that the shell would still change
/// (`~`, `$HOME`) does not surely.
pub(super) fn is_inside(path: &str, directory: &str) -> bool {
    if path.starts_with('~') || path.contains(['$', '`']) {
        return false;
    }
    let whole = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{directory}/{path}"),
    };
    let Some(resolved) = resolve(&whole) else { return false };
    matches!(relation(&resolved, directory), Relation::Same | Relation::Inside)
}

/// The path without `.` and `..`; `None` when it leads above the root.
fn resolve(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}
