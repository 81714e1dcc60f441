//! Which programs that work often needs are on the PATH. Looked for by name, never started.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The programs looked for: what builds, tests and ships code, as far as people ask for it.
const KNOWN: [&str; 28] = [
    "bun", "cargo", "clang", "cmake", "deno", "docker", "dotnet", "gcc", "gh", "git", "go",
    "gradle", "java", "just", "kubectl", "make", "mvn", "node", "npm", "php", "pnpm", "podman",
    "psql", "python3", "ruby", "swift", "uv", "yarn",
];

/// Those of them that are there.
pub(super) fn found(path: Option<OsString>) -> Vec<String> {
    let path = path.unwrap_or_default();
    let directories: Vec<_> = std::env::split_paths(&path).collect();
    let is_there = |name: &&str| directories.iter().any(|at| is_program(&at.join(name)));
    KNOWN.into_iter().filter(is_there).map(str::to_owned).collect()
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for (name, mode) in [("make", 0o755), ("node", 0o644), ("unheard-of", 0o755)] {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        assert_eq!(found(Some(folder.path().into())), ["make"]);
        assert!(found(None).is_empty());
    }
}
