//! What is built once more with the hooks of planted bugs in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The test programs in which a bug must make a test fail.
const TESTS: [&str; 3] = ["offline", "conformance", "fleet"];

/// The programs with the hooks in them, by their names.
pub(super) struct Planted(BTreeMap<String, PathBuf>);

/// Builds everything with the hooks in it, once. Quick when that was done before.
pub(super) fn planted() -> &'static Planted {
    static BUILT: OnceLock<Planted> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> Planted {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["build", "--workspace", "--features", "afield/planted", "--message-format=json"];
    let built = Command::new(cargo)
        .args(words)
        .args(["--bin", "afield-planted"])
        .args(TESTS.iter().flat_map(|name| ["--test", name]))
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(built.status.success(), "the planted bugs can be built");
    let lines = built.stdout.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let program = |message: serde_json::Value| {
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, PathBuf::from(message["executable"].as_str()?)))
    };
    Planted(messages.filter_map(program).collect())
}

impl Planted {
    /// The product.
    pub(super) fn binary(&self) -> PathBuf {
        self.0["afield-planted"].clone()
    }

    /// Whether a test fails with this bug.
    pub(super) fn fails(&self, program: &str, test: &str, bug: &str) -> bool {
        let mut command = Command::new(&self.0[program]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        !command.arg(test).env("AFIELD_PLANTED", bug).status().unwrap().success()
    }
}
