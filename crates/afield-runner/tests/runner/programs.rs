//! Programs of this workspace that the tests start: found beside the tests, built when missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The double of Claude Code.
pub(crate) fn mock_claude() -> &'static Path {
    static FOUND: LazyLock<PathBuf> =
        LazyLock::new(|| found("mock-claude", &["-p", "testkit", "--bin", "mock-claude"]));
    &FOUND
}

/// The demonstration agent.
pub(crate) fn demo_agent() -> &'static Path {
    static FOUND: LazyLock<PathBuf> = LazyLock::new(|| {
        found("examples/demo-agent", &["-p", "afield-runner", "--example", "demo-agent"])
    });
    &FOUND
}

fn found(name: &str, build: &[&str]) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("tests lie in target/<profile>/deps");
    let program = profile.join(name);
    if !program.exists() {
        let target = profile.parent().expect("a profile lies in the target directory");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--target-dir"])
            .arg(target)
            .args(build)
            .status()
            .expect("cargo can be started");
        assert!(status.success(), "cargo build {build:?} failed");
    }
    program
}
